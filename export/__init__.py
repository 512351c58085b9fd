"""Deploy targets, run from a clone: `python -m export.<target> RUN --out DIR`, as `kwsembed export` does."""
