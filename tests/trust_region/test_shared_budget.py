"""One budget of divergence for all agents: the division by hand and by brute force, and a whole update with it."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from rollout_cases import OBS, A, T, learner, played, policies_of, table_of, trained

from jaxvf.trust_region.advantages import normalize
from jaxvf.trust_region.natural_gradient import DAMPING, quadratic_gain, shared_radii


def test_shares_grow_with_what_agents_gain():
    """Of 0.04, gains 1 and 3 take 0.01 and 0.03: together they gain √(2 · 0.04 · 4), more than with 0.02 each."""
    radii = shared_radii(jnp.array([1.0, 3.0]), 0.04)
    np.testing.assert_allclose(radii, [0.01, 0.03], rtol=1e-6)
    gain = np.sqrt(2 * np.asarray(radii) * [1, 3]).sum()
    np.testing.assert_allclose(gain, 0.32**0.5, rtol=1e-6)
    assert gain > np.sqrt(2 * 0.02 * np.array([1, 3])).sum() + 0.015


def test_no_division_on_a_grid_gains_more():
    """Brute force: 20,000 divisions of Δ = 0.3 among gains 2, 0.5 and 7; the best lies beside ours."""
    gains, total = np.array([2.0, 0.5, 7.0]), 0.3
    steps = np.linspace(0, total, 201)
    first, second = (axis.ravel() for axis in np.meshgrid(steps, steps, indexing="ij"))
    divisions = np.stack([first, second, total - first - second], axis=1)
    divisions = divisions[divisions[:, 2] >= 0]
    promised = np.sqrt(2 * divisions * gains).sum(axis=1)
    ours = np.asarray(shared_radii(jnp.asarray(gains), total))
    assert np.sqrt(2 * ours * gains).sum() >= promised.max() - 1e-6
    np.testing.assert_allclose(divisions[promised.argmax()], ours, atol=2 * total / 200)


def test_who_has_no_gain_gets_nothing():
    """Dead agents, and gradients that are not finite; if nobody has one, nobody gets any."""
    np.testing.assert_allclose(shared_radii(jnp.array([0.0, jnp.nan, 2.0, jnp.inf, -1.0]), 0.1), [0, 0, 0.1, 0, 0])
    np.testing.assert_array_equal(shared_radii(jnp.zeros(3), 0.1), np.zeros(3))


def test_the_quadratic_gain_by_hand():
    """Gradient (2, 6), curvature diag(0.9, 1.9) and damping 0.1: 2² / 1 + 6² / 2 = 22."""
    curvature = jnp.array([0.9, 1.9])
    gain = quadratic_gain(lambda x: 2 * x[0] + 6 * x[1], lambda x: 0.5 * curvature @ x**2, jnp.zeros(2))
    np.testing.assert_allclose(gain, 22.0, rtol=1e-5)


@pytest.fixture(scope="module")
def updated():
    """Three agents, of which the last is dead: state before and after an update in the order 0, 1, 2, and metrics."""
    config = learner(step="natural", budget="shared", order="fixed", kl_radius=0.02)
    return config, *trained(config, agents=3)


def dense(config, before, rollout, agent):
    """Gradient and damped Fisher matrix of an agent's table with weight 1, written out: log-softmax by observation."""
    policy = np.exp(np.asarray(policies_of(config, before.params.actor, rollout).logits))[:, :, agent]
    seen = np.asarray(rollout.obs)[:T, :, agent]
    estimated = jnp.broadcast_to(config.estimate(before, rollout).advantage, rollout.actions[:T].shape)
    advantage = np.asarray(normalize(estimated, rollout.alive[:T], "per_agent"))[..., agent]
    acted = np.eye(A)[np.asarray(rollout.actions)[:T, :, agent]]
    samples = policy[..., 0].size
    gradient = np.einsum("tb,tbo,tba->oa", advantage, seen, acted - policy).ravel() / samples
    spread = np.einsum("tba,ac->tbac", policy, np.eye(A)) - np.einsum("tba,tbc->tbac", policy, policy)
    fisher = np.einsum("tbo,tbp,tbac->oapc", seen, seen, spread).reshape(OBS * A, OBS * A) / samples
    return gradient, fisher + DAMPING * np.eye(OBS * A)


def test_an_updates_radii_are_those_of_gains_written_out(updated):
    """δ_i = 3 · 0.02 · a_i / Σ a of both living agents; the dead one has nothing and stays."""
    config, before, after, facts = updated
    rollout = played(config, before, 3)
    gains = []
    for agent in range(2):
        gradient, matrix = dense(config, before, rollout, agent)
        gains.append(gradient @ np.linalg.solve(matrix, gradient))
    expected = 0.06 * np.array([*gains, 0.0]) / np.sum(gains)
    np.testing.assert_allclose(facts["radius_by_agent"], expected, rtol=2e-3)
    assert abs(expected[0] - expected[1]) > 0.003
    assert (np.asarray(facts["kl_mean_by_agent"])[:2] < expected[:2]).all()
    np.testing.assert_array_equal(table_of(after)[2], table_of(before)[2])


def test_an_agents_share_does_not_depend_on_its_turn(updated):
    """Gains are taken before anybody moves: in another order the same agents have the same radii."""
    config, _, _, facts = updated
    mixed = trained(dataclasses.replace(config, order="random"), agents=3)[2]
    np.testing.assert_allclose(mixed["radius_by_agent"], facts["radius_by_agent"], rtol=1e-4)
    assert np.abs(mixed["radius_by_position"] - facts["radius_by_position"]).max() > 0.003  # it is another order


@pytest.mark.golden("hatrpo_shared")
def test_the_first_agents_step_by_hand(updated):
    """Nobody moved before it: √(2 δ / xᵀFx) x, shortened by 0.8 for every trial that was refused."""
    config, before, after, facts = updated
    gradient, matrix = dense(config, before, played(config, before, 3), 0)
    direction = np.linalg.solve(matrix, gradient)
    radius, trials = float(facts["radius_by_agent"][0]), int(facts["trials_by_agent"][0])
    step = np.sqrt(2 * radius / (direction @ matrix @ direction)) * direction * 0.8 ** (trials - 1)
    moved = np.asarray(table_of(after)[0] - table_of(before)[0]).ravel()
    np.testing.assert_allclose(moved, step, rtol=5e-3, atol=1e-4)
    assert facts["accepted_by_agent"][0] == 1


def test_one_agent_has_the_whole_budget():
    """With one agent both budgets are the same step."""
    shared, each = (trained(learner(step="natural", budget=budget), agents=1)[1] for budget in ("shared", "each"))
    for mine, theirs in zip(*(jax.tree.leaves(state.params.actor) for state in (shared, each)), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-6)
