"""The two-step game of the QMIX paper (Rashid et al. 2018)."""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from jaxvf.envs import payoff_picture
from jaxvf.envs.pictures import Names, Scene
from jaxvf.envs.protocol import Environment, EnvSpec, Outcome, View
from jaxvf.hyperparameters import hyperparameters, traced

START, FLAT, RISKY, END = range(4)  # state 1, state 2A, state 2B, and the state after the last step


@hyperparameters
class TwoStepGameParams:
    """Payoffs of the second step."""

    payoff_flat: Float[Array, "2 2"] = traced(np.full((2, 2), 7, np.float32), "payoff in state 2A")
    payoff_risky: Float[Array, "2 2"] = traced(np.array([[0, 1], [1, 8]], np.float32), "payoff in state 2B")


class TwoStepGameState(NamedTuple):
    """Which of the four situations holds."""

    situation: Int[Array, ""]


@dataclasses.dataclass(frozen=True)
class TwoStepGame(Environment):
    """First agent 1 chooses the game (agent 2's action is void), then both play it.

    - Observation and state: the situation one-hot (start, 2A, 2B, end).
    - Actions: 2, always available. Action 0 of agent 1 leads to 2A, action 1 to 2B.
    - Reward: 0 at the first step; then 7 whatever happens in 2A, or [[0, 1], [1, 8]] in 2B.
    - Ends: after the second step, as a termination.
    - Metric: `optimal`, 1 where the episode reaches the best payoff of both games.

    A learner that cannot represent 2B's table picks the safe 7.
    """

    @property
    def spec(self) -> EnvSpec:
        return EnvSpec(
            name="two_step_game",
            version=1,
            n_agents=2,
            n_actions=2,
            obs_dim=4,
            state_dim=4,
            limit_max=2,
            metric_names=("optimal",),
            self_ending=True,
            fixed_length=True,
            one_hot_obs=True,
        )

    def default_params(self) -> TwoStepGameParams:
        return jax.tree.map(jnp.asarray, TwoStepGameParams())

    def init(self, key: Key[Array, ""], params: TwoStepGameParams) -> TwoStepGameState:
        return TwoStepGameState(situation=jnp.int32(START))

    def transition(
        self, key: Key[Array, ""], state: TwoStepGameState, actions: Int[Array, "2"], params: TwoStepGameParams
    ) -> tuple[TwoStepGameState, Outcome]:
        first = state.situation == START
        table = jnp.where(state.situation == FLAT, params.payoff_flat, params.payoff_risky)
        reward = jnp.where(first, 0.0, table[actions[0], actions[1]])
        best = jnp.maximum(params.payoff_flat.max(), params.payoff_risky.max())
        outcome = Outcome(
            reward=reward,
            terminated=~first,
            truncated=jnp.bool_(False),
            metrics={"optimal": (~first & (reward >= best)).astype(jnp.float32)},
        )
        following = jnp.where(first, jnp.where(actions[0] == 0, FLAT, RISKY), END)
        return TwoStepGameState(situation=following.astype(jnp.int32)), outcome

    def observe(self, state: TwoStepGameState, params: TwoStepGameParams) -> View:
        situation = jax.nn.one_hot(state.situation, 4)
        return View(
            obs=jnp.broadcast_to(situation, (2, 4)),
            state=situation,
            avail=jnp.ones((2, 2), bool),
            alive=jnp.ones(2, bool),
        )

    def picture(
        self, state: TwoStepGameState, params: TwoStepGameParams, actions: Int[np.ndarray, "2"] | None = None
    ) -> Scene:
        """Both tables, and which one is being played."""
        tables = (np.asarray(params.payoff_flat), np.asarray(params.payoff_risky))
        return payoff_picture.two_steps(tables, int(state.situation), actions)

    def names(self, state: TwoStepGameState) -> Names:
        """Agents by number, actions by letter."""
        return Names.alike(2, payoff_picture.letters(2))
