"""Exact fits of the classes beyond sums and monotone tables, and where rounds and falling exploration lead them."""

import importlib
import itertools

import numpy as np
import pytest
from scipy.optimize import minimize

from jaxvf import theory
from jaxvf.envs.matrix_game import PAYOFFS
from jaxvf.theory.isotonic import isotonic

A = np.asarray([PAYOFFS["A"]], float)
ANCHOR = np.zeros((1, 2), int)


def nothing(payoff, weights, anchor):
    """A class in whose fits no joint action is greedy."""
    return theory.Fit(payoff, np.zeros(payoff.shape, bool))


def test_the_least_expectile_loss_on_game_a():
    """By `test_optimistic_minima`'s solver: flat at 6.136 over both good corners, a joint action of -12 on top."""
    fit = theory.optimistic_minimum(0.1)(A, np.ones_like(A), ANCHOR)
    assert {tuple(at) for at in np.argwhere(fit.greedy[0])} == {(0, 2), (2, 0)}
    np.testing.assert_allclose(fit.values[0][[0, 2], [0, 2]], 6.136, atol=1e-3)


@pytest.mark.parametrize(
    ("anchor", "recognized"), [((2, 2), "AA CC"), ((1, 1), "AA BB CC"), ((0, 1), "AA AB CC"), ((0, 0), "AA")]
)
def test_pow_weighs_what_an_exact_recognizer_recognizes(anchor, recognized):
    """Game A under equal play, C = 0.09: the sets of `test_recognition`. No joint action is valued above the best."""
    weighed = []

    def base(payoff, weights, around):
        weighed.append(weights[0])
        return theory.monotone(payoff, weights, around)

    fit = theory.potentially_optimal(0.09, 0.01, base)(A, np.ones_like(A), np.array([anchor]))
    kept = {"ABC"[i] + "ABC"[j] for i, j in np.argwhere(weighed[0] == 1)}
    assert kept == set(recognized.split()) and set(np.unique(weighed[0])) == {0.01, 1}
    assert fit.values[0, 0, 0] == pytest.approx(fit.values.max(), rel=1e-12)


def test_ideal_weights_keep_the_best_joint_action_alone():
    """Wherever agents are; its value is then nearly its payoff, and no joint action is valued higher."""
    weighed = []

    def base(payoff, weights, around):
        weighed.append(weights[0])
        return theory.monotone(payoff, weights, around)

    for anchor in ((0, 0), (2, 2)):
        fit = theory.ideally_weighted(1e-3, base)(A, np.ones_like(A), np.array([anchor]))
        np.testing.assert_array_equal(weighed[-1], np.where(A[0] == 8, 1, 1e-3))
        assert fit.values[0, 0, 0] == fit.values.max() > 7.9


def test_what_agents_choose_may_be_none_of_the_best():
    """However small α is: the best monotone table is flat on top, and its corner is another joint action.

    By hand: the other two rows ask for column 2 as the best, and of the first two rows for row 0 but in that column,
    where 10 and what is beside it are pooled.
    """
    payoff = np.array([[[2.49, 3.89, 5.42], [-3.13, -1.79, 10.0], [-2.06, -0.66, 0.85]]])
    fit = theory.ideally_weighted(1e-3)(payoff, np.ones_like(payoff), ANCHOR)
    assert np.argwhere(fit.greedy[0]).tolist() == [[0, 2]]  # which pays 5.42
    assert fit.values[0, 0, 2] == pytest.approx(fit.values[0, 1, 2], rel=1e-12)


def test_expectile_regression_has_the_least_loss_of_its_order():
    """Against a general solver of the convex problem."""
    rng = np.random.default_rng(0)
    target, weights = rng.normal(size=(3, 9)), np.exp(rng.normal(size=(3, 9)))
    cells = np.arange(9).reshape(3, 3)
    pairs = np.concatenate([
        np.stack([cells[:-1].ravel(), cells[1:].ravel()]), np.stack([cells[:, :-1].ravel(), cells[:, 1:].ravel()])
    ], axis=1)  # fmt: skip
    rises = np.zeros((pairs.shape[1], 9))
    rises[np.arange(len(rises)), pairs[1]], rises[np.arange(len(rises)), pairs[0]] = 1, -1
    for y, w in zip(target, weights, strict=True):

        def loss(values, y=y, w=w):
            error = values - y
            importance = np.where(error >= 0, 0.1 * w, w)
            return (importance * error**2).sum(), 2 * importance * error

        rising = {"type": "ineq", "fun": lambda values: rises @ values, "jac": lambda values: rises}
        best = minimize(loss, np.zeros(9), jac=True, constraints=rising, method="SLSQP", options={"ftol": 1e-13})
        found = isotonic(y[None], w[None], 3, 0.1)[0]
        np.testing.assert_allclose(found, best.x, atol=1e-4)


def test_the_order_of_least_expectile_loss_is_on_top():
    """Of all pairs of orders, each with its own regression; in some games the least plain squares name another."""
    orders = np.array(list(itertools.permutations(range(3))))
    rows, columns = np.repeat(orders, 6, axis=0), np.tile(orders, (6, 1))
    payoff = np.random.default_rng(1).normal(size=(60, 3, 3))
    fit = theory.optimistic_minimum(0.1)(payoff, np.ones_like(payoff), np.zeros((60, 2), int))
    others = 0
    for y, greedy in zip(payoff, fit.greedy, strict=True):
        ranked = y[rows[:, :, None], columns[:, None, :]].reshape(36, 9)
        error = isotonic(ranked, np.ones((36, 9)), 3, 0.1) - ranked
        least = (np.where(error > 0, 0.1, 1) * error**2).sum(axis=1).argmin()
        assert greedy[rows[least, -1], columns[least, -1]]
        plain = (error**2).sum(axis=1).argmin()
        others += not greedy[rows[plain, -1], columns[plain, -1]]
    assert others


def test_a_complete_class_holds_every_payoff():
    """Game F's optimum alone; of two that no product holds, either may be on top."""
    fit = theory.complete(np.asarray([PAYOFFS["F"]], float), np.ones((1, 3, 3)), ANCHOR)
    np.testing.assert_array_equal(fit.values[0], PAYOFFS["F"])
    assert np.argwhere(fit.greedy[0]).tolist() == [[0, 0]]
    two = theory.complete(np.eye(2)[None], np.ones((1, 2, 2)), ANCHOR)
    assert np.argwhere(two.greedy[0]).tolist() == [[0, 0], [1, 1]]


def test_stopped_advantages_by_hand():
    """Game E around BB, uniform play: V of the anchor's 0 and AA's 8 is their mean, 4, and AA exceeds it."""
    payoff = np.asarray([PAYOFFS["E"]], float)
    fit = theory.stopped_advantages(payoff, np.ones_like(payoff), np.array([[1, 1]]))
    np.testing.assert_allclose(fit.values[0], [[4, -12, -12], [-12, 4, 0], [-12, 0, 0]])
    assert np.argwhere(fit.greedy[0]).tolist() == [[0, 0]]
    rests = theory.stopped_advantages(payoff, np.ones_like(payoff), ANCHOR)
    assert np.argwhere(rests.greedy[0]).tolist() == [[0, 0]] and rests.values[0, 0, 0] == 8


def test_stopped_advantages_are_the_best_fit_below_the_anchor():
    """V against a grid of values; and what is left of the error pushes up every action of a better joint action."""
    rng = np.random.default_rng(1)
    payoff, weights = rng.normal(size=(3, 3)), np.exp(rng.normal(size=(3, 3)))
    for anchor in itertools.product(range(3), repeat=2):
        fit = theory.stopped_advantages(payoff[None], weights[None], np.array([anchor]))
        level = fit.values[0][anchor]
        grid = np.linspace(-4, 4, 80_001)
        off = np.ones((3, 3), bool)
        off[anchor] = False
        above = np.maximum(payoff[off][:, None] - grid, 0) ** 2
        loss = weights[anchor] * (grid - payoff[anchor]) ** 2 + (weights[off][:, None] * above).sum(axis=0)
        np.testing.assert_allclose(level, grid[loss.argmin()], atol=2e-4)
        error = weights * (fit.values[0] - payoff)  # its sums over others are the gradient of an agent's local values
        np.testing.assert_allclose(error.sum(), 0, atol=1e-9)
        for better in np.argwhere(fit.greedy[0]):
            for agent in range(2):
                if tuple(better) != anchor and better[agent] != anchor[agent]:
                    assert error.sum(axis=1 - agent)[better[agent]] < 0


@pytest.mark.parametrize(("behaviour", "epsilon"), [("central", 1.0), ("independent", 0.1)])
def test_that_rule_rests_at_the_optimum_alone(behaviour, epsilon):
    payoff = np.random.default_rng(2).normal(size=(50, 3, 3, 3))
    stable = theory.stable_points(payoff, theory.stopped_advantages, behaviour, epsilon)
    np.testing.assert_array_equal(stable.strict, payoff == payoff.max(axis=(1, 2, 3), keepdims=True))
    assert not stable.weak.any()


def test_rounds_leave_the_traps_of_game_e():
    """Central play, ε = 0.1: round 1 may end at the optimum or in the trap, round 2 at the optimum alone."""
    ends = theory.round_ends(np.asarray([PAYOFFS["E"]], float), 2, "central", 0.1)
    assert [len(np.argwhere(end[0])) for end in ends] == [5, 1] and ends[1, 0, 0, 0]


def test_a_round_without_a_stable_point_keeps_what_there_was():
    """Refitted optimistic weights have none on climbing's payoff: round 1 may end anywhere, and round 2 moves on."""
    climbing = np.array([[[11, -30, 0], [-30, 7, 6], [0, 0, 5]]], float)
    refitted = theory.optimistically_weighted(0.1)
    first, second = theory.round_ends(climbing, 2, "central", 0.1, refitted)
    assert first.all()
    assert second[0, 0, 0] and not second.all()  # nothing is better than the optimum, so it is kept
    assert theory.round_ends(climbing, 3, "central", 0.1, nothing).all()


def test_ideal_rounds_end_where_rounds_may_end():
    """Every end of the sampled dynamics is among the possible ones."""
    rng = np.random.default_rng(3)
    payoff = rng.normal(size=(60, 3, 3))
    ends = theory.round_ends(payoff, 3, "independent", 0.1)
    sampled = theory.ideal_iteration(payoff, 3, "independent", 0.1, rng).anchor
    for possible, anchor in zip(ends, sampled, strict=True):
        assert possible[np.arange(60), *anchor.T].all()


def test_falling_exploration_leads_a_sum_from_the_uniform_fit():
    """Game D: the uniform fit of a sum has CC on top (rows sum to 22, 10, 30); the end is stable at the last ε."""
    payoff = np.asarray([PAYOFFS["D"], PAYOFFS["A"]], float)
    first = theory.annealed_end(payoff, theory.vdn, "independent", (1.0,), np.random.default_rng(0))
    assert first.tolist() == [[2, 2], [2, 2]]
    end = theory.annealed_end(payoff, theory.vdn, "independent", (1.0, 0.5, 0.1), np.random.default_rng(0))
    stable = theory.stable_points(payoff, theory.vdn, "independent", 0.1).any
    assert stable[np.arange(2), *end.T].all() and end[1].tolist() == [2, 2]


def test_falling_exploration_leaves_no_greedy_anchor():
    """Of two best joint actions either may be greedy: who starts at one stays, all others go to the first."""
    payoff = np.tile(np.eye(2), (40, 1, 1))
    start = np.random.default_rng(5).integers(2, size=(40, 2))
    end = theory.annealed_end(payoff, theory.complete, "central", (0.5, 0.1), np.random.default_rng(5))
    second = (start == 1).all(axis=1)
    assert 0 < second.sum() < 40
    np.testing.assert_array_equal(end, np.stack([second, second], axis=1))


def test_without_a_greedy_joint_action_nothing_moves():
    start = np.random.default_rng(5).integers(3, size=(4, 2))
    end = theory.annealed_end(np.zeros((4, 3, 3)), nothing, "central", (0.5, 0.1), np.random.default_rng(5))
    np.testing.assert_array_equal(end, start)


def test_chunks_of_games_change_nothing(monkeypatch):
    payoff = np.random.default_rng(6).normal(size=(7, 3, 3))
    whole = theory.stable_points(payoff, theory.monotone, "independent", 0.1)
    for name, least in (("stable_points", 20), ("isotonic", 5)):
        monkeypatch.setattr(importlib.import_module(f"jaxvf.theory.{name}"), "AT_ONCE", least)
    for one, other in zip(theory.stable_points(payoff, theory.monotone, "independent", 0.1), whole, strict=True):
        np.testing.assert_array_equal(one, other)
