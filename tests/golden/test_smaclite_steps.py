"""SMAClite's recorded battles, step by step and as a whole.

Rounding grows in a crowd: SMAClite's own battles last up to 5 steps longer or shorter where units start 0.00001 off. So
its states are loaded before each step, and whole battles are compared where they are not that sensitive.
"""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvf.envs.smaclite import Smaclite

STEPS, PLAYS = (np.load(Path(__file__).with_name(f"smaclite_{name}.npz")) for name in ("steps", "views"))
FIELDS = ("x", "y", "vx", "vy", "health", "shield", "cooldown", "delay", "energy", "stock", "target")
ORDERS = 6


@pytest.mark.parametrize("name", ["2s3z", "corridor", "MMM2"])
def test_recorded_states_lead_to_the_next_ones(name):
    """Nine of ten, each in the best of a few orders of turns, which are chance; rounding decides the rest."""
    env = Smaclite(name)
    units, actions = STEPS[f"{name}/units"], jnp.asarray(STEPS[f"{name}/actions"].astype(np.int32))
    params, count = env.default_params(), len(actions)
    first = env.init_batch(jax.random.key(0), params, count)
    loaded = {name: jnp.asarray(units[:-1, :, i], getattr(first, name).dtype) for i, name in enumerate(FIELDS)}
    step = jax.jit(lambda key: env.transition_batch(key, first._replace(**loaded), actions, params))
    best = np.full(count, np.inf)
    for seed in range(ORDERS):
        after, outcome = jax.tree.map(np.asarray, step(jax.random.key(seed)))
        alive = (after.health > 0) & (units[1:, :, 4] > 0)
        place = np.hypot(after.x - units[1:, :, 0], after.y - units[1:, :, 1])
        whole = np.where(after.health > 0, after.health + after.shield, 0.0) - units[1:, :, 4:6].sum(axis=-1)
        off = np.maximum(np.where(alive, place, 0.0), np.abs(whole)).max(axis=1)
        best = np.minimum(best, np.maximum(off, np.abs(outcome.reward - STEPS[f"{name}/rewards"])))
    assert (best < 0.01).mean() >= 0.9, best


NUDGE = 1e-5  # cells


def lengths(name, plays, trials=16):
    """Lengths of replayed battles that start a little off, [plays, trials], and those recorded."""
    env = Smaclite(name)
    params, actions = env.default_params(), [PLAYS[f"{name}/{play}/actions"].astype(np.int32) for play in plays]
    longest = max(map(len, actions)) + 2
    told = np.stack([np.concatenate([one, np.repeat(one[-1:], longest - len(one), axis=0)]) for one in actions])

    def play(told):
        def step(states, inputs):
            key, told = inputs
            states, outcome = env.transition_batch(key, states, jnp.broadcast_to(told, (trials, len(told))), params)
            return states, outcome.terminated

        first_key, nudge_key, *keys = jax.random.split(jax.random.key(1), longest + 2)
        first = env.init_batch(first_key, params, trials)
        off = NUDGE * jax.random.normal(nudge_key, (2, *first.x.shape))
        first = first._replace(x=first.x + off[0], y=first.y + off[1])
        over = jax.lax.scan(step, first, (jnp.stack(keys), told))[1]
        return jnp.where(over.any(axis=0), over.argmax(axis=0) + 1, longest + 9)

    return np.asarray(jax.jit(jax.vmap(play))(told)), np.array([len(one) for one in actions])


@pytest.mark.parametrize("name, plays", [("3s_vs_5z", (0, 1, 2, 3)), ("corridor", (0,)), ("2s3z", (0, 2, 3))])
def test_whole_battles_are_as_long_as_recorded_but_for_a_step(name, plays):
    """In some trial: of 2s3z's third play SMAClite's own orders make 46 steps mostly, and 33 at times."""
    ours, recorded = lengths(name, plays)
    assert (np.abs(ours - recorded[:, None]) <= 1).any(axis=1).all(), (ours, recorded)
