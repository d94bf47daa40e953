"""What can keep a person from playing."""


class LiveError(Exception):
    """Playing cannot begin, or cannot go on; the message names the thing, the value and the remedy."""
