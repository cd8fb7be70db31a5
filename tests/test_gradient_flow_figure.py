"""The experiment gradient_flow: points of both kinds, curvatures of a game that are known, and the portrait's zeros."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvf import scripts
from jaxvf.envs.matrix_game import PAYOFFS
from jaxvf.theory.flow_solve import Path
from jaxvf.theory.flow_stability import hessian
from jaxvf.theory.gradient_flow import joint_table, lagrange_mixer, loss, uniform

GAME = np.array(PAYOFFS["B"], np.float64)
VIOLATING = np.array([[-1.6, 0.0, -0.7], [-1.4, 0.0, -0.7]])  # greedy (B, B), where the payoff is 0 and not 12


@pytest.fixture(scope="module")
def experiment():
    return scripts.load("experiments", "gradient_flow")


def test_half_of_the_points_have_the_optimum_on_top(experiment):
    """Every payoff stands once with a right and once with a wrong greedy action, at values that fit it exactly."""
    payoff, q = experiment.points(30)
    assert len(payoff) == 60 + 2 * len(PAYOFFS)
    for first, count in ((0, 30), (60, len(PAYOFFS))):
        right, wrong = slice(first, first + count), slice(first + count, first + 2 * count)
        np.testing.assert_array_equal(payoff[right], payoff[wrong])
        assert experiment.is_consistent(payoff, q)[right].all() and not experiment.is_consistent(payoff, q)[wrong].any()
        np.testing.assert_array_equal(np.sort(q[right], axis=2), np.sort(q[wrong], axis=2))
    with jax.enable_x64(True):
        table = joint_table(lagrange_mixer(payoff[0], q[0]), jnp.asarray(q[0]))
    np.testing.assert_allclose(table, payoff[0], atol=1e-9)


def test_curvatures_of_a_known_game_become_its_row(experiment):
    """At τ = 1 theorem 3 claims -24 and the loss has 204; no point of any game curves down, and all attract."""
    payoff, q = experiment.points(2)
    payoff[3], q[3] = GAME, VIOLATING
    with jax.enable_x64(True):
        found = experiment.curvature(payoff, q, 1.0)
    assert found["claimed"][3] == -24 and found["along"][3] == pytest.approx(204.0, abs=0.06)
    rows = experiment.curvature_rows(found, payoff, q, 1.0)
    assert len(rows) == 2 + 2 * len(PAYOFFS) and {row.get("game") for row in rows} == {None, *PAYOFFS}
    (row,) = [row for row in rows if row["measure"] == "curvature" and row["kind"] == "violating"]
    assert (row["points"], row["claimed_negative"], row["found_negative"], row["repelling"]) == (2, 2, 0, 0)
    assert row["claimed"][1] == -24 and row["along"][1] == pytest.approx(204.0, abs=0.06)
    for row in rows:
        assert row["largest_difference_from_gauss_newton"] < 1e-9 > row["largest_difference_of_semi_gradient"]
        assert row["smallest_on_normal_space"] > 0 and row["repelling"] == 0
        assert row["kind"] == "consistent" or row["claimed_negative"] == row["points"] > row["found_negative"] == 0


def test_the_worked_example_is_that_of_theorem_3_at_every_temperature(experiment):
    """Claimed -(2/τ) 12; found by second differences of the loss in `tests/theory/test_gradient_flow.py`."""
    with jax.enable_x64(True):
        rows = experiment.worked_rows()
    found = {row["temperature"]: (row["claimed"], row["along"]) for row in rows}
    assert found.keys() == {1.0, 0.5, 0.2, 0.1}
    for temperature, along in ((1.0, 204.0), (0.5, 91.6), (0.2, 66.5), (0.1, 68.0)):
        assert found[temperature] == (pytest.approx(-24 / temperature), pytest.approx(along, abs=0.06))


def test_the_portraits_four_zeros_are_two_right_and_two_wrong_and_curve_up(experiment):
    """The loss is 0 at (±1, ±2), where A is greedy for a negative second value; every Hessian is positive definite."""
    pictures = experiment.pictures
    with jax.enable_x64(True):
        model, payoff = pictures.model(), jnp.asarray(pictures.PAYOFF)
        for zero in pictures.ZEROS:
            assert loss(model, payoff, jnp.asarray(zero), uniform) == pytest.approx(0, abs=1e-20)
            assert (np.argmax(zero) == 0) == (zero[1] < 0)
            assert np.linalg.eigvalsh(hessian(model, payoff, jnp.asarray(zero), uniform))[0] > 1
    assert pictures.PAYOFF.argmax() == 0


@pytest.fixture
def four(experiment):
    """Two random games at a right and at a wrong greedy action, and which of them are right."""
    payoff, q = experiment.points(2)
    return payoff[:4], q[:4], np.array([True, True, False, False])


def test_a_flow_that_ends_elsewhere_is_counted(experiment, four, monkeypatch):
    """One that gives agent 0 the other's values changes greedy actions where those two differ; one that stays, none."""
    payoff, q, right = four
    setting = experiment.choose(experiment.SCALES, "small", seeds=3)
    for moves in (True, False):
        monkeypatch.setattr(
            experiment, "integrate", lambda field, start, times, moves=moves, **_: Path(
                jnp.stack([start, start.at[0].set(start[1]) if moves else start]), jnp.int32(1), jnp.bool_(True)
            ),
        )  # fmt: skip
        with jax.enable_x64(True):
            rows = experiment.flow_rows(payoff, q, setting)
        differ = (q.argmax(axis=2)[:, 0] != q.argmax(axis=2)[:, 1]) & moves
        assert [row["measure"] for row in rows] == ["full flow"] * 2 + ["semi-gradient flow"] * 2
        for row in rows:
            of_kind = right if row["kind"] == "consistent" else ~right
            assert (row["points"], row["changed_greedy_action"]) == (2, 3 * (differ & of_kind).sum())
            assert moves or row["farthest"] == pytest.approx(experiment.NOISE)


def test_noise_pushes_only_the_full_gradient_and_only_where_it_differs(experiment):
    """Its drift is the slope of Σ μ σ², here by differences; towards the optimum where that falls on the way there."""
    payoff, q = (part[:6] for part in experiment.points(3))
    right, escapes = experiment.is_consistent(payoff, q), experiment.escapes
    assert right.tolist() == [True] * 3 + [False] * 3
    with jax.enable_x64(True):
        rows = {(row["noise"], row["kind"]): row for row in escapes.noise_rows(payoff, q, right)}
    for kind in ("consistent", "violating"):
        equal, unequal = rows["equal", kind], rows["unequal", kind]
        assert max(equal["largest_added_curvature"], equal["median_drift_of_full_flow"]) < 1e-9
        assert unequal["largest_drift_of_semi_gradient"] < 1e-9 < unequal["median_drift_of_full_flow"]
    variance = escapes.unequal_variances(payoff, escapes.NOISE)
    towards = 0
    for game, local, spread in zip(payoff[~right], q[~right], variance[~right], strict=True):
        way = np.zeros((2, 3))
        for agent, (best, played) in enumerate(
            zip(np.unravel_index(game.argmax(), (3, 3)), local.argmax(axis=1), strict=True)
        ):
            way[agent, best] += 1e-6
            way[agent, played] -= 1e-6
        towards += noise(local + way, spread) < noise(local - way, spread)
    assert rows["unequal", "violating"]["drifts_towards_optimum"] == towards


def noise(q, variance):
    """What noise adds to the loss under softmax play."""
    share = np.exp(q) / np.exp(q).sum(axis=1, keepdims=True)
    return (share[0][:, None] * share[1] * variance).sum()


def test_the_noisy_flow_that_is_followed_descends_what_noise_adds(experiment, four, monkeypatch):
    """At a zero-loss point the rest of the loss has no slope; little noise has a hundredth of the variance of much."""
    payoff, q, right = four
    escapes, moved = experiment.escapes, []

    def one_step(field, start, *_, **__):
        return Path(jnp.stack([start, start + field(start)]), jnp.int32(1), jnp.bool_(True))

    monkeypatch.setattr(escapes, "integrate", one_step)
    monkeypatch.setattr(escapes, "counted", lambda before, after, end, *_: moved.append(end - q) or {})
    with jax.enable_x64(True):
        rows = escapes.noisy_end_rows(payoff, q, right)
    assert [row["largest_deviation"] for row in rows] == [1.0, 10.0]
    np.testing.assert_allclose(moved[1], 100 * moved[0], rtol=1e-6, atol=1e-9)
    variance = escapes.unequal_variances(payoff, 1.0)
    for place, agent, action in ((0, 0, 1), (3, 1, 2)):
        step = np.zeros((2, 3))
        step[agent, action] = 1e-5
        slope = (noise(q[place] + step, variance[place]) - noise(q[place] - step, variance[place])) / 2e-5
        assert moved[0][place, agent, action] == pytest.approx(-slope, rel=1e-4)


def test_a_flow_is_judged_where_it_ends(experiment, four, monkeypatch):
    """-x - x² from 1 comes to rest at 0, where it is -x; noise that led to all optima would correct both."""
    payoff, q, right = four
    escapes = experiment.escapes
    with jax.enable_x64(True):
        end, speed, beside = escapes.flow_to_end(lambda x: -x - x**2, jnp.ones(2))
        np.testing.assert_allclose(end, 0, atol=1e-6)
        assert speed < 1e-6
        np.testing.assert_allclose(beside, -np.eye(2), atol=1e-5)
        best = np.stack([np.unravel_index(game.argmax(), game.shape) for game in payoff])
        led = jax.nn.one_hot(best, 3), jnp.zeros(4), jnp.tile(-jnp.eye(6), (4, 1, 1))
        monkeypatch.setattr(escapes.jax, "vmap", lambda _: lambda *_: led)
        rows = escapes.noisy_end_rows(payoff, q, right)
    assert [(row["corrected"], row["lost"], row["rest_right"]) for row in rows] == [(2, 0, 4)] * 2


def test_replay_and_small_exploration_repel_nowhere(experiment, four):
    """No growth and no other eigenvalue with a buffer; of six one stays, four fall with ε and one with its square."""
    with jax.enable_x64(True):
        replayed, explored = experiment.escapes.replay_rows(*four), experiment.escapes.epsilon_rows(*four)
    assert len(replayed) == 4 and len(explored) == 6
    for row in replayed:
        assert row["fastest_growth"] < 0 and row["largest_difference_from_no_replay"] < 1e-9
    for row in explored:
        assert row["eigenvalues_by_power"] == {"0": 1, "1": 4, "2": 1} and row["smallest_on_normal_space"] > 0
    slow = [row["median_slowest_time"] for row in explored if row["kind"] == "violating"]
    np.testing.assert_allclose(np.divide(slow[1:], slow[:-1]), 100, rtol=0.4)


def test_flows_are_counted_by_what_they_began_and_ended_as(experiment):
    """Six of them: corrected and at rest, corrected on its way, lost and at rest, lost where something grows, kept, and
    one whose steps ran out.
    """
    before, after = np.array([0, 0, 1, 1, 1, 0], bool), np.array([1, 1, 0, 0, 1, 1], bool)
    end, beside = np.zeros((6, 2, 3)), np.tile(-np.eye(6), (6, 1, 1))
    end[5], beside[3, 0, 0] = np.inf, 1.0
    found = experiment.escapes.counted(before, after, end, np.array([0, 1, 0, 0, 0, np.nan]), beside)
    assert found == {
        "reached": 5, "wrong_before": 2, "corrected": 2, "right_before": 3, "lost": 2, "at_rest": 4,
        "rest_wrong_and_attract": 1, "rest_right": 2,
    }  # fmt: skip
