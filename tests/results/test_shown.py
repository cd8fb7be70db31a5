"""How a result shows itself: its conditions with their answers, a picture in a notebook, and nothing unescaped."""

import re

import numpy as np
import pytest
from made_results import made, with_metric

import jaxvf
from jaxvf.errors import InputError
from jaxvf.results import shown

HOSTILE = "</script><img src=x onerror=alert(1)>\"'"


def reached(count: int, runs: int = 4, name: str = "test_optimal"):
    result = made({"vdn": np.zeros((runs, 2)), "qmix": np.ones((runs, 2))})
    return with_metric(result, name, [[0, row % runs < count] for row in range(2 * runs)])


def test_a_result_says_what_was_run_and_what_came_of_it():
    lines = repr(reached(3)).splitlines()
    assert lines == [
        "Result: 8 runs on matrix_game/A, 200 environment steps",
        "  vdn   fraction_optimal 0.75 [0.30, 0.95]  (4 runs)",
        "  qmix  fraction_optimal 0.75 [0.30, 0.95]  (4 runs)",
    ]


def test_without_a_goal_the_answer_is_the_return_and_lost_runs_are_counted():
    nan = float("nan")
    result = made({"vdn": [[0, 2], [0, nan], [0, nan]]}, status=["finished", "diverged", "unfinished"])
    head, line = repr(result).splitlines()
    assert head == "Result: 3 runs, 1 diverged, 1 unfinished on matrix_game/A, 200 environment steps"
    assert line == "  vdn  test_return 2.00 [2.00, 2.00]  (3 runs, 1 diverged, 1 unfinished)"


def test_a_result_without_any_evaluation_still_shows_itself():
    result = made({"vdn": [[0, 0]]}, status=["unfinished"])
    result._curves.clear()
    assert repr(result).splitlines()[1] == "  vdn  (1 run, 1 unfinished)"
    assert "<img" not in result._repr_html_()
    for ask in (result.plot, result.summary, result.to_marl_eval, lambda *_: jaxvf.compare(result)):
        with pytest.raises(InputError, match="no run has been evaluated"):
            ask(*["x.json"] if ask == result.to_marl_eval else [])


def test_a_notebook_shows_a_table_and_a_picture():
    html = reached(3)._repr_html_()
    assert "0.75 [0.30, 0.95]" in html
    (data,) = re.findall(r'src="data:image/png;base64,([^"]+)"', html)
    assert data.startswith("iVBORw0KGgo")  # the signature of PNG
    assert len(html) < 200_000


def test_names_are_escaped():
    result = made({HOSTILE: np.zeros((2, 2)), "vdn": np.ones((2, 2))}, env=HOSTILE)
    compared = jaxvf.compare(result)
    for html in (result._repr_html_(), compared._repr_html_(), shown.table((HOSTILE,), [(HOSTILE,)])):
        assert "<img src=x" not in html
        assert "</script>" not in html
        assert "&lt;/script&gt;" in html


def test_many_conditions_are_cut_short():
    result = made({f"learner{place}": np.zeros((1, 2)) for place in range(30)})
    assert repr(result).splitlines()[-1] == "  and 18 more conditions: see summary()"
    assert "<img" not in result._repr_html_()


def test_a_goal_that_an_environment_lacks_is_not_counted_against_it():
    """Of two environments one reports wins: the other's answer is its return."""
    won = with_metric(made({"vdn": [[0, 1]]}), "test_won", [[0, 1]])
    both = jaxvf.concat([won, made({"vdn": [[0, 3]]}, env="predator_prey")])
    assert "fraction_won 1.00" in repr(both)
    assert "test_return 3.00" in repr(both)
    assert "fraction_won" not in both.summary()[1]


def test_a_notebook_shows_a_figure():
    """Jupyter itself shows only figures of pyplot, which jaxvf never touches."""
    for figure in (reached(3).plot(), jaxvf.compare(reached(3)).plot()):
        assert figure._repr_png_().startswith(b"\x89PNG")
