"""Population-based training: who copies whom, what a copy takes along, and where fields may go."""

import numpy as np
import pytest
from small_searches import assert_goes_on_as, eight, kill_in, searched, stop_at
from tiny_sweeps import tiny

from jaxvf import Population
from jaxvf.sweeps import rhythm
from jaxvf.sweeps.checkpoint import Checkpoints
from jaxvf.sweeps.search import population

POPULATION = Population(every=2, fraction=0.25)


@pytest.fixture(scope="module")
def quiet(tmp_path_factory):
    return tmp_path_factory.mktemp("population") / "quiet"


@pytest.fixture
def result(quiet, compiled_once):
    """The undisturbed search; later tests only load it."""
    return searched(POPULATION, quiet)


def rule_of(method, root_seed=0, **described):
    return method.rule(tiny(**described).plan().groups[0], root_seed)


def decide(rule, scores, done=1):
    values = rule.beginning
    return rule.decide(done, np.arange(values.shape[1]), np.asarray(scores, np.float32), values), values


def test_the_worst_go_on_from_the_best_and_nobody_else_changes():
    """Ranks of ten runs 0 ... 9 by score; a fifth are two."""
    rule = rule_of(Population(fraction=0.2), seeds=1, rates=[0.01 * n for n in range(1, 11)])
    decision, values = decide(rule, [5, 1, 7, 0, 9, 4, 3, 8, 6, 2])
    moved = np.flatnonzero(decision.sources != np.arange(10))
    assert moved.tolist() == [1, 3]
    assert set(decision.sources[moved].tolist()) <= {4, 7}
    np.testing.assert_array_equal(np.delete(decision.values, moved, axis=1), np.delete(values, moved, axis=1))


def test_a_copy_is_perturbed_or_drawn_anew():
    rates = [0.01 * n for n in range(1, 11)]
    for resample, valid in ((0.0, (0.8, 1.25)), (1.0, None)):
        rule = rule_of(Population(fraction=0.1, resample=resample), seeds=1, rates=rates)
        decision, values = decide(rule, np.arange(10))
        allowed = values if valid is None else values[:, 9] * np.asarray(valid, np.float32)
        assert np.isclose(decision.values[0, 0], allowed).any()


def test_nobody_copies_one_that_is_not_better_and_the_diverged_copy_first():
    rule = rule_of(Population(fraction=0.5), seeds=1, rates=[0.1, 0.2, 0.3, 0.4])
    equal, values = decide(rule, [1, 1, 1, 1])
    assert equal.sources.tolist() == [0, 1, 2, 3]
    np.testing.assert_array_equal(equal.values, values)
    diverged, _ = decide(rule, [1, np.nan, 1, 1])
    assert diverged.sources[1] != 1
    assert diverged.sources[[0, 2, 3]].tolist() == [0, 2, 3]


def test_seeds_are_populations_of_their_own():
    """All runs of seed 0 (even rows) are better than all of seed 1; nobody crosses."""
    rule = rule_of(Population(fraction=0.5), seeds=2, rates=[0.1, 0.2, 0.3, 0.4])
    decision, _ = decide(rule, [10, 0, 11, 1, 12, 2, 13, 3])
    assert (decision.sources % 2).tolist() == [0, 1] * 4
    assert (decision.sources != np.arange(8)).sum() == 4


def test_members_on_an_axis_with_the_seed_are_one_population():
    grid = {"learning_rate,seed": [(0.1, 3), (0.2, 4), (0.3, 5)]}
    assert [len(members) for members in rule_of(Population(), seeds=1, grid=grid).populations] == [3]


def test_fields_stay_in_their_range():
    """Fractions near the ends of [0, 1], perturbed a hundred times."""
    rule = rule_of(Population(fraction=0.5, resample=0), seeds=1, grid={"td_lambda": [0.9, 0.95, 0.97, 1.0]})
    values, seen = rule.beginning, []
    for done in range(1, 6):
        decision = rule.decide(done, np.arange(4), np.asarray([0, 1, 2, 3], np.float32), values)
        values = decision.values
        seen.append(values)
    assert np.max(seen) == 1.0
    assert np.min(seen) >= 0.0


def test_draws_come_from_the_root_seed_and_the_segment():
    scores = np.arange(10)
    rates = [0.01 * n for n in range(1, 11)]
    rules = [rule_of(Population(fraction=0.5), root_seed=seed, seeds=1, rates=rates) for seed in (0, 0, 1)]
    np.random.seed(0)
    first, second, other = (decide(rule, scores)[0].values for rule in rules)
    np.testing.assert_array_equal(first, second)
    assert (first != other).any()
    assert (first != decide(rules[0], scores, done=2)[0].values).any()


def test_a_copy_goes_on_exactly_as_its_source(tmp_path, monkeypatch, compiled_once):
    """With nothing perturbed, a copy of one seed repeats its source bitwise: learner, optimizer, replay, fields."""
    monkeypatch.setattr(population, "PERTURBATIONS", (1.0, 1.0))
    method = Population(every=3, fraction=0.125, resample=0)
    result = searched(method, tmp_path / "search", seeds=2)
    rates, loss = result.metric("hyperparameters/learning_rate"), result.metric("loss")
    copies = np.flatnonzero(rates[:, 3] != rates[:, 2])
    assert len(copies) > 0
    for copy in copies:
        (source,) = (
            row
            for row in range(16)
            if row != copy and row % 2 == copy % 2 and rates[row, 2] == rates[copy, 3] == rates[row, 3]
        )
        assert (loss[copy, :3] != loss[source, :3]).any()
        np.testing.assert_array_equal(loss[copy, 3:].view(np.uint32), loss[source, 3:].view(np.uint32))
        assert result.runs[copy]["seed"] == result.runs[source]["seed"]


def test_one_program_serves_all_generations_and_fields_are_recorded(tmp_path, compiled_once):
    result = searched(POPULATION, tmp_path / "search")
    assert compiled_once == [16]
    history = result.metric("hyperparameters/learning_rate")
    assert history.shape == (16, 6)
    np.testing.assert_array_equal(history[:, 0], np.float32([run["learning_rate"] for run in result.runs]))
    changed = (np.diff(history, axis=1) != 0).any(axis=0)
    assert changed[[1, 3]].all()  # after segments 2 and 4, and not after the last
    assert not changed[[0, 2, 4]].any()


def test_recorded_values_are_those_that_runs_learn_with(tmp_path, compiled_once, monkeypatch):
    """Where nobody is replaced, a population is a plain sweep."""
    monkeypatch.setattr(population.PopulationRule, "decide", lambda *arguments: None)
    result = searched(POPULATION, tmp_path / "search")
    whole = eight().run(progress="none")
    np.testing.assert_allclose(result.metric("loss"), whole.metric("loss"), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("segment", [1, 2, 4, 5])
def test_a_population_that_was_stopped_goes_on_bitwise(tmp_path, monkeypatch, quiet, result, segment):
    stop_at(monkeypatch, segment, POPULATION, tmp_path / "search")
    assert_goes_on_as(quiet, tmp_path / "search")


@pytest.mark.parametrize("call", [1, 2, 5])
def test_a_population_that_was_killed_goes_on_bitwise(tmp_path, monkeypatch, quiet, result, call):
    kill_in(monkeypatch, Checkpoints, "save", call, POPULATION, tmp_path / "search")
    assert_goes_on_as(quiet, tmp_path / "search")


def test_what_was_written_after_the_newest_checkpoint_is_computed_again(tmp_path, monkeypatch, quiet, result):
    """Going on, curves are cut otherwise: a part that was left would double its rows."""
    kill_in(monkeypatch, Checkpoints, "save", 2, POPULATION, tmp_path / "search")
    monkeypatch.setattr(rhythm, "CHECKPOINT_SECONDS", 1e9)
    assert_goes_on_as(quiet, tmp_path / "search")
