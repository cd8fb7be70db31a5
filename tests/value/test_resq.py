"""ResQ: its mask and sign, IGM by brute force, the loss by hand, and where gradients go."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvf.algorithm import Progress, Rollout
from jaxvf.envs.protocol import EnvSpec
from jaxvf.mixers import QmixMixer, VdnMixer
from jaxvf.networks import FeedForwardAgent, TabularAgent
from jaxvf.value import Resq
from jaxvf.value.agents import LearnerState
from jaxvf.value.central import CentralParams

SPEC = EnvSpec("by_hand", 1, n_agents=2, n_actions=2, obs_dim=2, state_dim=1, limit_max=1, one_hot_obs=True)
# Tables [agent, frame, action]. Greedy are (1, 0) at frame 0 and (0, 1) at frame 1.
ONLINE = np.float32([[[1, 2], [5, 3]], [[3, 1], [2, 6]]])
RESIDUAL = np.float32([[[4, 1], [0, 0]], [[2, 5], [0, 0]]])
CENTRAL = np.float32([[[1, 7], [8, 2]], [[9, 4], [3, 5]]])
TARGET = np.float32([[[1, 2], [10, 20]], [[3, 4], [200, 100]]])


def learner_of(**fields) -> Resq:
    parts = {"mixer": VdnMixer(), "agent": TabularAgent(), "central_width": 1}
    return Resq(**{**parts, "discount": 0.5, "optimizer": "adam", "max_grad_norm": 1e9, **fields})


# Compiling is most of the time of these tests.
QUICK = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}


@functools.partial(jax.jit, compiler_options=QUICK)
def update(learner, state, batch):
    return learner.update(state, batch, jax.random.key(0), Progress(jnp.int32(0), jnp.int32(0)))


joint_values = jax.jit(lambda learner, params, batch: learner.joint_values(params, batch), compiler_options=QUICK)


def by_hand(learner: Resq) -> LearnerState:
    """Central mixers that add up the tables; the residual's then goes through -|·|."""
    shapes = jax.eval_shape(lambda key: learner.init(key, SPEC), jax.random.key(0))
    zeros = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), shapes)
    mixer = zeros.params.central.mixer
    mixer["params"]["joint"]["layer_0"]["kernel"][1:] = 1  # the first input is the state
    for layer in ("layer_1", "layer_2", "layer_3"):
        mixer["params"]["joint"][layer]["kernel"][:] = 1
    residual, central, target = (
        CentralParams({"params": {"table": table}}, mixer) for table in (RESIDUAL, CENTRAL, TARGET)
    )
    params = zeros.params._replace(agent={"params": {"table": ONLINE}}, residual=residual, central=central)
    return LearnerState(params, target, zeros.opt_state)


def batch_of(joint, rewards) -> Rollout:
    """One-step episodes, truncated, that begin with these joint actions."""
    joint = np.asarray(joint)
    envs = len(joint)
    return Rollout(
        obs=np.broadcast_to(np.eye(2, dtype=np.float32)[:, None, None], (2, envs, 2, 2)),
        state=np.zeros((2, envs, 1), np.float32),
        avail=np.ones((2, envs, 2, 2), bool),
        actions=np.stack([joint, np.zeros_like(joint)]),
        reward=np.float32(rewards)[None],
        terminated=np.zeros((1, envs), bool),
        truncated=np.ones((1, envs), bool),
        filled=np.ones((1, envs), bool),
    )


JOINT = [(0, 0), (0, 1), (1, 0), (1, 1)]
# Q_T = 4 2 5 3; |residual| = 6 9 3 6, masked at the greedy (1, 0); Q_C = 10 5 16 11.
Q_T, Q_J, Q_C = np.array([4, 2, 5, 3]), np.array([4 - 6, 2 - 9, 5, 3 - 6]), np.array([10, 5, 16, 11])


def test_the_residual_is_never_positive_and_masked_at_the_greedy_joint_action():
    """Q_J = Q_T - |r_1 + r_2|, but Q_T alone at (1, 0)."""
    learner = learner_of()
    values = joint_values(learner, by_hand(learner).params, batch_of(JOINT, [0] * 4))
    np.testing.assert_allclose(values["q_tot"][0, :, 0], Q_T, rtol=1e-6)
    np.testing.assert_allclose(values["q_joint"][0, :, 0], Q_J, rtol=1e-6)
    np.testing.assert_allclose(values["q_central"][0, :, 0], Q_C, rtol=1e-6)


@pytest.mark.golden("resq")
def test_loss_and_gradient_by_hand(gradients_of):
    """Y = r + 0.5 (10 + 100), from the target copy of Q_C at the online greedy (0, 1); both losses have weight 1.

    dL/dQ_J = 2 (Q_J - y) / 4 reaches the tables of the acting agents with sign +, of the residual with sign - and
    not at the greedy joint action; dL/dQ_C reaches those of Q_C alone.
    """
    rewards = np.array([-54, -50, -48, -60])
    y = rewards + 55
    learner = learner_of()
    after, metrics = update(learner, by_hand(learner), batch_of(JOINT, rewards))
    assert float(metrics["loss"]) == pytest.approx(np.mean((Q_J - y) ** 2) + np.mean((Q_C - y) ** 2), rel=1e-5)
    assert float(metrics["target"]) == pytest.approx(np.mean(y), rel=1e-5)
    assert float(metrics["value"]) == pytest.approx(np.mean(Q_J), rel=1e-5)
    grads = gradients_of(after.opt_state)
    slope, central_slope = (Q_J - y) / 2, (Q_C - y) / 2
    elsewhere = np.array([1, 1, 0, 1])
    for tree, expected in (
        (grads.agent, slope),
        (grads.residual.agent, -slope * elsewhere),
        (grads.central.agent, central_slope),
    ):
        table = tree["params"]["table"]
        np.testing.assert_allclose(table[0, 0], [expected[:2].sum(), expected[2:].sum()], rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(table[1, 0], [expected[::2].sum(), expected[1::2].sum()], rtol=1e-4, atol=1e-4)
        assert not table[:, 1].any()  # nothing flows through the target


def test_residual_agents_start_as_copies():
    """Of the acting agents, with a mixer of their own; Q_C's agents start apart, and its target copy is one."""
    learner = learner_of(agent=TabularAgent(), central_width=2)
    params, target, *_ = jax.jit(lambda key: learner.init(key, SPEC))(jax.random.key(0))
    np.testing.assert_array_equal(params.residual.agent["params"]["table"], params.agent["params"]["table"])
    assert (params.central.agent["params"]["table"] != params.agent["params"]["table"]).all()
    kernels = (each.mixer["params"]["joint"]["layer_0"]["kernel"] for each in (params.residual, params.central))
    assert (next(kernels) != next(kernels)).all()
    chex.assert_trees_all_equal(params.central, target)


def test_the_joint_value_and_its_envelope_agree_on_the_best_joint_action(random_episodes, state_for):
    """IGM by enumeration: argmax Q_J = argmax Q_T = the local argmaxes, and Q_J <= Q_T, for random parameters."""
    learner = Resq(mixer=QmixMixer(embed=3, hypernet_embed=4), agent=FeedForwardAgent(6), central_width=5)
    joint = np.indices((3, 3)).reshape(2, -1).T.astype(np.int32)
    for seed in range(20):
        batch = random_episodes(steps=1, envs=1, seed=seed, available=1.0)
        batch = jax.tree.map(lambda leaf: np.repeat(leaf, len(joint), axis=1), batch)
        batch = batch._replace(actions=np.broadcast_to(joint, (2, *joint.shape)))
        params = jax.tree.map(jnp.asarray, state_for(learner, batch, seed=seed, scale=1.0).params)
        values = {name: value[..., 0] for name, value in joint_values(learner, params, batch).items()}
        q = learner.agent.apply(params.agent, jnp.asarray(batch.obs[:, :1]), None, 3)[0]
        local = np.argmax(q, axis=-1)[:, 0]
        for frame in range(2):
            assert (values["q_joint"][frame] <= values["q_tot"][frame]).all()
            assert values["q_joint"][frame].max() == values["q_tot"][frame].max()
            for name in ("q_joint", "q_tot"):
                np.testing.assert_array_equal(joint[values[name][frame].argmax()], local[frame], err_msg=name)


def test_each_regression_reaches_its_own_parameters(random_episodes, state_for, gradients_of):
    """All of agent, mixer, residual and Q_C get gradient; Q_C's loss adds nothing to the first three."""
    learner = learner_of(mixer=QmixMixer(embed=3, hypernet_embed=4), agent=FeedForwardAgent(6), central_width=5)
    batch = random_episodes(steps=1, envs=6)
    state = state_for(learner, batch)
    other = state.params._replace(central=jax.tree.map(lambda leaf: 2 * leaf, state.params.central))
    grads = [gradients_of(update(learner, each, batch)[0].opt_state) for each in (state, state._replace(params=other))]
    for tree in (grads[0].agent, grads[0].mixer, *grads[0].residual, *grads[0].central):
        assert any(leaf.any() for leaf in jax.tree.leaves(tree))
    chex.assert_trees_all_equal(*(each[:3] for each in grads))
    apart = jax.tree.map(lambda one, two: np.any(one != two), *(each.central for each in grads))
    assert any(jax.tree.leaves(apart))
