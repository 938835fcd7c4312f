"""Can the prediction be flipped without touching what matters?"""
