"""The environment contract: three pure functions of one environment, and the records they exchange.

    init(key, params)                        -> state
    transition(key, state, actions, params)  -> state, Outcome
    observe(state, params)                   -> View

Nothing here resets by itself: `training.rollout` owns episodes (`AutoReset`, who steps by hand). Everything is written
for ONE environment; the `*_batch` methods add the axis B (by vmap, unless an environment has something faster).
"""

import abc
import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

from jaxvf.envs.storage import Span, Storage
from jaxvf.errors import InputError

EnvState = Any  # any pytree
EnvParams = Any  # a pytree of arrays: every number that a sweep may vary, never a shape
JointAction = Int[Array, "N"] | Float[Array, "N A"]  # one action per agent; vectors where actions are continuous
JointActions = Int[Array, "B N"] | Float[Array, "B N A"]


@dataclasses.dataclass(frozen=True)
class EnvSpec:
    """Everything about an environment that sets a shape, a branch or a label.

    Attributes:
        name: as registered, e.g. "predator_prey".
        version: raised whenever rules or features change; results of different versions are not comparable.
        n_agents: N.
        n_actions: A, the largest over agents; smaller action sets are masked. Where actions are continuous, the length
            of an action vector.
        obs_dim: O.
        state_dim: S.
        limit_max: most steps of an episode, T; `params.limit` may shorten it.
        metric_names: keys of `Outcome.metrics`; each is summed over the episode.
        fixed_view: True where the view depends on the step count alone and every episode has the same length, as in
            a one-step game. Batched views then have size 1 along B, and the networks run once for all of B.
        self_ending: True where every episode terminates by its own rules within `limit_max` steps, so that no value is
            ever bootstrapped from the view behind the last step, and none is stored.
        fixed_length: True where every episode lasts exactly `limit_max` steps, so that replay keeps whole episodes.
        payoff_game: True where every episode is one step whose reward is a function of the joint action alone.
        one_hot_obs: True where every observation is one-hot, so that a table can be indexed by it.
        agent_ids: True where every observation ends with the agent's index, one-hot; replay need not store it.
        continuous: True where actions are real vectors [N, A]; `View.avail` then marks the entries that an agent has.
        agent_rewards: True where `Outcome.agent_rewards` is given.
        general_sum: True where what one agent earns another loses: the mean of their rewards, which stands for the
            team's, is then nobody's aim, and a sweep warns of learners that take it.
        agent_states: True where the state is N states of one length end to end, each as one agent's critic sees it.
        storage: dtype of observation and state in replay: "float32"; "uint8" holds 0/1 features without loss and others
            in steps of their spans; "bfloat16" holds them with a relative error of 0.4 %.
        own_obs: for each agent which entries of an observation are its own, as ranges [first, last), the others being
            padding; () where all entries are everyone's.
        own_actions: how many actions, or entries of an action vector, each agent has, the first ones; () where all have
            n_actions.
        obs_spans: where the features of an observation lie, for "uint8"; what comes after those given is whole numbers
            from 0 to 255.
        state_spans: the same of the state.
    """

    name: str
    version: int
    n_agents: int
    n_actions: int
    obs_dim: int
    state_dim: int
    limit_max: int
    metric_names: tuple[str, ...] = ()
    fixed_view: bool = False
    self_ending: bool = False
    fixed_length: bool = False
    payoff_game: bool = False
    one_hot_obs: bool = False
    agent_ids: bool = False
    continuous: bool = False
    agent_rewards: bool = False
    general_sum: bool = False
    agent_states: bool = False
    storage: str = "float32"
    obs_spans: tuple[Span, ...] = ()
    state_spans: tuple[Span, ...] = ()
    own_obs: tuple[tuple[tuple[int, int], ...], ...] = ()
    own_actions: tuple[int, ...] = ()

    @property
    def obs_dims(self) -> tuple[int, ...]:
        """How many entries of an observation each agent has."""
        if not self.own_obs:
            return (self.obs_dim,) * self.n_agents
        return tuple(sum(last - first for first, last in ranges) for ranges in self.own_obs)

    @property
    def action_dims(self) -> tuple[int, ...]:
        """How many actions, or entries of an action vector, each agent has."""
        return self.own_actions or (self.n_actions,) * self.n_agents

    @property
    def obs_storage(self) -> Storage:
        """How replay keeps observations."""
        return Storage(self.storage, self.obs_spans)

    @property
    def state_storage(self) -> Storage:
        """How replay keeps states."""
        return Storage(self.storage, self.state_spans)

    def ends_within(self, steps: int) -> bool:
        """Whether this many steps from the start of an episode on are whole episodes, each ended by its own rules."""
        return self.self_ending and self.fixed_length and steps % self.limit_max == 0


class View(NamedTuple):
    """What can be seen of a state; with a leading axis B (or 1) when batched."""

    obs: Float[Array, "*b N O"]
    state: Float[Array, "*b S"]
    avail: Bool[Array, "*b N A"]  # at least one True per agent, always
    alive: Bool[Array, "*b N"]


class Outcome(NamedTuple):
    """What one step did. `terminated` and `truncated` are never both true."""

    reward: Float[Array, "*b"]  # the team's
    terminated: Bool[Array, "*b"]  # the environment's rules ended the episode: nothing to bootstrap from
    truncated: Bool[Array, "*b"]  # only the time limit ended it: the value goes on
    metrics: dict[str, Float[Array, "*b"]]
    agent_rewards: Float[Array, "*b N"] | None = None  # where the environment tells them apart

    @property
    def done(self) -> Bool[Array, "*b"]:
        """The episode is over, for either reason."""
        return self.terminated | self.truncated


def cut_at_limit(terminated: Bool[Array, "*b"], steps: Int[Array, "*b"], limit: Int[Array, ""]) -> Bool[Array, "*b"]:
    """Whether the time limit alone ends the episode; `steps` counts the step just taken, so 1 after the first."""
    return ~terminated & (steps >= limit)


class Environment(abc.ABC):
    """Base of every environment: a frozen dataclass of static sizes, hashable, whose numbers live in `EnvParams`."""

    @property
    @abc.abstractmethod
    def spec(self) -> EnvSpec:
        """Shapes and labels."""

    @abc.abstractmethod
    def default_params(self) -> EnvParams:
        """A `@hyperparameters` object of this environment's numbers at their default values."""

    @abc.abstractmethod
    def init(self, key: Key[Array, ""], params: EnvParams) -> EnvState:
        """A first state."""

    @abc.abstractmethod
    def transition(
        self, key: Key[Array, ""], state: EnvState, actions: JointAction, params: EnvParams
    ) -> tuple[EnvState, Outcome]:
        """One step; never resets."""

    @abc.abstractmethod
    def observe(self, state: EnvState, params: EnvParams) -> View:
        """The view of a state."""

    def check_params(self, params: EnvParams) -> None:
        """Whether this environment can use these numbers together; an `InputError` that begins with env.NAME if not.

        A sweep asks before it writes anything. The range of each number is checked already.
        """
        return

    def init_batch(self, key: Key[Array, ""], params: EnvParams, num_envs: int) -> EnvState:
        """`num_envs` first states along a leading axis B."""
        return jax.vmap(self.init, in_axes=(0, None))(jax.random.split(key, num_envs), params)

    def transition_batch(
        self, key: Key[Array, ""], states: EnvState, actions: JointActions, params: EnvParams
    ) -> tuple[EnvState, Outcome]:
        """One step of B environments."""
        keys = jax.random.split(key, actions.shape[0])
        return jax.vmap(self.transition, in_axes=(0, 0, 0, None))(keys, states, actions, params)

    def observe_batch(self, states: EnvState, params: EnvParams) -> View:
        """Views of B environments; of size 1 along B where `spec.fixed_view` says that all are alike."""
        if self.spec.fixed_view:
            first = jax.tree.map(lambda leaf: leaf[0], states)
            return jax.tree.map(lambda leaf: leaf[None], self.observe(first, params))
        return jax.vmap(self.observe, in_axes=(0, None))(states, params)


def where_done(done: Bool[Array, "*b"], ended: Any, running: Any) -> Any:
    """`ended` where `done`, else `running`, for pytrees whose leaves begin with the axes of `done`."""

    def select(on_end: Array, otherwise: Array) -> Array:
        return jnp.where(done.reshape(done.shape + (1,) * (otherwise.ndim - done.ndim)), on_end, otherwise)

    return jax.tree.map(select, ended, running)


def refuse_unused(params: Any, default: Any, unused: Mapping[str, str]) -> None:
    """Raise for a number that was set though nothing reads it: a part of `Environment.check_params`.

    Args:
        params: the numbers.
        default: the environment's own.
        unused: names of scalars that are not read, each with the reason, such as "without env.slide=True".

    Raises:
        InputError: naming the first of them that is not the default.
    """
    for name, reason in unused.items():
        value = float(getattr(params, name))
        if value != float(getattr(default, name)):
            raise InputError(f"env.{name}={value:g} means nothing {reason}")


def strongly_typed(tree: Any) -> Any:
    """Leaves with a dtype of their own: a Python number in a state would make jit compile twice."""

    def own(leaf: Any) -> Array:
        leaf = jnp.asarray(leaf)
        is_key = jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
        return leaf if is_key else jax.lax.convert_element_type(leaf, leaf.dtype)

    return jax.tree.map(own, tree)
