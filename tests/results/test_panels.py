"""Panels and direct labels: what is drawn is what was given, and no two labels hide each other."""

import numpy as np
import pytest

from jaxvf.results.direct_labels import spread
from jaxvf.results.figure_style import learner_colour, styles
from jaxvf.results.game_answer import Course, Learned, game_answer
from jaxvf.results.panels import curve_panels, dot_panels, facets
from jaxvf.results.statistics import Interval, fraction_interval

HALF = Interval(0.5, 0.4, 0.7)


def shown(figure):
    figure.canvas.draw()
    return [axes for axes in figure.axes if axes.get_visible()]


@pytest.mark.parametrize("wanted", [[0.0, 0.0, 0.98, 0.48], [1.0, 1.0, 1.0, 0.99], [0.0, 0.0, 0.0, 0.05], [0.5]])
def test_labels_keep_their_distance_order_and_space(wanted):
    found = spread(wanted, 0.1, -0.02, 1.02)
    assert all(abs(a - b) >= 0.1 - 1e-9 for i, a in enumerate(found) for b in found[i + 1 :])
    assert min(found) >= -0.02 - 1e-9 and max(found) <= 1.02 + 1e-9
    assert [x for _, x in sorted(zip(found, wanted, strict=True))] == sorted(wanted)


def test_labels_that_have_room_stay_where_their_lines_end():
    assert spread([0.2, 0.9], 0.1, 0.0, 1.0) == [0.2, 0.9]
    assert spread([], 0.1, 0.0, 1.0) == []


def test_a_facet_draws_its_learner_in_colour_and_the_others_in_grey():
    lines = {name: [(0.0, HALF), (1.0, HALF)] for name in ("vdn", "qmix", "qplex")}
    panels = shown(facets(lines, xlabel="x", ylabel="y", note="A caption.", across=2))
    assert [axes.get_title(loc="left") for axes in panels] == ["vdn", "qmix", "qplex"]
    for axes in panels:
        colours = [line.get_color() for line in axes.lines]
        assert colours.count("#CCCCCC") == 2
        assert learner_colour(axes.get_title(loc="left")) in colours


def test_curves_have_their_intervals_and_ticks_where_they_were_measured():
    style = styles(["qmix"])
    panels = {"team": {"qmix": [(4, HALF), (64, Interval(0.9, 0.8, 1.0))]}}
    (axes,) = shown(curve_panels(panels, xlabels={"team": "agents"}, ylabel="reward", style=style))
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["4", "64"]
    (bars,) = axes.containers
    (spans,) = bars.lines[2]
    np.testing.assert_allclose([segment[:, 1] for segment in spans.get_segments()], [[0.4, 0.7], [0.8, 1.0]])


def test_dots_have_intervals_and_open_diamonds_what_was_expected():
    rows, cells = ["QMIX", "VDN"], {"QMIX": HALF}
    figure = dot_panels(
        {"game E": cells}, rows=rows, xlabel="seeds", colours=dict.fromkeys(rows, "#000000"),
        expected={"game E": {"VDN": 0.25}},
    )  # fmt: skip
    (axes,) = shown(figure)
    assert [tick.get_text() for tick in axes.get_yticklabels()] == rows
    bar, point, diamond = axes.lines
    assert list(bar.get_xdata()) == [0.4, 0.7] and list(point.get_xdata()) == [0.5]
    assert (list(diamond.get_xdata()), list(diamond.get_ydata())) == ([0.25], [1])


def test_the_answer_shows_tables_above_and_courses_below():
    payoff = np.array([[8.0, -12.0], [-12.0, 7.9]])
    course = Course(np.array([0, 10]), fraction_interval(np.array([0, 4]), np.array([4, 4])))
    tables = [Learned("payoff", payoff, [[0, 0]], ""), Learned("qmix", payoff - 1, [[1, 1]], "0 % of seeds")]
    top_left, top_right, below = shown(game_answer(tables, {"game A": {"qmix": course}}, note="A caption."))
    assert (top_left.get_title(), top_right.get_title()) == ("payoff", "qmix")
    assert top_left.images[0].get_clim() == top_right.images[0].get_clim()
    np.testing.assert_allclose(below.lines[0].get_ydata(), [0.0, 1.0])
    assert [text.get_text() for text in below.texts] == ["qmix"]
