"""SMAClite's recorded fights of one against one, to their ends: health and shields are equal, step by step.

Every kind stands on both sides of one map, dead but for the two that fight. How large the others are is set to nothing,
as the largest unit of a map decides from how far units heed each other.
"""

import dataclasses
import gzip
import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvf.envs.combat import Map, units
from jaxvf.envs.smaclite import SMACLITE_MAPS, Smaclite

ALL = json.loads(gzip.decompress(Path(__file__).with_name("smaclite_duels.json.gz").read_bytes()))
SHORT = 30  # steps; four of five fights are over then, and are not played on for the others' sake
PARTS = [[duel for duel in ALL if (len(duel["actions"]) <= SHORT) == short] for short in (True, False)]
DUELS = [duel for part in PARTS for duel in part]
KINDS = ("marine", "marauder", "stalker", "zealot", "colossus", "zergling", "baneling", "spine_crawler")
N = len(KINDS)
ATTACK = 6


def arena() -> Smaclite:
    sides = (tuple((kind, 1, x, 16.0) for kind in KINDS) for x in (9.0, 23.0))
    return Smaclite(Map("duel", *sides, limit=1000, ground=SMACLITE_MAPS["2s3z"].ground))


def _left(unit: list[float] | None) -> float:
    return 0.0 if unit is None else unit[2] + unit[3]


@pytest.fixture(scope="module")
def fights():
    """For every duel health + shield in both orders of turns, [T + 1, 2 orders, 2 sides], and the recorded."""
    env = arena()
    number = np.arange(2 * N)
    order = jnp.asarray(np.broadcast_to(np.stack([number, number[::-1]], axis=1), (8, 2 * N, 2)))

    def play(pair, actions):
        own = jnp.zeros(len(units.KINDS), bool).at[jnp.asarray([units.ID[kind] for kind in KINDS])[pair % N]].set(True)
        params = env.default_params()
        params = dataclasses.replace(params, radius=jnp.where(own, params.radius, 1e-3))
        alive = (jnp.arange(2 * N)[:, None] == pair).any(axis=1)
        first = env.init_batch(jax.random.key(0), params, 2)
        first = first._replace(
            x=jnp.broadcast_to(jnp.where(number < N, 9.0, 23.0), first.x.shape),
            y=jnp.full_like(first.y, 16.0),
            health=first.health * alive,
            shield=first.shield * alive,
        )

        def step(states, action):
            told = jnp.where(action >= ATTACK, ATTACK + pair[1] - N, action)
            after, _ = env.transition_in_order(order, states, jnp.broadcast_to(told, (2, N)), params)
            return after, left(after)

        def left(states):
            whole = jnp.where(states.health > 0, states.health + states.shield, 0.0)
            return whole[:, pair]

        return jnp.concatenate([left(first)[None], jax.lax.scan(step, first, actions)[1]])

    program, ours = jax.jit(jax.vmap(play)), []
    for part in PARTS:
        steps = max(len(duel["actions"]) for duel in part)
        pairs = [[KINDS.index(duel["ally"]), N + KINDS.index(duel["enemy"])] for duel in part]
        actions = [duel["actions"] + [1] * (steps - len(duel["actions"])) for duel in part]
        ours += list(np.asarray(program(jnp.asarray(pairs), jnp.asarray(actions))))
    recorded = [
        np.array([[_left(unit) for unit in duel[side]] for side in ("ally_unit", "enemy_unit")]) for duel in DUELS
    ]
    return ours, [both.T for both in recorded]


def test_recorded_duels_are_equal(fights):
    """In one of two orders: who shoots first in a tick is chance, and decides who of two is left."""
    ours, recorded = fights
    equal = [
        (np.abs(mine[: len(theirs)] - theirs[:, None]).max(axis=(0, 2)) < 0.01).any()
        for mine, theirs in zip(ours, recorded, strict=True)
    ]
    assert len(equal) == 112
    assert all(equal), [(duel["ally"], duel["enemy"]) for duel, same in zip(DUELS, equal, strict=True) if not same]


def test_the_same_units_are_left(fights):
    ours, recorded = fights
    for duel, mine, theirs in zip(DUELS, ours, recorded, strict=True):
        last = mine[len(theirs) - 1] > 0
        assert (last == (theirs[-1] > 0)).all(axis=-1).any(), duel
