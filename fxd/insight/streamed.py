"""One JSON object whose long list is written piece by piece, so that nobody has to hold all of it."""

import json
from collections.abc import Callable, Iterable, Mapping
from textwrap import indent
from typing import Any, TextIO

INDENT = 2


def write_object(
    output: TextIO,
    head: Mapping[str, Any],
    name: str,
    items: Iterable[Mapping[str, Any]],
    tail: Callable[[], Mapping[str, Any]] = dict,
) -> None:
    """Write what `json.dumps({**head, name: [*items], **tail()}, indent=2)` gives; `tail` is asked at the end.

    >>> import sys
    >>> write_object(sys.stdout, {"by": "day"}, "groups", [{"n": 1}], lambda: {"notes": []})
    {
      "by": "day",
      "groups": [
        {
          "n": 1
        }
      ],
      "notes": []
    }
    """
    output.write("{\n")
    for key, value in head.items():
        output.write(f"{member(key, value)},\n")
    output.write(f'{" " * INDENT}"{name}": [')
    between = "\n"
    for item in items:
        output.write(between + indent(as_json(item), " " * 2 * INDENT))
        between = ",\n"
    output.write("]" if between == "\n" else f"\n{' ' * INDENT}]")
    for key, value in tail().items():
        output.write(f",\n{member(key, value)}")
    output.write("\n}\n")


def member(key: str, value: Any) -> str:
    return indent(f"{as_json(key)}: {as_json(value)}", " " * INDENT)


def as_json(value: Any) -> str:
    return json.dumps(value, indent=INDENT, allow_nan=False)
