"""What each command does: a function that prints for people or as JSON and returns the exit code."""
