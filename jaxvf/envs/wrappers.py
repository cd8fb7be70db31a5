"""Wrappers: each adds one thing to an environment and is again an environment."""

import dataclasses
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from jaxvf.envs.protocol import (
    Environment,
    EnvParams,
    EnvSpec,
    EnvState,
    JointAction,
    JointActions,
    Outcome,
    View,
    cut_at_limit,
)
from jaxvf.errors import InputError


class Wrapped(NamedTuple):
    """An inner state and what the wrapper remembers beside it."""

    inner: EnvState
    memory: Any


@dataclasses.dataclass(frozen=True)
class Wrapper(Environment):
    """Passes everything on, and calls three hooks that work for any leading axes `*b`: none, or B of a batch.

    A wrapper gives its `spec` and overrides the hooks for what it changes. Batches go through as batches, because an
    environment may have something faster than a vmap.

    Attributes:
        env: the environment inside.
        remembers: whether there is a memory; without one the state is the inner state as it is, and `memory` is None.
        draws: whether hooks use their key. Otherwise it is the one that the environment inside uses up.
    """

    env: Environment
    remembers: ClassVar[bool] = False
    draws: ClassVar[bool] = False

    def start(self, key: Key[Array, ""], *batch: int) -> Any:
        """Memory at the start of an episode; its leaves begin with the axes `batch`."""
        return None

    def after(self, key: Key[Array, ""], memory: Any, actions: Array, outcome: Outcome) -> tuple[Any, Outcome]:
        """Memory after a step, and what is told of the step."""
        return memory, outcome

    def change_view(self, view: View, memory: Any) -> View:
        """What is seen instead of `view`, whose leaves may have size 1 along B."""
        return view

    def default_params(self) -> EnvParams:
        return self.env.default_params()

    def check_params(self, params: EnvParams) -> None:
        self.env.check_params(params)

    def init(self, key: Key[Array, ""], params: EnvParams) -> EnvState:
        inner_key, own_key = self._keys(key)
        return self._wrapped(self.env.init(inner_key, params), self.start(own_key))

    def init_batch(self, key: Key[Array, ""], params: EnvParams, num_envs: int) -> EnvState:
        inner_key, own_key = self._keys(key)
        return self._wrapped(self.env.init_batch(inner_key, params, num_envs), self.start(own_key, num_envs))

    def transition(
        self, key: Key[Array, ""], state: EnvState, actions: JointAction, params: EnvParams
    ) -> tuple[EnvState, Outcome]:
        return self._step(self.env.transition, key, state, actions, params)

    def transition_batch(
        self, key: Key[Array, ""], states: EnvState, actions: JointActions, params: EnvParams
    ) -> tuple[EnvState, Outcome]:
        return self._step(self.env.transition_batch, key, states, actions, params)

    def observe(self, state: EnvState, params: EnvParams) -> View:
        inner, memory = self._parts(state)
        return self.change_view(self.env.observe(inner, params), memory)

    def observe_batch(self, states: EnvState, params: EnvParams) -> View:
        inner, memory = self._parts(states)
        return self.change_view(self.env.observe_batch(inner, params), memory)

    def _step(self, transition: Any, key: Key[Array, ""], state: EnvState, actions: Array, params: EnvParams) -> Any:
        inner_key, own_key = self._keys(key)
        inner, memory = self._parts(state)
        inner, outcome = transition(inner_key, inner, actions, params)
        memory, outcome = self.after(own_key, memory, actions, outcome)
        return self._wrapped(inner, memory), outcome

    def _keys(self, key: Key[Array, ""]) -> Any:
        return jax.random.split(key) if self.draws else (key, key)

    def _wrapped(self, inner: EnvState, memory: Any) -> EnvState:
        return Wrapped(inner, memory) if self.remembers else inner

    def _parts(self, state: EnvState) -> Any:
        return state if self.remembers else (state, None)


@dataclasses.dataclass(frozen=True)
class TimeLimit(Wrapper):
    """Truncates an episode after exactly `limit` steps, unless it ended earlier; the memory counts steps."""

    limit: int
    remembers: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.limit < 1:
            raise InputError(f"limit={self.limit} must be at least 1")

    @property
    def spec(self) -> EnvSpec:
        inner = self.env.spec
        if self.limit >= inner.limit_max:
            return inner
        return dataclasses.replace(inner, limit_max=self.limit, self_ending=False)

    def start(self, key: Key[Array, ""], *batch: int) -> Int[Array, "*b"]:
        return jnp.zeros(batch, jnp.int32)

    def after(self, key: Key[Array, ""], memory: Any, actions: Array, outcome: Outcome) -> tuple[Any, Outcome]:
        steps = memory + 1
        cut = cut_at_limit(outcome.terminated, steps, jnp.int32(self.limit))
        return steps, outcome._replace(truncated=outcome.truncated | cut)


@dataclasses.dataclass(frozen=True)
class AgentId(Wrapper):
    """Appends the agent's index, one-hot, to its observation."""

    @property
    def spec(self) -> EnvSpec:
        inner = self.env.spec
        return dataclasses.replace(
            _wider(inner, (inner.n_agents,) * inner.n_agents, inner.n_agents), one_hot_obs=False, agent_ids=True
        )

    def change_view(self, view: View, memory: None) -> View:
        identity = jnp.eye(self.env.spec.n_agents, dtype=view.obs.dtype)
        return _appended(view, jnp.broadcast_to(identity, (*view.obs.shape[:-1], len(identity))))


@dataclasses.dataclass(frozen=True)
class LastAction(Wrapper):
    """Appends the agent's previous action (one-hot where discrete) to its observation; zeros at the first step."""

    remembers: ClassVar[bool] = True

    @property
    def spec(self) -> EnvSpec:
        inner = self.env.spec
        # The view now depends on the actions taken, so it differs along B.
        return dataclasses.replace(
            _wider(inner, inner.action_dims, inner.n_actions), fixed_view=False, one_hot_obs=False, agent_ids=False
        )

    def start(self, key: Key[Array, ""], *batch: int) -> Float[Array, "*b N A"]:
        return jnp.zeros((*batch, self.env.spec.n_agents, self.env.spec.n_actions))

    def after(self, key: Key[Array, ""], memory: Any, actions: Array, outcome: Outcome) -> tuple[Any, Outcome]:
        spec = self.env.spec
        return actions if spec.continuous else jax.nn.one_hot(actions, spec.n_actions), outcome

    def change_view(self, view: View, memory: Float[Array, "*b N A"]) -> View:
        return _appended(_repeated(view, memory.shape[:-2]), memory)


@dataclasses.dataclass(frozen=True)
class OpenLoop(Wrapper):
    """Shows every agent the number of the step and its own index, both one-hot, and nothing else.

    The control of SMACv2 (Ellis et al. 2022, arXiv 2212.07489): what a policy earns here needs no observation, only a
    plan. Zeros instead of the step after the last one. State and masks stay as they are: critics and mixers are used in
    training alone, and a step needs an available action. What masks give away, such as whom a unit reaches, is left in.
    """

    remembers: ClassVar[bool] = True

    @property
    def spec(self) -> EnvSpec:
        inner = self.env.spec
        obs_dim = inner.limit_max + inner.n_agents
        return dataclasses.replace(inner, obs_dim=obs_dim, one_hot_obs=False, agent_ids=True, obs_spans=(), own_obs=())

    def start(self, key: Key[Array, ""], *batch: int) -> Int[Array, "*b"]:
        return jnp.zeros(batch, jnp.int32)

    def after(self, key: Key[Array, ""], memory: Any, actions: Array, outcome: Outcome) -> tuple[Any, Outcome]:
        return memory + 1, outcome

    def change_view(self, view: View, memory: Int[Array, "*b"]) -> View:
        spec, batch = self.env.spec, view.obs.shape[:-2]
        # A view that all environments share depends on the step alone, so they are all at the same one.
        steps = memory[: batch[0]] if batch else memory
        step = jax.nn.one_hot(steps, spec.limit_max, dtype=view.obs.dtype)[..., None, :]
        index = jnp.eye(spec.n_agents, dtype=view.obs.dtype)
        parts = (jnp.broadcast_to(part, (*batch, spec.n_agents, part.shape[-1])) for part in (step, index))
        return view._replace(obs=jnp.concatenate(list(parts), axis=-1))


@dataclasses.dataclass(frozen=True)
class NoiseState(Wrapper):
    """Replaces the state by independent standard normals, drawn anew at every step: a control for mixers
    that read it.

    Part of the environment, so that replay keeps the draw and online and target networks see the same one. Nothing but
    the view's state changes.
    """

    remembers: ClassVar[bool] = True
    draws: ClassVar[bool] = True

    @property
    def spec(self) -> EnvSpec:
        return dataclasses.replace(self.env.spec, fixed_view=False, storage="float32")

    def start(self, key: Key[Array, ""], *batch: int) -> Float[Array, "*b S"]:
        return jax.random.normal(key, (*batch, self.env.spec.state_dim))

    def after(self, key: Key[Array, ""], memory: Any, actions: Array, outcome: Outcome) -> tuple[Any, Outcome]:
        return jax.random.normal(key, memory.shape), outcome

    def change_view(self, view: View, memory: Float[Array, "*b S"]) -> View:
        return _repeated(view, memory.shape[:-1])._replace(state=memory)


class Earned(NamedTuple):
    """What an episode has earned so far, and in how many steps."""

    episode_return: Float[Array, "*b"]
    episode_length: Int[Array, "*b"]


@dataclasses.dataclass(frozen=True)
class EpisodeStatistics(Wrapper):
    """Adds `episode_return` and `episode_length` to the metrics: their final values at the last step, else zero.

    Zero before the end, because metrics are summed over an episode.
    """

    remembers: ClassVar[bool] = True

    @property
    def spec(self) -> EnvSpec:
        inner = self.env.spec
        return dataclasses.replace(inner, metric_names=(*inner.metric_names, *Earned._fields))

    def start(self, key: Key[Array, ""], *batch: int) -> Earned:
        return Earned(jnp.zeros(batch), jnp.zeros(batch, jnp.int32))

    def after(self, key: Key[Array, ""], memory: Any, actions: Array, outcome: Outcome) -> tuple[Any, Outcome]:
        now = Earned(memory.episode_return + outcome.reward, memory.episode_length + 1)
        totals = {name: jnp.where(outcome.done, jnp.float32(sofar), 0.0) for name, sofar in now._asdict().items()}
        return now, outcome._replace(metrics={**outcome.metrics, **totals})


def _wider(spec: EnvSpec, own: tuple[int, ...], width: int) -> EnvSpec:
    """`spec` with observations of `width` more entries at their end, of which each agent has the first `own`."""
    start, end = spec.obs_dim, spec.obs_dim + width
    before = spec.own_obs or (((0, start),),) * spec.n_agents
    ranges = tuple(_joined(*mine, (start, start + count)) for mine, count in zip(before, own, strict=True))
    everyones = all(mine == ((0, end),) for mine in ranges)
    return dataclasses.replace(spec, obs_dim=end, own_obs=() if everyones else ranges)


def _joined(*ranges: tuple[int, int]) -> tuple[tuple[int, int], ...]:
    """The same places in as few ranges as possible."""
    joined: list[tuple[int, int]] = []
    for first, last in ranges:
        if joined and joined[-1][1] == first:
            first = joined.pop()[0]
        joined.append((first, last))
    return tuple(joined)


def _appended(view: View, features: Float[Array, "*b N F"]) -> View:
    return view._replace(obs=jnp.concatenate([view.obs, features], axis=-1))


def _repeated(view: View, batch: tuple[int, ...]) -> View:
    """A view that all environments share, once for each."""
    return jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (*batch, *leaf.shape[len(batch) :])), view)
