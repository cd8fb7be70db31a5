"""Results: files, statistics, figures, and the objects a sweep returns."""

from jaxvf.results.policy import Policy
from jaxvf.results.result import Result
from jaxvf.results.statistics import Interval, fraction_interval, iqm, iqm_interval, probability_of_improvement

__all__ = ["Interval", "Policy", "Result", "fraction_interval", "iqm", "iqm_interval", "probability_of_improvement"]
