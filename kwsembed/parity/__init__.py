"""Parity: whether two computations of the same thing agree, on golden audio that anybody can recompute."""
