"""Sweeps: from a description to a plan, from a plan to compiled programs, and back after an interruption."""

from jaxvf.sweeps.interrupt import Interrupted
from jaxvf.sweeps.plan import Group, Plan
from jaxvf.sweeps.stored import load, resume, work
from jaxvf.sweeps.sweep import Sweep

__all__ = ["Group", "Interrupted", "Plan", "Sweep", "load", "resume", "work"]
