"""Figures of a result hold its numbers: the artists are read back."""

import numpy as np
import pytest
from made_results import made, with_metric

import jaxvf
from jaxvf.errors import InputError
from jaxvf.results import comparison_plots, fraction_interval, iqm

NAN = float("nan")
RETURNS = {"vdn": [[0, 1], [0, 2], [0, 3]], "qmix": [[0, 2], [0, 3], [0, 4]]}


def lines(figure):
    return {line.get_label(): np.asarray(line.get_ydata()) for axes in figure.axes for line in axes.lines}


def test_the_fraction_at_the_optimum_is_drawn_where_there_is_one():
    optimal = [[0, 1], [0, 0], [1, 1], [1, 1], [1, NAN], [1, 1]]
    status = ["finished"] * 4 + ["diverged", "finished"]
    figure = with_metric(made(RETURNS, status=status), "test_optimal", optimal).plot()
    drawn = lines(figure)
    np.testing.assert_allclose(drawn["vdn"], [1 / 3, 2 / 3])
    np.testing.assert_allclose(drawn["qmix"], [1.0, 2 / 3])  # one diverged, and is at no optimum
    (axes,) = figure.axes
    assert axes.get_ylabel() == "Runs at the optimum"
    corners = {(x, round(float(y), 6)) for x, y in axes.collections[0].get_paths()[0].vertices}
    assert (200, round(float(fraction_interval(2, 3).low), 6)) in corners


def test_runs_that_are_not_evaluated_yet_are_in_no_fraction():
    status = ["finished", "unfinished", "unfinished"]
    result = made({"vdn": [[0, 0], [0, NAN], [NAN, NAN]]}, status=status)
    figure = with_metric(result, "test_won", [[1, 1], [0, NAN], [NAN, NAN]]).plot()
    np.testing.assert_allclose(lines(figure)["vdn"], [0.5, 1.0])


def test_else_the_iqm_of_the_return():
    figure = made(RETURNS).plot()
    np.testing.assert_allclose(lines(figure)["qmix"], iqm(np.asarray(RETURNS["qmix"])))
    assert figure.axes[0].get_ylabel() == "test return"
    with pytest.raises(InputError, match="unknown metric 'test_retrun'; did you mean 'test_return'"):
        made(RETURNS).plot("test_retrun")
    with pytest.raises(InputError, match="unknown metric 'fraction_optimal'; valid: test_return"):
        made(RETURNS).plot("fraction_optimal")


def test_every_axis_ends_where_its_runs_do():
    figure = jaxvf.concat([made(RETURNS), made({"iql": [[5]]}, steps=(50,))]).plot()
    assert [len(values) for values in lines(figure).values()] == [2, 2, 1]


def test_a_profile_falls_at_every_score():
    figure = comparison_plots.profiles(made(RETURNS))
    (axes,) = figure.axes
    for line, scores in zip(axes.lines, ([1, 2, 3], [2, 3, 4]), strict=True):
        taus = np.asarray(line.get_xdata())
        np.testing.assert_allclose(line.get_ydata(), (np.asarray(scores) > taus[:, None]).mean(axis=1))
    assert axes.lines[0].get_ydata()[0] == 1.0
    assert axes.lines[0].get_ydata()[-1] == 0.0


def test_profiles_of_two_environments_have_a_panel_each():
    both = jaxvf.concat([made(RETURNS), made(RETURNS, env="predator_prey")])
    figure = comparison_plots.profiles(both)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["matrix_game/A", "predator_prey"]


def test_the_matrix_writes_its_chances():
    figure = jaxvf.compare(made(RETURNS)).plot()
    texts = [text.get_text().splitlines()[0] for text in figure.axes[0].texts]
    assert texts == ["0.22", "0.78"]  # of nine pairs vdn wins one and ties two
    figure.canvas.draw()


def test_more_lines_than_can_be_told_apart_are_refused():
    many = made({f"learner{place}": [[0, 0]] for place in range(29)})
    with pytest.raises(InputError, match="29 conditions are too many for one figure"):
        many.plot()


def test_a_profile_of_nothing_is_refused():
    with pytest.raises(InputError, match="no run on matrix_game/A has a score of test_return"):
        comparison_plots.profiles(made({"vdn": [[0, NAN]], "qmix": [[0, NAN]]}, status=["diverged"] * 2))


def test_a_learner_has_its_colour_and_a_setting_the_next():
    two = comparison_plots.looks(["vdn", "qmix"])
    assert two["qmix"].colour == comparison_plots.looks(["qmix", "resq"])["qmix"].colour
    for labels in (["qmix#0", "qmix#1"], ["qmix, learning_rate 0.1", "qmix, learning_rate 0.2"]):
        assert len({look.colour for look in comparison_plots.looks(labels).values()}) == 2
