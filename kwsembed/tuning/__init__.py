"""Searching for settings: what is searched, by which figure, and the search itself with keras-tuner."""
