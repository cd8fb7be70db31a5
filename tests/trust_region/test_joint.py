"""Joint updates: independent PPO, CoPPO's weight, and every agent's own numbers."""

import dataclasses

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from rollout_cases import learner, played, policies_of, trained

from jaxvf.algorithms import make
from jaxvf.envs.protocol import EnvSpec
from jaxvf.trust_region import Table
from jaxvf.trust_region.actor_critic import ActorParams
from jaxvf.trust_region.batches import Samples
from jaxvf.trust_region.joint import joint_loss


def test_weight_one_in_turn_is_independent_ppo_at_once():
    """Without the correction the order means nothing: sequential and joint updates give the same actors."""
    fields = {"weight_low": 1.0, "weight_high": 1.0}
    in_turn, at_once = (trained(learner(updates=kind, **fields), agents=3) for kind in ("sequential", "joint"))
    chex.assert_trees_all_close(in_turn[1].params.actor, at_once[1].params.actor, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("parameters", ["independent", "shared"])
def test_a_joint_update_reports_every_agents_own_numbers(parameters):
    """In one epoch ratios are 1: entropies are those of the acting policies, losses minus the mean advantages."""
    fields = {"updates": "joint", "actor_epochs": 1, "normalization": "none", "critic_inputs": "observation"}
    config = learner(parameters=parameters, **fields)
    before, _, facts = trained(config)
    rollout = played(config, before, 2)
    policy = policies_of(config, before.params.actor, rollout)
    entropy, advantage = policy.entropy().mean((0, 1)), config.estimate(before, rollout).advantage.mean((0, 1))
    np.testing.assert_allclose(facts["entropy_by_agent"], entropy, rtol=1e-4)
    np.testing.assert_allclose(facts["actor_loss_by_agent"], -advantage, rtol=1e-4)
    assert abs(entropy[0] - entropy[1]) > 1e-3 and abs(advantage[0] - advantage[1]) > 1e-4


def one_sample(ratios):
    """Uniform policies of two actions, and one sample in which every agent's ratio for its action 0 is given."""
    agents = len(ratios)
    config = dataclasses.replace(make("coppo"), actor=Table(), critic=Table(), agent_id=False, normalization="none")
    spec = EnvSpec("random", 1, agents, 2, 1, 1, 1, one_hot_obs=True)
    shapes = jax.eval_shape(lambda: config.actors.init(jax.random.key(0), spec))
    params: ActorParams = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape), shapes)
    shape, taken = (1, 1, agents), jnp.ones((1, 1), bool)
    samples = Samples(
        jnp.ones((*shape, 1)), jnp.ones((*shape, 2), bool), jnp.ones(shape, bool),
        config.initial_carry((1, agents))[None],
        jnp.zeros(shape, int), jnp.log(0.5) - jnp.log(jnp.array(ratios)).reshape(shape), jnp.ones(shape), None,
        taken, taken,
    )  # fmt: skip
    loss = jax.jit(jax.value_and_grad(lambda params: joint_loss(config, config.actors, params, samples), has_aux=True))
    (_, facts), gradient = loss(params)
    return facts["actor_loss"], jax.tree.leaves(gradient)[0].reshape(agents, -1)


@pytest.mark.golden("coppo")
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
