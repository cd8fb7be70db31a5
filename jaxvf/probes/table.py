"""A table of probes, one row an environment: a JSON file that grows row by row, and the page made of it."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxvf import algorithms
from jaxvf.errors import InputError
from jaxvf.plain_json import dumps
from jaxvf.probes.information import NAMES
from jaxvf.probes.probe import HISTORY, MEMORYLESS, OPEN_LOOP, RANDOM, ProbeSettings, Record
from jaxvf.results.parsing import parse_json
from jaxvf.results.store import write_atomically
from jaxvf.serialize import from_json, to_json

MISSING = "–"
NUMBERS = ("seeds", "env_steps", "test_episodes")  # of the settings, beside the algorithm
ABOUT = """<!-- Made by `jaxvf probe --table {table} --page {page}`: change those, not this page. -->

# Memory and information probes

Do policies need their history in an environment, and how far do they get without looking? `jaxvf probe ENV` trains
three kinds of small policies with the same learner and budget and compares their returns:

- **history**: a recurrent network that also sees its previous action;
- **memoryless**: a feed-forward network on the present observation;
- **open loop**: a feed-forward network on the number of the step and the agent's index, nothing else
  (`jaxvf.envs.OpenLoop`; available actions stay masked).

```bash
jaxvf probe box_pushing/4
jaxvf probe combat/3m smax/3m --seeds 8 --env-steps 400000 --out runs/probes
```

The probes are those of Tessera et al. 2026 ([arXiv 2602.20804](https://arxiv.org/abs/2602.20804)), the open-loop
control is that of SMACv2 (Ellis et al. 2022, [arXiv 2212.07489](https://arxiv.org/abs/2212.07489)). Chosen here:
intervals in place of a Wilcoxon test; gaps beside what random play earns; information of the median run alone,
estimated as [its module](api/environments.md#jaxvf.probes.information) says.

## How to read the table

- Returns are means of greedy episodes at the end of training, with 95 % bootstrap intervals over seeds; of random play,
  over episodes.
- **memory** is the gap between history and memoryless, as a share of what the better of both earns more than random
  play: above 0 where a policy profits from its history. Below 0 the recurrent network learned more slowly.
- **open loop reaches** is measured alike: 0 is random play, 1 is as good as looking.
- **OAR, HAR, PIF, AA, DAI**: the share of an action's entropy that the present observation tells; that memory tells
  beyond it; that another agent's knowledge tells beyond one's own; that another agent's present action tells; that
  another agent's memory tells. In brackets the null: the same with those features exchanged between steps that
  are alike otherwise. Only what is clearly above it is there.

A gap of 0 between policies that both learned nothing means nothing, and a policy that would need its history for the
best return may do without for the second-best. Dependence is not use either: most policies depend on their history, and
fewer profit from it (in 43 % of 37 scenarios of Tessera et al.).

## {heading}

{setting} {missing}
"""
UNMEASURED = "An empty row is not measured yet; `jaxvf probe ENV --table {table}` adds it."
CLOSE = 0.9  # of what looking earns beyond random play: open loop does nearly as well
HEADER = (
    "environment", "history", "memoryless", "open loop", "random", "memory", "open loop reaches", *NAMES,
)  # fmt: skip


@dataclasses.dataclass
class ProbeTable:
    """The rows of a table and the settings that they share.

    Args:
        path: of the JSON file.
        settings: how environments are probed.
        rows: what was found, by environment.
    """

    path: Path
    settings: ProbeSettings
    rows: dict[str, Record]

    @staticmethod
    def at(path: Path, settings: ProbeSettings | None = None) -> "ProbeTable":
        """The table in a file, or a new one where there is none.

        Args:
            path: the JSON file.
            settings: those of new rows; None takes the file's.

        Raises:
            InputError: for a file that is no table, or is one of other settings.
        """
        wanted = settings or ProbeSettings()
        if not path.exists():
            return ProbeTable(path, wanted, {})
        try:
            document = parse_json(path.read_bytes())
            stored, rows = dict(document["settings"]), {str(row["env"]): dict(row) for row in document["rows"]}
            algorithm, numbers = stored["algorithm"], {name: int(stored[name]) for name in NUMBERS}
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise InputError(f"{path} is no table of probes: {type(error).__name__}: {error}") from error
        for name, value in (_described(wanted) if settings else {}).items():
            if stored.get(name) != value:
                raise InputError(f"{path} was made with {name}={_short(stored.get(name))}, not {_short(value)}; "
                                 "name another file, or the same settings")  # fmt: skip
        if settings is None:
            wanted = ProbeSettings(from_json(algorithm, path), **numbers)
        return ProbeTable(path, wanted, rows)

    def add(self, name: str, record: Record) -> None:
        """Keep a row; the file is written whole."""
        self.rows[name] = {**record, "env": name}
        document = {"settings": _described(self.settings), "rows": list(self.rows.values())}
        write_atomically(self.path, (dumps(document) + "\n").encode())


def page(table: ProbeTable, names: Sequence[str], file: Path) -> str:
    """The page of a table in Markdown.

    Args:
        table: with some rows.
        names: of all environments that have a row, measured or not, in order.
        file: where the page will lie, for the command that it names.
    """
    measured = [name for name in names if name in table.rows]
    settings = table.settings
    heading = f"The table: {len(measured)} of {len(names)} environments"
    setting = (
        f"{algorithms.name_of(settings.learner).upper()}{_sizes(settings.learner)}, {settings.seeds} seeds, "
        f"{settings.env_steps:,} steps each, {settings.test_episodes} test episodes."
    )
    where = table.path.as_posix()
    missing = UNMEASURED.format(table=where) if len(measured) < len(names) else ""
    said = ABOUT.format(table=where, page=file.as_posix(), heading=heading, setting=setting, missing=missing)
    lines = [said.rstrip(), "", *_findings({name: table.rows[name] for name in measured})]
    lines += ["", _line(HEADER), _line(["---"] * len(HEADER))]
    lines += [_line(_cells(name, table.rows.get(name))) for name in names]
    return "\n".join(lines) + "\n"


def _sizes(learner: Any) -> str:
    """What on-policy learners are compared at; the default one's numbers are not those of the registered `mappo`."""
    if not hasattr(learner, "actor"):
        return ""
    return (
        f" with networks of {learner.actor.hidden} ({learner.num_envs} environments, rollouts of "
        f"{learner.rollout_length} steps, step sizes {learner.learning_rate:g}, entropy weight "
        f"{learner.entropy_weight:g})"
    )


def _findings(rows: Mapping[str, Record]) -> list[str]:
    """What the rows say together: where an interval lies wholly on one side."""
    gaps = {name: row["memory_gap"] for name, row in rows.items() if _known(row.get("memory_gap"))}
    reached = {name: row["open_loop_share"] for name, row in rows.items() if _known(row.get("open_loop_share"))}
    asked = (
        ("history earns more than no history", gaps, lambda interval: interval[1] > 0),
        ("history earns less, after so few steps", gaps, lambda interval: interval[2] < 0),
        (
            f"open loop reaches at least {CLOSE:.0%} of what looking does",
            reached,
            lambda interval: interval[1] >= CLOSE,
        ),
        (f"open loop reaches less than {CLOSE:.0%}", reached, lambda interval: interval[2] < CLOSE),
    )
    lines = ["Where a whole interval says so:", ""]
    for what, intervals, holds in asked:
        names = [f"`{name}`" for name, interval in intervals.items() if holds(interval)]
        listed = f" ({', '.join(names)})" if names else ""
        lines.append(f"- {what}: {len(names)} of {len(intervals)}{listed}.")
    return lines


def _known(interval: Sequence[Any] | None) -> bool:
    return interval is not None and all(number is not None for number in interval)


def _cells(name: str, row: Record | None) -> list[str]:
    if row is None:
        return [f"`{name}`", *[MISSING] * (len(HEADER) - 1)]
    returns = [_interval(row["returns"][one], "{:.3g}") for one in (HISTORY, MEMORYLESS, OPEN_LOOP, RANDOM)]
    shares = [_interval(row.get(one), "{:.2f}") for one in ("memory_share", "open_loop_share")]
    told = row.get("information") or {}
    known = [f"{told[one]['share']:.2f} ({told[one]['null']:.2f})" if one in told else MISSING for one in NAMES]
    return [f"`{name}`", *returns, *shares, *known]


def _interval(interval: Sequence[Any] | None, form: str) -> str:
    if interval is None or not _known(interval):
        return MISSING
    estimate, low, high = (form.format(number) for number in interval)
    return f"{estimate} [{low}, {high}]"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _described(settings: ProbeSettings) -> dict[str, Any]:
    numbers = {name: getattr(settings, name) for name in NUMBERS}
    return {**numbers, "algorithm": json.loads(dumps(to_json(settings.learner)))}


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
