"""Captions that let a figure stand alone: what is claimed, at which scale, over how many seeds, with which interval."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from jaxvf.reproduction.scale import OWN
from jaxvf.results import Interval

UNIFORM = "uniform play (all joint actions equally likely throughout)"
SCORE = "95 % score interval over seeds (Wilson)"
IQM = "line: interquartile mean over seeds, band: its 95 % bootstrap interval"
MEAN = "mean over seeds with its 95 % bootstrap interval"


def caption(
    claim: str,
    *,
    scale: str,
    seeds: int | Sequence[int] | Mapping[str, int],
    steps: str,
    behaviour: str,
    interval: str,
    of: str = "of each",
) -> str:
    """The caption of a figure.

    Args:
        claim: whole sentences: what the picture shows.
        scale: name of the scale, or `OWN`.
        seeds: of everything that is compared, or by learner.
        steps: how long a run is, in words; empty where nothing is trained.
        behaviour: what agents did while they learned, in words; empty where nothing is trained.
        interval: kind of the interval; empty where there is none.
        of: of what so many seeds are, where all have as many.
    """
    named = "Own setting, that of no scale" if scale == OWN else f"Scale {scale}"
    facts = [named, seeds_text(seeds, of), steps, behaviour, interval]
    return f"{claim} {'; '.join(fact for fact in facts if fact)}."


def seeds_text(seeds: int | Sequence[int] | Mapping[str, int], of: str = "of each") -> str:
    """Numbers of seeds in words, e.g. "64 seeds of duelmix, 256 of every other learner"."""
    if isinstance(seeds, Mapping):
        (usual, _), *rest = Counter(seeds.values()).most_common()
        if rest:
            groups = {count: [name for name, own in seeds.items() if own == count] for count, _ in rest}
            few = ", ".join(f"{count:,} seeds of {_listed(names)}" for count, names in groups.items())
            return f"{few}, {usual:,} of every other learner"
        seeds = usual
    counts = sorted({seeds} if isinstance(seeds, int) else set(seeds))
    numbers = f"{counts[0]:,}" if len(counts) == 1 else f"{counts[0]:,} to {counts[-1]:,}"
    return f"{numbers} seed{'' if counts == [1] else 's'} {of}"


def facts_of(rows: Sequence[Mapping[str, Any]], *, behaviour: str, interval: str) -> dict[str, Any]:
    """Arguments of `caption` for rows of a summary, which say their scale, runs and steps.

    Args:
        rows: of one figure.
        behaviour: as `caption`.
        interval: as `caption`.
    """
    steps = [row["env_steps"] for row in rows if "env_steps" in row]
    by_learner = {row.get("learner", ""): row["runs"] for row in rows}
    alike = all(by_learner[row.get("learner", "")] == row["runs"] for row in rows)
    return {
        "scale": rows[0]["scale"],
        "seeds": by_learner if alike else [row["runs"] for row in rows],
        "steps": steps_text(steps) if steps else "",
        "behaviour": behaviour,
        "interval": interval,
    }


def steps_text(steps: Sequence[int] | int) -> str:
    """Budgets of runs in words, e.g. "20,000 or 50,000 environment steps a run"."""
    budgets = sorted({steps} if isinstance(steps, int) else set(steps))
    ends = f"{budgets[0]:,} to {budgets[-1]:,}" if len(budgets) > 2 else " or ".join(f"{steps:,}" for steps in budgets)
    return f"{ends} environment steps a run"


def findings(fractions: Mapping[str, Mapping[str, Interval]]) -> str:
    """Who nearly always gets there and who hardly ever does, in a sentence or two; empty if neither happens.

    Args:
        fractions: condition (a game, a behaviour) to learner to the fraction of its seeds that do.
    """
    told = {
        "Nine of ten seeds or more": nearly_always,
        "One of ten or fewer": lambda share: share <= 0.1,
    }
    sentences = []
    for title, holds in told.items():
        places: dict[str, list[str]] = {}
        for condition, cells in fractions.items():
            names = [name for name, interval in cells.items() if holds(interval[0])]
            if names:
                places.setdefault(_listed(names), []).append(condition)
        where = [f"{names} ({'; '.join(found)})" if len(fractions) > 1 else names for names, found in places.items()]
        sentences += [f"{title}: {', '.join(where)}."] if where else []
    return " ".join(sentences)


def tally(fractions: Mapping[str, Mapping[str, Interval]]) -> str:
    """In how many conditions a learner nearly always gets there, best first: `findings` of more learners than a
    sentence holds.
    """
    solved: dict[str, list[int]] = {}
    for cells in fractions.values():
        for name, interval in cells.items():
            solved.setdefault(name, []).append(nearly_always(float(interval[0])))
    by_score: dict[tuple[int, int], list[str]] = {}
    for name, each in solved.items():
        by_score.setdefault((sum(each), len(each)), []).append(name)
    scores = sorted(by_score, key=lambda score: (-score[0], score[1]))
    told = [f"{_listed(by_score[score])} in {score[0]} of {score[1]}" for score in scores if score[0]]
    return f"Nine of ten seeds or more: {', '.join(told) or 'nobody'}."


def nearly_always(share: float) -> bool:
    """Whether nine of ten seeds or more get there."""
    return share >= 0.9


def percent(share: float) -> str:
    """A share as a whole percentage, without a 100 % that is not all and a 0 % that is not none."""
    rounded = min(max(round(100 * share), 1), 99) if 0 < share < 1 else round(100 * share)
    return f"{rounded} %"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:-1]) + " and " + names[-1] if len(names) > 1 else names[0]
