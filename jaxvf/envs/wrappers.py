"""Wrappers: each adds one thing to an environment and is again an environment (`AutoReset` steps one forever)."""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from jaxvf.envs.protocol import Environment, EnvParams, EnvSpec, EnvState, Outcome, View, cut_at_limit, where_done
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
        inner, outcome = self.env.transition(key, state.inner, actions, params)
        steps = state.steps + 1
        cut = cut_at_limit(outcome.terminated, steps, jnp.int32(self.limit))
        return Counted(inner, steps), outcome._replace(truncated=outcome.truncated | cut)

    def observe(self, state: Counted, params: EnvParams) -> View:
        return self.env.observe(state.inner, params)


@dataclasses.dataclass(frozen=True)
class AgentId(Wrapper):
    """Appends the agent's index, one-hot, to its observation."""

    @property
    def spec(self) -> EnvSpec:
        inner = self.env.spec
        return dataclasses.replace(inner, obs_dim=inner.obs_dim + inner.n_agents, one_hot_obs=False)

    def observe(self, state: EnvState, params: EnvParams) -> View:
        view = self.env.observe(state, params)
        identity = jnp.eye(self.env.spec.n_agents, dtype=view.obs.dtype)
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
        return dataclasses.replace(inner, obs_dim=inner.obs_dim + inner.n_actions, fixed_view=False, one_hot_obs=False)

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

    def _draw(self, key: Key[Array, ""]) -> Float[Array, "S"]:
        return jax.random.normal(key, (self.env.spec.state_dim,))


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
        inner, outcome = self.env.transition(key, state.inner, actions, params)
        now = Running(inner, state.episode_return + outcome.reward.mean(), state.episode_length + 1)
        totals = {
            "episode_return": jnp.where(outcome.done, now.episode_return, 0.0),
            "episode_length": jnp.where(outcome.done, now.episode_length.astype(jnp.float32), 0.0),
        }
        return now, outcome._replace(metrics={**outcome.metrics, **totals})

    def observe(self, state: Running, params: EnvParams) -> View:
        return self.env.observe(state.inner, params)


@dataclasses.dataclass(frozen=True)
class AutoReset:
    """Steps a batch of environments forever: whoever is done starts anew within the same step.

    Attributes:
        env: the environment to step.
        keep_final: also return the view *before* the reset, which a truncated step bootstraps from.
    """

    env: Environment
    keep_final: bool = False

    def init(self, key: Key[Array, ""], params: EnvParams, num_envs: int) -> tuple[EnvState, View]:
        """First states and views of `num_envs` environments."""
        states = self.env.init_batch(key, params, num_envs)
        return states, self.env.observe_batch(states, params)

    def step(
        self, key: Key[Array, ""], states: EnvState, actions: Int[Array, "B N"], params: EnvParams
    ) -> tuple[EnvState, Outcome, View, View | None]:
        """One step of every environment.

        Returns:
            The states to go on from; the outcome of the step just taken; the view to act on next (already of the new
            episode where the old one ended); with `keep_final` the view that the step itself led to, else None.
        """
        step_key, reset_key = jax.random.split(key)
        states, outcome = self.env.transition_batch(step_key, states, actions, params)
        final = self.env.observe_batch(states, params) if self.keep_final else None
        fresh = self.env.init_batch(reset_key, params, actions.shape[0])
        states = where_done(outcome.done, fresh, states)
        return states, outcome, self.env.observe_batch(states, params), final
