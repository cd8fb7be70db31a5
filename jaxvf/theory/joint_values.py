"""Learned joint-value tables of one-step games, beside their payoff."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from jaxvf.envs.protocol import Environment
from jaxvf.results.policy import Policy
from jaxvf.training import for_algorithm


class JointValues(NamedTuple):
    """What runs of one program learned about a one-step game.

    Attributes:
        local: local values q_i(u_i).
        joint: Q_tot of every joint action; NaN for a learner that mixes nothing.
        greedy: the tuple of local argmaxes, which is what the agents play.
    """

    local: Float[np.ndarray, "runs N A"]
    joint: Float[np.ndarray, "runs *actions"]
    greedy: Int[np.ndarray, "runs N"]

    def reaches(self, payoff: Float[np.ndarray, "*actions"]) -> np.ndarray:
        """Whether the greedy joint action pays the maximum, [runs]."""
        return payoff[tuple(self.greedy.T)] >= payoff.max()

    def error(self, payoff: Float[np.ndarray, "*actions"]) -> np.ndarray:
        """Largest difference between learned table and payoff, [runs]."""
        return np.abs(self.joint - payoff).reshape(len(self.joint), -1).max(axis=-1)


def joint_values(policies: Sequence[Policy]) -> JointValues:
    """Tables of policies that were trained with one static configuration, from the first view of their game.

    Args:
        policies: trained on games of one shape, such as `MatrixGame`s, by algorithms that differ in traced fields only.
    """
    env, algorithm = policies[0].env, policies[0].algorithm
    seen = for_algorithm(env, algorithm)
    stacked = jax.tree.map(lambda *leaves: np.stack(leaves), *[policy.params for policy in policies])
    local, joint = jax.jit(jax.vmap(lambda params: _tables(seen, algorithm, params)))(stacked)
    return JointValues(np.asarray(local), np.asarray(joint), np.asarray(local).argmax(axis=-1))


def _tables(env: Environment, algorithm: Any, params: Any) -> tuple[jax.Array, jax.Array]:
    view = env.observe(env.init(jax.random.key(0), env.default_params()), env.default_params())
    spec = env.spec
    q, _ = algorithm.agent.apply(params.agent, view.obs[None, None], None, spec.n_actions)
    local = q[0, 0]
    shape = (spec.n_actions,) * spec.n_agents
    actions = jnp.stack([axis.reshape(-1) for axis in jnp.meshgrid(*map(jnp.arange, shape), indexing="ij")], axis=-1)
    chosen = jnp.take_along_axis(local[None], actions[..., None], axis=-1)[..., 0]
    value = algorithm.joint_value(params, chosen, view.state[None])
    joint = value[:, 0] if value.shape[-1] == 1 else jnp.full(len(actions), jnp.nan)
    return local, joint.reshape(shape)
