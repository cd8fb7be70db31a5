"""Sequential and joint updates: ratios, orders, weights, and which algorithms coincide where."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvf.algorithm import Progress
from jaxvf.algorithms import make
from jaxvf.envs.protocol import EnvSpec
from jaxvf.errors import InputError
from jaxvf.sweeps.space import expand
from jaxvf.trust_region import Recurrent, Table, TrustRegion, weight_bounds
from jaxvf.trust_region.actor_update import ActorState, pieces_of, whole_policy
from jaxvf.trust_region.batches import Samples, Segment, chunked, epochs
from jaxvf.trust_region.sequential import clip_at, update_order

# Compile time is most of these tests' time.
QUICK = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}
PROGRESS = Progress(jnp.int32(0), jnp.int32(0))
T, B, A, OBS = 4, 6, 3, 2
SMALL = {
    "actor": Table(),
    "critic": Table(),
    "num_envs": B,
    "rollout_length": T,
    "actor_epochs": 2,
    "critic_epochs": 1,
    "learning_rate": 0.05,
}


def spec(agents, continuous=False):
    return EnvSpec("random", 1, agents, A, OBS, OBS, T, one_hot_obs=True, continuous=continuous)


def learner(**fields):
    return dataclasses.replace(TrustRegion(), **{**SMALL, **fields})


@functools.partial(jax.jit, static_argnums=1, compiler_options=QUICK)
def acted(learner, sizes, params, seed):
    """A segment of random observations in which the actors of `params` acted, [T, B, N]; the last agent is dead."""
    agents, _ = sizes
    keys = jax.random.split(seed, 6)
    obs = jax.nn.one_hot(jax.random.randint(keys[0], (T, B, agents), 0, OBS), OBS)
    avail = jnp.ones((T, B, agents, A), bool).at[0, :, 0, 2].set(False)
    started = jnp.zeros((T, B), bool).at[0].set(True).at[2, 1].set(True)
    carry = jax.random.normal(keys[1], learner.initial_carry((B, agents)).shape)
    carry = jnp.where(started[0][:, None, None], 0.0, carry)
    policy, states = learner.actors.policies(params, obs, carry, started, avail)
    before = jnp.concatenate([carry[None], states[:-1]])
    before = jnp.where(started[..., None, None], 0.0, before)
    actions = policy.sample(keys[2])
    alive = jnp.ones((T, B, agents), bool).at[..., -1].set(agents < 3)
    ended = jnp.zeros((T, B), bool).at[1, 1].set(True)
    return Segment(
        obs, obs[:, :, 0], avail, alive, started, before, actions, policy.log_prob(actions),
        jax.random.normal(keys[3], (T, B)), ended, jnp.zeros((T, B), bool), obs, obs[:, :, 0],
        learner.initial_critic_carry(B, agents), None,
    )  # fmt: skip


@functools.partial(jax.jit, compiler_options=QUICK)
def update(learner, state, segment, key):
    return learner.update(state, segment, key, PROGRESS)


def start(config, agents):
    """A learner with normal parameters and fresh optimizers, without compiling its `init`."""
    generator = np.random.default_rng(0)
    shapes = jax.eval_shape(lambda: config.init(jax.random.key(0), spec(agents)))
    params = jax.tree.map(lambda leaf: generator.normal(scale=0.3, size=leaf.shape).astype(leaf.dtype), shapes.params)
    zeros = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), shapes)
    return jax.tree.map(jnp.asarray, zeros._replace(params=params))


def trained(config, agents=2):
    """State before, state after one update, and its metrics."""
    state = start(config, agents)
    # Only the networks matter for acting: configurations that share them share a program.
    acting = learner(actor=config.actor, parameters=config.parameters, critic_inputs=config.critic_inputs)
    segment = acted(acting, (agents, False), state.params.actor, jax.random.key(1))
    return state, *update(config, state, segment, jax.random.key(7))


def close(a, b, **tolerance):
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, **({"rtol": 1e-4, "atol": 1e-6} | tolerance)), a, b)


@pytest.mark.parametrize("actor", [Table(), Recurrent(hidden=4)], ids=["table", "recurrent"])
@pytest.mark.parametrize("continuous", [False, True])
def test_ratios_are_one_at_the_first_minibatch(actor, continuous, normals):
    """Invariant 5: what is evaluated in learning is what acted, over a whole segment and over its pieces."""
    config = learner(actor=actor, chunk_length=2)
    params = normals(config.actors.init, jax.random.key(0), spec(2, continuous))
    segment = acted(config, (2, continuous), params, jax.random.key(1))
    samples = Samples(
        segment.obs, segment.avail, segment.alive, segment.carry, segment.actions, segment.log_prob,
        segment.log_prob, None, segment.started,
    )  # fmt: skip

    @functools.partial(jax.jit, compiler_options=QUICK)
    def log_ratios(params, samples):
        mine = jax.tree.map(lambda leaf: leaf[1], params)
        own = samples.of(1)
        pieces = pieces_of(config, config.actors, own)
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
        close(trained(learner(weight_low=low, weight_high=high), agents=1)[1], reference[1])
    moved = jax.tree.map(lambda a, b: np.abs(a - b).max(), reference[0].params.actor, reference[1].params.actor)
    assert max(jax.tree.leaves(moved)) > 0.01


def test_one_agent_makes_clip_hatrpo_trpo():
    """With one agent: one natural-gradient step, accepted, whose KL is below the radius, whatever the weight rule."""
    states = [trained(learner(step="natural", weight_high=high), agents=1) for high in (1e38, 1.0)]
    close(states[0][1], states[1][1], rtol=0, atol=0)
    facts = states[0][2]
    assert facts["accepted_by_position"][0] == 1 and 0.001 < facts["kl_mean_by_agent"][0] < 0.01
    before, after = (state.params.actor.network["params"]["table"] for state in states[0][:2])
    assert np.abs(after - before).max() > 0.01


def test_a_failed_line_search_leaves_the_actors_as_they_were():
    """With radius 0 no candidate is strictly below it: ten trials, parameters bitwise unchanged."""
    before, after, facts = trained(learner(step="natural", kl_radius=0.0))
    jax.tree.map(np.testing.assert_array_equal, before.params.actor, after.params.actor)
    np.testing.assert_array_equal(facts["trials_by_position"], [10, 10])
    np.testing.assert_array_equal(facts["accepted_by_position"], [0, 0])


def test_weight_one_in_turn_is_independent_ppo_at_once():
    """Without the correction the order means nothing: sequential and joint updates give the same actors."""
    fields = {"weight_low": 1.0, "weight_high": 1.0}
    in_turn, at_once = (trained(learner(updates=kind, **fields), agents=3) for kind in ("sequential", "joint"))
    close(in_turn[1].params.actor, at_once[1].params.actor)


def test_later_agents_are_weighted_by_the_ratios_before_them():
    """Two agents: the second's weight is the first's ratio on the whole batch, recomputed here from its parameters."""
    config = learner(order="fixed")
    before, after, facts = trained(config)
    segment = acted(learner(), (2, False), before.params.actor, jax.random.key(1))
    first = jax.tree.map(lambda leaf: leaf[0], after.params.actor)
    policy = config.actors.policy(
        first, segment.obs[:, :, 0], segment.carry[0, :, 0], segment.started, segment.avail[:, :, 0]
    )
    ratio = np.exp(policy.log_prob(segment.actions[..., 0]) - segment.log_prob[..., 0])
    np.testing.assert_allclose(facts["weight_mean_by_position"], [1.0, ratio.mean()], rtol=1e-5)
    np.testing.assert_allclose(facts["weight_max_by_position"][1], ratio.max(), rtol=1e-5)
    np.testing.assert_allclose(
        facts["effective_samples_by_position"][1], ratio.sum() ** 2 / (ratio**2).sum(), rtol=1e-4
    )
    assert ratio.std() > 1e-3
    # The rule changes what the second agent does, and not the first.
    other = trained(learner(order="fixed", weight_low=1.0, weight_high=1.0))[1].params.actor.network["params"]["table"]
    table = after.params.actor.network["params"]["table"]
    np.testing.assert_array_equal(table[0], other[0])
    assert np.abs(table[1] - other[1]).max() > 1e-4


def dying(living, **fields):
    """State after one update in which all three agents lived, the state after one more, and its metrics.

    In the second update agents below `living` are alive; Adam's moments are not zero then.
    """
    config = learner(**fields)
    state = start(config, 3)
    segment = acted(learner(parameters=config.parameters), (3, False), state.params.actor, jax.random.key(1))
    born = segment._replace(alive=jnp.ones_like(segment.alive))
    before, _ = update(config, state, born, jax.random.key(7))
    assert max(np.abs(leaf).max() for leaf in jax.tree.leaves(before.opt_state[0])) > 1e-4
    dead = segment._replace(alive=segment.alive & False | (jnp.arange(3) < living))
    return before, *update(config, before, dead, jax.random.key(8))


@pytest.mark.parametrize("updates", ["sequential", "joint"])
def test_who_is_dead_throughout_does_not_move(updates):
    """Neither parameters nor Adam's moments, which an earlier update has filled; nothing counts as skipped."""
    before, after, facts = dying(2, updates=updates)
    table_before, table = (state.params.actor.network["params"]["table"] for state in (before, after))
    assert np.abs(table[:2] - table_before[:2]).max() > 0.01
    for old, new in zip(*(jax.tree.leaves((s.params.actor, s.opt_state[0])) for s in (before, after)), strict=True):
        np.testing.assert_array_equal(new[2], old[2])
    assert all(np.isfinite(value).all() for value in facts.values()) and facts["skipped"] == 0


def test_dead_agents_take_no_step_of_a_shared_network():
    """In turn, two epochs in which two of three agents live are four steps; jointly, nobody alive is no step."""
    before, after, _ = dying(2, parameters="shared")
    steps = [leaf for s in (before, after) for leaf in jax.tree.leaves(s.opt_state[0]) if leaf.dtype == jnp.int32]
    assert [leaf.item() for leaf in steps] == [6, 10]
    for updates in ("sequential", "joint"):
        before, after, facts = dying(0, parameters="shared", updates=updates)
        close(before.params.actor, after.params.actor, rtol=0, atol=0)
        assert facts["skipped"] == 0 and facts["kl_p99_by_agent"].tolist() == [0, 0, 0]


def test_a_mini_batch_of_the_dead_moves_nobody():
    """The living sample lies in one of T · B mini-batches of one sample: two epochs are two steps."""
    config = learner(minibatches=T * B)
    state = start(config, 2)
    segment = acted(learner(), (2, False), state.params.actor, jax.random.key(1))
    alone = segment._replace(alive=jnp.zeros_like(segment.alive).at[1, 2].set(True))
    after, facts = update(config, state, alone, jax.random.key(7))
    counts = [leaf.tolist() for leaf in jax.tree.leaves(after.opt_state[0]) if leaf.dtype == jnp.int32]
    assert counts == [[2, 2]] and facts["skipped"] == 0


def test_an_overflowing_weight_skips_steps_and_counts_them():
    """Section 6.2: huge advantages times huge weights give no finite gradient: the actor stays, the skip is counted."""
    config = learner(normalization="none", order="fixed", weight_low=1e38, weight_high=1e38)
    before, after, facts = trained(config)
    assert facts["skipped"] > 0
    close(before.params.actor, after.params.actor, rtol=0, atol=0)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves((after, facts)))


def test_a_joint_update_counts_every_skipped_step_once():
    """Two agents with gradients of their own and two epochs are four steps; one network for both takes two."""
    fields = {"normalization": "none", "weight_low": 1e38, "weight_high": 1e38, "updates": "joint"}
    assert trained(learner(**fields))[2]["skipped"] == 4
    assert trained(learner(parameters="shared", **fields))[2]["skipped"] == 2


@pytest.mark.parametrize("parameters", ["independent", "shared"])
def test_a_joint_update_reports_every_agents_own_numbers(parameters):
    """In one epoch ratios are 1: entropies are those of the acting policies, losses minus the mean advantages."""
    fields = {"updates": "joint", "actor_epochs": 1, "normalization": "none", "critic_inputs": "observation"}
    config = learner(parameters=parameters, **fields)
    before, _, facts = trained(config)
    acting = learner(parameters=parameters, critic_inputs="observation")
    segment = acted(acting, (2, False), before.params.actor, jax.random.key(1))
    policy, _ = config.actors.policies(
        before.params.actor, segment.obs, segment.carry[0], segment.started, segment.avail
    )
    entropy, advantage = policy.entropy().mean((0, 1)), config.estimate(before, segment).advantage.mean((0, 1))
    np.testing.assert_allclose(facts["entropy_by_agent"], entropy, rtol=1e-4)
    np.testing.assert_allclose(facts["actor_loss_by_agent"], -advantage, rtol=1e-4)
    assert abs(entropy[0] - entropy[1]) > 1e-3 and abs(advantage[0] - advantage[1]) > 1e-4


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
    config = learner(parameters="shared", actor_epochs=2, learning_rate=1e-3)
    before, after, _ = trained(config)
    moved = np.abs(after.params.actor.network["params"]["table"] - before.params.actor.network["params"]["table"])
    assert 0.0015 < moved.max() <= 0.0041
    assert [leaf for leaf in jax.tree.leaves(after.opt_state[0]) if leaf.dtype == jnp.int32] == [4]


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
        return total + part["x"].sum(), {"skipped": jnp.float32(1), "sum": part["x"].sum()}

    total, facts = epochs(step, jnp.int32(0), pieces, jax.random.key(0), count=2, minibatches=3)
    assert total == 2 * leaf.sum() and facts["skipped"] == 6
    np.testing.assert_allclose(facts["sum"], leaf.sum() / 3)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"parameters": "shared", "step": "natural"}, "parameters='shared' has no natural-gradient step"),
        ({"updates": "joint", "step": "natural"}, "updates='joint' has no natural-gradient step"),
        ({"updates": "joint", "trace": "off_policy"}, "updates='joint' has no positions"),
        ({"parameters": "shared", "minibatches": 2}, "minibatches=2 with parameters='shared'"),
        ({"parameters": "shared", "trace": "off_policy"}, "parameters='shared' has no off-policy trace"),
        ({"weight_place": "inside", "step": "natural"}, "weight_place='inside' needs a clipped own ratio"),
    ],
)
def test_contradictions_are_named(fields, message):
    with pytest.raises(InputError, match=message):
        learner(**fields).init(jax.random.key(0), spec(2))


def test_the_releases_divergence_is_of_discrete_actions():
    with pytest.raises(InputError, match="kl='unweighted_k3' is of discrete actions, and random has continuous ones"):
        learner(kl="unweighted_k3").init(jax.random.key(0), spec(2, continuous=True))


def test_the_releases_entropy_is_of_continuous_actions():
    with pytest.raises(InputError, match="entropy_reduction='sum_over_batch' is of continuous actions"):
        learner(entropy_reduction="sum_over_batch").init(jax.random.key(0), spec(2))


def test_crossed_weights_are_rejected_where_numbers_are_known():
    with pytest.raises(InputError, match=r"weight_low=2\.0 is above weight_high=1\.0"):
        make(learner(weight_low=2.0, weight_high=1.0))
    with pytest.raises(InputError, match=r"weight_low=0\.5 is above weight_high=0\.1"):
        expand("matrix_game/A", "happo", {"weight_low": [0.5], "weight_high": [0.8, 0.1]}, 1)
    make(learner(weight_low=1.0, weight_high=1.0))


def test_tables_need_one_hot_observations():
    with pytest.raises(InputError, match="actor=tabular needs one-hot observations"):
        learner().init(jax.random.key(0), dataclasses.replace(spec(2), one_hot_obs=False))


def test_actor_state_is_stacked_by_agent():
    """Every agent has an Adam of its own, counts included: dead agents' counts stay behind."""
    _, after, _ = trained(learner(), agents=3)
    counts = [leaf for leaf in jax.tree.leaves(after.opt_state[0]) if leaf.dtype == jnp.int32]
    assert counts and all(leaf.tolist() == [2, 2, 0] for leaf in counts)
    assert isinstance(ActorState(after.params.actor, after.opt_state[0]), tuple)
