"""Which clips a curriculum stage sees, and how they are read."""
