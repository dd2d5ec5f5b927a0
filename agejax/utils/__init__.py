"""Small tools without a domain: atomic writes, imports by name, versions."""
