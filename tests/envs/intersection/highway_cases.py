"""Whole episodes of highway-env 1.12.1 as POW configures it, played by scripts; run as a program, it records them.

    pip install highway-env==1.12.1 && python tests/envs/intersection/highway_cases.py

Scripts keep every car at 4 m/s or faster once it has slowed down: below 3.6 m/s steering at 5 Hz amplifies rounding
errors, step by step, in highway-env itself, so that no two programs agree on where such a car is.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

RECORDED = Path(__file__).with_name("highway_episodes.npz")
LIMIT = 101  # steps; 20 s, as 0.2 is added up in floating point
SPEEDS = (0, 2, 4, 6, 8, 10)
CONFIG = {
    "action": {
        "type": "MultiAgentAction",
        "action_config": {
            "type": "DiscreteMetaAction",
            "longitudinal": True,
            "lateral": False,
            "target_speeds": list(SPEEDS),
        },
    },
    "observation": {"type": "MultiAgentObservation", "observation_config": {"type": "Kinematics"}},
    "controlled_vehicles": 4,
    "initial_vehicle_count": 0,
    "spawn_probability": -1.0,
    "simulation_frequency": 5,
    "policy_frequency": 5,
    "duration": 20,
}


class Episodes(NamedTuple):
    """E episodes of at most 101 steps; what follows an episode's end is zero."""

    way: np.ndarray  # [E, 4], 0 left, 1 straight, 2 right
    along: np.ndarray  # [E, 4], metres along the approach at the start
    actions: np.ndarray  # [E, T, 4]
    length: np.ndarray  # [E], steps
    pose: np.ndarray  # [E, T, 4, 4]: x, y, heading and speed after every step
    crashed: np.ndarray  # [E, T, 4]
    arrived: np.ndarray  # [E, T, 4]
    terminated: np.ndarray  # [E]
    truncated: np.ndarray  # [E]


def scripts():
    """Ways, starts and actions of the recorded episodes: keeping, haste at random, and set speeds, one for each car."""
    rng = np.random.default_rng(1)

    def episode(way, actions, along=None):
        along = rng.normal(65, 5, 4) if along is None else along
        return np.array(way), np.array(along, float), np.broadcast_to(actions, (LIMIT, 4)).astype(np.int8)

    yield episode([2, 2, 2, 2], [1] * 4)  # four right turns never meet
    yield episode([1, 1, 1, 1], [1] * 4, [65, 40, 65, 40])  # two abreast, then two
    for _ in range(2):
        yield episode(rng.integers(0, 3, 4), [1] * 4)
    for _ in range(4):
        yield episode(rng.integers(0, 3, 4), rng.choice(3, (LIMIT, 4), p=(0.2, 0.3, 0.5)))
    for slow in ([0, 1, 1, 1], [0, 1, 2, 3], [3, 3, 3, 3]):  # times that each car goes one set-point down
        actions = np.full((LIMIT, 4), 1)
        for car, times in enumerate(slow):
            actions[np.arange(times) * 8, car] = 0  # 8 steps on, its speed is that of the set-point
        yield episode([0, 1, 0, 2], actions, [66, 62, 65, 58])
    yield episode([2, 2, 2, 2], actions, [40, 30, 35, 45])  # too slow


def play(way, along, actions):
    """One episode, as far as it goes: pose, crashed and arrived after every step, and how it ended."""
    from highway_env.envs.intersection_env import IntersectionEnv
    from highway_env.vehicle.controller import MDPVehicle

    env = IntersectionEnv(CONFIG)
    env.reset(seed=0)
    env.road.enforce_road_rules = lambda: None  # nobody yields
    cars = []
    for arm in range(4):
        lane = env.road.network.get_lane((f"o{arm}", f"ir{arm}", 0))
        car = MDPVehicle(
            env.road, lane.position(along[arm], 0), heading=lane.heading_at(60), speed=10.0, target_speeds=SPEEDS
        )
        car.plan_route_to(f"o{(arm + way[arm] + 1) % 4}")
        cars.append(car)
    env.road.vehicles = env.controlled_vehicles = cars
    env.define_spaces()  # binds the actions to these cars
    steps = []
    for joint in actions:
        _, _, terminated, truncated, _ = env.step(tuple(int(action) for action in joint))
        pose = [[*car.position, car.heading, car.speed] for car in cars]
        steps.append((pose, [car.crashed for car in cars], [bool(env.has_arrived(car)) for car in cars]))
        if terminated or truncated:
            break
    env.close()
    return tuple(np.array(column) for column in zip(*steps, strict=True)), terminated, truncated


def _filled(values):
    return np.concatenate([values, np.zeros((LIMIT - len(values), *values.shape[1:]), values.dtype)])


def play_all(cases):
    """The episodes of (way, along, actions)."""
    rows = []
    for way, along, actions in cases:
        (pose, crashed, arrived), terminated, truncated = play(way, along, actions)
        padded = [_filled(values) for values in (pose, crashed, arrived)]
        rows.append((way, along, actions, len(pose), *padded, terminated, truncated))
    return Episodes(*(np.array(column) for column in zip(*rows, strict=True)))


def recorded():
    """The episodes that are kept beside this file."""
    with np.load(RECORDED, allow_pickle=False) as file:
        return Episodes(*(file[name] for name in Episodes._fields))


if __name__ == "__main__":
    np.savez_compressed(RECORDED, **play_all(scripts())._asdict())
