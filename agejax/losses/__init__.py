"""Training losses: losses of rows, class balancing, and labels that are ranges."""
