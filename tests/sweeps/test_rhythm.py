"""How much a program does between two looks, with a clock that the test turns."""

import pytest

from jaxvf.sweeps import rhythm
from jaxvf.sweeps.rhythm import Rhythm


@pytest.fixture
def clock(monkeypatch):
    """Seconds; add to `clock[0]`."""
    now = [100.0]
    monkeypatch.setattr(rhythm.time, "monotonic", lambda: now[0])
    return now


def do(rhythm: Rhythm, clock: list[float], left: int, seconds: float, *, learning=True) -> int:
    """The next piece, each iteration of which takes `seconds`; returns its iterations."""
    iterations = rhythm.iterations(left)
    with rhythm.piece(iterations, left=left, learning=learning):
        clock[0] += iterations * seconds
    return iterations


def test_a_piece_lasts_about_half_a_minute_once_the_speed_is_known(clock):
    """Ten seconds an iteration: one to see how fast it is, then three at once, then what is left."""
    rhythm = Rhythm()
    assert [do(rhythm, clock, left, 10.0) for left in (8, 7, 4, 1)] == [1, 3, 3, 1]


def test_a_fast_segment_is_one_piece(clock):
    rhythm = Rhythm()
    do(rhythm, clock, 1000, 1e-3)
    do(rhythm, clock, 999, 1e-3)
    assert do(rhythm, clock, 1000, 1e-3) == 1000


def test_while_replay_fills_a_piece_is_at_most_twice_the_one_before(clock):
    """An iteration takes a millisecond until updates begin, and then perhaps a minute."""
    rhythm = Rhythm()
    assert [do(rhythm, clock, 1000, 1e-3, learning=False) for _ in range(5)] == [1, 2, 4, 8, 16]
    assert do(rhythm, clock, 1000, 60.0, learning=True) == 32  # which had begun to learn unseen
    assert do(rhythm, clock, 968, 60.0, learning=True) == 1


def test_an_iteration_that_takes_minutes_is_a_piece_of_its_own(clock):
    rhythm = Rhythm()
    assert [do(rhythm, clock, 3, 500.0) for _ in range(3)] == [1, 1, 1]


def test_an_evaluation_does_not_make_the_next_pieces_shorter(clock):
    """Twenty iterations of a second each and a hundred seconds of evaluation: the next segment is one piece again."""
    rhythm = Rhythm()
    do(rhythm, clock, 20, 1.0)
    do(rhythm, clock, 19, 1.0)
    with rhythm.evaluation():
        clock[0] += 100
    assert rhythm.segment_seconds == pytest.approx(120.0)
    assert do(rhythm, clock, 20, 1.0) == 20


def test_an_answer_says_how_long_the_present_piece_takes_and_what_it_is(clock):
    rhythm = Rhythm()
    with rhythm.piece(1, left=4, learning=True):
        assert rhythm.when() == "after this piece of a segment"
        clock[0] += 10
    with rhythm.piece(3, left=3, learning=True):
        clock[0] += 4
        assert rhythm.when() == "after this segment (about 26 s)"
        clock[0] += 26
    with rhythm.evaluation():
        clock[0] += 5
    with rhythm.piece(3, left=3, learning=True):
        assert rhythm.when() == "after this segment (about 35 s)"


def test_a_save_is_due_after_two_minutes_or_twenty_times_what_one_takes(clock):
    rhythm = Rhythm()
    clock[0] += 121
    assert rhythm.save_due()
    with rhythm.saving():
        clock[0] += 10
    clock[0] += 199
    assert not rhythm.save_due()
    clock[0] += 2
    assert rhythm.save_due()
