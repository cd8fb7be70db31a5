"""The clock: everything about progress that all runs of a program share."""

import dataclasses
import math
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Int


class Clock(NamedTuple):
    """Scalar counters. Being scalar, they keep `lax.cond` a branch and a ring write one slice for all runs."""

    iteration: Int[Array, ""]  # collect-store-update rounds done
    updates: Int[Array, ""]  # gradient updates done

    @staticmethod
    def start() -> "Clock":
        """Nothing done yet."""
        return Clock(iteration=jnp.int32(0), updates=jnp.int32(0))


@dataclasses.dataclass(frozen=True)
class Pace:
    """How often things happen, in whole iterations: the static companion of `Clock`.

    Attributes:
        rollouts: rollouts collected in an iteration, one in each of B environments.
        length: steps of a rollout, T.
        capacity: rollouts that replay holds.
        warmup: rollouts stored before the first update.
        updates: gradient updates in an iteration that has any.
        every: iterations between two such iterations.
    """

    rollouts: int
    length: int
    capacity: int
    warmup: int
    updates: int
    every: int

    @property
    def first_update(self) -> int:
        """Iterations after which the first update comes."""
        return math.ceil(math.ceil(self.warmup / self.rollouts) / self.every) * self.every

    def stored(self, clock: Clock) -> Int[Array, ""]:
        """Rollouts in replay once the present iteration has written its own."""
        return jnp.minimum((clock.iteration + 1) * self.rollouts, self.capacity)

    def cursor(self, clock: Clock) -> Int[Array, ""]:
        """Where the present iteration writes into replay."""
        return (clock.iteration * self.rollouts) % self.capacity

    def updates_after(self, clock: Clock) -> Int[Array, ""]:
        """Gradient updates with which the present iteration ends; 0 while replay fills and between intervals."""
        due = (self.stored(clock) >= self.warmup) & ((clock.iteration + 1) % self.every == 0)
        return jnp.where(due, self.updates, 0)
