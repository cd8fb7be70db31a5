"""A2PO's advantages and order, and what a turn reports, by hand and against plain NumPy."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from rollout_cases import policies_of

from jaxvf.algorithm import Progress, Rollout
from jaxvf.algorithms import make
from jaxvf.envs.protocol import EnvSpec
from jaxvf.trust_region import Table, weight_bounds
from jaxvf.trust_region.batches import Extras, Samples
from jaxvf.trust_region.diagnostics import log_clipped, turn_facts
from jaxvf.trust_region.estimates import Estimates, advantages_of
from jaxvf.trust_region.settings import Settings

SMALL = {"actor": Table(), "critic": Table(), "agent_id": False, "normalization": "none"}


def rollout_of(steps, agents, key):
    """Random observations, actions of uniform policies; the third environment terminates at step 1."""
    keys, envs = jax.random.split(key, 3), 5
    obs = jax.nn.one_hot(jax.random.randint(keys[0], (steps + 1, envs, agents), 0, 2), 2)
    shape = (steps + 1, envs, agents)
    ended = jnp.zeros((steps, envs), bool).at[1, 2].set(True)
    return Rollout(
        obs, obs[:, :, 0], jnp.ones((*shape, 3), bool), jax.random.randint(keys[1], shape, 0, 3),
        jax.random.normal(keys[2], (steps, envs)), ended, jnp.zeros_like(ended), jnp.ones_like(ended),
        jnp.zeros(shape[:2], bool).at[0].set(True), None, jnp.ones(shape, bool), None,
        Extras(jnp.full(shape, -jnp.log(3.0)), jnp.zeros((*shape, 0))),
    )  # fmt: skip


def off_policy_trace(td, ratio, ended, factor):
    """A_t = δ_t + γλ min(1, ratio_{t+1}) A_{t+1}, written out."""
    advantage = np.array(td)
    for t in range(len(td) - 2, -1, -1):
        later = factor * np.minimum(1, ratio[t + 1]) * advantage[t + 1]
        advantage[t] += np.where(ended[t], 0, later)
    return advantage


@pytest.mark.golden("a2po")
def test_a2po_estimates_the_second_agents_advantage_anew():
    """Its samples weigh later errors by the first agent's new ratio: as the variance of what its turn used shows."""
    low, high = weight_bounds("none")
    config = dataclasses.replace(
        make("a2po"), **SMALL, order="fixed", weight_low=low, weight_high=high, td_lambda=0.9, learning_rate=0.1,
        num_envs=5, rollout_length=4,
    )  # fmt: skip
    spec = EnvSpec("random", 1, 2, 3, 2, 2, 4, one_hot_obs=True)
    state = config.init(jax.random.key(0), spec)
    zeros = jax.tree.map(jnp.zeros_like, state.params.actor)  # uniform policies, as the rollout's
    state = state._replace(params=state.params._replace(actor=zeros))
    rollout = rollout_of(4, 2, jax.random.key(1))
    after, facts = jax.jit(config.update)(state, rollout, jax.random.key(2), Progress(jnp.int32(0), jnp.int32(0)))
    policy = policies_of(config, after.params.actor, rollout)
    log_ratio = (policy.log_prob(rollout.actions[:4]) - rollout.extras.log_prob[:4])[..., 0]
    td, ended = np.asarray(config.estimate(state, rollout).td[..., 1]), np.asarray(rollout.terminated)
    expected, plain = (
        off_policy_trace(td, ratio, ended, config.discount * 0.9)
        for ratio in (np.exp(log_ratio), np.ones_like(log_ratio))
    )
    trace = 0.9 * jnp.minimum(jnp.exp(log_ratio), 1.0)[..., None]
    again = advantages_of(config, jnp.asarray(td)[..., None], rollout, trace)
    np.testing.assert_allclose(again[..., 0], expected, rtol=1e-4, atol=1e-6)
    assert np.abs(plain - expected).max() > 0.01
    used = facts["variance_by_position"][1]
    np.testing.assert_allclose(used, expected.var(ddof=1), rtol=1e-4)
    assert abs(used - plain.var(ddof=1)) > 1e-3


def test_the_dead_have_no_say_in_the_semi_greedy_order():
    """The score of the second agent is its living sample's |A/V| = 2, not the mean over both, 51."""
    config = dataclasses.replace(make("a2po"), **SMALL)
    rollout = jax.tree.map(lambda leaf: leaf[:, :1], rollout_of(2, 2, jax.random.key(0)))
    alive = jnp.ones((3, 1, 2), bool).at[1, 0, 1].set(False)
    advantage = jnp.array([[[3.0, -2.0]], [[5.0, 100.0]]])
    estimates = Estimates(jnp.ones_like(advantage), advantage, advantage, None, None)
    samples = Samples.of(rollout._replace(alive=alive), advantage)
    np.testing.assert_allclose(config._scores(estimates, samples), [4.0, 2.0])


def test_the_divergence_is_of_living_samples():
    """KL 1, 2, 3 of the living and 99 of the dead: mean 2, 99th percentile 2.98; of nobody 0."""
    kl, ones = jnp.array([[1.0, 2.0], [3.0, 99.0]]), jnp.ones((2, 2))

    def facts(alive):
        return turn_facts(0 * ones, 0 * ones, kl, ones, alive, bounds=(0.0, 1.0), clip=0.2)

    living = facts(jnp.array([[True, True], [True, False]]))
    np.testing.assert_allclose([living["kl_mean"], living["kl_p99"]], [2.0, 2.98], rtol=1e-5)
    nobody = facts(jnp.zeros((2, 2), bool))
    assert nobody["kl_mean"] == nobody["kl_p99"] == 0


def test_huge_weights_leave_the_reported_variance_finite():
    """4,000 samples of which half weigh e^500: what is reported stops at e^30, and the sum of squares fits float32."""
    log_weight = jnp.zeros((4000, 1)).at[::2].set(500.0)
    advantage, alive = jnp.linspace(-10, 10, 4000)[:, None], jnp.ones((4000, 1), bool)
    facts = turn_facts(log_weight, log_weight, 0 * advantage, advantage, alive, bounds=(0.0, 1e38), clip=0.2)
    assert all(np.isfinite(facts[name]) for name in ("variance", "variance_is", "effective_samples"))


def test_what_counts_as_clipped_is_the_ratio_that_the_clip_acts_on():
    """Own ratio 1 and weight 1.1 at ε = 0.05: inside the clip their product is clipped, outside of it nothing is."""
    log_ratio, log_weight = jnp.zeros((1, 2)), jnp.log(jnp.array([[1.1, 1.0]]))
    for place, expected in (("inside", 0.5), ("outside", 0.0)):
        config = Settings(weight_place=place, weight_low=0.9, weight_high=1.2)
        moved = log_clipped(config, log_ratio, log_weight)
        alive = jnp.ones((1, 2), bool)
        facts = turn_facts(log_weight, moved, log_ratio, log_ratio, alive, bounds=(0.9, 1.2), clip=0.05)
        assert facts["clip_fraction"] == expected
