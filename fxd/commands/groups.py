"""`fxd stats --by`."""

import sys

from fxd.insight.counting import counted
from fxd.insight.grouping import Grouping, group_json
from fxd.insight.hints import nothing_to_tell
from fxd.insight.question import By, Question
from fxd.insight.stats import QUALITY, columns_of
from fxd.store.store import Store


def tell_groups(store: Store, question: Question, by: By) -> None:
    """Print what the runs of each group say."""
    done, failed = store.count_done(question.last, question.since)
    # A limit that leaves nothing out would make the database sort a million runs.
    last = None if question.last is None else done
    columns = columns_of(question.series)
    measured = store.measurements(
        columns, question.since, last, with_files=by == "file", with_content_keys=True
    )
    if not len(measured) and question.form == "table":
        print(nothing_to_tell(store, question.since, question.last))
        return
    known = counted(store, measured, question.series, each_apart=by == "host")
    grouping, notes = Grouping(known, by), known.notes(failed)
    if by == "model" and len(grouping) > 1 and any(measure in QUALITY for _, measure in question.series):
        notes.append(
            "models that met other files differ by these as well; `fxd stats --compare A B` takes the same "
            "for both"
        )
    if question.form == "json":
        from fxd.insight.streamed import write_object

        measures = [{"engine": engine, "measure": measure} for engine, measure in question.series]
        head = {"by": by, "measures": measures, "timing": known.timing.basis, "failed": failed}
        write_object(sys.stdout, head, "groups", map(group_json, grouping), lambda: {"notes": notes})
        return
    from fxd.insight.grouping_table import CSV_FIGURES, CSV_HEADER, csv_rows, print_groups

    if question.form == "csv":
        from fxd.insight.spreadsheet import write_csv

        header = [*CSV_HEADER, *CSV_FIGURES, "ci95_low", "ci95_high"]
        write_csv(sys.stdout, header, csv_rows(grouping))
        return
    from rich.console import Console

    print_groups(Console(emoji=False), grouping, notes)
