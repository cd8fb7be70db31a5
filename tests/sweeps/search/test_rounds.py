"""Rounds of seeds: when they end, what they add up to, and that the same call goes on."""

import json
import signal

import jax
import numpy as np
import pytest
from tiny_sweeps import At, assert_same_curves, tiny

from jaxvf import load, resume
from jaxvf.results.store import RunDirectory
from jaxvf.sweeps import Interrupted, execution
from jaxvf.sweeps.search import rounds

pytestmark = pytest.mark.usefixtures("compiled_once")
LONG, ONE = 1e6, 1e-6  # seconds: for as many rounds as are needed, and for the first only


def within(out, seconds, width=None, seeds=5, **described):
    return tiny(seeds=seeds, **described).run(out, progress="none", within=seconds, until_width=width)


def budget(out):
    return json.loads((out / "run.json").read_bytes())["budget"]


class Clock:
    """Time that passes only in rounds."""

    def __init__(self, monkeypatch, seconds):
        self.now, self.seconds = 0.0, seconds
        monkeypatch.setattr(rounds.time, "monotonic", lambda: self.now)
        run = rounds._round

        def slow(*arguments):
            self.now += self.seconds
            return run(*arguments)

        monkeypatch.setattr(rounds, "_round", slow)


@pytest.mark.parametrize("seconds, expected", [(5.0, 1), (19.9, 1), (20.1, 2), (39.9, 3)])
def test_a_round_begins_only_if_it_is_predicted_to_fit(monkeypatch, seconds, expected):
    """Rounds of 10 s. The first is run however short the time."""
    Clock(monkeypatch, 10.0)
    monkeypatch.setattr(rounds, "RELOADED", 1.0)  # what compiling took in this clock's time is not known
    monkeypatch.setattr(rounds, "_expected", lambda result, took, cached: took)
    assert len(within(None, seconds).runs) == expected * 10


def test_the_first_rounds_compilation_is_not_expected_again():
    result = type("Result", (), {"timing": [{"compile_seconds": 8.0, "run_seconds": 3.0}]})
    assert rounds._expected(result, 12.0, True) == pytest.approx(4.0 + 8.0 * rounds.RELOADED)
    assert rounds._expected(result, 12.0, False) == pytest.approx(12.0)
    assert rounds._expected(result, 0.0, False) == pytest.approx(11.0)  # it was only loaded


def test_rounds_end_when_every_interval_is_narrow_and_rests_on_ten_runs():
    """Any width would do, but of the first round's five runs no interval counts."""
    result = within(None, LONG, width=1e9)
    assert [row["runs"] for row in result.summary()] == [10, 10]


def test_a_wide_interval_goes_on_until_the_time_is_spent(monkeypatch):
    Clock(monkeypatch, 10.0)
    monkeypatch.setattr(rounds, "_expected", lambda result, took, cached: took)
    assert len(within(None, 45.0, width=1e-9).runs) == 40


def test_rounds_add_up_to_a_sweep_of_all_their_seeds():
    merged, whole = within(None, LONG, width=1e9), tiny(seeds=10).run(progress="none")
    assert [run["run"] for run in merged.runs] == list(range(20))
    for row, run in enumerate(merged.runs):
        (same,) = whole.select(learning_rate=run["learning_rate"], seed=run["seed"])
        for name in ("loss", "test_return"):
            np.testing.assert_allclose(merged.metric(name)[row], whole.metric(name)[same], rtol=1e-4, atol=1e-5)
        params = [jax.tree.leaves(result.policy(at).params) for result, at in ((merged, row), (whole, same))]
        np.testing.assert_allclose(params[0][0], params[1][0], rtol=1e-4, atol=1e-5)


def test_the_same_call_goes_on_with_a_longer_budget_and_repeats_nothing(tmp_path):
    out = tmp_path / "rounds"
    first = within(out, ONE)
    assert len(first.runs) == 10
    spent, written = budget(out)["spent"], (out / "round000" / "run.json").read_bytes()
    assert spent > 0
    assert len(within(out, ONE).runs) == 10
    assert budget(out)["spent"] == spent
    longer = within(out, LONG, width=1e9)
    assert len(longer.runs) == 20
    assert budget(out)["spent"] > spent
    assert (out / "round000" / "run.json").read_bytes() == written
    assert_same_curves(longer, first, rows=slice(0, 10))
    assert_same_curves(load(out), longer)
    assert_same_curves(resume(out, progress="none"), longer)
    assert len(RunDirectory(out).read_runs()) == 20


def test_an_interrupted_round_goes_on_bitwise_and_its_time_counts(tmp_path, monkeypatch):
    """Stopped after the second segment of the second round."""
    out = tmp_path / "rounds"
    quiet = within(None, LONG, width=1e9)
    made = iter([At(0, None), At(2, lambda: signal.raise_signal(signal.SIGTERM))])
    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        patch.setattr(execution, "make_progress", lambda mode: next(made))
        within(out, LONG, width=1e9)
    assert budget(out)["spent"] > 0
    assert [run["status"] for run in load(out).runs] == ["finished"] * 10 + ["unfinished"] * 10
    assert_same_curves(resume(out, progress="none"), quiet)
