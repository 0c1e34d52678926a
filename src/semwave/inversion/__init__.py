"""Inversion: from a photograph to the codes whose picture is closest to it."""
