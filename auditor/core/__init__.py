"""What every stage shares, without torch: records, errors, the registry, seeds and names of zones."""
