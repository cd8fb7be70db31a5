"""The search of `self_correction`: numbers drawn at random, and the regions that look best."""

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from jaxtyping import Float

from jaxvf.results.statistics import fraction_interval

# From where to where each number is drawn, on a logarithmic scale.
DRAWN = {
    "learning_rate": (3e-4, 0.1), "epsilon_end": (0.01, 1.0), "epsilon_anneal": (1.0, 1_500.0),
    "value_scale": (0.01, 10.0), "mixer_scale": (0.1, 3.0), "mixer_rate": (0.01, 3.0),
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
    fitted with a wrong greedy joint action; none where no run does. What is best of many is partly luck: new runs say
    how much.
    """
    best: dict[str, tuple[float, dict[str, Any]]] = {}
    for program, outcomes in found.items():
        wrong = (outcomes["fitted_at"] >= 0) & ~outcomes["optimal_at_fit"]
        for pair in itertools.combinations(DRAWN, 2):
            places = [np.searchsorted(edges(name, PARTS)[1:-1], drawn[program][name]) for name in pair]
            for chosen in itertools.product(range(PARTS), repeat=2):
                inside = (places[0] == chosen[0]) & (places[1] == chosen[1])
                for objective, asked in (("optimal", inside), ("corrected", inside & wrong)):
                    hits = int(outcomes["optimal"][asked].sum())
                    if asked.sum() < FEWEST or not hits:
                        continue
                    seen = fraction_interval(hits, int(asked.sum()))
                    if seen[1] > best.get(objective, (-1.0,))[0]:
                        box = dict(DRAWN)
                        for name, index in zip(pair, chosen, strict=True):
                            ends = edges(name, PARTS)
                            box[name] = (float(ends[index]), float(ends[index + 1]))
                        region = {"objective": objective, "program": program, "box": box, "seen": list(seen)}
                        best[objective] = float(seen[1]), region
    return [region for _, region in best.values()]
