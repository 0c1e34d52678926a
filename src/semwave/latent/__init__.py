"""The latent codes: their layout, their whitened coordinates, and part masks as a code."""
