"""What one trial writes down of signals."""
