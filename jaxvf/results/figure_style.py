"""How every figure looks: colours that colour-blind readers can tell apart, axes, heads; shared by all plots."""

import math
import re
import textwrap
import zlib
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


# Okabe & Ito 2008, safe for colour blindness; their yellow is left out, too pale for a line on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DASHES = ("-", "--", ":", "-.")
# Beside them for learners alone: Tol's muted wine, olive and indigo, and a grey.
WINE, OLIVE, INDIGO, GREY = "#882255", "#999933", "#332288", "#777777"
BLUE, VERMILION, GREEN, PINK, ORANGE, SKY, BLACK = COLOURS
# One learner has one colour in every figure. Those of a family share theirs, and differ by their dash.
LEARNERS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        BLUE: ("qmix", "happo", "hatrpo", "hatrpo_shared"),
        VERMILION: ("pow_qmix", "pow_vdn", "pow_qplex", "clip_happo", "clip_hatrpo"),
        GREEN: ("qplex", "qplex_qatten", "duelmix", "a2po"),
        PINK: ("nm_qmix", "nm_qmix_rnd", "unweighted_happo", "unweighted_hatrpo"),
        ORANGE: ("cw_qmix", "ow_qmix", "coppo"),
        SKY: ("vdn", "pqn_vdn", "pqn_qmix", "mappo"),
        BLACK: ("iql", "ippo"),
        WINE: ("mrvf", "s2q"),
        OLIVE: ("resq", "qfix_sum", "qfix_mono", "qfix_lin"),
        INDIGO: ("q_plus_fix_sum", "q_plus_fix_mono", "q_plus_fix_lin"),
        GREY: ("qtran", "qtran_alt"),
    }
)
SECOND_DASH = ("pow_vdn", "qplex_qatten", "nm_qmix_rnd", "ow_qmix", "qtran_alt", "hatrpo", "clip_hatrpo",
               "unweighted_hatrpo", "qfix_sum", "q_plus_fix_mono", "pqn_vdn", "s2q")  # fmt: skip
THIRD_DASH = ("hatrpo_shared", "pow_qplex", "duelmix", "qfix_mono", "q_plus_fix_lin", "pqn_qmix")
FOURTH_DASH = ("qfix_lin",)
# Markers of the value learners that meet in one figure; all others have that of their place above.
OWN_MARKERS = {
    "mrvf": "*", "resq": "p", "qtran": ">", "qtran_alt": "8", "duelmix": "h", "cw_qmix": "v", "ow_qmix": "d",
    "pow_qmix": "s", "pow_vdn": "H", "pow_qplex": "<", "nm_qmix": "D", "qplex": "^", "vdn": "P", "iql": "X",
    "coppo": "o",
}  # fmt: skip
INK, SOFT, FAINT = "#222222", "#555555", "#777777"
TEXT, SMALL, WIDTH, DPI = 11, 9.5, 7.2, 200  # points and inches that stay legible at a README's 830 pixels


class Style(NamedTuple):
    """How one algorithm is drawn in every figure."""

    colour: str
    marker: str
    dash: str


def styles(labels: Sequence[str]) -> dict[str, Style]:
    """One style per label: a learner's own, the same in every figure, or the next free one.

    A label that begins with a learner's name ("qmix, learning_rate 0.001") has its style too, unless another label of
    the figure does: then colours tell the settings apart.
    """
    labels = list(dict.fromkeys(labels))
    names = [name for family in LEARNERS.values() for name in family]
    learners = [re.split(r"[ ,(#]", label, maxsplit=1)[0] for label in labels]
    found: dict[str, Style] = {}
    for label, name in zip(labels, learners, strict=True):
        if label in names or (name in names and learners.count(name) == 1):
            colour = learner_colour(name)
            marker = OWN_MARKERS.get(name, MARKERS[names.index(name) % len(MARKERS)])
            dashes = [learner_dash(name), *DASHES]  # where another learner of its family looks so, the next
            found[label] = _first_new([Style(colour, marker, dash) for dash in dashes], found)
    kinds, taken = len(COLOURS), {look.colour for look in found.values()}
    free = [Style(COLOURS[i % kinds], MARKERS[i % kinds], DASHES[i // kinds]) for i in range(kinds * len(DASHES))]
    free.sort(key=lambda look: look.colour in taken)  # colours that nobody has come first
    for label in labels:
        if label not in found:
            found[label] = _first_new(free, found)
    return {label: found[label] for label in labels}


def _first_new(wished: Sequence[Style], found: Mapping[str, Style]) -> Style:
    """The first style whose line nobody has yet; the first of all where each is taken."""
    lines = {(look.colour, look.dash) for look in found.values()}
    return next((look for look in wished if (look.colour, look.dash) not in lines), wished[0])


def learner_colour(name: str) -> str:
    """The colour of a learner in every figure, as a hexadecimal number.

    Args:
        name: registered name, or the label of a configured learner ("qmix#2", which has qmix's colour). Any other name
            has one of the first seven, always the same one.
    """
    base = name.partition("#")[0]
    known = {learner: colour for colour, learners in LEARNERS.items() for learner in learners}
    return known.get(base) or COLOURS[zlib.crc32(base.encode()) % len(COLOURS)]


def learner_dash(name: str) -> str:
    """The dash that tells a learner from others of its colour, as matplotlib writes it."""
    base = name.partition("#")[0]
    later = (SECOND_DASH, THIRD_DASH, FOURTH_DASH)
    return DASHES[next((place for place, names in enumerate(later, 1) if base in names), 0)]


def blank(width: float, height: float) -> "Figure":
    """An empty figure of that many inches on its own Agg canvas: pyplot's global state is never touched."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def dress(axes: "Axes", *, xlabel: str, ylabel: str) -> None:
    """Labels, light grid, no box."""
    axes.set_xlabel(xlabel, fontsize=TEXT, color=INK)
    axes.set_ylabel(ylabel, fontsize=TEXT, color=INK)
    axes.tick_params(labelsize=SMALL, color=FAINT, labelcolor=INK)
    axes.grid(True, color="#E6E6E6", linewidth=0.8)
    axes.set_axisbelow(True)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(FAINT)


def head(figure: "Figure", axes: "Axes", title: str, subtitle: str) -> None:
    """Title and subtitle flush left above the axes, the legend of all panels above all."""
    if subtitle:
        axes.annotate(subtitle, (0, 1), xytext=(0, 6), xycoords="axes fraction", textcoords="offset points",
                      fontsize=SMALL, color=FAINT)  # fmt: skip
    if title:
        axes.set_title(title, loc="left", fontsize=TEXT + 2, color=INK, pad=22 if subtitle else 10)
    named: dict[str, Any] = {}
    for panel in figure.axes:
        for handle, label in zip(*panel.get_legend_handles_labels(), strict=True):
            named.setdefault(label, handle)
    handles, labels = list(named.values()), list(named)
    if not handles:
        return
    # A character is about half as wide as the text is high; every row of the legend adds to the height.
    widest = 0.52 * TEXT / 72 * max(map(len, labels)) + 0.67
    rows = math.ceil(len(labels) / max(1, WIDTH // widest))
    figure.set_figheight(figure.get_figheight() + 0.05 + 0.24 * rows)
    figure.legend(
        handles, labels, loc="outside upper center", ncols=math.ceil(len(labels) / rows),
        fontsize=TEXT, labelcolor=INK, frameon=False, handlelength=2.2, columnspacing=1.4,
    )  # fmt: skip


def caption(figure: "Figure", text: str, *, xlabel: str = "") -> None:
    """Text below everything else in the picture, which grows by its lines; to be called last.

    Args:
        figure: laid out by constraints, as `blank` makes it.
        text: what the picture shows; it is wrapped here.
        xlabel: of all panels together, centred above the text.
    """
    width, height = figure.get_size_inches()
    look: dict[str, Any] = {"fontsize": SMALL, "color": SOFT, "va": "bottom", "linespacing": 1.3}
    whole = figure.text(0, 0, text, **look)
    inches = whole.get_window_extent().width / figure.dpi
    whole.remove()
    # Lines differ in how wide their letters are on average.
    lines = textwrap.wrap(text, max(20, int(0.96 * len(text) * (width - 0.2) / max(inches, 1e-6)))) if text else []
    below = 0.06 + len(lines) * 1.35 * SMALL / 72
    added = below + (0.28 if xlabel else 0.06)
    share = added / (height + added)
    figure.set_figheight(height + added)
    engine = figure.get_layout_engine()
    assert engine is not None
    engine.set(rect=(0, share, 1, 1 - share))  # pyright: ignore[reportCallIssue]
    figure.text(0.1 / width, 0.06 / (height + added), "\n".join(lines), **look)
    if xlabel:
        figure.text(0.5, (below + 0.04) / (height + added), xlabel, fontsize=TEXT, color=INK, ha="center", va="bottom")


def number(value: float) -> str:
    """As many digits as a cell has room for, with a true minus sign; 8 is exact, 8.0 is rounded."""
    if not np.isfinite(value) or abs(value) >= 1000:
        text = f"{value:.0e}".replace("e+0", "e").replace("e+", "e")
    elif value == round(value) or abs(value) >= 100:
        text = f"{value:.0f}"
    else:
        text = f"{round(value, 1) + 0.0:.1f}"  # adding zero turns -0.0 into 0.0
    return text.replace("-", "−")
