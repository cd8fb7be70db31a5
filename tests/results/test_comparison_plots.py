"""Figures of a result hold its numbers: the artists are read back."""

import numpy as np
import pytest
from made_results import made, with_metric

import jaxvf
from jaxvf.errors import InputError
from jaxvf.results import comparison_plots, fraction_interval, iqm
from jaxvf.results.figure_style import learner_colour

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


def test_a_profile_falls_exactly_at_the_scores_that_occur():
    """A run at 8 is above 7.9, however far down the axis begins; of few values each has a place of its own."""
    (axes,) = comparison_plots.profiles(made({"qmix": [[7.9]] * 3 + [[8]], "vdn": [[-12], [8], [8]]}, steps=(9,))).axes
    assert [text.get_text() for text in axes.get_xticklabels()] == ["−12", "7.9", "8"]
    drawn = {line.get_label(): line for line in axes.lines}
    np.testing.assert_allclose(drawn["qmix"].get_xdata(), [-0.6, 1, 2, 2.6])
    np.testing.assert_allclose(drawn["qmix"].get_ydata(), [1, 0.25, 0, 0])
    np.testing.assert_allclose(drawn["vdn"].get_ydata(), [1, 2 / 3, 0, 0])
    assert {line.get_drawstyle() for line in axes.lines} == {"steps-post"}
    assert any("share of 3 to 4 runs" in text.get_text() for text in axes.texts)


def test_a_profile_of_many_scores_lies_on_their_own_axis():
    scores = np.linspace(0, 1, 20)
    (axes,) = comparison_plots.profiles(made({"vdn": scores[:, None], "qmix": scores[:, None]}, steps=(9,))).axes
    np.testing.assert_allclose(axes.lines[0].get_xdata()[1:-1], scores, rtol=1e-6)
    np.testing.assert_allclose(axes.lines[0].get_ydata()[:-1], np.linspace(1, 0, 21))


def test_profiles_of_two_environments_have_a_panel_each():
    both = jaxvf.concat([made(RETURNS), made(RETURNS, env="predator_prey")])
    figure = comparison_plots.profiles(both)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["matrix_game/A", "predator_prey"]


def test_learners_share_a_panel_for_each_setting_and_keep_their_colours():
    """What the sweep of the README draws: a panel for each cost, two lines in each."""
    figure = jaxvf.concat([made(RETURNS, env=f"cost {cost}") for cost in (0, 2, 4)]).plot()
    assert [axes.get_title(loc="left") for axes in figure.axes if axes.lines] == ["cost 0", "cost 2", "cost 4"]
    for axes in figure.axes[:3]:
        colours = {line.get_label(): line.get_color() for line in axes.lines}
        assert colours == {name: learner_colour(name) for name in ("vdn", "qmix")}
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["vdn", "qmix"]


def test_settings_of_a_single_learner_share_a_panel():
    figure = jaxvf.concat([made({"qmix": [[0, 1]]}, learning_rate=rate) for rate in (0.1, 0.2, 0.3)]).plot()
    (axes,) = figure.axes
    assert [line.get_label() for line in axes.lines] == [f"learning_rate {rate}" for rate in (0.1, 0.2, 0.3)]


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
