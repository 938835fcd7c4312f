"""audit.yaml -> Audit, and the JSON Schemas of what the project writes and reads."""
