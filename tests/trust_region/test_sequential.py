"""Sequential updates: ratios, orders, weights, and which algorithms coincide where."""

import dataclasses
import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from rollout_cases import QUICK, SMALL, B, T, acted, adam_counts, learner, played, spec, start, table_of, trained

from jaxvf.algorithm import Progress
from jaxvf.algorithms import make
from jaxvf.minibatches import epochs
from jaxvf.trust_region import Recurrent, Table, weight_bounds
from jaxvf.trust_region.actor_update import pieces_of, whole_policy
from jaxvf.trust_region.batches import Samples, chunked
from jaxvf.trust_region.sequential import clip_at, update_order

CLOSE = {"rtol": 1e-4, "atol": 1e-6}


@pytest.mark.parametrize("actor", [Table(), Recurrent(hidden=4)], ids=["table", "recurrent"])
@pytest.mark.parametrize("continuous", [False, True])
def test_ratios_are_one_at_the_first_minibatch(actor, continuous, normals):
    """What is evaluated in learning is what acted, over a whole rollout and over its pieces."""
    config = learner(actor=actor, chunk_length=2)
    params = normals(config.actors.init, jax.random.key(0), spec(2, continuous))
    rollout = acted(config, 2, params, jax.random.key(1))
    samples = Samples.of(rollout, jnp.zeros((T, B, 2)))

    @functools.partial(jax.jit, compiler_options=QUICK)
    def log_ratios(params, samples):
        mine = jax.tree.map(lambda leaf: leaf[1], params)
        own = samples.agent(jnp.int32(1))
        pieces = pieces_of(config, own)
        parts = config.actors.policy(mine, pieces.obs, pieces.carry[0], pieces.started, pieces.avail)
        whole = whole_policy(config.actors, mine, own)
        return whole.log_prob(own.actions) - own.log_prob, parts.log_prob(pieces.actions) - pieces.log_prob

    for log_ratio in log_ratios(params, samples):
        assert log_ratio.size == T * B
        np.testing.assert_allclose(log_ratio, 0, atol=2e-6)


def test_one_agent_makes_clip_happo_ppo_and_happo():
    """With one agent nothing precedes, so every weight rule is the same update; the joint update is the same PPO."""
    reference = trained(learner(weight_low=1.0, weight_high=1.0, updates="joint"), agents=1)
    for rule in ("is", "clip1", "two_sided"):
        low, high = weight_bounds(rule)
        after = trained(learner(weight_low=low, weight_high=high), agents=1)[1]
        chex.assert_trees_all_close(after, reference[1], **CLOSE)
    moved = jax.tree.map(lambda a, b: np.abs(a - b).max(), reference[0].params.actor, reference[1].params.actor)
    assert max(jax.tree.leaves(moved)) > 0.01


def test_one_agent_makes_clip_hatrpo_trpo():
    """With one agent: one natural-gradient step, accepted, whose KL is below the radius, whatever the weight rule."""
    states = [trained(learner(step="natural", weight_high=high), agents=1) for high in (1e38, 1.0)]
    chex.assert_trees_all_equal(states[0][1], states[1][1])
    facts = states[0][2]
    assert facts["accepted_by_position"][0] == 1 and 0.001 < facts["kl_mean_by_agent"][0] < 0.01
    before, after = (table_of(state) for state in states[0][:2])
    assert np.abs(after - before).max() > 0.01


def test_a_failed_line_search_leaves_the_actors_as_they_were():
    """With radius 0 no candidate is strictly below it: ten trials, parameters bitwise unchanged."""
    before, after, facts = trained(learner(step="natural", kl_radius=0.0))
    chex.assert_trees_all_equal(before.params.actor, after.params.actor)
    np.testing.assert_array_equal(facts["trials_by_position"], [10, 10])
    np.testing.assert_array_equal(facts["accepted_by_position"], [0, 0])


def test_later_agents_are_weighted_by_the_ratios_before_them():
    """Two agents: the second's weight is the first's ratio on the whole batch, recomputed here from its parameters."""
    config = learner(order="fixed")
    before, after, facts = trained(config)
    rollout = played(config, before, 2)
    first = jax.tree.map(lambda leaf: leaf[0], after.params.actor)
    samples = Samples.of(rollout, jnp.zeros((T, B, 2))).agent(jnp.int32(0))
    ratio = np.exp(whole_policy(config.actors, first, samples).log_prob(samples.actions) - samples.log_prob)
    np.testing.assert_allclose(facts["weight_mean_by_position"], [1.0, ratio.mean()], rtol=1e-5)
    np.testing.assert_allclose(facts["weight_max_by_position"][1], ratio.max(), rtol=1e-5)
    np.testing.assert_allclose(
        facts["effective_samples_by_position"][1], ratio.sum() ** 2 / (ratio**2).sum(), rtol=1e-4
    )
    assert ratio.std() > 1e-3
    # The rule changes what the second agent does, and not the first.
    other = table_of(trained(learner(order="fixed", weight_low=1.0, weight_high=1.0))[1])
    np.testing.assert_array_equal(table_of(after)[0], other[0])
    assert np.abs(table_of(after)[1] - other[1]).max() > 1e-4


@pytest.mark.parametrize(
    ("name", "fields"), [("mappo", {}), ("mappo", {"critic_inputs": "agent_state"}), ("coppo", {}), ("a2po", {})]
)
def test_other_members_of_the_family_learn(name, fields):
    """Finite numbers, moved actors and critics, facts of every agent."""
    config = dataclasses.replace(make(name), **{**SMALL, "minibatches": 2, "agent_id": False, **fields})
    before, after, facts = trained(config)
    assert facts["variance_by_agent"].shape == (2,)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves((after, facts)))
    for part in ("actor", "critic"):
        moved = jax.tree.map(
            lambda a, b: np.abs(a - b).max(), getattr(before.params, part), getattr(after.params, part)
        )
        assert max(jax.tree.leaves(moved)) > 1e-5, part


def test_shared_parameters_move_once_per_agent_and_epoch():
    """Adam's first steps have the size of the learning rate: two agents and two epochs are four of them."""
    before, after, _ = trained(learner(parameters="shared", actor_epochs=2, learning_rate=1e-3))
    moved = np.abs(table_of(after) - table_of(before))
    assert 0.0015 < moved.max() <= 0.0041
    assert adam_counts(after.opt_state[0]) == [4]


def test_step_sizes_of_actors_and_critic_fall_to_nothing_in_a_line():
    """Adam's first steps have the size of the learning rate: at half of the way half of it, at the end and after 0."""
    fields = {"actor_epochs": 1, "learning_rate": 1e-2, "critic_learning_rate": 4e-2}
    config = learner(**fields, learning_rate_anneal=100.0)
    state = start(config, 2)
    rollout = played(config, state, 2)

    @functools.partial(jax.jit, compiler_options=QUICK)
    def moved(config, env_steps):
        after = config.update(state, rollout, jax.random.key(7), Progress(jnp.int32(0), env_steps))[0]
        change = jax.tree.map(lambda new, old: jnp.abs(new - old).max(), after.params, state.params)
        return [max(jax.tree.leaves(part)) for part in change]

    for steps, left in ((0, 1.0), (50, 0.5), (75, 0.25), (100, 0.0), (150, 0.0)):
        np.testing.assert_allclose(moved(config, jnp.int32(steps)), [left * 1e-2, left * 4e-2], rtol=0.02, atol=1e-9)
    never = moved(dataclasses.replace(config, learning_rate_anneal=0.0), jnp.int32(10_000))
    np.testing.assert_allclose(never, [1e-2, 4e-2], rtol=0.02)


def test_every_agent_has_an_optimizer_of_its_own():
    """Counts included: the third agent is dead, and its count stays 0."""
    _, after, _ = trained(learner(), agents=3)
    counts = adam_counts(after.opt_state[0])
    assert counts and all(count == [2, 2, 0] for count in counts)


def test_orders_are_permutations_and_semi_greedy_alternates():
    """A2PO: even positions take the highest score that is left; fixed is 0 ... n-1; random differs between keys."""
    scores = jnp.array([3.0, 1.0, 2.0, 5.0])
    draw = jax.jit(
        jax.vmap(lambda key: update_order(learner(order="semi_greedy"), key, scores)), compiler_options=QUICK
    )
    orders = np.asarray(draw(jax.random.split(jax.random.key(0), 50)))
    np.testing.assert_array_equal(np.sort(orders, axis=1), np.broadcast_to(np.arange(4), (50, 4)))
    assert (orders[:, 0] == 3).all() and len(np.unique(orders[:, 1])) == 3
    for order in orders:
        left = [agent for agent in range(4) if agent not in order[:2]]
        assert order[2] == max(left, key=lambda agent: scores[agent])
    np.testing.assert_array_equal(update_order(learner(order="fixed"), jax.random.key(0), scores), np.arange(4))
    config = learner(clip=0.2, clip_schedule="by_position")
    np.testing.assert_allclose([clip_at(config, m, 4) for m in range(4)], [0.125, 0.15, 0.175, 0.2], rtol=1e-6)


def test_pieces_are_consecutive_steps_and_minibatches_partition_them():
    """Steps 0-1 and 2-3 of every environment stay together; one pass sees each piece once."""
    leaf = jnp.arange(T)[:, None] * 10 + jnp.arange(B)
    pieces = chunked({"x": leaf, "alike": jnp.arange(T)[:, None]}, 2)
    np.testing.assert_array_equal(pieces["x"][1] - pieces["x"][0], 10)
    np.testing.assert_array_equal(np.sort(pieces["x"].ravel()), np.sort(leaf.ravel()))
    np.testing.assert_array_equal(pieces["x"] // 10, pieces["alike"])

    def step(total, part):
        assert part["x"].shape == (2, 4)
        return total + part["x"].sum(), {"skipped": jnp.float32(1), "sum": part["x"].sum().astype(jnp.float32)}

    total, facts = epochs(step, jnp.int32(0), pieces, jax.random.key(0), count=2, minibatches=3)
    assert total == 2 * leaf.sum() and facts["skipped"] == 6
    np.testing.assert_allclose(facts["sum"], leaf.sum() / 3)
