"""Comparing remedies for imbalance on one's own data: the cells of a study, and what follows from them."""
