"""The JSON of marl-eval: its levels, its steps, and what it could not compare is refused."""

import json

import pytest
from made_results import made, with_metric

import jaxvf
from jaxvf.errors import InputError
from jaxvf.results import marl_eval

BOTH = {"vdn": [[0, 1], [2, 3]], "qmix": [[4, 5], [6, 7]]}


def test_a_file_has_the_levels_that_marl_eval_reads(tmp_path):
    result = with_metric(made(BOTH), "test_optimal", [[0, 1]] * 4)
    path = result.to_marl_eval(tmp_path / "results.json", ["test_return", "test_optimal"])
    document = json.loads(path.read_text())
    assert list(document) == ["matrix_game"]
    (tasks,) = document.values()
    assert list(tasks) == ["matrix_game/A"]
    assert list(tasks["matrix_game/A"]) == ["vdn", "qmix"]
    assert tasks["matrix_game/A"]["qmix"]["seed_1"] == {
        "step_1": {"step_count": 100, "return": [6.0], "optimal": [0.0]},
        "step_2": {"step_count": 200, "return": [7.0], "optimal": [1.0]},
        "absolute_metrics": {"return": [7.0], "optimal": [1.0]},
    }
    with pytest.raises(InputError, match="exists; name a new file"):
        result.to_marl_eval(path)


def test_two_maps_of_one_environment_are_its_tasks():
    both = jaxvf.concat([made(BOTH), made(BOTH, env="matrix_game/B")])
    assert list(marl_eval.document(both, ["test_return"])["matrix_game"]) == ["matrix_game/A", "matrix_game/B"]


@pytest.mark.parametrize(
    ("result", "line"),
    [
        (made({"vdn": [[0, 1]], "qmix": [[0, 1], [0, 1]]}), "qmix on matrix_game/A has other seeds or evaluations"),
        (jaxvf.concat([made({"vdn": [[0, 1]]}), made({"qmix": [[0]]}, steps=(100,))]), "qmix on .* other seeds"),
        (jaxvf.concat([made(BOTH), made({"vdn": [[0, 1]] * 2}, env="matrix_game/B")]), "qmix on matrix_game/B has"),
        (made({"VDN": [[0, 1]], "vdn": [[0, 1]]}), "makes all names lower case; then some of .* are the same"),
        (made({"vdn": [[0, float("nan")]]}, status=["diverged"]), r"run 0 \(diverged\) has no return at every"),
    ],
)
def test_what_marl_eval_could_not_compare_is_refused(tmp_path, result, line):
    with pytest.raises(InputError, match=line):
        result.to_marl_eval(tmp_path / "results.json")
    assert not list(tmp_path.iterdir())


def test_a_metric_that_no_run_has_is_refused(tmp_path):
    with pytest.raises(InputError, match="unknown metric 'test_won'"):
        made(BOTH).to_marl_eval(tmp_path / "results.json", ["test_won"])
