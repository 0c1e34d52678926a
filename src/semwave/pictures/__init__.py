"""Pictures: reading, aligning, measuring and arranging them."""
