"""Agents of different sizes: networks of their own widths learn what padded ones learn, and see no padding."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from rollout_cases import PROGRESS, QUICK

from jaxvf.algorithm import Rollout
from jaxvf.algorithms import make
from jaxvf.envs import MatrixGame
from jaxvf.envs.protocol import EnvSpec, View
from jaxvf.errors import InputError
from jaxvf.networks.members import Group
from jaxvf.trust_region import FeedForward, Table
from jaxvf.trust_region.batches import Extras
from jaxvf.trust_region.checks import _check_updates
from jaxvf.trust_region.sizes import size_groups

T, B, N, S, O, A = 4, 6, 3, 2, 4, 3  # noqa: E741 - the field's letters
# Agents 0 and 2 see entries 1 and 2 and have two actions, agent 1 sees all and has three.
OWN_OBS, OWN_ACTIONS = (((1, 3),), ((0, 4),), ((1, 3),)), (2, 3, 2)
SMALL_ONES, LARGE_ONE = Group((0, 2), ((1, 3),), 2), Group((1,), ((0, 4),), 3)
SPEC = EnvSpec("of two sizes", 1, N, A, O, S, T, own_obs=OWN_OBS, own_actions=OWN_ACTIONS)
PLAIN = FeedForward(hidden=3, layers=1, layer_norm=False)
CASES = {
    "happo": {"actor": PLAIN, "order": "fixed"},
    "hatrpo": {"budget": "shared"},
    "coppo": {"critic_inputs": "agent_state", "minibatches": 2},
    "mappo": {"agent_id": False},
}


def config_of(name, **fields):
    sizes = {"num_envs": B, "rollout_length": T, "actor_epochs": 2, "critic_epochs": 1}
    return dataclasses.replace(make(name), **{"actor": Table(), "critic": Table(), **sizes, "sizes": "own", **fields})


def normals(shapes, seed=0):
    generator = np.random.default_rng(seed)
    return jax.tree.map(lambda leaf: generator.normal(scale=0.5, size=leaf.shape).astype(leaf.dtype), shapes)


@functools.cache
def start(name, spec=SPEC, **fields):
    """A learner with normal parameters and fresh optimizers."""
    shapes = jax.eval_shape(lambda: config_of(name, **fields).init(jax.random.key(0), spec))
    zeros = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), shapes)
    return jax.tree.map(jnp.asarray, zeros._replace(params=normals(shapes.params)))


def mask_of(ranges, width):
    return np.isin(np.arange(width), [place for first, last in ranges for place in range(first, last)])


OBS_MASK = np.stack([mask_of(ranges, O) for ranges in OWN_OBS])
AVAIL_MASK = np.arange(A) < np.array(OWN_ACTIONS)[:, None]


@functools.partial(jax.jit, static_argnums=0, compiler_options=QUICK)
def acted(config, params, obs, avail):
    """Random actions of the actors, their log-probabilities, and what they remembered before each frame."""
    started = jnp.zeros((T + 1, B), bool).at[0].set(True)
    carry = config.initial_carry((B, N))
    policy, states = config.actors.policies(params, obs, carry, started, avail)
    actions = policy.sample(jax.random.key(1))
    return actions, policy.log_prob(actions), jnp.concatenate([carry[None], states[:-1]]), started


def played(config, params):
    """A rollout of these actors, zeros and nothing available where an agent has nothing; agent 2 is dead in CoPPO's."""
    generator = np.random.default_rng(1)
    obs = generator.normal(size=(T + 1, B, N, O)).astype(np.float32) * OBS_MASK
    avail = np.broadcast_to(AVAIL_MASK, (T + 1, B, N, A))
    actions, log_prob, before, started = acted(config, params, obs, jnp.asarray(avail))
    reward = generator.normal(size=(T, B)).astype(np.float32)
    flag, alive = np.zeros((T, B), bool), np.ones((T + 1, B, N), bool)
    alive[..., 2] = config.updates == "sequential"
    rollout = Rollout(
        obs, obs[..., 0, :S], avail, actions, reward, flag, flag, ~flag, started, before[:1], alive, None,
        Extras(log_prob, before),
    )  # fmt: skip
    return jax.tree.map(jnp.asarray, rollout)


@functools.partial(jax.jit, compiler_options=QUICK)
def update(config, state, rollout):
    return config.update(state, rollout, jax.random.key(7), PROGRESS)


@functools.cache
def learned(name, **fields):
    state, config = start(name, **fields), config_of(name, **fields)
    rollout = played(config, state.params.actor)
    return state, rollout, *update(config, state, rollout)


def own_part(tables, group):
    """What a padded team's tables [N, O, A] hold for the agents, entries and actions of a group."""
    columns = np.flatnonzero(mask_of(group.inputs, O))
    return jax.tree.map(lambda leaf: np.asarray(leaf)[list(group.agents)][:, columns, : group.outputs], tables)


def test_parameters_have_no_padding():
    """Two networks 2 -> 3 -> 2 and one 4 -> 3 -> 3, as many moments; the critic of observations likewise, to 1."""
    assert size_groups(SPEC) == (SMALL_ONES, LARGE_ONE)
    assert (SPEC.obs_dims, SPEC.action_dims) == ((2, 4, 2), OWN_ACTIONS)
    config = config_of("ippo", actor=PLAIN, critic=PLAIN)
    state = jax.eval_shape(lambda: config.init(jax.random.key(0), SPEC))
    for part, outputs in ((state.params.actor, (2, 3)), (state.params.critic, (1, 1))):
        assert part.groups[0].agents == (0, 2) and part.groups[1].agents == (1,)
        for own, members, inputs, output in zip(part.parts, (2, 1), (2, 4), outputs, strict=True):
            layers = (own if outputs[0] == 1 else own.network)["params"]
            assert layers["layer_0"]["kernel"].shape == (members, inputs, 3)
            assert layers["output"]["kernel"].shape == (members, 3, output)
    count = sum(leaf.size for leaf in jax.tree.leaves(state.params))
    moments = [leaf.size for leaf in jax.tree.leaves(state.opt_state) if leaf.dtype == jnp.float32]
    assert sum(moments) == 2 * count
    both = jax.eval_shape(lambda: config_of("coppo", **CASES["coppo"]).init(jax.random.key(0), SPEC)).params.critic
    assert [own["params"]["table"].shape for own in both.parts] == [(S + 2, 1), (S + 4, 1)]
    equal = dataclasses.replace(SPEC, own_obs=(), own_actions=())
    plain, padded = (
        jax.eval_shape(lambda c=c, s=s: c.init(jax.random.key(0), s)).params
        for c, s in ((config, equal), (dataclasses.replace(config, sizes="padded"), SPEC))
    )
    assert jax.tree.map(lambda leaf: leaf.shape, plain) == jax.tree.map(lambda leaf: leaf.shape, padded)


def test_networks_of_their_own_size_learn_what_padded_ones_do():
    """Zeros in padding and masked actions have no gradient: from equal numbers both end at equal numbers.

    HATRPO in a random order that mixes the sizes, with a budget for all: a wrong weight, sample, radius or optimizer in
    any turn would show.
    """
    own, padded = config_of("hatrpo", **CASES["hatrpo"]), config_of("hatrpo", **CASES["hatrpo"], sizes="padded")
    state, padded_state = start("hatrpo", **CASES["hatrpo"]), start("hatrpo", **CASES["hatrpo"], sizes="padded")
    parts = tuple(own_part(padded_state.params.actor, group) for group in size_groups(SPEC))
    actor = dataclasses.replace(state.params.actor, parts=jax.tree.map(jnp.asarray, parts))
    rollout, padded_rollout = (
        played(config, params) for config, params in ((own, actor), (padded, padded_state.params.actor))
    )
    np.testing.assert_allclose(rollout.extras.log_prob, padded_rollout.extras.log_prob, rtol=1e-5)
    after, facts = update(own, state._replace(params=padded_state.params._replace(actor=actor)), rollout)
    padded_after, padded_facts = update(padded, padded_state, rollout)
    for found, before, group in zip(after.params.actor.parts, parts, size_groups(SPEC), strict=True):
        expected = own_part(padded_after.params.actor, group)
        np.testing.assert_allclose(found.network["params"]["table"], expected.network["params"]["table"], rtol=2e-4)
        assert np.abs(found.network["params"]["table"] - before.network["params"]["table"]).max() > 1e-3
    for key, value in facts.items():
        np.testing.assert_allclose(value, padded_facts[key], rtol=1e-3, atol=1e-4, err_msg=key)


def test_weights_are_ratios_of_the_agents_before_whatever_their_size():
    """Fixed order 0, 1, 2 of sizes 2, 4, 2: weights 1, r_0 and r_0 r_1, recomputed from networks and slices by hand."""
    before, rollout, after, facts = learned("happo", **CASES["happo"])

    def log_prob(params, agent):
        group, place = (LARGE_ONE, 0) if agent == 1 else (SMALL_ONES, agent // 2)
        network = jax.tree.map(
            lambda leaf: np.asarray(leaf[place]), params.actor.parts[int(agent == 1)].network["params"]
        )
        x = np.asarray(rollout.obs)[:T, :, agent][..., np.flatnonzero(OBS_MASK[agent])]
        x = np.maximum(x @ network["layer_0"]["kernel"] + network["layer_0"]["bias"], 0)
        logits = x @ network["output"]["kernel"] + network["output"]["bias"]
        chosen = np.take_along_axis(logits, np.asarray(rollout.actions)[:T, :, agent, None], axis=-1)[..., 0]
        return chosen - np.log(np.exp(logits).sum(-1)) if group.outputs == logits.shape[-1] else None

    ratios = [np.exp(log_prob(after.params, agent) - log_prob(before.params, agent)) for agent in range(N)]
    weights = [np.ones((T, B)), ratios[0], ratios[0] * ratios[1]]
    np.testing.assert_allclose(facts["weight_mean_by_position"], [w.mean() for w in weights], rtol=1e-5)
    np.testing.assert_allclose(facts["weight_max_by_position"], [w.max() for w in weights], rtol=1e-5)
    assert all(ratio.std() > 1e-4 for ratio in ratios)


@pytest.mark.parametrize("name", CASES)
def test_what_fills_up_small_agents_changes_nothing(name):
    """Bitwise: other numbers in padding, and actions that are called available, in acting and in learning."""
    config = config_of(name, **CASES[name])
    state, rollout, after, facts = learned(name, **CASES[name])
    noise = 1e3 * np.random.default_rng(3).normal(size=rollout.obs.shape)
    obs = jnp.where(OBS_MASK, rollout.obs, noise.astype(np.float32))
    other = rollout._replace(obs=obs, avail=rollout.avail | ~AVAIL_MASK)
    for found, expected in zip(
        jax.tree.leaves(update(config, state, other)), jax.tree.leaves((after, facts)), strict=True
    ):
        np.testing.assert_array_equal(found, expected)
    results = acted(config, state.params.actor, other.obs, other.avail)
    for found, expected in zip(results, acted(config, state.params.actor, rollout.obs, rollout.avail), strict=True):
        np.testing.assert_array_equal(found, expected)
    assert (np.asarray(results[0]) < np.array(OWN_ACTIONS)).all()
    if name == "coppo":
        counts = [leaf.tolist() for leaf in jax.tree.leaves(after.opt_state[0]) if leaf.dtype == jnp.int32]
        assert counts == [[4, 0], [4]]  # two passes over two mini-batches; who is dead does not move
        small = (actor.parts[0].network["params"]["table"] for actor in (state.params.actor, after.params.actor))
        assert np.abs(np.subtract(*small)).max(axis=(1, 2)).astype(bool).tolist() == [True, False]
    else:
        moved = jax.tree.map(lambda a, b: not np.array_equal(a, b), state.params.actor, after.params.actor)
        assert all(jax.tree.leaves(moved))


def test_steps_that_are_left_out_are_counted_in_every_group():
    """What agent 1 sees is not a number, nor is a weight that asks for its ratio: two networks skip both passes."""
    config, (state, rollout, *_) = config_of("mappo", **CASES["mappo"]), learned("mappo", **CASES["mappo"])
    after, facts = update(config, state, rollout._replace(obs=rollout.obs.at[:, :, 1].set(jnp.nan)))
    assert facts["skipped"] == 4
    for found, expected in zip(jax.tree.leaves(after.params.actor), jax.tree.leaves(state.params.actor), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_what_one_network_for_all_needs_is_refused():
    game = MatrixGame(((0.0, 1.0), (0.0, 0.0)))
    spec = dataclasses.replace(game.spec, own_actions=(1, 2))
    for fields, line in (
        (
            {"parameters": "shared"},
            "parameters='shared' updates='sequential' with sizes='own', .*use parameters='independent'",
        ),
        (
            {
                "parameters": "shared",
                "updates": "joint",
                "minibatch_agents": "apart",
                "weight_low": 1.0,
                "weight_high": 1.0,
            },
            "minibatch_agents='apart' with sizes='own', .*; use minibatch_agents='together'",
        ),
    ):
        config = config_of("happo", actor=PLAIN, critic=PLAIN, **fields)
        config.check(game)  # nothing is padded: one size
        with pytest.raises(InputError, match=line):
            _check_updates(config, spec)


def test_gaussian_agents_have_as_many_entries_as_they_have():
    """As many deviations as entries; 0 is drawn where an agent has nothing, and what stands there does not count."""
    spec = dataclasses.replace(SPEC, continuous=True)
    config = config_of("happo", actor=PLAIN)
    state = start("happo", spec, actor=PLAIN)
    assert [part.xi.shape for part in state.params.actor.parts] == [(2, 2), (1, 3)]
    generator = np.random.default_rng(0)
    view = View(
        *(jnp.asarray(x, jnp.float32) for x in (generator.normal(size=(B, N, O)), np.zeros((B, S)))),
        *[jnp.ones((B, N, A), bool)] * 2,
    )
    policy, _ = config.forward(state.params.actor, config.initial_carry((B, N)), view)
    actions = policy.sample(jax.random.key(0))
    assert (np.asarray(actions)[:, ~AVAIL_MASK] == 0).all() and (np.asarray(actions)[:, AVAIL_MASK] != 0).all()
    noisy = jnp.where(AVAIL_MASK, actions, 7.0)
    np.testing.assert_array_equal(policy.log_prob(noisy), policy.log_prob(actions))
    mean = np.asarray(policy.mode())[:, 1]
    std = 0.5 / (1 + np.exp(-np.asarray(state.params.actor.parts[1].xi[0])))
    by_hand = (-0.5 * ((np.asarray(actions)[:, 1] - mean) / std) ** 2 - np.log(std * np.sqrt(2 * np.pi))).sum(-1)
    np.testing.assert_allclose(policy.log_prob(actions)[:, 1], by_hand, rtol=1e-4)
