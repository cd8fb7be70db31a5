"""Draws the pictures of docs/environments.md, each from an episode: `python docs/draw_pictures.py [NAME ...]`.

Trained policies are those of policies/; elsewhere a script plays, which is enough to see what a game is about.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxvf.envs import football, make
from jaxvf.errors import unknown
from jaxvf.results import Policy
from jaxvf.results.render import render

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / "docs" / "pictures"


class Script:
    """Plays what a function of the step, the observations and the masks says."""

    def __init__(self, name: str, choose: Callable[[Any, Any, Any], Any]):
        self.env, self.choose = make(name), choose
        self.env_params = self.env.default_params()

    def start(self) -> Any:
        """The first step's number."""
        return jnp.int32(0)

    def act(self, obs: Any, avail: Any, step: Any) -> Any:
        """Actions, and the next step's number."""
        return self.choose(step, obs, avail), step + 1


class OfStates:
    """Plays what a function of the state says: it follows the episode that `render` plays with the same seed."""

    def __init__(self, name: str, choose: Callable[[Any, Any], Any], seed: int):
        self.env, self.choose = make(name), choose
        self.env_params = self.env.default_params()
        self.init_key, self.step_key = jax.random.split(jax.random.key(seed))

    def start(self) -> Any:
        """The first step's number, and the first state."""
        return jnp.int32(0), self.env.init(self.init_key, self.env_params)

    def act(self, obs: Any, avail: Any, memory: Any) -> Any:
        """Actions, and the next step's number and state."""
        step, state = memory
        key = jax.random.fold_in(self.step_key, step)
        actions = self.choose(key, state)
        return actions, (step + 1, self.env.transition(key, state, actions, self.env_params)[0])


def plan(*joint_actions: tuple[int, ...]) -> Callable[..., Any]:
    """Joint actions in turn, over and over."""
    table = jnp.array(joint_actions, jnp.int32)
    return lambda step, obs, avail: table[step % len(table)]


def first_available(*order: int) -> Callable[..., Any]:
    """The first of these actions that an agent may take, after any that is not among them, the lowest first."""

    def choose(step: Any, obs: Any, avail: Any) -> Any:
        preference = -jnp.arange(avail.shape[-1]).astype(jnp.float32)
        preference = preference.at[jnp.array(order)].set(-1e3 - jnp.arange(len(order)))
        return jnp.where(avail, preference, -jnp.inf).argmax(axis=-1)

    return choose


def at_random(step: Any, obs: Any, avail: Any) -> Any:
    """Any available actions."""
    return jax.random.categorical(jax.random.fold_in(jax.random.key(1), step), jnp.where(avail, 0.0, -jnp.inf))


def towards(*first: int) -> Callable[..., Any]:
    """MPE: every agent goes to what its observation has from `first` on, an offset (x, y), along the longer axis.

    Its velocity comes first there; who lets go rolls on by 0.4 of it.
    """

    def choose(step: Any, obs: Any, avail: Any) -> Any:
        offset = jnp.stack([obs[agent, at : at + 2] for agent, at in enumerate(first)]) - 0.4 * obs[:, :2]
        x, y = offset.T
        level, upright = jnp.where(x < 0, 1, 2), jnp.where(y < 0, 3, 4)  # left or right, down or up
        near = jnp.maximum(jnp.abs(x), jnp.abs(y)) < 0.1
        return jnp.where(near, 0, jnp.where(jnp.abs(x) > jnp.abs(y), level, upright))

    return choose


class Drawn(NamedTuple):
    """What is played, and with which seed."""

    policy: Callable[[], Any]
    seed: int = 0


def scripted(name: str, choose: Callable[..., Any], seed: int = 0) -> Drawn:
    """A picture of a registered environment in which a script plays."""
    return Drawn(lambda: Script(name, choose), seed)


def trained(name: str, seed: int = 0) -> Drawn:
    """A picture of one of the policies of the repository."""
    return Drawn(lambda: Policy.load(ROOT / "policies" / name), seed)


PASSING = "football/academy_3_vs_1_with_keeper", football.SCRIPTS["passing"], 1
# Who comes from the south or the north goes faster, the others slow down twice until the crossing is free.
YIELD = plan(*[*[(2, 0, 2, 0)] * 3, *[(2, 1, 2, 1)] * 13] * 2, *[(2, 2, 2, 2)] * 69)
# Box pushing numbers its actions forward, left, right, stay; the classic one left, right, forward, stay.
PUSH = plan((0, 0), (0, 0), (1, 2), (0, 0), (0, 0), (0, 0))
PUSH_CLASSIC = plan((2, 2), (0, 1), (2, 2), (3, 3))
DRAWN = {
    "matrix_game": scripted("matrix_game/A", plan((0, 0))),
    "two_step_game": scripted("two_step_game", plan((1, 0), (1, 1))),
    "predator_prey": trained("predator_prey"),
    "box_pushing": scripted("box_pushing/6", PUSH),
    "box_pushing_classic": scripted("box_pushing_classic", PUSH_CLASSIC),
    "football": Drawn(lambda: OfStates(*PASSING), seed=PASSING[-1]),
    "intersection": scripted("intersection", YIELD, seed=2),
    "combat": trained("3m"),
    # Attack or heal whom one may, else go east.
    "combat_units": scripted("combat/MMM2", first_available(4, 1, 2, 3, 5, 0)),
    "combat_terrain": scripted("combat/2c_vs_64zg", first_available(1, 2, 3, 4, 5, 0)),
    "smaclite": scripted("smaclite/2c_vs_64zg", first_available(1, 2, 3, 4, 5, 0)),
    "smax": scripted("smax/2s3z", first_available(1, 4, 0, 2, 3)),
    "softmax_chain": scripted("softmax_chain", plan((0, 0, 0, 1, 1, 0, 2, 2))),
    "gaussian_team": scripted("gaussian_team", lambda step, obs, avail: jnp.full(avail.shape, 0.6)),
    # Everyone covers the landmark of its number; pursuers follow the last of the others, who stays where it is.
    "jaxmarl_spread": scripted("jaxmarl/MPE_simple_spread_v3", towards(4, 6, 8)),
    "jaxmarl_tag": scripted("jaxmarl/MPE_simple_tag_v3", towards(12, 12, 12, 0), seed=1),
    "jaxmarl_smax": scripted("jaxmarl/HeuristicEnemySMAX:scenario=2s3z", first_available(1, 4, 0, 2, 3)),
    "jaxmarl_overcooked": scripted("jaxmarl/overcooked:layout=coord_ring", at_random),
    "jaxmarl_overcooked_v2": scripted("jaxmarl/overcooked_v2", at_random),
    "jaxmarl_coin_game": scripted("jaxmarl/coin_game:num_inner_steps=10,num_outer_steps=1", at_random),
    "brax_ant": scripted("brax/ant_4x2", lambda step, obs, avail: jnp.sin(0.3 * step + jnp.arange(8).reshape(4, 2))),
    "brax_halfcheetah": scripted(
        "brax/halfcheetah_6x1", lambda step, obs, avail: jnp.sin(0.4 * step + jnp.arange(6).reshape(6, 1))
    ),
    "jaxmarl_hanabi": scripted("jaxmarl/hanabi", at_random),
    "random_team_game": scripted("random_team_game", plan((0, 1, 1))),
}


def main(names: list[str]) -> None:
    """Draw the named pictures, or all."""
    for name in names or DRAWN:
        if name not in DRAWN:
            raise unknown("picture", name, DRAWN)
        drawn = DRAWN[name]
        print(render(drawn.policy(), PICTURES / f"{name}.png", seed=drawn.seed))


if __name__ == "__main__":
    main(sys.argv[1:])
