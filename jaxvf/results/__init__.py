"""Results: files, statistics, figures, and the objects a sweep returns."""

from jaxvf.results.combine import concat
from jaxvf.results.comparison import Comparison, compare
from jaxvf.results.opponents import learned_opponent
from jaxvf.results.policy import Policy
from jaxvf.results.result import Result
from jaxvf.results.statistics import (
    Interval,
    fraction_interval,
    improvement_matrix,
    iqm,
    iqm_interval,
    performance_profile,
    probability_of_improvement,
)

__all__ = [
    "Comparison",
    "Interval",
    "Policy",
    "Result",
    "compare",
    "concat",
    "fraction_interval",
    "improvement_matrix",
    "iqm",
    "iqm_interval",
    "learned_opponent",
    "performance_profile",
    "probability_of_improvement",
]
