"""The two engines: arrays in, arrays out."""
