"""`check_env`: does an environment, perhaps one that a user wrote, keep the contract of `protocol`?"""

import contextlib
import copy
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key

from jaxvf.envs.protocol import Environment, EnvParams, EnvSpec, EnvState, Outcome, View, where_done
from jaxvf.errors import InputError, unknown

NUM_ENVS = 8  # episodes side by side; two would do, more make random actions differ in short games
MIN_STEPS = 32
STORAGE = ("float32", "bfloat16", "uint8")
UINT8_MAX = 255

# How a function that needs concrete numbers fails when jit or vmap calls it.
TRACING_ERRORS = (
    jax.errors.ConcretizationTypeError,
    jax.errors.NonConcreteBooleanIndexError,
    jax.errors.TracerArrayConversionError,
    jax.errors.TracerIntegerConversionError,
)


def check_env(
    env: Environment,
    params: EnvParams | None = None,
    *,
    key: Key[Array, ""] | None = None,
    steps: int | None = None,
) -> None:
    """Check that `env` does what its spec says, by looking at its types and by a short random play.

    Shapes, dtypes and structures are read off without running anything. Then one compiled program plays
    uniformly random available actions in a few environments at once, starting anew where an episode ends, and
    every rule is checked at every step of it.

    Args:
        env: the environment.
        params: its numbers; default `env.default_params()`.
        key: random key; default `jax.random.key(0)`.
        steps: length of the random play; by default longer than an episode can be.

    Raises:
        InputError: one line that says which rule is broken, and what was found.
    """
    spec = _checked_spec(env)
    key = jax.random.key(0) if key is None else key
    again = env.default_params() if params is None else params
    params = env.default_params() if params is None else params
    steps = max(spec.limit_max + 1, MIN_STEPS) if steps is None else steps
    with _said_in_one_line(spec):
        _check_types(env, spec, key, params)
        for play in _plays(env, key, (params, again), steps):
            _check_play(spec, play)


def _checked_spec(env: Environment) -> EnvSpec:
    if not isinstance(env, Environment):
        raise InputError(f"{env!r} is not an Environment")
    try:
        hash(env)
    except TypeError as error:
        raise InputError(f"{type(env).__name__} is not hashable, so jit cannot take it: {error}") from error
    spec = env.spec
    for name in ("n_agents", "n_actions", "obs_dim", "state_dim", "limit_max"):
        if getattr(spec, name) < 1:
            raise InputError(f"{spec.name}: spec.{name}={getattr(spec, name)} is below 1")
    if spec.storage not in STORAGE:
        raise unknown(f"storage of {spec.name}", spec.storage, STORAGE)
    return spec


class _BrokenError(Exception):
    """A rule of the contract is broken; the message says which, and what was found."""


@contextlib.contextmanager
def _said_in_one_line(spec: EnvSpec) -> Iterator[None]:
    try:
        yield
    except _BrokenError as error:
        raise InputError(f"{spec.name}: {error}") from None
    except TRACING_ERRORS as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{spec.name}: init, transition and observe must work under jit and vmap: {reason}") from error


def _check_types(env: Environment, spec: EnvSpec, key: Key[Array, ""], params: EnvParams) -> None:
    """Shapes, dtypes and structures of everything the three functions return."""
    state = jax.eval_shape(env.init, key, params)
    view = jax.eval_shape(env.observe, state, params)
    if not isinstance(view, View):
        raise _BrokenError(f"observe must return a View, not {type(view).__name__}")
    actions = jax.eval_shape(lambda: random_actions(spec, key, jnp.ones((spec.n_agents, spec.n_actions), bool)))
    moved = jax.eval_shape(env.transition, key, state, actions, params)
    if not (isinstance(moved, tuple) and len(moved) == 2 and isinstance(moved[1], Outcome)):
        raise _BrokenError(f"transition must return (state, Outcome), not {type(moved).__name__}")
    _check_state_is_stable(state, moved[0])
    _check_view(spec, view)
    _check_outcome(spec, moved[1])


def _check_state_is_stable(state: EnvState, moved: EnvState) -> None:
    if change := state_change(state, moved, _described):
        raise _BrokenError(change)


def state_change(state: EnvState, moved: EnvState, described: Callable[[Any], str] = str) -> str | None:
    """What a step changes of the state's structure, shapes or dtypes, which no loop allows; None if nothing.

    Args:
        state: of `init`, as shapes.
        moved: of `transition`, as shapes.
        described: what of an array must stay.
    """
    before, after = jax.tree.structure(state), jax.tree.structure(moved)
    if before != after:
        return f"the state's structure must stay {before} of init; transition made it {after}"
    for (path, was), now in zip(jax.tree.leaves_with_path(state), jax.tree.leaves(moved), strict=True):
        if described(was) != described(now):
            name = jax.tree_util.keystr(path)
            return f"state{name} must stay {described(was)} of init; transition made it {described(now)}"
    return None


def _check_view(spec: EnvSpec, view: View) -> None:
    agents = spec.n_agents
    _check_leaf("view.obs", view.obs, (agents, spec.obs_dim), "float32")
    _check_leaf("view.state", view.state, (spec.state_dim,), "float32")
    _check_leaf("view.avail", view.avail, (agents, spec.n_actions), "bool")
    _check_leaf("view.alive", view.alive, (agents,), "bool")


def _check_outcome(spec: EnvSpec, outcome: Outcome) -> None:
    _check_leaf("outcome.reward", outcome.reward, (), "float32")
    if spec.agent_rewards:
        _check_leaf("outcome.agent_rewards", outcome.agent_rewards, (spec.n_agents,), "float32")
    elif outcome.agent_rewards is not None:
        raise _BrokenError("outcome.agent_rewards must be None by the spec, whose agent_rewards is False")
    _check_leaf("outcome.terminated", outcome.terminated, (), "bool")
    _check_leaf("outcome.truncated", outcome.truncated, (), "bool")
    if set(outcome.metrics) != set(spec.metric_names):
        raise _BrokenError(
            f"outcome.metrics must have the keys {sorted(spec.metric_names)} of spec.metric_names, "
            f"not {sorted(outcome.metrics)}"
        )
    for name, metric in outcome.metrics.items():
        _check_leaf(f"outcome.metrics[{name!r}]", metric, (), "float32")


def _check_leaf(name: str, leaf: Any, shape: tuple[int, ...], dtype: str) -> None:
    if not hasattr(leaf, "dtype"):
        raise _BrokenError(f"{name} must be an array, not {type(leaf).__name__}")
    if (leaf.shape, leaf.dtype.name) != (shape, dtype):
        raise _BrokenError(f"{name} must be {dtype} {shape} by the spec, not {leaf.dtype.name} {leaf.shape}")


def _described(leaf: Any) -> str:
    # jit compiles once more where a strong type becomes weak, as by `jnp.where(done, 0, 1)`.
    return f"{'weakly typed ' if leaf.weak_type else ''}{leaf.dtype} {leaf.shape}"


class _Play(NamedTuple):
    """What T steps of B environments showed; a step covers the view acted on and the view that it led to."""

    n_available: Int[Array, "T B N"]  # the fewer of both views
    finite: Bool[Array, "T B"]  # obs and state
    one_hot: Bool[Array, "T B"]  # every agent's obs
    uint8_loss: Float[Array, "T B"]  # largest distance of an obs or state entry from what uint8 can hold
    alike: Bool[Array, "T"]  # all B views are equal, and all B episodes end or go on
    reward: Float[Array, "T B"]
    agent_rewards: Float[Array, "T B N"] | None
    terminated: Bool[Array, "T B"]
    truncated: Bool[Array, "T B"]
    length: Int[Array, "T B"]  # of the episode, this step included


def _plays(env: Environment, key: Key[Array, ""], params: tuple[EnvParams, EnvParams], steps: int) -> list[_Play]:
    """Two random plays of equal environments and alike parameters, which must share one compiled program."""
    traces = 0

    def traced_play(env: Environment, key: Key[Array, ""], params: EnvParams) -> _Play:
        nonlocal traces
        traces += 1
        return _random_play(env, key, params, steps)

    program = jax.jit(traced_play, static_argnums=0)
    plays = []
    for player, play_key, numbers in zip((env, copy.copy(env)), jax.random.split(key), params, strict=True):
        plays.append(jax.tree.map(np.asarray, program(player, play_key, numbers)))
        if traces > 1:
            raise _BrokenError(
                "equal environments must share one compiled program; a copy of env, or a second call of "
                "env.default_params(), made jit trace again"
            )
    return plays


def _random_play(env: Environment, key: Key[Array, ""], params: EnvParams, steps: int) -> _Play:
    init, transition, observe = jax.vmap(env.init), jax.vmap(env.transition), jax.vmap(env.observe)
    numbers = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (NUM_ENVS, *jnp.shape(leaf))), params)
    first_key, play_key = jax.random.split(key)

    def step(carry: Any, key: Key[Array, ""]) -> tuple[Any, _Play]:
        states, length = carry
        act_key, step_keys, init_keys = _step_keys(key)
        view = observe(states, numbers)
        moved, outcome = transition(step_keys, states, random_actions(env.spec, act_key, view.avail), numbers)
        play = _examined(view, observe(moved, numbers), outcome, length + 1)
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


def _examined(view: View, reached: View, outcome: Outcome, length: Int[Array, "B"]) -> _Play:
    """The facts of one step of B environments."""
    obs = jnp.concatenate([view.obs, reached.obs], axis=1)  # [B, 2 N, O]
    features = jnp.concatenate([obs.reshape(NUM_ENVS, -1), view.state, reached.state], axis=1)
    storable = jnp.clip(jnp.round(features), 0, UINT8_MAX)
    alike = [(leaf == leaf[:1]).all() for leaf in jax.tree.leaves((view, reached, outcome.done))]
    return _Play(
        n_available=jnp.minimum(view.avail.sum(axis=-1), reached.avail.sum(axis=-1)),
        finite=jnp.isfinite(features).all(axis=-1),
        one_hot=(((obs == 0) | (obs == 1)).all(axis=-1) & (obs.sum(axis=-1) == 1)).all(axis=-1),
        uint8_loss=jnp.abs(features - storable).max(axis=-1),
        alike=jnp.stack(alike).all(),
        reward=outcome.reward,
        agent_rewards=outcome.agent_rewards,
        terminated=outcome.terminated,
        truncated=outcome.truncated,
        length=length,
    )


def _check_play(spec: EnvSpec, play: _Play) -> None:
    """Every rule that only playing can break."""
    for broken, rule in _rules(spec, play):
        places = np.argwhere(broken)
        if len(places):
            where = ", ".join(f"{axis} {at}" for axis, at in zip(("step", "env", "agent"), places[0], strict=False))
            raise _BrokenError(f"{rule} at {where} of the random play")


def _rules(spec: EnvSpec, play: _Play) -> Iterator[tuple[Any, str]]:
    """Where each rule is broken, [T], [T, B] or [T, B, N], and how to say it."""
    done = play.terminated | play.truncated
    yield play.n_available == 0, "every agent must always have an available action; there is none"
    yield ~play.finite, "obs and state must be finite; they are not"
    for name, rewards in (("reward", play.reward), ("agent_rewards", play.agent_rewards)):
        if rewards is not None:
            odd = ~np.isfinite(rewards)
            yield odd, f"{name} must be finite; found {rewards[odd][:1]}"
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
        whole = f"spec.storage='uint8' holds only whole numbers from 0 to {UINT8_MAX}"
        yield play.uint8_loss > 0, f"{whole}; obs or state is off by up to {loss:g}"
