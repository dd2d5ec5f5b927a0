"""What is minimised: losses of rows, their balance, labels that are ranges."""
