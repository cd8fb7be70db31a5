"""Stable points of exact factorizations, by enumeration, and what rounds of increments do to them."""

import itertools

import numpy as np
import pytest
from scipy.optimize import lsq_linear

from jaxvf import scripts, theory
from jaxvf.envs.matrix_game import PAYOFFS
from jaxvf.envs.payoffs import CLIMBING, HARD4, risk_reward

EXPERIMENT = scripts.load("experiments", "stable_points")
GAMES, TABLE, spelled = EXPERIMENT.GAMES, EXPERIMENT.TABLE, EXPERIMENT.spelled
CLASSES = (theory.vdn, theory.monotone, theory.centrally_weighted(0.1), theory.optimistically_weighted(0.1))
TRAPS = "BB BC CB CC"
# What the prototype's code had and an exact solver has not (`test_climbing_has_a_second_stable_point`).
DIFFERS = {("climbing", "independent"): ("AA BC", "AA CC", "AA", "")}


def batch(payoff):
    """A single game."""
    return np.array([payoff], np.float64)


@pytest.mark.parametrize(("game", "behaviour"), TABLE)
def test_stable_points_of_the_classic_games(game, behaviour):
    """Around ε = 0.1, for the four kinds of fit."""
    found = tuple(spelled(theory.stable_points(batch(GAMES[game]), fit, behaviour, 0.1)) for fit in CLASSES)
    assert found == DIFFERS.get((game, behaviour), TABLE[game, behaviour])


def test_uniform_behaviour():
    """ε = 1: VDN settles at E's trap, climbing's CC and penalty's BB, wherever it starts."""
    found = {game: spelled(theory.stable_points(batch(GAMES[game]), theory.vdn, "central", 1.0)) for game in GAMES}
    assert (found["E"], found["climbing"], found["penalty"]) == (f"+ {TRAPS}", "CC", "BB")


def test_optimistic_weights_never_rest_on_game_a():
    """Uniform play: the monotone fit rests at the trap, CW at the optimum. OW's weights lead from one to the other.

    The fit whose top is CC is nowhere below the payoff but at AA; so weighted, the fit has AA on top and lies below
    the payoff at the cells that CC's fit gets right.
    """
    payoff = batch(PAYOFFS["A"])
    found = [spelled(theory.stable_points(payoff, fit, "central", 1.0)) for fit in CLASSES[1:]]
    assert found == ["CC", "AA", ""]
    weights, anchor, tops = np.ones_like(payoff), np.zeros((1, 2), int), []
    for _ in range(4):
        values, greedy = theory.monotone(payoff, weights, anchor)
        tops.append(spelled((greedy, np.zeros_like(greedy))))
        weights = np.where(values >= payoff - 1e-9, 0.1, 1)
    assert tops == ["CC", "AA", "CC", "AA"]


@pytest.mark.parametrize("epsilon", [0.05, 0.1])
def test_strong_central_weights_leave_the_optimum_alone(epsilon):
    """On D, independent ε <= 0.1: CW(0.01) and CW(0.02) have AA alone, CW(0.03) does not; ε = 0.2 has nothing."""
    alphas = (0.03, 0.02, 0.01)
    fits = [theory.centrally_weighted(alpha) for alpha in alphas]
    found = [spelled(theory.stable_points(batch(PAYOFFS["D"]), fit, "independent", epsilon)) for fit in fits]
    assert found == ["AA CC", "AA", "AA"]
    assert spelled(theory.stable_points(batch(PAYOFFS["D"]), fits[-1], "independent", 0.2)) == ""


def test_behaviour_weights_by_hand():
    """Two agents, two actions, ε = 0.2, anchor (0, 1): an agent keeps its action with 0.9; one coin keeps with 0.85."""
    anchor = np.array([[0, 1]])
    np.testing.assert_allclose(theory.behaviour_weights(anchor, 2, "independent", 0.2)[0], [[0.09, 0.81], [0.01, 0.09]])
    np.testing.assert_allclose(theory.behaviour_weights(anchor, 2, "central", 0.2)[0], [[0.05, 0.85], [0.05, 0.05]])


def test_additive_fit_is_the_weighted_projection():
    """The residual is orthogonal to every utility; an additive payoff is met exactly."""
    rng = np.random.default_rng(0)
    payoff, weights = rng.normal(size=(2, 20, 3, 3, 3))
    weights = np.exp(weights)
    residual = weights * (payoff - theory.vdn(payoff, weights, np.zeros((20, 3), int)).values)
    for axes in itertools.combinations((1, 2, 3), 2):
        np.testing.assert_allclose(residual.sum(axis=axes), 0, atol=1e-9)
    additive = payoff[:, :, :1, :1] + payoff[:, :1, :, :1] + payoff[:, :1, :1, :]
    np.testing.assert_allclose(theory.vdn(additive, weights, np.zeros((20, 3), int)).values, additive, atol=1e-9)


def least_monotone_loss(payoff, weights, rows, columns):
    """Loss of the best table that falls along neither order, by bounded least squares over up-sets."""
    ranks = np.arange(9).reshape(3, 3)
    starts = [s for s in itertools.product(range(4), repeat=3) if s[0] >= s[1] >= s[2] and s[2] < 3]
    sets = np.array([[cell % 3 >= s[cell // 3] for cell in ranks.ravel()] for s in starts], np.float64)
    root, target = np.sqrt(weights[np.ix_(rows, columns)].ravel()), payoff[np.ix_(rows, columns)].ravel()
    bounds = (0, np.inf)
    return 2 * lsq_linear(root[:, None] * sets.T, root * (target - target.min()), bounds, "bvls", tol=1e-14).cost


def test_monotone_fit_has_the_least_loss_of_all_orders():
    """Against an independent solver, on random payoffs and weights."""
    rng = np.random.default_rng(1)
    orders = list(itertools.product(itertools.permutations(range(3)), repeat=2))
    for _ in range(5):
        payoff, weights = rng.normal(size=(3, 3)), np.exp(rng.normal(size=(3, 3)))
        losses = [least_monotone_loss(payoff, weights, *order) for order in orders]
        fit = theory.monotone(payoff[None], weights[None], np.zeros((1, 2), int))
        np.testing.assert_allclose((weights * (fit.values[0] - payoff) ** 2).sum(), min(losses), atol=1e-9)
        rows, columns = orders[int(np.argmin(losses))]
        assert fit.greedy[0, rows[-1], columns[-1]]


def test_climbing_has_a_second_stable_point():
    """Around CC, independent ε = 0.1, an independent solver agrees that the best monotone fit has CC on top."""
    payoff = np.array(CLIMBING, np.float64)
    weights = theory.behaviour_weights(np.array([[2, 2]]), 3, "independent", 0.1)[0]
    best = {}
    for rows, columns in itertools.product(itertools.permutations(range(3)), repeat=2):
        top, loss = (rows[-1], columns[-1]), least_monotone_loss(payoff, weights, rows, columns)
        best[top] = min(loss, best.get(top, np.inf))
    first, second = sorted(best, key=lambda top: best[top])[:2]
    assert (first, second) == ((2, 2), (1, 2))
    np.testing.assert_allclose([best[first], best[second]], [1.16559, 1.18618], atol=1e-4)


def test_optimistic_fit_is_a_fixed_point():
    """The fit is the weighted fit under the weights that it implies."""
    payoff = np.random.default_rng(2).normal(size=(10, 3, 3))
    weights, anchor = np.ones_like(payoff), np.zeros((10, 2), int)
    values = theory.optimistically_weighted(0.1, theory.vdn)(payoff, weights, anchor).values
    np.testing.assert_allclose(theory.vdn(payoff, np.where(values >= payoff, 0.1, 1), anchor).values, values, atol=1e-9)


def test_increment_is_zero_at_the_anchor_and_never_negative():
    """Clip 0.5 over AC of climbing (0): what pays 0.5 or less is cut off."""
    np.testing.assert_allclose(
        theory.increment(batch(CLIMBING), np.array([[0, 2]]), 0.5)[0], [[10.5, 0, 0], [0, 6.5, 5.5], [0, 0, 4.5]]
    )


@pytest.mark.parametrize("behaviour", ["independent", "central"])
@pytest.mark.parametrize("shape", [(3, 3), (5, 5), (3, 3, 3), (2, 2, 2, 2)])
def test_vdn_rounds_strictly_improve(shape, behaviour):
    """1,000 random games (125 a cell), half of them sparse, from every joint action p, at ε = 0.1."""
    rng = np.random.default_rng(3)
    payoff = rng.normal(size=(125, *shape))
    payoff[::2] *= rng.random(payoff[::2].shape) < 0.3
    assert theory.strict_improvement(payoff, behaviour, 0.1).all()


def test_uniform_behaviour_does_not_always_improve():
    """ε = 1: a few of every hundred (game, p) have a stable point that gains nothing."""
    payoff = np.random.default_rng(4).normal(size=(100, 3, 3, 3))
    failing = 1 - theory.strict_improvement(payoff, "central", 1.0).mean()
    assert 0.02 < failing < 0.15


# Fraction of 100 normal games at the optimum after rounds 1, 2, 3, 4, by an earlier prototype with other code.
IDEAL = {
    ((3, 3), "independent"): (0.64, 0.99, 1, 1),
    ((5, 5), "independent"): (0.48, 1, 1, 1),
    ((5, 5), "central"): (0.35, 0.95, 1, 1),
    ((10, 10), "independent"): (0.18, 0.95, 1, 1),
    ((10, 10), "central"): (0.12, 0.67, 0.98, 1),
    ((3, 3, 3), "independent"): (0.40, 0.90, 0.99, 1),
    ((4, 4, 4, 4), "independent"): (0.10, 0.50, 0.88, 0.97),
}


@pytest.mark.parametrize(("shape", "behaviour"), IDEAL)
def test_a_few_ideal_rounds_reach_the_optimum(shape, behaviour):
    """Within three standard errors of the difference between 100 games and ours."""
    games, rng = 400, np.random.default_rng(5)
    payoff = rng.normal(size=(games, *shape))
    result = theory.ideal_iteration(payoff, 4, behaviour, 0.1, rng)
    best = payoff.reshape(games, -1).max(axis=1)
    found = np.array([(payoff[np.arange(games), *anchor.T] == best).mean() for anchor in result.anchor])
    expected = np.array(IDEAL[shape, behaviour])
    # Add one success and one failure, so that a fraction of 1 has an error too.
    smoothed = (100 * expected + 1) / 102
    error = np.sqrt(smoothed * (1 - smoothed) * (1 / 100 + 1 / games))
    assert (np.abs(found - expected) < 3 * error).all(), (found, expected)


def test_every_settled_round_gains_or_has_arrived():
    """The payoff of p_k never falls from round to round, and rises until the optimum."""
    rng = np.random.default_rng(6)
    payoff = rng.normal(size=(200, 5, 5))
    result = theory.ideal_iteration(payoff, 4, "independent", 0.1, rng)
    value = np.stack([payoff[np.arange(200), *anchor.T] for anchor in result.anchor])
    assert result.settled.all()
    assert ((np.diff(value, axis=0) > 0) | (value[:-1] == payoff.reshape(200, -1).max(axis=1))).all()


def test_a_game_without_stable_point_stays_where_it_was():
    """OW on climbing: no joint action is stable, so every round ends where it began."""
    result = theory.ideal_iteration(
        batch(CLIMBING), 2, "central", 0.1, np.random.default_rng(0), theory.optimistically_weighted(0.1)
    )
    assert not result.settled[0, 0]
    start = np.random.default_rng(0).integers(3, size=(1, 2))
    np.testing.assert_array_equal(result.anchor[0], start)


def test_payoffs_by_hand():
    """rr(2, (0, 4, 10)): agreeing pays, daring alone costs 6 a level; hard4 pays only on its diagonal."""
    np.testing.assert_allclose(risk_reward(2, (0, 4, 10)), [[0, -6, -12], [-6, 4, -12], [-12, -12, 10]])
    three = risk_reward(3, (0, 4, 10))
    assert (three.shape, three[1, 1, 1], three[2, 2, 2], three[2, 2, 1], three[0, 1, 1]) == ((3, 3, 3), 4, 10, -12, -6)
    np.testing.assert_allclose(HARD4, np.diag([30.0, 26, 23, 20]) - 20)
