"""Training: the stages of a run, their checkpoints, and what they leave behind."""
