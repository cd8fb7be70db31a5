"""Pictures of `matrix_games`: the answer in one, who ends at the optimum of which game, and what they learned."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxvf.envs import PAYOFFS
from jaxvf.reproduction import OWN
from jaxvf.reproduction.captions import SCORE, UNIFORM, caption, facts_of, findings, percent, steps_text, tally
from jaxvf.results import Interval, fraction_interval, plots
from jaxvf.results.game_answer import Course, Learned, game_answer
from jaxvf.results.panels import dot_panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Game A separates those who solve it; game D is where QMIX arrives late.
HERO, HERO_LEARNERS = (("A", "uniform"), ("D", "annealed")), ("vdn", "qmix", "nm_qmix", "cw_qmix", "pow_qmix")
TOLD = {"vdn", "qmix", "nm_qmix", "cw_qmix"}  # whom the answer's caption speaks of
DRAWN = ("vdn", "qmix", "qplex", "nm_qmix", "qtran", "cw_qmix", "ow_qmix", "resq", "pow_qmix", "mrvf")
MANY, ACROSS = 8, 4  # of more learners a game has a panel of its own; panels in a row

BEHAVIOUR = {
    "uniform": UNIFORM,
    "annealed": "annealed play (ε from 1 to 0.05 within the first 32 % of the run)",
}
TYPICAL = "The seed drawn is in the middle when seeds are ordered by how far their tables are from the mean table."
ANSWER = (
    "Above: the payoff of game A and the joint values that one seed of each learner ends with; framed, its optimum and "
    "what the agents play. VDN and QMIX settle beside the optimum, CW-QMIX finds it in nearly every seed, and the "
    "non-monotonic mixer (nm_qmix) learns the whole table, but what its agents play is a coin that initialization "
    "throws. Below: share of seeds whose greedy joint action is optimal; on game D ({payoff}) VDN and QMIX find it "
    f"late. {TYPICAL}"
)
TABLES = (
    "Joint values that one seed of each learner ends with, beside the payoff, whose colours they share; framed, the "
    f"optimum and what the agents play. {TYPICAL}"
)


def draw(rows: list[dict[str, Any]], out: Path) -> list[Path]:
    """The answer in one picture; the fractions of every game and behaviour; typical tables of every game."""
    facts: dict[str, Any] = facts_of(rows, behaviour="", interval=SCORE) | {"steps": budgets(rows)}
    fractions: dict[str, dict[str, Any]] = {}
    alike = len({row["protocol"] for row in rows}) == 1  # then the caption alone says which
    for row in rows:
        title = f"game {row['game']}" if alike else title_of(row)
        fractions.setdefault(title, {})[row["learner"]] = Interval(*row["optimal"])
    played = ", ".join(f"{game} ({payoff_text(game)})" for game in dict.fromkeys(row["game"] for row in rows))
    paths = plots.save(fractions_figure(fractions, played, facts), out / "fractions.png")
    if "typical_tables" in rows[0]:  # older summaries have none
        without: dict[str, Any] = facts | {"interval": ""}
        paths += plots.save(plots.value_tables(**tables_of(rows), note=caption(TABLES, **without)), out / "tables.png")
    hero = [row for row in rows if (row["game"], row["protocol"]) in HERO and row["learner"] in HERO_LEARNERS]
    told = rows[0]["scale"] != OWN and {row["learner"] for row in hero} >= TOLD  # by the picture's caption
    if told and "typical_tables" in rows[0] and {(row["game"], row["protocol"]) for row in hero} == set(HERO):
        paths += plots.save(answer(hero, facts), out / "answer.png")
    return paths


def fractions_figure(fractions: dict[str, dict[str, Any]], played: str, facts: Mapping[str, Any]) -> "Figure":
    """Who ends at the optimum: games below each other, or, of many learners, a panel for each game."""
    learners = list(dict.fromkeys(name for cells in fractions.values() for name in cells))
    many = len(learners) > MANY
    said = "Share of seeds whose greedy joint action is the game's best when training ends. "
    said += tally(fractions) if many else findings(fractions)
    note = caption(f"{said} Who has no point was not run. Games by their payoffs: {played}.", **facts)
    if not many:
        return plots.success_fractions(fractions, xlabel="seeds at the optimum", note=note)
    colours = {name: style.colour for name, style in plots.styles(learners).items()}
    return dot_panels(
        fractions, rows=learners, xlabel="seeds at the optimum", colours=colours, expected={}, note=note, across=ACROSS
    )


def title_of(row: Mapping[str, Any]) -> str:
    """What a game under a behaviour is called."""
    return f"game {row['game']}, {row['protocol']} play"


def budgets(rows: list[dict[str, Any]]) -> str:
    """How long runs are under either behaviour, and what it is, in words."""
    steps: dict[str, list[int]] = {}
    for row in rows:
        steps.setdefault(row["protocol"], []).append(row["env_steps"])
    return "; ".join(f"{steps_text(budget)} under {BEHAVIOUR[name]}" for name, budget in steps.items())


def payoff_text(game: str) -> str:
    """The payoff of a game, row by row."""
    rows = (" ".join(f"{value:g}" for value in row) for row in np.asarray(PAYOFFS[game], float))
    return " / ".join(rows).replace("-", "−")


def answer(rows: list[dict[str, Any]], facts: Mapping[str, Any]) -> "Figure":
    """Payoff and typical tables of the first game of `HERO`; fractions of seeds over time in all of them."""
    game, protocol = HERO[0]
    payoff = np.asarray(PAYOFFS[game], float)
    best = np.argwhere(payoff == payoff.max()).tolist()
    tables = [Learned("payoff", payoff, best, "framed: the optimum")]
    for row in rows:
        if (row["game"], row["protocol"]) == (game, protocol):
            share, low, high = row["optimal"]
            below = f"{percent(share)} of seeds\nat the optimum\n[{percent(low)}, {percent(high)}]"
            table = np.asarray(row["typical_tables"]["q_tot"])
            tables.append(Learned(row["learner"], table, [row["typical_greedy"]], below))
    panels: dict[str, dict[str, Course]] = {}
    for row in rows:
        counts = np.asarray(row["optimal_runs"])
        course = Course(np.asarray(row["evaluated_at"]), fraction_interval(counts, np.full(len(counts), row["runs"])))
        panels.setdefault(title_of(row), {})[row["learner"]] = course
    return game_answer(tables, panels, note=caption(ANSWER.format(payoff=payoff_text("D")), **facts))


def tables_of(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Arguments of `plots.value_tables`: a row per game and behaviour, a column per learner and head."""
    played = list(dict.fromkeys((row["game"], row["protocol"]) for row in rows))
    payoffs = np.asarray([PAYOFFS[game] for game, _ in played], float)
    columns: dict[str, np.ndarray] = {"payoff": payoffs}
    greedy: dict[str, list[list[int]]] = {}
    for row in rows:
        for head, table in row["typical_tables"].items() if row["learner"] in DRAWN else ():
            label = row["learner"] if head == "q_tot" else f"{row['learner']}\n{head}"
            place = played.index((row["game"], row["protocol"]))
            columns.setdefault(label, np.full_like(payoffs, np.nan))[place] = table
            greedy.setdefault(label, [[0, 0]] * len(played))[place] = row["typical_greedy"]
    return {"columns": columns, "rows": [f"game {game}, {name}" for game, name in played], "greedy": greedy}
