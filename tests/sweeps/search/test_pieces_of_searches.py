"""Searches that are stopped within a segment."""

import signal

import pytest
from small_searches import assert_goes_on_as, searched

from jaxvf import Halving, Population
from jaxvf.sweeps import Interrupted, rhythm
from jaxvf.sweeps.search.course import Course

pytestmark = pytest.mark.usefixtures("compiled_once")
METHODS = {"halving": Halving(factor=2, budget=0.6), "population": Population(every=2, fraction=0.25)}


@pytest.mark.parametrize("name", METHODS)
def test_a_search_that_was_stopped_within_a_segment_goes_on_bitwise(tmp_path, monkeypatch, name):
    """In the first segment, in later ones, and soon after runs have left."""
    method, piece = METHODS[name], Course._piece
    searched(method, tmp_path / "quiet")
    monkeypatch.setattr(rhythm.Rhythm, "iterations", lambda self, left: min(left, 2))
    for stop_after in (1, 5, 17):
        left = [stop_after]

        def stopping(self, left=left):
            over = piece(self)
            left[0] -= 1
            if left[0] == 0:
                signal.raise_signal(signal.SIGTERM)
            return over

        out = tmp_path / f"search{stop_after}"
        with monkeypatch.context() as patched:
            patched.setattr(Course, "_piece", stopping)
            with pytest.raises(Interrupted):
                searched(method, out)
        (newest,) = sorted(int(path.stem) for path in (out / "checkpoints" / "search").glob("*.json"))[-1:]
        assert newest % 5  # of five iterations in a segment
        assert_goes_on_as(tmp_path / "quiet", out)
