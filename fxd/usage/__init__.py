"""How the commands with many options are called; what they do is in `fxd.commands`."""
