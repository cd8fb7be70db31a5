"""Sweeps: from a description to a plan, from a plan to compiled programs, and back after an interruption."""

from jaxvf.signals import Interrupted
from jaxvf.sweeps.plan import Group, Plan
from jaxvf.sweeps.search import Halving, Optuna, Population
from jaxvf.sweeps.stored import load, resume, work
from jaxvf.sweeps.sweep import Sweep
from jaxvf.sweeps.values import LogUniform, Sobol, Uniform, lin, log

__all__ = [
    "Group",
    "Halving",
    "Interrupted",
    "LogUniform",
    "Optuna",
    "Plan",
    "Population",
    "Sobol",
    "Sweep",
    "Uniform",
    "lin",
    "load",
    "log",
    "resume",
    "work",
]
