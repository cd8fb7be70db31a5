"""Figures hold the data that they were given: the artists are read back, not just drawn."""

import subprocess
import sys

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.container import ErrorbarContainer
from matplotlib.image import imread
from matplotlib.text import Text

from jaxvf.algorithms import ALGORITHMS
from jaxvf.results import figure_style, plots
from jaxvf.results.statistics import Interval, fraction_interval, iqm, iqm_interval


@pytest.fixture
def curves():
    rng = np.random.default_rng(0)
    steps = np.arange(0, 50_000, 10_000)
    return {"qmix": (steps, rng.normal(size=(8, 5))), "pow_qmix": (steps, rng.normal(3.0, size=(6, 5)))}


def legend(figure):
    (found,) = figure.legends
    return [text.get_text() for text in found.get_texts()]


def texts_that_overlap(figure):
    """Pairs of visible texts whose boxes intersect once the figure is laid out."""
    figure.canvas.draw()
    renderer = figure.canvas.get_renderer()
    texts = [t for t in figure.findobj(Text) if t.get_text() and t.get_visible()]
    boxes = [(t.get_text(), t.get_window_extent(renderer)) for t in dict.fromkeys(texts)]
    return [(a, b) for i, (a, box) in enumerate(boxes) for b, other in boxes[i + 1 :] if box.overlaps(other)]


def test_learning_curves_draw_the_iqm_and_its_interval(curves):
    figure = plots.learning_curves(curves, ylabel="Test return", title="A title", samples=200)
    (axes,) = figure.axes
    assert (axes.get_ylabel(), axes.get_title(loc="left")) == ("Test return", "A title")
    for line, band, (steps, values) in zip(axes.lines, axes.collections, curves.values(), strict=True):
        np.testing.assert_array_equal(line.get_xdata(), steps)
        np.testing.assert_allclose(line.get_ydata(), iqm(values))
        interval = iqm_interval(values, samples=200, rng=np.random.default_rng(0))
        corners = {(x, y) for x, y in band.get_paths()[0].vertices}
        assert corners >= set(zip(steps, interval.low, strict=True)) | set(zip(steps, interval.high, strict=True))
    assert legend(figure) == ["qmix", "pow_qmix"]
    assert texts_that_overlap(figure) == []


def test_learning_curves_say_how_many_runs_are_left(curves):
    values = curves["qmix"][1]
    values[:3, 2:] = np.nan
    figure = plots.learning_curves(curves, ylabel="y", reference=("optimum", 5.0), samples=50)
    assert legend(figure) == ["qmix (5 of 8 runs)", "pow_qmix", "optimum"]
    np.testing.assert_allclose(figure.axes[0].lines[0].get_ydata(), iqm(values))
    np.testing.assert_array_equal(figure.axes[0].lines[2].get_ydata(), [5.0, 5.0])


def test_all_runs_diverged_and_one_evaluation_still_draw():
    curves = {"a": (np.array([0]), np.ones((3, 1))), "b": (np.array([0]), np.full((3, 1), np.nan))}
    figure = plots.learning_curves(curves, ylabel="y", samples=20)
    assert legend(figure) == ["a", "b (0 of 3 runs)"]
    figure.canvas.draw()


def test_steps_must_match_values(curves):
    with pytest.raises(ValueError, match="qmix"):
        plots.learning_curves({"qmix": (np.arange(3), np.zeros((2, 5)))}, ylabel="y")


def test_one_style_per_label_whatever_the_figure(curves):
    study = plots.styles(["vdn", "pow_qmix", "qmix"])
    figure = plots.learning_curves(curves, ylabel="y", style=study, samples=20)
    fractions = plots.success_fractions({"A": {"pow_qmix": Interval(0.5, 0.4, 0.6)}}, xlabel="won", style=study)
    (bars,) = (c for c in fractions.axes[0].containers if isinstance(c, ErrorbarContainer))
    assert to_hex(figure.axes[0].lines[1].get_color()) == to_hex(bars.lines[0].get_color())
    assert study["pow_qmix"] == plots.styles(["pow_qmix"])["pow_qmix"]
    assert study["pow_qmix"].colour == figure_style.learner_colour("pow_qmix") == figure_style.VERMILION


def test_every_registered_learner_looks_like_no_other():
    assert len(set(plots.styles(list(ALGORITHMS)).values())) == len(ALGORITHMS)


def test_a_configured_learner_keeps_its_colour_and_settings_of_one_differ():
    """What no learner of the figure has comes first: the settings are not taken for another learner."""
    assert plots.styles(["qmix, learning_rate 0.001", "vdn"])["qmix, learning_rate 0.001"].colour == figure_style.BLUE
    found = plots.styles(["vdn", "qmix, learning_rate 0.001", "qmix, learning_rate 0.0005", "qmix#2", "mixed"])
    assert len({look.colour for look in found.values()}) == 5
    assert next(iter(found)) == "vdn" and found["vdn"] == plots.styles(["vdn"])["vdn"]


def test_fractions_of_runs_have_score_intervals():
    """Of four runs one is at the optimum, then three; one that diverged counts as not there."""
    values = np.array([[1.0, 1.0], [0.0, 1.0], [0.0, 1.0], [0.0, np.nan]])
    figure = plots.learning_curves({"qmix": (np.array([0, 1]), values)}, ylabel="y", fractions=True, note="A caption.")
    (axes,) = figure.axes
    np.testing.assert_allclose(axes.lines[0].get_ydata(), [0.25, 0.75])
    corners = {(x, y) for x, y in axes.collections[0].get_paths()[0].vertices}
    assert (1.0, fraction_interval(3, 4).high) in corners
    assert "A caption." in [text.get_text() for text in figure.texts]
    assert texts_that_overlap(figure) == []


def test_a_caption_grows_the_picture_and_is_whole():
    """Long text is wrapped inside the picture, below everything else."""
    text = "A claim that takes a long sentence, over 64 seeds. " * 8
    figure = plots.success_fractions({"A": {"qmix": Interval(0.5, 0.4, 0.6)}}, xlabel="won", note=text)
    assert texts_that_overlap(figure) == []
    (found,) = figure.texts
    assert found.get_text().replace("\n", " ") == text.strip()
    box = found.get_window_extent()
    assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= figure.bbox.width


def test_styles_stay_distinct_beyond_the_palette():
    labels = [str(i) for i in range(len(figure_style.COLOURS) * len(figure_style.DASHES))]
    assert len(set(plots.styles(labels).values())) == len(labels)


def test_success_fractions_draw_every_cell_with_its_interval():
    table = {
        "game A": {"qmix": fraction_interval(0, 64), "pow_qmix": fraction_interval(64, 64)},
        "predator_prey, env.penalty = -3.0": {"pow_qmix": fraction_interval(30, 64)},
    }
    figure = plots.success_fractions(table, xlabel="Runs at the optimum", title="64 runs per point")
    axes = figure.axes[0]
    bars = {c.get_label(): c for c in axes.containers}
    assert list(bars) == legend(figure) == ["qmix", "pow_qmix"]
    np.testing.assert_allclose(bars["qmix"].lines[0].get_xdata(), [0.0])
    np.testing.assert_allclose(bars["pow_qmix"].lines[0].get_xdata(), [1.0, 30 / 64])
    (spans,) = bars["pow_qmix"].lines[2]
    drawn = [sorted(segment[:, 0]) for segment in spans.get_segments()]
    np.testing.assert_allclose(drawn, [[row["pow_qmix"].low, row["pow_qmix"].high] for row in table.values()])
    assert [t.get_text().replace("\n", " ") for t in axes.get_yticklabels()] == list(table)
    assert texts_that_overlap(figure) == []


def test_value_tables_write_numbers_and_frame_the_greedy_cell():
    payoff = np.array([[8.0, -12.0], [-12.0, 7.9]])
    learned = np.array([[-8.04, -7.0], [-7.0, np.nan]])
    figure = plots.value_tables({"payoff": payoff, "qmix": learned}, greedy={"qmix": [(1, 1)]}, title="A title")
    assert [axes.get_title() for axes in figure.axes] == ["payoff", "qmix"]
    assert [[t.get_text() for t in axes.texts] for axes in figure.axes] == [
        ["8", "−12", "−12", "7.9"], ["−8.0", "−7", "−7", "nan"],
    ]  # fmt: skip
    for axes, table, (row, column) in zip(figure.axes, (payoff, learned), ((0, 0), (1, 1)), strict=True):
        np.testing.assert_array_equal(np.asarray(axes.images[0].get_array().filled(np.nan)), table)
        (frame,) = axes.patches
        assert frame.get_bbox().contains(column, row)
        assert frame.get_bbox().width < 1
    assert figure.axes[0].images[0].get_clim() == figure.axes[1].images[0].get_clim()
    assert texts_that_overlap(figure) == []


def test_value_tables_of_several_games_scale_row_by_row():
    payoff = np.array([[[1.0, 0.0], [0.0, 1.0]], [[10.0, 0.0], [0.0, 5.0]]])
    figure = plots.value_tables({"payoff": payoff, "qmix": payoff - 1}, rows=("A", "B"))
    assert len(figure.axes) == 4
    scales = [axes.images[0].get_clim()[1] for axes in figure.axes]
    np.testing.assert_allclose(np.divide(scales, scales[0]), [1, 1, 10, 10])
    assert [len(axes.patches) for axes in figure.axes] == [2, 2, 1, 1]  # ties are all framed


@pytest.mark.parametrize("shape", [(3,), (2, 2, 2), (3, 2)])
def test_value_tables_need_one_shape(shape):
    with pytest.raises(ValueError, match="every column needs 1 tables"):
        plots.value_tables({"payoff": np.zeros((2, 2)), "qmix": np.zeros(shape)})


def test_save_writes_whole_files(tmp_path, curves):
    figure = plots.learning_curves(curves, ylabel="y", samples=20)
    written = plots.save(figure, tmp_path / "figures" / "curves", svg=True)
    assert [path.name for path in written] == ["curves.png", "curves.svg"]
    assert sorted(written) == sorted((tmp_path / "figures").iterdir())
    width = plots.WIDTH * plots.DPI
    assert imread(written[0]).shape[1] == pytest.approx(width, abs=1)
    assert written[1].read_text().rstrip().endswith("</svg>")


def test_heavy_imports_wait_for_their_use():
    """Matplotlib, pyarrow and wandb are loaded where they are used; pyplot, with its global state, never."""
    script = """
import sys
from jaxvf.results import plots, statistics, store, wandb_log
heavy = {"matplotlib", "pyarrow", "wandb"} & set(sys.modules)
assert not heavy, heavy
plots.value_tables({"payoff": [[1.0]]})
assert "matplotlib.pyplot" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
