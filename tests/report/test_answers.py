"""What conditions reached, against numbers that can be checked by hand."""

import numpy as np
import pytest

from jaxvf.report import answers
from jaxvf.report.conditions import Condition, conditions_of, fields_of
from jaxvf.report.study import read
from jaxvf.results import profiles
from jaxvf.results.statistics import fraction_interval, iqm


@pytest.fixture
def study(make):
    """Eight runs, the last two diverged, whose last returns are 1 to 6; those above 3 reach the goal."""
    study = read([make(learners=("qmix",), seeds=8, diverged=[6, 7])])
    study.last["test_return"][:6] = np.arange(1, 7)
    study.last["test_optimal"][:6] = np.arange(1, 7) > 3
    return study


def test_diverged_runs_reach_nothing_and_are_left_out_of_the_iqm(study):
    answer = answers.answer(study, np.arange(8))
    assert (answer.runs, answer.judged, answer.scored, answer.counts) == (8, 8, 6, {"diverged": 2})
    assert answer.goal == fraction_interval(3, 8)
    assert answer.score.estimate == pytest.approx(3.5) and 1 <= answer.score.low < 3.5 < answer.score.high <= 6


def test_a_single_run_has_a_value_and_no_bootstrap_interval(study):
    answer = answers.answer(study, np.array([2]))
    assert answer.score.estimate == 3.0 and np.isnan([answer.score.low, answer.score.high]).all()
    assert answer.goal == fraction_interval(0, 1)
    assert answers.score_interval(np.array([np.nan])) is None


def test_runs_that_were_not_evaluated_count_for_nothing(make):
    study = read([make(learners=("qmix",), done=3)])
    for curve in study.curves.values():
        curve[4:] = np.nan
    answer = answers.answer(study, np.arange(8))
    assert (answer.runs, answer.judged, answer.counts) == (8, 4, {"unfinished": 8})
    assert answers.answer(study, np.arange(4, 8)).goal is None


def test_a_band_of_the_goal_counts_runs_and_one_of_the_return_is_their_iqm(make):
    study = read([make(learners=("qmix",), diverged=[6, 7], evaluations=4)])
    (goal,) = answers.bands(study, np.arange(8), "test_optimal")
    late = study.curves["test_optimal"][:, -1]
    assert np.asarray(goal.interval.estimate)[-1] == np.nansum(late) / 8
    (score,) = answers.bands(study, np.arange(8), "test_return")
    np.testing.assert_array_equal(score.steps, [1000, 2000, 3000, 4000])
    np.testing.assert_allclose(score.interval.estimate, iqm(study.curves["test_return"]))


def test_a_band_of_an_unfinished_sweep_ends_where_it_got_to(make):
    study = read([make(learners=("qmix",), done=7)])
    (band,) = answers.bands(study, np.arange(8), "test_return")
    assert len(band.steps) == 7
    (alone,) = answers.bands(study, np.arange(1), "test_return")
    assert np.isnan(alone.interval.low).all() and np.isfinite(alone.interval.estimate).all()


def test_a_profile_falls_exactly_where_its_runs_end():
    """Of 20 runs one at 8 is above 7.9, of 16 seven are: the better learner's curve is the higher one there."""
    for scores, above in (([7.9] * 19 + [8.0], 0.05), ([0.0] * 9 + [8.0] * 7, 7 / 16)):
        drawn = profiles.profile(np.asarray(scores), -12.5)
        fraction = np.asarray(drawn.above.estimate)
        assert fraction[np.searchsorted(drawn.at, 7.9, side="right") - 1] == pytest.approx(above)
        assert (fraction[0], fraction[-1]) == (1.0, 0.0)
        assert set(drawn.at[1:]) == set(scores)


def test_a_profile_starts_at_the_runs_that_did_not_diverge(study):
    drawn = answers.profile(study, np.arange(8), "test_return", 0.5)
    np.testing.assert_allclose(drawn.at, [0.5, 1, 2, 3, 4, 5, 6])
    np.testing.assert_allclose(drawn.above.estimate, np.arange(6, -1, -1) / 8)
    assert len(answers.profile_values(study, np.array([6, 7]), "test_return")) == 0


def test_runs_that_were_not_evaluated_are_in_no_profile_and_beat_nobody(study):
    """Without a curve the runs 4 and 5 say nothing; 6 and 7 diverged, which loses."""
    for curve in (*study.curves.values(), *study.last.values()):
        curve[4:] = np.nan
    drawn = answers.profile(study, np.arange(8), "test_return", 0.5)
    np.testing.assert_allclose(drawn.above.estimate, np.arange(4, -1, -1) / 6)
    pair = [Condition(np.asarray(rows), "", "game", "qmix", {}) for rows in ([0, 1], [4, 5, 6])]
    assert answers.improvements(study, pair, "test_return")[0][1].estimate == 1.0
    alone = [pair[0], Condition(np.asarray([4, 5]), "", "game", "qmix", {})]
    assert answers.improvements(study, alone, "test_return")[0][1] is None


def test_conditions_are_compared_by_the_goal_too(study):
    """Runs 3, 4 and 5 reach it, 0, 1 and 2 do not: of nine pairs the first group wins one and ties four."""
    pair = [Condition(np.asarray(rows), "", "game", "qmix", {}) for rows in ([0, 1, 5], [2, 3, 4])]
    assert answers.improvements(study, pair, "test_optimal")[0][1].estimate == pytest.approx((1 + 0.5 * 4) / 9)
    assert answers.ending(study, np.arange(8), "test_optimal") == fraction_interval(3, 8)
    study.curves["test_optimal"][:] = np.nan
    del study.__dict__["_with_goal"]
    assert answers.ending(study, np.arange(8), "test_optimal") is None


def test_a_matrix_of_improvements_reads_the_same_both_ways(swept):
    study = read([swept])
    conditions, _ = conditions_of(study, fields_of(study))
    table = answers.improvements(study, conditions, "test_return")
    wins = study.last["test_return"][conditions[2].rows][:, None] > study.last["test_return"][conditions[1].rows]
    assert table[2][1].estimate == pytest.approx(wins.mean())
    for i in range(4):
        assert table[i][i] is None
        for j in range(i):
            forth, back = table[i][j], table[j][i]
            np.testing.assert_allclose(
                [forth.estimate, forth.low, forth.high], [1 - back.estimate, 1 - back.high, 1 - back.low]
            )


def test_the_typical_run_is_the_median_of_those_that_finished(study):
    assert answers.typical(study, np.arange(8)) == 2
    assert answers.typical(study, np.array([6, 7])) is None
