"""Which training program an algorithm runs in: with replay, or on-policy."""

import math
from typing import Any

from jaxvf.envs.protocol import Environment
from jaxvf.training.on_policy import OnPolicyProgram, make_segment_pace
from jaxvf.training.program import Program, for_algorithm, make_pace


def make_program(
    env: Environment, algorithm: Any, *, env_steps: int, test_interval: int, test_episodes: int, root: int
) -> Program | OnPolicyProgram:
    """The program of an algorithm on an environment.

    Args:
        env: the environment, unwrapped.
        algorithm: the configured algorithm.
        env_steps: budget of one run.
        test_interval: environment steps between evaluations, rounded to whole iterations.
        test_episodes: greedy episodes in an evaluation.
        root: root of all random streams.

    Raises:
        InputError: if the algorithm's fields contradict each other.
    """
    seen = for_algorithm(env, algorithm)

    def iterations(steps: int) -> int:
        return max(1, min(round(test_interval / steps), math.ceil(env_steps / steps)))

    if algorithm.on_policy:
        segment_pace = make_segment_pace(algorithm, seen.spec)
        return OnPolicyProgram(seen, segment_pace, iterations(segment_pace.steps), test_episodes, root)
    pace = make_pace(algorithm, seen.spec)
    return Program(seen, pace, iterations(pace.steps), test_episodes, root)
