"""Pieces of segments, with programs that only count."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from jaxvf.sweeps.pieces import Pieces
from jaxvf.sweeps.rhythm import Rhythm
from jaxvf.training import Clock

ITERATIONS, WARMUP = 6, 2


def advance(state: Any, algorithm: Any, env_params: Any, clock: Clock, iterations: Any) -> tuple[Any, Clock]:
    done = clock.iteration + iterations
    return [*state, int(iterations)], Clock(done, np.maximum(done - WARMUP, 0))


def pieces_at(iteration: int, rhythm: Rhythm, **options: bool) -> tuple[Pieces, Any]:
    program = SimpleNamespace(iterations=ITERATIONS, experience=SimpleNamespace(steps=10))
    executable: Any = SimpleNamespace(
        iterations=ITERATIONS, advance=advance, finish=lambda state, *_: ([*state, "evaluated"], np.zeros((1, 1)))
    )
    return Pieces(SimpleNamespace(program=program), iteration, rhythm, **options), executable  # pyright: ignore


@pytest.fixture
def rhythm(monkeypatch):
    """Two iterations at once; what it is told of learning is in `told`."""
    made, told = Rhythm(), []
    piece = made.piece
    monkeypatch.setattr(made, "iterations", lambda left: min(left, 2), raising=True)
    monkeypatch.setattr(made, "piece", lambda n, **of: (told.append(of["learning"]), piece(n, **of))[1])
    return made, told


def test_a_segment_ends_with_an_evaluation_after_all_of_its_iterations(rhythm):
    pieces, executable = pieces_at(0, rhythm[0])
    state, clock, over = [], Clock(np.int32(0), np.int32(0)), []
    for _ in range(4):
        state, clock, metrics = pieces.go_on(executable, state, (None, None), clock)
        over.append(metrics is not None)
    assert state == [2, 2, 2, "evaluated", 2] and over == [False, False, True, False]
    assert (pieces.done, pieces.within, pieces.steps_done) == (1, 2, 20)


def test_the_rhythm_is_told_whether_updates_had_begun_before_a_piece(rhythm):
    pieces, executable = pieces_at(0, rhythm[0])
    state, clock = [], Clock(np.int32(0), np.int32(0))
    for _ in range(3):
        state, clock, _ = pieces.go_on(executable, state, (None, None), clock)
    assert rhythm[1] == [False, False, True]


def test_pieces_go_on_from_the_middle_of_a_segment(rhythm):
    pieces, executable = pieces_at(2 * ITERATIONS + 5, rhythm[0])
    assert (pieces.done, pieces.within) == (2, 5)
    state, _, metrics = pieces.go_on(executable, [], (None, None), Clock(np.int32(17), np.int32(0)))
    assert state == [1, "evaluated"] and metrics is not None and pieces.done == 3


def test_one_program_of_several_processes_does_whole_segments(rhythm):
    """Their clocks differ, and all must cut alike."""
    pieces, executable = pieces_at(0, rhythm[0], whole=True)
    state, _, metrics = pieces.go_on(executable, [], (None, None), Clock(np.int32(0), np.int32(0)))
    assert state == [ITERATIONS, "evaluated"] and metrics is not None
