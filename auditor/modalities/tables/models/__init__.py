"""Model files -> Classifier."""
