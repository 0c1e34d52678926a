"""Training: every shipped weight can be made again by ``semwave train``."""
