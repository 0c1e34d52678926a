"""Keeps chosen parts of a face from being sent: section 3.2 of the paper, and a strict mode beyond it.

settings.py    what is private, and how it is kept so
filter.py      eq. 4: a random bias moves the private codes away from the truth
knowledge.py   eq. 5: the average codes of natural faces pull them back to what looks like a face
strict.py      private pixels are removed before anything reads them
photo.py       a photo and the mask that its user drew
faces.py       codes of data sets, which knowledge bases are made of
protection.py  the three modes, between photograph and codes
"""
