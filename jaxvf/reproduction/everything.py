"""`jaxvf reproduce all`: what is left of all experiments, in the order of undecided claims per predicted second.

A part is an experiment, or as much of it as a claim needs (`only` in claims.toml). Parts write into directories of
their own below one directory, which may be carried from machine to machine: finished parts are not run again, and
interrupted ones go on.
"""

import dataclasses
import json
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxvf import scripts
from jaxvf.errors import InputError
from jaxvf.plain_json import dumps
from jaxvf.reproduction import ledger
from jaxvf.reproduction.parts import directory_of
from jaxvf.reproduction.prediction import Prediction, counted_kernels, predict_or_say
from jaxvf.results.store import write_atomically
from jaxvf.signals import interrupt_on_signal

LEFT, DONE, STOPPED, FAILED = "left", "done", "stopped", "failed"
TIMES, TABLE = "timing.json", "timing.md"
AT_LEAST = 1.0  # second: what a part counts as where less is predicted


@dataclasses.dataclass(frozen=True)
class Part:
    """An experiment or a part of it.

    Attributes:
        name: of its directory.
        experiment: whose it is.
        only: arguments of the experiment's `reproduce`.
        claims: how many undecided claims it serves.
    """

    name: str
    experiment: str
    only: Mapping[str, Any]
    claims: int


def parts(claims: Sequence[ledger.Claim], verdicts: Sequence[str], experiments: Sequence[str]) -> list[Part]:
    """One part for each different thing that claims need, and one for every experiment that no claim names."""
    counts: dict[tuple[str, str], int] = {}
    for claim, verdict in zip(claims, verdicts, strict=True):
        key = claim.experiment, json.dumps(claim.only, sort_keys=True)
        counts[key] = counts.get(key, 0) + (verdict == ledger.UNDECIDED)
    named = {experiment for experiment, _ in counts}
    counts |= {(experiment, "{}"): 0 for experiment in experiments if experiment not in named}
    return [_part(experiment, json.loads(only), count) for (experiment, only), count in counts.items()]


def _part(experiment: str, only: dict[str, Any], count: int) -> Part:
    arguments = {name: tuple(value) if isinstance(value, list) else value for name, value in only.items()}
    return Part(directory_of(experiment, only), experiment, arguments, count)


def ordered(found: Sequence[Part], predictions: Mapping[str, Prediction]) -> list[Part]:
    """Most undecided claims per second first; then what serves none, or whose seconds nobody knows, shortest first."""

    def worth(part: Part) -> tuple[float, float]:
        seconds = predictions[part.name].high
        if seconds is None:
            return 0.0, float("inf")
        return -part.claims / max(AT_LEAST, seconds), seconds

    return sorted(found, key=worth)


@dataclasses.dataclass
class Times:
    """What was predicted and what was measured of every part, in a directory.

    Attributes:
        out: the directory.
        scale: of all parts.
        rows: by name.
    """

    out: Path
    scale: str
    rows: dict[str, dict[str, Any]]

    @classmethod
    def at(cls, out: Path, scale: str, found: Sequence[Part], predictions: Mapping[str, Prediction]) -> "Times":
        """Those in `out`, with a row for every part.

        Raises:
            InputError: if the directory holds another scale.
        """
        path, kept = out / TIMES, {}
        if path.exists():
            content = json.loads(path.read_text())
            if content["scale"] != scale:
                raise InputError(f"{out} holds scale {content['scale']}, not {scale}; choose another --out")
            kept = {row["name"]: row for row in content["rows"]}
        rows = {}
        for part in found:
            guess = predictions[part.name]
            row = {"name": part.name, "experiment": part.experiment, "claims": part.claims}
            row |= {"predicted_seconds": [guess.low, guess.high], "programs": guess.programs, "runs": guess.runs}
            before = kept.get(part.name, {})
            if guess.missing:  # what another machine predicted of it stays
                row |= {key: before[key] for key in ("predicted_seconds", "programs", "runs") if key in before}
            row |= {key: before.get(key, empty) for key, empty in _MEASURED.items()}
            if row["status"] in (LEFT, STOPPED):
                row["message"] = guess.missing
            rows[part.name] = row
        return cls(out, scale, rows)

    def add(self, name: str, status: str, seconds: float, device: str, message: str = "") -> None:
        """A part was worked at for so long; what is known is written at once."""
        row = self.rows[name]
        sessions = [*row["sessions"], {"device": device, "seconds": round(seconds, 1), "status": status}]
        row |= {"status": status, "sessions": sessions, "message": message}
        row["seconds"] = round(sum(one["seconds"] for one in sessions), 1)
        self.write()

    def write(self) -> None:
        """Both files."""
        kind = "predicted seconds are of one H100, from kernels counted without a device; seconds are measured"
        content = {"scale": self.scale, "kind": kind, "rows": list(self.rows.values())}
        write_atomically(self.out / TIMES, dumps(content).encode())
        write_atomically(self.out / TABLE, table(list(self.rows.values())).encode())


_MEASURED: dict[str, Any] = {"status": LEFT, "seconds": 0.0, "sessions": [], "message": ""}


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The parts as a Markdown table."""
    head = "| part | undecided claims | programs | runs | minutes on an H100, predicted | minutes, measured | status |"
    lines = [head, "|---" * 7 + "|"]
    for row in rows:
        took = f"{row['seconds'] / 60:.1f}" if row["seconds"] else "–"
        status = f"{row['status']}: {row['message']}" if row["message"] else row["status"]
        counts = (row["name"], row["claims"], row["programs"] or "–", row["runs"] or "–")
        on_host = not row["programs"] and row["predicted_seconds"][1] is not None
        guess = minutes(*row["predicted_seconds"]) + (" on two CPU cores" if on_host else "")
        cells = *counts, guess, took, status
        lines.append("| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |")
    return "\n".join([*lines, ""])


def minutes(low: float | None, high: float | None) -> str:
    """A prediction in words."""
    if low is None or high is None:
        return "not counted"
    ends = [f"{seconds / 60:.2g}" if seconds < 6000 else f"{seconds / 60:.0f}" for seconds in (low, high)]
    return ends[0] if ends[0] == ends[1] else f"{ends[0]} to {ends[1]}"


def reproduce_all(
    out: Path, scale: str, *, within: float | None = None, dry_run: bool = False, found: Sequence[Part] | None = None
) -> Times:
    """Run what is left, best first, until the time is over; writes figures, numbers and a table of times to `out`.

    What needs a package that is not installed is left, and the table says which.

    Args:
        out: directory of all parts.
        scale: of each experiment.
        within: seconds after which nothing is begun and what runs is stopped, saved, to go on later.
        dry_run: print what is predicted, run nothing.
        found: the parts; by default all that claims and experiments name.

    Raises:
        InputError: if the directory holds another scale, or the claims are not in order.
    """
    if found is None:
        found = parts(*ledger.judged(), list(scripts.available("experiments")))
    modules = {part.experiment: scripts.load("experiments", part.experiment) for part in found}
    kernels = counted_kernels()
    predictions = {part.name: predict_or_say(modules[part.experiment], scale, kernels, **part.only) for part in found}
    found = ordered(found, predictions)
    times = Times.at(out, scale, found, predictions)
    if dry_run:
        print("predicted from kernels and bytes that were counted without a device, not measured")
        print(table(list(times.rows.values())))
        return times
    times.write()
    deadline = None if within is None else time.monotonic() + within
    with interrupt_on_signal():
        left = [part for part in found if times.rows[part.name]["status"] not in (DONE, FAILED)]
        # What lacks a package here is left for another machine.
        left = [part for part in left if not predictions[part.name].missing]
        while left:
            part = _next(left, predictions, deadline)
            if part is None:
                break
            left.remove(part)
            if not _run(part, modules[part.experiment], times, deadline):
                break
    print(out / TABLE)
    return times


def _next(left: Sequence[Part], predictions: Mapping[str, Prediction], deadline: float | None) -> Part | None:
    """The first part that fits into the time, else the first that can go on later; None where there is neither."""
    if deadline is None:
        return left[0]
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        return None
    fitting = [part for part in left if (predictions[part.name].high or float("inf")) <= seconds]
    resuming = [part for part in left if predictions[part.name].resumes]
    return next(iter([*fitting, *resuming]), None)


def _run(part: Part, module: Any, times: Times, deadline: float | None) -> bool:
    """Run one part and note what it took; false where the time is over, or the user has stopped it."""
    import jax

    begun, device = time.monotonic(), jax.devices()[0].device_kind
    # What runs is told to stop as a user would tell it: the segment ends, and all of it is saved.
    left = 0.0 if deadline is None else max(0.1, deadline - begun)
    alarm = threading.Timer(left, os.kill, (os.getpid(), signal.SIGTERM))
    if deadline is not None:
        alarm.start()
    print(f"{part.name}: {part.claims} undecided claims", file=sys.stderr, flush=True)
    status, message = DONE, ""
    try:
        module.reproduce(out=times.out / part.name, scale=times.scale, yes=True, **part.only)
    except KeyboardInterrupt:
        status = STOPPED
    except Exception as error:  # the others must not wait for whoever is not looking
        status, message = FAILED, " ".join(str(error).split())[:200] or type(error).__name__
        if not isinstance(error, InputError):
            traceback.print_exc()
    finally:
        alarm.cancel()
    times.add(part.name, status, time.monotonic() - begun, device, message)
    if status == STOPPED and (deadline is None or time.monotonic() < deadline):
        raise KeyboardInterrupt("What is done is saved; the same command goes on from there.")
    return status != STOPPED
