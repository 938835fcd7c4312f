"""Is the model as reliable, and as hard to break, for everyone?"""
