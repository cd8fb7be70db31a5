"""The numbers of the intersection that a sweep may vary: metres, seconds, radians."""

from jaxtyping import Array, Float, Int

from jaxvf.hyperparameters import hyperparameters, traced

SHORTEST = 0.01  # seconds, metres or metres a second: what is divided by


@hyperparameters
class IntersectionParams:
    """Rewards, starts and the cars. POW's configuration; the controller's times are highway-env's."""

    step_reward: Float[Array, ""] = traced(-1.0, "team reward of every step without a crash")
    success_reward: Float[Array, ""] = traced(100.0, "added in the step after which all cars have arrived")
    crash_reward: Float[Array, ""] = traced(-100.0, "team reward of the step after which a car has crashed")
    arrival_distance: Float[Array, ""] = traced(25.0, "metres along the exit lane from which a car has arrived", low=0)
    start_mean: Float[Array, ""] = traced(65.0, "mean metres along the approach, 100 m long, where cars start", low=0)
    start_spread: Float[Array, ""] = traced(5.0, "standard deviation of the starts in metres", low=0)
    start_speed: Float[Array, ""] = traced(10.0, "metres per second at the start, and the first set-point", low=0)
    top_speed: Float[Array, ""] = traced(10.0, "largest set-point; they are evenly spaced from 0 on", low=SHORTEST)
    time_step: Float[Array, ""] = traced(0.2, "seconds of a step", low=SHORTEST)
    throttle_time: Float[Array, ""] = traced(0.6, "seconds in which speed approaches its set-point", low=SHORTEST)
    lateral_time: Float[Array, ""] = traced(0.6, "seconds in which a car returns to its lane's middle", low=SHORTEST)
    heading_time: Float[Array, ""] = traced(0.2, "seconds in which a car turns to its wanted heading", low=SHORTEST)
    length: Float[Array, ""] = traced(5.0, "metres from bumper to bumper", low=SHORTEST)
    width: Float[Array, ""] = traced(2.0, "metres from side to side", low=SHORTEST)
    limit: Int[Array, ""] = traced(101, "steps until the episode is cut; never more than `limit_max`", low=1)
