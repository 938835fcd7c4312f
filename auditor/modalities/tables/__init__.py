"""Tables of people's columns under an expert's roles and rules."""
