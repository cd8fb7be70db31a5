"""Whole episodes of B environments in step: what value learners store, and what evaluation averages."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

from jaxvf.envs.protocol import Environment, EnvParams, View, where_done
from jaxvf.value.replay import Episodes

# (carry, view, key) -> actions [B or 1, N], or [B or 1, N, A] where they are continuous; carry
Policy = Callable[[Any, View, Key[Array, ""]], tuple[Array, Any]]


class EpisodeTotals(NamedTuple):
    """Sums over each of B episodes."""

    episode_return: Float[Array, "B"]
    episode_length: Int[Array, "B"]
    metrics: dict[str, Float[Array, "B"]]

    def means(self, prefix: str) -> dict[str, Float[Array, ""]]:
        """Averages over the episodes, each named `prefix` and what it is."""
        named = {"return": self.episode_return, "length": self.episode_length, **self.metrics}
        return {f"{prefix}_{name}": jnp.mean(value.astype(jnp.float32)) for name, value in named.items()}


class _Stage(NamedTuple):
    states: Any
    carry: Any
    done: Bool[Array, "B"]
    totals: EpisodeTotals


def rollout(
    env: Environment,
    params: EnvParams,
    policy: Policy,
    carry: Any,
    key: Key[Array, ""],
    num_envs: int,
    *,
    record: bool = True,
) -> tuple[Episodes | None, EpisodeTotals]:
    """Play one whole episode in each of `num_envs` environments.

    Args:
        env: the environment, of one instance.
        params: its numbers.
        policy: chooses joint actions; called once a frame, the final one included.
        carry: what the policy remembers before the first frame.
        key: random key of this call.
        num_envs: B.
        record: return the episodes; without it only their totals.
    """
    spec = env.spec
    init_key, step_key = jax.random.split(key)
    nothing = EpisodeTotals(
        jnp.zeros(num_envs), jnp.zeros(num_envs, jnp.int32), {name: jnp.zeros(num_envs) for name in spec.metric_names}
    )
    start = _Stage(env.init_batch(init_key, params, num_envs), carry, jnp.zeros(num_envs, bool), nothing)

    def frame(stage: _Stage, t: Int[Array, ""]) -> tuple[_Stage, Any]:
        act_key, env_key = jax.random.split(jax.random.fold_in(step_key, t))
        view = env.observe_batch(stage.states, params)
        actions, carry = policy(stage.carry, view, act_key)
        actions = jnp.broadcast_to(actions, (num_envs, *actions.shape[1:]))
        moved, outcome = env.transition_batch(env_key, stage.states, actions, params)
        filled = ~stage.done
        reward = jnp.where(filled, outcome.reward, 0.0)
        totals = EpisodeTotals(
            stage.totals.episode_return + reward,
            stage.totals.episode_length + filled,
            {
                name: stage.totals.metrics[name] + jnp.where(filled, outcome.metrics[name], 0.0)
                for name in nothing.metrics
            },
        )
        states = where_done(stage.done, stage.states, moved)
        seen = (_stored(view.obs, spec.storage), _stored(view.state, spec.storage), view.avail, actions)
        did = (reward, filled & outcome.terminated, filled & outcome.truncated, filled)
        return _Stage(states, carry, stage.done | outcome.done, totals), (seen, did) if record else None

    # Where a final view is stored, there is one frame more than steps: it only looks and acts. Everything is over by
    # then, so its step is void.
    last, frames = jax.lax.scan(frame, start, jnp.arange(spec.frames if record else spec.limit_max))
    if not record:
        return None, last.totals
    seen, did = frames
    return Episodes(*seen, *(leaf[: spec.limit_max] for leaf in did)), last.totals


def _stored(feature: Float[Array, "..."], dtype: str) -> Array:
    return feature.astype(dtype)
