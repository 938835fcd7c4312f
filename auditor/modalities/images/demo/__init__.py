"""The embedded demonstrations: data made by code, models small enough to ship."""
