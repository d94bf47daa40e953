"""The model of a disk, checked on what is known of disks."""

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from crash.disk import Disk, Way
from crash.image import BARE, LEAST, State, image_of
from crash.operations import Link, MakeFolder, Open, Operation, Remove, Rename, Sync, Truncate, Write

WAYS: tuple[Way, ...] = ("strict", "ordered")
OLD, NEW = b"old" * 700, b"new" * 700
WRITTEN = [Open("file.tmp", True), Write("file.tmp", NEW, 0)]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """With a file that is there for good, and an empty folder."""
    root = tmp_path / "home"
    (root / "folder").mkdir(parents=True)
    (root / "file").write_bytes(OLD)
    return root


def states(home: Path, operations: Sequence[Operation], ways: Sequence[Way] = WAYS) -> list[dict[str, bytes]]:
    """What files there may be after a power cut: the bare states, and two hundred at random for each way."""
    disk = Disk(home)
    for operation in operations:
        disk.apply(operation)
    found = []
    for way in ways:
        for draw in (LEAST, BARE, *range(1, 200)):
            image = image_of(disk, State("test", 0, way, draw))
            found.append({name: image.contents[file] for name, file in image.names.items()})
    return found


@pytest.mark.parametrize("way", WAYS)
def test_a_file_that_was_renamed_and_not_synced_may_be_empty_torn_or_not_there(home: Path, way: Way) -> None:
    contents = [found["file"] for found in states(home, [*WRITTEN, Rename("file.tmp", "file")], [way])]
    assert {OLD, NEW, b""} <= set(contents)
    assert any(NEW[:512] in content and bytes(512) in content for content in contents)


def test_a_file_that_was_synced_and_renamed_is_the_old_one_or_the_new(home: Path) -> None:
    steps = [*WRITTEN, Sync("file.tmp"), Rename("file.tmp", "file")]
    assert {found["file"] for found in states(home, steps)} == {OLD, NEW}


def test_a_file_whose_folder_was_synced_too_is_the_new_one(home: Path) -> None:
    steps = [*WRITTEN, Sync("file.tmp"), Rename("file.tmp", "file"), Sync("")]
    assert states(home, steps, ["strict"]) == [{"file": NEW}] * 201


def test_a_sync_of_a_file_does_nothing_for_its_name(home: Path) -> None:
    found = states(home, [*WRITTEN, Sync("file.tmp")], ["strict"])
    assert {"file.tmp" in one for one in found} == {True, False}
    assert {one["file.tmp"] for one in found if "file.tmp" in one} == {NEW}


def test_a_disk_that_keeps_the_order_has_a_file_once_that_was_synced(home: Path) -> None:
    found = states(home, [*WRITTEN, Sync("file.tmp"), Remove("file")], ["ordered"])
    assert all(one["file.tmp"] == NEW for one in found)
    assert {"file" in one for one in found} == {True, False}


def test_what_is_in_a_folder_whose_own_name_is_lost_is_lost(home: Path) -> None:
    moved = [Rename("file", "folder/file"), Sync("folder"), Sync("")]
    steps = [*moved, MakeFolder("new"), Rename("folder/file", "new/file"), Sync("folder")]
    found = states(home, steps, ["strict"])
    assert {} in found  # that it left the one folder is for good, the other folder itself is not
    assert all(one in ({}, {"new/file": OLD}) for one in found)
    assert {} not in states(home, steps, ["ordered"])


def test_a_rename_between_folders_is_one_thing(home: Path) -> None:
    for steps in ([Rename("file", "folder/file")], [Rename("file", "folder/file"), Sync("folder")]):
        for found in states(home, steps):
            assert list(found.values()) == [OLD]
    assert all("folder/file" in found for found in states(home, steps))


def test_one_folder_loses_what_came_last(home: Path) -> None:
    steps = [Link("file", f"folder/{number}") for number in range(4)]
    kept = {tuple(sorted(set(found) - {"file"})) for found in states(home, steps)}
    assert kept == {tuple(f"folder/{number}" for number in range(count)) for count in range(5)}


def test_two_folders_lose_independently_only_where_no_order_is_kept(home: Path) -> None:
    steps = [Link("file", "early"), Link("file", "folder/late")]
    assert any("folder/late" in found and "early" not in found for found in states(home, steps, ["strict"]))
    assert all("early" in found for found in states(home, steps, ["ordered"]) if "folder/late" in found)


def test_a_hole_is_zeros_and_a_file_that_was_cut_may_be_long_again(home: Path) -> None:
    contents = [found["file"] for found in states(home, [Truncate("file", 0), Write("file", b"end", 5000)])]
    assert {OLD, b"", bytes(5000) + b"end"} <= set(contents)


def test_two_names_of_a_file_stay_two_names(home: Path, tmp_path: Path) -> None:
    os.link(home / "file", home / "second")
    disk = Disk(home)
    disk.apply(Write("file", b"X", 0))
    image_of(disk, State("test", 0, "strict", 1)).write(tmp_path / "image")
    assert (tmp_path / "image" / "file").samefile(tmp_path / "image" / "second")
