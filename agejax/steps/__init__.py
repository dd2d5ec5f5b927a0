"""The jitted steps and their parts."""
