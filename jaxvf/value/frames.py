"""What a loss is made of, frame by frame: network outputs, views and actions, and means over the steps really taken."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxvf.algorithm import Rollout
from jaxvf.value import exploration


class Unrolled(NamedTuple):
    """What an agent network gives for the frames of a batch."""

    outputs: Float[Array, "F _ N U"]  # a value per action, then any further streams
    features: Float[Array, "F _ N H"]

    def frames(self, first: int | None, last: int | None) -> "Unrolled":
        """The frames `[first, last)`."""
        return Unrolled(self.outputs[first:last], self.features[first:last])


class Frames(NamedTuple):
    """States, masks and actions of some frames of a batch; the observations are what the agents unroll."""

    state: Float[Array, "F _ S"]
    avail: Bool[Array, "F _ N A"]
    actions: Int[Array, "F B N"]  # as stored

    @staticmethod
    def of(batch: Rollout, first: int | None = None, last: int | None = None) -> "Frames":
        """The frames `[first, last)` of a batch."""
        return Frames(batch.state[first:last].astype(jnp.float32), batch.avail[first:last], batch.actions[first:last])


def greedy_actions(outputs: Float[Array, "*#b N U"], avail: Bool[Array, "*#b N A"]) -> Int[Array, "*#b N"]:
    """Every agent's available action of highest value, whatever streams follow the values."""
    return exploration.greedy(outputs[..., : avail.shape[-1]], avail)


def mean_over_steps(values: Float[Array, "..."], filled: Bool[Array, "T _"] | Float[Array, "T _"]) -> Float[Array, ""]:
    """The mean of `values` [..., T, B or 1, M] over steps that were really taken; 0 where there are none.

    A row that stands for several episodes (`replay.by_joint_action`) counts as often.
    """
    shape = jnp.broadcast_shapes(values.shape, (*filled.shape, 1))
    weight = jnp.broadcast_to(filled[..., None], shape).astype(jnp.float32)
    return jnp.sum(jnp.where(weight > 0, weight * values, 0.0)) / jnp.maximum(jnp.sum(weight), 1.0)
