"""Questions and verdicts."""
