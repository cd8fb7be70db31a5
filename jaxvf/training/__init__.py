"""Training: the clock, the episode rollout, evaluation, and the program that scans and maps them."""

from jaxvf.training.choose import make_program
from jaxvf.training.clock import Clock, Pace
from jaxvf.training.on_policy import OnPolicyProgram
from jaxvf.training.program import Program, RunState, for_algorithm, make_pace

__all__ = ["Clock", "OnPolicyProgram", "Pace", "Program", "RunState", "for_algorithm", "make_pace", "make_program"]
