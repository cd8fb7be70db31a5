"""The training program: time is scanned outside, runs are mapped inside, and the clock stays scalar.

segment:  lax.scan over iterations
            vmap over runs: collect  ->  one ring write for all runs  ->  vmap over runs: update
          vmap over runs: evaluate
"""

import dataclasses
import math
from fractions import Fraction
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxvf.envs.protocol import Environment, EnvParams, EnvSpec, where_done
from jaxvf.envs.wrappers import AgentId, LastAction, NoiseState
from jaxvf.errors import InputError
from jaxvf.training.clock import Clock, Pace
from jaxvf.training.evaluation import carry_batch, evaluate
from jaxvf.training.keys import Purpose, run_key
from jaxvf.training.rollout import rollout
from jaxvf.value import replay as ring
from jaxvf.value import storage
from jaxvf.value.learner import Progress
from jaxvf.value.replay import Episodes

Metrics = dict[str, Float[Array, "R"]]
# Forward and backward passes hold about this many copies of a sampled batch (inputs, activations, their gradients).
BATCH_COPIES = 4


class RunState(NamedTuple):
    """Everything that differs between runs and changes with time; leaves have the leading axis R."""

    seed: Int[Array, "R"]
    learner: Any
    replay: Episodes
    env_steps: Int[Array, "R"]  # steps really taken: episodes may end early
    diverged: Bool[Array, "R"]


@dataclasses.dataclass(frozen=True)
class Program:
    """Pure functions that train R runs of one static configuration.

    `algorithm` and `env_params` are passed to every function with a leading axis R on their leaves: the traced
    hyperparameters of each run. Their static parts, and the fields below, are compiled in.

    Attributes:
        env: the environment, wrapped as the algorithm wants to see it (`for_algorithm`).
        pace: how often things happen.
        iterations: iterations in a segment, between two evaluations.
        test_episodes: greedy episodes in an evaluation.
        root: root of all random streams.
    """

    env: Environment
    pace: Pace
    iterations: int
    test_episodes: int
    root: int

    @property
    def segment_steps(self) -> int:
        """Environment steps allotted to a segment, per run."""
        return self.iterations * self.pace.steps

    def init(self, algorithm: Any, env_params: EnvParams, seeds: Int[Array, "R"]) -> RunState:
        """Runs that have not learned yet."""
        return jax.vmap(self._init_run)(algorithm, env_params, seeds)

    def segment(
        self, runs: RunState, algorithm: Any, env_params: EnvParams, clock: Clock
    ) -> tuple[RunState, Clock, Metrics]:
        """Train every run for `iterations` iterations, then evaluate.

        Returns:
            The runs and the clock to go on from; metrics averaged over the segment's updates and episodes, and those
            of the evaluation, each of shape [R].
        """

        def iteration(
            carried: tuple[RunState, Clock], _: None
        ) -> tuple[tuple[RunState, Clock], tuple[Metrics, Metrics]]:
            runs, clock = carried
            episodes, steps, collected = jax.vmap(self._collect, in_axes=(0, 0, 0, None))(
                runs, algorithm, env_params, clock
            )
            # Outside the vmap, where it is one slice; inside it would be batched into a scatter.
            replay = ring.write(runs.replay, episodes, self.pace.cursor(clock), runs_axis=1)
            runs = runs._replace(replay=replay, env_steps=runs.env_steps + steps)
            learner, learned = jax.vmap(self._learn, in_axes=(0, 0, None))(runs, algorithm, clock)
            clock = Clock(clock.iteration + 1, clock.updates + self.pace.updates_after(clock))
            return (runs._replace(learner=learner), clock), (collected, learned)

        before, updates_before = runs.learner, clock.updates
        (runs, clock), (collected, learned) = jax.lax.scan(iteration, (runs, clock), None, length=self.iterations)
        updates = clock.updates - updates_before
        collected = {name: values.mean(axis=0) for name, values in collected.items()}
        learned = {name: jnp.where(updates > 0, sums.sum(axis=0) / updates, jnp.nan) for name, sums in learned.items()}
        runs = freeze_diverged(runs, before, learned, updates)
        tested = jax.vmap(self._evaluate, in_axes=(0, 0, 0, None))(runs, algorithm, env_params, clock)
        metrics = {**collected, **learned, **tested, "steps_taken": runs.env_steps.astype(jnp.float32)}
        # What a frozen run goes on to do is no result.
        metrics = {name: jnp.where(runs.diverged, jnp.nan, values) for name, values in metrics.items()}
        return runs, clock, metrics

    def transient_bytes(self, algorithm: Any, env_params: EnvParams, state: RunState) -> int:
        """Predicted bytes of what an update holds beside the state of runs whose shapes are given."""
        stored = sum(math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in jax.tree.leaves(state.replay))
        return int(BATCH_COPIES * stored / self.pace.capacity * algorithm.batch_size)

    def _init_run(self, algorithm: Any, env_params: EnvParams, seed: Int[Array, ""]) -> RunState:
        learner = algorithm.init(run_key(self.root, seed, Purpose.INIT), self.env.spec)

        def collect_once(learner: Any) -> Episodes:
            blank = RunState(seed, learner, None, jnp.int32(0), jnp.bool_(False))  # pyright: ignore[reportArgumentType]
            return self._collect(blank, algorithm, env_params, Clock.start())[0]

        shapes = jax.eval_shape(collect_once, learner)
        replay = ring.empty(shapes, self.pace.capacity, fixed_view=self.env.spec.fixed_view)
        return RunState(seed, learner, replay, jnp.int32(0), jnp.bool_(False))

    def _collect(
        self, run: RunState, algorithm: Any, env_params: EnvParams, clock: Clock
    ) -> tuple[Episodes, Int[Array, ""], dict[str, Float[Array, ""]]]:
        num_envs = self.pace.episodes

        def policy(carry: Any, view: Any, key: Array) -> tuple[Array, Any]:
            return algorithm.act(run.learner, carry, view, key, run.env_steps, num_envs)

        key = run_key(self.root, run.seed, Purpose.COLLECT, clock.iteration)
        carry = algorithm.initial_carry(carry_batch(self.env, num_envs))
        episodes, totals = rollout(self.env, env_params, policy, carry, key, num_envs)
        assert episodes is not None  # record=True
        if self.env.spec.fixed_view:
            episodes = ring.share_fixed_view(episodes)
        episodes = storage.packed(episodes, self.env.spec)
        return episodes, totals.episode_length.sum(), totals.means("train")

    def _learn(self, run: RunState, algorithm: Any, clock: Clock) -> tuple[Any, dict[str, Float[Array, ""]]]:
        """This iteration's gradient updates of one run: as many as the clock allows, which may be none.

        Returns:
            The learner, and its metrics summed over the updates.

        A loop whose length is a scalar, not a `cond`: it updates parameters in place, where the branches of a `cond`
        copy them.
        """
        replay_key, update_key = (
            run_key(self.root, run.seed, purpose, clock.iteration) for purpose in (Purpose.REPLAY, Purpose.UPDATE)
        )
        spec = self.env.spec

        def update(index: Int[Array, ""], learner: Any) -> tuple[Any, dict[str, Array]]:
            batch_key, key = jax.random.fold_in(replay_key, index), jax.random.fold_in(update_key, index)
            batch = ring.sample(run.replay, batch_key, self.pace.stored(clock), algorithm.batch_size)
            batch = storage.unpacked(batch, spec)
            if spec.payoff_game and spec.fixed_view and spec.n_actions**spec.n_agents < algorithm.batch_size:
                batch = ring.by_joint_action(batch, spec.n_actions)
            return algorithm.update(learner, batch, key, Progress(clock.updates + index, run.env_steps))

        def one_more(index: Int[Array, ""], carried: tuple[Any, dict[str, Array]]) -> tuple[Any, dict[str, Array]]:
            learner, metrics = update(index, carried[0])
            return learner, jax.tree.map(jnp.add, carried[1], metrics)

        shapes = jax.eval_shape(update, jnp.int32(0), run.learner)[1]
        zeros = jax.tree.map(lambda shape: jnp.zeros(shape.shape, shape.dtype), shapes)
        return jax.lax.fori_loop(0, self.pace.updates_after(clock), one_more, (run.learner, zeros))

    def _evaluate(
        self, run: RunState, algorithm: Any, env_params: EnvParams, clock: Clock
    ) -> dict[str, Float[Array, ""]]:
        key = run_key(self.root, run.seed, Purpose.EVALUATE, clock.iteration)
        return evaluate(algorithm, run.learner.params, self.env, env_params, key, self.test_episodes)


def for_algorithm(env: Environment, algorithm: Any) -> Environment:
    """`env` as the algorithm wants to see it: noise for a state, previous action and agent index in observations."""
    if algorithm.noisy_state:
        env = NoiseState(env)
    if algorithm.last_action:
        env = LastAction(env)
    return AgentId(env) if algorithm.agent_id else env


def make_pace(algorithm: Any, spec: EnvSpec) -> Pace:
    """The rhythm that an algorithm's static fields ask for.

    Raises:
        InputError: for a ring that is not a multiple of the episodes written at once, a batch that never fits it, or a
            ratio of updates to episodes that gives neither a whole number of updates an iteration nor a whole interval.
    """
    episodes, capacity = algorithm.num_envs, algorithm.buffer_size
    if capacity % episodes:
        nearest = max(episodes, round(capacity / episodes) * episodes)
        raise InputError(
            f"buffer_size={capacity} is not a multiple of num_envs={episodes}; the nearest valid one is {nearest}"
        )
    if algorithm.batch_size > capacity:
        raise InputError(f"batch_size={algorithm.batch_size} exceeds buffer_size={capacity}")
    per_iteration = Fraction(algorithm.updates_per_episode).limit_denominator(10_000) * episodes
    if per_iteration <= 0 or 1 not in (per_iteration.numerator, per_iteration.denominator):
        raise InputError(
            f"updates_per_episode={algorithm.updates_per_episode} with num_envs={episodes} gives {per_iteration} "
            f"updates an iteration; it must be a whole number n or 1/n, e.g. {1 / episodes:g}"
        )
    return Pace(
        episodes=episodes,
        limit=spec.limit_max,
        capacity=capacity,
        warmup=min(capacity, max(algorithm.learning_starts, algorithm.batch_size)),
        updates=max(1, per_iteration.numerator),
        every=per_iteration.denominator,
    )


def freeze_diverged(runs: Any, before: Any, learned: dict[str, Array], updates: Int[Array, ""]) -> Any:
    """Mark runs whose parameters or losses are not finite any more; put them back to where the segment began, for good.

    Once a segment and not once an update: what is not finite stays so, and testing every update would read all
    parameters once more. Runs share no arithmetic, so their neighbours never notice.
    """
    finite = jax.vmap(_all_finite)(runs.learner.params) & (jax.vmap(_all_finite)(learned) | (updates == 0))
    diverged = runs.diverged | ~finite
    return runs._replace(learner=where_done(diverged, before, runs.learner), diverged=diverged)


def _all_finite(tree: Any) -> Bool[Array, ""]:
    return jnp.all(jnp.stack([jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(tree)]))
