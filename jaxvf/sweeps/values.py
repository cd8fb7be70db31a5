"""Values of a sweep's fields that are described instead of listed: evenly spaced, drawn at random, or Sobol's.

All of them become plain numbers before anything is planned or written, so that a directory holds what its runs were
given and does not depend on how a later NumPy or SciPy draws. Every number is one of float32, in its shortest decimal
form: what is written is what the program computes with.
"""

import abc
import dataclasses
import math
import reprlib
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from jaxvf.errors import InputError

SEED = "seed"  # on an axis, in place of `seeds`: "env.payoff,seed" gives every payoff seeds of its own
MOST = 1_000_000  # values of one description; more is a slip of the pen
LARGEST = float(np.finfo(np.float32).max)


@dataclasses.dataclass(frozen=True)
class Range(abc.ABC):
    """What a number is drawn from.

    Attributes:
        low: smallest value.
        high: largest value.
        n: how many draws; None for a range of `Sobol`, which says it for all of its ranges.

    Raises:
        InputError: if a bound is not finite, `low` is not below `high`, or `n` is not a whole number from 1 on.
    """

    low: float
    high: float
    n: int | None = None

    positive: ClassVar[bool]  # whether `low` must be above 0

    def __post_init__(self):
        _check_bounds(self.low, self.high, positive=self.positive)
        if self.n is not None:
            _check_count(self.n)

    @abc.abstractmethod
    def at(self, quantiles: np.ndarray) -> list[float]:
        """The values at quantiles between 0 and 1."""


class Uniform(Range):
    """Independent draws from [low, high]."""

    positive = False

    def at(self, quantiles: np.ndarray) -> list[float]:
        return _in_float32(self.low + quantiles * (self.high - self.low))


class LogUniform(Range):
    """Independent draws from [low, high] whose logarithm is uniform."""

    positive = True

    def at(self, quantiles: np.ndarray) -> list[float]:
        return _in_float32(self.low * (self.high / self.low) ** quantiles)


@dataclasses.dataclass(frozen=True)
class Sobol:
    """A scrambled Sobol sequence: points that fill a box more evenly than independent draws (Owen 1998, by SciPy).

    Attributes:
        ranges: one for each field of its axis, "learning_rate,env.penalty" has two.
        n: how many points; powers of two fill the box best.

    Raises:
        InputError: if a range is none, or says an `n` of its own.
    """

    ranges: Sequence[Range]
    n: int

    def __post_init__(self):
        ranges = (self.ranges,) if isinstance(self.ranges, Range) else tuple(self.ranges)
        for each in ranges:
            if not isinstance(each, Range) or each.n is not None:
                raise InputError(f"sobol: {each!r} is not a uniform or log_uniform range without a number of values")
        if not ranges:
            raise InputError("sobol: there is no range")
        _check_count(self.n)
        object.__setattr__(self, "ranges", ranges)


def lin(low: float, high: float, n: int) -> list[float]:
    """`n` evenly spaced values from `low` to `high`, both included."""
    return Uniform(low, high).at(np.linspace(0, 1, _check_count(n)))


def log(low: float, high: float, n: int) -> list[float]:
    """`n` values from `low` to `high`, both included, each the same multiple of the one before."""
    return LogUniform(low, high).at(np.linspace(0, 1, _check_count(n)))


def is_drawn(values: Any) -> bool:
    """Whether the values of an axis are drawn, so that no two sweeps of different root seeds share them."""
    return isinstance(values, Range | Sobol)


def listed(grid: Mapping[str, Any], root_seed: int) -> dict[str, Any]:
    """`grid` with plain values in place of those that are drawn; every axis draws from a stream of its own.

    Raises:
        InputError: if a `Sobol` has not one range for each field of its axis, or a range by itself says no `n`.
    """
    return {axis: _drawn(axis, values, root_seed) if is_drawn(values) else values for axis, values in grid.items()}


def _drawn(axis: str, values: Range | Sobol, root_seed: int) -> list[Any]:
    stream = np.random.default_rng([root_seed, zlib.crc32(axis.encode())])
    fields = axis.split(",")
    if isinstance(values, Range):
        if len(fields) > 1:
            raise InputError(f"sweep over {axis}: draw several fields together by a Sobol sequence")
        if values.n is None:
            raise InputError(f"sweep over {axis}: {values} does not say how many values (n)")
        return values.at(stream.random(values.n))
    if len(fields) != len(values.ranges):
        raise InputError(f"sweep over {axis}: sobol has {len(values.ranges)} range(s) for {len(fields)} field(s)")
    from scipy.stats import qmc  # here: it takes a second to import

    sampler = qmc.Sobol(len(fields), scramble=True, rng=stream)
    points = sampler.random_base2(math.ceil(math.log2(values.n)))[: values.n]
    columns = [each.at(column) for each, column in zip(values.ranges, points.T, strict=True)]
    return columns[0] if len(fields) == 1 else list(zip(*columns, strict=True))


def _in_float32(values: np.ndarray) -> list[float]:
    return [as_float32(value) for value in values]


def as_float32(value: float) -> float:
    """The nearest number of float32, in its shortest decimal form."""
    return float(str(np.float32(value)))


def _check_bounds(low: Any, high: Any, *, positive: bool) -> None:
    for name, bound in (("low", low), ("high", high)):
        if isinstance(bound, bool) or not isinstance(bound, int | float | np.number):
            raise InputError(f"{name}={bound!r} is not a number")
        if not abs(bound) <= LARGEST:  # so of NaN, and of whole numbers, which know no infinity
            raise InputError(f"{name}={reprlib.repr(bound)} is not finite in float32")
    if not low < high:
        raise InputError(f"low={low!r} is not below high={high!r}")
    if positive and np.float32(low) <= 0:
        raise InputError(f"low={low!r} is not above 0, and has no logarithm")


def _check_count(n: Any) -> int:
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or not 1 <= n <= MOST:
        raise InputError(f"n={n!r} is not a whole number from 1 to {MOST:,}")
    return int(n)
