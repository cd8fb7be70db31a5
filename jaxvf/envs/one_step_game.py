"""One-step team games whose expected reward is known exactly: what theory and variance studies are made of."""

import abc
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxvf.envs.protocol import Environment, EnvParams, EnvState
from jaxvf.envs.wrappers import AgentId

# Action probabilities [N, A] of a team, or means and standard deviations [N, A] where actions are continuous.
TeamPolicy = Any


class OneStepGame(Environment):
    """A game of one step in which agents act independently given the state."""

    @abc.abstractmethod
    def expected_reward(self, policy: TeamPolicy, state: EnvState, params: EnvParams) -> Float[Array, ""]:
        """Exact expected team reward of a policy in this state."""

    def policy_metrics(self, policy: TeamPolicy, state: EnvState, params: EnvParams) -> dict[str, Float[Array, ""]]:
        """What is known of a policy: its expected return, and for discrete actions its Nash gap."""
        known = {"expected_return": self.expected_reward(policy, state, params)}
        if not self.spec.continuous:
            known["nash_gap"] = nash_gap(self, policy, state, params)
        return known


def one_step_game(env: Environment) -> OneStepGame | None:
    """The one-step game inside an environment as an algorithm sees it, if it is one."""
    while isinstance(env, AgentId):  # it changes observations alone, so states stay the game's
        env = env.env
    return env if isinstance(env, OneStepGame) else None


def nash_gap(game: OneStepGame, probs: Float[Array, "N A"], state: EnvState, params: EnvParams) -> Float[Array, ""]:
    """The most that one agent could gain by changing its policy alone; 0 at a Nash equilibrium.

    Expected reward is affine in each agent's probabilities, so its gradient holds the agent's value of every action, up
    to what does not depend on the agent.
    """
    action_values = jax.grad(game.expected_reward)(probs, state, params)
    return jnp.max(action_values.max(axis=-1) - (probs * action_values).sum(axis=-1))
