"""One-step games trained by thousands: the registered learner's own update, play, targets, and what is watched."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvf.algorithm import Progress, Rollout
from jaxvf.envs.matrix_game import PAYOFFS
from jaxvf.errors import InputError
from jaxvf.mixers import QmixMixer
from jaxvf.networks import TabularAgent
from jaxvf.theory import flow_training
from jaxvf.theory.flow_learner import FLAT, GAME, Game, Learner, Numbers, behind_a_choice, one_step
from jaxvf.theory.flow_training import targets_of, train
from jaxvf.value import QLearning
from jaxvf.value.agents import LearnerState
from jaxvf.value.mixed_learner import Networks

PAYOFF = jnp.asarray(PAYOFFS["B"], jnp.float32)
JOINT = jnp.array([[0, 0], [0, 1], [2, 2], [2, 2], [1, 0]])


@pytest.mark.parametrize("monotonic", [True, False])
def test_the_table_is_a_network_of_the_chosen_local_values(monotonic):
    """By hand: w2 · elu(q W1 + b1) + b2, with absolute weights or not."""
    learner = Learner(width=4, monotonic=monotonic)
    values, ((w1, b1), (w2, b2)) = jax.tree.map(lambda leaf: leaf[0], learner.init(jax.random.key(0), 1, Numbers()))
    table = learner.table(jax.tree.map(lambda leaf: leaf[None], (values, [(w1, b1), (w2, b2)])))
    sign = np.abs if monotonic else np.asarray
    for index in (0, 5, 7):
        hidden = np.array([values[0, index // 3], values[1, index % 3]]) @ sign(w1) + b1
        hidden = np.where(hidden > 0, hidden, np.expm1(hidden))
        np.testing.assert_allclose(table[0, index], (hidden @ sign(w2) + b2)[0], rtol=1e-5)
    assert (w1 < 0).any() and (w2 < 0).any()  # so that an absolute value would show


def test_an_update_is_the_registered_learners():
    """A batch of the same episodes moves local values and hypernetworks as `QLearning` with Adam does."""
    ours = Learner(hypernetworks=True, width=4, ring=len(JOINT), collect=len(JOINT), batch=len(JOINT))
    values, mixing = ours.init(jax.random.key(1), 1, Numbers())
    theirs = QLearning(
        agent=TabularAgent(), mixer=QmixMixer(monotonic=False, embed=4), agent_id=False, last_action=False,
        optimizer="adam", learning_rate=5e-3,
    )  # fmt: skip
    batch = Rollout(
        obs=np.ones((1, 1, 2, 1), np.float32), state=np.ones((1, 1, 1), np.float32), avail=np.ones((1, 1, 2, 3), bool),
        actions=np.asarray(JOINT)[None], reward=np.asarray(PAYOFF)[tuple(JOINT.T)][None],
        terminated=np.ones((1, 1), bool), truncated=np.zeros((1, 1), bool), filled=np.ones((1, len(JOINT)), np.float32),
    )  # fmt: skip
    batch = jax.tree.map(jnp.asarray, batch)
    start = Networks({"params": {"table": values[0][:, None]}}, jax.tree.map(lambda leaf: leaf[0], mixing))
    state = LearnerState(start, start, theirs.make_optimizer().init(start))
    after, metrics = jax.jit(theirs.update)(state, batch, jax.random.key(0), Progress(jnp.int32(0), jnp.int32(0)))
    played = {"actions": (JOINT @ ours.places)[:, None]}
    counts, targets = targets_of(
        ours, jnp.zeros((1, 9)), jnp.zeros(1, int), played, jnp.ones(len(JOINT)), PAYOFF.reshape(1, 9)
    )
    rule = ours.rule(5e-3)

    @jax.jit
    def moved(params):
        def loss(params):
            return (counts * (ours.table(params) - targets) ** 2).sum() / counts.sum()

        value, grads = jax.value_and_grad(loss)(params)
        steps, _ = rule.update(grads, rule.init(params))
        return value, jax.tree.map(jnp.add, params, steps)

    loss, (table, mixer) = moved((values, mixing))
    np.testing.assert_allclose(loss, metrics["loss"], rtol=1e-5)
    np.testing.assert_allclose(table[0], after.params.agent["params"]["table"][:, 0], atol=1e-6)
    jax.tree.map(lambda mine, other: np.testing.assert_allclose(mine[0], other, atol=1e-6), mixer, after.params.mixer)
    assert np.abs(table[0] - values[0]).max() > 1e-3


@pytest.mark.parametrize(("epsilon", "greedy"), [(0.0, 1.0), (1.0, 1 / 9), (0.5, (1 / 2 + 1 / 6) ** 2)])
def test_play_is_epsilon_greedy(epsilon, greedy):
    """How often the greedy joint action (2, 0) is played; all others as often as independent agents do."""
    learner, values = Learner(collect=40_000, ring=40_000), jnp.array([[[0.0, 1.0, 2.0], [1.0, 0.0, 0.0]]])
    run = flow_training._Run((values, ()), *[None] * 9)
    numbers = Numbers(epsilon_start=9.0, epsilon_end=epsilon, epsilon_anneal=10.0)  # annealed since step 10
    fresh = flow_training._play(learner, 1, jnp.int32(25), run, numbers, jax.random.key(0))
    share = np.bincount(np.asarray(fresh["actions"][:, 0]), minlength=9) / 40_000
    assert share[6] == pytest.approx(greedy, abs=0.01)
    assert share[1] == pytest.approx((epsilon / 3) ** 2, abs=0.01)


def test_targets_of_a_first_step_take_the_stored_or_the_greedy_action():
    """Two episodes through the game, one through the flat 7; joint actions 4 twice and 2 in the second step."""
    reward = behind_a_choice(jnp.arange(9.0)).reward
    target = jnp.stack([jnp.zeros(9), jnp.full(9, 50.0), 10.0 * jnp.arange(9.0)])
    batch = {"actions": jnp.array([[3, 4], [3, 4], [0, 2]])}
    greedy = jnp.array([0, 5, 8])
    for kind, expected in (("sarsa", 40.0), ("max", 80.0)):
        learner = Learner(bootstrap=kind)
        counts, targets = targets_of(learner, target, greedy, batch, jnp.ones(3), reward)
        assert counts.sum() == 6 and counts[GAME, 4] == 2 and counts[FLAT, 2] == 1
        assert (targets[GAME, 4], targets[FLAT, 2]) == (4, 7)
        assert (targets[0, 3], targets[0, 0]) == (expected, 50)
    noisy = targets_of(Learner(), target, greedy, {**batch, "noise": jnp.array([1.0, 2.0, -3.0])}, jnp.ones(3), reward)
    assert (noisy[1][GAME, 4], noisy[1][FLAT, 2]) == (5.5, 4)
    weighted = targets_of(Learner(), target, greedy, batch, jnp.array([1.0, 0.0, 0.0]), reward)
    assert weighted[0].sum() == 2  # what the ring does not hold yet counts nothing


def test_changes_count_from_the_first_fit_on():
    """Greedy 0, then 4, fits at the third table; it changes twice later, once between tables that both fit."""
    learner, game = Learner(), Game(jnp.eye(3).reshape(1, 9) * 5.0, jnp.float32(5.0))
    run = flow_training._start(learner, 1, jax.random.key(0), game, Numbers())
    fits, off = game.reward + 0.4, game.reward + 0.6
    for step, (table, action) in enumerate([(off, 0), (off, 1), (fits, 1), (fits, 2), (off, 2), (fits, 0)]):
        values = jnp.broadcast_to(jax.nn.one_hot(action, 3), (1, 2, 3))
        run = flow_training._watched(
            learner, 0.5, jnp.int32(step), run._replace(params=(values, run.params[1])), table, game
        )
    assert (run.fitted_at, bool(run.optimal_at_fit), run.changes, run.changes_while_fitted) == (2, True, 2, 1)


def test_best_of_a_game_behind_a_choice():
    """The flat 7 is best where the game pays less, and needs agent 0's first action alone."""
    learner = Learner()
    rich, poor = (jax.tree.map(lambda leaf: leaf, behind_a_choice(jnp.arange(9.0) * scale)) for scale in (1.0, 0.5))
    assert (rich.best, poor.best) == (8, 7)
    assert [bool(learner.optimal(jnp.array(greedy), rich)) for greedy in ([3, 0, 8], [2, 0, 8], [3, 0, 7])] == [
        True, False, False,
    ]  # fmt: skip
    assert bool(learner.optimal(jnp.array([2, 5, 8]), poor)) and not bool(learner.optimal(jnp.array([3, 5, 8]), poor))


def test_a_run_does_not_know_its_neighbours_and_a_step_of_none_learns_nothing():
    """Seeds 5 and 6 with other ones or alone; the step size of the third run is 0, and one is so large that it ends."""
    learner = Learner(width=4, ring=16, collect=8, batch=16, optimizer="sgd")

    def trained(seeds, rates):
        runs = len(seeds)
        numbers = Numbers(*[jnp.full(runs, number, jnp.float32) for number in Numbers()])
        numbers = numbers._replace(learning_rate=jnp.asarray(rates, jnp.float32))
        game = one_step(jnp.broadcast_to(PAYOFF.ravel(), (runs, 9)))
        return train(learner, game, numbers, jnp.asarray(seeds), updates=60)

    four, two = trained([5, 6, 5, 7], [0.01, 0.02, 0.0, 1e30]), trained([5, 6, 5, 6], [0.01, 0.02, 0.01, 0.02])
    np.testing.assert_array_equal(four.table[:2], two.table[:2])
    np.testing.assert_array_equal(two.table[2:], two.table[:2])
    start = learner.init(jax.random.fold_in(jax.random.key(5), flow_training.INIT), 1, Numbers())
    np.testing.assert_allclose(four.table[2], learner.table(start), rtol=1e-5)
    missed = ((four.table[:3, 0] - PAYOFF.ravel()) ** 2).mean(axis=1)
    assert missed[1] < missed[2]  # it learns
    assert not np.isfinite(four.error[3]) and not four.optimal[3]


def test_a_ring_holds_what_was_played_last():
    """Two updates of greedy play by a slow learner fill both halves: nothing is learned of an action nobody took."""
    learner, seeds = Learner(width=4, ring=16, collect=8, batch=16, optimizer="sgd"), jnp.arange(12)
    numbers = Numbers()._replace(learning_rate=1e-6, epsilon_start=0.0, epsilon_end=0.0, mixer_rate=0.0)
    numbers = Numbers(*[jnp.full(12, number, jnp.float32) for number in numbers])
    after = train(learner, one_step(jnp.broadcast_to(PAYOFF.ravel(), (12, 9))), numbers, seeds, updates=2)
    start = jax.vmap(
        lambda seed: learner.init(jax.random.fold_in(jax.random.key(seed), flow_training.INIT), 1, Numbers())
    )
    before, greedy = jax.vmap(learner.table)(start(seeds))[:, 0], after.greedy[:, 0]
    never = (greedy // 3 != 0) & (greedy % 3 != 0)  # so joint action 0 shares no local value with it
    assert 0 < never.sum() < 12
    np.testing.assert_allclose(after.table[never, 0, 0], before[never, 0], rtol=1e-6)


def test_targets_are_copied_at_their_interval_and_the_mixer_has_a_rate_of_its_own():
    """Every third update; at half of the rate its weights move by half of the step, by none at 0."""
    learner = Learner(width=4, ring=8, collect=8, batch=8, optimizer="sgd", target_interval=3)
    game, rings = behind_a_choice(PAYOFF.ravel()), {"actions": jnp.array([[0, 4], [3, 8], [7, 2], [4, 4]] * 2)}
    learn = jax.jit(lambda step, run, numbers: flow_training._learn(
        learner, step, 0.5, run, rings, game, numbers, jax.random.key(0)
    ))  # fmt: skip
    start = flow_training._start(learner, 3, jax.random.key(0), game, Numbers())
    for step, copied in ((0, False), (1, False), (2, True), (3, False), (5, True)):
        after = learn(jnp.int32(step), start, Numbers(learning_rate=0.1))
        np.testing.assert_array_equal(after.target, learner.table(after.params) if copied else start.target)
        assert not np.array_equal(after.target, start.target) or not copied
    whole, half, none = (
        jax.tree.map(jnp.subtract, learn(jnp.int32(0), start, Numbers(mixer_rate=rate)).params, start.params)
        for rate in (1.0, 0.5, 0.0)
    )
    np.testing.assert_array_equal(half[0], whole[0])
    for one, other, still in zip(*map(jax.tree.leaves, (whole[1], half[1], none[1])), strict=True):
        np.testing.assert_allclose(other, one / 2, rtol=1e-3, atol=1e-6)
        assert np.abs(one).max() > 1e-4 and not still.any()


def test_bad_settings_are_one_line():
    for fields, said in (
        ({"ring": 20}, "ring=20"),
        ({"optimizer": "adm"}, "adm"),
        ({"depth": 2, "hypernetworks": True}, "depth"),
    ):
        with pytest.raises(InputError, match=said):
            Learner(**fields)
