"""The promise of fxd, and the programs that try to break it."""
