"""Greedy evaluation: averages over a fixed number of whole episodes, played side by side."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

from jaxvf.envs.protocol import Environment, EnvParams
from jaxvf.envs.wrappers import EpisodeStatistics
from jaxvf.training.rollout import Player, Stage, Sums

Played = tuple[Int[Array, ""], Stage, dict[str, Float[Array, "R"]]]  # frames so far, of all runs


def evaluate(
    algorithm: Any, params: Any, env: Environment, env_params: EnvParams, keys: Key[Array, "R"], episodes: int
) -> dict[str, Float[Array, "R"]]:
    """Mean return, length and environment metrics of exactly `episodes` greedy episodes of every run.

    Every episode counts once, however long it is: averaging over what ends inside a window would favour short ones.
    Written for all runs: so the loop, which ends with the last episode of any of them, has a scalar condition.
    """
    player = Player(EpisodeStatistics(env), episodes, restart=False)

    def begin(algorithm: Any, env_params: EnvParams, key: Key[Array, ""]) -> tuple[Stage, Key[Array, ""]]:
        init_key, step_key = jax.random.split(key)
        return player.begin(env_params, algorithm.initial_carry(player.carry_batch), init_key), step_key

    def frame(
        algorithm: Any, params: Any, env_params: EnvParams, stage: Stage, key: Key[Array, ""], t: Int[Array, ""]
    ) -> tuple[Stage, Sums]:
        def policy(carry: Any, view: Any, _states: Any, _key: Any) -> tuple[Array, Any, Any]:
            return *algorithm.greedy(params, carry, view), ()

        stage, _, sums = player.frame(env_params, policy, stage, jax.random.fold_in(key, t))
        return stage, sums

    stage, step_keys = jax.vmap(begin)(algorithm, env_params, keys)
    frames = jax.vmap(frame, in_axes=(0, 0, 0, 0, 0, None))

    def one_more(carried: Played) -> Played:
        t, stage, sums = carried
        stage, more = frames(algorithm, params, env_params, stage, step_keys, t)
        return t + 1, stage, jax.tree.map(jnp.add, sums, more)

    def unfinished(carried: Played) -> Bool[Array, ""]:
        return (carried[0] < env.spec.limit_max) & ~jnp.all(carried[1].over)

    shapes = jax.eval_shape(lambda: frames(algorithm, params, env_params, stage, step_keys, jnp.int32(0))[1])
    start = (jnp.int32(0), stage, jax.tree.map(lambda shape: jnp.zeros(shape.shape, shape.dtype), shapes))
    if env.spec.fixed_length:  # a loop of known length, which compiles to less
        limit = env.spec.limit_max
        _, _, sums = jax.lax.fori_loop(0, limit, lambda _, carried: one_more(carried), start, unroll=limit == 1)
    else:
        _, _, sums = jax.lax.while_loop(unfinished, one_more, start)
    count = sums.pop("episodes")
    del sums["steps"]
    return {f"test_{name.removeprefix('episode_')}": total / count for name, total in sums.items()}
