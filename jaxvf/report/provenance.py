"""Where numbers come from: the sweep as a file to run again, how learners differ, versions, device, time, memory."""

import dataclasses
import json
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from jaxvf.errors import InputError
from jaxvf.report.conditions import field_text
from jaxvf.report.study import Source
from jaxvf.sweeps.export import export

ABSENT = "–"  # a field that a learner has not


@dataclasses.dataclass(frozen=True)
class Provenance:
    """What is known of how a directory was computed.

    Attributes:
        label: of the directory.
        path: of the directory, as it was named.
        sweep: the sweep as text.
        kind: "toml", which `jaxvf run` reads, or "json" where the directory holds a search.
        begun: the command line that began it, or "from Python"; "" of a directory that does not say.
        command: what computes it again; "" for a search.
        facts: status, versions and device, in words by name.
        groups: seconds, steps a second and bytes of each program.
    """

    label: str
    path: str
    sweep: str
    kind: str
    begun: str
    command: str
    facts: dict[str, str]
    groups: list[dict[str, str]]


@dataclasses.dataclass(frozen=True)
class Differences:
    """Fields in which the learners of a report differ, with the value of each learner."""

    learners: list[str]
    rows: dict[str, list[str]]


def provenance(source: Source) -> Provenance:
    """What run.json of a directory says."""
    document = source.document
    try:
        text, kind = export(source.path), "toml"
    except InputError:  # a search, or a sweep of objects that TOML cannot name
        text, kind = json.dumps(document.get("config"), indent=2), "json"
    command = "jaxvf run sweep.toml --out NEW_DIRECTORY" if kind == "toml" else ""
    device = document.get("device")
    facts = {"status": str(document.get("status")), **_device(device if isinstance(device, dict) else {})}
    facts |= {name: str(version) for name, version in document.get("versions", {}).items()}
    groups = [_group(entry, at, document) for at, entry in enumerate(source.result.timing)]
    begun = str(document.get("command", ""))
    return Provenance(source.label, str(source.path), text, kind, begun, command, facts, groups)


def replay_command(source: Source, run: int) -> str:
    """The command that renders an episode of a run."""
    return f"jaxvf render {shlex.quote(str(source.path))} --run {run}"


def differences(sources: Sequence[Source]) -> Differences:
    """How the learners' configurations differ in full, the settings of the sweep aside.

    Every learner is described by its first run; a field that a sweep varies has that run's value.
    """
    columns: dict[str, dict[str, str]] = {}
    for source in sources:
        for record, algorithm in _first_runs(source):
            name = f"{record['algorithm']} ({source.label})" if len(sources) > 1 else str(record["algorithm"])
            columns.setdefault(name, flat(algorithm))
    names = dict.fromkeys(field for column in columns.values() for field in column)
    rows = {name: [column.get(name, ABSENT) for column in columns.values()] for name in names}
    return Differences(list(columns), {name: row for name, row in rows.items() if len(set(row)) > 1})


def flat(document: Any, path: str = "") -> dict[str, str]:
    """A configuration by dotted field; the class of a part is the value of the field that holds it."""
    if isinstance(document, Mapping) and document.keys() == {"class", "fields"}:
        found = {path or "class": str(document["class"]).rpartition(":")[2]}
        for name, value in dict(document["fields"]).items():
            found |= flat(value, f"{path}.{name}" if path else str(name))
        return found
    return {path: field_text(document)}


def _first_runs(source: Source) -> list[tuple[dict[str, Any], Any]]:
    """The record of each learner's first run, and its configuration as the plan describes it."""
    found: dict[str, tuple[dict[str, Any], Any]] = {}
    groups = source.document.get("plan", [])
    for record in source.result.runs:
        if record["algorithm"] in found:
            continue
        for group in groups:
            if any(first <= record["run"] <= last for first, last in group.get("run_ranges", [])):
                found[record["algorithm"]] = (record, group.get("algorithm"))
    return list(found.values())


def _device(device: Mapping[str, Any]) -> dict[str, str]:
    if not device:
        return {}
    return {"device": f"{device.get('count', 1)} × {device.get('kind', device.get('platform', 'unknown'))}"}


def _group(entry: Mapping[str, Any], at: int, document: Mapping[str, Any]) -> dict[str, str]:
    """One program's numbers in words; what was not measured is left out."""
    number = entry.get("group", at)
    plan = document.get("plan", [])
    of_plan = plan[number] if isinstance(number, int) and 0 <= number < len(plan) else {}
    labels = of_plan.get("labels") if isinstance(of_plan, dict) else None
    name = ", ".join(map(str, labels)) if isinstance(labels, list) else f"program {number}"
    row = {"program": name, "runs": str(of_plan.get("runs", ""))}
    row |= {title: write(entry[key]) for key, (title, write) in NUMBERS.items() if _is_number(entry.get(key))}
    return row


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _seconds(value: float) -> str:
    if value < 60:
        return f"{value:.3g} s"
    return f"{value / 60:.1f} min" if value < 3600 else f"{value / 3600:.1f} h"


def _bytes(value: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if value < 1024:
            return f"{value:.3g} {unit}"
        value /= 1024
    return f"{value:.3g} GiB"


NUMBERS = {
    "compile_seconds": ("compiling", _seconds),
    "run_seconds": ("running", _seconds),
    "env_steps_per_second": ("environment steps a second", lambda value: f"{value:,.0f}"),
    "measured_bytes_per_run": ("memory a run", _bytes),
    "predicted_bytes_per_run": ("memory a run, predicted", _bytes),
}
