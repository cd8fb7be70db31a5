"""CoPPO's weight, A2PO's advantages and what a turn reports, by hand and against plain NumPy."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from jaxvf.algorithm import Progress
from jaxvf.algorithms import make
from jaxvf.envs.protocol import EnvSpec
from jaxvf.trust_region import Table, weight_bounds
from jaxvf.trust_region.actor_critic import ActorParams
from jaxvf.trust_region.batches import Samples, Segment
from jaxvf.trust_region.diagnostics import turn_facts
from jaxvf.trust_region.joint import joint_loss
from jaxvf.trust_region.learner import Estimates

SMALL = {"actor": Table(), "critic": Table(), "agent_id": False, "normalization": "none"}


def one_sample(ratios):
    """Uniform policies of two actions, and one sample in which every agent's ratio for its action 0 is given."""
    agents = len(ratios)
    config = dataclasses.replace(make("coppo"), **SMALL)
    spec = EnvSpec("random", 1, agents, 2, 1, 1, 1, one_hot_obs=True)
    shapes = jax.eval_shape(lambda: config.actors.init(jax.random.key(0), spec))
    params: ActorParams = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape), shapes)
    shape = (1, 1, agents)
    samples = Samples(
        jnp.ones((*shape, 1)), jnp.ones((*shape, 2), bool), jnp.ones(shape, bool),
        config.initial_carry((1, agents))[None],
        jnp.zeros(shape, int), jnp.log(0.5) - jnp.log(jnp.array(ratios)).reshape(shape), jnp.ones(shape), None,
        jnp.ones((1, 1), bool),
    )  # fmt: skip
    loss = jax.jit(jax.value_and_grad(lambda params: joint_loss(config, config.actors, params, samples), has_aux=True))
    (_, facts), gradient = loss(params)
    return facts["actor_loss"], jax.tree.leaves(gradient)[0].reshape(agents, -1)


def test_coppo_weighs_by_the_product_of_all_others_clipped_to_a_tenth():
    """Ratios 1.02, 1.05, 1.1: the others' products 1.155, 1.122 and 1.071 are clipped to 1.1, 1.1 and 1.071.

    With advantage 1 an agent gains u w, which no clip at 1.2 reaches; its own logit's gradient is -u w (1 - 1/2), and
    none comes from its part in the others' weights.
    """
    gains = np.array([1.02 * 1.1, 1.05 * 1.1, 1.1 * 1.02 * 1.05])
    losses, gradient = one_sample([1.02, 1.05, 1.1])
    np.testing.assert_allclose(losses, -gains, rtol=1e-5)
    np.testing.assert_allclose(gradient, np.outer(gains, [-0.5, 0.5]), rtol=1e-5)
    # Below: 0.8 · 0.95 is raised to 0.9; 1 · 0.95 is within, 1 · 0.8 is raised.
    np.testing.assert_allclose(one_sample([1.0, 0.8, 0.95])[0], [-0.9, -0.8 * 0.95, -0.95 * 0.9], rtol=1e-5)


def segment_of(config, steps, agents, key):
    keys = jax.random.split(key, 3)
    obs = jax.nn.one_hot(jax.random.randint(keys[0], (steps, 5, agents), 0, 2), 2)
    shape = (steps, 5, agents)
    return Segment(
        obs, obs[:, :, 0], jnp.ones((*shape, 3), bool), jnp.ones(shape, bool),
        jnp.zeros(shape[:2], bool).at[0].set(True), jnp.zeros((*shape, 0)),
        jax.random.randint(keys[1], shape, 0, 3), jnp.full(shape, -jnp.log(3.0)),
        jax.random.normal(keys[2], shape[:2]), jnp.zeros(shape[:2], bool).at[1, 2].set(True),
        jnp.zeros(shape[:2], bool), obs, obs[:, :, 0], config.initial_critic_carry(5, agents), None,
    )  # fmt: skip


def off_policy_trace(td, ratio, ended, factor):
    """A_t = δ_t + γλ min(1, ratio_{t+1}) A_{t+1}, written out."""
    advantage = np.array(td)
    for t in range(len(td) - 2, -1, -1):
        later = factor * np.minimum(1, ratio[t + 1]) * advantage[t + 1]
        advantage[t] += np.where(ended[t], 0, later)
    return advantage


def test_a2po_estimates_the_second_agents_advantage_anew():
    """Its samples weigh later errors by the first agent's new ratio: seen in the variance of what its turn used."""
    low, high = weight_bounds("none")
    config = dataclasses.replace(
        make("a2po"), **SMALL, order="fixed", weight_low=low, weight_high=high, td_lambda=0.9, learning_rate=0.1,
        num_envs=5, rollout_length=4,
    )  # fmt: skip
    spec = EnvSpec("random", 1, 2, 3, 2, 2, 4, one_hot_obs=True)
    state = config.init(jax.random.key(0), spec)
    zeros = jax.tree.map(jnp.zeros_like, state.params.actor)  # uniform policies, as the segment's
    state = state._replace(params=state.params._replace(actor=zeros))
    segment = segment_of(config, 4, 2, jax.random.key(1))
    after, facts = jax.jit(config.update)(state, segment, jax.random.key(2), Progress(jnp.int32(0), jnp.int32(0)))
    policy, _ = config.actors.policies(
        after.params.actor, segment.obs, segment.carry[0], segment.started, segment.avail
    )
    log_ratio = (policy.log_prob(segment.actions) - segment.log_prob)[..., 0]
    estimates = config.estimate(state, segment)
    td, ended = np.asarray(estimates.td[..., 1]), np.asarray(segment.terminated)
    expected = off_policy_trace(td, np.exp(log_ratio), ended, config.discount * 0.9)
    again = config.reestimated(estimates, segment, log_ratio)
    np.testing.assert_allclose(again[..., 1], expected, rtol=1e-4, atol=1e-6)
    plain = off_policy_trace(td, np.ones_like(log_ratio), ended, config.discount * 0.9)
    assert np.abs(plain - expected).max() > 0.01
    np.testing.assert_allclose(facts["variance_by_position"][1], expected.var(ddof=1), rtol=1e-4)


def test_the_dead_have_no_say_in_the_semi_greedy_order():
    """The score of the second agent is its living sample's |A/V| = 2, not the mean over both, 51."""
    config = dataclasses.replace(make("a2po"), **SMALL)
    segment = segment_of(config, 2, 2, jax.random.key(0))
    segment = jax.tree.map(lambda leaf: leaf[:, :1], segment._replace(critic_carry=segment.critic_carry[None]))
    alive = jnp.ones((2, 1, 2), bool).at[1, 0, 1].set(False)
    advantage = jnp.array([[[3.0, -2.0]], [[5.0, 100.0]]])
    estimates = Estimates(jnp.ones_like(advantage), advantage, advantage, None)
    np.testing.assert_allclose(config._scores(estimates, segment._replace(alive=alive)), [4.0, 2.0])


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
