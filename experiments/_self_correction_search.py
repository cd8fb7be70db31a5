"""The search of `self_correction`: numbers drawn at random, what each does alone, and the regions that look best."""

import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from jaxvf.reproduction import caption
from jaxvf.results import figure_style as look
from jaxvf.results import plots
from jaxvf.results.statistics import fraction_interval

# From where to where each number is drawn, on a logarithmic scale.
DRAWN = {
    "learning_rate": (3e-4, 0.1), "epsilon_end": (0.01, 1.0), "epsilon_anneal": (1.0, 1_500.0),
    "value_scale": (0.01, 10.0), "mixer_scale": (0.1, 3.0), "mixer_rate": (0.01, 3.0),
}  # fmt: skip
WORDS = {
    "learning_rate": "step size", "epsilon_end": "final ε", "epsilon_anneal": "updates until then",
    "value_scale": "initial values, ±", "mixer_scale": "initial weights, ×", "mixer_rate": "mixer's steps, ×",
}  # fmt: skip
BINS = 6  # of a number, for the figure
PARTS = 3  # of each of two numbers: a region is one part of both
FEWEST = 20  # runs of a region from which a share is read

Box = Mapping[str, tuple[float, float]]
Drawn = Mapping[str, Mapping[str, Float[np.ndarray, "R"]]]  # by program and number
Found = Mapping[str, Mapping[str, np.ndarray]]  # outcomes by program


def draw_numbers(box: Box, runs: int, *, seed: list[int]) -> dict[str, Float[np.ndarray, "R"]]:
    """Numbers of every run, independent and log-uniform within the box."""
    rng = np.random.default_rng(seed)
    return {name: np.exp(rng.uniform(*np.log(ends), size=runs)).astype(np.float32) for name, ends in box.items()}


def edges(name: str, parts: int) -> Float[np.ndarray, "parts+1"]:
    """Equal parts of a number's range, on its logarithmic scale."""
    return np.geomspace(*DRAWN[name], parts + 1)


def bins(drawn: Drawn, found: Found) -> Iterator[tuple[dict[str, Any], dict[str, np.ndarray]]]:
    """The runs of every program in each bin of every number."""
    for program, outcomes in found.items():
        for name in DRAWN:
            ends = edges(name, BINS)
            place = np.clip(np.searchsorted(ends, drawn[program][name], side="right") - 1, 0, BINS - 1)
            for index in range(BINS):
                if (place == index).any():
                    row = {"program": program, "number": name, "bin": index}
                    row |= {"from": float(ends[index]), "to": float(ends[index + 1])}
                    yield row, {key: value[place == index] for key, value in outcomes.items()}


def best_regions(drawn: Drawn, found: Found) -> list[dict[str, Any]]:
    """Of all programs and of all parts of two numbers, the one where each objective's interval begins highest.

    Objectives: "optimal", the share of all runs that end at the optimum; "corrected", the same of those whose table
    fitted with a wrong greedy joint action. What is best of many is partly luck: new runs say how much.
    """
    best: dict[str, tuple[float, dict[str, Any]]] = {}
    for program, outcomes in found.items():
        wrong = (outcomes["fitted_at"] >= 0) & ~outcomes["optimal_at_fit"]
        for pair in itertools.combinations(DRAWN, 2):
            places = [np.searchsorted(edges(name, PARTS)[1:-1], drawn[program][name]) for name in pair]
            for chosen in itertools.product(range(PARTS), repeat=2):
                inside = (places[0] == chosen[0]) & (places[1] == chosen[1])
                for objective, asked in (("optimal", inside), ("corrected", inside & wrong)):
                    if asked.sum() < FEWEST:
                        continue
                    seen = fraction_interval(int(outcomes["optimal"][asked].sum()), int(asked.sum()))
                    if seen[1] > best.get(objective, (-1.0,))[0]:
                        box = dict(DRAWN)
                        for name, index in zip(pair, chosen, strict=True):
                            ends = edges(name, PARTS)
                            box[name] = (float(ends[index]), float(ends[index + 1]))
                        region = {"objective": objective, "program": program, "box": box, "seen": list(seen)}
                        best[objective] = seen[1], region
    return [region for _, region in best.values()]


def draw(rows: list[dict[str, Any]], out: Path) -> Path:
    """Share at the optimum when the table first fitted and at the end against every number; a panel per number."""
    rows = [row for row in rows if "number" in row]
    programs, games = (list(dict.fromkeys(row[name] for row in rows)) for name in ("program", "game"))
    figure = look.blank(look.WIDTH + 1.2, 1.45 * len(programs))
    panels = figure.subplots(len(programs), len(DRAWN), sharex="col", sharey=True, squeeze=False)
    for line, program in zip(panels, programs, strict=True):
        for axes, name in zip(line, DRAWN, strict=True):
            look.dress(axes, xlabel=WORDS[name] if program == programs[-1] else "", ylabel="")
            axes.set_xscale("log")
            axes.set_ylim(0, 1)
            for game, colour in zip(games, look.COLOURS, strict=False):
                asked = {"program": program, "number": name, "game": game}
                chosen = [row for row in rows if asked.items() <= row.items() and row["median_fitted_at"] is not None]
                middle = [float(np.sqrt(row["from"] * row["to"])) for row in chosen]
                before, after = ([row[field][0] for row in chosen] for field in ("optimal_at_fit", "optimal_later"))
                label = "random games" if game == "random" else f"game {game}"
                axes.plot(middle, before, ":", color=colour, linewidth=1.2)
                axes.plot(middle, after, "-", color=colour, linewidth=1.6, label=label)
        line[0].set_ylabel(program, fontsize=look.TEXT, color=look.INK)
    look.head(figure, panels[0][0], "", "")
    claim = (
        "All numbers drawn at once, on logarithmic scales; a row of panels per program. Of the runs whose table "
        "fitted, the share whose greedy joint action is the optimum, dotted when it first fitted, solid at the end, by "
        "each number alone. A region in which learners correct themselves would part the lines."
    )
    note = caption(
        claim, scale=rows[0]["scale"], seeds=rows[0]["seeds"], steps=f"{rows[0]['updates']:,} updates",
        behaviour="ε-greedy play", interval="no interval is drawn", of="of each program and game",
    )  # fmt: skip
    look.caption(figure, note)
    return plots.save(figure, out / "search.png")[0]
