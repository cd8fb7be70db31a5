"""Searches: spend a sweep's budget where it matters.

`Rounds` adds seeds until the time is spent, `Halving` drops configurations early, `Population` perturbs traced fields
while it trains, `Optuna` chooses values a generation at a time.
"""

from jaxvf.sweeps.search.entry import METHODS, load, parse_method, run, run_within
from jaxvf.sweeps.search.generations import Optuna
from jaxvf.sweeps.search.halving import Halving
from jaxvf.sweeps.search.population import Population
from jaxvf.sweeps.search.rounds import Rounds
from jaxvf.sweeps.search.searching import Options, Search

__all__ = [
    "METHODS",
    "Halving",
    "Options",
    "Optuna",
    "Population",
    "Rounds",
    "Search",
    "load",
    "parse_method",
    "run",
    "run_within",
]
