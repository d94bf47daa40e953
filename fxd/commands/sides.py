"""`fxd stats --compare`."""

import json
import sys

from fxd.insight.comparing import compared_json, side_by_side
from fxd.insight.question import MOST_TELLING, Question
from fxd.insight.sides import begin_of, find_sides
from fxd.insight.stats import columns_of
from fxd.insight.verdicts import sentence
from fxd.store.store import Store


def tell_comparison(store: Store, question: Question, names: tuple[str, str]) -> None:
    """Print how the second differs from the first."""
    sides = find_sides(store, *names)
    # A model has no part in what the dsp costs: that is told only to who asks for it.
    of_both = question.series != MOST_TELLING or sides[0].kind != "model"
    series = question.series if of_both else tuple(one for one in question.series if one[0] == "tcn")
    since = max(filter(None, (question.since, begin_of(sides))), default=None)
    done, _ = store.count_done(question.last, since)
    last = None if question.last is None else done
    measured = store.measurements(columns_of(series), since, last, with_content_keys=True)
    found = side_by_side(store, measured, sides, series)
    timing = found.counted.timing
    told = [(one, sentence(one, sides, timing)) for one in found.compared()]
    notes = found.notes()
    if question.form == "json":
        facts = {
            **{name: {"kind": side.kind, "name": side.name} for name, side in zip("ab", sides, strict=True)},
            "runs": [int(rows.sum()) for rows in found.rows],
            "timing": timing.basis,
            "heard_files": found.heard,
            "comparisons": [compared_json(*one) for one in told],
            "notes": notes,
        }
        print(json.dumps(facts, indent=2, allow_nan=False))
        return
    from fxd.insight.comparing_table import CSV_HEADER, csv_rows, print_comparison

    if question.form == "csv":
        from fxd.insight.spreadsheet import write_csv

        write_csv(sys.stdout, CSV_HEADER, csv_rows(told))
        return
    from rich.console import Console

    print_comparison(Console(emoji=False), sides, told, notes)
