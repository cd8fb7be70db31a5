"""A battle as features see it. Arrays are batch-first: [B, units], allies before enemies."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxvf.envs.combat import units
from jaxvf.envs.combat.units import TICK, WORLD, Stats


class Scene(NamedTuple):
    """What a battle's features are computed from."""

    x: Float[Array, "B U"]
    y: Float[Array, "B U"]
    health: Float[Array, "B U"]
    shield: Float[Array, "B U"]
    cooldown: Float[Array, "B U"]
    energy: Float[Array, "B U"]
    stats: Stats  # [b, U]
    last_action: Int[Array, "B N"]  # -1 before the first
    time: Float[Array, "B"]  # steps over the limit
    facing: Int[Array, "B n"]  # number of the direction that each ally looks to; of size 0 without a cone

    @property
    def alive(self) -> Bool[Array, "B U"]:
        """Who lives."""
        return self.health > 0

    @property
    def charge(self) -> Float[Array, "B U"]:
        """Cooldown, of a medivac energy, as SMAC scales it."""
        scale = jnp.asarray(units.COOLDOWN_SCALE, jnp.float32)[self.stats.kind]
        return jnp.where(self.stats.is_any(units.AIR), self.energy, self.cooldown / TICK) / scale

    @property
    def place(self) -> tuple[Float[Array, "B U"], Float[Array, "B U"]]:
        """From the centre of the map, over its width."""
        return (self.x - WORLD / 2) / WORLD, (self.y - WORLD / 2) / WORLD

    def offsets(self, n: int) -> tuple[Float[Array, "B N U"], Float[Array, "B N U"]]:
        """From each of the first n units to every unit."""
        return self.x[:, None] - self.x[:, :n, None], self.y[:, None] - self.y[:, :n, None]

    def distances(self, n: int) -> Float[Array, "B N U"]:
        """Between the first n units and every unit, centre to centre."""
        dx, dy = self.offsets(n)
        return jnp.sqrt(dx * dx + dy * dy)
