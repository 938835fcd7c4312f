"""What an attacker may do: the whole constraint behind a few verbs."""
