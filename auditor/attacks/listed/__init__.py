"""How one searches a listed threat: the cheapest flip of a row, among values to choose from."""
