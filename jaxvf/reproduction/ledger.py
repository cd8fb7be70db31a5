"""The ledger of claims: what a paper says beside what was run for it, with a verdict that follows from the numbers.

Claims are data, a file of their own (`experiments/claims.toml`). Each names rows of a committed summary, and checks
that compare them: `qmix < 0.1`, `qmix < cw_qmix`. A number with an interval is below another when their intervals do
not touch, above likewise, and else nobody can say. A claim is confirmed when all its checks hold, refuted when one of
them holds the other way round, and undecided otherwise.
"""

import dataclasses
import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jaxvf import scripts
from jaxvf.errors import InputError, unknown
from jaxvf.reproduction.parts import only_text
from jaxvf.reproduction.scale import OWN
from jaxvf.results.store import write_atomically

CONFIRMED, REFUTED, UNDECIDED = "confirmed", "refuted", "undecided"
NEEDED = ("paper", "statement", "environment", "learners", "command")
OPTIONAL = ("data", "find", "checks", "because", "h100", "only")


class Found(NamedTuple):
    """A number of a summary with its 95 % interval; without one all three are the same."""

    value: float
    low: float
    high: float


@dataclasses.dataclass(frozen=True)
class Claim:
    """One row.

    Attributes:
        paper: author, year, place in the paper, identifier.
        statement: what is claimed, in one sentence that can be false.
        environment: where.
        learners: who.
        command: what runs it at the paper's scale, `jaxvf reproduce EXPERIMENT --scale paper`.
        data: stem of the summary that decides it, or of a reduced run that does not; empty where nothing was run.
        find: by name, which row of the summary (fields that it must have) and which `field` of it; `entry` picks one
            number of a list that is no estimate with its interval.
        checks: comparisons of these names with each other or with numbers; none where the run is too small to decide.
        because: the reason where the verdict needs one.
        h100: what the cost of the programs that decide it is predicted from: the cell of the kernel table (`env`,
            `algorithm`) that stands for each of them, how many `programs` run one after another (1 if it does not
            say), `runs` of each, `env_steps` of a run, `steps` of an iteration.
        only: which part of the experiment of its command decides it, as arguments of `reproduce`; empty for all of it.
    """

    paper: str
    statement: str
    environment: str
    learners: str
    command: str
    data: str = ""
    find: Mapping[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)
    checks: Sequence[str] = ()
    because: str = ""
    h100: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    only: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def experiment(self) -> str:
        """Of the command."""
        return self.command.split()[2]

    @property
    def whole_command(self) -> str:
        """The command, of the part alone that decides it."""
        return f"{self.command} {only_text(self.only)}".rstrip()


def read_claims(path: Path) -> list[Claim]:
    """The claims of a file.

    Raises:
        InputError: for one that lacks a field, has a field that there is not, names no experiment, or compares
            without data.
    """
    claims = []
    for place, entry in enumerate(tomllib.loads(path.read_text())["claim"], start=1):
        for name in entry:
            if name not in NEEDED + OPTIONAL:
                raise unknown(f"field of claim {place}", name, NEEDED + OPTIONAL)
        missing = [name for name in NEEDED if not entry.get(name)]
        if missing:
            raise InputError(f"claim {place} of {path.name} has no {missing[0]}")
        claim = Claim(**entry)
        if claim.command.split()[:2] != ["jaxvf", "reproduce"] or len(claim.command.split()) < 3:
            raise InputError(f"command={claim.command!r} of claim {place} is not 'jaxvf reproduce EXPERIMENT'")
        if claim.experiment not in scripts.available("experiments"):
            raise unknown(f"experiment of claim {place}", claim.experiment, scripts.available("experiments"))
        if bool(claim.data) != bool(claim.find) or (claim.checks and not claim.data):
            raise InputError(f"claim {place} of {path.name}: data and find belong together, and checks need them")
        if not claim.checks and not claim.because:
            raise InputError(f"claim {place} of {path.name} is not decided by any check and says not why")
        claims.append(claim)
    return claims


def summary_rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a committed summary."""
    content = json.loads(path.read_text())
    return content["rows"] if isinstance(content, dict) else content


def look_up(claim: Claim, rows: Sequence[Mapping[str, Any]]) -> dict[str, tuple[Found, Mapping[str, Any]]]:
    """Every number that a claim names, with the row that it is from.

    Raises:
        InputError: where not exactly one row fits.
    """
    found = {}
    for name, asked in claim.find.items():
        where = {key: value for key, value in asked.items() if key not in ("field", "entry")}
        fitting = [row for row in rows if all(row.get(key) == value for key, value in where.items())]
        if len(fitting) != 1:
            raise InputError(f"{len(fitting)} rows of {claim.data} have {where}; a claim needs one")
        value = fitting[0][asked["field"]]
        value = value[asked["entry"]] if "entry" in asked else value
        found[name] = (Found(*value) if isinstance(value, list) else Found(value, value, value)), fitting[0]
    return found


def outcome(check: str, numbers: Mapping[str, Found]) -> bool | None:
    """Whether a comparison holds; None where intervals touch.

    Raises:
        InputError: for a comparison that is none.
    """
    parts = check.split()
    if len(parts) != 3 or parts[1] not in ("<", ">", "=="):
        raise InputError(f"check {check!r} is not a comparison such as 'qmix < 0.1'")
    left, right = (_number(part, numbers) for part in (parts[0], parts[2]))
    if parts[1] == "==":
        return True if left == right else None if left.low <= right.high and right.low <= left.high else False
    below, above = (left, right) if parts[1] == "<" else (right, left)
    if below.high < above.low:
        return True
    return False if below.low >= above.high else None


def verdict(claim: Claim, numbers: Mapping[str, Found]) -> str:
    """Confirmed, refuted or undecided."""
    outcomes = [outcome(check, numbers) for check in claim.checks]
    if any(each is False for each in outcomes):
        return REFUTED
    return CONFIRMED if outcomes and all(outcomes) else UNDECIDED


def judged() -> tuple[list[Claim], list[str]]:
    """The claims of this installation with their verdicts.

    Raises:
        InputError: if a claim or its data are not in order.
    """
    folder = scripts.directory("experiments")
    claims = read_claims(folder / "claims.toml")
    return claims, [verdict(claim, numbers_of(claim, folder / "figures")) for claim in claims]


def numbers_of(claim: Claim, figures: Path) -> dict[str, Found]:
    """The numbers that a claim names, from the summaries in a folder; none where nothing was run."""
    rows = summary_rows(figures / f"{claim.data}_summary.json") if claim.data else []
    return {name: number for name, (number, _) in look_up(claim, rows).items()} if claim.data else {}


def h100_hours(cost: Mapping[str, Any], kernels: Mapping[str, Any]) -> tuple[float, float]:
    """Predicted hours on one H100: launches of the fewest and the most microseconds, or arithmetic, or memory.

    Compilation and evaluations are left out.

    Args:
        cost: a claim's `h100`.
        kernels: what `jaxvf bench kernels` counted without a device.
    """
    cells = [row for row in kernels["rows"] if row["chip"] == "h100"]
    (cell,) = (row for row in cells if (row["env"], row["algorithm"]) == (cost["env"], cost["algorithm"]))
    busy = cost["runs"] * max(cell["arithmetic_microseconds_per_run"], cell["memory_microseconds_per_run"])
    iterations = cost.get("programs", 1) * cost["env_steps"] / cost["steps"]
    low, high = (iterations * max(launch, busy) / 3.6e9 for launch in cell["launch_microseconds"])
    return low, high


def markdown(claims: Sequence[Claim], figures: Path, kernels: Mapping[str, Any]) -> str:
    """The ledger as one Markdown table, with the count of each verdict above it."""
    rows, verdicts = [], []
    for number, claim in enumerate(claims, start=1):
        found = look_up(claim, summary_rows(figures / f"{claim.data}_summary.json")) if claim.data else {}
        numbers = {name: number for name, (number, _) in found.items()}
        verdicts.append(verdict(claim, numbers))
        cells = (
            str(number), claim.paper, claim.statement, claim.environment, claim.learners, f"`{claim.whole_command}`",
            _ran(claim, [row for _, row in found.values()]), _numbers(found), _asked(claim), _cost(claim, kernels),
            f"**{verdicts[-1]}**" + (f": {claim.because}" if claim.because else ""),
        )  # fmt: skip
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    counts = ", ".join(f"{verdicts.count(each)} {each}" for each in (CONFIRMED, REFUTED, UNDECIDED))
    titles = (
        "", "paper", "claim", "where", "who", "at the paper's scale", "what was run", "result", "confirmed if",
        "one H100, hours", "verdict",
    )  # fmt: skip
    head = "| " + " | ".join(titles) + " |"
    return "\n".join([f"{len(claims)} claims: {counts}.", "", head, "|---" * len(titles) + "|", *rows, ""])


INTRODUCTION = """# What papers claim, and what was found

Written by `jaxvf ledger` from `claims.toml` and the summaries that it names; a verdict follows from the
numbers and their 95 % intervals alone: confirmed if what a row asks for holds beyond the intervals, refuted if the
opposite does. The bounds that it asks for are chosen here; a row that asks for nothing shows, if anything, a run that
is too small to decide it. A verdict is about the statement as it stands here and what was run for it, at the scale that
the row says; simulators differ, and no number is compared across them.

Hours on an H100 are those of the programs that decide the row, one after another, without compilation and evaluations.
They are predicted from kernels that were counted without a device (`jaxvf bench kernels`), not measured.

"""


def write(out: Path | None = None) -> Path:
    """Write the ledger of this installation's experiments; returns the file.

    Args:
        out: the file; by default LEDGER.md beside the claims.

    Raises:
        InputError: if a claim or its data are not in order.
    """
    folder = scripts.directory("experiments")
    kernels = json.loads((scripts.directory("benchmarks") / "results" / "kernels_aot.json").read_text())
    text = INTRODUCTION + markdown(read_claims(folder / "claims.toml"), folder / "figures", kernels)
    out = folder / "LEDGER.md" if out is None else out
    write_atomically(out, text.encode())
    return out


def _number(text: str, numbers: Mapping[str, Found]) -> Found:
    if text in numbers:
        return numbers[text]
    try:
        return Found(*[float(text)] * 3)
    except ValueError:
        raise unknown("number", text, numbers) from None


def _ran(claim: Claim, rows: Sequence[Mapping[str, Any]]) -> str:
    """Scale and runs a cell, with the file that holds them."""
    if not rows:
        return "nothing"
    scale, runs = ({row[key] for row in rows if key in row} for key in ("scale", "runs"))
    said = [" and ".join(name if name == OWN else f"scale {name}" for name in sorted(scale))] if scale else []
    said += [f"{'/'.join(map(str, sorted(runs)))} runs a cell"] if runs else []
    return f"{', '.join(said) or 'computed'} ([data](figures/{claim.data}_summary.json))"


def _numbers(found: Mapping[str, tuple[Found, Mapping[str, Any]]]) -> str:
    shown = []
    for name, (number, _) in found.items():
        low, value, high = map(_short, (number.low, number.value, number.high))
        shown.append(f"{name} {value}" + ("" if number.low == number.high else f" [{low}, {high}]"))
    return "; ".join(shown) or "–"


def _short(number: float) -> str:
    """Three digits, or a whole number where it has more."""
    return f"{number:,.0f}" if 1000 <= abs(number) < 1e6 else f"{number:.3g}"


def _asked(claim: Claim) -> str:
    """The comparisons that confirm a claim when all of them hold."""
    return ", ".join(claim.checks) or "–"


def _cost(claim: Claim, kernels: Mapping[str, Any]) -> str:
    if not claim.h100:
        return "–"
    low, high = h100_hours(claim.h100, kernels)
    return f"{low:.2g} to {high:.2g}" if low < high else f"{low:.2g}"
