"""Deploy targets, one module or folder each, run from a clone: `python -m export.<target> RUN --out DIR`."""
