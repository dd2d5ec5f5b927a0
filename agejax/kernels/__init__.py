"""How a layer is lowered on each platform."""
