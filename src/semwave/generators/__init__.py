"""Generators: 28 x 512 latent codes in; image and part masks out."""
