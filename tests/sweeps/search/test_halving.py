"""Successive halving: who is dropped, what stays as it was, and what a kill may not change."""

import dataclasses

import jax
import numpy as np
import pytest
from small_searches import RATES, assert_goes_on_as, eight, kill_in, last_segments, searched, stop_at
from tiny_sweeps import assert_same_curves, tiny

from jaxvf import Halving, load
from jaxvf.results.store import RunDirectory
from jaxvf.sweeps.checkpoint import Checkpoints
from jaxvf.sweeps.search.files import SearchFiles

pytestmark = pytest.mark.usefixtures("compiled_once")
HALVING = Halving(factor=2)  # rungs after 1, 2 and 3 of 6 segments: 16, 8, 4, then 2 runs


@pytest.fixture(scope="module")
def quiet(tmp_path_factory):
    return tmp_path_factory.mktemp("halving") / "quiet"


@pytest.fixture
def result(quiet, compiled_once):
    """The undisturbed search; later tests only load it."""
    return searched(HALVING, quiet)


def decided(rates, seeds, scores, factor=2, done=1, **described):
    """The runs that stay after the first rung."""
    group = tiny(seeds=seeds, rates=rates, **described).plan().groups[0]
    rule = dataclasses.replace(Halving(factor=factor).rule(group, 0), rungs=(1,))
    rows = np.arange(len(group.runs))
    decision = rule.decide(done, rows, np.asarray(scores, np.float32), np.zeros((0, len(rows)), np.float32))
    assert decision is None or len(decision.rows) == rule.runs_after(done)
    return None if decision is None else decision.rows.tolist()


def test_the_mean_over_seeds_decides():
    """Of (10, -10), (2, 1), (0, 0), (0, -1) the second is best, and the first, of equals the earlier, is next."""
    assert decided((0.1, 0.2, 0.3, 0.4), 2, [10, -10, 2, 1, 0, 0, 0, -1]) == [0, 1, 2, 3]
    assert decided((0.1, 0.2, 0.3, 0.4), 2, [10, -10, 2, 1, 0, 0, 0, -1], factor=4) == [2, 3]


def test_a_configuration_with_a_diverged_seed_is_worst():
    assert decided((0.1, 0.2), 2, [100, np.nan, -5, -5]) == [2, 3]


def test_environments_are_not_compared():
    """Every run on the second game has a worse return than every run on the first; each game keeps its best."""
    grid = {"env.payoff": [np.eye(3).tolist(), (-np.eye(3)).tolist()], "learning_rate": [0.1, 0.2]}
    assert decided((), 1, [8, 9, -1, -2], grid=grid) == [1, 2]


@pytest.mark.parametrize(
    "configurations, factor, budget, segments",
    [(64, 4, 0.25, 40), (64, 2, 0.25, 20), (16, 4, 0.5, 100)],
)
def test_rungs_are_as_late_as_the_budget_allows(configurations, factor, budget, segments):
    group = tiny(seeds=1, rates=[0.001 * n for n in range(1, configurations + 1)], env_steps=10 * segments)
    rule = Halving(factor=factor, budget=budget).rule(group.plan().groups[0], 0)
    cost = sum(rule.runs_after(done) for done in range(segments)) / (configurations * segments)
    assert cost <= budget
    assert list(rule.rungs) == sorted(set(rule.rungs)) and rule.rungs[0] > 0 and rule.rungs[-1] < segments
    assert rule.runs_after(segments) == 1
    later = dataclasses.replace(rule, rungs=tuple(rung + 1 + segments // 10 for rung in rule.rungs))
    assert sum(later.runs_after(done) for done in range(segments)) / (configurations * segments) > budget * 0.9


def test_nothing_is_dropped_between_rungs():
    assert decided((0.1, 0.2), 1, [1, 2], done=2) is None


def test_rungs_drop_half_each_and_all_is_recorded(result):
    assert sorted(last_segments(result)) == [1] * 8 + [2] * 4 + [3] * 2 + [6] * 2
    by_segments = {1: "dropped", 2: "dropped", 3: "dropped", 6: "finished"}
    assert [run["status"] for run in result.runs] == [by_segments[n] for n in last_segments(result)]
    assert sorted(row.get("dropped", 0) for row in result.summary()) == [0] + [2] * 7
    assert {run["learning_rate"] for run in result.runs if run["status"] == "finished"} <= set(RATES)
    np.testing.assert_array_equal(result.env_steps_of(0)[-1], 10 * last_segments(result)[0])


def test_a_run_that_stays_learns_what_it_would_have_learned_in_the_whole_sweep(result):
    """Whatever is dropped around it: the axis of runs was compacted with its learner, optimizer and replay."""
    whole = eight().run(progress="none")
    for row, segments in enumerate(last_segments(result)):
        for name in ("loss", "test_return", "train_return"):
            expected = whole.metric(name)[row, :segments]
            np.testing.assert_allclose(result.metric(name)[row, :segments], expected, rtol=1e-4, atol=1e-5)
    (best, _) = np.flatnonzero(last_segments(result) == 6)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5),
        result.policy(best).params,
        whole.policy(best).params,
    )


def test_a_dropped_run_keeps_the_policy_that_it_was_dropped_with(result):
    row = int(np.flatnonzero(last_segments(result) == 1)[0])
    short = eight(env_steps=10).run(progress="none")
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), result.policy(row).params, short.policy(row).params
    )


@pytest.mark.parametrize("segment", [1, 2, 3, 4, 6])
def test_a_search_that_was_stopped_goes_on_bitwise(tmp_path, monkeypatch, quiet, result, segment):
    """At every rung, between two, and at the end."""
    stop_at(monkeypatch, segment, HALVING, tmp_path / "search")
    assert Checkpoints(tmp_path / "search" / "checkpoints" / "search").steps()[-1] == 5 * segment  # iterations
    assert_goes_on_as(quiet, tmp_path / "search")


@pytest.mark.parametrize(
    "home, name, call",
    [(SearchFiles, "leave", 2), (Checkpoints, "save", 2), (RunDirectory, "write_part", 3), (SearchFiles, "leave", 4)],
)
def test_a_search_that_was_killed_goes_on_bitwise(tmp_path, monkeypatch, quiet, result, home, name, call):
    """Before runs leave, after they left but before the checkpoint, before curves are written, and at the very end."""
    kill_in(monkeypatch, home, name, call, HALVING, tmp_path / "search")
    assert_goes_on_as(quiet, tmp_path / "search")


def test_the_same_call_loads_what_is_finished_and_so_does_load(quiet, result, monkeypatch):
    again = searched(HALVING, quiet)
    assert_same_curves(again, result)
    assert_same_curves(load(quiet), result)
    assert load(quiet).runs == result.runs
