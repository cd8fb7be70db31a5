"""Replayed experience: a ring of whole episodes, or of sequences of steps, and batches drawn from it."""

import dataclasses
from fractions import Fraction
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, Key

from jaxvf.algorithm import Progress, ReplayLearner, Rollout
from jaxvf.envs.protocol import Environment, EnvParams
from jaxvf.envs.wrappers import EpisodeStatistics
from jaxvf.errors import InputError
from jaxvf.training.clock import Clock, Pace
from jaxvf.training.rollout import Collector, Player, Stage, Sums
from jaxvf.value.replay import Replay, by_joint_action


class Memory(NamedTuple):
    """What lasts from one iteration to the next."""

    ring: Rollout
    stage: Stage | tuple[()]  # where sequences go on; episodes begin anew


@dataclasses.dataclass(frozen=True)
class Replayed:
    """Batches are drawn from a ring of rollouts.

    Attributes:
        env: the environment as the algorithm sees it.
        pace: how often things happen; its unit is one environment's rollout: an episode or a sequence.
        sequences: whether rollouts are sequences: T frames from wherever the environments stand, through the ends of
            episodes, with what the agents remembered before the first. Else they are whole episodes from their first
            frame, padded to the longest's length.
        batch_size: rollouts in a batch.
    """

    env: Environment
    pace: Pace
    sequences: bool
    batch_size: int

    @staticmethod
    def of(algorithm: ReplayLearner, env: Environment) -> "Replayed":
        """As the algorithm's fields ask for it.

        Raises:
            InputError: for a ring that is not a multiple of the rollouts written at once, a batch that never fits it,
                or a ratio of updates to steps that gives neither a whole number of updates an iteration nor of
                iterations an update.
        """
        sequences = algorithm.replays_sequences(env.spec)
        length = algorithm.sequence_length if sequences else env.spec.limit_max
        return Replayed(env, make_pace(algorithm, length, sequences=sequences), sequences, algorithm.batch_size)

    @property
    def length(self) -> int:
        """Steps of a rollout."""
        return self.pace.length

    @property
    def described(self) -> str:
        """The form of replay, for the plan."""
        form, plural = "sequences" if self.sequences else "episodes", "s" if self.length > 1 else ""
        return f"replay of {form} of {self.length} step{plural}"

    @property
    def steps(self) -> int:
        """Environment steps allotted to an iteration; an episode that ends early uses fewer."""
        return self.pace.rollouts * self.pace.length

    @property
    def collector(self) -> Collector:
        """Plays the rollouts."""
        spec = self.env.spec
        player = Player(EpisodeStatistics(self.env), self.pace.rollouts, restart=self.sequences)
        final_view = not (spec.ends_within(self.pace.length) if self.sequences else spec.self_ending)
        return Collector(player, self.pace.length, final_view, stored=True)

    @property
    def replay(self) -> Replay:
        """The ring."""
        return Replay(self.env.spec, self.pace.capacity, self.batch_size)

    def init(self, algorithm: ReplayLearner, learner: Any, env_params: EnvParams, key: Key[Array, ""]) -> Memory:
        """An empty ring, and environments at the beginning of an episode."""
        player = self.collector.player
        stage = ()
        if self.sequences:
            stage = player.begin(env_params, algorithm.initial_carry(player.carry_batch), key)
        start = Progress(jnp.int32(0), jnp.int32(0))

        def collected(learner: Any, stage: Any, key: Key[Array, ""]) -> Rollout:
            return self.collect(algorithm, learner, Memory(None, stage), env_params, key, start)[1]  # pyright: ignore[reportArgumentType]

        return Memory(self.replay.init(jax.eval_shape(collected, learner, stage, key)), stage)

    def collect(
        self,
        algorithm: ReplayLearner,
        learner: Any,
        memory: Memory,
        env_params: EnvParams,
        key: Key[Array, ""],
        progress: Progress,
    ) -> tuple[Memory, Rollout, Sums]:
        """A rollout of every environment under the behaviour, as the ring stores it."""
        player = self.collector.player
        stage: Any = memory.stage
        if not self.sequences:
            init_key, key = jax.random.split(key)
            stage = player.begin(env_params, algorithm.initial_carry(player.carry_batch), init_key)

        def policy(carry: Any, view: Any, _states: Any, key: Key[Array, ""]) -> tuple[Array, Any, Any]:
            return algorithm.act(learner, carry, view, key, progress)

        rollout, stage, sums = self.collector.play(env_params, policy, stage, key)
        rollout = rollout._replace(alive=None, extras=())
        if not algorithm.learns_from_agent_rewards:
            rollout = rollout._replace(agent_rewards=None)
        if not self.sequences:
            return memory, self.replay.packed(rollout._replace(started=None, carry=None)), sums
        return memory._replace(stage=stage), self.replay.packed(rollout), sums

    def store(self, memory: Memory, fresh: Rollout, clock: Clock) -> Memory:
        """Write the rollouts of all runs at the cursor that they share."""
        return memory._replace(ring=self.replay.add(memory.ring, fresh, self.pace.cursor(clock), runs_axis=1))

    def updates(self, clock: Clock) -> Int[Array, ""]:
        """None while replay fills and between intervals."""
        return self.pace.updates_after(clock)

    def batch(self, memory: Memory, fresh: Rollout, key: Key[Array, ""], clock: Clock) -> Rollout:
        """Distinct stored rollouts; of a one-step game one row per joint action, where that is fewer."""
        batch = self.replay.sample(memory.ring, fresh, key, self.pace.stored(clock))
        spec = self.env.spec
        one_step = spec.payoff_game and spec.fixed_view and batch.steps == 1
        if one_step and spec.n_actions**spec.n_agents < self.batch_size:
            batch = by_joint_action(batch, spec.n_actions)
        return batch


def make_pace(algorithm: ReplayLearner, length: int, *, sequences: bool) -> Pace:
    """The rhythm that an algorithm's static fields ask for, with rollouts of `length` steps.

    Raises:
        InputError: if they ask for none (see `Replayed.of`).
    """
    rollouts, capacity = algorithm.num_envs, algorithm.buffer_size
    if capacity % rollouts:
        nearest = max(rollouts, round(capacity / rollouts) * rollouts)
        raise InputError(
            f"buffer_size={capacity} is not a multiple of num_envs={rollouts}; the nearest valid one is {nearest}"
        )
    if algorithm.batch_size > capacity:
        raise InputError(f"batch_size={algorithm.batch_size} exceeds buffer_size={capacity}")
    if algorithm.learning_starts > capacity:
        raise InputError(f"learning_starts={algorithm.learning_starts} exceeds buffer_size={capacity}")
    field, ratio, unit = "updates_per_episode", algorithm.updates_per_episode, rollouts
    per_iteration = Fraction(ratio).limit_denominator(10_000) * unit
    if sequences and algorithm.updates_per_step > 0:
        field, ratio, unit = "updates_per_step", algorithm.updates_per_step, rollouts * length
        per_iteration = Fraction(ratio * unit).limit_denominator(10_000)
    if per_iteration <= 0 or 1 not in (per_iteration.numerator, per_iteration.denominator):
        raise InputError(
            f"{field}={ratio} with num_envs={rollouts}"
            + (f" and sequence_length={length}" if field == "updates_per_step" else "")
            + f" gives {per_iteration} updates an iteration; it must be a whole number n or 1/n, e.g. {1 / unit:g}"
        )
    return Pace(
        rollouts=rollouts,
        length=length,
        capacity=capacity,
        warmup=max(algorithm.learning_starts, algorithm.batch_size),
        updates=per_iteration.numerator,
        every=per_iteration.denominator,
    )
