"""Coding: codes and what they lack of a photograph, as symbols and back."""
