"""What a volley does: who is hit, and what armour and shields leave of it.

`shots[i, j]` says that attacker i fires at target j in this tick. Arrays are batch-last.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxvf.envs.combat import units
from jaxvf.envs.combat.units import Stats


class Volley(NamedTuple):
    """Damage to each target, summed over all hits of a tick; or, as `damages` gives it, of each shot, [I, J, B]."""

    raw: Float[Array, "*I J B"]  # what a shield takes
    reduced: Float[Array, "*I J B"]  # what health loses, armour taken off every hit


class Lines(NamedTuple):
    """From each attacker i to each target j."""

    dx: Float[Array, "I J B"]
    dy: Float[Array, "I J B"]
    distance: Float[Array, "I J B"]

    @property
    def reversed(self) -> "Lines":
        """From each target to each attacker."""
        return Lines(-self.dx.swapaxes(0, 1), -self.dy.swapaxes(0, 1), self.distance.swapaxes(0, 1))


def lines(x: Float[Array, "U B"], y: Float[Array, "U B"], n_allies: int) -> Lines:
    """From every ally to every enemy."""
    dx = x[None, n_allies:] - x[:n_allies, None]
    dy = y[None, n_allies:] - y[:n_allies, None]
    return Lines(dx, dy, jnp.sqrt(dx * dx + dy * dy))


def hittable(attackers: Stats, targets: Stats) -> Bool[Array, "I J b"]:
    """Whose weapon reaches whom, flying or not; nobody's where the weapon does no damage."""
    armed = attackers.damage[:, None] > 0
    return armed & (attackers.is_any(units.HITS_AIR)[:, None] | ~targets.is_any(units.AIR)[None])


def damages(shots: Bool[Array, "I J B"], attackers: Stats, targets: Stats) -> Volley:
    """Raw and armour-reduced damage of every shot; a hit does at least half a point."""
    on_light = attackers.is_any(units.BONUS_ON_LIGHT)[:, None] & targets.is_any(units.LIGHT)[None]
    on_armoured = attackers.is_any(units.BONUS_ON_ARMOURED)[:, None] & targets.is_any(units.ARMOURED)[None]
    favoured = on_light | on_armoured
    raw = attackers.damage[:, None] + jnp.where(favoured, attackers.bonus[:, None], 0.0)
    reduced = jnp.maximum(raw - targets.armour[None], 0.5)
    hits = jnp.asarray(units.HITS, jnp.float32)[attackers.kind][:, None]
    return Volley(jnp.where(shots, raw * hits, 0.0), jnp.where(shots, reduced * hits, 0.0))


def volley(shots: Bool[Array, "I J B"], attackers: Stats, targets: Stats) -> Volley:
    """Sums of the damage to each target."""
    return Volley(*(part.sum(axis=0) for part in damages(shots, attackers, targets)))


def with_line_splash(shots: Bool[Array, "I J B"], between: Lines, attackers: Stats, targets: Stats) -> Array:
    """`shots`, where a colossus also burns whose disc meets the rectangle across its shot, centred on the target."""
    target_dx = jnp.where(shots, between.dx, 0.0).sum(axis=1, keepdims=True)
    target_dy = jnp.where(shots, between.dy, 0.0).sum(axis=1, keepdims=True)
    length = jnp.sqrt(target_dx**2 + target_dy**2)
    apart = length > 0  # on one point with its target, it burns as if that were in the east
    ux = jnp.where(apart, target_dx / jnp.where(apart, length, 1.0), 1.0)
    uy = jnp.where(apart, target_dy / jnp.where(apart, length, 1.0), 0.0)
    along = between.dx * ux + between.dy * uy - length
    across = between.dy * ux - between.dx * uy
    gap_along = jnp.maximum(jnp.abs(along) - units.SPLASH_ALONG, 0.0)
    gap_across = jnp.maximum(jnp.abs(across) - units.SPLASH_ACROSS, 0.0)
    meets = gap_along**2 + gap_across**2 <= targets.radius[None] ** 2
    burns = attackers.is_any(units.BURNS)[:, None]
    fires = shots.any(axis=1, keepdims=True)
    return jnp.where(burns, fires & meets & hittable(attackers, targets), shots)


def blasts(bursting: Bool[Array, "I B"], between: Lines, targets: Stats) -> Bool[Array, "I J B"]:
    """Whom bursting banelings hit: everyone on the ground whose disc is within the blast round them."""
    near = between.distance <= units.BLAST_RADIUS + targets.radius[None]
    return bursting[:, None] & near & ~targets.is_any(units.AIR)[None]


def suffer(
    health: Float[Array, "J B"], shield: Float[Array, "J B"], hits: Volley, alive: Bool[Array, "J B"]
) -> tuple[Array, Array]:
    """Health and shield after a volley. The shield takes raw damage first, health what armour leaves of the rest.

    Exact unless one hit is split between the two; then off by at most the armour.
    """
    absorbed = jnp.minimum(shield, hits.raw)
    through = 1.0 - absorbed / jnp.maximum(hits.raw, 1e-6)
    lost = jnp.where(alive & (hits.raw > 0), hits.reduced * through, 0.0)
    return jnp.maximum(health - lost, 0.0), jnp.where(alive, shield - absorbed, 0.0)
