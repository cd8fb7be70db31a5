"""S2Q by hand: three sub-values and Q*, each the sum of its own tables; who acts; and what successors leave alone."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from test_weighting import CENTRAL, ONLINE, QUICK, SPEC, STORED, TARGET, TRAP, batch_of

from jaxvf.algorithm import Progress
from jaxvf.envs.protocol import View
from jaxvf.mixers import QmixMixer, VdnMixer
from jaxvf.networks import FeedForwardAgent, RecurrentAgent, TabularAgent
from jaxvf.value import S2q, WeightedLearner
from jaxvf.value.agents import LearnerState
from jaxvf.value.central import CentralParams
from jaxvf.value.mixed_learner import Networks

# Greedy joint actions are (1, 0), (0, 1), (1, 0) of the first sub-value; (1, 1), (1, 1), (0, 0) of the second; and
# (0, 0) of the third in all three frames. Stored are (1, 1), (0, 0), (0, 1).
SECOND = np.float32([[[1, 2, TRAP], [0, 4, TRAP], [1, 0, TRAP]], [[0, 5, TRAP], [1, 2, TRAP], [1, 0, TRAP]]])
THIRD = np.float32([[[6, 1, TRAP], [3, 2, TRAP], [1, 0, TRAP]], [[2, 1, TRAP], [4, 3, TRAP], [1, 0, TRAP]]])
SUB_VALUES = (ONLINE, SECOND, THIRD)
KEY = jax.random.key(0)


def learner_of(**fields) -> S2q:
    """Tables, sums and γ = 1/2, with a Q* that can be the sum of its own tables."""
    parts = {"mixer": VdnMixer(), "agent": TabularAgent(), "central_width": 1, "num_envs": 4}
    return S2q(**{**parts, "discount": 0.5, "optimizer": "adam", "max_grad_norm": 1e9, "alpha": 0.25, **fields})


def by_hand(learner: S2q, stored=STORED, known=(11, 11)) -> LearnerState:
    """Q* = Σ_i c_i, which is `known` at the stored joint actions of the first two frames."""
    shapes = jax.eval_shape(lambda key: learner.init(key, SPEC), KEY)
    zeros = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), shapes)
    mixer = zeros.params.central.mixer
    mixer["params"]["joint"]["layer_0"]["kernel"][1:] = 1  # the first input is the state
    for layer in ("layer_1", "layer_2", "layer_3"):
        mixer["params"]["joint"][layer]["kernel"][:] = 1
    table = CENTRAL.copy()
    for frame in (0, 1):
        first, second = stored[frame]
        table[0, frame, first] = known[frame] - table[1, frame, second]
    central, target = (CentralParams({"params": {"table": each}}, mixer) for each in (table, TARGET))
    agents = [{"params": {"table": each}} for each in SUB_VALUES]
    successors = tuple(Networks(agent, {}) for agent in agents[1 : learner.successors + 1])
    params = zeros.params._replace(agent=agents[0], successors=successors, central=central)
    return LearnerState(params, target, zeros.opt_state)


@functools.partial(jax.jit, compiler_options=QUICK)
def update(learner, state, batch):
    return learner.update(state, batch, KEY, Progress(jnp.int32(0), jnp.int32(0)))


def taken(table, stored) -> np.ndarray:
    """The sum of local values of the stored actions in the first two frames."""
    return np.array([table[0, frame, stored[frame][0]] + table[1, frame, stored[frame][1]] for frame in (0, 1)])


@pytest.mark.golden("s2q")
@pytest.mark.parametrize(
    ("y", "stored", "known", "aims", "weights"),
    [
        # The target copy of Q* at the three greedy joint actions: 5, 6, 4 in the first frame, 110, 120, 210 in the
        # second. Only the second sub-value prefers a stored joint action, (1, 1) in the first frame.
        ((56, 0), STORED, (11, 11), [(56, 0), (56, 0), (45, 0)], [(1, 0.25), (1, 0.25), (1, 0.25)]),
        ((1, 9), STORED, (5.5, 150), [(1, 9), (1, 9), (-4.5, 9)], [(0.25, 0.25), (0.25, 1), (0.25, 1)]),
        ((1, 9), STORED, (6, 210), [(1, 9), (1, 9), (-5, 9)], [(1, 1), (0.25, 1), (0.25, 1)]),
        # Both frames hold what the first sub-value prefers: (1, 0), then (0, 1).
        ((9, 60), [[1, 0], [0, 1], [0, 0]], (2, 20), [(9, 60), (7, 40), (7, 40)], [(0.25, 0.25), (1, 1), (1, 1)]),
    ],
)
def test_losses_and_gradients_by_hand(y, stored, known, aims, weights, gradients_of):
    """Each sub-value's own aim and weight; Q* regresses y. Gradients reach the stored entries of each table alone."""
    learner = learner_of()
    after, metrics = update(learner, by_hand(learner, stored, known), batch_of(y=y, stored=stored))
    values = [taken(table, stored) for table in SUB_VALUES]
    parts = [np.mean(w * (q - np.array(aim)) ** 2) for q, aim, w in zip(values, aims, weights, strict=True)]
    central = np.mean(np.subtract(known, y) ** 2)
    assert float(metrics["loss"]) == pytest.approx(sum(parts) + central, rel=1e-5)
    assert float(metrics["central_loss"]) == pytest.approx(central, rel=1e-5)
    for ending, q, aim, w in zip(("", "_2", "_3"), values, aims, weights, strict=True):
        found = [float(metrics[name + ending]) for name in ("value", "target", "weight")]
        np.testing.assert_allclose(found, [np.mean(q), np.mean(aim), np.mean(w)], rtol=1e-5)
    grads = gradients_of(after.opt_state)
    errors = [np.array(w) * (q - np.array(aim)) for q, aim, w in zip(values, aims, weights, strict=True)]
    reached = (grads.agent, *(each.agent for each in grads.successors), grads.central.agent)
    for found, error in zip(reached, [*errors, np.subtract(known, y)], strict=True):
        expected = np.zeros_like(ONLINE)
        for frame, agent in np.ndindex(2, 2):
            expected[agent, frame, stored[frame][agent]] = error[frame]
        np.testing.assert_allclose(found["params"]["table"], expected, rtol=1e-4, atol=1e-4)


def test_half_of_the_environments_draw_by_the_softmax_of_the_central_values():
    """Target values 1, 1.1 and 0.9 at T = 0.1 are logits 10, 11 and 9; the other half follows the first sub-value."""
    learner = learner_of(num_envs=20_000)
    values = jnp.array([[1.0], [1.1], [0.9]])  # of one view that all environments share
    chosen = np.asarray(jax.jit(learner.draw)(KEY, values))
    assert not chosen[10_000:].any()
    share = np.bincount(chosen[:10_000], minlength=3) / 10_000
    weights = np.exp([10.0, 11.0, 9.0])
    np.testing.assert_allclose(share, weights / weights.sum(), atol=0.015)


@pytest.mark.parametrize(("environments", "drawing"), [(1, 0), (3, 1), (4, 2)])
def test_half_of_an_environment_is_none(environments, drawing):
    """The third sub-value is worth far more than the others: whoever draws takes it."""
    chosen = learner_of(num_envs=environments).draw(KEY, jnp.array([[0.0], [0.0], [100.0]]))
    np.testing.assert_array_equal(chosen, [2] * drawing + [0] * (environments - drawing))


def test_what_the_draw_knows_is_what_the_agents_of_q_star_remember(random_episodes, state_for, monkeypatch):
    """With one action available all sub-values prefer the same: then the last network's memory alone moves values."""
    learner = S2q(agent=RecurrentAgent(hidden=3), central_width=3, num_envs=4)
    batch = random_episodes(envs=4)
    state = jax.tree.map(jnp.asarray, state_for(learner, batch, scale=1.0))
    avail = np.broadcast_to([True, False, False], batch.avail[0].shape)
    view = jax.tree.map(jnp.asarray, View(batch.obs[0], batch.state[0], avail, np.ones((4, 2), bool)))
    given = []
    monkeypatch.setattr(S2q, "draw", lambda self, key, values: given.append(values) or jnp.zeros(4, int))

    @functools.partial(jax.jit, compiler_options=QUICK)
    def values_of(carry):
        learner.act(state, carry, view, KEY, Progress(jnp.int32(0), jnp.int32(0)))
        return given.pop()

    memory = learner.initial_carry((4, 2))
    before, moved = values_of(memory), []
    for network in range(4):
        other = values_of((*memory[:network], memory[network] + 1, *memory[network + 1 :]))
        moved.append(bool(np.abs(other - before).max() > 1e-4))
    assert moved == [False, False, False, True]


def second_frame() -> View:
    """What all environments see alike; each agent's third action is not available."""
    obs = jnp.broadcast_to(jnp.float32([0, 1, 0]), (1, 2, 3))
    avail = jnp.broadcast_to(jnp.array([True, True, False]), (1, 2, 3))
    return View(obs, jnp.zeros((1, 1)), avail, jnp.ones((1, 2), bool))


def test_acting_asks_the_target_and_evaluation_does_not():
    """Second frame, ε = 0: the target copy of Q* is 110, 120, 210 at the three; what draws takes the last."""
    learner = learner_of(epsilon_start=0.0, epsilon_end=0.0)
    state, view = by_hand(learner), second_frame()
    carry, progress = learner.initial_carry((1, 2)), Progress(jnp.int32(0), jnp.int32(0))
    actions, after, _ = jax.jit(lambda state: learner.act(state, carry, view, KEY, progress))(state)
    np.testing.assert_array_equal(actions, [[0, 0], [0, 0], [0, 1], [0, 1]])
    chex.assert_trees_all_equal_shapes(after, carry)
    np.testing.assert_array_equal(learner.greedy(state.params, carry, view)[0], [[0, 1]])


def test_play_is_uniform_where_it_is_to_be_and_explores_less_and_less():
    """Nobody draws: around (0, 1), the first sub-value's, ε falls from 1 to 0 in 100 steps, and is 1/2 after 50."""
    numbers = {"num_envs": 8_000, "epsilon_start": 1.0, "epsilon_end": 0.0, "epsilon_anneal": 100.0}
    learner = learner_of(**numbers, drawn_share=0.0)
    state, view, carry = by_hand(learner), second_frame(), learner.initial_carry((1, 2))

    @functools.partial(jax.jit, compiler_options=QUICK)
    def act(learner, env_steps):
        return learner.act(state, carry, view, KEY, Progress(jnp.int32(0), env_steps))[0]

    def shares(learner, env_steps):
        """How often the four joint actions are played."""
        actions = np.asarray(act(learner, jnp.int32(env_steps)))
        return np.bincount(2 * actions[:, 0] + actions[:, 1], minlength=4) / len(actions)

    for steps, expected in ((0, [1 / 4] * 4), (50, [3 / 16, 9 / 16, 1 / 16, 3 / 16]), (100, [0, 1, 0, 0])):
        np.testing.assert_allclose(shares(learner, steps), expected, atol=0.02)
    np.testing.assert_allclose(shares(learner_of(**numbers, behaviour="uniform"), 100), [1 / 4] * 4, atol=0.02)


def small(kind=S2q, **fields):
    """Over QMIX and little networks; all weights are one."""
    parts = {"mixer": QmixMixer(embed=3, hypernet_layers=1), "agent": FeedForwardAgent(6), "central_width": 5}
    return kind(**parts, optimizer="adam", max_grad_norm=1e9, learning_rate=1e-3, alpha=1.0, **fields)


def test_successors_leave_the_first_sub_value_and_q_star_alone(random_episodes, state_for, gradients_of):
    """With equal weights and without successors it is weighted QMIX; with two, those gradients stay what they are."""
    batch = random_episodes(envs=6)
    weighted = small(WeightedLearner, central_coefficient=1.0)
    state = state_for(weighted, batch, scale=0.6)
    theirs, metrics = update(weighted, state, batch)
    expected = gradients_of(theirs.opt_state.main)
    losses = []
    for count in (0, 2):
        learner = small(successors=count)
        own = state_for(learner, batch, scale=0.6)
        params = own.params._replace(**{name: getattr(state.params, name) for name in ("agent", "mixer", "central")})
        after, found = update(learner, own._replace(params=params, target_params=state.target_params), batch)
        grads = gradients_of(after.opt_state)
        for name in ("agent", "mixer", "central"):
            chex.assert_trees_all_close(getattr(grads, name), getattr(expected, name), rtol=1e-5, atol=1e-7)
        assert len(grads.successors) == count
        assert all(np.abs(leaf).max() > 0 for leaf in jax.tree.leaves(grads.successors))
        losses.append(float(found["loss"]))
    assert losses[0] == pytest.approx(float(metrics["loss"]), rel=1e-5) and losses[1] > losses[0]
