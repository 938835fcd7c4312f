"""Can the explanation be believed?"""
