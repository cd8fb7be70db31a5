"""What each mixer can represent: least error on the tables of theory, by gradient fits, beside the exact values.

Whether a mixer that sees the state alone can hold every table of the IGM class is a question of Marchesini et al. 2025
(arXiv 2408.15381). The tables are ours: two histories and two actions each, with contexts that tell all, part or
nothing of the joint history; and payoffs of one decision, among them those of QTRAN and QPLEX.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxvf.envs import PAYOFFS
from jaxvf.mixers import DuelmixMixer, Mixer, QfixMixer, QmixMixer, QplexMixer, VdnMixer
from jaxvf.reproduction import OWN, SMALL, Scale, agree, choose
from jaxvf.results import plots, summaries
from jaxvf.theory.expressiveness import fit, make_tasks

FIXEES = ("sum", "monotone", "linear")
# All with the state as context: the fit puts any context there. QPLEX's advantage weights have two layers, since one
# is linear in context and joint action; "qplex, full" is the same class without its stopped gradient, which decides
# where learning can rest.
MIXERS: dict[str, Mixer] = {
    "vdn": VdnMixer(),
    "qmix": QmixMixer(),
    "qplex": QplexMixer(adv_hypernet_layers=2),
    "qplex, full": QplexMixer(adv_hypernet_layers=2, adv_stop_grad=False),
    "duelmix": DuelmixMixer(context="state"),
    **{f"qfix, {fixee}": QfixMixer(fixee=fixee, additive=False) for fixee in FIXEES},
    # Without the stopped gradient, as in "qplex, full": the class, not the learning rule.
    **{f"q+fix, {fixee}": QfixMixer(fixee=fixee, adv_stop_grad=False) for fixee in FIXEES},
}
# The same classes with networks that are just wide enough, for the many more starts of what was not found at first.
NARROW: dict[str, Mixer] = {
    "qmix": QmixMixer(embed=8, hypernet_embed=8),
    "qplex": QplexMixer(adv_hypernet_layers=2, hypernet_embed=8, adv_hypernet_embed=8),
    "qplex, full": QplexMixer(adv_hypernet_layers=2, hypernet_embed=8, adv_hypernet_embed=8, adv_stop_grad=False),
    "duelmix": DuelmixMixer(context="state", hypernet_embed=8),
    **{f"qfix, {fixee}": QfixMixer(fixee=fixee, additive=False, width=16) for fixee in FIXEES},
    **{f"q+fix, {fixee}": QfixMixer(fixee=fixee, adv_stop_grad=False, width=16) for fixee in FIXEES},
}
H1, H2, U1, U2 = np.indices((2, 2, 2, 2))
TABLES = {
    "V": (H1 != H2) - 0.5 * U1 - 0.5 * U2,
    "D": -np.select([U1 + U2 == 0, U1 + U2 == 1, H1 == H2], [0.0, 1.0, 1.0], 3.0),
    "additive": H1 + 2 * H2 - 0.5 * U1 - 0.25 * U2,
}
CONTEXTS = {
    "constant": np.zeros((2, 2), int),
    "joint history": np.array([[0, 1], [2, 3]]),
    "h1": np.array([[0, 0], [1, 1]]),
    "h1 xor h2": np.array([[0, 1], [1, 0]]),
}
GAMES: dict[str, Any] = {
    "0 1 / 2 3": ((0, 1), (2, 3)),
    "0 0 / 0 1": ((0, 0), (0, 1)),
    "0 2 / 2 3": ((0, 2), (2, 3)),
    "1 0 / 0 1": ((1, 0), (0, 1)),
    "game E": PAYOFFS["E"],
    "game F": PAYOFFS["F"],
    "game G": PAYOFFS["G"],
}

# Least mean squared errors, in the order of CLASSES: exact, or computed with tabular mixers; None where there is none.
CLASSES = ("vdn", "qmix", "qplex", "duelmix", "qfix", "q+fix")
EXPECTED: dict[str, tuple[float | None, ...]] = {
    "V, constant": (0.25, 0.233, 0.25, 0.25, None, None),
    "V, joint history": (0.25, 0, 0, 0, 0, 0),
    "V, h1": (0.25, 0.127, 0.070, 0, None, None),
    "V, h1 xor h2": (0.25, 0, 0, 0, 0, 0),
    "D, constant": (0.25, 0.230, 0.25, 0.25, None, None),
    "D, joint history": (0.25, 1 / 32, 0, 0, 0, 0),
    "D, h1": (0.25, 0.1875, 0.103, 0.103, None, None),
    "D, h1 xor h2": (0.25, 1 / 32, 0, 0, 0, 0),
    # QFIX's value of the greedy joint action is a function of the context alone.
    **{f"additive, {context}": (0, 0, 0, 0, 0 if context == "joint history" else None, 0) for context in CONTEXTS},
    "0 1 / 2 3": (0, 0, 0, None, 0, 0),
    "0 0 / 0 1": (0.0625, 0, 0, None, 0, 0),
    "0 2 / 2 3": (0.0625, 0.0625, 0, None, 0, 0),
    "1 0 / 0 1": (0.25, 1 / 6, 0, None, 0, 0),  # QPLEX's and QFIX's 0 are limits
    "game E": (50.568, 32, 0, None, 0, 0),  # QMIX: most fits end at 320/9, another greedy action
    "game F": (64.494, 38.222, 0, None, 0, 0),
    "game G": (12.749, 11.341, 0, None, 0, 0),
}
# What rows are called in the figure, and its caption.
TABLE_WORDS = {"V": "XOR 1", "D": "XOR 2", "additive": "sum"}
CONTEXT_WORDS = {
    "constant": "nothing", "joint history": "both histories", "h1": "h1", "h1 xor h2": "whether h1 = h2",
}  # fmt: skip
NOTE = (
    "What mixers can represent: least mean squared error of a mixer's fits to a table of values; in brackets, below, "
    "the least that its class allows, where that is known. Upper rows: two agents with two histories (h1, h2) and two "
    "actions each, and what the mixer sees of the histories. XOR 1 is 1 if the histories differ, less 1/2 for each "
    "second action; XOR 2 is 0 if both choose the first action, −3 if both choose the second and the histories differ, "
    "else −1; a sum is one of local values. Lower rows: payoffs, row by row. VDN holds sums alone; where they see "
    'both histories QMIX misses XOR 2, the others nothing. In "qplex, full" no gradient of the advantages is '
    "stopped: the class is QPLEX's, the learning rule is not. Where a number is above that in brackets, its fits "
    "rested elsewhere. The darker a cell, the larger the share of the table's variance that is missed."
)
FIXED = (
    " QFIX's value of the greedy joint action is a function of what the mixer sees, so that it misses sums of what is "
    "not seen; Q+FIX adds to its fixee and does not."
)
TOLERANCE = 0.005  # of a mean squared error, relative to the table's variance where that is above 1
# The same. Expected numbers have three digits; what is farther from them, whatever the variance, is fitted again.
CLOSE = 1e-3


@dataclass(frozen=True, kw_only=True)
class Fits(Scale):
    """Seeds are restarts of a fit; steps are gradient steps.

    Attributes:
        again: restarts and steps of the cells that are not `CLOSE` to what is expected; none where both are 0.
    """

    steps: int
    mixers: tuple[str, ...] = tuple(MIXERS)
    again: tuple[int, int] = (0, 0)


SCALES = {
    "small": Fits(minutes=3, seeds=4, steps=1_000),
    "medium": Fits(minutes=30, seeds=4, steps=1_000, again=(96, 3_000)),
    # No paper's: ours, at its largest.
    "paper": Fits(minutes=1_300, seeds=100, steps=10_000, again=(1_000, 10_000)),
}


def reproduce(
    *,
    out: Path,
    scale: str = SMALL,
    seeds: int | None = None,
    env_steps: int | None = None,
    yes: bool = False,
    mixers: tuple[str, ...] | None = None,
    steps: int | None = None,
) -> None:
    """Fit every table with every mixer; write `summary.json` and the table to `out`.

    Args:
        out: directory.
        scale: one of `SCALES`.
        seeds: restarts of each fit.
        env_steps: refused; nothing is trained.
        yes: agree to more than an hour.
        mixers: names of `MIXERS`.
        steps: of gradient descent.
    """
    setting = choose(SCALES, scale, seeds=seeds, env_steps=env_steps, mixers=mixers, steps=steps)
    agree(setting, yes=yes)
    restarts, steps, mixers = setting.seeds, setting.steps, setting.mixers
    names, tables, contexts = cases()
    tasks = make_tasks(tables, contexts)
    rows = []
    for mixer in mixers:
        errors = np.asarray(fit(MIXERS[mixer], tasks, jax.random.key(0), restarts=restarts, steps=steps).error)
        for name, table, found in zip(names, tables, errors, strict=True):
            expected = EXPECTED[name][CLASSES.index(mixer.partition(",")[0])]
            row = {
                "scale": setting.label,
                "steps": steps,
                "mixer": mixer,
                "table": name,
                "restarts": restarts,
                "least_error": float(found.min()),
            }
            rows.append(
                row | {"median_error": float(np.median(found)), "variance": float(table.var()), "expected": expected}
            )
    if setting.again[0]:
        fit_again(rows, *setting.again)
    for row in rows:
        row["agrees"] = None if row["expected"] is None else distance(row) < TOLERANCE
        row["close"] = None if row["expected"] is None else distance(row) < CLOSE
        row["reason"] = reason(row, rows)
    summaries.write_summary(rows, out)
    print(draw(rows, out))
    for row in rows:
        wanted = "" if row["expected"] is None else f"  expected {row['expected']:8.4f}"
        verdict = {True: "", False: "  differs", None: ""}[row["agrees"]]
        numbers = f"least {row['least_error']:8.4f}  median {row['median_error']:8.4f}"
        why = f"  ({row['reason']})" if row["reason"] else ""
        print(f"{row['mixer']:11} {row['table']:23} {numbers}{wanted}{verdict}{why}")


def fit_again(rows: list[dict[str, Any]], restarts: int, steps: int) -> None:
    """Fit the cells that are not close from many more starts, with narrow networks, and keep the smaller error."""
    names, tables, contexts = cases()
    for mixer, module in NARROW.items():
        left = [row for row in rows if row["mixer"] == mixer and is_far(row)]
        if not left:
            continue
        places = [names.index(row["table"]) for row in left]
        tasks = make_tasks([tables[place] for place in places], [contexts[place] for place in places])
        errors = np.asarray(fit(module, tasks, jax.random.key(1), restarts=restarts, steps=steps).error)
        for row, found in zip(left, errors, strict=True):
            row |= {"again": restarts, "again_steps": steps, "first_error": row["least_error"]}
            row["least_error"] = min(row["least_error"], float(found.min()))


def is_far(row: dict[str, Any]) -> bool:
    """Whether the least error is not within `CLOSE` of the expected one, however much the table varies."""
    return row["expected"] is not None and abs(row["least_error"] - row["expected"]) >= CLOSE


def distance(row: dict[str, Any]) -> float:
    """How far the least error is from the expected one, relative to the table's variance where that is above 1."""
    return abs(row["least_error"] - row["expected"]) / max(1.0, row["variance"])


def reason(row: dict[str, Any], rows: list[dict[str, Any]]) -> str:
    """Why a cell is not close, where its own numbers and those of the same class say so."""
    if row["close"] is not False:
        return ""
    if row["least_error"] < row["expected"]:
        return "below the number that is expected, which is itself the best of some fits"
    twin = [other for other in rows if (other["mixer"], other["table"]) == (f"{row['mixer']}, full", row["table"])]
    if twin and distance(twin[0]) < CLOSE:
        return "the rule: its stopped gradient rests here, the same module without it does not"
    if "again" not in row:
        return "few starts: not fitted again at this scale"
    return "not found from any start"


def cases() -> tuple[list[str], list[np.ndarray], list[np.ndarray]]:
    """Names, tables [H, H, A, A] and contexts [H, H]; one decision has one history."""
    names, tables, contexts = [], [], []
    for table, values in TABLES.items():
        for context, ids in CONTEXTS.items():
            names.append(f"{table}, {context}")
            tables.append(np.asarray(values, float))
            contexts.append(ids)
    for game, payoff in GAMES.items():
        names.append(game)
        tables.append(np.asarray(payoff, float)[None, None])
        contexts.append(np.zeros((1, 1), int))
    return names, tables, contexts


def row_words(name: str) -> str:
    """What a row is called in the figure."""
    table, _, context = name.partition(", ")
    if context:
        return f"{TABLE_WORDS[table]}, sees {CONTEXT_WORDS[context]}"
    payoff = " / ".join(" ".join(f"{value:g}" for value in row) for row in np.asarray(GAMES[name], float))
    return (f"{name}\n{payoff}" if name.startswith("game") else f"payoff {name}").replace("-", "−")


def draw(rows: list[dict[str, Any]], out: Path) -> Path:
    """Least errors, with the expected ones in brackets; the darker, the larger a share of the table's variance."""
    names, mixers = (list(dict.fromkeys(row[name] for row in rows)) for name in ("table", "mixer"))
    measured, wanted, shade = np.full((3, len(names), len(mixers)), np.nan)
    for row in rows:
        cell = names.index(row["table"]), mixers.index(row["mixer"])
        measured[cell] = row["least_error"] if row["least_error"] > 1e-3 else round(row["least_error"], 4)
        wanted[cell] = np.nan if row["expected"] is None else row["expected"]
        shade[cell] = row["least_error"] / row["variance"]
    steps = f", {rows[0]['steps']:,} gradient steps each" if "steps" in rows[0] else ""
    scale = "Own setting" if rows[0]["scale"] == OWN else f"Scale {rows[0]['scale']}"
    again = sorted({row["again"] for row in rows if "again" in row})
    more = f"; tables not found so: best of {' to '.join(map(str, again[:1] + again[1:][-1:]))} more" if again else ""
    fixed = FIXED if any(name.startswith("qfix") for name in mixers) else ""
    note = f"{NOTE}{fixed} {scale}; best of {rows[0]['restarts']} restarts{steps}{more}; no interval."
    figure = plots.number_table(
        measured, rows=[row_words(name) for name in names], columns=[name.replace(", ", ",\n") for name in mixers],
        expected=wanted, shade=shade, note=note,
    )  # fmt: skip
    return plots.save(figure, out / "least_error.png")[0]
