"""What some readers need beside the report, in a form of their own."""
