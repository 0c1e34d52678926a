"""CP-OFDM frames of analog symbols.

    preamble (2 symbols) | header (polar code, 192 QPSK cells) | payload: P F D x, pilots beside it

D turns every complex symbol x by a fixed random phase, F is one orthonormal FFT over the whole payload, P a
permutation. Every cell then has the same power whatever the symbols are, and every symbol meets the channel's mean.
"""
