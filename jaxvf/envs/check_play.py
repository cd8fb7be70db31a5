"""The short random play of `check_env`, and the rules that only playing can break."""

import copy
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key

from jaxvf.envs.protocol import Environment, EnvParams, EnvSpec, Outcome, View, where_done
from jaxvf.envs.storage import LARGEST

NUM_ENVS = 8  # episodes side by side; two would do, more make random actions differ in short games


class BrokenRuleError(Exception):
    """A rule of the contract is broken; the message says which, and what was found."""


class Play(NamedTuple):
    """What T steps of B environments showed; a step covers the view acted on and the view that it led to."""

    n_available: Int[Array, "T B N"]  # the fewer of both views
    lacking: Bool[Array, "T B N"]  # an action is available that the agent does not have
    finite: Bool[Array, "T B"]  # obs and state
    one_hot: Bool[Array, "T B"]  # every agent's obs
    uint8_loss: Float[Array, "T B"]  # largest distance of an obs or state entry from what uint8 can hold, unrounded
    alike: Bool[Array, "T"]  # all B views are equal, and all B episodes end or go on
    reward: Float[Array, "T B"]
    agent_rewards: Float[Array, "T B N"] | None
    metrics: dict[str, Float[Array, "T B"]]
    terminated: Bool[Array, "T B"]
    truncated: Bool[Array, "T B"]
    length: Int[Array, "T B"]  # of the episode, this step included


def random_plays(env: Environment, key: Key[Array, ""], params: tuple[EnvParams, EnvParams], steps: int) -> list[Play]:
    """Two random plays of equal environments and alike parameters, which must share one compiled program."""
    traces = 0

    def traced_play(env: Environment, key: Key[Array, ""], params: EnvParams) -> Play:
        nonlocal traces
        traces += 1
        return _random_play(env, key, params, steps)

    program = jax.jit(traced_play, static_argnums=0)
    plays = []
    for player, play_key, numbers in zip((env, copy.copy(env)), jax.random.split(key), params, strict=True):
        plays.append(jax.tree.map(np.asarray, program(player, play_key, numbers)))
        if traces > 1:
            raise BrokenRuleError(
                "equal environments must share one compiled program; a copy of env, or a second call of "
                "env.default_params(), made jit trace again"
            )
    return plays


def _random_play(env: Environment, key: Key[Array, ""], params: EnvParams, steps: int) -> Play:
    init, transition, observe = jax.vmap(env.init), jax.vmap(env.transition), jax.vmap(env.observe)
    numbers = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (NUM_ENVS, *jnp.shape(leaf))), params)
    first_key, play_key = jax.random.split(key)

    def step(carry: Any, key: Key[Array, ""]) -> tuple[Any, Play]:
        states, length = carry
        act_key, step_keys, init_keys = _step_keys(key)
        view = observe(states, numbers)
        moved, outcome = transition(step_keys, states, random_actions(env.spec, act_key, view.avail), numbers)
        play = _examined(env.spec, view, observe(moved, numbers), outcome, length + 1)
        states = where_done(outcome.done, init(init_keys, numbers), moved)
        return (states, jnp.where(outcome.done, 0, length + 1)), play

    start = init(jax.random.split(first_key, NUM_ENVS), numbers), jnp.zeros(NUM_ENVS, jnp.int32)
    return jax.lax.scan(step, start, jax.random.split(play_key, steps))[1]


def random_actions(spec: EnvSpec, key: Key[Array, ""], avail: Bool[Array, "*b N A"]) -> Array:
    """Uniformly random available actions [*b, N], or standard normal ones [*b, N, A] where they are continuous."""
    if spec.continuous:
        return jnp.where(avail, jax.random.normal(key, avail.shape), 0.0)
    return jax.random.categorical(key, jnp.where(avail, 0.0, jnp.finfo(jnp.float32).min)).astype(jnp.int32)


def _step_keys(key: Key[Array, ""]) -> tuple[Key[Array, ""], Key[Array, "B"], Key[Array, "B"]]:
    act_key, step_key, init_key = jax.random.split(key, 3)
    return act_key, jax.random.split(step_key, NUM_ENVS), jax.random.split(init_key, NUM_ENVS)


def _examined(spec: EnvSpec, view: View, reached: View, outcome: Outcome, length: Int[Array, "B"]) -> Play:
    """The facts of one step of B environments."""
    obs = jnp.concatenate([view.obs, reached.obs], axis=1)  # [B, 2 N, O]
    features = jnp.concatenate([obs.reshape(NUM_ENVS, -1), view.state, reached.state], axis=1)
    lost = (spec.obs_storage.lost(obs), spec.state_storage.lost(jnp.stack([view.state, reached.state], axis=1)))
    owned = np.arange(spec.n_actions) < np.array(spec.action_dims)[:, None]
    alike = [(leaf == leaf[:1]).all() for leaf in jax.tree.leaves((view, reached, outcome.done))]
    return Play(
        n_available=jnp.minimum(view.avail.sum(axis=-1), reached.avail.sum(axis=-1)),
        lacking=((view.avail | reached.avail) & ~owned).any(axis=-1),
        finite=jnp.isfinite(features).all(axis=-1),
        one_hot=(((obs == 0) | (obs == 1)).all(axis=-1) & (obs.sum(axis=-1) == 1)).all(axis=-1),
        uint8_loss=jnp.maximum(*(part.max(axis=(1, 2)) for part in lost)),
        alike=jnp.stack(alike).all(),
        reward=outcome.reward,
        agent_rewards=outcome.agent_rewards,
        metrics=outcome.metrics,
        terminated=outcome.terminated,
        truncated=outcome.truncated,
        length=length,
    )


def check_play(spec: EnvSpec, play: Play) -> None:
    """Every rule that only playing can break."""
    for broken, rule in _rules(spec, play):
        places = np.argwhere(broken)
        if len(places):
            where = ", ".join(f"{axis} {at}" for axis, at in zip(("step", "env", "agent"), places[0], strict=False))
            raise BrokenRuleError(f"{rule} at {where} of the random play")


def _rules(spec: EnvSpec, play: Play) -> Iterator[tuple[Any, str]]:
    """Where each rule is broken, [T], [T, B] or [T, B, N], and how to say it."""
    done = play.terminated | play.truncated
    yield play.n_available == 0, "every agent must always have an available action; there is none"
    yield play.lacking, "spec.own_actions denies an agent an action that is available"
    yield ~play.finite, "obs and state must be finite; they are not"
    named = {"reward": play.reward, "agent_rewards": play.agent_rewards}
    for name, values in (named | {f"metrics[{name!r}]": values for name, values in play.metrics.items()}).items():
        if values is not None:
            odd = ~np.isfinite(values)
            yield odd, f"{name} must be finite; found {values[odd][:1]}"
    yield play.terminated & play.truncated, "terminated and truncated must never be both true; they are"
    overdue = (play.length >= spec.limit_max) & ~done
    yield overdue, f"every episode must end within spec.limit_max={spec.limit_max} steps; one goes on"
    if spec.self_ending:
        yield play.truncated, "spec.self_ending says that no episode is truncated; one is"
    if spec.fixed_length:
        early = done & (play.length < spec.limit_max)
        yield early, f"spec.fixed_length says that every episode lasts {spec.limit_max} steps; one ends"
    if spec.fixed_view:
        yield (
            ~play.alike,
            "spec.fixed_view says that views and ends depend on the step count alone; they differ",
        )
    if spec.one_hot_obs:
        yield ~play.one_hot, "spec.one_hot_obs says that every observation is one-hot; one is not"
    if spec.storage == "uint8":
        loss = play.uint8_loss.max()
        held = f"spec.storage='uint8' holds only whole numbers from 0 to {LARGEST}, and what lies in the spec's spans"
        yield play.uint8_loss > 0, f"{held}; obs or state is off by up to {loss:g}"
