"""Statistics against numbers worked out by hand, closed forms and known coverage."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats import trim_mean

from jaxvf.results.statistics import (
    Interval,
    fraction_interval,
    improvement_matrix,
    iqm,
    iqm_interval,
    performance_profile,
    probability_of_improvement,
    stratified_bootstrap,
    valid_runs,
)

Z2 = 1.959963984540054**2  # square of the normal distribution's 97.5 % quantile
RUNS = hnp.arrays(np.float64, st.integers(1, 40), elements=st.floats(-1e6, 1e6))


def generator() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.arange(1, 9), 4.5),  # the middle half of 1..8 is 3, 4, 5, 6
        ([7.0], 7.0),
        ([1.0, 3.0], 2.0),
        ([0.0, 1.0, 50.0], (0.25 * 0 + 1 * 1 + 0.25 * 50) / 1.5),
        ([100.0, 5.0, 0.0, 6.0, 1.0], (0.75 * 1 + 5 + 0.75 * 6) / 2.5),
    ],
)
def test_iqm_is_the_mean_of_the_middle_half(values, expected):
    assert iqm(np.asarray(values)) == pytest.approx(expected, abs=1e-12)


def test_iqm_agrees_with_a_trimmed_mean_where_four_divides_n():
    values = generator().normal(size=(20, 7))
    np.testing.assert_allclose(iqm(values), trim_mean(values, 0.25, axis=0))
    np.testing.assert_allclose(iqm(values.T, axis=1), iqm(values))


def test_iqm_ignores_nan_column_by_column():
    values = np.array([[0.0, np.nan, np.nan], [1.0, 2.0, np.nan], [5.0, 4.0, np.nan], [6.0, np.nan, np.nan]])
    np.testing.assert_allclose(iqm(values), [3.0, 3.0, np.nan])
    np.testing.assert_array_equal(valid_runs(values), [4, 2, 0])


def test_infinite_outliers_have_no_weight():
    assert iqm(np.array([-np.inf, 1.0, 3.0, np.inf])) == 2.0


def test_no_run_left_gives_nan_and_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        nothing = iqm_interval(np.full((3, 2), np.nan), samples=10, rng=generator())
        empty = iqm_interval(np.zeros((0, 2)), samples=10, rng=generator())
        assert np.isnan(iqm(np.zeros((0, 2)))).all()
    assert np.isnan(nothing).all()
    assert np.isnan(empty).all()
    assert empty.estimate.shape == (2,)


@given(RUNS)
def test_iqm_lies_between_the_quartiles(values):
    low, high = np.quantile(values, [0.25, 0.75], method="inverted_cdf")
    slack = 1e-9 * (1 + np.abs(values).max())
    assert low - slack <= iqm(values) <= high + slack


@given(RUNS, st.randoms(use_true_random=False))
def test_iqm_does_not_depend_on_the_order_of_runs(values, random):
    order = random.sample(range(len(values)), len(values))
    assert iqm(values[order]) == iqm(values)


@given(RUNS, st.integers(1, 5))
def test_nan_runs_change_nothing(values, diverged):
    padded = np.concatenate([np.full(diverged, np.nan), values])
    assert iqm(padded) == pytest.approx(iqm(values), rel=1e-12, abs=1e-12)


def test_iqm_interval_is_that_of_runs_drawn_with_replacement():
    values = generator().normal(size=(9, 2))
    values[0, 1] = np.nan
    times = generator().multinomial(9, np.full(9, 1 / 9), size=300)
    draws = [iqm(np.repeat(values, drawn, axis=0)) for drawn in times]
    interval = iqm_interval(values, samples=300, rng=generator())
    np.testing.assert_allclose(interval.estimate, iqm(values))
    np.testing.assert_allclose((interval.low, interval.high), np.quantile(draws, [0.025, 0.975], axis=0))


def test_iqm_interval_covers_the_truth_as_often_as_it_says():
    # 1000 independent experiments of 40 runs each; the IQM of a symmetric distribution is its centre.
    values = generator().normal(loc=3.0, size=(40, 1000))
    interval = iqm_interval(values, samples=600, rng=generator())
    coverage = np.mean((interval.low <= 3.0) & (interval.high >= 3.0))
    assert 0.92 <= coverage <= 0.97


def test_interval_keeps_the_axes_after_the_runs():
    interval = iqm_interval(np.zeros((4, 3, 2)), samples=5, rng=generator())
    assert interval.estimate.shape == interval.low.shape == interval.high.shape == (3, 2)
    assert isinstance(iqm_interval(np.arange(4.0), samples=5, rng=generator()).low, float)


def test_strata_are_resampled_apart():
    # Each task's runs agree, so any resample within tasks has the same mean; mixing tasks would not.
    tasks = [np.zeros(5), np.full(2, 7.0)]
    interval = stratified_bootstrap(tasks, lambda g: np.concatenate(g).mean(), samples=50, rng=generator())
    assert interval == Interval(2.0, 2.0, 2.0)


def test_a_stratum_without_runs_is_refused():
    with pytest.raises(ValueError, match=r"\[2, 0\]"):
        stratified_bootstrap([np.zeros(2), np.zeros(0)], lambda g: 0.0, rng=generator())


def test_wilson_interval_at_both_ends():
    # With no success the bounds of Wilson's formula are 0 and z² / (n + z²); with n, the mirror image.
    none, every = fraction_interval(0, 64), fraction_interval(64, 64)
    assert none == (0.0, 0.0, pytest.approx(Z2 / (64 + Z2)))
    assert every == (1.0, pytest.approx(64 / (64 + Z2)), 1.0)


def test_wilson_interval_solves_the_score_equation():
    fraction, low, high = fraction_interval(np.array([3, 20]), np.array([10, 64]))
    for bound in (low, high):
        np.testing.assert_allclose((fraction - bound) ** 2, Z2 * bound * (1 - bound) / np.array([10, 64]))


def test_no_runs_know_nothing():
    fraction, low, high = fraction_interval(0, 0)
    assert np.isnan(fraction)
    assert (low, high) == (0.0, 1.0)


@pytest.mark.parametrize("successes", [-1, 11])
def test_impossible_counts_are_refused(successes):
    with pytest.raises(ValueError, match="between 0 and n"):
        fraction_interval(successes, 10)


@pytest.mark.parametrize(
    ("x", "y", "expected"),
    [
        ([2.0], [1.0], 1.0),
        ([1.0], [1.0], 0.5),
        ([1.0, 2.0], [2.0, 3.0], 0.125),  # of four pairs one is a tie and three are lost
        ([np.nan, 2.0], [1.0], 0.5),  # a diverged run loses
        ([np.nan], [np.nan], 0.5),
    ],
)
def test_probability_of_improvement_counts_pairs(x, y, expected):
    result = probability_of_improvement(np.array(x), np.array(y), samples=50, rng=generator())
    assert result.estimate == expected
    assert 0 <= result.low <= result.high <= 1


def test_probability_of_improvement_has_the_bootstrap_interval_of_resampled_pairs():
    x, y = generator().normal(0.5, size=12), generator().normal(size=15)

    def pairs(groups):
        return np.mean(groups[0][:, None] > groups[1])

    fast = probability_of_improvement(x, y, samples=4000, rng=generator())
    plain = stratified_bootstrap([x, y], pairs, samples=4000, rng=generator())
    np.testing.assert_allclose(fast, plain, atol=0.02)


def test_probability_of_improvement_needs_runs():
    with pytest.raises(ValueError, match="at least one run"):
        probability_of_improvement(np.zeros(0), np.zeros(3), rng=generator())


def test_a_profile_is_the_mean_over_tasks_of_what_is_above():
    """Of task 1 half is above 0, of task 2 a third; a diverged run is above nothing."""
    tasks = [np.array([-1.0, 1.0]), np.array([1.0, -1.0, np.nan])]
    found = performance_profile(tasks, np.array([-2.0, 0.0, 1.0]), rng=np.random.default_rng(0))
    np.testing.assert_allclose(found.estimate, [(1 + 2 / 3) / 2, (1 / 2 + 1 / 3) / 2, 0.0])
    assert (found.low <= found.estimate).all()
    assert (found.estimate <= found.high).all()
    with pytest.raises(ValueError, match="every task needs a run"):
        performance_profile([np.zeros(0)], np.zeros(1), rng=np.random.default_rng(0))


def test_a_profile_has_the_band_of_a_stratified_bootstrap():
    rng = np.random.default_rng(3)
    tasks, tau = [rng.normal(size=40), rng.normal(size=60)], 0.2
    found = performance_profile(tasks, np.array([tau]), rng=np.random.default_rng(0))
    mean = lambda groups: np.mean([(group > tau).mean() for group in groups])  # noqa: E731
    slow = stratified_bootstrap(tasks, mean, rng=np.random.default_rng(1))
    np.testing.assert_allclose([found.low[0], found.high[0]], [slow.low, slow.high], atol=0.02)


def test_the_matrix_of_improvement_averages_over_tasks():
    scores = [[np.array([1.0, 2.0]), np.array([0.0])], [np.array([0.0]), np.array([0.0])]]
    found = improvement_matrix(scores, rng=np.random.default_rng(0))
    np.testing.assert_allclose(found.estimate, [[0.5, 0.75], [0.25, 0.5]])
    with pytest.raises(ValueError, match="the same tasks"):
        improvement_matrix([[np.zeros(1)], []], rng=np.random.default_rng(0))
