"""Tables of a user's own faces: reading, checking and creating them."""
