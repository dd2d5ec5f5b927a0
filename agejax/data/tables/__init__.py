"""Tables of own faces: how they are read, what can be wrong with them, and how they are made."""
