"""Work that follows in a second thread: order, bounds, errors."""

import os
import threading

import pytest

from fxd.pipeline.follower import DEPTH, Follower, has_spare_core


def test_all_that_is_given_is_done_in_order_in_another_thread() -> None:
    done: list[int] = []
    threads: set[int] = set()

    def work(number: int) -> None:
        threads.add(threading.get_ident())
        done.append(number)

    with Follower(work) as follower:
        for number in range(50):
            follower.give(number)
    assert done == list(range(50))
    assert len(threads) == 1
    assert threading.get_ident() not in threads


def test_the_caller_waits_while_too_much_does() -> None:
    released, ahead = threading.Event(), []
    given = threading.Semaphore(0)

    def work(_: int) -> None:
        released.wait()

    def give_all(follower: Follower[int]) -> None:
        for number in range(10):
            follower.give(number)
            ahead.append(number)
            given.release()

    with Follower(work) as follower:
        caller = threading.Thread(target=give_all, args=(follower,))
        caller.start()
        try:
            for _ in range(DEPTH + 1):
                assert given.acquire(timeout=30)
            assert not given.acquire(timeout=0.2)
            assert len(ahead) == DEPTH + 1
        finally:
            released.set()
            caller.join()
    assert len(ahead) == 10


def fail_at(wanted: int, done: list[int]) -> Follower[int]:
    def work(number: int) -> None:
        if number == wanted:
            raise OSError(28, "No space left on device", "dsp.wav")
        done.append(number)

    return Follower(work)


def test_an_error_ends_the_work_and_reaches_the_caller_as_it_was() -> None:
    done: list[int] = []
    with pytest.raises(OSError, match="No space left") as caught, fail_at(3, done) as follower:
        for number in range(1000):
            follower.give(number)
    assert caught.value.filename == "dsp.wav"
    assert done == [0, 1, 2]


def test_an_error_in_the_last_item_is_not_lost() -> None:
    done: list[int] = []
    with pytest.raises(OSError, match="No space left"), fail_at(1, done) as follower:
        follower.give(0)
        follower.give(1)
    assert done == [0]


def test_when_both_fail_the_earlier_item_counts() -> None:
    with pytest.raises(OSError, match="No space left"), fail_at(0, []) as follower:
        follower.give(0)
        raise ValueError("the second block is damaged")


def test_when_the_caller_fails_what_it_gave_is_done_and_its_error_goes_on() -> None:
    done: list[int] = []
    with pytest.raises(ValueError, match="damaged"), fail_at(9, done) as follower:
        follower.give(0)
        follower.give(1)
        raise ValueError("the third block is damaged")
    assert done == [0, 1]
    assert not [thread for thread in threading.enumerate() if thread.name == "follower"]


def test_a_worker_has_a_spare_core_only_where_there_are_two_for_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 5}, raising=False)
    assert [has_spare_core(workers) for workers in (1, 2, 3)] == [True, True, False]
