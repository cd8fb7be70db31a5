"""Scripts in the Box Pushing grids, and scenes to begin them in."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np

from jaxvf.envs.box_pushing import BoxPushingState

KEY = jax.random.key(0)
LETTERS = "FLRS"
STEPS = 48  # every script is filled up to this length with staying: one program per grid


@functools.partial(jax.jit, static_argnums=0)
def _played(env, state, actions, params):
    def step(state, joint):
        moved, outcome = env.transition(KEY, state, joint, params)
        return moved, (moved, outcome, env.observe(moved, params))

    return env.observe(state, params), jax.lax.scan(step, state, actions)[1]


@dataclasses.dataclass
class Played:
    """A script's first view, and what every step of it led to."""

    first: object
    states: object
    outcome: object
    views: object

    @property
    def rewards(self):
        return self.outcome.reward

    @property
    def ends(self):
        """Steps after which the episode was over."""
        return (np.flatnonzero(self.outcome.terminated) + 1).tolist()

    def robots(self, at=-1):
        """(column, row, facing) of both robots after step `at`."""
        return [(*cell, way) for cell, way in zip(self.states.robots[at].tolist(), self.states.facing[at], strict=True)]


def play(env, script, state=None, params=None):
    """Plays "FF LR" (first letter robot 0), from `state` or the fixed start."""
    joint = [[LETTERS.index(letter) for letter in pair] for pair in script.split()]
    filled = np.array(joint + [[3, 3]] * (STEPS - len(joint)), np.int32)
    params = env.default_params() if params is None else params
    state = env.init(KEY, params) if state is None else state
    first, rest = _played(env, state, filled, params)
    return Played(*jax.tree.map(np.asarray, (first, *jax.tree.map(lambda leaf: leaf[: len(joint)], rest))))


def scene(robots, boxes, t=0):
    """Robots as (column, row, facing), boxes as rows of small 0, small 1 and big."""
    robots = np.array(robots, np.int32)
    return BoxPushingState(
        robots=jnp.array(robots[:, :2]),
        facing=jnp.array(robots[:, 2]),
        box_rows=jnp.array(boxes, jnp.int32),
        t=jnp.int32(t),
    )
