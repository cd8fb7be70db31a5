"""Training: the clock, rollouts, where batches come from, evaluation, and the program that scans and maps them."""

from jaxvf.training.clock import Clock, Pace
from jaxvf.training.experience import Experience
from jaxvf.training.on_policy import OnPolicy
from jaxvf.training.program import Program, make_program, observed_by
from jaxvf.training.replayed import Replayed
from jaxvf.training.runs import RunState

__all__ = ["Clock", "Experience", "OnPolicy", "Pace", "Program", "Replayed", "RunState", "make_program", "observed_by"]
