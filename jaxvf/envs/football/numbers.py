"""The numbers of football that a sweep may vary, and the pitch: metres and seconds.

The learning team attacks towards +x; y grows to its right, as in Google Research Football's observations.
"""

from jaxtyping import Array, Float, Int

from jaxvf.hyperparameters import hyperparameters, traced

HALF_LENGTH, HALF_WIDTH = 55.0, 36.0
GOAL_HALF_WIDTH, GOAL_HEIGHT = 3.7, 2.5
X_UNIT, Y_UNIT = 54.4, 83.6  # metres of one unit of an observation
STEP, SUBSTEPS = 0.1, 5  # seconds of a step, and what it is cut into
TICK = STEP / SUBSTEPS
BALL_RADIUS = 0.11
TINY = 1e-6  # metres, or metres a second: what lengths are divided by at least

N_ACTIONS = 19
LONG_PASS, HIGH_PASS, SHORT_PASS, SHOT = 9, 10, 11, 12
SPRINT, RELEASE_DIRECTION, RELEASE_SPRINT, SLIDE, DRIBBLE, RELEASE_DRIBBLE = 13, 14, 15, 16, 17, 18
ACTION_NAMES = (
    "idle", "left", "top left", "top", "top right", "right", "bottom right", "bottom", "bottom left", "long pass",
    "high pass", "short pass", "shot", "sprint", "release direction", "release sprint", "slide", "dribble",
    "release dribble",
)  # fmt: skip


@hyperparameters
class FootballParams:
    """Rewards, and how everybody runs, kicks, tackles and saves."""

    goal_reward: Float[Array, ""] = traced(100.0, "for a goal; 100 where `reward` is cds, else 1")
    failure_reward: Float[Array, ""] = traced(-1.0, "for any other end (cds), or for an own goal (other rewards)")
    checkpoint_reward: Float[Array, ""] = traced(0.1, "for each of an agent's ten checkpoints on the way to the goal")
    walk_speed: Float[Array, ""] = traced(5.0, "metres per second without sprint", low=0)
    dribble_speed: Float[Array, ""] = traced(3.5, "of a carrier who dribbles", low=0)
    sprint_speed: Float[Array, ""] = traced(8.0, "with sprint, without the ball; of opponents", low=0)
    carrier_speed: Float[Array, ""] = traced(7.0, "with sprint and the ball", low=0)
    acceleration: Float[Array, ""] = traced(9.0, "metres per second squared, of all but the keeper", low=0)
    closest_touch: Float[Array, ""] = traced(0.35, "metres from a standing carrier to the ball", low=0)
    farthest_touch: Float[Array, ""] = traced(0.9, "metres from a sprinting carrier to the ball", low=0)
    capture_radius: Float[Array, ""] = traced(1.0, "metres within which a free ball is taken", low=0)
    capture_height: Float[Array, ""] = traced(0.8, "metres below which a free ball is taken", low=0)
    capture_speed: Float[Array, ""] = traced(22.0, "relative speed below which agents take a ball", low=0)
    opponent_capture_speed: Float[Array, ""] = traced(16.0, "relative speed below which opponents take one", low=0)
    lock_out: Float[Array, ""] = traced(0.4, "seconds for which who kicked cannot take the ball", low=0)
    slide_reach: Float[Array, ""] = traced(1.5, "metres that a slide leads forward", low=0)
    slide_radius: Float[Array, ""] = traced(1.8, "metres within which a slide takes or wins the ball", low=0)
    slide_time: Float[Array, ""] = traced(1.5, "seconds on the ground after a slide", low=0)
    tackle_radius: Float[Array, ""] = traced(1.0, "metres within which a carrier is tackled", low=0)
    tackle_hazard: Float[Array, ""] = traced(2.2, "balls a second that each tackler wins", low=0)
    dribble_hazard: Float[Array, ""] = traced(0.6, "factor of it where the carrier dribbles", low=0)
    sprint_hazard: Float[Array, ""] = traced(1.4, "factor of it where the carrier sprints", low=0)
    hunt_distance: Float[Array, ""] = traced(14.4, "metres within which the two nearest defenders hunt the ball", low=0)
    keeper_speed: Float[Array, ""] = traced(5.5, "metres per second of the keeper", low=0)
    keeper_acceleration: Float[Array, ""] = traced(7.5, "metres per second squared of the keeper", low=0)
    keeper_reach: Float[Array, ""] = traced(1.3, "metres within which the keeper saves, and smothers a carrier", low=0)
    keeper_range: Float[Array, ""] = traced(12.0, "metres from the goal line that the keeper comes out", low=0)
    save_chance: Float[Array, ""] = traced(0.4, "chance of a save in each 20 ms within reach", low=0, high=1)
    shot_speed: Float[Array, ""] = traced(27.0, "metres per second of a shot", low=0)
    shot_sigma: Float[Array, ""] = traced(0.055, "radians of a shot's error when it is easy", low=0)
    shot_rise: Float[Array, ""] = traced(0.05, "metres that a shot rises on the first one, at least", low=0)
    rise_sigma: Float[Array, ""] = traced(0.05, "its error when the shot is easy, upwards alone", low=0)
    pass_sigma: Float[Array, ""] = traced(0.04, "radians of a pass's error", low=0)
    pass_aim: Float[Array, ""] = traced(8.0, "metres ahead of the passer where a mate is looked for", low=0)
    spawn_jitter: Float[Array, ""] = traced(0.2, "standard deviation of first positions, metres", low=0)
    limit: Int[Array, ""] = traced(150, "steps until the episode is cut; never more than `limit_max`", low=1)
