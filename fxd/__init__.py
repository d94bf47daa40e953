"""fxd: a daemon that compares a neural audio effect with the DSP it imitates."""

__version__ = "0.1.0"
