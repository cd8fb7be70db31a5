"""Any JaxMARL environment as a jaxvf environment; the way back is `to_jaxmarl`."""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key

from jaxvf.envs.jaxmarl_names import Options, built, label_of, parse
from jaxvf.envs.jaxmarl_pictures import scene_of
from jaxvf.envs.jaxmarl_rules import Rules, Step, is_general_sum, rules_of
from jaxvf.envs.pictures import Scene
from jaxvf.envs.protocol import Environment, EnvParams, EnvSpec, Outcome, View, cut_at_limit, strongly_typed
from jaxvf.errors import InputError
from jaxvf.hyperparameters import hyperparameters

SMALL_INTEGERS = ("uint8", "bool")  # what replay can hold in uint8 without loss


@hyperparameters
class NoParams:
    """JaxMARL keeps an environment's numbers in the environment: there is nothing to sweep but its fields."""


class Features(NamedTuple):
    """What JaxMARL returns to look at, stacked in the order of `env.agents` and padded with zeros."""

    obs: Float[Array, "N O"]
    state: Float[Array, "S"]


class FromJaxMARLState(NamedTuple):
    """A JaxMARL state, what it does not hold itself, and the step count."""

    inner: Any
    features: Features | None  # kept only where they cannot be computed from `inner` alone, as in Hanabi
    t: Int[Array, ""]


@dataclasses.dataclass(frozen=True)
class FromJaxMARL(Environment):
    """A JaxMARL environment, stepped by its `step_env`: nothing resets inside, and the terminal observation is kept.

    - Observation: JaxMARL's, flattened; zeros after an agent's own features where agents differ in size, which
      `EnvSpec.own_obs` and `own_actions` tell.
    - State: `get_world_state` or `obs["world_state"]` where there is one, else all observations in a row.
    - Actions: JaxMARL's, with its mask where it has one; what an agent lacks of the largest action set is masked.
      Continuous actions are cut to each agent's box.
    - Reward: the mean of JaxMARL's, which are one per agent; `agent_rewards` are those. Where agents work against each
      other (`EnvSpec.general_sum`), a sweep warns of learners that take the mean.
    - Ends: when JaxMARL says so; `jaxmarl_rules` says whether that is a termination or the time limit.
    - Metrics: `won` for SMAX.

    JaxMARL's MPE and SMAX end one step after their declared limit (26 of 25 steps, 101 of 100).

    Attributes:
        env: a name that JaxMARL registers, or a JaxMARL environment.
        options: arguments of the constructor, with a name; also accepted as a dictionary or, from JSON, as lists.
        exact_limit: cut an episode after exactly the declared number of steps; by default as JaxMARL does.
    """

    env: Any
    options: Options | Mapping[str, Any] | Sequence[Sequence[Any]] = ()
    exact_limit: bool = False

    def __post_init__(self):
        object.__setattr__(self, "options", _hashable_options(self.options))
        if self.options and not isinstance(self.env, str):
            given = dict(_hashable_options(self.options))
            raise InputError(f"options={given} go with a name, not with an environment already made")
        _bridge(self)  # whatever is wrong is said here

    @property
    def spec(self) -> EnvSpec:
        return _bridge(self).spec

    def default_params(self) -> NoParams:
        return NoParams()

    def init(self, key: Key[Array, ""], params: EnvParams) -> FromJaxMARLState:
        bridge = _bridge(self)
        obs, inner = bridge.env.reset(key)
        return bridge.state(inner, obs, jnp.int32(0))

    def transition(
        self,
        key: Key[Array, ""],
        state: FromJaxMARLState,
        actions: Int[Array, "N"] | Float[Array, "N d"],
        params: EnvParams,
    ) -> tuple[FromJaxMARLState, Outcome]:
        bridge, rules = _bridge(self), _bridge(self).rules
        obs, inner, rewards, dones, info = bridge.env.step_env(key, state.inner, bridge.split(actions))
        t = state.t + 1
        step = Step(state.inner, actions, inner, info, t)
        over = dones["__all__"]
        terminated = over & rules.terminates(step)
        truncated = over & ~terminated
        if self.exact_limit:
            truncated |= cut_at_limit(terminated, t, jnp.int32(rules.limit))
        agent_rewards = jnp.stack([rewards[agent] for agent in bridge.env.agents]).astype(jnp.float32)
        outcome = Outcome(
            reward=agent_rewards.mean(),
            terminated=terminated,
            truncated=truncated,
            metrics={name: read(step).astype(jnp.float32) for name, read in rules.metrics.items()},
            agent_rewards=agent_rewards,
        )
        return bridge.state(inner, obs, t), outcome

    def observe(self, state: FromJaxMARLState, params: EnvParams) -> View:
        bridge = _bridge(self)
        features = state.features or bridge.look(state.inner)
        return View(features.obs, features.state, bridge.available(state.inner), bridge.alive(state.inner))

    def picture(self, state: FromJaxMARLState, params: EnvParams) -> Scene:
        """What is where, or else what the agents see."""
        return scene_of(_bridge(self).env, state.inner, lambda: np.asarray(_observing(self)(state, params).obs))


@functools.cache
def _observing(adapter: FromJaxMARL) -> Callable[[FromJaxMARLState, EnvParams], View]:
    return jax.jit(adapter.observe)


@dataclasses.dataclass(frozen=True, eq=False)
class _Bridge:
    """A JaxMARL environment and everything about it that does not change, worked out once."""

    env: Any
    spec: EnvSpec
    rules: Rules
    boxes: tuple[Any, ...]  # the action space of each agent where actions are continuous, else ()
    n_actions: tuple[int, ...]  # of each agent; where continuous, entries of its vector
    mask: str | None  # the method that tells which actions are available
    world: str | None  # the method that gives the state
    keeps_features: bool

    def split(self, actions: Int[Array, "N"] | Float[Array, "N d"]) -> dict[str, Array]:
        """The joint action by agent."""
        if not self.boxes:
            return {agent: actions[index] for index, agent in enumerate(self.env.agents)}
        return {
            agent: jnp.clip(actions[index, : box.shape[0]], box.low, box.high)
            for index, (agent, box) in enumerate(zip(self.env.agents, self.boxes, strict=True))
        }

    def state(self, inner: Any, obs: dict[str, Array], t: Int[Array, ""]) -> FromJaxMARLState:
        features = self.features(obs, inner) if self.keeps_features else None
        return FromJaxMARLState(strongly_typed(inner), features, t)

    def look(self, inner: Any) -> Features:
        """The features of a state, from the state alone."""
        return self.features(self.env.get_obs(inner), inner)

    def features(self, obs: dict[str, Array], inner: Any) -> Features:
        rows = [jnp.ravel(obs[agent]).astype(jnp.float32) for agent in self.env.agents]
        if self.world is not None:
            world = jnp.ravel(getattr(self.env, self.world)(inner)).astype(jnp.float32)
        else:
            world = obs.get("world_state", jnp.concatenate(rows))
        stacked = jnp.stack([jnp.pad(row, (0, self.spec.obs_dim - len(row))) for row in rows])
        return Features(stacked, jnp.ravel(world).astype(jnp.float32))

    def available(self, inner: Any) -> Bool[Array, "N A"]:
        own = np.arange(self.spec.n_actions) < np.array(self.n_actions)[:, None]
        if self.mask is None:
            return jnp.asarray(own)
        masks = getattr(self.env, self.mask)(inner)
        rows = [jnp.pad(masks[agent] != 0, (0, self.spec.n_actions - len(masks[agent]))) for agent in self.env.agents]
        return jnp.stack(rows) & own

    def alive(self, inner: Any) -> Bool[Array, "N"]:
        return self.rules.alive(inner) if self.rules.alive else jnp.ones(self.spec.n_agents, bool)


@functools.cache
def _bridge(adapter: FromJaxMARL) -> _Bridge:
    """The bridge of an adapter; equal adapters share it, and with it what JaxMARL has compiled."""
    named = isinstance(adapter.env, str)
    options = cast(Options, adapter.options)  # since `__post_init__`
    env = built(adapter.env, options) if named else adapter.env
    for method in ("reset", "step_env", "agents"):
        if not hasattr(env, method):
            raise InputError(f"{env!r} is neither the name of a JaxMARL environment nor one: it has no {method}")
    label = label_of(adapter.env if named else getattr(env, "name", type(env).__name__), options)
    rules = rules_of(env)
    obs, inner = jax.eval_shape(env.reset, jax.random.key(0))
    bare = [agent for agent in env.agents if not hasattr(obs.get(agent), "shape")]
    if bare:
        raise InputError(f"{label}: the observation of {bare[0]} is {obs.get(bare[0])!r}, not an array")
    boxes, n_actions = _action_spaces(label, env)
    world = "get_world_state" if hasattr(_shape_of(env, "get_world_state", inner), "shape") else None
    sees = _shape_of(env, "get_obs", inner) is not None
    state = _shape_of(env, "get_world_state", inner) if world else obs.get("world_state")
    leaves = [obs[agent] for agent in env.agents] + ([state] if state is not None else [])
    sizes = [int(np.prod(leaf.shape)) for leaf in leaves]
    own = sizes[: len(env.agents)]
    spec = EnvSpec(
        name=label,
        version=1,
        n_agents=len(env.agents),
        n_actions=max(n_actions),
        obs_dim=max(own),
        state_dim=sizes[-1] if state is not None else sum(sizes),
        limit_max=rules.limit if adapter.exact_limit else rules.longest,
        metric_names=tuple(rules.metrics),
        self_ending=rules.self_ending,
        fixed_length=rules.fixed_length,
        storage="uint8" if all(leaf.dtype.name in SMALL_INTEGERS for leaf in leaves) else "float32",
        continuous=bool(boxes),
        agent_rewards=True,
        general_sum=is_general_sum(env),
        own_obs=tuple(((0, size),) for size in own) if len(set(own)) > 1 else (),
        own_actions=n_actions if len(set(n_actions)) > 1 else (),
    )
    return _Bridge(
        env=env,
        spec=spec,
        rules=rules,
        boxes=boxes,
        n_actions=n_actions,
        mask=None if boxes else _mask_method(env, inner, n_actions),
        world=world,
        keeps_features=not sees or (world is None and "world_state" in obs),
    )


def _action_spaces(label: str, env: Any) -> tuple[tuple[Any, ...], tuple[int, ...]]:
    """The boxes of continuous actions, or (), and how many actions (entries of a vector) each agent has."""
    spaces = [env.action_space(agent) for agent in env.agents]
    if all(hasattr(space, "n") for space in spaces):
        return (), tuple(int(space.n) for space in spaces)
    if all(hasattr(space, "low") and len(space.shape) == 1 for space in spaces):
        return tuple(spaces), tuple(space.shape[0] for space in spaces)
    raise InputError(f"{label}: actions must be all discrete, or all vectors of real numbers")


def _mask_method(env: Any, inner: Any, n_actions: tuple[int, ...]) -> str | None:
    """The method whose masks fit the actions. JaxNav's do not."""
    for name in ("get_avail_actions", "get_legal_moves"):
        masks = _shape_of(env, name, inner)
        if masks is not None and [masks[agent].shape for agent in env.agents] == [(n,) for n in n_actions]:
            return name
    return None


def _shape_of(env: Any, method: str, inner: Any) -> Any:
    """Shapes of what a method returns for a state; None where it does not exist or wants more than the state."""
    try:
        return jax.eval_shape(getattr(env, method), inner)
    except (AttributeError, NotImplementedError, TypeError):
        return None


def _hashable_options(options: Any) -> Options:
    pairs = options.items() if isinstance(options, Mapping) else options
    found = tuple(sorted((str(name), _hashable(value)) for name, value in pairs))
    for name, value in found:
        try:
            hash(value)
        except TypeError as error:
            raise InputError(f"option {name}={value!r} is not hashable; make the environment and give that") from error
    return found


def _hashable(value: Any) -> Any:
    return tuple(_hashable(item) for item in value) if isinstance(value, list) else value


def from_name(text: str) -> FromJaxMARL:
    """What `jaxmarl/NAME` or `jaxmarl/NAME:option=value,...` stands for; `text` is what follows the slash.

    `exact_limit=True` among the options is the adapter's own.

    Raises:
        InputError: as the adapter does.
    """
    name, options = parse(text)
    exact_limit = options.pop("exact_limit", False)
    if not isinstance(exact_limit, bool):
        raise InputError(f"exact_limit={exact_limit!r} is not True or False")
    return FromJaxMARL(name, options, exact_limit)
