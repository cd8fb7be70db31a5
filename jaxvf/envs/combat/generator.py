"""First positions and kinds: compact blocks on the fixed maps, drawn on SMACv2's, as its code draws them."""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from jaxvf.envs.combat import terrain, units
from jaxvf.envs.combat.maps import RACES, Map
from jaxvf.envs.combat.units import WORLD, CombatParams, Stats

GAP = 0.05  # between neighbours in a block
WEIGHTS = (0.45, 0.45, 0.1)  # of a race's kinds; the last is the exception
NO_TEAM_OF = ("medivac", "baneling")  # exceptions that never make up a whole team
N_CORNERS = 4
SHORT_OF_CENTRE = 2.0
LARGEST_RADIUS = 1.0  # of a colossus
RANK = np.argsort(np.argsort(units.KINDS))  # of kinds by name


def first_kinds(battle: Map, key: Key[Array, ""], num_envs: int) -> Int[Array, "U B"]:
    """Kind of every unit: fixed [U, 1], or drawn [U, B]."""
    if not battle.race:
        return jnp.asarray([units.ID[kind] for kind in battle.unit_kinds], jnp.int32)[:, None]
    n, extra = battle.n_allies, max(battle.n_enemies - battle.n_allies, 0)
    kind_key, other_key = jax.random.split(key)
    drawn = jax.random.categorical(kind_key, jnp.log(jnp.array(WEIGHTS)), shape=(num_envs, n + extra)).T
    if RACES[battle.race][-1] in NO_TEAM_OF:
        # SMACv2 draws the enemies that have no original as a team of their own.
        others = jax.random.bernoulli(other_key, shape=(2, num_envs)).astype(drawn.dtype)
        drawn = jnp.concatenate([_mixed(drawn[:n], others[0]), _mixed(drawn[n:], others[1])])
    both = jnp.concatenate([drawn[:n], drawn[: min(n, battle.n_enemies)], drawn[n:]])
    return jnp.asarray([units.ID[kind] for kind in RACES[battle.race]], jnp.int32)[both]


def _mixed(team: Int[Array, "U B"], other: Int[Array, "B"]) -> Int[Array, "U B"]:
    """A team that is not made up of the exception alone: of one that is, a unit is replaced.

    SMACv2 draws such a team again. For one unit that is the same law; for n, chances differ by 0.1^n.
    """
    alike = (team == len(WEIGHTS) - 1).all(axis=0)
    return team.at[:1].set(jnp.where(alike, other, team[:1]))


def first_positions(
    battle: Map, key: Key[Array, ""], stats: Stats, params: CombatParams, num_envs: int
) -> tuple[Float[Array, "U B"], Float[Array, "U B"]]:
    """Where units start, x and y; with a little noise, so that seeds differ."""
    place_key, noise_key = jax.random.split(key)
    n_units = battle.n_allies + battle.n_enemies
    if battle.race:
        x, y = _drawn_positions(battle, place_key, num_envs)
    else:
        x, y = (jnp.asarray(axis, jnp.float32)[:, None] for axis in starting_places(battle))
    noise = jax.random.uniform(noise_key, (2, n_units, num_envs), minval=-1.0, maxval=1.0) * params.spawn_jitter
    if battle.race:
        low, high = stats.radius, WORLD - stats.radius
        return jnp.clip(x + noise[0], low, high), jnp.clip(y + noise[1], low, high)
    free = terrain.is_walkable(battle.ground, x + noise[0], y + noise[1])
    return x + jnp.where(free, noise[0], 0.0), y + jnp.where(free, noise[1], 0.0)


def numbered(
    battle: Map, kind: Int[Array, "U b"], x: Float[Array, "U B"], y: Float[Array, "U B"]
) -> tuple[Int[Array, "U b"], Float[Array, "U B"], Float[Array, "U B"]]:
    """Kinds and places in the order that gives units their numbers: on a drawn map by kind, then x, then y.

    So SMACv2's code sorts the agents, kinds by name. It takes the enemies as StarCraft lists them, which is not open;
    here they are sorted likewise.
    """
    if not battle.race:
        return kind, x, y
    rank = jnp.asarray(RANK, jnp.int32)[kind]
    parts = []
    for part in (slice(None, battle.n_allies), slice(battle.n_allies, None)):
        order = jnp.lexsort((y[part], x[part], rank[part]), axis=0)
        parts.append([jnp.take_along_axis(leaf[part], order, axis=0) for leaf in (kind, x, y)])
    allies, enemies = parts
    return tuple(jnp.concatenate(sides) for sides in zip(allies, enemies, strict=True))  # pyright: ignore[reportReturnType]


def _offsets(count: int, spacing: float) -> np.ndarray:
    """A block of `count` places round the origin, [count, 2], column by column."""
    columns = math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    number = np.arange(count)
    places = np.stack([number // rows, number % rows], axis=1).astype(float)
    return (places - places.mean(axis=0)) * spacing


def starting_places(battle: Map) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates x and y of every unit of a fixed map, [U] each.

    A side's groups that share a point stand as one block there; enemies as allies, turned by half a circle.
    """
    default, parts = CombatParams(), []
    for groups, sign in ((battle.allies, 1.0), (battle.enemies, -1.0)):
        points = list(dict.fromkeys(group[2:] for group in groups))
        side = np.zeros((sum(group[1] for group in groups), 2))
        at = [group[2:] for group in groups for _ in range(group[1])]
        for point in points:
            members = [i for i, own in enumerate(at) if own == point]
            widest = max(float(default.radius[units.ID[group[0]]]) for group in groups if group[2:] == point)
            side[members] = np.array(point) + sign * _offsets(len(members), 2 * widest + GAP)
        parts.append(side)
    both = np.concatenate(parts)
    return both[:, 0], both[:, 1]


def _drawn_positions(battle: Map, key: Key[Array, ""], num_envs: int) -> tuple[Array, Array]:
    which_key, surround_key, reflect_key = jax.random.split(key, 3)
    surrounded = jax.random.bernoulli(which_key, shape=(num_envs,))
    around, mirrored = _surrounded(battle, surround_key, num_envs), _reflected(battle, reflect_key, num_envs)
    return jnp.where(surrounded, around[0], mirrored[0]), jnp.where(surrounded, around[1], mirrored[1])


def _surrounded(battle: Map, key: Key[Array, ""], num_envs: int) -> tuple[Array, Array]:
    """Allies at the centre; enemies in one to four groups, each on a diagonal of its own."""
    count_key, corner_key, group_key, way_key = jax.random.split(key, 4)
    groups = jax.random.randint(count_key, (num_envs,), 1, N_CORNERS + 1)
    corner = jnp.argsort(jax.random.uniform(corner_key, (N_CORNERS, num_envs)), axis=0)
    way = jax.random.uniform(way_key, (N_CORNERS, num_envs))
    member = jnp.floor(jax.random.uniform(group_key, (battle.n_enemies, num_envs)) * groups).astype(jnp.int32)
    member = jnp.minimum(member, groups - 1)
    mine, along = (jnp.take_along_axis(table, member, axis=0) for table in (corner, way))
    half, reach = WORLD / 2, WORLD / 2 - SHORT_OF_CENTRE
    offsets = _offsets(battle.n_enemies, 1.0)
    # A group in the corner stands as far inside as its block is wide, or the edge would press units onto one point.
    near = jnp.clip(along * reach, np.abs(offsets).max() + LARGEST_RADIUS, None)
    enemy_x = jnp.where(mine % 2 == 0, near, WORLD - near) + offsets[:, :1]
    enemy_y = jnp.where(mine // 2 == 0, near, WORLD - near) + offsets[:, 1:]
    ally_x, ally_y = (half + axis[:, None] + jnp.zeros(num_envs) for axis in _offsets(battle.n_allies, 1.0).T)
    return jnp.concatenate([ally_x, enemy_x]), jnp.concatenate([ally_y, enemy_y])


def _reflected(battle: Map, key: Key[Array, ""], num_envs: int) -> tuple[Array, Array]:
    """Allies anywhere on the left; enemies their mirror images, more of them anywhere on the right."""
    ally_key, extra_key = jax.random.split(key)
    n, extra = battle.n_allies, max(battle.n_enemies - battle.n_allies, 0)
    low, high = jnp.zeros((2, 1, 1)), jnp.array([15.0, WORLD])[:, None, None]
    ally = jax.random.uniform(ally_key, (2, n, num_envs), minval=low, maxval=high)
    more = jax.random.uniform(
        extra_key, (2, extra, num_envs), minval=jnp.array([WORLD / 2, 0.0])[:, None, None], maxval=WORLD
    )
    copied = min(n, battle.n_enemies)
    return (
        jnp.concatenate([ally[0], WORLD - ally[0, :copied], more[0]]),
        jnp.concatenate([ally[1], ally[1, :copied], more[1]]),
    )
