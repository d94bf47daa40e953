"""A claim is a lock, survives its daemon, and can be undone."""

import errno
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fxd.pipeline.claim import Claim
from fxd.pipeline.claims import LOCK, Claims, Unclaimable
from fxd.pipeline.inbox import Candidate, signature


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    root = tmp_path / "inbox"
    (root / "sub").mkdir(parents=True)
    (root / "sub" / "riff.wav").write_bytes(b"sound")
    return root


def candidate(path: Path) -> Candidate:
    found = signature(path)
    assert found is not None
    return Candidate(path, found, 0.0, datetime.now(UTC), 0.0)


def take(claims: Claims, path: Path) -> Claim:
    claim = claims.take(candidate(path))
    assert claim is not None
    return claim


def test_of_two_daemons_only_one_gets_a_file(inbox: Path) -> None:
    path = inbox / "sub" / "riff.wav"
    first, second = Claims(inbox), Claims(inbox)
    seen = candidate(path)
    assert first.take(seen) is not None
    assert second.take(seen) is None
    assert not path.exists()
    first.close()
    second.close()


def test_a_claim_given_back_leaves_the_inbox_as_it_was(inbox: Path) -> None:
    claims = Claims(inbox)
    claim = take(claims, inbox / "sub" / "riff.wav")
    assert claims.give_back(claim) == inbox / "sub" / "riff.wav"
    assert (inbox / "sub" / "riff.wav").read_bytes() == b"sound"
    claims.close()
    assert list((inbox / ".claimed").iterdir()) == []


def test_a_claim_given_back_to_a_taken_place_gets_a_number(inbox: Path) -> None:
    claims = Claims(inbox)
    claim = take(claims, inbox / "sub" / "riff.wav")
    (inbox / "sub" / "riff.wav").write_bytes(b"another")
    assert claims.give_back(claim).name == "riff.2.wav"
    assert (inbox / "sub" / "riff.wav").read_bytes() == b"another"
    claims.close()


def test_a_file_that_changed_since_it_was_seen_is_not_taken(inbox: Path) -> None:
    claims = Claims(inbox)
    seen = candidate(inbox / "sub" / "riff.wav")
    (inbox / "sub" / "riff.wav").write_bytes(b"longer sound")
    assert claims.take(seen) is None
    assert (inbox / "sub" / "riff.wav").exists()
    claims.close()


def test_a_writer_that_goes_on_after_the_claim_is_noticed(inbox: Path) -> None:
    claims = Claims(inbox)
    with (inbox / "sub" / "riff.wav").open("ab") as writer:
        claim = take(claims, inbox / "sub" / "riff.wav")
        assert not claim.changed()
        writer.write(b"more")
        writer.flush()
        assert claim.changed()
    claims.close()


def test_the_claims_of_a_living_daemon_are_not_recovered(inbox: Path) -> None:
    first, second = Claims(inbox), Claims(inbox)
    take(first, inbox / "sub" / "riff.wav")
    assert list(second.recover()) == []
    first.close()
    second.close()


def test_the_claims_of_a_killed_daemon_are_recovered_with_their_story(inbox: Path) -> None:
    script = (
        "import os, sys; sys.path.insert(0, sys.argv[2]); from pathlib import Path\n"
        "from test_claims import take, Claims\n"
        "inbox = Path(sys.argv[1]); claims = Claims(inbox)\n"
        "take(claims, inbox / 'sub' / 'riff.wav').note('started', 'model m')\n"
        "os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", script, inbox, Path(__file__).parent], check=False)
    claims = Claims(inbox)
    (claim,) = claims.recover()
    assert claim.file == "sub/riff.wav"
    assert claim.source.read_bytes() == b"sound"
    assert [step.name for step in claim.steps] == ["seen", "claimed", "started"]
    assert [path.name for path in (inbox / ".claimed").iterdir()] == [claims.daemon_id]
    claims.give_back(claim)
    claims.close()


def test_a_recovery_that_the_disk_refused_can_be_tried_again_at_once(
    inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = inbox / ".claimed" / "dead"
    for run in ("one", "two"):
        (dead / run).mkdir(parents=True)
        (dead / run / "riff.wav").write_bytes(b"sound")
    claims = Claims(inbox)
    with monkeypatch.context() as patch, pytest.raises(OSError, match="full") as caught:
        patch.setattr("fxd.pipeline.claims.sync_folder", full_disk)
        list(claims.recover())
    assert caught.traceback, "what is known of the error keeps the first attempt alive"
    assert [claim.id for claim in claims.recover()] == ["two"]
    claims.close()


def full_disk(_: Path) -> None:
    raise OSError(errno.ENOSPC, "full")


def test_a_claim_without_a_file_is_cleaned_up(inbox: Path) -> None:
    dead = inbox / ".claimed" / "dead"
    (dead / "run" / "sub").mkdir(parents=True)
    (dead / "run" / ".journal").write_text("half a li")
    claims = Claims(inbox)
    assert list(claims.recover()) == []
    assert not dead.exists()
    claims.close()


@pytest.mark.parametrize("taken", [False, True])
def test_a_file_whose_daemon_died_giving_it_back_is_in_the_inbox_alone(inbox: Path, taken: bool) -> None:
    dead = inbox / ".claimed" / "dead" / "run" / "sub"
    dead.mkdir(parents=True)
    final = inbox / "sub" / ("riff.2.wav" if taken else "riff.wav")
    (inbox / "sub" / "riff.wav").rename(dead / "riff.wav")
    if taken:
        (inbox / "sub" / "riff.wav").write_bytes(b"another")
    os.link(dead / "riff.wav", final)
    claims = Claims(inbox)
    assert list(claims.recover()) == []
    assert final.read_bytes() == b"sound"
    assert final.stat().st_nlink == 1
    claims.close()
    assert list((inbox / ".claimed").iterdir()) == []


def test_giving_back_goes_on_where_the_disk_refused_a_part_of_it(
    inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    claims = Claims(inbox)
    claim = take(claims, inbox / "sub" / "riff.wav")

    def refuse(_: Path) -> None:
        raise OSError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rmdir", refuse)
        with pytest.raises(OSError, match="full"):
            claims.give_back(claim)
    assert not claim.is_gone()
    assert claims.give_back(claim) == inbox / "sub" / "riff.wav"
    assert [path.name for path in (inbox / "sub").iterdir()] == ["riff.wav"]
    claims.close()
    assert list((inbox / ".claimed").iterdir()) == []


def test_the_folder_of_a_daemon_that_died_before_it_had_a_name_goes_when_it_is_old(inbox: Path) -> None:
    young, old = inbox / ".claimed" / ".young", inbox / ".claimed" / ".old"
    for folder in (young, old):
        folder.mkdir(parents=True)
        (folder / ".lock").touch()
    os.utime(old, (0, 0))
    claims = Claims(inbox)
    assert list(claims.recover()) == []
    claims.close()
    assert list((inbox / ".claimed").iterdir()) == [young]


def test_a_name_that_is_no_utf8_is_claimed_and_given_back(inbox: Path) -> None:
    path = inbox / os.fsdecode(b"caf\xe9\n.wav")
    path.write_bytes(b"sound")
    claims = Claims(inbox)
    claim = take(claims, path)
    assert claim.file == "caf\\xe9\\x0a.wav"
    assert claims.give_back(claim) == path
    claims.close()


def test_an_inbox_that_was_removed_and_made_anew_can_be_claimed_from(inbox: Path) -> None:
    claims = Claims(inbox)
    inbox.rename(inbox.with_name("moved away"))
    inbox.mkdir()
    (inbox / "riff.wav").write_bytes(b"sound")
    claim = take(claims, inbox / "riff.wav")
    other = Claims(inbox)
    assert list(other.recover()) == []
    claims.give_back(claim)
    claims.close()
    other.close()


def test_claims_that_went_away_with_their_inbox_are_found_when_it_is_back(inbox: Path) -> None:
    claims = Claims(inbox)
    claim = take(claims, inbox / "sub" / "riff.wav")
    away = inbox.rename(inbox.with_name("away"))
    assert list(claims.lost(known=())) == []
    # As the empty folder that a share is mounted on; somebody drops a file there meanwhile.
    inbox.mkdir()
    (inbox / "other.wav").write_bytes(b"other")
    other = take(claims, inbox / "other.wav")
    inbox.rename(inbox.with_name("below"))
    away.rename(inbox)
    assert list(claims.lost(known={claim.id})) == []
    (found,) = claims.lost(known={other.id})
    assert (found.id, found.source.read_bytes()) == (claim.id, b"sound")
    # And nobody takes them for a dead daemon's.
    second = Claims(inbox)
    assert list(second.recover()) == []
    second.close()
    claims.give_back(found)
    claims.close()


def refuse_to_move(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """As the system does where a folder may not be written; root it would let pass."""

    def refuse(path: Path, target: Path) -> Path:
        raise OSError(number, os.strerror(number), path, None, target)

    monkeypatch.setattr(Path, "rename", refuse)


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM, errno.EBUSY])
def test_a_file_that_may_not_be_moved_out_of_its_folder_is_no_reason_to_pause(
    inbox: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    claims = Claims(inbox)
    with monkeypatch.context() as patch:
        refuse_to_move(patch, number)
        with pytest.raises(Unclaimable):
            claims.take(candidate(inbox / "sub" / "riff.wav"))
    assert [path.name for path in claims.folder.iterdir()] == [LOCK]
    assert claims.take(candidate(inbox / "sub" / "riff.wav")) is not None
    claims.close()


def test_an_inbox_that_may_not_be_written_is_a_reason_to_pause(
    inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    claims = Claims(inbox)
    refuse_to_move(monkeypatch, errno.EACCES)
    monkeypatch.setattr(os, "access", lambda path, _: path != inbox)
    with pytest.raises(PermissionError):
        claims.take(candidate(inbox / "sub" / "riff.wav"))


def test_a_folder_that_became_a_link_since_its_file_was_seen_is_not_followed(inbox: Path) -> None:
    outside = inbox.with_name("outside")
    outside.mkdir()
    (inbox / "sub").rename(outside / "sub")
    seen = candidate(outside / "sub" / "riff.wav")
    seen.path = inbox / "sub" / "riff.wav"
    (inbox / "sub").symlink_to(outside / "sub")
    claims = Claims(inbox)
    assert claims.take(seen) is None
    assert (outside / "sub" / "riff.wav").exists()
    claims.close()


def test_two_names_of_one_file_are_two_claims(inbox: Path) -> None:
    os.link(inbox / "sub" / "riff.wav", inbox / "sub" / "again.wav")
    claims = Claims(inbox)
    both = [take(claims, inbox / "sub" / name) for name in ("riff.wav", "again.wav")]
    assert [claim.source.read_bytes() for claim in both] == [b"sound", b"sound"]
    for claim in both:
        claims.give_back(claim)
    assert sorted(path.name for path in (inbox / "sub").iterdir()) == ["again.wav", "riff.wav"]
    claims.close()
