"""The loss of a value learner on batches small enough to do by hand: VDN or independent, with tables for networks."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxvf.algorithm import Progress, Rollout
from jaxvf.envs import TwoStepGame
from jaxvf.envs.protocol import EnvSpec, View
from jaxvf.errors import InputError
from jaxvf.mixers import NoMixer, QmixMixer, VdnMixer
from jaxvf.networks import FeedForwardAgent, TabularAgent
from jaxvf.value import QLearning
from jaxvf.value.agents import LearnerState
from jaxvf.value.q_learning import Networks

# Two agents, two steps, three frames; the observation of frame t is id t. Values are [agent, frame, action], and the
# third action is worth a million everywhere but never available.
TRAP = 1e6
ONLINE = np.float32([[[1, 2, TRAP], [5, 3, TRAP], [0, 4, TRAP]], [[3, 1, TRAP], [2, 6, TRAP], [7, 1, TRAP]]])
TARGET = np.float32(
    [[[0, 0, TRAP], [10, 20, TRAP], [30, 40, TRAP]], [[0, 0, TRAP], [200, 100, TRAP], [300, 400, TRAP]]]
)
STORED = np.array([[1, 1], [0, 0], [0, 1]])  # actions in replay, [frame, agent]
SPEC = EnvSpec("by_hand", 1, n_agents=2, n_actions=3, obs_dim=3, state_dim=1, limit_max=2, one_hot_obs=True)


def batch_of(*, terminated=(0, 0), truncated=(0, 1), reward=(1, 2), filled=(1, 1)) -> Rollout:
    """One episode of two steps."""
    return Rollout(
        obs=np.broadcast_to(np.eye(3, dtype=np.float32)[:, None, None], (3, 1, 2, 3)),
        state=np.zeros((3, 1, 1), np.float32),
        avail=np.broadcast_to([True, True, False], (3, 1, 2, 3)),
        actions=STORED[:, None],
        reward=np.float32(reward)[:, None],
        terminated=np.bool_(terminated)[:, None],
        truncated=np.bool_(truncated)[:, None],
        filled=np.bool_(filled)[:, None],
    )


def learner_of(**fields) -> QLearning:
    parts = {"mixer": VdnMixer(), "agent": TabularAgent()}
    return QLearning(**{"discount": 0.5, "optimizer": "adam", "max_grad_norm": 1e9, **parts, **fields})


def fresh(learner: QLearning) -> LearnerState:
    """The tables above for networks, and a fresh optimizer."""
    online, target = (Networks({"params": {"table": table}}, {}) for table in (ONLINE, TARGET))
    shapes = jax.eval_shape(lambda key: learner.init(key, SPEC), jax.random.key(0)).opt_state
    return LearnerState(online, target, jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), shapes))


@jax.jit
def update(learner, state, batch):
    return learner.update(state, batch, jax.random.key(0), Progress(jnp.int32(0), jnp.int32(0)))


def loss_of(batch: Rollout, **fields) -> float:
    learner = learner_of(**fields)
    return float(update(learner, fresh(learner), batch)[1]["loss"])


def mean_square(*errors: float) -> float:
    return float(np.mean(np.square(errors)))


@pytest.mark.parametrize(
    ("bootstrap", "first", "second"),
    [
        # Online best at frame 1 is (0, 1) and the target says 10 + 100; at frame 2 it is (1, 0): 40 + 300.
        ("double_q", 1 + 0.5 * 110, 2 + 0.5 * 340),
        # The target's own best: 20 + 200 and 40 + 400.
        ("max", 1 + 0.5 * 220, 2 + 0.5 * 440),
        # The stored actions (0, 0) and (0, 1): 10 + 200 and 30 + 400.
        ("sarsa", 1 + 0.5 * 210, 2 + 0.5 * 430),
    ],
)
def test_which_action_the_target_values(bootstrap, first, second):
    """Taken were (1, 1) worth 2 + 1 and (0, 0) worth 5 + 2; the second step is truncated, so both bootstrap."""
    assert loss_of(batch_of(), bootstrap=bootstrap) == pytest.approx(mean_square(3 - first, 7 - second), rel=1e-6)


@pytest.mark.parametrize("bootstrap", ["double_q", "max", "sarsa"])
def test_a_terminal_step_is_its_reward(bootstrap):
    first = {"double_q": 110, "max": 220, "sarsa": 210}[bootstrap]
    loss = loss_of(batch_of(terminated=(0, 1), truncated=(0, 0)), bootstrap=bootstrap)
    assert loss == pytest.approx(mean_square(3 - (1 + 0.5 * first), 7 - 2), rel=1e-6)


def test_lambda_mixes_the_next_target_in():
    """λ = 0.5: the second target is 2 + 0.5·340 = 172, the first 1 + 0.5·(0.5·110 + 0.5·172) = 71.5."""
    loss = loss_of(batch_of(), td_lambda=0.5)
    assert loss == pytest.approx(mean_square(3 - 71.5, 7 - 172), rel=1e-6)


@pytest.mark.parametrize("ended", ["terminated", "truncated"])
def test_padding_counts_for_nothing(ended):
    """An episode of one step: its squared error alone, undiluted, whatever comes after it."""
    target = 1.0 if ended == "terminated" else 1 + 0.5 * 110
    flags = {"terminated": (0, 0), "truncated": (0, 0), ended: (1, 0)}
    for junk in (0.0, 1e4):
        loss = loss_of(batch_of(**flags, filled=(1, 0), reward=(1, junk)), td_lambda=0.5)
        assert loss == pytest.approx(mean_square(3 - target), rel=1e-6)


def test_an_unavailable_action_is_in_no_maximum():
    """Without the second action at frame 1, double Q takes (0, 0): 10 + 200; the target's maximum is the same."""
    batch = batch_of(terminated=(0, 1), truncated=(0, 0))
    avail = batch.avail.copy()
    avail[1, :, :, 1] = False
    for bootstrap in ("double_q", "max"):
        loss = loss_of(batch._replace(avail=avail), bootstrap=bootstrap)
        assert loss == pytest.approx(mean_square(3 - (1 + 0.5 * 210), 7 - 2), rel=1e-6)


@pytest.mark.golden("iql")
def test_independent_learners_regress_each_on_its_own_target():
    """Four errors: agent 1 has 2 and 5 against 1 + 0.5·10 and 2 + 0.5·40, agent 2 1 and 2 against 51 and 152."""
    assert loss_of(batch_of(), mixer=NoMixer()) == pytest.approx(mean_square(2 - 6, 5 - 22, 1 - 51, 2 - 152), rel=1e-6)


def test_independent_learners_may_learn_from_their_own_rewards():
    """Agent 1 is paid 1 and 2, agent 2 10 and 20: its targets are 10 + 0.5·100 and 20 + 0.5·300."""
    own = batch_of()._replace(agent_rewards=np.float32([[[1, 10]], [[2, 20]]]), reward=np.full((2, 1), np.nan))
    loss = loss_of(own, mixer=NoMixer(), reward="agents")
    assert loss == pytest.approx(mean_square(2 - 6, 5 - 22, 1 - 60, 2 - 170), rel=1e-6)


@pytest.mark.parametrize(
    ("mixer", "message"),
    [
        (VdnMixer(), "reward='agents' needs a value of every agent; use algorithm iql or reward='team'"),
        (NoMixer(), "reward='agents': two_step_game rewards the team alone; use reward='team'"),
    ],
)
def test_rewards_of_agents_that_nobody_gives_or_values_are_refused(mixer, message):
    with pytest.raises(InputError, match=message):
        learner_of(mixer=mixer, reward="agents", agent=FeedForwardAgent()).check(TwoStepGame())


def loss_where_the_value_is_the_state(**fields) -> float:
    """With all other weights zero QMIX is v(s): s online, 10 s in the target (0 below 0). States are 1, 3, 7."""
    context = fields.pop("context", "state")
    learner = learner_of(mixer=QmixMixer(embed=1, hypernet_layers=1, context=context), **fields)
    shapes = jax.eval_shape(lambda key: learner.init(key, SPEC), jax.random.key(0))
    zeros = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), shapes)
    for networks, slope in ((zeros.params, 1), (zeros.target_params, 10)):
        networks.mixer["params"]["v_input"]["kernel"][:] = 1
        networks.mixer["params"]["v_output"]["kernel"][:] = slope
    batch = batch_of()._replace(state=np.float32([1, 3, 7]).reshape(3, 1, 1))
    return float(update(learner, zeros, batch)[1]["loss"])


@pytest.mark.parametrize("context", ["state", "noise"])
def test_the_mixer_sees_the_state_of_the_frame_it_values(context):
    """States 1, 3, 7 give 1, 3 online and 30, 70 in the target; noise is what replay holds in the state's place."""
    loss = loss_where_the_value_is_the_state(context=context)
    assert loss == pytest.approx(mean_square(1 - (1 + 0.5 * 30), 3 - (2 + 0.5 * 70)), rel=1e-6)


def test_noise_may_be_drawn_anew_in_every_update():
    """Frames then have normals of the update's key in place of what replay holds."""
    first, second, third = np.maximum(jax.random.normal(jax.random.key(0), (3,)), 0)
    loss = loss_where_the_value_is_the_state(context="noise", noise_mode="per_update")
    expected = mean_square(first - (1 + 0.5 * 10 * second), second - (2 + 0.5 * 10 * third))
    assert loss == pytest.approx(expected, rel=1e-6) and second > 0


def test_noise_that_nothing_reads_is_refused():
    with pytest.raises(InputError, match=r"mixer\.context='noise'"):
        learner_of(noise_mode="per_update", agent=FeedForwardAgent()).check(TwoStepGame())


def test_gradient_reaches_the_taken_entries_only():
    """Errors 3 - 56 and 7 - 2 over two steps: the derivative of the mean square is the error itself, for each agent."""
    learner = learner_of()
    after, _ = update(learner, fresh(learner), batch_of(terminated=(0, 1), truncated=(0, 0)))
    grad = 10 * optax.tree_utils.tree_get(after.opt_state, "mu").agent["params"]["table"]  # Adam's first moment
    expected = np.zeros((2, 3, 3))
    expected[:, 0, 1], expected[:, 1, 0] = 3 - 56, 7 - 2
    np.testing.assert_allclose(grad, expected, rtol=1e-5, atol=1e-5)


def test_every_episode_of_a_batch_weighs_the_same_per_step():
    """A whole episode with errors -53 and 5 beside one of a single step with error 2: a mean over three steps."""
    whole = batch_of(terminated=(0, 1), truncated=(0, 0))
    short = batch_of(terminated=(1, 0), truncated=(0, 0), filled=(1, 0), reward=(1, 0))
    both = jax.tree.map(lambda *leaves: np.concatenate(leaves, axis=1), whole, short)
    assert loss_of(both) == pytest.approx(mean_square(-53, 5, 2), rel=1e-6)


def test_no_final_frame_is_needed_where_episodes_end_by_themselves():
    """F = T: the same loss without the frame after the last step, which nothing reads."""
    batch = batch_of(terminated=(0, 1), truncated=(0, 0))
    views = {name: getattr(batch, name)[:2] for name in ("obs", "state", "avail", "actions")}
    for bootstrap in ("double_q", "max", "sarsa"):
        whole, cut = loss_of(batch, bootstrap=bootstrap), loss_of(batch._replace(**views), bootstrap=bootstrap)
        assert cut == pytest.approx(whole, rel=1e-6)


def test_reported_means_leave_padding_out():
    """Metrics of a one-step episode: value 3 and target 1, not diluted by the padded step."""
    learner, batch = learner_of(), batch_of(terminated=(1, 0), truncated=(0, 0), filled=(1, 0), reward=(1, 0))
    metrics = update(learner, fresh(learner), batch)[1]
    assert float(metrics["target"]) == pytest.approx(1.0)
    assert float(metrics["value"]) == pytest.approx(3.0)


def act(learner: QLearning, env_steps: int) -> np.ndarray:
    state = fresh(learner)
    avail = np.broadcast_to([True, True, False], (1, 2, 3))
    view = View(np.eye(3, dtype=np.float32)[[[1, 1]]], np.zeros((1, 1), np.float32), avail, np.ones((1, 2), bool))
    view = jax.tree.map(jnp.asarray, view)
    carry, progress = learner.initial_carry((1, 2)), Progress(jnp.int32(0), jnp.int32(env_steps))
    actions, _, _ = learner.act(state, carry, view, jax.random.key(0), progress)
    greedy, _ = learner.greedy(state.params, carry, view)
    np.testing.assert_array_equal(greedy, [[0, 1]])  # by the online values at frame 1, the trap being unavailable
    return np.asarray(actions)


def test_behaviour_follows_epsilon_and_execution_is_greedy():
    """ε falls from 1 to 0 in 100 steps; at 50 the greedy action has 0.5 + 0.5/2 = 0.75 of the choices."""
    learner = learner_of(epsilon_start=1.0, epsilon_end=0.0, epsilon_anneal=100.0, num_envs=2000)
    for env_steps, expected in ((0, 0.5), (50, 0.75), (100, 1.0)):
        actions = act(learner, env_steps)
        np.testing.assert_allclose((actions == [0, 1]).mean(axis=0), expected, atol=0.05)
        assert actions.max() <= 1
    uniform = act(learner_of(behaviour="uniform", num_envs=2000), 10**6)
    np.testing.assert_allclose((uniform == [0, 1]).mean(axis=0), 0.5, atol=0.05)
