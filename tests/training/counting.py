"""An environment that counts: when its episodes end, and how, is a parameter or an action."""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxvf.envs.protocol import Environment, EnvSpec, Outcome, View, cut_at_limit
from jaxvf.hyperparameters import hyperparameters, traced


@hyperparameters
class CountingParams:
    """When the episode ends by itself, and when the limit cuts it."""

    end: int = traced(np.int32(3), "steps after which the episode terminates")
    limit: int = traced(np.int32(5), "steps after which it is cut")


class CountingState(NamedTuple):
    """Steps so far."""

    t: jax.Array
    offset: jax.Array


@dataclasses.dataclass(frozen=True)
class Counting(Environment):
    """Two agents see the step count; reward is t + 1 at step t. Action 1 of agent 0 ends the episode early."""

    @property
    def spec(self):
        return EnvSpec("counting", 1, 2, 2, 2, 1, 5, ("steps",))

    def default_params(self):
        return jax.tree.map(jnp.asarray, CountingParams())

    def init(self, key, params):
        return CountingState(jnp.int32(0), jax.random.randint(key, (), 0, 100))

    def transition(self, key, state, actions, params):
        t = state.t + 1
        terminated = (t >= params.end) | (actions[0] == 1)
        outcome = Outcome(
            reward=t.astype(jnp.float32),
            terminated=terminated,
            truncated=cut_at_limit(terminated, t, params.limit),
            metrics={"steps": jnp.float32(1)},
        )
        return CountingState(t, state.offset), outcome

    def observe(self, state, params):
        shown = jnp.stack([state.t, state.offset]).astype(jnp.float32)
        return View(jnp.broadcast_to(shown, (2, 2)), shown[:1], jnp.ones((2, 2), bool), jnp.ones(2, bool))
