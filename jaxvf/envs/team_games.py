"""One-step team games with many agents: a chain that must agree, a sum that must hit a target, random payoffs.

Not from a paper: made here to study how sampling disturbs sequential updates, the subject of Le & Ta 2025.
"""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from jaxvf.envs import team_games_picture
from jaxvf.envs.matrix_game import MatrixGame
from jaxvf.envs.one_step_game import OneStepGame
from jaxvf.envs.payoff_picture import letters
from jaxvf.envs.pictures import Names, Scene
from jaxvf.envs.protocol import EnvSpec, Outcome, View
from jaxvf.errors import InputError
from jaxvf.hyperparameters import hyperparameters, traced

CONTEXT = 4  # entries of the Gaussian team's context


def _at_least(name: str, value: int, low: int) -> None:
    if value < low:
        raise InputError(f"{name}={value} must be at least {low}")


@hyperparameters
class SoftmaxChainParams:
    """The numbers of a chain."""

    decline: float = traced(0.2, "by how much agreeing on an action is worth less than on the one before it")
    noise: float = traced(0.02, "standard deviation of the noise on the team reward", low=0)


class ChainState(NamedTuple):
    """Nothing happens but time."""

    t: Int[Array, ""]


@dataclasses.dataclass(frozen=True)
class SoftmaxChain(OneStepGame):
    """Agents in a row agree with their neighbours.

    - Observation and state: the constant 1.
    - Actions: all, always available.
    - Reward: the mean over neighbouring pairs of 1 - a · `decline` where both play action a, else 0; plus normal noise.
      So the optimum is 1, and agreeing on another action is an equilibrium too.
    - Ends: after the one step, as a termination.
    - Metric: `agreement`, the share of pairs that play the same action.
    """

    n_agents: int = 8
    n_actions: int = 3

    def __post_init__(self) -> None:
        _at_least("n_agents", self.n_agents, 2)
        _at_least("n_actions", self.n_actions, 1)

    @property
    def spec(self) -> EnvSpec:
        return EnvSpec(
            name="softmax_chain",
            version=1,
            n_agents=self.n_agents,
            n_actions=self.n_actions,
            obs_dim=1,
            state_dim=1,
            limit_max=1,
            metric_names=("agreement",),
            fixed_view=True,
            self_ending=True,
            fixed_length=True,
            one_hot_obs=True,
        )

    def default_params(self) -> SoftmaxChainParams:
        return jax.tree.map(jnp.float32, SoftmaxChainParams())

    def init(self, key: Key[Array, ""], params: SoftmaxChainParams) -> ChainState:
        return ChainState(jnp.int32(0))

    def transition(
        self, key: Key[Array, ""], state: ChainState, actions: Int[Array, "N"], params: SoftmaxChainParams
    ) -> tuple[ChainState, Outcome]:
        same = actions[1:] == actions[:-1]
        links = jnp.where(same, self._worth(params)[actions[1:]], 0.0)
        reward = links.mean() + params.noise * jax.random.normal(key)
        return ChainState(state.t + 1), _ended(reward, {"agreement": same.mean(dtype=jnp.float32)})

    def observe(self, state: ChainState, params: SoftmaxChainParams) -> View:
        agents = self.n_agents
        return View(
            jnp.ones((agents, 1)), jnp.ones(1), jnp.ones((agents, self.n_actions), bool), jnp.ones(agents, bool)
        )

    def picture(self, state: ChainState, params: SoftmaxChainParams, actions: np.ndarray | None = None) -> Scene:
        """The row of agents, and who agrees with whom."""
        return team_games_picture.chain(np.asarray(self._worth(params)), self.n_agents, actions)

    def names(self, state: ChainState) -> Names:
        """Agents by number, actions by letter."""
        return Names.alike(self.n_agents, letters(self.n_actions))

    def expected_reward(
        self, policy: Float[Array, "N A"], state: ChainState, params: SoftmaxChainParams
    ) -> Float[Array, ""]:
        return jnp.mean(jnp.sum(policy[1:] * policy[:-1] * self._worth(params), axis=-1))

    def _worth(self, params: SoftmaxChainParams) -> Float[Array, "A"]:
        return 1.0 - params.decline * jnp.arange(self.n_actions)


@hyperparameters
class GaussianTeamParams:
    """The numbers of a Gaussian team."""

    noise: float = traced(0.0, "standard deviation of the noise on the team reward", low=0)


class GaussianTeamState(NamedTuple):
    """The context, which all agents see."""

    context: Float[Array, "4"]


@dataclasses.dataclass(frozen=True)
class GaussianTeam(OneStepGame):
    """Scalar actions whose sum over √n must track a function of a context.

    - Observation and state: the context, four standard normals.
    - Actions: one real number per agent.
    - Reward: minus the squared distance of Σ a_i / √n from the target, plus normal noise.
    - Ends: after the one step, as a termination.

    Attributes:
        n_agents: N.
        draw: which target; 0 is sin x + cos(y) / 2 of two of the context's entries, any other a random one (`target`).
    """

    n_agents: int = 4
    draw: int = 0

    def __post_init__(self) -> None:
        _at_least("n_agents", self.n_agents, 1)
        _at_least("draw", self.draw, 0)

    @property
    def spec(self) -> EnvSpec:
        return EnvSpec(
            name="gaussian_team",
            version=1,
            n_agents=self.n_agents,
            n_actions=1,
            obs_dim=CONTEXT,
            state_dim=CONTEXT,
            limit_max=1,
            self_ending=True,
            fixed_length=True,
            continuous=True,
        )

    def default_params(self) -> GaussianTeamParams:
        return jax.tree.map(jnp.float32, GaussianTeamParams())

    def init(self, key: Key[Array, ""], params: GaussianTeamParams) -> GaussianTeamState:
        return GaussianTeamState(jax.random.normal(key, (CONTEXT,)))

    def transition(
        self, key: Key[Array, ""], state: GaussianTeamState, actions: Float[Array, "N 1"], params: GaussianTeamParams
    ) -> tuple[GaussianTeamState, Outcome]:
        error = actions.sum() / self.n_agents**0.5 - target(state.context, self.draw)
        reward = params.noise * jax.random.normal(key) - error**2
        return state, _ended(reward, {})

    def observe(self, state: GaussianTeamState, params: GaussianTeamParams) -> View:
        agents = self.n_agents
        obs = jnp.broadcast_to(state.context, (agents, CONTEXT))
        return View(obs, state.context, jnp.ones((agents, 1), bool), jnp.ones(agents, bool))

    def picture(self, state: GaussianTeamState, params: GaussianTeamParams, actions: np.ndarray | None = None) -> Scene:
        """What the agents add up to, and what they should."""
        shares = None if actions is None else (np.asarray(actions)[:, 0] / self.n_agents**0.5).tolist()
        return team_games_picture.tracking(float(target(jnp.asarray(state.context), self.draw)), shares)

    def expected_reward(
        self,
        policy: tuple[Float[Array, "N 1"], Float[Array, "N 1"]],
        state: GaussianTeamState,
        params: GaussianTeamParams,
    ) -> Float[Array, ""]:
        mean, std = policy
        error = mean.sum() / self.n_agents**0.5 - target(state.context, self.draw)
        return -(error**2 + (std**2).sum() / self.n_agents)


def target(context: Float[Array, "4"], draw: int = 0) -> Float[Array, ""]:
    """What the Gaussian team must output.

    Draw 0 is sin x + cos(y) / 2 of the context's first entries; two of them mean nothing. Any other draw is of the same
    kind, a sin(v·c + φ) + b cos(w·c + ψ), with random directions v and w, phases, and sizes a in [1/2, 3/2] and b in
    [1/4, 3/4].
    """
    if draw == 0:
        return jnp.sin(context[0]) + 0.5 * jnp.cos(context[1])
    rng = np.random.default_rng([draw, CONTEXT])
    directions = rng.normal(size=(2, CONTEXT))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    phases, sizes = rng.uniform(0, 2 * np.pi, size=2), rng.uniform((0.5, 0.25), (1.5, 0.75))
    inside = jnp.asarray(directions, jnp.float32) @ context + jnp.asarray(phases, jnp.float32)
    return float(sizes[0]) * jnp.sin(inside[0]) + float(sizes[1]) * jnp.cos(inside[1])


def random_team_game(n_agents: int, n_actions: int, seed: int = 0) -> MatrixGame:
    """A matrix game with independent standard normal payoffs; `env.payoff` may vary along a sweep."""
    _at_least("n_agents", n_agents, 1)
    _at_least("n_actions", n_actions, 1)
    return MatrixGame(np.random.default_rng(seed).normal(size=(n_actions,) * n_agents))


def _ended(reward: Float[Array, ""], metrics: dict[str, Float[Array, ""]]) -> Outcome:
    return Outcome(reward, jnp.bool_(True), jnp.bool_(False), metrics)
