"""`check_env`: does an environment, perhaps one that a user wrote, keep the contract of `protocol`?"""

import contextlib
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key

from jaxvf.envs.check_play import BrokenRuleError, check_play, random_actions, random_plays
from jaxvf.envs.protocol import Environment, EnvParams, EnvSpec, EnvState, Outcome, View
from jaxvf.errors import InputError, unknown

MIN_STEPS = 32
STORAGE = ("float32", "bfloat16", "uint8")

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
    most_steps: int | None = None,
) -> None:
    """Check that `env` does what its spec says, by looking at its types and by a short random play.

    Shapes, dtypes and structures are read off without running anything. Then one compiled program plays
    uniformly random available actions in a few environments at once, starting anew where an episode ends, and
    every rule is checked at every step of it.

    Args:
        env: the environment.
        params: its numbers; default `env.default_params()`.
        key: random key; default `jax.random.key(0)`.
        steps: length of the random play; by default longer than an episode can be. 0: nothing is compiled or played.
        most_steps: the most that this default may be.

    Raises:
        InputError: one line that says which rule is broken, and what was found.
    """
    if not isinstance(env, Environment):
        raise InputError(f"{env!r} is not an Environment")
    with _said_in_one_line(type(env).__name__, env):
        spec = _checked_spec(env)
    with _said_in_one_line(spec.name, env):
        key = jax.random.key(0) if key is None else key
        again = env.default_params() if params is None else params
        params = env.default_params() if params is None else params
        steps = max(spec.limit_max + 1, MIN_STEPS) if steps is None else steps
        steps = steps if most_steps is None else min(steps, most_steps)
        _check_params(params)
        _check_types(env, spec, key, params)
        for play in random_plays(env, key, (params, again), steps) if steps else ():
            check_play(spec, play)


def _checked_spec(env: Environment) -> EnvSpec:
    try:
        hash(env)
    except TypeError as error:
        raise InputError(f"{type(env).__name__} is not hashable, so jit cannot take it: {error}") from error
    spec = env.spec
    if not isinstance(spec, EnvSpec):
        raise BrokenRuleError(f"spec must be an EnvSpec, not {type(spec).__name__}")
    for name in ("n_agents", "n_actions", "obs_dim", "state_dim", "limit_max"):
        size = getattr(spec, name)
        if not isinstance(size, int):
            raise BrokenRuleError(f"spec.{name}={size!r} is not a whole number")
        if size < 1:
            raise InputError(f"{spec.name}: spec.{name}={size} is below 1")
    _check_own(spec)
    if spec.storage not in STORAGE:
        raise unknown(f"storage of {spec.name}", spec.storage, STORAGE)
    for name, spans, size in (("obs", spec.obs_spans, spec.obs_dim), ("state", spec.state_spans, spec.state_dim)):
        if len(spans) > size:
            raise BrokenRuleError(f"spec.{name}_spans has {len(spans)} entries, and spec.{name}_dim is {size}")
        odd = [span for span in spans if not (span.high > 0 and span.low in (0.0, -span.high))]
        if odd:
            raise BrokenRuleError(f"spec.{name}_spans: {tuple(odd[0])} neither begins at 0 nor has it in the middle")
    return spec


def _check_own(spec: EnvSpec) -> None:
    """What agents of different sizes have of padded observations and actions."""
    for name, own in (("own_obs", spec.own_obs), ("own_actions", spec.own_actions)):
        if own and len(own) != spec.n_agents:
            raise BrokenRuleError(f"spec.{name} is of {len(own)} agents, and spec.n_agents is {spec.n_agents}")
    for ranges in spec.own_obs:
        places = [0, *(place for pair in ranges for place in pair), spec.obs_dim]
        if not ranges or places != sorted(places) or any(first == last for first, last in ranges):
            raise BrokenRuleError(f"spec.own_obs has {ranges}, not ranges in order within obs_dim={spec.obs_dim}")
    for count in spec.own_actions:
        if not 1 <= count <= spec.n_actions:
            raise BrokenRuleError(f"spec.own_actions has {count}, not a number from 1 to n_actions={spec.n_actions}")


def _check_params(params: EnvParams) -> None:
    for path, leaf in jax.tree.leaves_with_path(params):
        if not np.isfinite(np.asarray(leaf, np.float64)).all():
            raise BrokenRuleError(f"default_params{jax.tree_util.keystr(path)} must be finite; it is {leaf}")


@contextlib.contextmanager
def _said_in_one_line(name: str, env: Environment) -> Iterator[None]:
    try:
        yield
    except BrokenRuleError as error:
        raise InputError(f"{name}: {error}") from None
    except InputError:
        raise
    except TRACING_ERRORS as error:
        rule = "init, transition and observe must work under jit and vmap"
        raise InputError(f"{name}: {rule}: {_reason(error)}") from error
    except Exception as error:  # an environment of a user's own may raise anything
        raise InputError(f"{name}: {_raiser(env, error)} raised {type(error).__name__}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    return (str(error).strip().splitlines() or ["no message"])[0]


def _raiser(env: Environment, error: Exception) -> str:
    """The outermost function of the environment, on the way to where `error` was raised."""
    own = {name for kind in type(env).__mro__ for name in vars(kind)} - set(vars(object))
    called = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
    return next((name for name in called if name in own and not name.startswith("_")), "it")


def _check_types(env: Environment, spec: EnvSpec, key: Key[Array, ""], params: EnvParams) -> None:
    """Shapes, dtypes and structures of everything the three functions return."""
    state = jax.eval_shape(env.init, key, params)
    view = jax.eval_shape(env.observe, state, params)
    if not isinstance(view, View):
        raise BrokenRuleError(f"observe must return a View, not {type(view).__name__}")
    actions = jax.eval_shape(lambda: random_actions(spec, key, jnp.ones((spec.n_agents, spec.n_actions), bool)))
    moved = jax.eval_shape(env.transition, key, state, actions, params)
    if not (isinstance(moved, tuple) and len(moved) == 2 and isinstance(moved[1], Outcome)):
        raise BrokenRuleError(f"transition must return (state, Outcome), not {type(moved).__name__}")
    _check_state_is_stable(state, moved[0])
    _check_view(spec, view)
    _check_outcome(spec, moved[1])


def _check_state_is_stable(state: EnvState, moved: EnvState) -> None:
    if change := state_change(state, moved, _described):
        raise BrokenRuleError(change)


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
        raise BrokenRuleError("outcome.agent_rewards must be None by the spec, whose agent_rewards is False")
    if spec.general_sum and not spec.agent_rewards:
        raise BrokenRuleError("spec.general_sum needs spec.agent_rewards, from which opponents can learn")
    _check_leaf("outcome.terminated", outcome.terminated, (), "bool")
    _check_leaf("outcome.truncated", outcome.truncated, (), "bool")
    if set(outcome.metrics) != set(spec.metric_names):
        raise BrokenRuleError(
            f"outcome.metrics must have the keys {sorted(spec.metric_names)} of spec.metric_names, "
            f"not {sorted(outcome.metrics)}"
        )
    for name, metric in outcome.metrics.items():
        _check_leaf(f"outcome.metrics[{name!r}]", metric, (), "float32")


def _check_leaf(name: str, leaf: Any, shape: tuple[int, ...], dtype: str) -> None:
    if not hasattr(leaf, "dtype"):
        raise BrokenRuleError(f"{name} must be an array, not {type(leaf).__name__}")
    if (leaf.shape, leaf.dtype.name) != (shape, dtype):
        raise BrokenRuleError(f"{name} must be {dtype} {shape} by the spec, not {leaf.dtype.name} {leaf.shape}")


def _described(leaf: Any) -> str:
    # jit compiles once more where a strong type becomes weak, as by `jnp.where(done, 0, 1)`.
    return f"{'weakly typed ' if leaf.weak_type else ''}{leaf.dtype} {leaf.shape}"
