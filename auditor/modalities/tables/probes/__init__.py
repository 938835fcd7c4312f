"""What one trial writes down."""
