"""Networks from pixels to logits: pure functions without I/O."""
