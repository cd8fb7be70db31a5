"""Wrappers: each adds one thing to an environment and is again an environment."""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from jaxvf.envs.protocol import Environment, EnvParams, EnvSpec, EnvState, Outcome, View, cut_at_limit
from jaxvf.errors import InputError


@dataclasses.dataclass(frozen=True)
class Wrapper(Environment):
    """Passes everything on; subclasses override what they change."""

    env: Environment

    @property
    def spec(self) -> EnvSpec:
        return self.env.spec

    def default_params(self) -> EnvParams:
        return self.env.default_params()

    def init(self, key: Key[Array, ""], params: EnvParams) -> EnvState:
        return self.env.init(key, params)

    def transition(
        self, key: Key[Array, ""], state: EnvState, actions: Int[Array, "N"], params: EnvParams
    ) -> tuple[EnvState, Outcome]:
        return self.env.transition(key, state, actions, params)

    def observe(self, state: EnvState, params: EnvParams) -> View:
        return self.env.observe(state, params)

    # Batches go through as batches: an environment may have something faster than a vmap.
    def init_batch(self, key: Key[Array, ""], params: EnvParams, num_envs: int) -> EnvState:
        return self.env.init_batch(key, params, num_envs)

    def transition_batch(
        self, key: Key[Array, ""], states: EnvState, actions: Int[Array, "B N"], params: EnvParams
    ) -> tuple[EnvState, Outcome]:
        return self.env.transition_batch(key, states, actions, params)

    def observe_batch(self, states: EnvState, params: EnvParams) -> View:
        return self.env.observe_batch(states, params)


class Counted(NamedTuple):
    """An inner state and the number of steps since its episode began."""

    inner: EnvState
    steps: Int[Array, ""]


@dataclasses.dataclass(frozen=True)
class TimeLimit(Wrapper):
    """Truncates an episode after exactly `limit` steps, unless it ended earlier."""

    limit: int

    def __post_init__(self) -> None:
        if self.limit < 1:
            raise InputError(f"limit={self.limit} must be at least 1")

    @property
    def spec(self) -> EnvSpec:
        inner = self.env.spec
        if self.limit >= inner.limit_max:
            return inner
        return dataclasses.replace(inner, limit_max=self.limit, self_ending=False)

    def init(self, key: Key[Array, ""], params: EnvParams) -> Counted:
        return Counted(self.env.init(key, params), jnp.int32(0))

    def transition(
        self, key: Key[Array, ""], state: Counted, actions: Int[Array, "N"], params: EnvParams
    ) -> tuple[Counted, Outcome]:
        return self._count(state, *self.env.transition(key, state.inner, actions, params))

    def observe(self, state: Counted, params: EnvParams) -> View:
        return self.env.observe(state.inner, params)

    def init_batch(self, key: Key[Array, ""], params: EnvParams, num_envs: int) -> Counted:
        return Counted(self.env.init_batch(key, params, num_envs), jnp.zeros(num_envs, jnp.int32))

    def transition_batch(
        self, key: Key[Array, ""], states: Counted, actions: Int[Array, "B N"], params: EnvParams
    ) -> tuple[Counted, Outcome]:
        return self._count(states, *self.env.transition_batch(key, states.inner, actions, params))

    def observe_batch(self, states: Counted, params: EnvParams) -> View:
        return self.env.observe_batch(states.inner, params)

    def _count(self, state: Counted, inner: EnvState, outcome: Outcome) -> tuple[Counted, Outcome]:
        steps = state.steps + 1
        cut = cut_at_limit(outcome.terminated, steps, jnp.int32(self.limit))
        return Counted(inner, steps), outcome._replace(truncated=outcome.truncated | cut)


@dataclasses.dataclass(frozen=True)
class AgentId(Wrapper):
    """Appends the agent's index, one-hot, to its observation."""

    @property
    def spec(self) -> EnvSpec:
        inner = self.env.spec
        return dataclasses.replace(inner, obs_dim=inner.obs_dim + inner.n_agents, one_hot_obs=False, agent_ids=True)

    def observe(self, state: EnvState, params: EnvParams) -> View:
        return self._name(self.env.observe(state, params))

    def observe_batch(self, states: EnvState, params: EnvParams) -> View:
        return self._name(self.env.observe_batch(states, params))

    def _name(self, view: View) -> View:
        n_agents = self.env.spec.n_agents
        identity = jnp.eye(n_agents, dtype=view.obs.dtype)
        identity = jnp.broadcast_to(identity, (*view.obs.shape[:-1], n_agents))
        return view._replace(obs=jnp.concatenate([view.obs, identity], axis=-1))


class Remembering(NamedTuple):
    """An inner state and the joint action that led to it, one-hot; zeros at the start of an episode."""

    inner: EnvState
    last_action: Float[Array, "N A"]


@dataclasses.dataclass(frozen=True)
class LastAction(Wrapper):
    """Appends the agent's previous action (one-hot where discrete) to its observation; zeros at the first step."""

    @property
    def spec(self) -> EnvSpec:
        inner = self.env.spec
        # The view now depends on the actions taken, so it differs along B.
        return dataclasses.replace(
            inner,
            obs_dim=inner.obs_dim + inner.n_actions,
            fixed_view=False,
            one_hot_obs=False,
            agent_ids=False,
        )

    def init(self, key: Key[Array, ""], params: EnvParams) -> Remembering:
        spec = self.env.spec
        return Remembering(self.env.init(key, params), jnp.zeros((spec.n_agents, spec.n_actions)))

    def transition(
        self, key: Key[Array, ""], state: Remembering, actions: Int[Array, "N"], params: EnvParams
    ) -> tuple[Remembering, Outcome]:
        inner, outcome = self.env.transition(key, state.inner, actions, params)
        spec = self.env.spec
        last = actions if spec.continuous else jax.nn.one_hot(actions, spec.n_actions)
        return Remembering(inner, last), outcome

    def observe(self, state: Remembering, params: EnvParams) -> View:
        view = self.env.observe(state.inner, params)
        return view._replace(obs=jnp.concatenate([view.obs, state.last_action], axis=-1))

    def init_batch(self, key: Key[Array, ""], params: EnvParams, num_envs: int) -> Remembering:
        spec = self.env.spec
        nothing = jnp.zeros((num_envs, spec.n_agents, spec.n_actions))
        return Remembering(self.env.init_batch(key, params, num_envs), nothing)

    def transition_batch(
        self, key: Key[Array, ""], states: Remembering, actions: Int[Array, "B N"], params: EnvParams
    ) -> tuple[Remembering, Outcome]:
        inner, outcome = self.env.transition_batch(key, states.inner, actions, params)
        return Remembering(inner, jax.nn.one_hot(actions, self.env.spec.n_actions)), outcome

    def observe_batch(self, states: Remembering, params: EnvParams) -> View:
        view = _repeated(self.env.observe_batch(states.inner, params), states.last_action.shape[0])
        return view._replace(obs=jnp.concatenate([view.obs, states.last_action], axis=-1))


class Noisy(NamedTuple):
    """An inner state and the noise that stands for its view's state."""

    inner: EnvState
    noise: Float[Array, "S"]


@dataclasses.dataclass(frozen=True)
class NoiseState(Wrapper):
    """Replaces the state by independent standard normals, drawn anew at every step (duelmix.md, section 4).

    Part of the environment, so that replay keeps the draw and online and target networks see the same one. Nothing but
    the view's state changes.
    """

    @property
    def spec(self) -> EnvSpec:
        return dataclasses.replace(self.env.spec, fixed_view=False, storage="float32")

    def init(self, key: Key[Array, ""], params: EnvParams) -> Noisy:
        inner_key, noise_key = jax.random.split(key)
        return Noisy(self.env.init(inner_key, params), self._draw(noise_key))

    def transition(
        self, key: Key[Array, ""], state: Noisy, actions: Int[Array, "N"], params: EnvParams
    ) -> tuple[Noisy, Outcome]:
        inner_key, noise_key = jax.random.split(key)
        inner, outcome = self.env.transition(inner_key, state.inner, actions, params)
        return Noisy(inner, self._draw(noise_key)), outcome

    def observe(self, state: Noisy, params: EnvParams) -> View:
        return self.env.observe(state.inner, params)._replace(state=state.noise)

    def init_batch(self, key: Key[Array, ""], params: EnvParams, num_envs: int) -> Noisy:
        inner_key, noise_key = jax.random.split(key)
        return Noisy(self.env.init_batch(inner_key, params, num_envs), self._draw(noise_key, num_envs))

    def transition_batch(
        self, key: Key[Array, ""], states: Noisy, actions: Int[Array, "B N"], params: EnvParams
    ) -> tuple[Noisy, Outcome]:
        inner_key, noise_key = jax.random.split(key)
        inner, outcome = self.env.transition_batch(inner_key, states.inner, actions, params)
        return Noisy(inner, self._draw(noise_key, actions.shape[0])), outcome

    def observe_batch(self, states: Noisy, params: EnvParams) -> View:
        view = _repeated(self.env.observe_batch(states.inner, params), states.noise.shape[0])
        return view._replace(state=states.noise)

    def _draw(self, key: Key[Array, ""], *batch: int) -> Float[Array, "*b S"]:
        return jax.random.normal(key, (*batch, self.env.spec.state_dim))


class Running(NamedTuple):
    """An inner state and what its episode has earned so far."""

    inner: EnvState
    episode_return: Float[Array, ""]
    episode_length: Int[Array, ""]


@dataclasses.dataclass(frozen=True)
class EpisodeStatistics(Wrapper):
    """Adds `episode_return` and `episode_length` to the metrics: their final values at the last step, else zero.

    Zero before the end, because metrics are summed over an episode.
    """

    @property
    def spec(self) -> EnvSpec:
        inner = self.env.spec
        return dataclasses.replace(inner, metric_names=(*inner.metric_names, "episode_return", "episode_length"))

    def init(self, key: Key[Array, ""], params: EnvParams) -> Running:
        return Running(self.env.init(key, params), jnp.float32(0), jnp.int32(0))

    def transition(
        self, key: Key[Array, ""], state: Running, actions: Int[Array, "N"], params: EnvParams
    ) -> tuple[Running, Outcome]:
        return self._add(state, *self.env.transition(key, state.inner, actions, params))

    def observe(self, state: Running, params: EnvParams) -> View:
        return self.env.observe(state.inner, params)

    def init_batch(self, key: Key[Array, ""], params: EnvParams, num_envs: int) -> Running:
        inner = self.env.init_batch(key, params, num_envs)
        return Running(inner, jnp.zeros(num_envs), jnp.zeros(num_envs, jnp.int32))

    def transition_batch(
        self, key: Key[Array, ""], states: Running, actions: Int[Array, "B N"], params: EnvParams
    ) -> tuple[Running, Outcome]:
        return self._add(states, *self.env.transition_batch(key, states.inner, actions, params))

    def observe_batch(self, states: Running, params: EnvParams) -> View:
        return self.env.observe_batch(states.inner, params)

    def _add(self, state: Running, inner: EnvState, outcome: Outcome) -> tuple[Running, Outcome]:
        earned = state.episode_return + outcome.reward.mean(axis=-1)
        now = Running(inner, earned, state.episode_length + 1)
        totals = {
            "episode_return": jnp.where(outcome.done, now.episode_return, 0.0),
            "episode_length": jnp.where(outcome.done, now.episode_length.astype(jnp.float32), 0.0),
        }
        return now, outcome._replace(metrics={**outcome.metrics, **totals})


def _repeated(view: View, num_envs: int) -> View:
    """A view that all environments share, once for each."""
    return jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (num_envs, *leaf.shape[1:])), view)
