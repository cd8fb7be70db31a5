"""First positions and kinds in SMAX, with its defects unless told otherwise (smax_combat.md, sections 3 and 6)."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from jaxvf.envs.combat.smax_rules import KINDS, MARINE, SmaxStats
from jaxvf.envs.combat.units import WORLD

SPREAD = 2.0  # half width of the noise round a side's point
N_GROUPS = 4


def drawn_kinds(key: Key[Array, ""], n: int, n_enemies: int, num_envs: int, *, compat_bugs: bool) -> Array:
    """Uniform over all kinds; enemies copy the allies. SMAX makes every enemy beyond their number a marine."""
    extra = max(n_enemies - n, 0)
    kinds = jax.random.randint(key, (n + extra, num_envs), 0, len(KINDS))
    more = jnp.full((extra, num_envs), MARINE, jnp.int32) if compat_bugs else kinds[n:]
    return jnp.concatenate([kinds[:n], kinds[: min(n, n_enemies)], more])


def facing(key: Key[Array, ""], n: int, n_enemies: int, num_envs: int) -> tuple[Array, Array]:
    """Allies round (8, 16), enemies round (24, 16)."""
    noise = jax.random.uniform(key, (2, n + n_enemies, num_envs), minval=-SPREAD, maxval=SPREAD)
    x = jnp.where(jnp.arange(n + n_enemies) < n, WORLD / 4, 3 * WORLD / 4)[:, None]
    return x + noise[0], WORLD / 2 + noise[1]


def drawn_positions(
    key: Key[Array, ""], stats: SmaxStats, n: int, n_enemies: int, num_envs: int, *, compat_bugs: bool
) -> tuple[Float[Array, "U B"], Float[Array, "U B"]]:
    """Half of the time mirrored, half of the time one side round the other; SMAX may place units off the map."""
    which_key, side_key, surround_key, reflect_key = jax.random.split(key, 4)
    surrounded = jax.random.bernoulli(which_key, shape=(num_envs,))
    ally_inside = jax.random.bernoulli(side_key, shape=(num_envs,))
    around = _surrounded(surround_key, n, n_enemies, ally_inside)
    mirrored = _reflected(reflect_key, n, n_enemies, num_envs)
    x, y = (jnp.where(surrounded, a, m) for a, m in zip(around, mirrored, strict=True))
    if compat_bugs:
        return x, y
    return tuple(jnp.clip(axis, stats.radius, WORLD - stats.radius) for axis in (x, y))


def _surrounded(key: Key[Array, ""], n: int, n_enemies: int, ally_inside: Array) -> tuple[Array, Array]:
    num_envs, n_units = ally_inside.shape[0], n + n_enemies
    noise_key, way_key, group_key = jax.random.split(key, 3)
    way = jax.random.uniform(way_key, (N_GROUPS, num_envs))  # from a corner to the centre
    corner_x, corner_y = jnp.array([0.0, 0.0, WORLD, WORLD]), jnp.array([0.0, WORLD, 0.0, WORLD])
    group_x = way * WORLD / 2 + (1 - way) * corner_x[:, None]
    group_y = way * WORLD / 2 + (1 - way) * corner_y[:, None]
    member = jax.random.randint(group_key, (n_units, num_envs), 0, N_GROUPS)
    inside = (jnp.arange(n_units) < n)[:, None] == ally_inside
    x = jnp.where(inside, WORLD / 2, jnp.take_along_axis(group_x, member, axis=0))
    y = jnp.where(inside, WORLD / 2, jnp.take_along_axis(group_y, member, axis=0))
    noise = jax.random.uniform(noise_key, (2, n_units, num_envs), minval=-SPREAD, maxval=SPREAD)
    return x + noise[0], y + noise[1]


def _reflected(key: Key[Array, ""], n: int, n_enemies: int, num_envs: int) -> tuple[Array, Array]:
    extra, copied = max(n_enemies - n, 0), min(n, n_enemies)
    chance = jax.random.uniform(key, (2, n + extra, num_envs))
    x, y = chance[0] * WORLD / 2, chance[1] * WORLD
    return (
        jnp.concatenate([x[:n], WORLD - x[:copied], WORLD / 2 + x[n:]]),
        jnp.concatenate([y[:n], y[:copied], y[n:]]),
    )


def scenario_kinds(units: tuple[tuple[str, int], ...]) -> Int[Array, "U 1"]:
    """Kinds of a fixed list of (kind, number)."""
    return jnp.array([KINDS.index(kind) for kind, count in units for _ in range(count)], jnp.int32)[:, None]
