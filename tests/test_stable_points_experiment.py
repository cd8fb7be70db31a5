"""Stable points as an experiment: its table, its counts, and predictions beside made-up ends, at the smallest size."""

import json

import numpy as np
import pytest

from jaxvf import scripts, theory
from jaxvf.envs.payoff_families import random_games
from jaxvf.errors import InputError

GAMES = 20


@pytest.fixture(scope="module")
def module():
    return scripts.load("experiments", "stable_points")


@pytest.fixture(scope="module")
def rows(module, tmp_path_factory):
    """Twenty games; everyone ends at the optimum, but for VDN, which ends at the first joint action."""
    out = tmp_path_factory.mktemp("stable_points")
    symbols = module.predictions.SYMBOLS
    best = "".join(symbols[game.payoff().argmax()] for game in random_games(2, 3, GAMES))
    ends = {"qmix-2x3 annealed": {"last": best, "before": best}}
    ends["vdn-2x3 annealed"] = {"last": "-" + "0" * (GAMES - 1), "before": "1" * GAMES}
    facts = {"scale": "own setting", "seeds": 1, "env_steps": 100, "games": {"2x3": GAMES}, "ends": ends}
    (out / "ends.json").write_text(json.dumps(facts))
    module.reproduce(out=out, games=GAMES, improving=40, ends=out / "ends.json")
    assert (out / "stable.png").is_file() and (out / "confusion.png").is_file()
    return json.loads((out / "summary.json").read_text())


def test_the_table_is_the_prototypes_but_for_one_set(rows):
    """36 sets of nine rows, exactly; one is larger, as an exact solver agrees that it is."""
    compared = [row for row in rows if row.get("agrees") is not None]
    assert len(compared) == 36
    (differs,) = (row for row in compared if not row["agrees"])
    assert (differs["game"], differs["behaviour"], differs["class"]) == ("climbing", "independent", "monotone (QMIX)")
    assert (differs["stable"], differs["expected"]) == ("AA CC", "AA")


def test_a_complete_class_settles_at_the_optimum_alone(rows):
    for row in rows:
        if "optimum_stable" in row and row["class"].startswith(("complete", "QPLEX")):
            assert (row["games"], row["optimum_stable"][0], row["other_stable"][0], row["points"]) == (GAMES, 1, 0, 1)


def test_named_games_have_every_class_round_and_behaviour(rows):
    """Rounds included; under equal play the sum rests at E's traps, and no third round ends beside E's optimum."""
    found = {
        (row["game"], row["behaviour"], row["epsilon"], row["class"]): row["stable"] for row in rows if "stable" in row
    }
    assert len(found) == 5 * 3 * (8 + 2 * 4)
    assert found["E", "central", 1.0, "sum (VDN)"] == "+ BB BC CB CC"
    assert found["E", "central", 1.0, "MRVF on sums, K = 1"] == "BB BC CB CC"
    assert found["E", "central", 1.0, "MRVF on sums, K = 2"] == "AA"
    assert found["D", "independent", 0.1, "POW, C = 0.1"] == "AA"


def test_theorems_hold_of_tables_and_not_of_what_agents_choose(rows):
    """Twenty games less ties: no exception to what is recognized, and none in which nothing better is valued highest.

    Monotone fits may stay where they are; POW's never do.
    """
    theorems = [row for row in rows if "theorem" in row]
    assert len(theorems) == 2 + 2 * 3 + 2 * 3 and {row["games"] for row in theorems} == {16}
    assert {row["exceptions"] for row in theorems if "recognized" in row} == {0}
    upwards = {(row["weights"], row["behaviour"]): row for row in theorems if "stays" in row}
    for behaviour in ("uniform", "ε-greedy"):
        recognized = upwards["POW, C = 0.1", behaviour]
        assert recognized["stays"][0] == recognized["not_highest"][0] == 0
        assert upwards["monotone (QMIX)", behaviour]["stays"][0] > 0
        assert recognized["falls"][0] > 0 and recognized["arrives"][0] > 0.5
    assert {row["not_highest"][0] for row in theorems if "alpha" in row} == {0}
    assert any(row["not_greedy"][0] > 0 for row in theorems if "alpha" in row)


def test_one_game_counted_by_hand(module):
    """Around (2, 2), 7.39, only it and (1, 1), 10, are recognized; the fit has 10 twice, and agents choose (1, 2).

    The same less 20: all payoffs are negative, and nothing else changes.
    """
    payoff = np.array([[[-1.68, 2.26, 2.57], [2.95, 10.0, 3.24], [-1.25, -3.1, 7.39]]])
    fit = theory.potentially_optimal(0.1)
    for shifted in (payoff, payoff - 20):
        tops = theory.tops_around(shifted, fit, "central", 1.0)
        around = tops.greedy[0, 8].reshape(3, 3), tops.highest[0, 8].reshape(3, 3)
        assert [np.argwhere(mask).tolist() for mask in around] == [[[1, 2]], [[1, 1], [1, 2]]]
        assert {row["not_highest"][0] for row in module.theorems.projection_rows(shifted)} == {0}
    greedy = np.zeros((1, 4, 4), bool)
    greedy[0, [0, 1, 2, 3], [1, 0, 3, 3]] = True  # 0 and 1 lead to each other, 2 to the best, 3
    met = module.theorems.meets(greedy, np.array([[False, False, False, True]]))
    assert met.tolist() == [[False, False, True, True]]


def test_rounds_improve_and_the_first_is_the_class_itself(rows):
    """No exception in any pair; K = 1 on sums has the stable points of a sum."""
    improving = [row for row in rows if "improvement" in row]
    assert {row["exceptions"] for row in improving} == {0} and len(improving) == 10
    assert sum(row["pairs"] for row in improving) == 2 * (10 * (9 + 25 + 27 + 16) + 4 * 9)
    found = {(row["class"], row["behaviour"]): row for row in rows if "optimum_stable" in row}
    for behaviour in ("uniform", "ε-greedy"):
        one, sums = found["MRVF on sums, K = 1", behaviour], found["sum (VDN)", behaviour]
        assert one["other_stable"] == sums["other_stable"] and one["points"] == sums["points"]


def test_ends_are_counted_by_what_was_predicted(rows):
    """Sixteen games without ties. Nobody outside a set whose end is stable; a diverged run is outside and moved."""
    found = {(row["learner"], row["predictor"]): row for row in rows if "counts" in row}
    assert found.keys() == {("qmix", "monotone"), ("vdn", "sum")}
    qmix, vdn = found["qmix", "monotone"], found["vdn", "sum"]
    assert qmix["ended"] == vdn["ended"] == 16
    assert np.sum(qmix["counts"], axis=0).tolist() == [16, 0, 0]
    payoff = np.stack([game.payoff() for game in random_games(2, 3, GAMES) if game.family != "spikes"])
    stable = theory.stable_points(payoff, theory.vdn, "independent", 0.05).any
    best = payoff == payoff.max(axis=(1, 2), keepdims=True)
    optimum, others = ((stable & where).any(axis=(1, 2)) for where in (best, ~best))
    kinds = [optimum & ~others, optimum & others, ~optimum & others, ~optimum & ~others]
    assert np.sum(vdn["counts"], axis=1).tolist() == [int(kind.sum()) for kind in kinds] and kinds[0].sum() < 16
    inside = int(stable[1:, 0, 0].sum())  # the first run diverged
    assert vdn["inside"][0] == inside / 16 and vdn["chance"] == pytest.approx(stable.mean())
    outside = {name: count for name, (count, _) in vdn["outside"].items()}
    assert outside == {
        "still moving": 16 - inside, "stable under wider play": 0, "stable for a sum": 0, "unexplained": 0
    }  # fmt: skip
    path = np.array(qmix["path"])
    assert path.sum() == 16 and path[:, 1].sum() == 0  # all ended at the optimum


def test_a_learner_that_ends_where_its_class_once_was_stable_is_explained(module):
    """Ends at the uniform fit's top, which falling exploration leaves unstable: stable under wider play."""
    payoff = np.stack([game.payoff() for game in random_games(2, 3, 200) if game.family != "spikes"])
    predictor = module.predictions.PREDICTORS["vdn"][0]
    late, uniform = predictor.ends(payoff, 0.05), predictor.ends(payoff, 1.0)
    runs = np.flatnonzero((uniform & ~late).any(axis=1))
    assert len(runs)
    place = (uniform & ~late)[runs].argmax(axis=1)
    ends = module.predictions.Ends(payoff[runs], place, place)
    found = module.predictions.explained(predictor, ends, late[runs], np.ones(len(runs), bool))
    assert found["stable under wider play"][0] == len(runs) and found["unexplained"][0] == 0


def test_ends_that_are_not_there_are_one_line(module, tmp_path):
    with pytest.raises(InputError, match=r"ends=.* is not there; a run of basin_atlas writes ends\.json"):
        module.prediction_rows(tmp_path / "ends.json")
