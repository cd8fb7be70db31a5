"""SMAClite's maps beside SMAClite: 100,000 steps of random play each, all finite, and what they earn.

SMAClite's numbers are means over 20 of its own episodes, 8 on the largest maps and 5 on `2s_vs_1sc`, at its commit
0d6abbe with its NumPy collision avoidance. Ours are those of every environment's first episode.
"""

import sys
import time
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxvf import scripts
from jaxvf.envs import AutoReset, EpisodeStatistics
from jaxvf.envs.check_play import random_actions
from jaxvf.envs.smaclite import SMACLITE_MAPS, Smaclite

throughput = scripts.load("benchmarks", "throughput")
ENVS, STEPS = 250, 400


class Theirs(NamedTuple):
    """What random play earned in SMAClite."""

    mean: float
    std: float
    episodes: int


SMACLITE = {
    "2s3z": Theirs(4.00, 0.90, 20),
    "3s5z": Theirs(4.35, 0.85, 20),
    "3s5z_vs_3s6z": Theirs(3.38, 0.58, 20),
    "3s_vs_5z": Theirs(3.40, 0.51, 20),
    "10m_vs_11m": Theirs(2.02, 0.46, 20),
    "MMM": Theirs(2.54, 0.39, 8),
    "MMM2": Theirs(2.16, 0.49, 8),
    "bane_vs_bane": Theirs(14.20, 7.59, 8),
    "corridor": Theirs(2.93, 0.63, 8),
    "2s_vs_1sc": Theirs(0.88, 0.64, 5),
    "2c_vs_64zg": Theirs(20.97, 0.28, 20),  # won every time
    "27m_vs_30m": Theirs(2.57, 0.40, 8),
}


def bench(*, quick: bool = False) -> dict[str, Any]:
    """A row per map; `quick` is a thousand steps of the smallest."""
    cells = [("2s_vs_1sc", 25, 40)] if quick else [(name, ENVS, STEPS) for name in SMACLITE_MAPS]
    rows = []
    for cell in cells:
        rows.append(measure(*cell))
        print(rows[-1], file=sys.stderr)
    return {"machine": throughput.machine(), "rows": rows}


def measure(name: str, envs: int, steps: int) -> dict[str, Any]:
    """Random play of one map."""
    begun = time.process_time()
    finite, done, earned, lengths, won = jax.tree.map(
        np.asarray, jax.jit(played, static_argnums=(0, 1, 2))(name, envs, steps)
    )
    ended = done.any(axis=0)
    first = done.argmax(axis=0)[ended], np.flatnonzero(ended)
    returns = earned[first]
    row = {
        "map": name,
        "steps": finite.size * envs,
        "finite": bool(finite.all()),
        "episodes": int(done.sum()),
        "first_episodes": len(returns),
        "mean_return": round(float(returns.mean()), 3) if len(returns) else None,
        "std_return": round(float(returns.std()), 3) if len(returns) else None,
        "mean_length": round(float(lengths[first].mean()), 1) if len(returns) else None,
        "won": round(float(won[first].mean()), 3) if len(returns) else None,
        "cpu_seconds": round(time.process_time() - begun, 1),
    }
    theirs = SMACLITE.get(name)
    if theirs is not None and len(returns):
        error = np.hypot(theirs.std / np.sqrt(theirs.episodes), returns.std() / np.sqrt(len(returns)))
        row |= {"smaclite": theirs.mean, "standard_errors_apart": round(float(returns.mean() - theirs.mean) / error, 2)}
    return row


def played(name: str, envs: int, steps: int) -> tuple[jax.Array, ...]:
    """Whether all was finite, [T], and of every step [T, B] the end of an episode, its return, length and victory."""
    env = EpisodeStatistics(Smaclite(name))
    stepper, params = AutoReset(env), env.default_params()

    def step(carry: tuple, key: jax.Array) -> tuple[tuple, tuple]:
        states, view = carry
        act_key, step_key = jax.random.split(key)
        actions = random_actions(env.spec, act_key, view.avail)
        states, outcome, view, _ = stepper.step(step_key, states, actions, params)
        numbers = [view.obs, view.state, outcome.reward, *outcome.metrics.values(), *jax.tree.leaves(states)]
        finite = jnp.stack([jnp.isfinite(leaf).all() for leaf in numbers]).all()
        told = (outcome.metrics[metric] for metric in ("episode_return", "episode_length", "won"))
        return (states, view), (finite, outcome.done, *told)

    start_key, play_key = jax.random.split(jax.random.key(0))
    return jax.lax.scan(step, stepper.init(start_key, params, envs), jax.random.split(play_key, steps))[1]
