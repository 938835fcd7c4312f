"""Files -> Samples."""
