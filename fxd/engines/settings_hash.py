"""What tells one saturator from another: its settings, and the method by which they become sound.

It stands apart from the saturator because commands that only name a version need no numba and no SciPy.
"""

import json
from hashlib import sha256

from fxd.config import SaturatorSettings

METHODS = {"none": 2, "on": 2}
"""Counted up, for each value of `antialias`, by every change after which the output could be another one: to
the curve, to the filters and to the oversampling."""


def settings_hash(settings: SaturatorSettings) -> str:
    """12 hexadecimal digits that change whenever the saturator's output could.

    >>> settings_hash(SaturatorSettings(drive=5)) == settings_hash(SaturatorSettings())
    True
    """
    values = {**settings.model_dump(), "method": METHODS[settings.antialias]}
    return sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:12]
