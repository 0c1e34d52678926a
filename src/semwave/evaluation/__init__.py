"""The paper's figures, measured: schemes that send a picture, one set of conditions, tables, curves and pictures."""
