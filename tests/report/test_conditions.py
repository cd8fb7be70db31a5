"""Which runs are repetitions of each other, and what tells them apart."""

import numpy as np

from jaxvf.networks import TabularAgent
from jaxvf.report.conditions import conditions_of, field_text, fields_of, label, setting
from jaxvf.report.study import read


def conditions(*paths):
    study = read(list(paths))
    fields = fields_of(study)
    return study, fields, *conditions_of(study, fields)


def test_conditions_differ_in_what_varies_and_not_in_the_seed(swept):
    study, fields, found, pooled = conditions(swept)
    assert [field.name for field in fields] == ["algorithm", "learning_rate"]
    assert pooled == []
    assert [label(one, fields) for one in found] == [
        f"{learner}, learning_rate {rate}" for learner in ("vdn", "qmix") for rate in ("0.001", "0.0005")
    ]
    assert setting(found[0], fields) == "game, learning_rate 0.001"
    assert [study.records[row]["seed"] for row in found[0].rows] == list(range(8))


def test_fields_with_too_many_values_to_compare_are_pooled(make):
    rates = np.geomspace(1e-4, 1e-2, 30).tolist()
    _, fields, found, pooled = conditions(make(grid={"learning_rate": rates, "epsilon_end": [0.05, 0.1]}, seeds=2))
    assert pooled == ["learning_rate"]
    assert len(found) == 4 and {len(one.rows) for one in found} == {60}
    assert label(found[0], fields) == "vdn, epsilon_end 0.05"


def test_a_field_drawn_anew_for_every_run_makes_no_condition(make):
    _, _, found, pooled = conditions(make(grid={"learning_rate": [0.1 * k for k in range(1, 9)]}, seeds=1))
    assert pooled == ["learning_rate"] and len(found) == 2


def test_a_few_single_runs_are_told_apart(make):
    _, _, found, pooled = conditions(make(grid={"learning_rate": [0.1, 0.2]}, seeds=1))
    assert pooled == [] and len(found) == 4


def test_an_experiment_with_a_directory_for_each_learner_differs_in_the_learner(make):
    paths = [make(f"study/{learner}", learners=(learner,)) for learner in ("vdn", "qmix")]
    _, fields, found, _ = conditions(*paths)
    assert [field.name for field in fields] == ["algorithm"]
    assert [label(one, fields) for one in found] == ["vdn", "qmix"]
    assert {setting(one, fields) for one in found} == {"game"}  # lines of one panel


def test_the_same_sweep_twice_differs_in_the_directory(make):
    _, fields, found, _ = conditions(make("old", learners=("qmix",)), make("new", learners=("qmix",)))
    assert [label(one, fields) for one in found] == ["qmix, old", "qmix, new"]


def test_of_fields_that_were_varied_together_one_is_named(make):
    path = make(learners=("qmix",), grid={"epsilon_end": [0.05, 1.0], "width": [8, 16]})
    study = read([path])
    for record in study.records:
        record["epsilon_anneal"] = 1000 if record["epsilon_end"] == 1.0 else 50
    fields = fields_of(study)
    found, _ = conditions_of(study, fields)
    assert [field.name for field in fields] == ["epsilon_end", "width", "epsilon_anneal"]
    assert label(found[0], fields) == "qmix, epsilon_end 0.05, width 8"


def test_a_setting_that_the_environment_says_is_not_repeated(make):
    paths = [make(f"study/{env}", envs=(env,), grid={"epsilon_end": [end]}) for env, end in (("A", 0.05), ("D", 1.0))]
    _, fields, found, _ = conditions(*paths)
    assert [field.name for field in fields] == ["env", "algorithm", "epsilon_end"]
    assert [label(one, fields) for one in found] == ["vdn, A", "qmix, A", "vdn, D", "qmix, D"]


def test_directories_with_different_settings_are_put_side_by_side(make):
    _, fields, found, _ = conditions(make("a", grid={"mixer": ["qmix"]}), make("b", learners=("vdn",)))
    assert [label(one, fields) for one in found] == ["vdn, mixer qmix, a", "qmix, mixer qmix, a", "vdn, b"]


def test_values_are_written_in_words():
    assert field_text(TabularAgent(scale=0.2)) == "TabularAgent(scale=0.2)"
    assert field_text({"class": "my_game:Agent", "fields": {"width": 3}}) == "Agent(width=3)"
    assert [field_text(value) for value in (None, True, -1e-7, np.eye(2))] == [
        "none",
        "True",
        "−1e−07",
        "[[1.0, 0.0], [0.0, 1.0]]",
    ]


def test_long_values_stay_apart_where_they_are_cut(make):
    long = ["x" * 100 + end for end in "ab"]
    _, fields, found, _ = conditions(make(grid={"name": long}))
    assert len(found) == 4
    assert len(set(fields[-1].levels)) == 2 and all(len(level) < 60 for level in fields[-1].levels)
