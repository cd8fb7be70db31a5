"""Learned joint-value tables of one-step games, beside their payoff."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from jaxvf.algorithm import Rollout
from jaxvf.envs.protocol import Environment, View
from jaxvf.results.policy import Policy
from jaxvf.training import observed_by


class JointValues(NamedTuple):
    """What runs of one program learned about a one-step game.

    Attributes:
        local: local values q_i(u_i).
        heads: every value of joint actions that the learner has, by name; "q_tot" is the factored one. A learner that
            mixes nothing has none.
        greedy: what the agents play.
    """

    local: Float[np.ndarray, "runs N A"]
    heads: dict[str, Float[np.ndarray, "runs *actions"]]
    greedy: Int[np.ndarray, "runs N"]

    @property
    def joint(self) -> Float[np.ndarray, "runs *actions"]:
        """Q_tot of every joint action; NaN for a learner that mixes nothing."""
        n_agents, n_actions = self.local.shape[1:]
        return self.heads.get("q_tot", np.full((len(self.local), *[n_actions] * n_agents), np.nan, np.float32))

    def reaches(self, payoff: Float[np.ndarray, "*actions"]) -> np.ndarray:
        """Whether the greedy joint action pays the maximum, [runs]."""
        return payoff[tuple(self.greedy.T)] >= payoff.max()

    def error(self, payoff: Float[np.ndarray, "*actions"], head: str = "q_tot") -> np.ndarray:
        """Largest difference between a learned table and the payoff, [runs]; NaN where the learner has no such head."""
        table = self.heads.get(head, self.joint)
        return np.abs(table - payoff).reshape(len(table), -1).max(axis=-1)


def joint_values(policies: Sequence[Policy]) -> JointValues:
    """Tables of policies that were trained with one static configuration, from the first view of their game.

    Args:
        policies: trained on games of one shape, such as `MatrixGame`s, by algorithms that differ in traced fields only.
    """
    env, algorithm = policies[0].env, policies[0].algorithm
    seen = observed_by(algorithm, env)
    stacked = jax.tree.map(lambda *leaves: np.stack(leaves), *[policy.params for policy in policies])
    # Traced fields may differ too: the tolerance of a recognizer, the bonus of an anchor.
    learners = jax.tree.map(lambda *leaves: np.asarray(leaves, np.float32), *[policy.algorithm for policy in policies])
    tables = jax.jit(jax.vmap(lambda learner, params: _tables(seen, learner, params)))(learners, stacked)
    return JointValues(*jax.tree.map(np.asarray, tables))


def _tables(env: Environment, algorithm: Any, params: Any) -> tuple[jax.Array, dict[str, jax.Array], jax.Array]:
    view = env.observe(env.init(jax.random.key(0), env.default_params()), env.default_params())
    spec = env.spec
    shape = (spec.n_actions,) * spec.n_agents
    actions = jnp.stack([axis.reshape(-1) for axis in jnp.meshgrid(*map(jnp.arange, shape), indexing="ij")], axis=-1)
    frames = _frames(view, actions)
    local = algorithm.unroll(params.agent, frames).outputs[0, 0, :, : spec.n_actions]
    values = algorithm.joint_values(params, frames)
    heads = {
        name: jnp.broadcast_to(value[0, :, 0], len(actions)).reshape(shape)
        for name, value in values.items()
        if value.shape[-1] == 1
    }
    batched = jax.tree.map(lambda leaf: leaf[None], view)
    greedy, _ = algorithm.greedy(params, algorithm.initial_carry((1, spec.n_agents)), batched)
    return local, heads, greedy[0]


def _frames(view: View, actions: Int[jax.Array, "joint N"]) -> Rollout:
    """Rollouts of one frame that all show the same view, one for each joint action."""
    nothing = jnp.zeros((1, 1))
    flag = nothing.astype(bool)
    obs, state, avail = (leaf[None, None] for leaf in (view.obs, view.state, view.avail))
    return Rollout(obs, state, avail, actions[None], nothing, flag, flag, ~flag)
