"""Other people's worlds: links of Sionna, runtimes for graphs."""
