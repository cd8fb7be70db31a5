"""Captions that let a figure stand alone: what is claimed, at which scale, over how many seeds, with which interval."""

from collections.abc import Mapping, Sequence
from typing import Any

SCORE = "95 % score interval over seeds (Wilson)"
IQM = "line: interquartile mean over seeds, band: its 95 % bootstrap interval"
MEAN = "mean over seeds with its 95 % bootstrap interval"


def caption(claim: str, *, scale: str, seeds: int | Sequence[int], steps: str, behaviour: str, interval: str) -> str:
    """The caption of a figure.

    Args:
        claim: whole sentences: what the picture shows.
        scale: name of the scale.
        seeds: of every cell.
        steps: how long a run is, in words; empty where nothing is trained.
        behaviour: what agents did while they learned, in words; empty where nothing is trained.
        interval: kind of the interval; empty where there is none.
    """
    counts = sorted({seeds} if isinstance(seeds, int) else set(seeds))
    numbers = f"{counts[0]:,}" if len(counts) == 1 else f"{counts[0]:,} to {counts[-1]:,}"
    facts = [f"Scale {scale}", f"{numbers} seed{'' if counts == [1] else 's'} a cell", steps, behaviour, interval]
    return f"{claim} {'; '.join(fact for fact in facts if fact)}."


def facts_of(rows: Sequence[Mapping[str, Any]], *, behaviour: str, interval: str) -> dict[str, Any]:
    """Arguments of `caption` for rows of a summary, which say their scale, runs and steps.

    Args:
        rows: of one figure.
        behaviour: as `caption`.
        interval: as `caption`.
    """
    steps = [row["env_steps"] for row in rows if "env_steps" in row]
    return {
        "scale": rows[0]["scale"],
        "seeds": [row["runs"] for row in rows],
        "steps": steps_text(steps) if steps else "",
        "behaviour": behaviour,
        "interval": interval,
    }


def steps_text(steps: Sequence[int] | int) -> str:
    """Budgets of runs in words, e.g. "20,000 or 50,000 environment steps a run"."""
    budgets = sorted({steps} if isinstance(steps, int) else set(steps))
    ends = f"{budgets[0]:,} to {budgets[-1]:,}" if len(budgets) > 2 else " or ".join(f"{steps:,}" for steps in budgets)
    return f"{ends} environment steps a run"


def percent(share: float) -> str:
    """A share as a whole percentage, without a 100 % that is not all and a 0 % that is not none."""
    rounded = min(max(round(100 * share), 1), 99) if 0 < share < 1 else round(100 * share)
    return f"{rounded} %"
