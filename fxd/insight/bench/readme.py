"""`python -m fxd.insight.bench.readme README.md TABLES.md`: the tables into the README, between two markers."""

import sys
from pathlib import Path

BEGIN, END = "<!-- bench: made by `make bench-table` -->", "<!-- /bench -->"


def with_tables(text: str, tables: str) -> str:
    """The text with what stands between the markers replaced.

    Raises ValueError where the markers are not there once each, in order.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end or BEGIN in rest or END in after:
        raise ValueError(f"the text must have one {BEGIN} and behind it one {END}")
    return f"{before}{BEGIN}\n\n{tables.strip()}\n\n{END}{after}"


if __name__ == "__main__":
    readme, tables = map(Path, sys.argv[1:])
    text = with_tables(readme.read_text(encoding="utf-8"), tables.read_text(encoding="utf-8"))
    readme.write_text(text, encoding="utf-8")
