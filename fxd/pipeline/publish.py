"""Attempt folder -> outbox -> training set -> database -> archive; runs in the daemon only.

The order makes a crash harmless. Outputs are checked and synced before anybody sees them; the names chosen are
written down first, so that a repeated step chooses the same; the run is recorded in one transaction before its
original leaves the claim. Whatever was not recorded is done again at the next start, under the same names.

Attempts that end at about the same time go each of these steps together: one manifest, one sync of a folder and
one transaction serve them all. On a disk that takes its time to sync, many small files would wait for nothing
else.
"""

import shutil
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path, PurePath

from fxd.config import Settings
from fxd.pipeline.archive import to_done, to_failed
from fxd.pipeline.claim import Claim
from fxd.pipeline.disks import Mount
from fxd.pipeline.files import display, make_folder, nearest_folder, place, place_new, sync_folders
from fxd.pipeline.finished import Finished, NameTaken, Unfinished, check_outputs, placeable
from fxd.pipeline.job import DRY_STEM, Outcome
from fxd.pipeline.names import Choice, Manifests, Mark, OutputNames, mark
from fxd.pipeline.story import done_run, failed_run
from fxd.store.records import Environment, Example, Run, Step
from fxd.store.store import Store
from fxd.training.dataset import dataset_lock, dry_path, subset_of

ATTEMPTS = ".attempts"
STRAY_SECONDS = 86_400.0


@dataclass
class Publisher:
    """Publishes into one home. Its methods raise OSError or StoreUnavailable where the machine is in trouble;
    calling them again, in this life or the next, completes what was cut short.
    """

    settings: Settings
    store: Store
    environment: Environment
    outbox: Path

    def __post_init__(self) -> None:
        self.names = OutputNames(self.outbox, Manifests(self.attempts), self.owner_of)
        self.mounts = [Mount.of(folder) for folder in (self.outbox, self.settings.dataset)]

    @property
    def attempts(self) -> Path:
        return self.outbox / ATTEMPTS

    def check_mounts(self) -> None:
        for mount in self.mounts:
            mount.check()

    def text(self, name: PurePath) -> str:
        """How the store knows an output: by its name below the home's outbox, elsewhere by its whole path."""
        return display(name if self.outbox == self.settings.paths.outbox else self.outbox / name)

    def attempt_folder(self, claim: Claim) -> Path:
        """A new folder for the next attempt at `claim`; `remove_attempts` removes them all."""
        self.check_mounts()
        make_folder(self.attempts)
        folders = (self.attempts / f"{claim.id}.{number}" for number in count(1))
        folder = next(folder for folder in folders if not folder.exists())
        # Not synced: after a power cut the attempt is repeated anyway. `fxd process` removes an empty parent.
        folder.mkdir(parents=True)
        return folder

    def attempts_of(self, run_id: str) -> list[Path]:
        folders = self.attempts.iterdir() if self.attempts.is_dir() else ()
        return sorted(folder for folder in folders if folder.name.startswith(f"{run_id}."))

    def release(self, group: Sequence[Finished]) -> None:
        """Make the outputs of a group appear and record its runs; the originals stay where they are.

        Raises Unfinished where one of its attempts has to be repeated, and Unplaceable where one can never come
        out; the others can be released without it.
        """
        group = [finished for finished in group if finished.run is None]
        self.keep_claims([finished.claim for finished in group])
        while group:
            self.name_outputs([finished for finished in group if not finished.names], group)
            try:
                with dataset_lock(self.settings.dataset):
                    self.show_outputs(group)
                    self.record(group)
            except NameTaken as taken:
                self.names.take_back(taken.finished.claim.id)
                taken.finished.names = {}
                continue
            return

    def keep_claims(self, claims: Sequence[Claim]) -> None:
        """Make it last that these files left the inbox, and claims that they were given back from before.

        After a power cut a file that was found there again would become another run.
        """
        inbox = self.settings.paths.inbox
        claims = [claim for claim in claims if claim.has_journal]
        folders = {nearest_folder(inbox / claim.relative.parent) for claim in claims}
        sync_folders(folders | {nearest_folder(claim.folder.parent) for claim in claims})

    def name_outputs(self, nameless: Sequence[Finished], group: Sequence[Finished]) -> None:
        """Check what the workers made, and choose its names, for good."""
        for finished in nameless:
            check_outputs(finished)
        holders = {name: one.outcome.sha256 for one in group for name in one.names.values()}
        chosen: dict[str, Choice] = {}
        for finished in nameless:
            claim, sha256 = finished.claim, finished.outcome.sha256
            made: dict[str, Mark] = {
                one.engine: mark(finished.attempt / one.output) for one in finished.outcome.results
            }
            with placeable(finished):
                names = self.names.choose(claim.id, claim.relative, list(made), sha256, holders)
            holders |= dict.fromkeys(names.values(), sha256)
            chosen[claim.id] = Choice(names, made)
        if chosen:
            self.names.manifests.write(chosen)
        for finished in nameless:
            finished.names = chosen[finished.claim.id].names

    def show_outputs(self, group: Sequence[Finished]) -> None:
        """Give outputs and dry sounds the names where they belong, for good."""
        self.check_mounts()
        folders: list[Path] = []
        shown: dict[PurePath, str] = {}
        for finished in group:
            try:
                for temporary, name in self.moves(finished):
                    folders.append((self.outbox / name).parent)
                    with placeable(finished):
                        self.show(finished, temporary, name, shown)
                    shown[name] = finished.outcome.sha256
                finished.example = self.keep_dry(finished)
            except FileNotFoundError as error:
                raise Unfinished(finished, str(error)) from error
            folders.append(self.dry_path(finished.outcome).parent)
        sync_folders(folders)
        for finished in group:
            if finished.claim.steps[-1].name != "published":
                # Where the inbox went away or was made anew, what is visible by now is recorded all the same.
                finished.claim.note_if_there(
                    Step(datetime.now(UTC), "published", ", ".join(map(self.text, finished.names.values())))
                )

    def show(
        self, finished: Finished, temporary: Path, name: PurePath, shown: Mapping[PurePath, str]
    ) -> None:
        """Let one output appear; it replaces only what was made from the same content, or by the same run."""
        final = self.outbox / name
        is_to_come = temporary.exists()  # else it was published before something further down failed
        if (is_to_come or not final.exists()) and place_new(temporary, final):
            return
        if self.names.is_taken(finished.claim.id, name, finished.outcome.sha256, shown):
            raise NameTaken(finished)
        if is_to_come:
            place(temporary, final)

    def moves(self, finished: Finished) -> list[tuple[Path, PurePath]]:
        return [
            (finished.attempt / result.output, finished.names[result.engine])
            for result in finished.outcome.results
        ]

    def record(self, group: Sequence[Finished]) -> None:
        runs = [
            done_run(
                finished.claim,
                finished.outcome,
                {engine: self.text(name) for engine, name in finished.names.items()},
                self.environment,
            )
            for finished in group
        ]
        self.store.record_runs([(run, one.example) for run, one in zip(runs, group, strict=True)])
        for finished, run in zip(group, runs, strict=True):
            finished.run = run

    def record_failure(self, claim: Claim, reason: str) -> Run:
        """Record that a file cannot be processed; the original stays where it is."""
        self.keep_claims([claim])
        run = failed_run(claim, reason, self.environment)
        self.store.record_run(run, None)
        self.remove_attempts(claim.id)
        return run

    def archive(self, recorded: Sequence[tuple[Claim, Run]]) -> None:
        """Move the originals of recorded runs out of their claims, and clean up; `final` of a claim tells where.

        Where the inbox went away the original stays in its claim: the next start that finds it archives it.
        """
        for claim, run in recorded:
            if claim.final is None and not claim.is_gone():
                claim.final = self.name_original(claim, run)
        sync_folders(claim.final.parent for claim, _ in recorded if claim.final is not None)
        for claim, _ in recorded:
            claim.source.unlink(missing_ok=True)
            claim.remove()
        # Now that it is for good that the claims are no more, nobody takes them for those of a crash.
        sync_folders({claim.folder.parent for claim, _ in recorded if claim.folder.parent.is_dir()})
        for claim, _ in recorded:
            self.remove_attempts(claim.id)
        now = datetime.now(UTC)
        self.store.add_steps([(claim.id, Step(now, "archived", self.where(claim))) for claim, _ in recorded])

    def name_original(self, claim: Claim, run: Run) -> Path | None:
        inbox = self.settings.paths.inbox
        if run.state == "failed":
            return to_failed(claim, inbox, run.reason)
        return to_done(claim, inbox) if self.settings.inbox.archive else None

    def where(self, claim: Claim) -> str:
        if claim.final is None:
            kept = self.settings.inbox.archive
            return "nowhere: somebody removed it" if kept else "deleted ([inbox] archive is false)"
        return display(claim.final.relative_to(self.settings.paths.inbox))

    def remove_attempts(self, run_id: str) -> None:
        """Remove what is left of all attempts at a run, with the names that it chose."""
        for folder in self.attempts_of(run_id):
            with suppress(FileNotFoundError):  # a daemon that starts just now removes it as a stray
                shutil.rmtree(folder)
        self.names.manifests.forget(run_id)

    def withdraw(self, run_id: str) -> None:
        """Let go of a run that was interrupted and is not to be gone on with: nothing of it stays."""
        self.names.take_back(run_id)
        self.remove_attempts(run_id)

    def remove_strays(self, waiting: Collection[str] = ()) -> None:
        """Remove the attempts at recorded runs, and those that nobody can be at any more.

        `waiting` are the runs that a daemon which died has left to this one. A run of before yesterday that is
        not among them was one of `fxd process`, which was killed: what it published is taken back.
        """
        for path in self.attempts.iterdir() if self.attempts.is_dir() else ():
            with suppress(FileNotFoundError):  # `fxd process` has just removed it itself
                run_id = path.name.split(".")[0]
                is_old = time.time() - path.stat().st_mtime > STRAY_SECONDS
                if path.is_dir() and (is_old or self.store.has_run(run_id)):
                    shutil.rmtree(path)
                elif is_old and path not in self.names.manifests.files:
                    path.unlink()
        for run_id in list(self.names.manifests.chosen):
            if self.store.has_run(run_id):
                self.names.manifests.forget(run_id)
            elif run_id not in waiting and self.names.manifests.age_of(run_id) > STRAY_SECONDS:
                self.withdraw(run_id)

    def owner_of(self, name: PurePath) -> str | None:
        """SHA-256 of the input that an output was made from, as far as runs are recorded."""
        return self.store.output_owner(self.text(name))

    def has_chosen_names(self, claim: Claim) -> bool:
        """Whether publishing has begun, so that outputs may be visible that no run is recorded for."""
        return bool(self.names.manifests.choices_of(claim.id))

    def dry_path(self, outcome: Outcome) -> Path:
        return dry_path(self.settings.dataset, outcome.content_sha256, outcome.dry_suffix)

    def keep_dry(self, finished: Finished) -> Example:
        """Put the dry sound into the training set, named by its content."""
        outcome = finished.outcome
        final = self.dry_path(outcome)
        if not final.exists():
            place(finished.attempt / (DRY_STEM + outcome.dry_suffix), final)
        return Example(
            content_sha256=outcome.content_sha256,
            settings_hash=outcome.settings_hash,
            subset=subset_of(outcome.content_sha256),
            path=str(final.relative_to(self.settings.dataset)),
            sample_rate=outcome.sample_rate,
            channels=outcome.channels,
            frames=outcome.frames,
            bytes=final.stat().st_size,
            added_at=datetime.now(UTC),
            profile=outcome.profile,
        )
