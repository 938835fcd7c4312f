"""Numbers and intervals: shares, strata, exchanges, censored sizes, crossed designs, ratios, groups."""
