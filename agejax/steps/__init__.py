"""The jitted code, and what it is made of."""
