"""JaxMARL's MAPPO by configuration: a whole update against its equations written out, and each of its choices alone."""

import dataclasses
import itertools

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from rollout_cases import OBS, QUICK, A, B, T, learner, played, policies_of, start, trained, update

from jaxvf.algorithms import make
from jaxvf.trust_region import FeedForward, Recurrent
from jaxvf.trust_region.actor_update import of_step, pieces_of
from jaxvf.trust_region.batches import Samples
from jaxvf.trust_region.critic_update import ERRORS
from jaxvf.trust_region.networks import GRU_INITS

N = 2
NETWORK = FeedForward(hidden=4, layers=1, layer_norm=False)
RECIPE = {
    "actor": NETWORK, "critic": NETWORK, "num_envs": B, "rollout_length": T, "reward": "agents", "agent_id": False,
    "normalization": "minibatch", "value_norm": False, "value_loss": "squared", "value_weight": 0.5,
    "truncation": "terminate", "minibatch_pieces": "environments", "minibatch_agents": "apart", "minibatches": 3,
    "actor_epochs": 2, "critic_epochs": 2, "learning_rate": 0.01, "critic_learning_rate": 0.02, "max_grad_norm": 0.2,
    "entropy_weight": 0.1, "clip": 0.02, "value_clip": 0.02, "discount": 0.9, "td_lambda": 0.8,
}  # fmt: skip


@pytest.fixture(scope="module")
def updated():
    """The recipe, its state before and after one update, its metrics, and the rollout, whose agents have rewards."""
    config = dataclasses.replace(make("mappo"), **RECIPE)
    before = start(config, N)
    rollout = played(config, before, N)
    rewards = jax.random.normal(jax.random.key(5), (T, B, N))
    rollout = rollout._replace(agent_rewards=rewards, truncated=rollout.truncated.at[2, 3].set(True))
    return config, before, *update(config, before, rollout, jax.random.key(7)), rollout


def rows(leaf):
    """[T, B, N, ...] as [T, N · B, ...]: JaxMARL's actors, agent after agent."""
    return np.concatenate([np.asarray(leaf[:, :, agent]) for agent in range(leaf.shape[2])], axis=1)


def generalized_advantages(rewards, values, ended, discount, trace):
    """A_t = r_t + γ (1 - d_t) V_{t+1} - V_t + γ λ (1 - d_t) A_{t+1}: time limits end like anything else."""
    advantage, later = np.zeros_like(rewards), 0.0
    for t in reversed(range(len(rewards))):
        going = 1.0 - ended[t]
        later = rewards[t] + discount * going * values[t + 1] - values[t] + discount * trace * going * later
        advantage[t] = later
    return advantage


def fitted(loss, params, data, key, *, rate, norm, epochs, minibatches):
    """Adam on shuffled rows, its ε 1e-5, gradients of one norm at most."""
    optimizer = optax.chain(optax.clip_by_global_norm(norm), optax.adam(rate, eps=1e-5))
    state, gradient = optimizer.init(params), jax.jit(jax.grad(loss), compiler_options=QUICK)
    width = data[0].shape[1]
    for epoch in jax.random.split(key, epochs):
        for chosen in np.split(np.asarray(jax.random.permutation(epoch, width)), minibatches):
            moved, state = optimizer.update(gradient(params, *(leaf[:, chosen] for leaf in data)), state)
            params = optax.apply_updates(params, moved)
    return params


def mlp(params, x):
    """One hidden layer and the output, without biases' help from anywhere."""
    hidden, output = (params["params"][name] for name in ("layer_0", "output"))
    return jax.nn.relu(x @ hidden["kernel"] + hidden["bias"]) @ output["kernel"] + output["bias"]


@pytest.mark.golden("mappo")
def test_an_update_is_that_of_jaxmarls_equations(updated):
    """Two epochs of three mini-batches of rollouts of single agents; both networks, up to rounding."""
    config, before, after, _, rollout = updated
    _, actor_key, critic_key = jax.random.split(jax.random.key(7), 3)
    value = np.asarray(mlp(before.params.critic, rollout.state)[..., 0])
    values = np.repeat(value[..., None], N, axis=2)
    ended = np.repeat((rollout.terminated | rollout.truncated)[..., None], N, axis=2).astype(np.float32)
    advantage = generalized_advantages(np.asarray(rollout.agent_rewards), values, ended, 0.9, 0.8)
    old = rows(policies_of(config, before.params.actor, rollout).log_prob(rollout.actions[:T]))
    obs, avail, actions = (rows(leaf[:T]) for leaf in (rollout.obs, rollout.avail, rollout.actions))

    def actor_loss(params, obs, avail, actions, old, advantage):
        logits = jax.nn.log_softmax(jnp.where(avail, mlp(params, obs), -1e10))
        log_prob = jnp.take_along_axis(logits, actions[..., None], axis=-1)[..., 0]
        ratio, scaled = jnp.exp(log_prob - old), (advantage - advantage.mean()) / (advantage.std() + 1e-8)
        gain = jnp.minimum(ratio * scaled, jnp.clip(ratio, 0.98, 1.02) * scaled).mean()
        entropy = -jnp.sum(jnp.where(avail, jnp.exp(logits) * logits, 0.0), axis=-1).mean()
        return -gain - 0.1 * entropy

    def critic_loss(params, state, old, target):
        value = mlp(params, state)[..., 0]
        near = old + jnp.clip(value - old, -0.02, 0.02)
        return 0.5 * (0.5 * jnp.maximum((value - target) ** 2, (near - target) ** 2).mean())

    common = {"norm": 0.2, "epochs": 2, "minibatches": 3}
    data = obs, avail, actions, old, rows(advantage)
    actor = fitted(actor_loss, before.params.actor.network, data, actor_key, rate=0.01, **common)
    state = rows(np.repeat(np.asarray(rollout.state[:T])[:, :, None], N, axis=2))
    data = state, rows(values[:T]), rows(advantage + values[:T])
    critic = fitted(critic_loss, before.params.critic, data, critic_key, rate=0.02, **common)
    for ours, theirs, start_ in (
        (after.params.actor.network, actor, before.params.actor.network),
        (after.params.critic, critic, before.params.critic),
    ):
        for mine, expected, first in zip(*map(jax.tree.leaves, (ours, theirs, start_)), strict=True):
            np.testing.assert_allclose(mine, expected, rtol=1e-4, atol=2e-6)
            assert np.abs(mine - first).max() > 1e-3


def test_agents_apart_have_no_numbers_of_their_own(updated):
    """Losses and entropies are of all; what is measured afterwards is every agent's still."""
    facts = updated[3]
    assert "entropy" in facts and "entropy_by_agent" not in facts and "actor_loss_by_agent" not in facts
    assert facts["kl_mean_by_agent"].shape == (N,)


def test_pieces_are_steps_or_rollouts_of_all_agents_or_of_one():
    """Row n · B + b of agents apart is agent n in environment b, with that environment's flags."""
    config = dataclasses.replace(make("mappo"), **RECIPE)
    obs = jnp.arange(T * B * N * OBS, dtype=jnp.float32).reshape(T, B, N, OBS)
    flags = jnp.arange(T * B).reshape(T, B) % 3 == 0
    samples = Samples(
        obs, jnp.ones((T, 1, N, A), bool), jnp.ones((T, 1, N), bool), jnp.zeros((T, 1, N, 0)),
        jnp.zeros((T, B, N), int), jnp.zeros((T, B, N)), obs[..., 0], None, flags, flags,
    )  # fmt: skip
    apart = samples.apart()
    for pieces, agents in itertools.product(("sequences", "environments"), ("together", "apart")):
        chosen = dataclasses.replace(config, minibatch_pieces=pieces, minibatch_agents=agents)
        cut = pieces_of(chosen, apart if agents == "apart" else samples)
        length, across = (T, 1) if pieces == "environments" else (1, T)
        rows, members = (N * B, 1) if agents == "apart" else (B, N)
        assert cut.obs.shape == (length, across * rows, members, OBS)
        assert cut.started.shape == (length, across * rows)
    rows_of = np.asarray(apart.obs), np.asarray(apart.started), np.asarray(obs), np.asarray(flags)
    for agent, place in itertools.product(range(N), range(B)):
        np.testing.assert_array_equal(rows_of[0][:, agent * B + place, 0], rows_of[2][:, place, agent])
        np.testing.assert_array_equal(rows_of[1][:, agent * B + place], rows_of[3][:, place])


def test_advantages_are_normalized_by_the_samples_of_a_step():
    """Of two agents with 1, 3 and 5, 9: apart each has -1 and 1; of one network mean 4.5, variance 8.75."""
    config = learner(normalization="minibatch")
    advantage = jnp.array([[[1.0, 5.0], [3.0, 9.0]]])
    shape = (1, 2, 2)
    samples = Samples(
        jnp.zeros((*shape, 1)), jnp.ones((*shape, 1), bool), jnp.ones(shape, bool), jnp.zeros((*shape, 0)),
        jnp.zeros(shape, int), jnp.zeros(shape), advantage, None, jnp.ones((1, 2), bool), jnp.ones((1, 2), bool),
    )  # fmt: skip
    np.testing.assert_allclose(of_step(config, samples).advantage, [[[-1, -1], [1, 1]]], rtol=1e-4)
    shared = of_step(config, samples, shared=True).advantage
    np.testing.assert_allclose(shared, (np.asarray(advantage) - 4.5) / 8.75**0.5, rtol=1e-4)
    one = of_step(config, samples.agent(jnp.int32(1))).advantage  # one agent's turn
    np.testing.assert_allclose(one, [[-1, 1]], rtol=1e-4)
    assert of_step(learner(normalization="joint"), samples) is samples


def test_one_minibatch_has_every_agents_own_scale():
    """Independent agents, and turns: the samples of a step are the agent's, so one step is that of `per_agent`.

    Values of their observations give agents advantages apart: those of all would have another scale.
    """
    weight = {"weight_low": 1.0, "weight_high": 1.0, "critic_inputs": "observation"}
    for kinds, reference in (
        (({}, {"updates": "joint"}), weight),
        (({"parameters": "shared"},), weight | {"parameters": "shared"}),
    ):
        theirs = trained(learner(normalization="per_agent", **reference))[1]
        for fields in kinds:
            mine = trained(learner(normalization="minibatch", **weight, **fields))[1]
            chex.assert_trees_all_close(mine.params.actor, theirs.params.actor, rtol=1e-3, atol=1e-5)


def test_a_value_clip_in_returns_is_smaller_by_their_deviation():
    """One batch: its deviation is that of all statistics, in both epochs; the second feels the clip."""
    fields = {"critic_epochs": 2, "critic_learning_rate": 0.5}
    deviation = float(trained(learner(**fields))[1].norm.moments()[1])
    clip = 0.5 * deviation**0.5  # Adam's first step is 0.5: one clip is below it, the other above
    after = trained(learner(value_clip=clip, value_clip_units="returns", **fields))[1]
    same, other = (trained(learner(value_clip=each, **fields))[1] for each in (clip / deviation, clip))
    tables = [jax.tree.leaves(each.params.critic)[0] for each in (after, same, other)]
    np.testing.assert_allclose(tables[0], tables[1], rtol=1e-3, atol=1e-4)
    assert np.abs(tables[0] - tables[2]).max() > 1e-3 and abs(deviation - 1) > 0.1


def test_half_of_the_square_has_no_line():
    np.testing.assert_allclose(ERRORS["squared"](jnp.array([2.0, -12.0])), [2.0, 72.0])


def test_gates_start_with_a_matrix_of_their_own_or_as_flax_draws_them():
    """Entries of one matrix of three gates are √3 smaller than of a matrix a gate; flax's input is normal, 1/√I."""
    inputs, width = 24, 12
    x, carry, started = jnp.ones((1, 1, inputs)), jnp.zeros((1, width)), jnp.zeros((1, 1), bool)
    found = {}
    for name in GRU_INITS:
        network = Recurrent(hidden=width, layers=0, layer_norm=False, gru_init=name)
        init = jax.jit(lambda key, network=network: network.init(key, x, carry, started, 1, 1.0))
        params = init(jax.random.key(0))["params"]["gru"]
        assert not params["bias"].any() and not params["recurrent_bias"].any()
        found[name] = {side: np.split(np.asarray(params[side]), 3, axis=1) for side in ("kernel", "recurrent_kernel")}
    eye = np.eye(width)
    for gate in range(3):
        for name, side in (("per_gate", "kernel"), ("per_gate", "recurrent_kernel"), ("flax", "recurrent_kernel")):
            matrix = found[name][side][gate]
            np.testing.assert_allclose(matrix.T @ matrix, eye, atol=1e-5)
        assert np.abs(found["flax"]["kernel"][gate].T @ found["flax"]["kernel"][gate] - eye).max() > 0.1
    joint = np.concatenate(found["joint"]["recurrent_kernel"], axis=1)
    np.testing.assert_allclose(joint @ joint.T, eye, atol=1e-5)
    assert np.abs(found["per_gate"]["kernel"][0] - found["per_gate"]["kernel"][1]).max() > 0.1
    # An orthogonal [24, 12] has entries of 1/√24, as flax's normal ones; one of [24, 36] has columns of 2/3.
    scale = {name: np.std(np.concatenate(sides["kernel"])) for name, sides in found.items()}
    np.testing.assert_allclose([scale["per_gate"], scale["flax"]], 24**-0.5, rtol=0.12)
    np.testing.assert_allclose(scale["joint"], 36**-0.5, rtol=0.02)


def test_a_recurrent_network_is_flaxs_cell_between_dense_layers():
    """Dense √2, relu, GRUCell, dense of gain 2, relu, dense: the same outputs from the same numbers."""
    width, actions = 4, 3
    ours = Recurrent(hidden=width, head_layers=1, head_gain=2.0, gru_init="flax", layer_norm=False)
    x, started = jax.random.normal(jax.random.key(1), (T, B, 5)), jnp.zeros((T, B), bool).at[2, 1].set(True)
    carry = jnp.zeros((B, width))
    params = jax.jit(lambda key: ours.init(key, x, carry, started, actions, 0.01))(jax.random.key(0))
    outputs, _ = ours.apply(params, x, carry, started, actions, 0.01)
    parts = params["params"]
    kernel, recurrent = (jnp.split(parts["gru"][name], 3, axis=1) for name in ("kernel", "recurrent_kernel"))
    biases, offsets = (jnp.split(parts["gru"][name], 3) for name in ("bias", "recurrent_bias"))
    cell = {f"i{g}": {"kernel": kernel[i], "bias": biases[i]} for i, g in enumerate("rzn")}
    cell |= {f"h{g}": {"kernel": recurrent[i]} for i, g in enumerate("rz")}
    cell["hn"] = {"kernel": recurrent[2], "bias": offsets[2]}
    head = parts["head_layer_0"]["kernel"]
    np.testing.assert_allclose(head.T @ head, 4 * np.eye(width), atol=1e-4)
    for t in range(T):
        carry = jnp.where(started[t][:, None], 0.0, carry)
        embedded = jax.nn.relu(x[t] @ parts["layer_0"]["kernel"])
        carry, state = nn.GRUCell(width).apply({"params": cell}, carry, embedded)
        logits = jax.nn.relu(state @ head) @ parts["output"]["kernel"]
        np.testing.assert_allclose(outputs[t], logits, rtol=1e-4, atol=1e-6)
