"""Greedy evaluation: averages over a fixed number of whole episodes, played side by side."""

from typing import Any

from jaxtyping import Array, Float, Key

from jaxvf.envs.protocol import Environment, EnvParams
from jaxvf.training.rollout import rollout


def evaluate(
    algorithm: Any, params: Any, env: Environment, env_params: EnvParams, key: Key[Array, ""], episodes: int
) -> dict[str, Float[Array, ""]]:
    """Mean return, length and environment metrics of exactly `episodes` greedy episodes of one run.

    Every episode counts once, however long it is: averaging over what ends inside a window would favour short ones.
    """

    def policy(carry: Any, view: Any, _: Key[Array, ""]) -> tuple[Array, Any]:
        return algorithm.greedy(params, carry, view)

    carry = algorithm.initial_carry(carry_batch(env, episodes))
    _, totals = rollout(env, env_params, policy, carry, key, episodes, record=False)
    return totals.means("test")


def carry_batch(env: Environment, num_envs: int) -> tuple[int, int]:
    """Leading axes (B, N) of what the agents remember; B is 1 where all environments look alike."""
    return (1 if env.spec.fixed_view else num_envs), env.spec.n_agents
