"""CW-QMIX, OW-QMIX and POW by hand: VDN over tables, and a central value that is the sum of its own tables."""

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
from jaxvf.value import WeightedLearner
from jaxvf.value import recognizer as recognition
from jaxvf.value.agents import LearnerState
from jaxvf.value.central import CentralParams
from jaxvf.value.recognizer import Recognizer, Sampled

# Two agents, two steps, three frames; the observation of frame t is id t. Tables are [agent, frame, action]; the third
# action is worth a thousand everywhere but never available.
TRAP = 1e3
ONLINE = np.float32([[[1, 2, TRAP], [5, 3, TRAP], [0, 4, TRAP]], [[3, 1, TRAP], [2, 6, TRAP], [7, 1, TRAP]]])
CENTRAL = np.float32([[[1, 7, TRAP], [8, 2, TRAP], [1, 1, TRAP]], [[9, 4, TRAP], [3, 5, TRAP], [1, 1, TRAP]]])
TARGET = np.float32(
    [[[1, 2, TRAP], [10, 20, TRAP], [30, 40, TRAP]], [[3, 4, TRAP], [200, 100, TRAP], [300, 400, TRAP]]]
)
STORED = np.array([[1, 1], [0, 0], [0, 1]])  # actions in replay, [frame, agent]; greedy are (1, 0), (0, 1), (1, 0)
SPEC = EnvSpec("by_hand", 1, n_agents=2, n_actions=3, obs_dim=3, state_dim=1, limit_max=2, one_hot_obs=True)

# Q_T of the stored actions is 2 + 1 = 3 and 5 + 2 = 7, Q_C is 7 + 4 = 11 and 8 + 3 = 11. The target copy of Q_C at the
# online greedy actions of frames 1 and 2 is 10 + 100 = 110 and 40 + 300 = 340, so that y = r + 0.5 (110, 340).
BOOTSTRAP = np.array([55, 170])


def batch_of(*, y=(56, 0), stored=STORED, filled=(1, 1)) -> Rollout:
    """One episode of two steps, the second truncated, with the rewards that make `y` the targets."""
    return Rollout(
        obs=np.broadcast_to(np.eye(3, dtype=np.float32)[:, None, None], (3, 1, 2, 3)),
        state=np.zeros((3, 1, 1), np.float32),
        avail=np.broadcast_to([True, True, False], (3, 1, 2, 3)),
        actions=np.asarray(stored)[:, None],
        reward=np.float32(y - BOOTSTRAP)[:, None],
        terminated=np.zeros((2, 1), bool),
        truncated=np.array([[False], [True]]),
        filled=np.bool_(filled)[:, None],
    )


def learner_of(weighting: str, **fields) -> WeightedLearner:
    """A step size of 0, so that the recognizer stays as it is set by hand."""
    parts = {"mixer": VdnMixer(), "agent": TabularAgent(), "central_width": 1, "recognizer": Recognizer("mixing", 1, 1)}
    numbers = {"discount": 0.5, "optimizer": "adam", "max_grad_norm": 1e9, "learning_rate": 0.0, "inner_steps": 1}
    return WeightedLearner(weighting=weighting, **{**parts, **numbers, "first_inner_steps": 1, **fields})


def by_hand(learner: WeightedLearner) -> LearnerState:
    """Q_C = Σ_i c_i, by weights of one on the local values and zero elsewhere; λ = (0.5, 1) and V = 0."""
    shapes = jax.eval_shape(lambda key: learner.init(key, SPEC), jax.random.key(0))
    zeros = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), shapes)
    mixer = zeros.params.central.mixer
    mixer["params"]["joint"]["layer_0"]["kernel"][1:] = 1  # the first input is the state
    for layer in ("layer_1", "layer_2", "layer_3"):
        mixer["params"]["joint"][layer]["kernel"][:] = 1
    central, target = (CentralParams({"params": {"table": table}}, mixer) for table in (CENTRAL, TARGET))
    params = zeros.params._replace(agent={"params": {"table": ONLINE}}, central=central)
    if learner.weighting == "potentially_optimal":
        phi = params.recognizer["params"]
        phi["w1"]["layer_2"]["bias"][:] = [1, -2]
        phi["w2"]["layer_2"]["bias"][:] = 0.5
    return LearnerState(params, target, zeros.opt_state)


# Compiling is most of the time of these tests.
QUICK = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}


@functools.partial(jax.jit, compiler_options=QUICK)
def update(learner, state, batch, env_steps=0, updates=0):
    progress = Progress(jnp.int32(updates), jnp.int32(env_steps))
    return learner.update(state, batch, jax.random.key(0), progress)


def metrics_of(learner: WeightedLearner, batch: Rollout, **progress) -> dict[str, float]:
    return {name: float(value) for name, value in update(learner, by_hand(learner), batch, **progress)[1].items()}


def loss_by_hand(weights, y=(56, 0), c_total=1.0, c_central=0.5) -> float:
    """c_T Σ w (Q_T - y)² / 2 + c_C Σ (Q_C - y)² / 2 over the two steps: their number divides, not Σ w."""
    total, central = (np.subtract(values, y) ** 2 for values in ((3, 7), (11, 11)))
    return float(c_total * np.mean(weights * total) + c_central * np.mean(central))


@pytest.mark.golden("ow_qmix")
@pytest.mark.parametrize(
    ("y", "weights"),
    [((56, 0), (1, 0.1)), ((2, 8), (0.1, 1)), ((3, 7), (0.1, 0.1)), ((56, 172), (1, 1))],
)
def test_optimistic_weights(y, weights):
    """OW: 1 where Q_T < y, else α; equality is not an underestimate."""
    metrics = metrics_of(learner_of("optimistic"), batch_of(y=y))
    assert metrics["loss"] == pytest.approx(loss_by_hand(weights, y), rel=1e-5)
    assert metrics["weight"] == pytest.approx(np.mean(weights))
    assert metrics["target"] == pytest.approx(np.mean(y))
    assert metrics["value"] == pytest.approx(5)


@pytest.mark.golden("cw_qmix")
@pytest.mark.parametrize(
    ("y", "weights"),
    [
        # Q_C's target copy at the present greedy actions: 2 + 3 = 5 and 10 + 100 = 110; its online copy: 16 and 13.
        ((5.5, 109), (1, 0.1)),
        ((4.5, 111), (0.1, 1)),
        ((5, 110), (0.1, 0.1)),
        ((15, 112), (1, 1)),
    ],
)
def test_central_weights(y, weights):
    """CW: 1 where y exceeds the target copy of Q_C at the current frame's greedy joint action, else α."""
    metrics = metrics_of(learner_of("central"), batch_of(y=y))
    assert metrics["weight"] == pytest.approx(np.mean(weights))
    assert metrics["loss"] == pytest.approx(loss_by_hand(weights, y), rel=1e-5)


def test_the_greedy_joint_action_has_central_weight_one():
    """Stored (1, 0) and (1, 1): the first is greedy, the second has one agent greedy only; both targets are low."""
    metrics = metrics_of(learner_of("central", alpha=0.25), batch_of(y=(0, 0), stored=[[1, 0], [1, 1], [0, 0]]))
    assert metrics["weight"] == pytest.approx((1 + 0.25) / 2)
    # Q_T: 2 + 3 = 5 and 3 + 6 = 9; Q_C: 7 + 9 = 16 and 2 + 5 = 7.
    assert metrics["loss"] == pytest.approx((25 + 0.25 * 81) / 2 + 0.5 * (256 + 49) / 2, rel=1e-5)


@pytest.mark.golden("pow_vdn", "pow_qmix", "pow_qplex")
@pytest.mark.parametrize(
    ("tolerance", "weights"), [(3, (1, 0)), (2.001, (1, 0)), (2, (0, 0)), (4, (1, 0)), (4.001, (1, 1))]
)
def test_potentially_optimal_weights(tolerance, weights):
    """POW: λ·g = 1·(1 - 3) = -2 and 1·(2 - 6) = -4, within C or not; the inequality is strict. α = 0."""
    metrics = metrics_of(learner_of("potentially_optimal", alpha=0.0, tolerance=tolerance), batch_of())
    assert metrics["loss"] == pytest.approx(loss_by_hand(weights), rel=1e-5)
    assert metrics["weight"] == pytest.approx(np.mean(weights))


@pytest.mark.parametrize(("tolerance", "weight"), [(0.0, 0.0), (1e-6, 1.0)])
def test_tolerance_zero_rejects_even_the_greedy_joint_action(tolerance, weight):
    """λ·g = 0 there, which is below every C > 0 and not below 0."""
    greedy = batch_of(stored=[[1, 0], [0, 1], [1, 0]])
    learner = learner_of("potentially_optimal", alpha=0.0, tolerance=tolerance)
    assert metrics_of(learner, greedy)["weight"] == weight


def test_coefficients_and_alpha_scale_the_two_losses():
    """c_T = 0.5, c_C = 3 and α = 0.2 on OW's weights (1, α)."""
    learner = learner_of("optimistic", alpha=0.2, total_coefficient=0.5, central_coefficient=3.0)
    metrics = metrics_of(learner, batch_of())
    assert metrics["loss"] == pytest.approx(loss_by_hand((1, 0.2), c_total=0.5, c_central=3.0), rel=1e-5)
    assert metrics["central_loss"] == pytest.approx((45**2 + 11**2) / 2, rel=1e-5)


@pytest.mark.parametrize("weighting", ["central", "optimistic", "potentially_optimal"])
def test_all_weights_are_one_in_the_warm_up(weighting):
    """Up to and including `unweighted_steps`; without a warm-up not even at step 0. Every rule says α to y = (0, 0)."""
    for unweighted, env_steps, weight in ((100, 100, 1), (100, 101, 0.1), (0, 0, 0.1)):
        learner = learner_of(weighting, unweighted_steps=float(unweighted))
        assert metrics_of(learner, batch_of(y=(0, 0)), env_steps=env_steps)["weight"] == pytest.approx(weight)


def test_padding_counts_for_nothing():
    """Only the first step was taken: its errors alone, undiluted."""
    metrics = metrics_of(learner_of("optimistic"), batch_of(filled=(1, 0)))
    assert metrics["loss"] == pytest.approx(53**2 + 0.5 * 45**2, rel=1e-5)


def test_the_gradient_of_the_weighted_loss_by_hand(gradients_of):
    """d/dq of w (Q_T - y)² / 2 is w (Q_T - y) at the stored entries: -53, and 0.1·7; the same for c_i with c_C = ½."""
    learner = learner_of("optimistic")
    grads = gradients_of(update(learner, by_hand(learner), batch_of())[0].opt_state.main)
    expected, central = np.zeros((2, 2, 3, 3))
    expected[:, 0, 1], expected[:, 1, 0] = -53, 0.7
    central[:, 0, 1], central[:, 1, 0] = 0.5 * (11 - 56), 0.5 * 11
    np.testing.assert_allclose(grads.agent["params"]["table"], expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(grads.central.agent["params"]["table"], central, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("weighting", ["central", "optimistic", "potentially_optimal"])
def test_each_loss_reaches_its_own_parameters_only(weighting, random_episodes, state_for, gradients_of):
    """As the code of Huang et al. 2026 routes gradients; φ learns from L_R, whatever the two coefficients."""
    batch, moved = random_episodes(steps=1, envs=6), []
    for coefficients in ((1.0, 0.0), (0.0, 1.0), (0.0, 0.0)):
        learner = small(weighting, total_coefficient=coefficients[0], central_coefficient=coefficients[1])
        state = state_for(learner, batch)
        after = update(learner, state, batch)[0]
        grads = gradients_of(after.opt_state.main)
        reached = [any_nonzero(tree) for tree in (grads.agent, grads.mixer, grads.central.agent, grads.central.mixer)]
        assert reached == [coefficients[0] > 0] * 2 + [coefficients[1] > 0] * 2
        moved.append(after.params.recognizer)
        if weighting == "potentially_optimal":
            assert any_nonzero(jax.tree.map(np.subtract, moved[-1], state.params.recognizer))
    chex.assert_trees_all_equal(*moved)


def test_the_recognizer_says_nothing_but_weights(random_episodes, state_for):
    """Where all weights are one, other φ leave all other parameters bitwise as they are."""
    learner = small(unweighted_steps=10.0)
    batch = random_episodes(steps=1, envs=6)
    state = state_for(learner, batch)
    other = state.params._replace(recognizer=jax.tree.map(lambda leaf: 2 * leaf, state.params.recognizer))
    first, second = (update(learner, each, batch)[0] for each in (state, state._replace(params=other)))
    chex.assert_trees_all_equal(first.params[:3], second.params[:3])


def test_twenty_inner_steps_first_and_ten_later(random_episodes, state_for):
    """φ after an update is φ after that many Adam steps of `recognizer.fit` on the batch's advantages and targets."""
    learner = small()
    # One terminal step: the targets are the rewards.
    batch = random_episodes(steps=1, envs=6)
    batch = batch._replace(terminated=batch.truncated, truncated=batch.terminated)
    state = state_for(learner, batch)
    q = np.asarray(jax.jit(learner.unroll)(state.params.agent, batch).outputs)[:1]
    best = np.where(batch.avail[:1], q, -np.inf).max(axis=-1)
    advantage = np.take_along_axis(q, batch.actions[:1, ..., None], axis=-1)[..., 0] - best
    actions = np.eye(3, dtype=np.float32)[batch.actions[:1]]
    sampled = Sampled(batch.state[:1], actions, advantage, batch.reward[..., None], batch.filled)
    sampled = jax.tree.map(jnp.asarray, sampled)
    rule = recognition.optimizer(learner.learning_rate, learner.max_grad_norm)
    fitted = state.params.recognizer, state.opt_state.recognizer
    fit = jax.jit(lambda steps: recognition.fit(learner.recognizer, *fitted, sampled, steps, rule))
    for updates, steps in ((0, 20), (1, 10), (7, 10)):
        after = update(learner, state, batch, updates=updates)[0]
        params, opt_state, _ = fit(steps)
        chex.assert_trees_all_close(after.params.recognizer, params, rtol=1e-4, atol=1e-5)
        count = [leaf for leaf in jax.tree.leaves(after.opt_state.recognizer) if leaf.shape == ()]
        assert [int(each) for each in count] == [steps]
        assert len(jax.tree.leaves(opt_state)) == len(jax.tree.leaves(after.opt_state.recognizer))


def small(weighting: str = "potentially_optimal", **fields) -> WeightedLearner:
    """Over QMIX and little networks."""
    parts = {"mixer": QmixMixer(embed=3, hypernet_embed=4), "agent": FeedForwardAgent(6), "central_width": 5}
    numbers = {"optimizer": "adam", "alpha": 0.1, "learning_rate": 1e-2, "max_grad_norm": 1e9}
    return WeightedLearner(weighting=weighting, recognizer=Recognizer(width=6, embed=3), **parts, **numbers, **fields)


def any_nonzero(tree) -> bool:
    return any(np.any(np.asarray(leaf) != 0) for leaf in jax.tree.leaves(tree))
