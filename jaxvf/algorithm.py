"""The contract between learners and training: what a program asks of an algorithm, and the record that it gives it."""

from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
from jaxtyping import Array, Bool, Float, Int, Key

from jaxvf.envs.protocol import Environment, EnvParams, EnvSpec, EnvState, View

Metrics = dict[str, Float[Array, "..."]]


class Progress(NamedTuple):
    """How far a run is."""

    updates: Int[Array, ""]  # gradient updates so far; the same for all runs of a program, and never batched
    env_steps: Int[Array, ""]  # environment steps that this run has taken


class Rollout(NamedTuple):
    """T consecutive steps of B environments, in F frames.

    Frame t holds the views and actions of step t. Frame t + 1 holds the next ones, unless the environment terminated at
    step t: then it is the first frame of the next episode, and nothing is bootstrapped from it. A time limit cuts an
    episode off at its last step; the frame after it shows the final view, in which no step is taken (`filled` is
    False), and the next episode begins one frame later. So F = T + 1, or F = T where every rollout ends with an
    episode that terminates by itself.

    Whole episodes (`started` is None) are padded instead: an environment whose episode is over stands still, with its
    final view in every frame after it and `filled` False.

    What all environments see alike (`EnvSpec.fixed_view`) has size 1 along B. The optional leaves are None where
    nobody asks for them.
    """

    obs: Float[Array, "F _ N O"]
    state: Float[Array, "F _ S"]
    avail: Bool[Array, "F _ N A"]
    actions: Array  # [F, B, N], or [F, B, N, A] where they are continuous; in a final view what would be done there
    reward: Float[Array, "T B"]
    terminated: Bool[Array, "T _"]  # the environment's rules ended the episode at step t: its target is r_t alone
    truncated: Bool[Array, "T _"]  # only the time limit ended it: its target bootstraps from frame t + 1
    filled: Any  # [T, B or 1]: a step was taken; a number where a row stands for several steps
    started: Bool[Array, "F _"] | None = None  # an episode begins at this frame; None where all begin at the first
    carry: Any = None  # leaves [1, B or 1, N, H]: what the agents remembered before the first frame; None is nothing
    alive: Bool[Array, "F _ N"] | None = None
    agent_rewards: Float[Array, "T B N"] | None = None  # where an environment rewards agents apart
    extras: Any = ()  # leaves [F, ...]: what `act` gave beside the actions

    @property
    def steps(self) -> int:
        """T."""
        return self.reward.shape[0]


@runtime_checkable
class Algorithm(Protocol):
    """A learner: a frozen dataclass whose traced fields are pytree leaves and whose static fields are structure.

    Everything is written for one run. Learners know nothing of the program that trains them. Where batches come from
    is said by being a `ReplayLearner` or an `OnPolicyLearner`.
    """

    @property
    def num_envs(self) -> int:
        """B, environments that collect side by side."""
        ...

    @property
    def agent_id(self) -> bool:
        """Whether every agent's observation ends with its index."""
        ...

    @property
    def last_action(self) -> bool:
        """Whether every agent's observation holds its previous action."""
        ...

    @property
    def noisy_state(self) -> bool:
        """Whether noise takes the place of the environment's state."""
        ...

    def check(self, env: Environment) -> None:
        """The one place where fields may contradict each other, or the environment as the algorithm sees it.

        Raises:
            InputError: if they do.
        """
        ...

    def init(self, key: Key[Array, ""], spec: EnvSpec) -> Any:
        """A learner that has learned nothing: any record with a field `params`."""
        ...

    def initial_carry(self, batch: tuple[int, ...]) -> Any:
        """What the agents remember before an episode, leaves [*batch, H]; `batch` is (B or 1, N)."""
        ...

    def act(
        self, state: Any, carry: Any, view: View, key: Key[Array, ""], progress: Progress
    ) -> tuple[Array, Any, Any]:
        """Actions [B, N] of the behaviour, the carry after the frame, and what else to record of the frame."""
        ...

    def greedy(self, params: Any, carry: Any, view: View) -> tuple[Array, Any]:
        """Actions [B or 1, N] of decentralised execution, and the carry after the frame."""
        ...

    def update(self, state: Any, batch: Rollout, key: Key[Array, ""], progress: Progress) -> tuple[Any, Metrics]:
        """The learner after it has learned from a batch."""
        ...

    def test_metrics(
        self, params: Any, env: Environment, env_params: EnvParams, key: Key[Array, ""], episodes: int
    ) -> Metrics:
        """What an evaluation reports beside greedy episodes; {} for most."""
        ...


@runtime_checkable
class ReplayLearner(Algorithm, Protocol):
    """An algorithm that learns from replayed rollouts."""

    @property
    def learns_from_agent_rewards(self) -> bool:
        """Whether replay keeps every agent's own reward."""
        ...

    @property
    def sequence_length(self) -> int:
        """Steps of a replayed sequence."""
        ...

    @property
    def buffer_size(self) -> int:
        """Rollouts that replay holds."""
        ...

    @property
    def batch_size(self) -> int:
        """Rollouts in a gradient update."""
        ...

    @property
    def learning_starts(self) -> int:
        """Rollouts stored before the first update; at least a batch."""
        ...

    @property
    def updates_per_episode(self) -> float:
        """Gradient updates per collected rollout."""
        ...

    @property
    def updates_per_step(self) -> float:
        """Gradient updates per environment step of replayed sequences; 0 leaves it to `updates_per_episode`."""
        ...

    def replays_sequences(self, spec: EnvSpec) -> bool:
        """Whether rollouts of this environment are sequences through the ends of episodes, not whole episodes."""
        ...


@runtime_checkable
class OnPolicyLearner(Algorithm, Protocol):
    """An algorithm that learns once from the newest rollouts, with whatever its `act` recorded of their frames."""

    @property
    def rollout_length(self) -> int:
        """Steps of a rollout."""
        ...


@runtime_checkable
class BaselineLearner(OnPolicyLearner, Protocol):
    """One that compares returns with a value; its `act` records `trust_region.batches.Extras`."""

    @property
    def baseline(self) -> str:
        """What returns are compared with: a learned "critic", or the "exact" value of a one-step game."""
        ...

    def exact_value(
        self, params: Any, carry: Any, view: View, game: Any, states: EnvState, env_params: EnvParams
    ) -> Float[Array, "_"]:
        """Expected reward of a one-step `game` under the present policies, [B or 1]."""
        ...


def restarted(started: Bool[Array, "*b"], carry: Any) -> Any:
    """A carry with leaves [*b, N, H], zero where an episode begins."""

    def restart(leaf: Array) -> Array:
        begins = started.reshape(started.shape + (1,) * (leaf.ndim - started.ndim))
        return jax.numpy.where(begins, 0.0, leaf)

    return jax.tree.map(restart, carry)
