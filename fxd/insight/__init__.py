"""What the store can tell."""
