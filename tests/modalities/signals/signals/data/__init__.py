"""Where signals are read from."""
