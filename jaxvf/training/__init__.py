"""Training: the clock, the episode rollout, evaluation, and the program that scans and maps them."""

from jaxvf.training.clock import Clock, Pace
from jaxvf.training.program import Program, RunState, for_algorithm, make_pace

__all__ = ["Clock", "Pace", "Program", "RunState", "for_algorithm", "make_pace"]
