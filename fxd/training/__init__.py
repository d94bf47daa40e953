"""The training set, the trainer and the promotion of what it made."""
