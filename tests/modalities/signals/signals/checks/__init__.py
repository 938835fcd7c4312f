"""Questions about classifiers of signals, and their verdicts."""
