"""Images under an expert's masks."""
