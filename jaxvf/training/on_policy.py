"""The training program of on-policy learners: collect a segment, learn from it, forget it.

segment:  lax.scan over iterations
            vmap over runs: collect, update
          vmap over runs: evaluate
"""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxvf.envs.protocol import Environment, EnvParams, EnvSpec
from jaxvf.errors import InputError
from jaxvf.training.clock import Clock
from jaxvf.training.evaluation import evaluate
from jaxvf.training.keys import Purpose, run_key
from jaxvf.training.program import freeze_diverged
from jaxvf.training.segments import Stage, Sums, collect, exact_metrics, first_stage, one_step_game
from jaxvf.value.learner import Progress

Metrics = dict[str, Float[Array, "R *n"]]
SEGMENT_COPIES = 4  # forward and backward passes hold about this many copies of a segment


@dataclasses.dataclass(frozen=True)
class SegmentPace:
    """How much is collected: `num_envs` environments, `length` steps of each in an iteration."""

    num_envs: int
    length: int

    @property
    def steps(self) -> int:
        """Environment steps of one iteration."""
        return self.num_envs * self.length


class OnPolicyState(NamedTuple):
    """Everything that differs between runs and changes with time; leaves have the leading axis R."""

    seed: Int[Array, "R"]
    learner: Any
    stage: Stage
    env_steps: Int[Array, "R"]
    diverged: Bool[Array, "R"]


@dataclasses.dataclass(frozen=True)
class OnPolicyProgram:
    """Pure functions that train R runs of one static configuration; the on-policy sibling of `Program`.

    Attributes:
        env: the environment, wrapped as the algorithm wants to see it.
        pace: how much is collected in an iteration.
        iterations: iterations in a segment, between two evaluations.
        test_episodes: greedy episodes in an evaluation.
        root: root of all random streams.
    """

    env: Environment
    pace: SegmentPace
    iterations: int
    test_episodes: int
    root: int

    @property
    def segment_steps(self) -> int:
        """Environment steps of a segment, per run."""
        return self.iterations * self.pace.steps

    def init(self, algorithm: Any, env_params: EnvParams, seeds: Int[Array, "R"]) -> OnPolicyState:
        """Runs that have not learned yet.

        Raises:
            InputError: for an exact baseline on an environment that knows none.
        """
        if algorithm.baseline == "exact" and one_step_game(self.env) is None:
            raise InputError(f"baseline='exact' needs a one-step game, which {self.env.spec.name} is not; use 'critic'")
        return jax.vmap(self.init_run)(algorithm, env_params, seeds)

    def segment(
        self, runs: OnPolicyState, algorithm: Any, env_params: EnvParams, clock: Clock
    ) -> tuple[OnPolicyState, Clock, Metrics]:
        """Train every run for `iterations` iterations, then evaluate.

        Returns:
            The runs and the clock to go on from; metrics averaged over the segment's updates and the episodes that
            ended in it, and those of the evaluation: [R], or [R, N] for what differs between agents.
        """

        def iteration(carried: tuple[OnPolicyState, Clock], _: None) -> tuple[tuple[OnPolicyState, Clock], Any]:
            runs, clock = carried
            runs, facts = jax.vmap(self.iterate, in_axes=(0, 0, 0, None))(runs, algorithm, env_params, clock)
            return (runs, Clock(clock.iteration + 1, clock.updates + 1)), facts

        before = runs.learner
        (runs, clock), (sums, learned) = jax.lax.scan(iteration, (runs, clock), None, length=self.iterations)
        learned = {name: values.mean(axis=0) for name, values in learned.items()}
        runs = freeze_diverged(runs, before, learned, jnp.int32(self.iterations))
        tested = jax.vmap(self._evaluate, in_axes=(0, 0, 0, None))(runs, algorithm, env_params, clock)
        steps = {"steps_taken": runs.env_steps.astype(jnp.float32)}
        metrics = {**_episode_means(sums), **learned, **tested, **steps}
        # What a frozen run goes on to do is no result.
        return runs, clock, {name: _nan_where(runs.diverged, values) for name, values in metrics.items()}

    def transient_bytes(self, algorithm: Any, env_params: EnvParams, state: OnPolicyState) -> int:
        """Predicted bytes of what an iteration holds beside the state of runs whose shapes are given."""
        collect_all = jax.vmap(self.collect, in_axes=(0, 0, 0, None))
        segments = jax.eval_shape(collect_all, state, algorithm, env_params, Clock.start())[0]
        return SEGMENT_COPIES * sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(segments))

    def init_run(self, algorithm: Any, env_params: EnvParams, seed: Int[Array, ""]) -> OnPolicyState:
        """One run that has not learned yet."""
        learner = algorithm.init(run_key(self.root, seed, Purpose.INIT), self.env.spec)
        key = run_key(self.root, seed, Purpose.INIT, 1)
        stage = first_stage(algorithm, self.env, env_params, key, self.pace.num_envs)
        return OnPolicyState(seed, learner, stage, jnp.int32(0), jnp.bool_(False))

    def collect(self, run: OnPolicyState, algorithm: Any, env_params: EnvParams, clock: Clock) -> Any:
        """One run's segment of this iteration, the stage that it leaves, and sums over episodes; see `segments`."""
        key = run_key(self.root, run.seed, Purpose.COLLECT, clock.iteration)
        return collect(
            algorithm, run.learner.params.actor, self.env, env_params, run.stage, key,
            num_envs=self.pace.num_envs, length=self.pace.length,
        )  # fmt: skip

    def iterate(
        self, run: OnPolicyState, algorithm: Any, env_params: EnvParams, clock: Clock
    ) -> tuple[OnPolicyState, tuple[Sums, dict[str, Array]]]:
        """One run's iteration: collect, then learn; sums over episodes, and what the update did."""
        segment, stage, sums = self.collect(run, algorithm, env_params, clock)
        stage = stage._replace(critic_carry=algorithm.critic_memory(run.learner, segment))
        key = run_key(self.root, run.seed, Purpose.UPDATE, clock.iteration)
        learner, facts = algorithm.update(run.learner, segment, key, Progress(clock.updates, run.env_steps))
        run = run._replace(learner=learner, stage=stage, env_steps=run.env_steps + self.pace.steps)
        return run, (sums, facts)

    def _evaluate(
        self, run: OnPolicyState, algorithm: Any, env_params: EnvParams, clock: Clock
    ) -> dict[str, Float[Array, ""]]:
        key = run_key(self.root, run.seed, Purpose.EVALUATE, clock.iteration)
        exact_key = jax.random.fold_in(key, 1)
        params, episodes = run.learner.params, self.test_episodes
        exact = exact_metrics(algorithm, params.actor, self.env, env_params, exact_key, episodes)
        return evaluate(algorithm, params, self.env, env_params, key, episodes) | exact


def make_segment_pace(algorithm: Any, spec: EnvSpec) -> SegmentPace:
    """The rhythm that an algorithm's static fields ask for.

    Raises:
        InputError: for a segment that the training sequences of a recurrent network, or the mini-batches, do not
            divide.
    """
    length = algorithm.rollout_length
    pieces = algorithm.num_envs * length
    if algorithm.remembers:
        if length % algorithm.chunk_length:
            raise InputError(
                f"chunk_length={algorithm.chunk_length} does not divide rollout_length={length}; "
                f"the nearest valid one is {_nearest_divisor(length, algorithm.chunk_length)}"
            )
        pieces //= algorithm.chunk_length
    if algorithm.minibatches > pieces:
        raise InputError(f"minibatches={algorithm.minibatches} exceeds the {pieces} samples of an iteration")
    return SegmentPace(algorithm.num_envs, length)


def _episode_means(sums: dict[str, Float[Array, "n R"]]) -> Metrics:
    """Means over the episodes that ended in a segment; NaN where none did."""
    totals = {name: values.sum(axis=0) for name, values in sums.items()}
    episodes = totals.pop("episodes")
    means = {name: jnp.where(episodes > 0, total / jnp.maximum(episodes, 1), jnp.nan) for name, total in totals.items()}
    return {f"train_{name.removeprefix('episode_')}": mean for name, mean in means.items()}


def _nan_where(diverged: Bool[Array, "R"], values: Float[Array, "R *n"]) -> Float[Array, "R *n"]:
    return jnp.where(diverged.reshape(-1, *[1] * (values.ndim - 1)), jnp.nan, values)


def _nearest_divisor(number: int, wanted: int) -> int:
    return min((d for d in range(1, number + 1) if number % d == 0), key=lambda d: abs(d - wanted))
