"""Brax bodies whose actuators are shared out among agents: multi-agent MuJoCo's tasks, in any even split.

brax is imported where it is used: jaxvf works without it.
"""

import dataclasses
import functools
import re
import warnings
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from jaxvf.envs.brax_picture import Limbs, limbs_of, side_view
from jaxvf.envs.pictures import Scene
from jaxvf.envs.protocol import Environment, EnvSpec, Outcome, View, cut_at_limit, strongly_typed
from jaxvf.envs.silence import silent
from jaxvf.errors import InputError, MissingPackageError, unknown
from jaxvf.hyperparameters import hyperparameters, traced

PREFIX = "brax/"
BODIES: Mapping[str, int] = MappingProxyType(
    {"ant": 8, "halfcheetah": 6, "hopper": 3, "humanoid": 17, "walker2d": 6}
)  # how many actuators each has
# those that the authors' code of Le & Ta 2025 is run on; other even splits work too
SPLITS = (
    "ant_4x2", "ant_8x1", "halfcheetah_2x3", "halfcheetah_6x1", "walker2d_3x2", "walker2d_6x1", "humanoid_17x1",
)  # fmt: skip
BACKENDS = ("generalized", "positional", "spring", "mjx")
LIMIT = 1000
SMALLEST_DEVIATION = 1e-6


@hyperparameters
class BraxTeamParams:
    """The numbers of a body that may vary."""

    limit: Int[Array, ""] = traced(LIMIT, "steps after which an episode is cut off", low=1, high=LIMIT)


class BraxTeamState(NamedTuple):
    """Brax's own state, and the step count."""

    inner: Any
    t: Int[Array, ""]


@dataclasses.dataclass(frozen=True)
class BraxTeam(Environment):
    """N agents with D neighbouring actuators each of one body, seen as in the authors' code of Le & Ta 2025.

    - Observation: the body's, with the agent's index one-hot after it, standardized within the vector: minus its
      mean, over its standard deviation. Every agent sees everything.
    - State: the body's observation, standardized likewise.
    - Actions: D real numbers an agent; in the order of agents they are the body's action, which brax maps from [-1, 1]
      to the range of its actuators. They are not clipped here: brax clips what it does to the actuators, while the
      reward's control cost is of the action as it is.
    - Reward: the body's, for the whole team.
    - Ends: when the body says so (it fell), as a termination; after `limit` steps, as a truncation.

    Attributes:
        split: BODY_NxD, such as "ant_4x2"; N x D is the number of the body's actuators.
        backend: which of brax's physics.
    """

    split: str = "ant_4x2"
    backend: str = "positional"

    def __post_init__(self) -> None:
        if self.backend not in BACKENDS:
            raise unknown("backend of brax", self.backend, BACKENDS)
        _body(_parts(self.split).body, self.backend)  # says so if brax is missing

    @property
    def spec(self) -> EnvSpec:
        name, agents, actuators = _parts(self.split)
        width = _body(name, self.backend)[1]
        return EnvSpec(
            name=PREFIX + self.split + ("" if self.backend == "positional" else f":{self.backend}"),
            version=1,
            n_agents=agents,
            n_actions=actuators,
            obs_dim=width + agents,
            state_dim=width,
            limit_max=LIMIT,
            continuous=True,
        )

    def default_params(self) -> BraxTeamParams:
        return jax.tree.map(jnp.int32, BraxTeamParams())

    def init(self, key: Key[Array, ""], params: BraxTeamParams) -> BraxTeamState:
        body, _ = _body(_parts(self.split).body, self.backend)
        return BraxTeamState(strongly_typed(body.reset(key)), jnp.int32(0))

    def transition(
        self, key: Key[Array, ""], state: BraxTeamState, actions: Float[Array, "N d"], params: BraxTeamParams
    ) -> tuple[BraxTeamState, Outcome]:
        body, _ = _body(_parts(self.split).body, self.backend)
        inner = strongly_typed(body.step(state.inner, actions.reshape(-1)))
        t = state.t + 1
        terminated = inner.done > 0
        reward = inner.reward.astype(jnp.float32)
        return BraxTeamState(inner, t), Outcome(reward, terminated, cut_at_limit(terminated, t, params.limit), {})

    def observe(self, state: BraxTeamState, params: BraxTeamParams) -> View:
        _, agents, actuators = _parts(self.split)
        seen = state.inner.obs.astype(jnp.float32)
        obs = jnp.concatenate([jnp.broadcast_to(seen, (agents, seen.shape[0])), jnp.eye(agents)], axis=-1)
        available, alive = jnp.ones((agents, actuators), bool), jnp.ones(agents, bool)
        return View(standardized(obs), standardized(seen), available, alive)

    def picture(self, state: BraxTeamState, params: BraxTeamParams) -> Scene:
        """The body from the side, in the colours of its agents."""
        links = state.inner.pipeline_state.x
        return side_view(_limbs(self), np.asarray(links.pos), np.asarray(links.rot))


@functools.cache
def _limbs(team: BraxTeam) -> Limbs:
    parts = _parts(team.split)
    return limbs_of(_body(parts.body, team.backend)[0].sys.mj_model, parts.actuators)


def standardized(vector: Float[Array, "*b F"]) -> Float[Array, "*b F"]:
    """A vector minus the mean of its entries, over their standard deviation."""
    centred = vector - vector.mean(axis=-1, keepdims=True)
    return centred / jnp.maximum(vector.std(axis=-1, keepdims=True), SMALLEST_DEVIATION)


def from_name(text: str) -> BraxTeam:
    """What `brax/SPLIT` or `brax/SPLIT:BACKEND` stands for; `text` is what follows the slash.

    Raises:
        InputError: as the environment does.
    """
    split, colon, backend = text.partition(":")
    return BraxTeam(split, backend) if colon else BraxTeam(split)


class Parts(NamedTuple):
    """What the name of a split says."""

    body: str
    agents: int
    actuators: int


def _parts(split: str) -> Parts:
    found = re.fullmatch(r"([a-z0-9]+)_([1-9][0-9]?)x([1-9][0-9]?)", split)
    if found is None or found[1] not in BODIES:
        raise unknown("split of a brax body", split, SPLITS)
    parts = Parts(found[1], int(found[2]), int(found[3]))
    if parts.agents * parts.actuators != BODIES[parts.body]:
        raise InputError(f"{PREFIX}{split}: {parts.body} has {BODIES[parts.body]} actuators to share out")
    return parts


@functools.cache
def _body(name: str, backend: str) -> tuple[Any, int]:
    """The one brax environment of a body, and how long its observation is: brax reads its XML for every object."""
    with silent(), warnings.catch_warnings():  # brax names what it did not import, and its successor
        warnings.simplefilter("ignore")
        try:
            import mujoco  # pyright: ignore[reportMissingImports]
            from brax.envs import get_environment  # pyright: ignore[reportMissingImports]
        except ImportError as error:
            raise MissingPackageError(f"{PREFIX}{name} needs brax ({error}): pip install '.[brax]'") from error
        # MuJoCo would write its warnings to MUJOCO_LOG.TXT where the user works. A handler of the user's own is lost.
        mujoco.set_mju_user_warning(lambda message: None)
        try:
            body = get_environment(name, backend=backend)
        finally:
            mujoco.set_mju_user_warning(None)
    return body, jax.eval_shape(body.reset, jax.random.key(0)).obs.shape[0]
