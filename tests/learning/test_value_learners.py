"""Small, real training: each run would fail if its learner did not learn what theory says it can, or cannot."""

import dataclasses

import numpy as np
import pytest

import jaxvf
from jaxvf.algorithms import make
from jaxvf.envs import MatrixGame, PredatorPrey
from jaxvf.networks import FeedForwardAgent, TabularAgent

pytestmark = pytest.mark.learning


def test_two_step_game_qmix_reaches_8_and_vdn_7():
    """Rashid et al. 2018, section 6.1: only QMIX represents state 2B's table, so VDN settles for the safe 7.

    With tables for agents, which hold any local values: what fails is the factorization.
    """
    grid = {
        "agent": ["tabular"], "last_action": [False], "agent_id": [False],
        "optimizer": ["adam"], "learning_rate": [2e-2], "behaviour": ["uniform"], "updates_per_episode": [0.125],
    }  # fmt: skip
    result = jaxvf.run(
        "two_step_game", ["vdn", "qmix"], seeds=8, sweep=grid, env_steps=4_000, test_episodes=1, progress="none"
    )
    returns = result.metric("test_return")[:, -5:]
    np.testing.assert_allclose(returns[result.select(algorithm="vdn")], 7.0)
    np.testing.assert_allclose(returns[result.select(algorithm="qmix")], 8.0)


def test_two_step_game_pqn_reaches_8_with_one_step_returns_and_7_with_long_ones():
    """λ-returns follow what is played. Under random play state 2B's long return is its mean, 2.5, and 2A's 7 is best.

    In one-step returns the next value is the greedy action's, whatever is played: QMIX holds 2B's table and has its 8.
    """
    algorithm = dataclasses.replace(
        make("pqn_qmix"),
        agent=TabularAgent(),
        agent_id=False,
        last_action=False,
        optimizer="adam",
        learning_rate=2e-2,
        max_grad_norm=10.0,
        num_envs=32,
        rollout_length=2,
        epochs=8,
        minibatches=1,
        epsilon_end=1.0,
    )
    result = jaxvf.run(
        "two_step_game", algorithm, seeds=4, sweep={"td_lambda": [0.0, 0.85]}, env_steps=8_000, test_interval=800,
        test_episodes=1, progress="none",
    )  # fmt: skip
    returns = result.metric("test_return")[:, -3:]
    np.testing.assert_allclose(returns[result.select(td_lambda=0.0)], 8.0)
    np.testing.assert_allclose(returns[result.select(td_lambda=0.85)], 7.0)


def test_predator_prey_without_penalty_is_learned():
    """Four predators, two prey, 20 steps: random play returns 1.6 (mean of 1,000 episodes) of at most 20.

    8k steps take it beyond 6.5.
    """
    game = PredatorPrey(grid_size=4, n_predators=4, n_prey=2, limit_max=20)
    algorithm = dataclasses.replace(
        make("qmix"),
        agent=FeedForwardAgent(hidden=32),
        optimizer="adam",
        learning_rate=1e-3,
        num_envs=4,
        batch_size=16,
        buffer_size=256,
        target_update_interval=40,
        epsilon_anneal=4_800.0,
    )
    result = jaxvf.run(
        game, algorithm, seeds=2, env_steps=8_000, test_interval=1_000, test_episodes=32, progress="none"
    )
    assert (result.metric("test_return")[:, -2:].mean(axis=1) > 6.5).all()


def test_tabular_vdn_finds_its_least_squares_fit():
    """Uniform play on game E: VDN's exact fit is -6.22 at (0, 0), -4.89 along the first row, -3.56 elsewhere."""
    algorithm = dataclasses.replace(
        make("vdn"),
        agent=TabularAgent(),
        agent_id=False,
        last_action=False,
        behaviour="uniform",
        optimizer="adam",
        learning_rate=1e-2,
        batch_size=512,
        buffer_size=4_096,
        updates_per_episode=1 / 8,
    )
    result = jaxvf.run("matrix_game/E", algorithm, seeds=4, env_steps=24_000, test_episodes=1, progress="none")
    from jaxvf.theory import joint_values

    learned = joint_values([result.policy(run) for run in range(4)]).joint
    exact = np.array([[-6.222, -4.889, -4.889], [-4.889, -3.556, -3.556], [-4.889, -3.556, -3.556]])
    # The ring holds 4,096 random joint actions: the fit's standard error is about 0.3 in each of its cells.
    assert np.abs(learned.mean(axis=0) - exact).max() < 0.5
    assert not (result.metric("test_optimal")[:, -1] > 0).any()


def test_agents_that_see_the_same_need_networks_of_their_own_to_differ():
    """Only joint action (0, 1) pays. Without indices agents of one network act alike and earn 0, independent ones 1."""
    algorithm = dataclasses.replace(
        make("vdn"), agent=FeedForwardAgent(hidden=8), agent_id=False, last_action=False, behaviour="uniform",
        optimizer="adam", learning_rate=1e-2, batch_size=32, buffer_size=256,
    )  # fmt: skip
    result = jaxvf.run(
        MatrixGame(((0.0, 1.0), (0.0, 0.0))), algorithm, seeds=4, sweep={"sharing": ["shared", "independent"]},
        env_steps=1_600, test_episodes=1, progress="none",
    )  # fmt: skip
    returns = result.metric("test_return")[:, -1]
    for sharing, expected in (("shared", 0.0), ("independent", 1.0)):
        np.testing.assert_array_equal(returns[result.select(sharing=sharing)], expected)
