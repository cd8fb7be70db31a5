"""What holds for every learner: shapes for size-one axes, ends of episodes, masks, and steps that nobody took."""

import functools
from collections.abc import Callable
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvf import hyperparameters
from jaxvf.algorithm import Progress
from jaxvf.algorithms import ALGORITHMS
from jaxvf.networks import TabularAgent
from jaxvf.value.agents import ValueAgents
from jaxvf.value.recognizer import Recognizer

KEY, PROGRESS = jax.random.key(0), Progress(jnp.int32(1), jnp.int32(200_000))
# Compiling is most of the time of these tests.
QUICK = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}


# One learner of each kind: other registered ones differ from these in a mixer or a weight that has tests of its own.
ONE_OF_EACH = (
    "iql", "qplex_qatten", "duelmix", "nm_qmix_rnd", "qtran", "qtran_alt", "cw_qmix", "ow_qmix", "resq", "pow_vdn",
    "mrvf", "s2q",
)  # fmt: skip


@functools.partial(jax.jit, compiler_options=QUICK)
def update(learner, state, batch, progress=PROGRESS):
    return learner.update(state, batch, KEY, progress)


@functools.partial(jax.jit, compiler_options=QUICK)
def values_of(learner, params, batch):
    return learner.joint_values(params, batch)


def small(name: str, **fields) -> Any:
    """The algorithm over tables, with two inner steps and no bonus where it would have more."""
    learner = ALGORITHMS[name]()
    fields = {"agent": TabularAgent(), "inner_steps": 2, "novelty_weight": 0.0, "td_lambda": 0.0, **fields}
    for path, value in fields.items():
        if hasattr(learner, path):
            learner = hyperparameters.replace(learner, path, value)
    return learner


@pytest.mark.parametrize("name", ONE_OF_EACH)
@pytest.mark.parametrize("sizes", [{"steps": 1, "agents": 1}, {"envs": 1, "actions": 1}, {"obs": 1, "state": 1}])
def test_every_size_one_axis_works(name, sizes, random_episodes, state_for):
    """Parameters, targets and optimizer keep their shapes and types; metrics are numbers."""
    if name == "qplex_qatten" and "state" in sizes:
        sizes = {**sizes, "state": 2}  # its attention needs an entry of the state per agent
    learner, batch = small(name), random_episodes(**sizes)
    state = jax.tree.map(jnp.asarray, state_for(learner, batch))
    after, metrics = jax.eval_shape(learner.update, state, batch, KEY, PROGRESS)
    shapes = functools.partial(jax.tree.map, lambda leaf: (leaf.shape, leaf.dtype))
    assert shapes(after) == shapes(state)
    assert {leaf.shape for leaf in metrics.values()} == {()}


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_ends_and_masks(name, random_episodes, state_for):
    """A terminal step's target is its reward; a truncated one's grows with γ; no mask makes anything infinite."""
    batch = random_episodes(steps=1, envs=4)
    learner = small(name)
    state = state_for(learner, batch)
    reward = float(batch.reward.mean())

    def target(discount: float, terminated: bool) -> float:
        flags = np.full((1, 4), terminated)
        metrics = update(small(name, discount=discount), state, batch._replace(terminated=flags, truncated=~flags))[1]
        return float(metrics["target"])

    assert target(0.9, True) == pytest.approx(reward, abs=1e-6)
    assert target(0.0, False) == pytest.approx(reward, abs=1e-6)
    ahead = target(1.0, False) - reward
    assert abs(ahead) > 1e-3
    assert target(0.5, False) - reward == pytest.approx(0.5 * ahead, rel=1e-3, abs=1e-5)

    generator = np.random.default_rng(0)
    for seed in range(5):
        avail = generator.random(batch.avail.shape) < 0.4
        avail[..., seed % 3] |= ~avail.any(axis=-1)  # stored actions may be unavailable: nothing may break
        filled = generator.random(batch.filled.shape) < (0.5 if seed else 0.0)
        after, metrics = update(learner, state, batch._replace(avail=avail, filled=filled))
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves((after._replace(novelty=()), metrics)))
        assert abs(float(metrics["target"])) < 1e3  # no masked minimum was mixed into a target


@pytest.fixture
def with_nonsense(random_episodes) -> Callable[..., Any]:
    """`with_nonsense(seed)`: two steps of four environments, of which half were taken; the rest holds random numbers.

    Of environments 0 and 1 nothing was lived. Number 2 was cut off at its first step: the second frame is its final
    view, in which nobody steps, and the third belongs to the next episode. Number 3 lives on.
    """
    batch, place = random_episodes(envs=4), np.arange(4)
    filled = np.array([[False, False, True, True], [False, False, False, True]])
    started = np.array([[True, True, True, False], [False] * 4, [False, False, True, False]])
    truncated = np.array([[False, False, True, False], [False] * 4])
    views = np.where(place < 2, True, np.arange(3)[:, None] + (place == 2) > 2)

    def make(seed: int) -> Any:
        other = random_episodes(envs=4, seed=seed)
        noise = {"obs": 1e3 * other.obs, "state": 1e3 * other.state, "avail": other.avail, "actions": other.actions}

        def mixed(mask: Any, nonsense: Any, lived: Any) -> Any:
            return np.where(mask.reshape(mask.shape + (1,) * (lived.ndim - 2)), nonsense, lived)

        return batch._replace(
            **{name: mixed(views, values, getattr(batch, name)) for name, values in noise.items()},
            reward=mixed(~filled, 1e3 * other.reward, batch.reward),
            terminated=mixed(~filled & (place < 2), other.reward > 0, batch.terminated),
            truncated=truncated,
            filled=filled,
            started=started,
        )

    return make


VALUE_LEARNERS = [name for name, make in ALGORITHMS.items() if isinstance(make(), ValueAgents)]
EVERYTHING = {
    "novelty_weight": 0.5, "gain_penalty": 0.3, "td_lambda": 0.6, "num_envs": 4, "minibatches": 1, "optimizer": "adam",
    "central_width": 16, "recognizer": Recognizer(width=16, embed=8),
}  # fmt: skip


@pytest.mark.invariant("value learners")
@pytest.mark.parametrize("name", VALUE_LEARNERS)
def test_what_was_not_lived_changes_nothing(name, with_nonsense, state_for):
    """Bitwise: parameters, moments, scales of a bonus and metrics. Counted as steps, the same numbers change all."""
    learner = small(name, **EVERYTHING)
    pair = with_nonsense(1), with_nonsense(2)
    state = state_for(learner, pair[0])
    chex.assert_trees_all_equal(*(update(learner, state, batch) for batch in pair))
    counted = [batch._replace(filled=np.ones((2, 4), bool)) for batch in pair]
    losses = [float(update(learner, state, batch)[1]["loss"]) for batch in counted]
    assert losses[0] != losses[1]


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_a_target_is_a_copy_of_what_the_update_has_made(name, random_episodes, state_for):
    """Of the central value where there is one, else of all; between two copies it stays as it was."""
    batch = random_episodes(envs=3)
    learner = small(name, target_update_interval=2, updates_per_episode=1.0, optimizer="adam")
    state = state_for(learner, batch)

    def after(updates: int) -> Any:
        return update(learner, state, batch, Progress(jnp.int32(updates), jnp.int32(200_000)))[0]

    moved, same = after(1), after(0)
    copied, before = (getattr(each.params, "central", each.params) for each in (moved, state))
    chex.assert_trees_all_equal(moved.target_params, copied)
    assert any(not np.array_equal(*pair) for pair in zip(*map(jax.tree.leaves, (copied, before)), strict=True))
    chex.assert_trees_all_equal(same.target_params, state.target_params)


PAYOFF = np.array([[0, 4], [4, 8]])


@pytest.fixture
def additive_game(random_episodes) -> Any:
    """Every joint action of a game in which each agent's second action pays 4, twice, as episodes of one step.

    The third action is worth a hundred in every row, and never available.
    """
    batch, joint = random_episodes(envs=4), np.indices((2, 2)).reshape(2, 4).T
    return batch._replace(
        obs=np.ones_like(batch.obs),
        state=np.ones_like(batch.state),
        avail=np.broadcast_to([True, True, False], batch.avail.shape),
        actions=np.broadcast_to(joint, batch.actions.shape).astype(np.int32),
        reward=np.broadcast_to(PAYOFF.ravel(), (2, 4)).astype(np.float32),
        terminated=np.ones((2, 4), bool),
        truncated=np.zeros((2, 4), bool),
        filled=np.ones((2, 4), bool),
        started=np.ones((3, 4), bool),
    )


# Which head is the payoff's, where it is not Q_tot; POW recognizes the best joint actions alone, and iql has no table.
OWN_HEADS = {"qtran": "q_joint", "qtran_alt": "q_joint", "resq": "q_joint"}
PARTIAL = ("iql", "pow_vdn", "pow_qmix", "pow_qplex")


@pytest.mark.learning
@pytest.mark.learns("value learners")
@pytest.mark.parametrize("name", VALUE_LEARNERS)
def test_an_additive_game_is_learned(name, additive_game, state_for):
    """All hold it: the table is the payoff, and the greedy joint action the best. Non-monotonic mixers give no greedy
    joint action (Hu et al. 2026): for them the table alone is asked for.
    """
    learner = small(name, **EVERYTHING, learning_rate=1e-2, max_grad_norm=1e3, unweighted_steps=0.0)
    state = state_for(learner, additive_game, scale=0.1)
    for _ in range(300):
        state, metrics = update(learner, state, additive_game)
    assert np.isfinite(metrics["loss"])
    if not name.startswith("nm_qmix"):
        local = np.asarray(state.params.agent["params"]["table"]).sum(axis=1)  # of an observation of ones
        np.testing.assert_array_equal(local[:, :2].argmax(axis=-1), [1, 1])
    if name not in PARTIAL:
        learned = values_of(learner, state.params, additive_game)[OWN_HEADS.get(name, "q_tot")]
        np.testing.assert_allclose(learned[0, :, 0], PAYOFF.ravel(), atol=0.6)
