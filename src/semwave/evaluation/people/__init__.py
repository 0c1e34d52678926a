"""Whom it serves how well: the same figures by skin tone, and by groups that people say they belong to."""
