"""How much of the class evidence comes from where it should not?"""
