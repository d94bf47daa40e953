"""Playing through the engines in real time."""
