"""QTRAN, base and alt: sizes, losses by hand, where gradients go, and the 8/-12 table that it must solve."""

import functools
import itertools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvf.algorithm import Progress, Rollout
from jaxvf.envs.protocol import EnvSpec
from jaxvf.networks import FeedForwardAgent, TabularAgent
from jaxvf.networks.qtran import CounterfactualNetwork, JointNetwork
from jaxvf.value import Qtran, QtranAlt
from jaxvf.value.agents import LearnerState
from jaxvf.value.frames import Frames

PAYOFF = np.float32([[8, -12, -12], [-12, 0, 0], [-12, 0, 0]])
JOINT = np.indices((3, 3)).reshape(2, -1).T.astype(np.int32)


# Compiling is most of the time of these tests.
QUICK = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}


@functools.partial(jax.jit, compiler_options=QUICK)
def update(learner, state, batch):
    return learner.update(state, batch, jax.random.key(0), Progress(jnp.int32(0), jnp.int32(0)))


def count(tree) -> int:
    return sum(leaf.size for leaf in jax.tree.leaves(tree))


@pytest.mark.parametrize(
    ("n_agents", "state_dim", "n_actions", "expected"),
    [(5, 120, 11, 40_138), (10, 322, 18, 68_654), (2, 18, 4, 24_618)],
)
def test_the_joint_network_has_the_sizes_of_pymarl(n_agents, state_dim, n_actions, expected):
    """Encoder, J and V together, on features of width 64 as in PyMARL; any number of agents."""
    shapes = jax.eval_shape(JointNetwork().init, jax.random.key(0), *inputs(n_agents, state_dim, n_actions))
    assert count(shapes) == expected


def test_other_architectures_have_the_sizes_of_their_layers():
    """`big` adds 2·(64² + 64) parameters; `coma_critic` reads n·A one-hot entries; alt: three networks and V."""
    sizes = inputs(5, 120, 11)
    small = 40_138

    def of(network) -> int:
        return count(jax.eval_shape(network.init, jax.random.key(0), *sizes))

    assert of(JointNetwork(layers=3)) == small + 2 * (64 * 64 + 64)
    assert of(JointNetwork(architecture="coma_critic")) == dense(120 + 55, 64, 64, 1) + dense(120, 64, 64, 1)
    parts = dense(64 + 11, 64, 64) + dense(64, 64, 64) + dense(64, 64, 64, 11) + dense(120, 64, 64, 1)
    assert of(CounterfactualNetwork()) == parts


def inputs(n_agents, state_dim, n_actions) -> tuple:
    return jnp.zeros((1, state_dim)), jnp.zeros((1, n_agents, 64)), jnp.zeros((1, n_agents, n_actions))


def dense(*widths: int) -> int:
    """Parameters of linear layers of these widths."""
    return sum((one + 1) * two for one, two in itertools.pairwise(widths))


def small(kind, **fields):
    """Over little networks."""
    joint = JointNetwork(width=6) if kind is Qtran else CounterfactualNetwork(width=6)
    parts = {"agent": FeedForwardAgent(6), "joint": joint, "optimizer": "adam", "max_grad_norm": 1e9, "discount": 0.5}
    return kind(**{**parts, **fields})


@pytest.mark.parametrize("kind", [Qtran, QtranAlt])
def test_the_two_penalties_do_not_reach_the_joint_value(kind, random_episodes, state_for, gradients_of):
    """The gradient of J (or J_i) is that of L_td to rounding; V has gradient from the penalties and none from L_td."""
    batch = random_episodes(steps=1, envs=6)
    learners = [
        small(kind, opt_coefficient=opt, nopt_coefficient=nopt) for opt, nopt in ((0.0, 0.0), (3.0, 0.0), (0.0, 3.0))
    ]
    state = state_for(learners[0], batch, seed=1, scale=0.7)
    grads = [gradients_of(update(learner, state, batch)[0].opt_state) for learner in learners]
    nets = [dict(each.joint["params"]) for each in grads]
    bias = [net.pop("bias") for net in nets]
    assert [any_nonzero(each) for each in bias] == [False, True, True]
    for penalized in nets[1:]:
        chex.assert_trees_all_close(penalized, nets[0], rtol=1e-6, atol=1e-7)
    assert any_nonzero(nets[0])
    # L_td reaches the agents through their features only: the layer of local values has no gradient.
    assert any_nonzero(grads[0].agent["params"]["middle"])
    assert [any_nonzero(each.agent["params"]["output"]) for each in grads] == [False, True, True]


def any_nonzero(tree) -> bool:
    return any(np.any(np.asarray(leaf) != 0) for leaf in jax.tree.leaves(tree))


def pieces_of(learner, params, batch, actions) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Local values [F, B, N, A], what the joint network says of `actions`, and V; every frame of a batch."""
    q, (joint, bias) = forward(learner, params, batch, actions)
    return np.float64(q), np.float64(joint), np.float64(bias)


@functools.partial(jax.jit, compiler_options=QUICK)
def forward(learner, params, batch, actions):
    unrolled = learner.unroll(params.agent, batch)
    return unrolled.outputs, learner._network(params, unrolled, Frames.of(batch), actions)


def chosen(values: np.ndarray, actions: np.ndarray) -> np.ndarray:
    return np.take_along_axis(values, np.asarray(actions)[..., None], axis=-1)[..., 0]


@pytest.mark.golden("qtran")
def test_losses_of_the_base_by_hand(random_episodes, state_for):
    """Every formula in float64; a* is the ONLINE greedy joint action, J of it the target's."""
    learner, batch = small(Qtran, opt_coefficient=0.7, nopt_coefficient=0.3), random_episodes(steps=2, envs=6)
    state = state_for(learner, batch)
    q, _, _ = pieces_of(learner, state.params, batch, batch.actions)
    legal = np.where(batch.avail, q, -np.inf)
    greedy = legal.argmax(axis=-1)
    _, taken, bias = pieces_of(learner, state.params, batch, batch.actions)
    _, best, _ = pieces_of(learner, state.params, batch, greedy)
    _, following, _ = pieces_of(learner, state.target_params, batch, greedy)
    y = batch.reward + 0.5 * following[1:, ..., 0]
    taken, best, bias = (values[:-1, ..., 0] for values in (taken, best, bias))
    sum_taken, sum_best = chosen(q, batch.actions).sum(-1)[:-1], legal.max(-1).sum(-1)[:-1]
    td = np.mean((taken - y) ** 2)
    opt = np.mean((sum_best - best + bias) ** 2)
    nopt = np.mean(np.minimum(0, sum_taken - taken + bias) ** 2)
    assert (sum_taken - taken + bias < 0).any() and (sum_taken - taken + bias > 0).any()
    metrics = update(learner, state, batch)[1]
    expected = {"td_loss": td, "opt_loss": opt, "nopt_loss": nopt, "loss": td + 0.7 * opt + 0.3 * nopt}
    assert {name: float(metrics[name]) for name in expected} == pytest.approx(expected, rel=1e-4)


@pytest.mark.golden("qtran_alt")
@pytest.mark.parametrize(("bootstrap", "use_v"), [("max", True), ("mean", True), ("max", False)])
def test_losses_of_the_alternative_by_hand(bootstrap, use_v, random_episodes, state_for):
    """Every formula in float64: D_i(a) over legal actions, its least value unclamped, both bootstraps, V or not."""
    fields = {"opt_coefficient": 0.7, "nopt_coefficient": 0.3, "bootstrap": bootstrap, "use_v": use_v}
    learner, batch = small(QtranAlt, **fields), random_episodes(steps=2, envs=6)
    state = state_for(learner, batch)
    q, taken, bias = pieces_of(learner, state.params, batch, batch.actions)
    legal = np.where(batch.avail, q, -np.inf)
    greedy = legal.argmax(axis=-1)
    best = chosen(pieces_of(learner, state.params, batch, greedy)[1], greedy)[:-1]
    following = pieces_of(learner, state.target_params, batch, greedy)[1]
    if bootstrap == "max":
        ahead = np.where(batch.avail, following, -np.inf).max(axis=(-2, -1))
    else:
        ahead = chosen(following, greedy).mean(axis=-1)
    y = (batch.reward + 0.5 * ahead[1:])[..., None]
    bias = bias[:-1] * use_v
    own = chosen(q, batch.actions)[:-1]
    slack = (own.sum(-1, keepdims=True) - own)[..., None] + q[:-1] - taken[:-1] + bias[..., None]
    least = np.where(batch.avail[:-1], slack, np.inf).min(axis=-1)
    td = np.mean((chosen(taken, batch.actions)[:-1] - y) ** 2)
    opt = np.mean((legal.max(-1).sum(-1)[:-1, :, None] - best + bias) ** 2)
    nopt = np.mean(least**2)
    metrics = update(learner, state, batch)[1]
    expected = {"td_loss": td, "opt_loss": opt, "nopt_loss": nopt, "loss": td + 0.7 * opt + 0.3 * nopt}
    assert {name: float(metrics[name]) for name in expected} == pytest.approx(expected, rel=1e-4)


def test_a_counterfactual_estimate_sees_the_other_agents_only():
    """J_i(· | u_-i) is the same whatever agent i did, and changes with the others' actions."""
    network = CounterfactualNetwork(width=6)
    generator = np.random.default_rng(0)
    state, features = generator.normal(size=(9, 4)).astype(np.float32), np.ones((9, 2, 5), np.float32)
    state[:] = state[0]
    actions = np.eye(3, dtype=np.float32)[JOINT]
    shapes = jax.eval_shape(network.init, jax.random.key(0), state, features, actions)
    params = jax.tree.map(lambda leaf: generator.normal(size=leaf.shape).astype(np.float32), shapes)
    joint = np.asarray(jax.jit(network.apply)(params, state, features, actions)[0]).reshape(3, 3, 2, 3)
    np.testing.assert_allclose(joint[..., 0, :], np.broadcast_to(joint[:1, :, 0], (3, 3, 3)), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(joint[..., 1, :], np.broadcast_to(joint[:, :1, 1], (3, 3, 3)), rtol=1e-5, atol=1e-5)
    assert np.abs(joint[0, 0, 0] - joint[0, 1, 0]).max() > 1e-3


TABLE = Rollout(
    obs=jnp.ones((1, 9, 2, 1)),
    state=jnp.ones((1, 9, 1)),
    avail=jnp.ones((1, 9, 2, 3), bool),
    actions=jnp.asarray(JOINT[None]),
    reward=jnp.asarray(PAYOFF[JOINT[:, 0], JOINT[:, 1]][None]),
    terminated=jnp.ones((1, 9), bool),
    truncated=jnp.zeros((1, 9), bool),
    filled=jnp.ones((1, 9), bool),
)
GAME = EnvSpec("table", 1, n_agents=2, n_actions=3, obs_dim=1, state_dim=1, limit_max=1, one_hot_obs=True)


@functools.partial(jax.jit, static_argnums=(2,))
def trained(learner, key, updates) -> tuple[LearnerState, dict]:
    """A learner after updates on every joint action of the table at once, and its values there."""

    def step(state, count):
        return learner.update(state, TABLE, key, Progress(count, count))[0], None

    state, _ = jax.lax.scan(step, learner.init(key, GAME), jnp.arange(updates))
    return state, learner.joint_values(state.params, TABLE)


@pytest.mark.parametrize("kind", [Qtran, QtranAlt])
def test_the_table_of_8_and_12_is_solved(kind):
    """Son et al. 2019's matrix game: J is the payoff to 0.05, the greedy joint action is (0, 0), T - J + V is 0 there
    and at least -0.05 at every other of the nine joint actions. Three of three seeds.
    """
    network = JointNetwork(width=32) if kind is Qtran else CounterfactualNetwork(width=32)
    learner = kind(agent=TabularAgent(), joint=network, optimizer="adam", learning_rate=1e-3, nopt_coefficient=1.0)
    keys = jax.random.split(jax.random.key(0), 3)
    state, values = jax.vmap(trained, in_axes=(None, 0, None))(learner, keys, 5000)
    q = np.asarray(state.params.agent["params"]["table"])  # [seed, agent, id, action]
    np.testing.assert_array_equal(q[:, :, 0].argmax(axis=-1), 0)
    total, joint, bias = (values[name][:, 0, :, 0] for name in ("q_tot", "q_joint", "bias"))
    np.testing.assert_allclose(joint, np.broadcast_to(PAYOFF.ravel(), joint.shape), atol=0.05)
    slack = total - joint + bias
    np.testing.assert_allclose(slack[:, 0], 0.0, atol=0.05)
    assert float(slack.min()) >= -0.05
