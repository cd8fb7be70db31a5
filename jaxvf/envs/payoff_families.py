"""Random payoff games: families from monotonic to strongly non-monotonic, each game named by a few numbers."""

import dataclasses
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from jaxtyping import Float

from jaxvf.errors import InputError, unknown

BEST = 10.0  # payoff of every game's optimum
SPREAD = 4.0  # standard deviation over the joint actions of every game
LEAD = 0.25  # standard deviations by which the optimum leads, before the last scaling: no game hangs on a near tie

CURVATURE = 1.0  # of the monotonic family at strength 1
INTERACTION = 2.0  # noise of the interaction family at strength 1, as a multiple of the additive part
PENALTY = 4.0  # of a failed attempt at the optimum, at strength 1, as a multiple of all other payoffs' range
SPIKES = 0.1  # share of the joint actions that pay anything in the spikes family

Table = Float[np.ndarray, "*actions"]


def monotonic(rng: np.random.Generator, shape: tuple[int, ...], strength: float) -> Table:
    """(exp(c s) - 1) / c of the sum s of one value per agent, c growing with `strength`: increasing in every value."""
    curvature = CURVATURE * strength
    total = _additive(rng, shape)
    return np.expm1(curvature * total) / curvature if curvature else total


def interaction(rng: np.random.Generator, shape: tuple[int, ...], strength: float) -> Table:
    """A sum of one value per agent, and independent normal noise that `strength` makes up to twice as large."""
    return _additive(rng, shape) + INTERACTION * strength * rng.normal(size=shape)


def climbing(rng: np.random.Generator, shape: tuple[int, ...], strength: float) -> Table:
    """The optimum costs whoever tries alone (as in the climbing game, Claus & Boutilier 1998).

    Its joint action is drawn uniformly. Where some but not all agents play their part in it the payoff falls by up to
    `strength` times four; where none does, payoffs are additive and lie between 0 and 1 below the optimum's 1.5.
    """
    safe = _additive(rng, shape)
    safe = (safe - safe.min()) / np.ptp(safe)
    optimum = rng.integers(shape[0], size=len(shape))
    parts = (np.indices(shape) == optimum.reshape(-1, *[1] * len(shape))).sum(axis=0)
    penalty = PENALTY * strength * rng.uniform(0.5, 1.0, size=shape)
    table = np.where(parts > 0, safe - penalty, safe)
    table[tuple(optimum)] = 1.5
    return table


def normal(rng: np.random.Generator, shape: tuple[int, ...], strength: float) -> Table:
    """Independent normal payoffs: nothing to factor; `strength` does nothing."""
    return rng.normal(size=shape)


def spikes(rng: np.random.Generator, shape: tuple[int, ...], strength: float) -> Table:
    """One joint action in ten, and at least two, pay a uniform random amount, all others 0; `strength` does nothing."""
    table = np.zeros(shape)
    count = max(2, round(SPIKES * table.size))
    table.flat[rng.choice(table.size, count, replace=False)] = rng.uniform(size=count)
    return table


FAMILIES: Mapping[str, Callable[[np.random.Generator, tuple[int, ...], float], Table]] = MappingProxyType(
    {
        "monotonic": monotonic,
        "interaction": interaction,
        "climbing": climbing,
        "normal": normal,
        "spikes": spikes,
    }
)


@dataclasses.dataclass(frozen=True)
class RandomGame:
    """A random payoff table, described by what draws it: `np.asarray(game)` is the table, the same every time.

    It can stand wherever a payoff is asked for, also among the values of a sweep over "env.payoff"; files then hold
    these few fields instead of A^N numbers a run.

    Every table is scaled to the same maximum (10) and standard deviation (4) and has one optimum.

    Attributes:
        family: name of one of `FAMILIES`.
        n_agents: N, axes of the table.
        n_actions: A, their length.
        strength: how far the family is taken, in [0, 1].
        seed: of everything that is random.
    """

    family: str
    n_agents: int
    n_actions: int
    strength: float
    seed: int

    def __post_init__(self) -> None:
        if self.family not in FAMILIES:
            raise unknown("family", self.family, FAMILIES)
        if self.n_agents < 2 or self.n_actions < 2:
            raise InputError(f"a game of {self.n_agents} agents with {self.n_actions} actions leaves nothing to factor")
        if not 0 <= self.strength <= 1:
            raise InputError(f"strength={self.strength} is not within 0 and 1")

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self.payoff().astype(dtype or np.float64)

    def payoff(self) -> Table:
        """Team reward of every joint action, N axes of length A."""
        shape = (self.n_actions,) * self.n_agents
        rng = np.random.default_rng([self.seed, list(FAMILIES).index(self.family), *shape])
        return _scaled(FAMILIES[self.family](rng, shape, self.strength))


def random_games(
    n_agents: int, n_actions: int, count: int, *, families: tuple[str, ...] = tuple(FAMILIES), first_seed: int = 0
) -> list[RandomGame]:
    """`count` different games of one shape, the families in turn, each family's strengths evenly spread over [0, 1]."""
    rounds = -(-count // len(families))
    strengths = np.linspace(0, 1, rounds).tolist()
    games = [
        RandomGame(family, n_agents, n_actions, strength, first_seed + place)
        for place, strength in enumerate(strengths)
        for family in families
    ]
    return games[:count]


def _additive(rng: np.random.Generator, shape: tuple[int, ...]) -> Table:
    """Σ_i x_i(u_i) / √N with standard normal x_i."""
    values = rng.normal(size=(len(shape), shape[0])) / np.sqrt(len(shape))
    axes = [row.reshape([-1 if axis == agent else 1 for axis in range(len(shape))]) for agent, row in enumerate(values)]
    return sum(axes, np.zeros(shape))


def _scaled(table: Table) -> Table:
    """The table with its largest entry lifted to a clear lead, then mapped linearly to `BEST` and `SPREAD`."""
    best = np.unravel_index(table.argmax(), table.shape)
    others = np.partition(table, -2, axis=None)[-2]
    table = table.copy()
    table[best] = max(table[best], others + LEAD * table.std())
    return BEST + SPREAD * (table - table[best]) / table.std()
