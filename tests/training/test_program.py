"""Laws of the compiled program: runs are independent, the clock is scalar, every size-one axis works."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvf.algorithms import make
from jaxvf.envs import MatrixGame, TwoStepGame
from jaxvf.mixers import DuelmixMixer, VdnMixer
from jaxvf.networks import RecurrentAgent, TabularAgent
from jaxvf.training import Clock, Program, Replayed, observed_by
from jaxvf.value import QLearning
from jaxvf.value.recognizer import Recognizer

PAYOFF = [[8.0, -12, -12], [-12, 0, 0], [-12, 0, 7.9]]
SMALL = {
    "agent": RecurrentAgent(hidden=8),
    "num_envs": 2,
    "batch_size": 4,
    "buffer_size": 8,
    "updates_per_episode": 1.0,
    "optimizer": "adam",
}
# For laws of programs, whatever their learner.
PLAIN = {**SMALL, "agent": TabularAgent(), "agent_id": False, "last_action": False}
QUICK = {"xla_backend_optimization_level": 0}  # compile time is most of these tests' time
# What else to make small; where registered algorithms differ in their mixer or a weight alone, one stands for all.
CENTRAL = {"central_width": 8}
RECOGNIZER = {"recognizer": Recognizer(width=8, embed=4), "inner_steps": 2, "first_inner_steps": 3}
DISTINCT = {
    "qmix": {},
    "nm_qmix_rnd": {"novelty_width": 8},
    "duelmix": {"mixer": DuelmixMixer(hypernet_embed=8)},
    "qtran": {},
    "qtran_alt": {},
    "cw_qmix": CENTRAL,
    "pow_vdn": {**CENTRAL, **RECOGNIZER, "unweighted_steps": 0.0},
    "resq": CENTRAL,
    "mrvf": CENTRAL,
    "s2q": CENTRAL,
}


def small(name: str) -> Any:
    """A registered algorithm with small sizes."""
    return dataclasses.replace(make(name), **SMALL, **DISTINCT.get(name, {}))


# Equal programs share one compilation.
init, segment = (jax.jit(part, static_argnums=0, compiler_options=QUICK) for part in (Program.init, Program.segment))


def program_of(algorithm: Any, env: Any, iterations: int = 6) -> Program:
    """A small program."""
    observed = observed_by(algorithm, env)
    return Program(observed, Replayed.of(algorithm, observed), iterations, test_episodes=3, root=0)


def spread(tree: Any, runs: int) -> Any:
    """The same hyperparameters for every run."""
    return jax.tree.map(lambda x: jnp.broadcast_to(jnp.asarray(x), (runs, *np.shape(x))).astype(jnp.float32), tree)


def train(algorithm: Any, env: Any, seeds: Any, *, iterations: int = 6, segments: int = 2, **traced: Any) -> Any:
    """States and metrics after some segments; `traced` gives a value per run."""
    program, seeds = program_of(algorithm, env, iterations), jnp.asarray(list(seeds))
    configured = dataclasses.replace(
        spread(algorithm, len(seeds)), **{name: jnp.asarray(value, jnp.float32) for name, value in traced.items()}
    )
    params = spread(env.default_params(), len(seeds))
    runs, clock = init(program, configured, params, seeds), Clock.start()
    for _ in range(segments):
        runs, clock, metrics = segment(program, runs, configured, params, clock)
    return runs, clock, metrics


def row(tree: Any, index: int) -> Any:
    """One run out of a stack."""
    return jax.tree.map(lambda leaf: np.asarray(leaf)[index], tree)


def assert_close(a: Any, b: Any, tolerance: float = 1e-5) -> None:
    """Equal structures, equal to float tolerance."""
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=tolerance, atol=tolerance), a, b)


def primitives(jaxpr: Any, found: list[Any] | None = None) -> list[Any]:
    """All equations of a jaxpr, inner ones included."""
    found = [] if found is None else found
    for equation in jaxpr.eqns:
        found.append(equation)
        for value in equation.params.values():
            for inner in value if isinstance(value, tuple | list) else (value,):
                inner = getattr(inner, "jaxpr", inner)
                if hasattr(inner, "eqns"):
                    primitives(inner, found)
    return found


def test_a_run_among_64_equals_the_same_run_alone():
    """Seed 5 among 64 seeds and seed 5 alone learn the same parameters."""
    together, clock, _ = train(small("qmix"), TwoStepGame(), range(64))
    alone, _, _ = train(small("qmix"), TwoStepGame(), [5])
    assert int(clock.updates) > 0
    assert_close(row(together, 5).learner.params, row(alone, 0).learner.params)
    assert_close(row(together, 5).memory, row(alone, 0).memory)


@pytest.mark.parametrize("name", DISTINCT)
def test_the_segment_keeps_its_loops_and_has_no_callback(name):
    """For every learner: vmap batched no loop's length, and turned no ring write into a scatter."""
    algorithm = small(name)
    program = program_of(algorithm, TwoStepGame())
    configured, params = spread(algorithm, 3), spread(TwoStepGame().default_params(), 3)
    runs = jax.eval_shape(program.init, configured, params, jnp.arange(3))
    equations = primitives(jax.make_jaxpr(program.segment)(runs, configured, params, Clock.start()).jaxpr)
    names = [equation.primitive.name for equation in equations]
    assert not [found for found in names if "callback" in found or found.startswith("debug")]
    # No branch over parameters, both of whose sides would copy them; what the platform chooses is none when it runs.
    branches = [equation for equation in equations if equation.primitive.name == "cond"]
    assert all(equation.params["branches_platforms"] for equation in branches)
    # The lengths of loops are scalars: a batched `while` would run until the slowest run ends.
    loops = [equation for equation in equations if equation.primitive.name == "while"]
    assert len(loops) >= 2
    for loop in loops:
        assert loop.params["cond_jaxpr"].jaxpr.outvars[0].aval.shape == ()
    assert "dynamic_update_slice" in names
    assert not any(name.startswith("scatter") for name in names)


def test_no_update_happens_before_replay_is_filled():
    """Three iterations store six episodes; with eight needed, parameters are still those of `init`."""
    algorithm = dataclasses.replace(make("vdn"), **{**PLAIN, "learning_starts": 8})
    runs, clock, metrics = train(algorithm, TwoStepGame(), [0], iterations=3, segments=1)
    program = program_of(algorithm, TwoStepGame())
    fresh = init(program, spread(algorithm, 1), spread(TwoStepGame().default_params(), 1), jnp.arange(1))
    assert int(clock.updates) == 0 and np.isnan(metrics["loss"]).all()
    jax.tree.map(np.testing.assert_array_equal, runs.learner, fresh.learner)


@pytest.mark.parametrize("name", ["qmix", "pow_vdn", "mrvf"])
def test_runs_are_independent(name):
    """For one learner of each kind: a run is the same in any company, at any place.

    A diverged run ends alone; its neighbours' bits are as if it were not there.
    """
    algorithm = small(name)
    with np.errstate(all="ignore"):
        mixed, _, metrics = train(algorithm, TwoStepGame(), [0, 1, 2], learning_rate=[1e-3, 1e30, 1e-3])
    sane, clock, _ = train(algorithm, TwoStepGame(), [0, 1, 2], learning_rate=[1e-3, 1e-3, 1e-3])
    elsewhere, _, _ = train(algorithm, TwoStepGame(), [1, 7, 8], learning_rate=[1e-3, 1e-4, 1e-2])
    assert int(clock.updates) > 0
    assert_close(row(sane, 1).learner.params, row(elsewhere, 0).learner.params)
    assert_close(row(sane, 1).memory, row(elsewhere, 0).memory)
    np.testing.assert_array_equal(mixed.diverged, [False, True, False])
    for values in metrics.values():  # what a frozen run goes on to do is no result
        np.testing.assert_array_equal(np.isnan(values), [False, True, False])
    for index in (0, 2):
        jax.tree.map(np.testing.assert_array_equal, row(mixed, index), row(sane, index))
    # Frozen where the first bad segment began, which is still finite.
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(row(mixed, 1).learner.params))


def test_a_size_one_leaf_gives_the_numbers_of_the_repeated_leaf():
    """In the whole program: a view evaluated once for all of B, or B times, trains the same network."""

    @dataclasses.dataclass(frozen=True, eq=False, init=False)
    class Repeated(MatrixGame):
        """The same game, which does not say that its views are alike."""

        @property
        def spec(self):
            return dataclasses.replace(super().spec, fixed_view=False)

    algorithm = dataclasses.replace(small("qmix"), last_action=False)
    once, _, _ = train(algorithm, MatrixGame(PAYOFF), [0, 1])
    repeated, _, _ = train(algorithm, Repeated(PAYOFF), [0, 1])
    assert once.memory.ring.obs is None and repeated.memory.ring.obs.shape[2] == SMALL["buffer_size"]
    assert_close(once.learner.params, repeated.learner.params)
    np.testing.assert_array_equal(once.memory.ring.actions, repeated.memory.ring.actions)


@pytest.mark.parametrize("name", ["qmix", "mrvf"])
def test_every_axis_may_have_size_one(name):
    """One run, one environment, one agent, one action, one step, one stored episode."""
    payoff = np.array([5.0])
    tiny = dataclasses.replace(small(name), num_envs=1, batch_size=1, buffer_size=1)
    runs, clock, metrics = train(tiny, MatrixGame(payoff), [0], iterations=2, segments=1)
    assert int(clock.updates) == 2
    assert np.isfinite(metrics["loss"]).all() and metrics["test_return"].shape == (1,)
    assert runs.memory.ring.actions.shape == (1, 1, 1, payoff.ndim)


def test_one_environment_fills_the_whole_ring():
    """With num_envs=1 every leaf has size 1 along B, and still the ring has all its slots."""
    algorithm = dataclasses.replace(make("vdn"), **{**PLAIN, "num_envs": 1, "batch_size": 2})
    runs, _, _ = train(algorithm, TwoStepGame(), [0], iterations=8, segments=1)
    assert runs.memory.ring.obs.shape[2] == SMALL["buffer_size"]
    assert runs.memory.ring.filled[0].all()
    assert len(np.unique(np.asarray(runs.memory.ring.actions[0]).reshape(2, 8, -1).sum(axis=(0, 2)))) > 1


def test_traced_hyperparameters_differ_between_runs_of_one_program():
    """Discount 0 and 1 in one program: only the second learns that the first step is worth something."""
    algorithm = QLearning(mixer=VdnMixer(), **PLAIN, behaviour="uniform", target_update_interval=2)
    _, _, metrics = train(
        algorithm, TwoStepGame(), [0, 0], iterations=150, segments=1, discount=[0.0, 1.0], learning_rate=[5e-2, 5e-2]
    )
    assert metrics["target"][1] > metrics["target"][0] + 1


def test_the_clock_counts_iterations_and_updates():
    """Two segments of six iterations of two episodes; four stored before the first two updates."""
    _, clock, metrics = train(dataclasses.replace(make("vdn"), **PLAIN), TwoStepGame(), [0])
    assert int(clock.iteration) == 12 and int(clock.updates) == 11 * 2
    assert metrics["steps_taken"][0] == 12 * 2 * 2
