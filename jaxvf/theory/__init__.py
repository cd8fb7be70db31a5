"""Theory: what a learner represents or settles at, beside what it was asked to learn.

Sources, cited below by author and year. Each module says what its paper states and what is derived here.

- Rashid et al. 2020 (weighted QMIX): arXiv 2006.10800.
- Marchesini et al. 2025 (DuelMIX): arXiv 2408.15381.
- Hu et al. 2026 (non-monotonic QMIX): arXiv 2511.09792.
- Huang et al. 2026 (POW): arXiv 2405.08036.
- Tao et al. 2026 (MRVF): arXiv 2604.05297.
- Le & Ta 2025 (clipped weights of preceding agents): doi 10.1007/s10458-025-09695-8, arXiv 2606.25526.
"""

from jaxvf.theory import flow_solve, flow_stability, flow_theorems, gradient_flow, team_ascent, trust_region
from jaxvf.theory.fit_classes import (
    Fit,
    FitClass,
    centrally_weighted,
    complete,
    highest,
    ideally_weighted,
    joint_actions,
    monotone,
    optimistic_minimum,
    optimistically_weighted,
    potentially_optimal,
    stopped_advantages,
    vdn,
)
from jaxvf.theory.joint_values import JointValues, joint_values
from jaxvf.theory.monotonicity import deviation_penalty, non_monotonicity
from jaxvf.theory.recognition import Recognition, recognize
from jaxvf.theory.stable_points import (
    Behaviour,
    IdealRounds,
    StablePoints,
    annealed_end,
    behaviour_weights,
    ideal_iteration,
    increment,
    round_ends,
    stable_points,
    strict_improvement,
    tops_around,
)

__all__ = [
    "Behaviour",
    "Fit",
    "FitClass",
    "IdealRounds",
    "JointValues",
    "Recognition",
    "StablePoints",
    "annealed_end",
    "behaviour_weights",
    "centrally_weighted",
    "complete",
    "deviation_penalty",
    "flow_solve",
    "flow_stability",
    "flow_theorems",
    "gradient_flow",
    "highest",
    "ideal_iteration",
    "ideally_weighted",
    "increment",
    "joint_actions",
    "joint_values",
    "monotone",
    "non_monotonicity",
    "optimistic_minimum",
    "optimistically_weighted",
    "potentially_optimal",
    "recognize",
    "round_ends",
    "stable_points",
    "stopped_advantages",
    "strict_improvement",
    "team_ascent",
    "tops_around",
    "trust_region",
    "vdn",
]
