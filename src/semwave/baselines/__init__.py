"""What semwave is compared with: Deep JSCC, image codecs over 5G codes, an untrained checkpoint."""
