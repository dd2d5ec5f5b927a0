"""What maps pixels to logits: pure, no I/O."""
