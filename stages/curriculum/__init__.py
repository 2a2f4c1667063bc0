"""What a curriculum came to: every checkpoint on every source, what was forgotten and transferred, and the gates."""
