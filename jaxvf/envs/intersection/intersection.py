"""The environment: four cars on the four arms of a crossing."""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key

from jaxvf.envs.intersection import collisions, driving, roads
from jaxvf.envs.intersection.numbers import IntersectionParams
from jaxvf.envs.intersection.picture import crossing
from jaxvf.envs.intersection.roads import N_ARMS, ROUTE_TO_EXIT
from jaxvf.envs.pictures import Names, Scene
from jaxvf.envs.protocol import Environment, EnvSpec, Outcome, View, cut_at_limit, refuse_unused
from jaxvf.errors import InputError

N_ACTIONS = 3
N_FEATURES = 5  # of a car: x, y, velocity along both, heading
WAY_POINTS = np.array([0.2, 0.4, 0.6, 0.8, 1.0])  # seconds ahead
OBS_DIM = N_ARMS * N_FEATURES + 2 * len(WAY_POINTS)
STATE_DIM = N_ARMS * (N_FEATURES + 2 * len(WAY_POINTS))
STEERING = ("lateral_time", "heading_time")  # numbers that a car on rails does not need
SCALES = np.array([100.0, 100.0, 10.0, 10.0, np.pi])  # of the features where they are scaled


class IntersectionState(NamedTuple):
    """The cars; car i comes from arm i."""

    position: Float[Array, "N 2"]
    heading: Float[Array, "N"]  # radians, clockwise from the right, as y is down; never wrapped
    speed: Float[Array, "N"]
    target: Float[Array, "N"]  # the set-point of the speed
    way: Int[Array, "N"]  # left, straight, right
    segment: Int[Array, "N"]  # steered by: into the crossing, across, out
    along: Float[Array, "N"]  # metres from the beginning of the route
    crashed: Bool[Array, "N"]
    pushed: Bool[Array, "N"]  # was about to touch another car: will have crashed after the next step
    push: Float[Array, "N 2"]  # that the next step adds then
    t: Int[Array, ""]


@dataclasses.dataclass(frozen=True)
class Intersection(Environment):
    """Four cars, one on each arm of a crossing, each with a random destination; they choose how fast to go.

    Steering follows the lanes by itself. All must pass, without a crash, and soon. Motion and collisions equal
    highway-env 1.12.1's, configured as by POW.

    - Observation, per car, [30]: x, y, velocity along both and heading of the four cars, by distance; the first row is
      the observer's own, which is subtracted from the others. Then where it will be on its route after 0.2, ..., 1.0 s
      at its present speed, relative to where it is.
    - State, [60]: own row and way-points of every car.
    - Actions: slower, keep, faster; always available. They move the set-point of the speed by one step of an even grid,
      from the point nearest to the present speed.
    - Reward: `step_reward`; `success_reward` more where all cars are `arrival_distance` along their exit lane;
      `crash_reward` instead where one has crashed.
    - Ends: as a termination when all have arrived or one has crashed; cut after `limit` steps.
    - Metrics: `won` (all arrived, none crashed), `crashed`; 1 where the episode ends that way.

    Attributes:
        n_speeds: set-points of the speed, evenly from 0 to `top_speed`.
        rail: whether cars keep exactly to their lane's middle: cheaper, and free of the wobble that steering has below
            3.6 m/s.
        scaled: whether metres are divided by 100, velocities by 10 and headings by pi in observation and state.
        limit_max: most steps of an episode.
    """

    n_speeds: int = 6
    rail: bool = False
    scaled: bool = False
    limit_max: int = 101

    def __post_init__(self):
        for name, low in {"n_speeds": 2, "limit_max": 1}.items():
            value = getattr(self, name)
            if type(value) is not int:
                raise InputError(f"{name}={value!r} is not a whole number")
            if value < low:
                raise InputError(f"{name}={value} is below its smallest valid value {low}")
        for name in ("rail", "scaled"):
            if not isinstance(getattr(self, name), bool):
                raise InputError(f"{name}={getattr(self, name)!r} is neither True nor False")

    @property
    def spec(self) -> EnvSpec:
        return EnvSpec(
            name="intersection",
            version=1,
            n_agents=N_ARMS,
            n_actions=N_ACTIONS,
            obs_dim=OBS_DIM,
            state_dim=STATE_DIM,
            limit_max=self.limit_max,
            metric_names=("won", "crashed"),
        )

    def default_params(self) -> IntersectionParams:
        default = IntersectionParams()
        numbers = {field.name: jnp.float32(getattr(default, field.name)) for field in dataclasses.fields(default)}
        return IntersectionParams(**{**numbers, "limit": jnp.minimum(jnp.int32(default.limit), self.limit_max)})

    def check_params(self, params: IntersectionParams) -> None:
        unused: dict[str, str] = dict.fromkeys(STEERING, "with env.rail=True, where nobody steers") if self.rail else {}
        refuse_unused(params, self.default_params(), unused)

    def init(self, key: Key[Array, ""], params: IntersectionParams) -> IntersectionState:
        way_key, place_key = jax.random.split(key)
        arm = np.arange(N_ARMS, dtype=np.int32)
        destination = jax.random.randint(way_key, (N_ARMS,), 0, N_ARMS)
        # Who would go back where it came from turns left.
        destination = jnp.where(destination == arm, (arm + 1) % N_ARMS, destination)
        spread = jax.random.normal(place_key, (N_ARMS,), params.start_spread.dtype)
        return starting((destination - arm) % N_ARMS - 1, params.start_mean + params.start_spread * spread, params)

    def transition(
        self, key: Key[Array, ""], state: IntersectionState, actions: Int[Array, "N"], params: IntersectionParams
    ) -> tuple[IntersectionState, Outcome]:
        target = driving.set_points(actions, state.speed, state.target, params, self.n_speeds)
        moved = _glided(state, target, params) if self.rail else _driven(state, target, params)
        contact = collisions.contacts(moved.position, moved.heading, moved.speed, params)
        moved = moved._replace(
            target=target,
            crashed=moved.crashed | contact.touching,
            pushed=contact.pushed,
            push=contact.push,
            t=state.t + 1,
        )
        return moved, self._outcome(moved, params)

    def observe(self, state: IntersectionState, params: IntersectionParams) -> View:
        rows, way_points = self._features(state)
        offset = state.position - state.position[:, None]  # [observer, car, 2]
        distance = (offset**2).sum(axis=-1) - jnp.eye(N_ARMS, dtype=offset.dtype)  # the observer comes first
        nearest = jnp.argsort(distance, axis=1)[:, 1:].astype(jnp.int32)
        others = rows[nearest] - rows[:, None]  # [observer, 3, 5]
        obs = jnp.concatenate([rows, others.reshape(N_ARMS, -1), way_points], axis=1)
        own = jnp.concatenate([rows, way_points], axis=1)
        return View(
            obs=obs.astype(jnp.float32),
            state=own.reshape(-1).astype(jnp.float32),
            avail=jnp.ones((N_ARMS, N_ACTIONS), bool),
            alive=jnp.ones(N_ARMS, bool),
        )

    def picture(self, state: IntersectionState, params: IntersectionParams) -> Scene:
        """The crossing from above."""
        position, heading, way, crashed = map(np.asarray, (state.position, state.heading, state.way, state.crashed))
        return crossing(position, heading, way, crashed, params)

    def names(self, state: IntersectionState) -> Names:
        """Cars by number, and their actions."""
        return Names.alike(N_ARMS, ("slower", "keep", "faster"))

    def _outcome(self, state: IntersectionState, params: IntersectionParams) -> Outcome:
        to_exit = jnp.asarray(ROUTE_TO_EXIT, state.along.dtype)[state.way]
        arrived = (state.along - to_exit >= params.arrival_distance).all()
        crashed = state.crashed.any()
        reward = jnp.where(crashed, params.crash_reward, params.step_reward + params.success_reward * arrived)
        terminated = crashed | arrived
        return Outcome(
            reward=reward.astype(jnp.float32),
            terminated=terminated,
            truncated=cut_at_limit(terminated, state.t, jnp.minimum(params.limit, self.limit_max)),
            metrics={"won": (arrived & ~crashed).astype(jnp.float32), "crashed": crashed.astype(jnp.float32)},
        )

    def _features(self, state: IntersectionState) -> tuple[Float[Array, "N 5"], Float[Array, "N 10"]]:
        """Each car's row, and its way-points relative to it."""
        velocity = state.speed * jnp.stack([jnp.cos(state.heading), jnp.sin(state.heading)])
        rows = jnp.stack([*state.position.T, *velocity, state.heading], axis=1)
        points = []
        for seconds in WAY_POINTS.tolist():
            segment, along = roads.on_route(state.way, state.along + state.speed * seconds)
            lanes = roads.lanes_of(state.way, segment, state.position.dtype)
            points.append(roads.point_at(lanes, along) - state.position)
        way_points = jnp.concatenate(points, axis=1)
        if not self.scaled:
            return rows, way_points
        return rows / jnp.asarray(SCALES, rows.dtype), way_points / SCALES[0]


def starting(way: Int[Array, "N"], along: Float[Array, "N"], params: IntersectionParams) -> IntersectionState:
    """The first state of an episode.

    Args:
        way: of each car: LEFT, STRAIGHT or RIGHT.
        along: metres from the beginning of each car's approach.
        params: the numbers.
    """
    segment, on_lane = roads.on_route(way, along)
    lanes = roads.lanes_of(way, segment, along.dtype)
    speed = jnp.broadcast_to(params.start_speed, along.shape)
    return IntersectionState(
        position=roads.point_at(lanes, on_lane),
        heading=roads.heading_at(lanes, on_lane),
        speed=speed,
        target=speed,
        way=way.astype(jnp.int32),
        segment=segment,
        along=along,
        crashed=jnp.zeros(N_ARMS, bool),
        pushed=jnp.zeros(N_ARMS, bool),
        push=jnp.zeros((N_ARMS, 2), along.dtype),
        t=jnp.int32(0),
    )


def _driven(state: IntersectionState, target: Float[Array, "N"], params: IntersectionParams) -> IntersectionState:
    """Cars steered along their lanes."""
    segment, lanes = driving.next_segment(state.way, state.segment, state.position)
    wheels = driving.steering(lanes, state.position, state.heading, state.speed, params)
    wheels = jnp.where(state.crashed, 0.0, wheels)
    position, heading = driving.bicycle(state.position, state.heading, state.speed, wheels, params)
    position += jnp.where(state.pushed[:, None], state.push, 0.0)
    return state._replace(
        position=position,
        heading=heading,
        speed=_speed(state, target, params),
        segment=segment,
        along=roads.along_route(state.way, segment, position),
        crashed=state.crashed | state.pushed,
    )


def _glided(state: IntersectionState, target: Float[Array, "N"], params: IntersectionParams) -> IntersectionState:
    """Cars on rails: in the middle of their lanes whatever happens."""
    along = state.along + state.speed * params.time_step
    segment, on_lane = roads.on_route(state.way, along)
    lanes = roads.lanes_of(state.way, segment, along.dtype)
    return state._replace(
        position=roads.point_at(lanes, on_lane),
        heading=roads.heading_at(lanes, on_lane),
        speed=_speed(state, target, params),
        segment=segment,
        along=along,
        crashed=state.crashed | state.pushed,
    )


def _speed(state: IntersectionState, target: Float[Array, "N"], params: IntersectionParams) -> Float[Array, "N"]:
    """A step's share of the way to the set-point; who has crashed brakes instead."""
    change = jnp.where(state.crashed, -state.speed, (target - state.speed) / params.throttle_time)
    return state.speed + change * params.time_step
