"""Statistics over runs: interquartile mean, bootstrap and Wilson intervals, probability of improvement.

NaN stands for a run that diverged. Every function says what it makes of one; `valid_runs` counts the others.
"""

import itertools
from collections.abc import Callable, Sequence
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, Num

LEVEL = 0.95  # of every interval, where the caller names no other
SAMPLES = 2000  # bootstrap resamples; the two ends of a 95 % interval then rest on 50 draws each


class Interval(NamedTuple):
    """An estimate and the two ends of its confidence interval: numbers, or arrays of one shape."""

    estimate: float | np.floating | np.ndarray
    low: float | np.ndarray
    high: float | np.ndarray


def valid_runs(values: Num[np.ndarray, "..."], axis: int = 0) -> Int[np.ndarray, "..."]:
    """How many runs are not NaN: the number that `iqm` and `iqm_interval` rest on."""
    return (~np.isnan(np.asarray(values, np.float64))).sum(axis=axis)


def iqm(values: Num[np.ndarray, "..."], axis: int = 0) -> Float[np.ndarray, "..."] | np.floating:
    """Interquartile mean: the mean of the middle half (Agarwal et al. 2021, arXiv 2108.13264, section 4.3).

    Of n sorted values the n/4 lowest and the n/4 highest count for nothing. Where n/4 is not whole, the value
    that the quarter cuts through counts with the fraction that remains, so the statistic is exact for any n.
    Of five values the weights are 0, 3/4, 1, 3/4, 0, divided by 5/2. A mean that rounds n/4 down agrees where
    4 divides n.

    Args:
        values: one number per run; NaN is ignored, so n may differ between columns.
        axis: the runs axis.

    Returns:
        `values` without that axis, float64; NaN where no run is left.
    """
    ordered = np.sort(np.moveaxis(np.asarray(values, np.float64), axis, -1), axis=-1)
    return _middle_mean(ordered, ~np.isnan(ordered))


def iqm_interval(
    values: Float[np.ndarray, "runs ..."],
    *,
    samples: int = SAMPLES,
    level: float = LEVEL,
    rng: np.random.Generator,
) -> Interval:
    """IQM over runs with its percentile bootstrap interval, for every evaluation at once.

    A resample draws whole runs, the same ones at every evaluation. NaN is ignored as in `iqm`; a resample of
    nothing but NaN is left out of the percentiles.

    Args:
        values: one row per run.
        samples: number of resamples.
        level: probability mass between the two ends.
        rng: source of the resamples; same generator state, same interval.

    Returns:
        Three arrays of shape `values.shape[1:]`, NaN where no run is left.
    """
    values = np.asarray(values, np.float64)
    runs, shape = values.shape[0], values.shape[1:]
    if runs == 0:
        return Interval(*(np.full(shape, np.nan) for _ in range(3)))
    # How often each run was drawn says as much as the draw itself, and spares sorting every resample.
    drawn = _resample_counts(runs, samples, rng)
    flat = values.reshape(runs, -1)
    draws = np.empty((samples, flat.shape[1]))
    for column, one in enumerate(flat.T):
        order = np.argsort(one)  # NaN last
        draws[:, column] = _middle_mean(one[order], drawn[:, order] * ~np.isnan(one[order]))
    return _percentile_interval(iqm(values), draws.reshape(samples, *shape), level)


def mean_interval(
    values: Float[np.ndarray, " runs"], *, samples: int = SAMPLES, level: float = LEVEL, rng: np.random.Generator
) -> Interval:
    """Mean over runs with its percentile bootstrap interval, for papers that report means; NaN is left out.

    Args:
        values: one number per run.
        samples: number of resamples.
        level: probability mass between the two ends.
        rng: source of the resamples.
    """
    values = np.asarray(values, np.float64)
    left = values[~np.isnan(values)]
    if not left.size:
        return Interval(np.nan, np.nan, np.nan)
    draws = _resample_counts(left.size, samples, rng) @ left / left.size
    return _percentile_interval(left.mean(), draws, level)


def stratified_bootstrap(
    groups: Sequence[np.ndarray],
    statistic: Callable[[list[np.ndarray]], float | np.ndarray],
    *,
    samples: int = SAMPLES,
    level: float = LEVEL,
    rng: np.random.Generator,
) -> Interval:
    """Percentile bootstrap that resamples runs within each stratum (Agarwal et al. 2021, section 4.1).

    Args:
        groups: one array per task or game, shape [runs of that task, ...]; NaN is passed on to `statistic`.
        statistic: takes the groups, in their order, and returns a number or an array.
        samples: number of resamples.
        level: probability mass between the two ends.
        rng: source of the resamples.

    Returns:
        The statistic of `groups` themselves and its interval; a resample with a NaN statistic is left out.

    Raises:
        ValueError: if there is no group, or one without runs.
    """
    groups = [np.asarray(group) for group in groups]
    if not groups or any(len(group) == 0 for group in groups):
        raise ValueError(f"every stratum needs a run; sizes are {[len(group) for group in groups]}")

    def resampled() -> list[np.ndarray]:
        return [group[rng.integers(len(group), size=len(group))] for group in groups]

    draws = np.asarray([statistic(resampled()) for _ in range(samples)], np.float64)
    return _percentile_interval(statistic(list(groups)), draws, level)


def fraction_interval(
    successes: int | Int[np.ndarray, "..."], n: int | Int[np.ndarray, "..."], *, level: float = LEVEL
) -> Interval:
    """A fraction of runs with its score interval (Wilson 1927), never empty and never outside [0, 1].

    Args:
        successes: number of runs that reached the goal; a diverged run did not, and counts in `n`.
        n: number of runs; 0 gives the fraction NaN between 0 and 1.
        level: coverage.

    Raises:
        ValueError: unless 0 ≤ successes ≤ n.
    """
    hits, total = np.asarray(successes, np.float64), np.asarray(n, np.float64)
    if not np.all((hits >= 0) & (hits <= total)):
        raise ValueError(f"successes must be between 0 and n, got {successes} of {n}")
    z2 = NormalDist().inv_cdf(0.5 + level / 2) ** 2
    some = np.maximum(total, 1)
    fraction = hits / some
    centre = (hits + z2 / 2) / (total + z2)
    half = np.sqrt(z2 * (total * fraction * (1 - fraction) + z2 / 4)) / (total + z2)
    # The two closed ends are exact in the algebra; the square root misses them by an ulp.
    low = np.where(hits == 0, 0.0, np.maximum(centre - half, 0.0))
    high = np.where(hits == total, 1.0, np.minimum(centre + half, 1.0))
    return Interval(*(_plain(part) for part in (np.where(total > 0, fraction, np.nan), low, high)))


def probability_of_improvement(
    x: Float[np.ndarray, " m"],
    y: Float[np.ndarray, " n"],
    *,
    samples: int = SAMPLES,
    level: float = LEVEL,
    rng: np.random.Generator,
) -> Interval:
    """P(X > Y) + P(X = Y)/2 of a run of X against one of Y, over all pairs (Agarwal et al. 2021, 4.3).

    A diverged run (NaN) is not dropped: it loses against every number and ties with another diverged run.
    Dropping it would reward a method for diverging.

    Args:
        x: one score per run of the method in question.
        y: one score per run of the method it is held against.
        samples: number of resamples; x and y are resampled apart.
        level: probability mass between the two ends.
        rng: source of the resamples.

    Raises:
        ValueError: if either has no run.
    """
    wins = _wins(x, y)
    drawn = (_resample_counts(size, samples, rng) for size in wins.shape)
    return _percentile_interval(wins.mean(), _resampled_wins(wins, *drawn), level)


def improvement_matrix(
    scores: Sequence[Sequence[Float[np.ndarray, "_"]]],
    *,
    samples: int = SAMPLES,
    level: float = LEVEL,
    rng: np.random.Generator,
) -> Interval:
    """The probability of improvement of every method on every other, averaged over tasks (Agarwal et al. 2021, 4.3).

    Args:
        scores: per method and task one score per run; NaN is a diverged run, as in `probability_of_improvement`.
        samples: number of resamples, drawn within each method and task.
        level: probability mass between the two ends.
        rng: source of the resamples.

    Returns:
        Three arrays [methods, methods]: row on column. The diagonal is exactly one half.

    Raises:
        ValueError: unless every method has the same number of tasks, and a run of each.
    """
    tasks = {len(of_method) for of_method in scores}
    if len(tasks) != 1 or tasks == {0}:
        raise ValueError(f"every method needs the same tasks; they have {sorted(tasks)}")
    parts = np.full((3, len(scores), len(scores)), 0.5)
    # All pairs of a method share the resamples of its runs.
    drawn = [[_resample_counts(len(of_task), samples, rng) for of_task in of_method] for of_method in scores]
    for i, j in itertools.combinations(range(len(scores)), 2):
        pairs = [_wins(x, y) for x, y in zip(scores[i], scores[j], strict=True)]
        draws = np.mean([_resampled_wins(*of_task) for of_task in zip(pairs, drawn[i], drawn[j], strict=True)], axis=0)
        found = _percentile_interval(float(np.mean([wins.mean() for wins in pairs])), draws, level)
        parts[:, i, j] = found
        parts[:, j, i] = 1 - found.estimate, 1 - found.high, 1 - found.low  # ties count half on both sides
    return Interval(*parts)


def performance_profile(
    scores: Sequence[Float[np.ndarray, "_"]],
    thresholds: Float[np.ndarray, " K"],
    *,
    samples: int = SAMPLES,
    level: float = LEVEL,
    rng: np.random.Generator,
) -> Interval:
    """The fraction of runs that score above τ, averaged over tasks (Agarwal et al. 2021, section 4.2).

    Args:
        scores: per task one score per run; NaN is a diverged run, which is above no τ.
        thresholds: every τ.
        samples: number of resamples, drawn within each task (`stratified_bootstrap`).
        level: probability mass between the two ends, at each τ by itself.
        rng: source of the resamples.

    Returns three arrays [K].

    Raises:
        ValueError: if there is no task, or one without runs.
    """
    if not scores or any(len(of_task) == 0 for of_task in scores):
        raise ValueError(f"every task needs a run; sizes are {[len(of_task) for of_task in scores]}")
    above = [(np.asarray(of_task)[:, None] > thresholds).astype(np.float64) for of_task in scores]  # NaN is not
    draws = np.mean([_resample_counts(len(a), samples, rng) @ a / len(a) for a in above], axis=0)
    return _percentile_interval(np.mean([a.mean(axis=0) for a in above], axis=0), draws, level)


def _wins(x: Num[np.ndarray, " m"], y: Num[np.ndarray, " n"]) -> Float[np.ndarray, "m n"]:
    """1 where a run of x is above one of y, 1/2 where they tie; NaN, a diverged run, is below every number."""
    x, y = (np.where(np.isnan(scores), -np.inf, scores) for scores in (np.asarray(x), np.asarray(y)))
    if x.ndim != 1 or y.ndim != 1 or x.size == 0 or y.size == 0:
        raise ValueError(f"needs one score per run and at least one run, got shapes {x.shape} and {y.shape}")
    return (x[:, None] > y[None, :]) + 0.5 * (x[:, None] == y[None, :])


def _resampled_wins(wins: Float[np.ndarray, "m n"], rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """The mean of `wins` over resamples of its rows and of its columns, [samples], given how often each was drawn."""
    return ((rows @ wins) * columns).sum(axis=1) / wins.size


def _middle_mean(ordered: np.ndarray, counts: np.ndarray) -> np.ndarray | np.floating:
    """IQM over the last axis of sorted values; each stands for `counts` equal ones, and 0 leaves it out."""
    after = np.cumsum(counts, axis=-1, dtype=np.float64)
    n = after[..., -1:] if after.shape[-1] else np.zeros((*after.shape[:-1], 1))
    weights = np.maximum(np.minimum(after, 0.75 * n) - np.maximum(after - counts, 0.25 * n), 0.0)
    # 0 times an infinite or NaN value would be NaN; what has no weight must not be seen.
    kept = np.where(weights > 0, np.broadcast_to(ordered, weights.shape), 0.0)
    with np.errstate(invalid="ignore"):  # 0/0 where no run is left
        return (weights * kept).sum(axis=-1) / (n[..., 0] / 2)


def _resample_counts(runs: int, samples: int, rng: np.random.Generator) -> Float[np.ndarray, "samples runs"]:
    """How often each of `runs` runs appears in each resample of as many runs, drawn with replacement."""
    return rng.multinomial(runs, np.full(runs, 1 / runs), size=samples).astype(np.float64)


def _percentile_interval(estimate: float | np.floating | np.ndarray, draws: np.ndarray, level: float) -> Interval:
    """The middle `level` of `draws` along axis 0, NaN ignored; NaN where every draw is."""
    empty = np.isnan(draws).all(axis=0)
    with np.errstate(invalid="ignore"):  # interpolating between two infinities
        ends = np.nanquantile(np.where(empty, 0.0, draws), [(1 - level) / 2, (1 + level) / 2], axis=0)
    low, high = np.where(empty, np.nan, ends)
    return Interval(_plain(estimate), _plain(low), _plain(high))


def _plain(value: float | np.floating | np.ndarray) -> float | np.ndarray:
    """A float for what has no axes, else the array."""
    array = np.asarray(value, np.float64)
    return float(array) if array.ndim == 0 else array
