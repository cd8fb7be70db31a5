"""One-step matrix games: n agents, any payoff tensor, and the games that the field argues about."""

import dataclasses
import reprlib
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from jaxvf.envs import payoff_picture
from jaxvf.envs.one_step_game import OneStepGame
from jaxvf.envs.pictures import Names, Scene
from jaxvf.envs.protocol import EnvSpec, Outcome, View
from jaxvf.errors import InputError
from jaxvf.hyperparameters import hyperparameters, traced

# The letter is the game's registered name, and ours; papers have letters of their own.
PAYOFFS: dict[str, tuple[tuple[float, ...], ...]] = {
    "A": ((8, -12, -12), (-12, 0, 0), (-12, 0, 7.9)),  # POW, Fig. 2
    "B": ((12, -12, -12), (-12, 0, 0), (-12, 0, 0)),  # non-monotonic QMIX, game A of its Table 1
    "C": ((12, -0.1, -0.1), (-0.1, 0, 0), (-0.1, 0, 0)),  # PyMARL2's default
    "D": ((12, 0, 10), (0, 0, 10), (10, 10, 10)),  # non-monotonic QMIX, game B of its Table 1
    "E": ((8, -12, -12), (-12, 0, 0), (-12, 0, 0)),  # QTRAN, weighted QMIX, QPLEX game 2
    "F": ((8, -12, -12), (-12, 6, 0), (-12, 0, 6)),  # QPLEX game 3
    "G": ((10.4, 0, 10), (0, 10, 10), (10, 10, 10)),  # QPLEX game 1
}


@hyperparameters
class MatrixGameParams:
    """The numbers of a matrix game."""

    payoff: Float[Array, "..."] = traced(np.zeros((2, 2), np.float32), "team reward of every joint action, A x ... x A")


class MatrixGameState(NamedTuple):
    """Nothing happens but time."""

    t: Int[Array, ""]


@dataclasses.dataclass(frozen=True, eq=False, init=False)
class MatrixGame(OneStepGame):
    """A one-step team game: every agent picks an action, all receive the payoff of the joint action.

    - Observation and state: the step count one-hot, (1, 0) before the step and (0, 1) after it (POW's code).
    - Actions: all A, always available.
    - Reward: `payoff[u_1, ..., u_n]`.
    - Ends: after the one step, as a termination.
    - Metric: `optimal`, 1 where the joint action reaches the payoff's maximum.

    Two games of the same shape are equal as environments: the payoff is a parameter, so thousands of games are one
    program.
    """

    n_agents: int
    n_actions: int
    payoff: np.ndarray

    def __init__(self, payoff: object):
        array = _payoff_tensor(payoff)
        object.__setattr__(self, "payoff", array)
        object.__setattr__(self, "n_agents", array.ndim)
        object.__setattr__(self, "n_actions", array.shape[0])

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self._shape == other._shape

    def __hash__(self) -> int:
        return hash(("MatrixGame", self._shape))

    @property
    def _shape(self) -> tuple[int, int]:
        return self.n_agents, self.n_actions

    @property
    def spec(self) -> EnvSpec:
        return EnvSpec(
            name="matrix_game",
            version=1,
            n_agents=self.n_agents,
            n_actions=self.n_actions,
            obs_dim=2,
            state_dim=2,
            limit_max=1,
            metric_names=("optimal",),
            fixed_view=True,
            self_ending=True,
            fixed_length=True,
            payoff_game=True,
            one_hot_obs=True,
        )

    def default_params(self) -> MatrixGameParams:
        return MatrixGameParams(payoff=jnp.asarray(self.payoff))

    def init(self, key: Key[Array, ""], params: MatrixGameParams) -> MatrixGameState:
        return MatrixGameState(t=jnp.int32(0))

    def transition(
        self, key: Key[Array, ""], state: MatrixGameState, actions: Int[Array, "N"], params: MatrixGameParams
    ) -> tuple[MatrixGameState, Outcome]:
        reward = params.payoff[tuple(actions)]
        outcome = Outcome(
            reward=reward,
            terminated=jnp.bool_(True),
            truncated=jnp.bool_(False),
            metrics={"optimal": (reward >= params.payoff.max()).astype(jnp.float32)},
        )
        return MatrixGameState(t=state.t + 1), outcome

    def observe(self, state: MatrixGameState, params: MatrixGameParams) -> View:
        phase = jnp.arange(2) == jnp.minimum(state.t, 1)
        return View(
            obs=jnp.broadcast_to(phase, (self.n_agents, 2)).astype(jnp.float32),
            state=phase.astype(jnp.float32),
            avail=jnp.ones((self.n_agents, self.n_actions), bool),
            alive=jnp.ones(self.n_agents, bool),
        )

    def expected_reward(
        self, policy: Float[Array, "N A"], state: MatrixGameState, params: MatrixGameParams
    ) -> Float[Array, ""]:
        value = params.payoff
        for probs in policy:
            value = jnp.tensordot(probs, value, axes=1)
        return value

    def picture(
        self, state: MatrixGameState, params: MatrixGameParams, actions: Int[np.ndarray, "N"] | None = None
    ) -> Scene:
        """The payoff table and the joint action."""
        return payoff_picture.payoff_table(np.asarray(params.payoff), actions)

    def names(self, state: MatrixGameState) -> Names:
        """Agents by number, actions by letter."""
        return Names.alike(self.n_agents, payoff_picture.letters(self.n_actions))


def _payoff_tensor(payoff: object) -> np.ndarray:
    try:
        array = np.asarray(payoff, np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"payoff={reprlib.repr(payoff)} is not a rectangular table of numbers") from error
    if array.ndim == 0 or array.size == 0 or len(set(array.shape)) != 1:
        wanted = " x ".join([str(max(array.shape, default=1))] * max(array.ndim, 1))
        raise InputError(f"payoff has shape {array.shape}; it must be A x ... x A, one axis per agent, e.g. {wanted}")
    if not np.isfinite(array).all():
        raise InputError("payoff holds a number that is not finite")
    if np.abs(array).max() > np.finfo(np.float32).max:
        raise InputError(f"payoff holds {np.abs(array).max():g}, more than float32 does")
    return array.astype(np.float32)
