"""The ratio product that later agents are weighted by is carried unclipped, and agents move in random order."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
from rollout_cases import QUICK, B, T, acted, learner, start

from jaxvf.trust_region.actor_update import ActorState, whole_policy
from jaxvf.trust_region.batches import Samples
from jaxvf.trust_region.sequential import update_in_turn, update_order

N = 4  # of which `acted` has the last dead


def turns(signs):
    """Ratios [N, T, B] and facts of one round in which agent i gains from its action everywhere, or loses (`signs`)."""
    config = learner(order="fixed", weight_high=1.0)
    state = start(config, N)
    rollout = acted(config, N, state.params.actor, jax.random.key(1))
    advantage = jnp.broadcast_to(jnp.array(signs, jnp.float32), (T, B, N))
    samples = Samples.of(rollout, advantage)
    # Everybody took action 0 in every sample, so that an agent's ratio is on one side of 1 in all of them.
    zero = jnp.zeros_like(samples.actions)

    def policy(params, agent):
        mine = jax.tree.map(lambda leaf: leaf[agent], params)
        return whole_policy(config.actors, mine, samples.agent(jnp.int32(agent)))

    log_prob = jnp.stack([policy(state.params.actor, agent).log_prob(zero[..., agent]) for agent in range(N)], axis=-1)
    samples = samples._replace(actions=zero, log_prob=log_prob)
    move = jax.jit(functools.partial(update_in_turn, config, config.actors), compiler_options=QUICK)
    before = ActorState(state.params.actor, state.opt_state[0])
    after, facts = move(before, samples, None, jnp.arange(N), jax.random.key(0), jnp.float32(0.05))
    ratios = [jnp.exp(policy(after.params, i).log_prob(zero[..., i]) - log_prob[..., i]) for i in range(N)]
    return np.stack([np.broadcast_to(ratio, (T, B)) for ratio in ratios]), facts


def test_a_ratio_above_one_makes_up_for_one_below():
    """Weights r_1 r_2 of the third agent: a product of ratios that were clipped one by one would be r_2 < r_1 r_2."""
    ratios, facts = turns([1.0, -1.0, 1.0, 0.0])
    assert ratios[0].min() > 1.01 and ratios[1].max() < 0.99
    np.testing.assert_allclose(facts["weight_mean"][2], (ratios[0] * ratios[1]).mean(), rtol=1e-5)
    used = np.minimum(ratios[0] * ratios[1], 1)
    np.testing.assert_allclose(facts["variance"][2], used.var(ddof=1), rtol=1e-3, atol=1e-9)


def test_a_ratio_below_one_is_not_forgotten_for_one_above():
    """The other way round: the product is below one after a second ratio above one."""
    ratios, facts = turns([-1.0, 1.0, 1.0, 0.0])
    assert ratios[0].max() < 0.99 and ratios[1].min() > 1.01
    np.testing.assert_allclose(facts["weight_mean"][2], (ratios[0] * ratios[1]).mean(), rtol=1e-5)
    np.testing.assert_allclose(facts["weight_mean"][1], ratios[0].mean(), rtol=1e-5)


def test_every_random_order_is_as_likely_as_any_other():
    """2,000 draws of the order of three agents: χ² of the six orders, 5 degrees of freedom, p > 0.001."""
    draw = jax.jit(jax.vmap(lambda key: update_order(learner(), key, jnp.zeros(3))), compiler_options=QUICK)
    drawn = np.asarray(draw(jax.random.split(jax.random.key(5), 2_000)))
    counts = [(drawn == order).all(axis=1).sum() for order in itertools.permutations(range(3))]
    assert sum(counts) == 2_000
    assert ((np.array(counts) - 2_000 / 6) ** 2 / (2_000 / 6)).sum() < 20.5
