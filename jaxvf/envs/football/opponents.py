"""Where the scripted team wants to be: defenders, chasers and the keeper. Arrays are batch-last."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from jaxvf.envs.football.ball import length, unit
from jaxvf.envs.football.numbers import GOAL_HALF_WIDTH, HALF_LENGTH, TINY, FootballParams

HUNTERS = 2  # outfield players nearest to the ball, who hunt it
REACTION = 0.12  # seconds for which a carrier is taken to run on
GOAL_SIDE = 0.7  # metres between a hunter's point and the carrier
FREE_BALL_LEAD = 0.3  # seconds
HOLD_SHARE = 0.35  # of the way from ball to goal: who neither hunts nor marks
MARKED_WITHIN = 5.0  # metres: who has a defender so near is marked
MARK_SIDE = 2.0  # metres on the goal's side of who is marked
EAGERNESS = 3.0  # metres per second wanted for each metre away

KEEPER_LINE = HALF_LENGTH - 0.7  # the keeper's points lie on a line to the middle of the goal as the ball sees it
CARRIER_SHARE, CARRIER_LEAD = 0.4, 0.32  # of the carrier's place, some seconds on, in what the keeper looks at
MATE_LEAD = 0.24  # seconds
SHOOTING, HELPER_SHOOTING = 20.0, 24.0  # metres from goal from which a carrier, and a mate of his, would shoot
AHEAD = 1.0  # metres by which mates must be farther from the shooting point than the carrier
DANGER_RANGE = 2.0  # metres
HELPER_RATIO, HELPER_WEIGHT = 0.5, 0.7
BOUND_FOR_GOAL = 1.1  # half goals around the middle that count as the goal
BOUND_WITHIN = 1.5  # seconds
OWN_BALL_SPEED = 5.0  # metres per second of an opponent who has the ball: away from the own goal


class Ball(NamedTuple):
    """The ball, and who of the learning team has it."""

    place: Float[Array, "2 B"]
    velocity: Float[Array, "2 B"]
    is_agent: Bool[Array, "N B"]  # who carries it; nobody where it is free or the opponents'
    free: Bool[Array, "B"]


class People(NamedTuple):
    """Places and velocities of one team."""

    place: Float[Array, "2 U B"]
    velocity: Float[Array, "2 U B"]


def wanted_velocities(
    ball: Ball, agents: People, opponents: People, chasers: Bool[np.ndarray, "E"], params: FootballParams
) -> Float[Array, "2 E B"]:
    """What each opponent's legs are told, the keeper's first."""
    target = _outfield_targets(ball, agents, opponents, params)
    target = jnp.where(chasers[:, None], ball.place[:, None], target)
    target = target.at[:, 0].set(keeper_target(ball, agents, opponents, params))
    way = target - opponents.place
    far = length(way)
    speed = jnp.minimum(params.sprint_speed, EAGERNESS * far)
    speed = jnp.where(chasers[:, None], params.sprint_speed, speed)
    speed = speed.at[0].min(params.keeper_speed)
    return speed * way / jnp.maximum(far, TINY)


def _goal() -> Float[Array, "2 1"]:
    return jnp.array([[HALF_LENGTH], [0.0]], jnp.float32)


def _carrier(ball: Ball, agents: People) -> tuple[Float[Array, "2 B"], Float[Array, "2 B"], Bool[Array, "B"]]:
    """Place and velocity of the carrier, the ball's where there is none, and whether there is one."""
    carried = ball.is_agent.any(axis=0)
    place = jnp.where(ball.is_agent, agents.place, 0.0).sum(axis=1)
    velocity = jnp.where(ball.is_agent, agents.velocity, 0.0).sum(axis=1)
    return jnp.where(carried, place, ball.place), jnp.where(carried, velocity, ball.velocity), carried


def _outfield_targets(ball: Ball, agents: People, opponents: People, params: FootballParams) -> Float[Array, "2 E B"]:
    """The two nearest to the ball hunt it, if it is near; others mark whom nobody marks, or hold the middle."""
    place, velocity, carried = _carrier(ball, agents)
    led = place + velocity * jnp.where(carried, REACTION, FREE_BALL_LEAD)
    hunted = led + jnp.where(carried, GOAL_SIDE, 0.0) * unit(_goal() - led)
    hold = ball.place + HOLD_SHARE * (_goal() - ball.place)

    far = length(opponents.place - place[:, None]).at[0].set(jnp.inf)  # [E, B]; the keeper does not hunt
    index = jnp.arange(far.shape[0])
    first = (index[:, None] < index)[..., None]  # of two as near, the first in the list
    rank = ((far[:, None] < far) | ((far[:, None] == far) & first)).sum(axis=0)
    hunts = (rank < HUNTERS) & (far < params.hunt_distance)

    mark, anyone = _marks(ball, agents, opponents)
    waits = jnp.where(((rank >= HUNTERS) & anyone)[None], mark, hold[:, None])
    return jnp.where(hunts[None], hunted[:, None], waits)


def _marks(ball: Ball, agents: People, opponents: People) -> tuple[Float[Array, "2 E B"], Bool[Array, "E B"]]:
    """For each opponent the goal's side of the agent nearest to goal whom no other one marks; whether there is one.

    The carrier needs no mark, for he is hunted; the keeper marks nobody.
    """
    far = length(opponents.place[:, :, None] - agents.place[:, None])  # [E, N, B]
    near = (far < MARKED_WITHIN).at[0].set(False)
    nearer = near[:, None] & (far[:, None] < far)  # [who marks, for whom, N, B]
    open_to = ~nearer.any(axis=0) & ~ball.is_agent
    to_goal = jnp.where(open_to, length(_goal()[:, None] - agents.place), jnp.inf)  # [E, N, B]
    chosen = (jnp.arange(to_goal.shape[1])[:, None] == to_goal.argmin(axis=1)[:, None]) & open_to
    man = jnp.where(chosen, agents.place[:, None], 0.0).sum(axis=2)
    return man + MARK_SIDE * unit(_goal()[:, None] - man), open_to.any(axis=1)


def keeper_target(ball: Ball, agents: People, opponents: People, params: FootballParams) -> Float[Array, "2 B"]:
    """On the bisector of the ball's lines to the posts, as far out as is safe; in the way of a ball bound for goal."""
    place, velocity, carried = _carrier(ball, agents)
    led = place + CARRIER_LEAD * velocity
    seen = jnp.where(carried, CARRIER_SHARE * led + (1 - CARRIER_SHARE) * ball.place, ball.place)
    middle = unit(_bisector(seen))
    across = seen[1] + middle[1] * (KEEPER_LINE - seen[0]) / jnp.maximum(middle[0], 0.05)
    base = jnp.stack([jnp.full_like(across, KEEPER_LINE), jnp.clip(across, -GOAL_HALF_WIDTH, GOAL_HALF_WIDTH)])
    share = jnp.where(carried, coming_out(ball, agents, opponents), 0.0)
    far = length(seen - base)
    out = jnp.clip((far - 0.5) * share, HALF_LENGTH - KEEPER_LINE, params.keeper_range)
    position = base + unit(seen - base) * jnp.minimum(out, far)
    return jnp.where(bound_for_goal(ball), _in_the_way(ball, opponents.place[:, 0]), position)


def _bisector(seen: Float[Array, "2 B"]) -> Float[Array, "2 B"]:
    posts = (jnp.array([[HALF_LENGTH], [side * GOAL_HALF_WIDTH]], jnp.float32) for side in (-1, 1))
    left, right = (unit(post - seen) for post in posts)
    return left + right


def coming_out(ball: Ball, agents: People, opponents: People) -> Float[Array, "B"]:
    """How much of the way to the carrier the keeper comes out, in [0, 1].

    All of it if no team mate is as near to where the carrier would shoot from. Less where another attacker would be
    alone in front of goal too, the less the nearer that one's shooting point is, up to 70 % less.
    """
    index = jnp.arange(agents.place.shape[1])[:, None]
    carrier = agents.place + CARRIER_LEAD * agents.velocity
    to_goal = length(_goal()[:, None] - carrier)
    own = jnp.where(ball.is_agent, carrier, 0.0).sum(axis=1)
    helper_distance = jnp.where(ball.is_agent, jnp.inf, to_goal)
    helper = jnp.where(index == helper_distance.argmin(axis=0), carrier, 0.0).sum(axis=1)

    first, first_mates = _threat(own, SHOOTING, opponents)
    second, second_mates = _threat(helper, HELPER_SHOOTING, opponents)
    alone = first_mates > first + AHEAD
    danger = jnp.clip(second_mates - second, 0.0, DANGER_RANGE) / DANGER_RANGE
    nearness = 1 - jnp.clip((second / jnp.maximum(first, TINY) - 1) / HELPER_RATIO, 0.0, 1.0)
    return jnp.where(alone, 1 - HELPER_WEIGHT * danger * nearness, 0.0)


def _threat(
    attacker: Float[Array, "2 B"], shooting: float, opponents: People
) -> tuple[Float[Array, "B"], Float[Array, "B"]]:
    """How far an attacker, and the outfield opponent nearest to it, are from the point where he would shoot."""
    to_goal = _goal() - attacker
    far = length(to_goal)
    until = jnp.maximum(far - shooting * jnp.clip(far / (2 * shooting), 0.0, 1.0), 0.0)
    point = attacker + unit(to_goal) * until
    outfield = opponents.place[:, 1:] + MATE_LEAD * opponents.velocity[:, 1:]
    return until, length(outfield - point[:, None]).min(axis=0)


def bound_for_goal(ball: Ball) -> Bool[Array, "B"]:
    """Whether a free ball will soon be at the goal line between the posts, or hardly beside them."""
    seconds = (HALF_LENGTH - ball.place[0]) / jnp.maximum(ball.velocity[0], TINY)
    there = ball.place[1] + ball.velocity[1] * seconds
    near = (seconds > 0) & (seconds < BOUND_WITHIN)
    return ball.free & near & (jnp.abs(there) < BOUND_FOR_GOAL * GOAL_HALF_WIDTH)


def _in_the_way(ball: Ball, keeper: Float[Array, "2 B"]) -> Float[Array, "2 B"]:
    """The point of the ball's line to goal that is nearest to the keeper."""
    way = unit(ball.velocity)
    along = jnp.maximum(((keeper - ball.place) * way).sum(axis=0), 0.0)
    along = jnp.minimum(along, (HALF_LENGTH - ball.place[0]) / jnp.maximum(way[0], TINY))
    return ball.place + way * along


def own_ball_velocity(n_opponents: int) -> Float[np.ndarray, "2 E 1"]:
    """Of an opponent who has the ball while the agents never had it: he carries it away; a keeper stays."""
    velocity = np.zeros((2, n_opponents, 1), np.float32)
    velocity[0, 1:] = -OWN_BALL_SPEED
    return velocity
