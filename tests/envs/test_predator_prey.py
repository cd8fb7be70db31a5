"""Predator-prey: its rules, each in the smallest scene where a breach shows."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvf.envs import PredatorPrey
from jaxvf.envs.predator_prey import CATCH, DOWN, LEFT, RIGHT, STAY, UP, PredatorPreyState
from jaxvf.errors import InputError

ENV = PredatorPrey()
P, Q = ENV.n_predators, ENV.n_prey
PENALTY = -3.0
KEYS = jax.random.split(jax.random.key(0), 128)  # every scene is played once per key: 128 random orders
EPISODES = 64

_transitions = jax.jit(jax.vmap(ENV.transition, in_axes=(0, None, None, None)))
_observe = jax.jit(ENV.observe)


def params(penalty=PENALTY):
    return dataclasses.replace(ENV.default_params(), penalty=jnp.float32(penalty))


def scene(predators, prey, t=0):
    """Only these predators and prey are on the grid; all others have left it (from cell (0, 0), say)."""
    everyone = [list(predators) + [(0, 0)] * (P - len(predators)), list(prey) + [(0, 0)] * (Q - len(prey))]
    return PredatorPreyState(
        predators=jnp.array(everyone[0], jnp.int32),
        prey=jnp.array(everyone[1], jnp.int32),
        frozen=jnp.arange(P) >= len(predators),
        alive=jnp.arange(Q) < len(prey),
        t=jnp.int32(t),
    )


def step(state, *actions):
    """State and outcome for every key; who is not on the grid stays."""
    actions = jnp.array([*actions, *[STAY] * (P - len(actions))], jnp.int32)
    return jax.tree.map(np.asarray, _transitions(KEYS, state, actions, params()))


def observe(state):
    return jax.tree.map(np.asarray, _observe(state, params()))


def test_two_catchers_capture_and_leave_the_grid_with_the_prey():
    state, outcome = step(scene([(5, 5), (5, 7), (0, 9)], [(5, 6), (9, 0)]), CATCH, CATCH, STAY)
    np.testing.assert_array_equal(outcome.reward, np.full(len(KEYS), 10.0))
    np.testing.assert_array_equal(state.frozen[:, :3], [[True, True, False]] * len(KEYS))
    np.testing.assert_array_equal(state.alive[:, :2], [[False, True]] * len(KEYS))
    assert not (outcome.terminated | outcome.truncated).any()
    # What is left on the grid: the third predator, and the second prey wherever it went.
    last = jax.tree.map(lambda leaf: leaf[0], state)
    assert observe(last).state.sum() == 2


def test_three_catchers_are_all_frozen_for_one_reward():
    state, outcome = step(scene([(5, 5), (5, 7), (4, 6), (0, 9)], [(5, 6), (9, 0)]), CATCH, CATCH, CATCH)
    assert (outcome.reward == 10.0).all()
    np.testing.assert_array_equal(state.frozen[:, :4], [[True, True, True, False]] * len(KEYS))


def test_only_catching_neighbours_are_frozen():
    """A neighbour that stays, and a catcher that is not a neighbour, go on."""
    state, outcome = step(scene([(5, 5), (5, 7), (4, 6), (4, 5)], [(5, 6), (9, 0)]), CATCH, CATCH, STAY, CATCH)
    assert (outcome.reward == 10.0).all()
    np.testing.assert_array_equal(state.frozen[:, :4], [[True, True, False, False]] * len(KEYS))


def test_a_lone_catcher_pays_once_per_prey():
    state, outcome = step(scene([(5, 5)], [(5, 4), (5, 6)]), CATCH)
    assert (outcome.reward == 2 * PENALTY).all()
    assert (outcome.metrics["mis_captures"] == 2).all()
    assert (outcome.metrics["captures"] == 0).all()
    assert not state.frozen[:, 0].any()
    assert state.alive[:, :2].all()


def test_freezing_acts_at_once_on_prey_handled_later():
    """The first predator is beside X and Y; Y costs the penalty only if its turn is before X's."""
    state, outcome = step(scene([(5, 5), (5, 7), (0, 9)], [(5, 6), (5, 4)]), CATCH, CATCH, STAY)
    reward = outcome.reward
    assert set(reward) == {10.0, 10.0 + PENALTY}
    assert abs((reward == 10.0).mean() - 0.5) < 3 * 0.5 / np.sqrt(len(KEYS))
    np.testing.assert_array_equal(state.alive[:, :2], [[False, True]] * len(KEYS))


def test_a_blocked_prey_stays():
    state, _ = step(scene([(0, 1), (1, 0)], [(0, 0)]), STAY, STAY)
    assert (state.prey[:, 0] == (0, 0)).all()


def test_a_prey_walks_to_a_uniformly_random_free_neighbour():
    state, _ = step(scene([(4, 5), (0, 9)], [(5, 5)]), STAY, STAY)
    cells, counts = np.unique(state.prey[:, 0], axis=0, return_counts=True)
    assert cells.tolist() == [[5, 4], [5, 6], [6, 5]]
    assert (np.abs(counts / len(KEYS) - 1 / 3) < 3 * np.sqrt(2 / 9 / len(KEYS))).all()


def test_prey_never_share_a_cell():
    """Two prey in a corner of predators have one free cell between them; the earlier takes it."""
    state, _ = step(scene([(0, 1), (2, 0), (1, 2), (2, 1)], [(0, 0), (1, 1)]), STAY, STAY, STAY, STAY)
    first, second = state.prey[:, 0].tolist(), state.prey[:, 1].tolist()
    went = {(tuple(a), tuple(b)) for a, b in zip(first, second, strict=True)}
    assert went == {((1, 0), (1, 1)), ((0, 0), (1, 0))}


def test_the_episode_terminates_when_everyone_is_frozen():
    _, outcome = step(scene([(5, 5), (5, 7)], [(5, 6), (9, 0)], t=199), CATCH, CATCH)
    assert outcome.terminated.all()
    assert not outcome.truncated.any()  # although it is step 200


def test_the_episode_terminates_when_no_prey_is_left():
    _, outcome = step(scene([(5, 5), (5, 7), (0, 9)], [(5, 6)]), CATCH, CATCH, STAY)
    assert outcome.terminated.all()


def test_step_200_truncates():
    for t, cut in ((198, False), (199, True)):
        _, outcome = step(scene([(5, 5)], [(9, 9)], t=t), STAY)
        assert (outcome.truncated == cut).all()
        assert not outcome.terminated.any()


@pytest.mark.parametrize(
    ("action", "reached"),
    [(RIGHT, (5, 6)), (DOWN, (6, 5)), (LEFT, (5, 4)), (UP, (4, 5)), (STAY, (5, 5)), (CATCH, (5, 5))],
)
def test_actions_move_by_one_cell(action, reached):
    state, _ = step(scene([(5, 5)], [(9, 9)]), action)
    assert (state.predators[:, 0] == reached).all()


def test_walls_prey_and_predators_block_but_who_left_does_not():
    state, _ = step(scene([(9, 9), (5, 5), (3, 3), (0, 1)], [(5, 6)]), RIGHT, RIGHT, STAY, LEFT)
    assert (state.predators[:, 0] == (9, 9)).all()
    assert (state.predators[:, 1] == (5, 5)).all()
    assert (state.predators[:, 3] == (0, 0)).all()  # where the frozen ones were


def test_the_earlier_mover_gets_the_cell():
    state, _ = step(scene([(5, 5), (5, 7)], [(9, 9)]), RIGHT, LEFT)
    places = {tuple(map(tuple, pair)) for pair in state.predators[:, :2].tolist()}
    assert places == {((5, 6), (5, 7)), ((5, 5), (5, 6))}


def test_a_cell_is_free_once_its_holder_has_moved():
    state, _ = step(scene([(5, 5), (5, 6)], [(9, 9)]), RIGHT, RIGHT)
    assert (state.predators[:, 1] == (5, 7)).all()
    assert {tuple(cell) for cell in state.predators[:, 0].tolist()} == {(5, 5), (5, 6)}


def test_availability():
    avail = observe(scene([(0, 0), (5, 5), (1, 0)], [(0, 1), (6, 6)])).avail
    #                                right  down   left   up     stay  catch
    np.testing.assert_array_equal(avail[0], [True, True, False, False, True, True])  # corner; prey on the right
    np.testing.assert_array_equal(avail[1], [True, True, True, True, True, False])  # prey on the diagonal only
    np.testing.assert_array_equal(avail[2], [True, True, False, True, True, False])  # caught prey was at (0, 0)
    np.testing.assert_array_equal(avail[3], [False, False, False, False, True, False])  # frozen


def test_observation_indices():
    """((row * 5) + column) * 3 + channel, in the window centred on the observer."""
    view = observe(scene([(5, 5), (4, 6), (0, 9), (9, 0)], [(7, 3), (5, 8)]))
    assert np.flatnonzero(view.obs[0]).tolist() == [(1 * 5 + 3) * 3, (2 * 5 + 2) * 3, (4 * 5 + 0) * 3 + 1]
    assert np.flatnonzero(view.obs[1]).tolist() == [36, (3 * 5 + 1) * 3, (3 * 5 + 4) * 3 + 1]
    assert np.flatnonzero(view.obs[2]).tolist() == [36]  # a corner sees nothing outside the grid
    assert set(np.unique(view.obs)) == {0.0, 1.0}


def test_a_frozen_agent_sees_nothing_and_is_not_alive():
    view = observe(scene([(0, 1)], [(1, 1)]))
    assert not view.obs[1:].any()
    assert view.alive.tolist() == [True] + [False] * (P - 1)
    assert np.flatnonzero(view.obs[0]).tolist() == [36, (3 * 5 + 2) * 3 + 1]  # nobody visible at (0, 0)


def test_state_layout():
    view = observe(scene([(5, 5), (0, 9)], [(7, 3)]))
    assert np.flatnonzero(view.state).tolist() == [9 * 3, 55 * 3, 73 * 3 + 1]


def test_reset_places_everyone_on_distinct_cells_all_over_the_grid():
    states = jax.jit(lambda key: ENV.init_batch(key, params(), 256))(jax.random.key(1))
    positions = np.concatenate([states.predators, states.prey], axis=1)
    cells = positions[..., 0] * ENV.grid_size + positions[..., 1]
    assert all(len(set(row)) == P + Q for row in cells.tolist())
    assert set(cells.ravel().tolist()) == set(range(ENV.grid_size**2))
    assert states.alive.all() and not states.frozen.any()


def play(key, penalty):
    """Totals of one episode of the random policy: return, captures, mis-captures, length, share of catch."""
    numbers = params(penalty)
    init_key, play_key = jax.random.split(key)

    def frame(carry, key):
        state, going = carry
        act_key, step_key = jax.random.split(key)
        avail = ENV.observe(state, numbers).avail
        actions = jax.random.categorical(act_key, jnp.where(avail, 0.0, -1e9))
        moved, outcome = ENV.transition(step_key, state, actions, numbers)
        facts = (outcome.reward, *outcome.metrics.values(), 1.0, avail[:, CATCH].mean())
        return (moved, going & ~outcome.done), jnp.where(going, jnp.stack(facts), 0.0)

    start = ENV.init(init_key, numbers), jnp.bool_(True)
    return jax.lax.scan(frame, start, jax.random.split(play_key, ENV.limit_max))[1].sum(axis=0)


@pytest.fixture(scope="module")
def played():
    """[penalties, episodes, facts]; penalty is a batched parameter of one program."""
    penalties = jnp.array([0.0, -1.5, -5.0])
    keys = jax.random.split(jax.random.key(2), EPISODES)
    program = jax.jit(jax.vmap(jax.vmap(play, in_axes=(0, None)), in_axes=(None, 0)))
    return penalties, keys, np.asarray(program(keys, penalties))


def test_return_is_ten_per_capture_and_p_per_mis_capture_exactly(played):
    penalties, _, facts = played
    total, captures, mis_captures = facts[..., 0], facts[..., 1], facts[..., 2]
    np.testing.assert_array_equal(total, 10 * captures + np.asarray(penalties)[:, None] * mis_captures)
    np.testing.assert_array_equal(facts[0, :, 1:], facts[2, :, 1:])  # dynamics do not depend on p


def test_batched_penalty_equals_a_loop_over_penalties(played):
    penalties, keys, facts = played
    program = jax.jit(jax.vmap(play, in_axes=(0, None)))
    np.testing.assert_array_equal(facts, np.stack([program(keys, penalty) for penalty in penalties]))


def test_random_policy_agrees_with_the_original_rules(played):
    """60 episodes under the original rules: 0.43 captures, 52.3 mis-captures, length 200, share of catch 0.175."""
    _, captures, mis_captures, length, share = played[2][0].T
    share = share / length

    def agrees(ours, theirs, their_error=None):
        our_error = ours.std(ddof=1) / np.sqrt(EPISODES)
        error = np.hypot(our_error, our_error if their_error is None else their_error)
        return abs(ours.mean() - theirs) < 3 * error

    assert agrees(captures, 0.43, 0.07)
    assert agrees(mis_captures, 52.3, 1.5)
    assert agrees(share, 0.175)
    assert (length == 200).mean() > 0.95


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"grid_size": 3}, "grid_size=3 has 9 cells .* 16 entities; at least 4"),
        ({"n_prey": 0}, "n_prey=0 is below"),
        ({"catchers": 5}, "catchers=5 can never meet .* at most 4"),
        ({"n_predators": 1}, "catchers=2 can never meet .* at most 1"),
        ({"limit_max": 0}, "limit_max=0 is below"),
    ],
)
def test_impossible_sizes_are_refused(sizes, message):
    with pytest.raises(InputError, match=message):
        PredatorPrey(**sizes)


def test_the_default_limit_never_exceeds_the_largest():
    assert PredatorPrey(limit_max=50).default_params().limit == 50
    assert PredatorPrey(limit_max=500).default_params().limit == 200
