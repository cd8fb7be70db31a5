"""The academy scenarios: who starts where. Units of an observation, in the order of the scenario files."""

import dataclasses

import numpy as np
from jaxtyping import Bool, Float

from jaxvf.envs.football.numbers import X_UNIT, Y_UNIT
from jaxvf.errors import InputError, unknown

UNITS = np.array([X_UNIT, Y_UNIT])


@dataclasses.dataclass(frozen=True)
class Scenario:
    """Where an episode begins.

    Attributes:
        ball: its place.
        agents: places of the learning players, who are the last of their team's list.
        slot: the first agent's place in that list.
        opponents: places of the other team's list, the keeper first.
        simulated: how many of `opponents` play by default.
        fewest: how many must, for the scenario to be what its name says.
        seen: how many of them CDS's observation has.
    """

    ball: tuple[float, float]
    agents: tuple[tuple[float, float], ...]
    slot: int
    opponents: tuple[tuple[float, float], ...]
    simulated: int
    fewest: int
    seen: int

    def first_positions(self, n_opponents: int) -> Float[np.ndarray, "P 2"]:
        """Metres: agents, then opponents."""
        return np.array([*self.agents, *self.opponents[:n_opponents]]) * UNITS

    def chasers(self, n_opponents: int) -> Bool[np.ndarray, "E"]:
        """Opponents who start on the wrong side of the ball, and only run after it."""
        return np.array([x < self.ball[0] for x, _ in self.opponents[:n_opponents]])


THREE_VS_ONE = Scenario(
    ball=(0.62, 0.0),
    agents=((0.6, 0.0), (0.7, 0.2), (0.7, -0.2)),
    slot=1,
    opponents=((1.0, 0.0), (0.75, 0.0)),
    simulated=2,
    fewest=2,
    seen=2,
)


def _counterattack(*centre_backs: tuple[float, float]) -> Scenario:
    back = (-0.128, 0.19576)  # of both full backs: the file puts them on one spot
    return Scenario(
        ball=(0.26, -0.11),
        agents=((0.5, -0.3161), (0.25, -0.1), (0.25, 0.1), (0.35, 0.316102)),
        slot=7,
        opponents=(
            (1.0, 0.0), back, *centre_backs, back, (-0.365, 0.10568), (-0.282, 0.0), (-0.365, -0.10568),
            (-0.54, 0.3161), (-0.51, 0.0), (-0.54, -0.316102),
        ),
        simulated=6,
        fewest=4,
        seen=3,
    )  # fmt: skip


SCENARIOS: dict[str, Scenario] = {
    "academy_3_vs_1_with_keeper": THREE_VS_ONE,
    "academy_counterattack_easy": _counterattack((-0.4, 0.06356), (0.4, -0.063559)),
    "academy_counterattack_hard": _counterattack((0.4, 0.06356), (0.4, -0.063559)),
}


def scenario_of(name: str) -> Scenario:
    """The scenario of a name.

    Raises:
        InputError: for a name that is none, with the nearest one that is.
    """
    if not isinstance(name, str) or name not in SCENARIOS:
        raise unknown("scenario", name, SCENARIOS)
    return SCENARIOS[name]


def number_of_opponents(name: str, wanted: int | None) -> int:
    """How many opponents play.

    Raises:
        InputError: for fewer than make the scenario, more than its file has, or no whole number.
    """
    scenario = scenario_of(name)
    if wanted is None:
        return scenario.simulated
    fewest, most = scenario.fewest, len(scenario.opponents)
    if type(wanted) is not int or not fewest <= wanted <= most:
        raise InputError(f"n_opponents={wanted!r} is no whole number from {fewest} to {most}, as {name} needs")
    return wanted
