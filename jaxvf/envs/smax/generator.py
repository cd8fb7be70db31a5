"""First positions and kinds in JaxMARL 0.2.0's SMAX. Both sides of drawn battles are of one size."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from jaxvf.envs.combat.units import WORLD
from jaxvf.envs.smax.rules import KINDS

SPREAD = 2.0  # half width of the noise round a side's point
N_GROUPS = 4


def scenario_kinds(units: tuple[tuple[str, int], ...]) -> Int[Array, "U 1"]:
    """Kinds of a fixed list of (kind, number)."""
    return jnp.array([KINDS.index(kind) for kind, count in units for _ in range(count)], jnp.int32)[:, None]


def drawn_kinds(key: Key[Array, ""], n: int, num_envs: int) -> Int[Array, "U B"]:
    """Uniform over all kinds; enemies copy the allies."""
    kinds = jax.random.randint(key, (n, num_envs), 0, len(KINDS))
    return jnp.concatenate([kinds, kinds])


def facing(key: Key[Array, ""], n: int, n_enemies: int, num_envs: int) -> tuple[Float[Array, "U B"], Array]:
    """Allies round (8, 16), enemies round (24, 16)."""
    noise = jax.random.uniform(key, (2, n + n_enemies, num_envs), minval=-SPREAD, maxval=SPREAD)
    x = jnp.where(jnp.arange(n + n_enemies) < n, WORLD / 4, 3 * WORLD / 4)[:, None]
    return x + noise[0], WORLD / 2 + noise[1]


def drawn_positions(key: Key[Array, ""], n: int, num_envs: int) -> tuple[Float[Array, "U B"], Array]:
    """Half of the time mirrored, half of the time one side round the other; some units may be off the map."""
    which_key, side_key, surround_key, reflect_key = jax.random.split(key, 4)
    surrounded = jax.random.bernoulli(which_key, shape=(num_envs,))
    ally_inside = jax.random.bernoulli(side_key, shape=(num_envs,))
    around, mirrored = _surrounded(surround_key, n, ally_inside), _reflected(reflect_key, n, num_envs)
    return jnp.where(surrounded, around[0], mirrored[0]), jnp.where(surrounded, around[1], mirrored[1])


def _surrounded(key: Key[Array, ""], n: int, ally_inside: Array) -> tuple[Array, Array]:
    num_envs = ally_inside.shape[0]
    noise_key, way_key, group_key = jax.random.split(key, 3)
    way = jax.random.uniform(way_key, (N_GROUPS, num_envs))  # from a corner to the centre
    corner_x, corner_y = jnp.array([0.0, 0.0, WORLD, WORLD]), jnp.array([0.0, WORLD, 0.0, WORLD])
    group_x = way * WORLD / 2 + (1 - way) * corner_x[:, None]
    group_y = way * WORLD / 2 + (1 - way) * corner_y[:, None]
    member = jax.random.randint(group_key, (2 * n, num_envs), 0, N_GROUPS)
    inside = (jnp.arange(2 * n) < n)[:, None] == ally_inside
    x = jnp.where(inside, WORLD / 2, jnp.take_along_axis(group_x, member, axis=0))
    y = jnp.where(inside, WORLD / 2, jnp.take_along_axis(group_y, member, axis=0))
    noise = jax.random.uniform(noise_key, (2, 2 * n, num_envs), minval=-SPREAD, maxval=SPREAD)
    return x + noise[0], y + noise[1]


def _reflected(key: Key[Array, ""], n: int, num_envs: int) -> tuple[Array, Array]:
    chance = jax.random.uniform(key, (2, n, num_envs))
    x, y = chance[0] * WORLD / 2, chance[1] * WORLD
    return jnp.concatenate([x, WORLD - x]), jnp.concatenate([y, y])
