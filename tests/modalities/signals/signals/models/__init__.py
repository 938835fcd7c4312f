"""Files of classifiers of signals."""
