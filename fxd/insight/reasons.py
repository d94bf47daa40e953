"""Why files failed, as a few classes: each of a thousand failures has a text about its own file."""

CLASSES = (
    ("not audio", "it is not audio"),
    ("empty", "it is empty"),
    ("empty", "it holds no sound"),
    ("damaged", "it is damaged"),
    ("cut off", "it is cut off"),
    ("not a number", "export the file again without it"),
    ("sample rate", "its sample rate"),
    ("sample rate", "tone_hz"),
    ("channels", "channels, and at most"),
    ("not readable", "permission denied"),
    ("removed", "it was removed"),
    ("memory", "[processing] memory_limit_mb"),
    ("time", "[processing] timeout_factor"),
    ("time", "nothing came of it for"),
    ("worker died", "its worker process died"),
    ("internal error", "internal error"),
)
OTHER = "other"
NAMES = (*dict.fromkeys(name for name, _ in CLASSES), OTHER)
"""Of all classes, each once."""


def class_of(reason: str) -> str:
    """The class of a failed run's reason.

    >>> class_of("it is empty (0 bytes); copy or export it again")
    'empty'
    >>> class_of("the moon is full")
    'other'
    """
    return next((name for name, part in CLASSES if part in reason), OTHER)
