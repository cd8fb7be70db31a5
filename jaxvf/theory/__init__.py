"""Theory: what a learner represents or settles at, beside what it was asked to learn."""

from jaxvf.theory import gradient_flow, team_ascent, trust_region
from jaxvf.theory.joint_values import JointValues, joint_values
from jaxvf.theory.monotonicity import deviation_penalty, non_monotonicity
from jaxvf.theory.recognition import Recognition, recognize
from jaxvf.theory.stable_points import (
    Fit,
    FitClass,
    IdealRounds,
    StablePoints,
    behaviour_weights,
    centrally_weighted,
    ideal_iteration,
    increment,
    joint_actions,
    monotone,
    optimistically_weighted,
    stable_points,
    strict_improvement,
    vdn,
)

__all__ = [
    "Fit",
    "FitClass",
    "IdealRounds",
    "JointValues",
    "Recognition",
    "StablePoints",
    "behaviour_weights",
    "centrally_weighted",
    "deviation_penalty",
    "gradient_flow",
    "ideal_iteration",
    "increment",
    "joint_actions",
    "joint_values",
    "monotone",
    "non_monotonicity",
    "optimistically_weighted",
    "recognize",
    "stable_points",
    "strict_improvement",
    "team_ascent",
    "trust_region",
    "vdn",
]
