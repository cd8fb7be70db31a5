"""The training program: time is a loop outside, runs are mapped inside, and the clock stays scalar.

segment:  advance: loop over iterations
            vmap over runs: collect  ->  store, for all runs at once  ->  vmap over runs: learn
          finish: evaluate, for all runs at once

The host may call `advance` several times in a segment, to be heard in between: the numbers are the same however a
segment is cut, as what it sums up is part of the runs' state.
"""

import dataclasses
import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Int

from jaxvf.algorithm import Algorithm, Metrics, OnPolicyLearner, Progress, ReplayLearner, Rollout
from jaxvf.envs.check import state_change
from jaxvf.envs.protocol import Environment, EnvParams
from jaxvf.envs.wrappers import AgentId, LastAction, NoiseState
from jaxvf.errors import InputError
from jaxvf.training.clock import Clock
from jaxvf.training.evaluation import evaluate
from jaxvf.training.experience import Experience
from jaxvf.training.keys import Purpose, run_key
from jaxvf.training.on_policy import OnPolicy
from jaxvf.training.replayed import Replayed
from jaxvf.training.rollout import Sums
from jaxvf.training.runs import MetricsOfRuns, RunState, episode_means, freeze_diverged, means_over, nan_where, row


@dataclasses.dataclass(frozen=True)
class Program:
    """Pure functions that train R runs of one static configuration.

    `algorithm` and `env_params` are passed to every function with a leading axis R on their leaves: the traced
    hyperparameters of each run. Their static parts, and the fields below, are compiled in.

    Attributes:
        env: the environment as the algorithm sees it (`observed_by`).
        experience: where batches come from.
        iterations: iterations in a segment, between two evaluations.
        test_episodes: greedy episodes in an evaluation.
        root: root of all random streams.
    """

    env: Environment
    experience: Experience[Any]
    iterations: int
    test_episodes: int
    root: int

    @property
    def segment_steps(self) -> int:
        """Environment steps allotted to a segment, per run."""
        return self.iterations * self.experience.steps

    def init(self, algorithm: Algorithm, env_params: EnvParams, seeds: Int[Array, "R"]) -> RunState:
        """Runs that have not learned yet."""
        return jax.vmap(self.init_run)(algorithm, env_params, seeds)

    def segment(
        self, runs: RunState, algorithm: Algorithm, env_params: EnvParams, clock: Clock
    ) -> tuple[RunState, Clock, MetricsOfRuns]:
        """Train every run for `iterations` iterations, then evaluate.

        Returns:
            The runs and the clock to go on from; metrics, see `finish`.
        """
        runs, clock = self.advance(runs, algorithm, env_params, clock, jnp.int32(self.iterations))
        runs, metrics = self.finish(runs, algorithm, env_params, clock)
        return runs, clock, metrics

    def advance(
        self, runs: RunState, algorithm: Algorithm, env_params: EnvParams, clock: Clock, iterations: Int[Array, ""]
    ) -> tuple[RunState, Clock]:
        """Train every run for so many iterations, of those that are left in the segment."""
        collect, learn = self.traced_once

        def iteration(_: Int[Array, ""], carried: tuple[RunState, Clock]) -> tuple[RunState, Clock]:
            runs, clock = carried
            learning = runs._replace(before=None, totals=None)
            memory, fresh, sums = jax.vmap(collect, in_axes=(0, 0, 0, None))(learning, algorithm, env_params, clock)
            memory = self.experience.store(memory, fresh, clock)
            steps = sums.pop("steps").astype(jnp.int32)
            runs = runs._replace(memory=memory, env_steps=runs.env_steps + steps)
            learning = runs._replace(before=None, totals=None)
            learner, learned = jax.vmap(learn, in_axes=(0, 0, 0, None))(learning, fresh, algorithm, clock)
            updates = self.experience.updates(clock)
            # One row of numbers a run: a loop writes every array of its own in a kernel of its own.
            rows = jax.vmap(row, in_axes=(0, 0, None))(sums, learned, updates)
            clock = Clock(clock.iteration + 1, clock.updates + updates)
            return runs._replace(learner=learner, totals=runs.totals + rows), clock

        return jax.lax.fori_loop(0, iterations, iteration, (runs, clock))

    def finish(
        self, runs: RunState, algorithm: Algorithm, env_params: EnvParams, clock: Clock
    ) -> tuple[RunState, MetricsOfRuns]:
        """End a segment whose iterations are done: evaluate, and begin the next one.

        Returns:
            The runs; metrics averaged over the segment's updates and the episodes that ended in it, and those of the
            evaluation: [R], or [R, N] for what differs between agents.
        """
        sums, learned, updates = jax.vmap(self._unpacked_totals)(runs, algorithm, env_params)
        learned = jax.vmap(means_over)(learned, updates)
        runs = freeze_diverged(runs, learned, updates)
        tested = self.evaluate(runs, algorithm, env_params, clock)
        steps = {"steps_taken": runs.env_steps.astype(jnp.float32)}
        metrics = {**episode_means(sums), **learned, **tested, **steps}
        runs = runs._replace(before=runs.learner, totals=jnp.zeros_like(runs.totals))
        # What a frozen run goes on to do is not a result.
        return runs, {name: nan_where(runs.diverged, values) for name, values in metrics.items()}

    def init_run(self, algorithm: Algorithm, env_params: EnvParams, seed: Int[Array, ""]) -> RunState:
        """One run that has not learned yet."""
        learner = algorithm.init(run_key(self.root, seed, Purpose.INIT), self.env.spec)
        memory = self.experience.init(algorithm, learner, env_params, run_key(self.root, seed, Purpose.INIT, 1))
        run = RunState(seed, learner, memory, jnp.int32(0), jnp.bool_(False), learner, jnp.zeros(0))
        reported = self._empty_report(run, algorithm, env_params)
        return run._replace(totals=jnp.zeros_like(row(*reported)))

    def collect(
        self, run: RunState, algorithm: Algorithm, env_params: EnvParams, clock: Clock
    ) -> tuple[Any, Rollout, Sums]:
        """What one run plays in this iteration; see `Experience.collect`."""
        key = run_key(self.root, run.seed, Purpose.COLLECT, clock.iteration)
        progress = Progress(clock.updates, run.env_steps)
        return self.experience.collect(algorithm, run.learner, run.memory, env_params, key, progress)

    def learn(self, run: RunState, fresh: Rollout, algorithm: Algorithm, clock: Clock) -> tuple[Any, Metrics]:
        """This iteration's gradient updates of one run: as many as the clock allows, which may be none.

        Returns:
            The learner, and its metrics summed over the updates.

        A loop whose length is a scalar, not a `cond`: it updates parameters in place, where the branches of a `cond`
        copy them.
        """
        batch_key, update_key = (
            run_key(self.root, run.seed, purpose, clock.iteration) for purpose in (Purpose.REPLAY, Purpose.UPDATE)
        )

        def update(index: int | Int[Array, ""], learner: Any) -> tuple[Any, Metrics]:
            batch = self.experience.batch(run.memory, fresh, jax.random.fold_in(batch_key, index), clock)
            progress = Progress(clock.updates + index, run.env_steps)
            return algorithm.update(learner, batch, jax.random.fold_in(update_key, index), progress)

        traced = jax.jit(update, inline=True)  # once: for the shapes of its metrics, and for the loop

        def one_more(index: Int[Array, ""], carried: tuple[Any, Metrics]) -> tuple[Any, Metrics]:
            learner, metrics = traced(index, carried[0])
            return learner, jax.tree.map(jnp.add, carried[1], metrics)

        count = self.experience.updates(clock)
        if isinstance(count, int) and count == 1:
            return update(0, run.learner)
        shapes = jax.eval_shape(traced, jnp.int32(0), run.learner)[1]
        zeros = jax.tree.map(lambda shape: jnp.zeros(shape.shape, shape.dtype), shapes)
        return jax.lax.fori_loop(jnp.int32(0), count, one_more, (run.learner, zeros))

    @functools.cached_property
    def traced_once(self) -> tuple[Any, Any]:
        """`collect` and `learn`, which several programs need: JAX keeps what it has traced of these two.

        They are given runs without `before` and `totals`, so that they are the same to every program.
        """
        return jax.jit(self.collect, inline=True), jax.jit(self.learn, inline=True)

    def _empty_report(self, run: RunState, algorithm: Algorithm, env_params: EnvParams) -> tuple[Sums, Metrics, Array]:
        """Zeros in the place of what an iteration of one run reports: sums, metrics, updates."""

        def report(run: RunState, algorithm: Algorithm, env_params: EnvParams) -> tuple[Sums, Metrics, Array]:
            clock, (collect, learn) = Clock.start(), self.traced_once
            run = run._replace(before=None, totals=None)
            memory, fresh, sums = collect(run, algorithm, env_params, clock)
            sums.pop("steps")
            learned = learn(run._replace(memory=memory), fresh, algorithm, clock)[1]
            return sums, learned, jnp.float32(0)

        shapes = jax.eval_shape(report, run, algorithm, env_params)
        return jax.tree.map(lambda shape: jnp.zeros(shape.shape, shape.dtype), shapes)

    def _unpacked_totals(
        self, run: RunState, algorithm: Algorithm, env_params: EnvParams
    ) -> tuple[Sums, Metrics, Array]:
        """What the iterations of a segment of one run reported in all, out of `totals`."""
        like = self._empty_report(run, algorithm, env_params)
        return ravel_pytree(like)[1](run.totals)

    def evaluate(self, runs: RunState, algorithm: Algorithm, env_params: EnvParams, clock: Clock) -> MetricsOfRuns:
        """Greedy episodes of all runs, and what else the algorithm tests; names begin with `test_`."""
        keys, more_keys = (
            jax.vmap(lambda seed, purpose=purpose: run_key(self.root, seed, purpose, clock.iteration))(runs.seed)
            for purpose in (Purpose.EVALUATE, Purpose.TEST)
        )
        params, episodes = runs.learner.params, self.test_episodes

        def more(algorithm: Algorithm, params: Any, env_params: EnvParams, key: Array) -> Metrics:
            return algorithm.test_metrics(params, self.env, env_params, key, episodes)

        greedy = evaluate(algorithm, params, self.env, env_params, keys, episodes)
        return greedy | jax.vmap(more)(algorithm, params, env_params, more_keys)


def make_program(
    env: Environment,
    algorithm: ReplayLearner | OnPolicyLearner,
    *,
    env_steps: int,
    test_interval: int,
    test_episodes: int,
    root: int,
) -> Program:
    """The program of an algorithm on an environment.

    Args:
        env: the environment, unwrapped.
        algorithm: the configured algorithm.
        env_steps: budget of one run.
        test_interval: environment steps between evaluations, rounded to whole iterations.
        test_episodes: greedy episodes in an evaluation.
        root: root of all random streams.

    Raises:
        InputError: if the algorithm's fields contradict each other or the environment.
    """
    env = observed_by(algorithm, env)
    algorithm.check(env)
    check_state(env)
    experience = Replayed.of(algorithm, env) if isinstance(algorithm, ReplayLearner) else OnPolicy.of(algorithm, env)
    if isinstance(experience, Replayed) and experience.sequences and experience.length > env_steps:
        raise InputError(f"sequence_length={experience.length} is longer than env_steps={env_steps}, the whole budget")
    steps = experience.steps
    iterations = max(1, min(round(test_interval / steps), math.ceil(env_steps / steps)))
    return Program(env, experience, iterations, test_episodes, root)


@functools.lru_cache(maxsize=64)  # the learners of a study share their environments, and large battles take a second
def check_state(env: Environment) -> None:
    """Whether a step keeps the shape of the state, without which no loop can go on.

    Raises:
        InputError: naming what changes.
    """
    spec, params = env.spec, env.default_params()
    key = jax.eval_shape(lambda: jax.random.key(0))
    actions = jax.ShapeDtypeStruct((spec.n_agents, spec.n_actions), jnp.float32)
    if not spec.continuous:
        actions = jax.ShapeDtypeStruct((spec.n_agents,), jnp.int32)
    before = jax.eval_shape(env.init, key, params)
    after = jax.eval_shape(env.transition, key, before, actions, params)[0]
    if change := state_change(before, after, lambda leaf: f"{leaf.dtype} {leaf.shape}"):
        raise InputError(f"{spec.name}: {change}")


def observed_by(algorithm: Algorithm, env: Environment) -> Environment:
    """`env` as the algorithm sees it: noise for a state, previous action and agent index in observations."""
    if algorithm.noisy_state:
        env = NoiseState(env)
    if algorithm.last_action:
        env = LastAction(env)
    return AgentId(env) if algorithm.agent_id else env
