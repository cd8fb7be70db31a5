"""A batch of a one-step game as one row per joint action: the same loss and gradient for every registered algorithm."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvf import hyperparameters
from jaxvf.algorithm import Progress, Rollout
from jaxvf.algorithms import ALGORITHMS
from jaxvf.networks import TabularAgent
from jaxvf.value.replay import by_joint_action

AGENTS, ACTIONS = 2, 3
EPISODES = ACTIONS**AGENTS  # as many as joint actions, so that both batches are updates of one compiled program


# One learner of each kind: other registered ones differ from these in a mixer or a weight that has tests of its own.
ONE_OF_EACH = (
    "iql", "qplex_qatten", "duelmix", "nm_qmix_rnd", "qtran", "qtran_alt", "cw_qmix", "ow_qmix", "resq", "pow_vdn",
    "mrvf", "s2q",
)  # fmt: skip


def one_step_episodes(seed: int = 0) -> Rollout:
    """Terminal episodes of a 3x3 game that all look alike; some joint actions occur twice, others never."""
    generator = np.random.default_rng(seed)
    payoff = generator.normal(size=(ACTIONS, ACTIONS)).astype(np.float32)
    actions = generator.integers(0, ACTIONS, (1, EPISODES, AGENTS)).astype(np.int32)
    return Rollout(
        obs=generator.normal(size=(1, 1, AGENTS, 4)).astype(np.float32),
        state=generator.normal(size=(1, 1, 3)).astype(np.float32),
        avail=np.ones((1, 1, AGENTS, ACTIONS), bool),
        actions=actions,
        reward=payoff[actions[..., 0], actions[..., 1]],
        terminated=np.ones((1, 1), bool),
        truncated=np.zeros((1, 1), bool),
        filled=np.ones((1, EPISODES), np.float32),
    )


def test_a_compressed_batch_counts_its_episodes():
    """Counts add up to the episodes, absent joint actions count 0, and rewards are the payoff."""
    batch = one_step_episodes()
    rows = jax.tree.map(np.asarray, by_joint_action(batch, ACTIONS))
    joint = [tuple(row) for row in rows.actions[0]]
    assert joint == [(i, j) for i in range(ACTIONS) for j in range(ACTIONS)]
    taken = [tuple(row) for row in batch.actions[0]]
    np.testing.assert_array_equal(rows.filled[0], [taken.count(row) for row in joint])
    assert {0.0, 1.0} < set(rows.filled[0].tolist())  # absent ones and repeated ones, so that the test can fail
    for row, reward in zip(joint, rows.reward[0], strict=True):
        if row in taken:
            np.testing.assert_allclose(reward, batch.reward[0, taken.index(row)], rtol=1e-6)


# Compiling is most of the time of these tests.
QUICK = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}


@functools.partial(jax.jit, compiler_options=QUICK)
def update(learner, state, batch):
    return learner.update(state, batch, jax.random.key(0), Progress(jnp.int32(1), jnp.int32(200_000)))


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_loss_and_gradient_are_those_of_the_episodes(name, state_for, gradients_of):
    """Networks run on nine rows instead of one for each episode; nothing else changes."""
    learner = ALGORITHMS[name]()
    changes = {"agent": TabularAgent(), "optimizer": "adam", "max_grad_norm": 1e9}
    if hasattr(learner, "inner_steps"):
        changes["inner_steps"] = 2
    for path, value in changes.items():
        learner = hyperparameters.replace(learner, path, value)
    batch = one_step_episodes()
    state = state_for(learner, batch)
    each, rows = (update(learner, state, given) for given in (batch, by_joint_action(batch, ACTIONS)))
    chex.assert_trees_all_close(rows[1], each[1], rtol=1e-4, atol=1e-5)
    one, two = (gradients_of(after.opt_state) for after, _ in (each, rows))
    assert any((leaf != 0).any() for leaf in jax.tree.leaves(one))
    chex.assert_trees_all_close(two, one, rtol=1e-3, atol=1e-5)
