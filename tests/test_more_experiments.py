"""Each experiment end to end at the smallest size: its numbers mean what their names say."""

import json

import numpy as np
import pytest

from jaxvf import scripts
from jaxvf.results.summaries import write_summary
from jaxvf.serialize import to_json


def reproduce(name, out, **options):
    """The summary that an experiment leaves."""
    scripts.load("experiments", name).reproduce(out=out, yes=True, **options)
    return json.loads((out / "summary.json").read_text())


def test_risk_reward_gives_every_game_its_own_fraction(tmp_path, monkeypatch):
    """VDN under uniform play reaches the optimum of an additive game in every seed and of game E in none."""
    module = scripts.load("experiments", "risk_reward")
    monkeypatch.setitem(module.GAMES, "sum", ((0, 1, 2), (1, 2, 3), (2, 3, 4)))
    monkeypatch.setitem(module.EXPECTED, "vdn", (*module.EXPECTED["vdn"], None))
    module.reproduce(
        out=tmp_path, yes=True, seeds=3, env_steps=4_000, games=("sum", "E"), learners=("vdn",), behaviour="uniform"
    )
    rows = json.loads((tmp_path / "summary.json").read_text())
    assert [(row["game"], row["optimal"][0], row["expected"]) for row in rows] == [("sum", 1, None), ("E", 0, 0.26)]
    assert (tmp_path / "optimal.png").is_file()


def test_expressiveness_of_vdn_is_least_squares(tmp_path):
    """All 19 tables agree with the exact errors, from every start: VDN's problem is convex."""
    rows = reproduce("expressiveness", tmp_path, seeds=2, steps=1_500, mixers=("vdn",))
    assert len(rows) == 19 and all(row["agrees"] for row in rows)
    np.testing.assert_allclose([row["median_error"] - row["least_error"] for row in rows], 0, atol=0.01)


def test_only_what_is_not_close_is_fitted_again_and_the_rest_has_a_reason(monkeypatch):
    """Two cells of QPLEX: one close, one whose further starts find less; and the four reasons there are."""
    module = scripts.load("experiments", "expressiveness")
    row = {"variance": 0.5, "expected": 0.0, "close": False}
    near, far = (
        {**row, "mixer": "qplex", "table": name, "least_error": e} for name, e in (("game E", 9e-4), ("V, h1", 0.3))
    )
    asked = []

    def fit(mixer, tasks, key, *, restarts, steps):
        asked.append((mixer, len(tasks.target), restarts, steps))
        return type("Fits", (), {"error": np.array([[0.4, 0.2]])})

    monkeypatch.setattr(module, "fit", fit)
    module.fit_again([near, far], 96, 3_000)
    assert asked == [(module.NARROW["qplex"], 1, 96, 3_000)]
    assert near["least_error"] == 9e-4 and (far["least_error"], far["first_error"], far["again"]) == (0.2, 0.3, 96)
    full = {**row, "mixer": "qplex, full", "table": "V, h1", "least_error": 1e-6}
    assert module.reason({**far, "close": True}, [far]) == ""
    assert module.reason(far, [far]) == "not found from any start"
    assert module.reason(far, [far, full]).startswith("the rule")
    assert module.reason({**far, "expected": 0.25}, [far]).startswith("below the number")
    assert module.reason({**row, "mixer": "vdn", "table": "V, h1", "least_error": 0.1}, []).startswith("few starts")


def test_box_pushing_endings_explain_the_return(tmp_path):
    """Return = the boxes' reward - 0.1 a step - 5 a bump; without a box at the goal there are 100 steps."""
    (row,) = reproduce("box_pushing", tmp_path, seeds=1, env_steps=1_024, learners=("vdn",))
    ends = row["endings"]
    assert list(ends) == ["big_box", "two_small", "one_small", "timeout"] and sum(ends.values()) == 1
    assert row["env_steps"] == 1_024 and row["diverged"] == 0
    reward = 100 * ends["big_box"] + 20 * ends["two_small"] + 10 * ends["one_small"]
    tenths = (reward - row["final_return"][0]) / 0.1  # steps + 50 bumps
    assert tenths == pytest.approx(round(tenths), abs=1e-3) and round(tenths) > 0
    assert not ends["timeout"] or round(tenths) % 50 == 0
    assert (tmp_path / "box_pushing_4.png").is_file() and (tmp_path / "endings.png").is_file()


def test_stateful_context_trains_what_it_says(tmp_path):
    """The row is about the context asked for: the learner that ran has it in its mixer."""
    options = {"learners": ("qmix",), "contexts": ("noise",)}
    (row,) = reproduce("stateful_context", tmp_path, seeds=1, env_steps=800, **options)
    assert (row["learner"], row["context"], row["size"], row["runs"]) == ("qmix", "noise", 4, 1)
    plan = json.loads((tmp_path / "qmix" / "run.json").read_text())["plan"]
    assert plan[0]["algorithm"]["fields"]["mixer"]["fields"]["context"] == "noise"
    assert sum(row["endings"].values()) == pytest.approx(1)


def test_predator_prey_return_is_captures_and_punishments(tmp_path):
    """Return = 10 captures + p lone catches, in the row of the right p."""
    options = {"learners": ("qmix",), "penalties": (-1.0, -4.0)}
    rows = reproduce("predator_prey", tmp_path, seeds=1, env_steps=800, **options)
    assert [row["penalty"] for row in rows] == [-1, -4]
    for row in rows:
        expected = 10 * row["captures"] + row["penalty"] * row["mis_captures"]
        assert row["final_return"][0] == pytest.approx(expected, abs=1e-3)


def test_what_greedy_play_wins_and_earns_is_in_the_row_and_is_drawn_from_it(tmp_path):
    """At a crossing a step costs 1, a crash 100, and all that arrive earn 100: in at least 32 and at most 101 steps."""
    (row,) = reproduce("intersection", tmp_path, seeds=1, env_steps=1_024, learners=("qmix",))
    assert (row["task"], row["learner"], row["scale"]) == ("intersection", "qmix", "own setting")
    assert np.shape(row["won"]) == np.shape(row["return"]) == (1, len(row["evaluated_at"]))
    assert row["evaluated_at"][-1] == row["env_steps"] == 1_024 and row["final_won"] == [row["won"][0][-1]] * 3
    for won, earned in zip(row["won"][0], row["return"][0], strict=True):
        assert 100 * won - 100 * (1 - won) - 101 <= earned <= 100 * won - 1
    drawn = {path.name: path.read_bytes() for path in tmp_path.glob("*.png")}
    assert set(drawn) == {"intersection_won.png", "intersection_return.png"}
    (tmp_path / "again").mkdir()
    again = scripts.load("experiments", "intersection").draw([row], tmp_path / "again")
    assert {path.name: path.read_bytes() for path in again} == drawn


def test_battles_are_played_by_learners_with_one_thing_changed():
    """The ablations differ from their learner in the field that their name says; a budget goes by map."""
    module = scripts.load("experiments", "combat")
    made = {name: to_json(module.configured(name, 1_000)) for name in module.STUDY.learners}
    assert module.STUDY.learners == module.SCALES["paper"].learners and len(made) == 14
    differ = {
        name: {field for field in made[name]["fields"] if made[name]["fields"][field] != made[of]["fields"][field]}
        for name, of in (
            ("nm_qmix_max", "nm_qmix"),
            ("nm_qmix_rnd", "nm_qmix"),
            ("nm_qmix_explores", "nm_qmix"),
            ("qmix_explores", "qmix"),
        )
    }
    assert differ == {
        "nm_qmix_max": {"bootstrap"}, "nm_qmix_rnd": {"novelty"}, "nm_qmix_explores": {"epsilon_end"},
        "qmix_explores": {"epsilon_end"},
    }  # fmt: skip
    assert made["nm_qmix_max"]["fields"]["bootstrap"] == "max" and made["qmix_explores"]["fields"]["epsilon_end"] == 0.2
    assert {each["fields"]["epsilon_anneal"] for each in made.values()} == {480.0}
    assert made["pow_qmix"]["fields"]["unweighted_steps"] == 480.0
    alike = [(each["fields"]["updates_per_step"], each["fields"]["learning_rate"]) for each in made.values()]
    assert set(alike) == {(3 / 256, 1e-3)}
    paper = module.SCALES["paper"]
    budgets = {
        name: module.play.sweep_of(module.STUDY, paper, name, "qmix") for name in ("3m", "corridor", "smaclite/MMM")
    }
    assert [(sweep.env, sweep.env_steps) for sweep in budgets.values()] == [
        ("combat/3m", 100_000), ("combat/corridor", 10_050_000), ("smaclite/MMM", 2_000_000)
    ]  # fmt: skip


def test_a_wide_mixer_is_wider_and_the_same_else():
    """POW's Fig. 7; a crossing has the exploration of its code, and a short run a light batch."""
    module = scripts.load("experiments", "predator_prey")
    for name, of in module.WIDE.items():
        wide, usual = (to_json(module.configured(each, 1_000, False))["fields"] for each in (name, of))
        assert {field for field in wide if wide[field] != usual[field]} == {"mixer"}
        fields = wide["mixer"]["fields"], usual["mixer"]["fields"]
        assert {field for field in fields[0] if fields[0][field] != fields[1][field]} == {"embed"}
        assert fields[0]["embed"] == module.WIDTH
    crossing = scripts.load("experiments", "intersection")
    assert [setting.light for setting in crossing.SCALES.values()] == [True, True, False]
    long, short = (crossing.study(steps < 1e6).configured("pow_qmix", steps) for steps in (5_050_000, 505_000))
    assert long.last_action and not long.agent_id
    assert (long.epsilon_start, long.epsilon_end, long.batch_size, long.unweighted_steps) == (0.1, 0.1, 128, 100_000)
    assert (short.batch_size, short.buffer_size, short.unweighted_steps) == (32, 1000, 10_000)
    goal = scripts.load("experiments", "football").configured("nm_qmix", 10_000_000)
    assert (goal.bootstrap, goal.sequence_length, goal.epsilon_anneal) == ("sarsa", 32, 4_800_000)
    assert (goal.updates_per_step, goal.learning_rate, goal.num_envs) == (3 / 256, 1e-3, 8)


def test_predator_prey_has_the_settings_of_its_paper():
    """As in POW's code: C = 1 and 100k unweighted steps for POW, RMSprop for ResQ alone, no agent id for anyone."""
    module = scripts.load("experiments", "predator_prey")
    made = {name: module.configured(name, module.ENV_STEPS, False) for name in module.LEARNERS}
    assert {learner.batch_size for learner in made.values()} == {128}
    assert {learner.epsilon_anneal for learner in made.values()} == {500_000}
    assert {learner.td_lambda for learner in made.values()} == {0.6}
    assert {learner.agent_id for learner in made.values()} == {False}
    assert {name for name, learner in made.items() if learner.optimizer != "adam"} == {"resq"}
    assert (made["pow_vdn"].tolerance, made["pow_vdn"].unweighted_steps, made["pow_vdn"].alpha) == (1, 100_000, 0)
    assert (made["cw_qmix"].alpha, made["qplex"].mixer.adv_hypernet_layers) == (0.1, 2)


def test_a_summary_is_json_even_where_every_run_diverged(tmp_path):
    """NaN and infinity are no JSON; null is."""
    write_summary([{"final_return": (float("nan"), -np.inf, 1.0)}], tmp_path)
    assert json.loads((tmp_path / "summary.json").read_text()) == [{"final_return": [None, None, 1.0]}]
