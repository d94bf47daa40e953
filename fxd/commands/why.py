"""`fxd why`: what became of a file."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fxd.config import Settings
from fxd.local_time import local
from fxd.pipeline.claim import read_claim
from fxd.pipeline.claims import CLAIMED
from fxd.pipeline.files import display
from fxd.pipeline.inbox import Inbox
from fxd.store.records import Result, Run, Step
from fxd.store.store import open_store

ARCHIVES = ("done", "failed")


def why(settings: Settings, file: str, as_json: bool) -> int:
    """Print every step of every run of `file`, newest run first, and where it is if it is under way."""
    name = name_in_home(settings, file)
    with open_store(settings.database_url) as store:
        runs = [run for run in store.runs_of(name) if is_meant(run, file, name)]
    present = waiting(settings, file) + under_way(settings, name)
    if as_json:
        facts = [run_facts(settings, run) for run in runs]
        print(json.dumps({"now": present, "runs": facts}, indent=2, default=str))
    else:
        print_story(settings, name, present, runs)
    return 0 if runs or present else 1


def name_in_home(settings: Settings, file: str) -> str:
    """The name by which the store knows a file that was given by any of its paths."""
    path = Path(file).absolute()
    for root in (settings.paths.inbox, settings.paths.outbox):
        if root in path.parents:
            relative = path.relative_to(root)
            if relative.parts[0] in ARCHIVES and len(relative.parts) > 1:
                relative = relative.relative_to(relative.parts[0])
            return display(relative)
    return display(file)


def is_meant(run: Run, file: str, name: str) -> bool:
    """Whether a run found by `name` is the one: a bare name means all files of that name, a path only itself."""
    is_path = Path(file).name != file
    return not is_path or name == run.file or name in [result.output for result in run.results]


def waiting(settings: Settings, file: str) -> list[dict[str, Any]]:
    """Why a file that lies in the inbox was not taken yet."""
    inbox = Inbox(settings.paths.inbox, settings.inbox)
    for path in (Path(file).absolute(), settings.paths.inbox / file):
        if is_waiting(inbox, path):
            reason = inbox.why_ignored(path)
            state = (
                f"it is left alone: {reason}"
                if reason
                else "it waits: for its writer to finish, or for a free worker"
            )
            return [{"file": display(path.relative_to(inbox.root)), "state": state, "steps": []}]
    return []


def is_waiting(inbox: Inbox, path: Path) -> bool:
    if inbox.root not in path.parents or not (path.is_symlink() or path.exists()):
        return False
    return path.relative_to(inbox.root).parts[0] not in ARCHIVES


def under_way(settings: Settings, name: str) -> list[dict[str, Any]]:
    """The steps so far of a claimed file."""
    found = []
    for folder in sorted((settings.paths.inbox / CLAIMED).glob("*/*/")):
        claim = read_claim(folder)
        if claim is not None and name in (claim.file, display(claim.relative.name)):
            found.append(
                {"file": claim.file, "state": "it is being processed", "steps": step_facts(claim.steps)}
            )
    return found


def run_facts(settings: Settings, run: Run) -> dict[str, Any]:
    return {
        "id": run.id,
        "file": run.file,
        "state": run.state,
        "reason": run.reason,
        "outputs": [result.output for result in run.results],
        "gone": [result.output for result in run.results if is_gone(settings, result)],
        "steps": step_facts(run.steps),
    }


def is_gone(settings: Settings, result: Result) -> bool:
    """Whether an output was removed, by `[retention]` or by somebody.

    A name with an escape is not that of the file, and tells nothing.
    """
    return "\\" not in result.output and not (settings.paths.outbox / result.output).exists()


def step_facts(steps: list[Step] | tuple[Step, ...]) -> list[dict[str, Any]]:
    return [asdict(step) for step in steps]


def print_story(settings: Settings, name: str, present: list[dict[str, Any]], runs: list[Run]) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(emoji=False)
    if not runs and not present:
        console.print(Text(f"{name}: not known here; it never was in this inbox, or has another name"))
    for one in present:
        console.print(Text(f"{one['file']}: {one['state']}", style="bold"))
        print_steps(console, one["steps"])
    for run in runs:
        ending = f"failed: {run.reason}" if run.state == "failed" else "done"
        console.print(Text(f"{run.file}: {ending} (run {run.id[:8]})", style="bold"))
        print_steps(console, step_facts(run.steps))
        for result in run.results:
            gone = ", not there any more" if is_gone(settings, result) else ""
            console.print(Text(f"  {result.engine}: outbox/{result.output} ({result.version}){gone}"))


def print_steps(console: Any, steps: list[dict[str, Any]]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    for step in steps:
        moment = local(step["at"]).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
        table.add_row(Text("  " + moment, style="dim"), Text(step["name"]), Text(step["detail"]))
    console.print(table)
