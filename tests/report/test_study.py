"""Which runs a report is about, and what it refuses to put side by side."""

from pathlib import Path

import numpy as np
import pytest

from jaxvf.errors import InputError
from jaxvf.report.study import read


def refused(call) -> str:
    with pytest.raises(InputError) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_runs_of_several_directories_are_rows_of_one_table_with_the_shortest_labels_that_differ(make):
    one, other = make("a/sweep", seeds=2), make("b/sweep", seeds=3)
    study = read([one, other])
    assert [source.label for source in study.sources] == ["a/sweep", "b/sweep"]
    assert len(study.records) == 4 + 6
    assert study.records[4]["directory"] == "b/sweep" and study.records[4]["run"] == 0
    assert (study.metrics, study.goal) == (["test_return", "test_optimal"], "test_optimal")
    np.testing.assert_array_equal(study.curves["test_return"][4:], study.sources[1].result.metric("test_return"))


def test_directories_with_fewer_evaluations_are_filled_up_with_nothing(make):
    study = read([make("a", evaluations=3), make("b", evaluations=5)])
    assert study.curves["test_return"].shape == (32, 5)
    assert np.isnan(study.curves["test_return"][:16, 3:]).all()
    np.testing.assert_array_equal(study.env_steps[0], [1000, 2000, 3000, 3000, 3000])
    np.testing.assert_array_equal(study.last["test_return"][:16], study.curves["test_return"][:16, 2])


def test_an_unfinished_run_counts_with_the_last_evaluation_that_it_reached(make):
    study = read([make(done=7)])
    np.testing.assert_array_equal(study.last["test_return"], study.curves["test_return"][:, 6])
    assert len(study.begun(range(16))) == 16


def test_a_diverged_run_has_no_last_value_but_is_judged(swept):
    study = read([swept])
    assert np.isnan(study.last["test_return"][3]) and np.isfinite(study.curves["test_return"][3, 0])
    assert 3 in study.begun(range(32))
    assert not study.reached([3])[0]


def test_a_directory_of_an_experiment_stands_for_the_sweeps_below_it(make, tmp_path):
    paths = [make("study/vdn"), make("study/deeper/qmix")]
    assert {source.path for source in read([tmp_path / "study"]).sources} == set(paths)


def test_a_directory_without_a_sweep_is_refused_with_the_nearest_one_beside_it(make, tmp_path, monkeypatch):
    make("matrix_games")
    (tmp_path / "matrix_game").mkdir()
    line = refused(lambda: read([tmp_path / "matrix_game"]))
    assert "matrix_game is not a run directory" in line and line.endswith("matrix_games")
    monkeypatch.chdir(tmp_path)
    make("runs/mine")
    line = refused(lambda: read([Path("nowhere")]))
    assert line.startswith("nowhere is not a run directory") and "runs/mine" in line  # one level further down


def test_no_directory_and_one_named_twice_are_refused(swept):
    assert "at least one" in refused(lambda: read([]))
    assert "named twice" in refused(lambda: read([swept, swept / ".." / swept.name]))


def test_a_metric_that_is_not_there_is_refused_with_the_nearest_one(swept):
    line = refused(lambda: read([swept], ["test_retrun"]))
    assert line == "unknown metric of sweep 'test_retrun'; did you mean 'test_return'?"


def test_directories_with_different_goals_are_refused_until_a_metric_is_named(make):
    paths = [make("games"), make("battles", metrics=("test_return", "test_won"))]
    line = refused(lambda: read(paths))
    assert line.startswith("games reports test_optimal and battles test_won") and "--metric test_return" in line
    study = read(paths, ["test_return"])
    assert (study.metrics, study.goal) == (["test_return"], None)
    assert "unknown metric of games 'test_won'" in refused(lambda: read(paths, ["test_won"]))


def test_directories_without_a_common_metric_are_refused(make):
    line = refused(lambda: read([make("a", metrics=("loss",)), make("b", metrics=("test_return",))]))
    assert "no metric in common" in line


def test_a_sweep_that_was_never_evaluated_is_refused(make):
    assert "not been evaluated" in refused(lambda: read([make(done=0)]))


def test_an_environment_without_the_goal_has_no_fraction(make):
    """In a sweep over two environments one may report no goal: its curve is NaN, and that is no failure."""
    study = read([make(envs=("game", "walk"), seeds=2)])
    study.curves["test_optimal"][4:] = np.nan
    assert study.has_goal([0]) and not study.has_goal([4, 5])
