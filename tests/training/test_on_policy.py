"""The on-policy program: independent runs, ends of episodes, memory across segments, size-one axes, and plans."""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxvf
from jaxvf.algorithms import make
from jaxvf.envs import GaussianTeam, MatrixGame, SoftmaxChain, TwoStepGame
from jaxvf.envs.protocol import Environment, EnvSpec, Outcome, View
from jaxvf.errors import InputError
from jaxvf.training import Clock, Program, make_program
from jaxvf.trust_region import Recurrent, Table, TrustRegion

# Compile time is most of these tests' time.
QUICK = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}
SMALL = TrustRegion(
    actor=Table(), critic=Table(), num_envs=4, rollout_length=3, actor_epochs=2, critic_epochs=1, learning_rate=0.05
)
init, segment = (jax.jit(part, static_argnums=0, compiler_options=QUICK) for part in (Program.init, Program.segment))


def program_of(algorithm: Any, env: Any) -> Any:
    """A small program of two iterations a segment."""
    steps = 2 * algorithm.num_envs * algorithm.rollout_length
    return make_program(env, algorithm, env_steps=steps, test_interval=steps, test_episodes=3, root=0)


def spread(tree: Any, runs: int) -> Any:
    """The same numbers for every run."""
    return jax.tree.map(lambda x: jnp.broadcast_to(jnp.asarray(x), (runs, *np.shape(x))).astype(jnp.float32), tree)


def train(algorithm: Any, env: Any, seeds: list[int], *, segments: int = 2, **traced: Any) -> Any:
    """States and metrics after some segments; `traced` gives a value per run."""
    program = program_of(algorithm, env)
    values = {name: jnp.asarray(value, jnp.float32) for name, value in traced.items()}
    configured = dataclasses.replace(spread(algorithm, len(seeds)), **values)
    params = spread(env.default_params(), len(seeds))
    runs, clock = init(program, configured, params, jnp.asarray(seeds)), Clock.start()
    for _ in range(segments):
        runs, clock, metrics = segment(program, runs, configured, params, clock)
    return runs, clock, metrics


def row(tree: Any, index: int) -> Any:
    """One run out of a stack."""
    return jax.tree.map(lambda leaf: np.asarray(leaf)[index], tree)


def close(a: Any, b: Any) -> None:
    """Equal structures, equal to float tolerance."""
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-5), a, b)


def test_runs_are_independent_and_a_diverged_one_ends_alone():
    """Any company, any place; neighbours keep their bits, the lost run its last finite state."""
    with np.errstate(all="ignore"):
        mixed, _, metrics = train(SMALL, TwoStepGame(), [0, 1, 2], learning_rate=[0.05, np.inf, 0.05])
    sane, clock, _ = train(SMALL, TwoStepGame(), [0, 1, 2], learning_rate=[0.05] * 3)
    elsewhere, _, _ = train(SMALL, TwoStepGame(), [1, 7, 8], learning_rate=[0.05, 0.1, 0.0])
    assert int(clock.iteration) == 4
    close(row(sane, 1).learner.params, row(elsewhere, 0).learner.params)
    np.testing.assert_array_equal(mixed.diverged, [False, True, False])
    for name, values in metrics.items():
        lost = np.isnan(values).reshape(3, -1)
        assert lost[1].all() and not lost[::2].any(), name
    for index in (0, 2):
        jax.tree.map(np.testing.assert_array_equal, row(mixed, index), row(sane, index))
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(row(mixed, 1).learner.params))


def test_the_segment_has_no_callback_and_no_batched_loop():
    """For the deepest program: natural gradients have loops of fixed length alone."""
    plain = TrustRegion()  # in what means nothing to natural steps
    fields = {"learning_rate": plain.learning_rate, "actor_epochs": plain.actor_epochs}
    algorithm = dataclasses.replace(SMALL, step="natural", **fields)
    program = program_of(algorithm, TwoStepGame())
    configured, params = spread(algorithm, 3), spread(TwoStepGame().default_params(), 3)
    runs = jax.eval_shape(program.init, configured, params, jnp.arange(3))
    text = str(jax.make_jaxpr(program.segment)(runs, configured, params, Clock.start()))
    assert "callback" not in text and "debug" not in text and " scan[" in text
    # One loop whose length is a number of the host's: over the iterations that it asks for.
    assert text.count(" while[") == 1 and " cond[" not in text


class CountState(NamedTuple):
    """The step of an episode."""

    t: jax.Array


@dataclasses.dataclass(frozen=True)
class Count(Environment):
    """Counts to three: the observation is the step one-hot, every step earns 1; a parameter says how it is over."""

    @property
    def spec(self) -> EnvSpec:
        return EnvSpec("count", 1, 2, 2, 4, 4, 3, one_hot_obs=True)

    def default_params(self) -> dict[str, Any]:
        return {"terminates": jnp.float32(0)}

    def init(self, key: Any, params: Any) -> CountState:
        return CountState(jnp.int32(0))

    def transition(self, key: Any, state: CountState, actions: Any, params: Any) -> tuple[CountState, Outcome]:
        over = state.t + 1 >= 3
        ended = over & (params["terminates"] > 0)
        return CountState(state.t + 1), Outcome(jnp.float32(1), ended, over & ~ended, {})

    def observe(self, state: CountState, params: Any) -> View:
        shown = jax.nn.one_hot(state.t, 4)
        return View(jnp.broadcast_to(shown, (2, 4)), shown, jnp.ones((2, 2), bool), jnp.ones(2, bool))


def test_what_comes_after_the_last_step():
    """V of step t is w_t of a linear critic: a cut-off third step bootstraps from w_3, not from w_0."""
    algorithm = dataclasses.replace(SMALL, rollout_length=4, td_lambda=0.0, discount=0.5)
    program = program_of(algorithm, Count())

    def play(terminates: jax.Array) -> Any:
        params = {"terminates": terminates}
        run = program.init_run(algorithm, params, jnp.int32(0))
        weights = {"params": {"table": jnp.array([[5.0], [0.2], [0.3], [0.9]])}}
        learner = run.learner._replace(params=run.learner.params._replace(critic=weights))
        stage, collected, sums = program.collect(run._replace(learner=learner), algorithm, params, Clock.start())
        advantages = [
            dataclasses.replace(algorithm, truncation=rule).estimate(learner, collected).advantage
            for rule in ("bootstrap", "terminate")
        ]
        return *advantages, collected.started, collected.filled, stage.started, sums

    both = jax.jit(jax.vmap(play), compiler_options=QUICK)(jnp.array([1.0, 0.0]))
    advantage, as_if_terminated, started, filled, goes_on, sums = jax.tree.map(np.asarray, both)
    np.testing.assert_allclose(advantage[0, 2], 1 - 0.3, rtol=1e-6)
    np.testing.assert_allclose(advantage[1, 2], 1 + 0.5 * 0.9 - 0.3, rtol=1e-6)
    np.testing.assert_allclose(as_if_terminated[:, 2], 1 - 0.3, rtol=1e-6)
    # The end of the rollout cuts the next episode off. Where the limit did, the fourth frame is the final view, in
    # which nobody steps, and the next episode begins with the fifth.
    np.testing.assert_allclose(advantage[0, 3], 1 + 0.5 * 0.2 - 5, rtol=1e-6)
    np.testing.assert_array_equal(
        started[:, :, 0], [[True, False, False, True, False], [True, False, False, False, True]]
    )
    np.testing.assert_array_equal(filled[:, :, 0], [[True] * 4, [True, True, True, False]])
    np.testing.assert_array_equal(goes_on[:, 0], [False, True])
    for name, value in {"episodes": 4, "episode_return": 12, "episode_length": 12}.items():
        assert (sums[name] == value).all()
    np.testing.assert_array_equal(sums["steps"], [16, 12])


def test_memory_goes_on_from_rollout_to_rollout():
    """Two rollouts of two steps are one of four: same observations, and the same memory before every step."""
    network = Recurrent(hidden=4, layers=0, layer_norm=False)
    algorithm = dataclasses.replace(SMALL, actor=network, critic=network, chunk_length=1)
    params = {"terminates": jnp.float32(1)}

    def play(length: int, count: int) -> Any:
        program = program_of(dataclasses.replace(algorithm, rollout_length=length), Count())
        run = program.init_run(algorithm, params, jnp.int32(0))
        parts = []
        for _ in range(count):
            memory, collected, _ = program.collect(run, algorithm, params, Clock.start())
            estimates = algorithm.estimate(run.learner, collected)
            run = run._replace(memory=memory, learner=run.learner._replace(critic_carry=estimates.carry))
            steps = slice(collected.steps)
            parts.append((collected.obs[steps], collected.extras.carry[steps], collected.started[steps]))
        return [jnp.concatenate(leaves) for leaves in zip(*parts, strict=True)], estimates.carry

    (obs, carry, started), memory = jax.jit(lambda: play(2, 2), compiler_options=QUICK)()
    (whole_obs, whole_carry, whole_started), whole_memory = jax.jit(lambda: play(4, 1), compiler_options=QUICK)()
    np.testing.assert_array_equal(obs, whole_obs)
    np.testing.assert_array_equal(started, whole_started)
    np.testing.assert_allclose(carry, whole_carry, atol=1e-6)
    np.testing.assert_allclose(memory, whole_memory, atol=1e-6)
    assert np.abs(carry[1:3]).max() > 0 and not np.abs(carry[3]).any()


def test_a_size_one_leaf_gives_the_numbers_of_the_repeated_leaf():
    """A fixed view evaluated once for all environments, or for each, trains the same actors."""

    @dataclasses.dataclass(frozen=True)
    class Repeated(SoftmaxChain):
        @property
        def spec(self) -> EnvSpec:
            return dataclasses.replace(super().spec, fixed_view=False)

    algorithm = dataclasses.replace(SMALL, rollout_length=1, baseline="exact", critic_epochs=5)
    once, _, metrics = train(algorithm, SoftmaxChain(3, 2), [0, 1])
    repeated, _, _ = train(algorithm, Repeated(3, 2), [0, 1])
    close(once.learner.params.actor, repeated.learner.params.actor)
    assert metrics["test_expected_return"].shape == (2,) and metrics["variance_by_position"].shape == (2, 3)


def test_every_axis_may_have_size_one():
    """One run, environment, agent, action and step; IPPO, whose critics look at observations."""
    algorithm = dataclasses.replace(SMALL, num_envs=1, rollout_length=1, critic_inputs="observation", updates="joint")
    _, _, metrics = train(algorithm, MatrixGame([3.0]), [0], segments=1)
    assert metrics["test_return"].shape == (1,) and metrics["test_return"][0] == 3
    assert all(np.isfinite(values).all() for values in metrics.values())


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"minibatches": 99}, "minibatches=99 exceeds the 12 samples of an iteration"),
        ({"actor": Recurrent(hidden=4), "chunk_length": 2}, "chunk_length=2 does not divide rollout_length=3"),
    ],
)
def test_paces_that_do_not_fit_are_named(fields, message):
    with pytest.raises(InputError, match=message):
        program_of(dataclasses.replace(SMALL, **fields), TwoStepGame())


def test_misfits_between_learner_and_environment_are_named():
    """An exact baseline where none is known; a value learner where actions are continuous."""
    exact = dataclasses.replace(SMALL, baseline="exact")
    with pytest.raises(InputError, match="baseline='exact' needs a one-step game, which two_step_game is not"):
        jaxvf.Sweep(TwoStepGame(), exact).plan()
    with pytest.raises(InputError, match="gaussian_team has continuous actions"):
        jaxvf.Sweep(GaussianTeam(2), make("qmix")).plan()
