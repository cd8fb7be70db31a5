"""Trained policies as the scripted side of a battle."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from jaxvf.envs.combat.learned import Learned
from jaxvf.envs.protocol import Environment, View
from jaxvf.errors import InputError
from jaxvf.results.policy import Memory, Policy, params_shapes


@dataclasses.dataclass(frozen=True)
class GreedyPlayer:
    """How a learner's greedy policy plays the other side, for B battles at once.

    Attributes:
        env: the environment that it was trained in.
        algorithm: the learner.
    """

    env: Environment
    algorithm: Any

    @property
    def sizes(self) -> tuple[int, int, int]:
        """Agents, actions and length of an observation."""
        spec = self.env.spec
        return spec.n_agents, spec.n_actions, spec.obs_dim

    def shapes(self) -> Any:
        """Shapes of one policy's parameters."""
        return params_shapes(self.env, self.algorithm)

    def start(self, num_envs: int) -> Memory:
        """The memory at the beginning of an episode."""
        shape = (num_envs, self.env.spec.n_agents)
        return Memory(self.algorithm.initial_carry(shape), jnp.zeros((*shape, self.env.spec.n_actions)))

    def act(
        self, weights: Any, obs: Float[Array, "B N O"], avail: Bool[Array, "B N A"], memory: Memory
    ) -> tuple[Int[Array, "B N"], Memory]:
        """Best available actions, and what is remembered of them."""
        spec, batch = self.env.spec, obs.shape[:2]
        parts = [obs]
        if self.algorithm.last_action:
            parts.append(memory.last_action)
        if self.algorithm.agent_id:
            parts.append(jnp.broadcast_to(jnp.eye(spec.n_agents), (*batch, spec.n_agents)))
        state = jnp.zeros((batch[0], spec.state_dim))  # execution knows none
        view = View(jnp.concatenate(parts, axis=-1), state, avail, jnp.ones(batch, bool))
        actions, hidden = self.algorithm.greedy(weights, memory.hidden, view)
        return actions, Memory(hidden, jax.nn.one_hot(actions, spec.n_actions))


def learned_opponent(policies: Policy | Sequence[Policy]) -> Learned:
    """An opponent for `Combat` made of trained policies, the members of a population.

        opponent = learned_opponent([Policy.load(path) for path in paths])
        Sweep(Combat("3m", opponent=opponent), "qmix", grid={"env.opponent_member": [0, 1, 2]})

    Raises:
        InputError: where there is none, or they have networks of different shapes.
    """
    members = [policies] if isinstance(policies, Policy) else list(policies)
    if not members:
        raise InputError("policies=[] names no policy to play against")
    try:
        population = jax.tree.map(lambda *leaves: np.stack(leaves), *[member.params for member in members])
    except ValueError as error:
        raise InputError(f"policies of one population need networks of one shape: {error}") from error
    return Learned(GreedyPlayer(members[0].env, members[0].algorithm), population)
