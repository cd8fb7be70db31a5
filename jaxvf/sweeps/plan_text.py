"""A plan as people read it: what is swept, what all groups share, and in what each differs from the others."""

import dataclasses
import reprlib
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any

from jaxvf.algorithms import ALGORITHMS, name_of

if TYPE_CHECKING:
    from jaxvf.sweeps.plan import Group, Plan
    from jaxvf.sweeps.space import Run

FEW = 4  # values that are shown in full
MOST_LINES = 8  # of groups


def lines(plan: "Plan") -> list[str]:
    """The lines of a plan."""
    head = f"{plan.runs} runs in {len(plan.groups)} group(s), one program each"
    differing = _differing_fields([group.runs[0] for group in plan.groups])
    parts = [[_labels(group), *fields, *_numbers(group)] for group, fields in zip(plan.groups, differing, strict=True)]
    shared = [part for part in parts[0] if len(parts) > 1 and all(part in others for others in parts)]
    rows = [", ".join(part for part in own if part not in shared) for own in parts]
    each = [f"  each: {', '.join(shared)}"] if shared else []
    return [head, *_swept(plan), *each, *_numbered(rows), *_warnings(plan)]


def _warnings(plan: "Plan") -> list[str]:
    """What its user may not mean: the mean reward of opponents taken for a team's, a budget in which nothing learns."""
    found = {
        f"warning: {run.env.spec.name} is general-sum, and {name_of(run.algorithm)} learns from the mean of its "
        "agents' rewards, as if they were a team; with reward=agents, iql and ippo learn from each agent's own": None
        for run in (group.runs[0] for group in plan.groups)
        if run.env.spec.general_sum and getattr(run.algorithm, "reward", "team") == "team"
    }
    found |= {warning: None for group in plan.groups if (warning := _learns_nothing(group))}
    return list(found)


def _learns_nothing(group: "Group") -> str:
    """A warning where the budget is over before replay holds what the first update needs; else nothing."""
    pace = getattr(group.program.experience, "pace", None)
    if pace is None:  # nothing is replayed
        return ""
    if pace.first_update <= group.segments * group.program.iterations:
        return ""
    return (
        f"warning: {name_of(group.runs[0].algorithm)} learns nothing: its first update would come after "
        f"{pace.first_update * group.program.experience.steps:,} steps"
    )


def _numbered(rows: Sequence[str]) -> list[str]:
    """A line for each group; those that read alike share one, and of very many the first and the last are shown."""
    places: dict[str, list[int]] = {}
    for index, row in enumerate(rows):
        places.setdefault(row, []).append(index)
    lines = []
    for row, alike in places.items():
        consecutive = len(alike) > 2 and alike == list(range(alike[0], alike[-1] + 1))
        named = f"{alike[0]} to {alike[-1]}" if consecutive else ", ".join(map(str, alike))
        lines.append(f"  group{'s' if len(alike) > 1 else ''} {named}: {row or 'as above'}")
    if len(lines) > MOST_LINES:
        left = len(lines) - MOST_LINES
        lines[MOST_LINES - 1 : -1] = [f"  ... and {left} more like these (--json lists them)"]
    return lines


def _labels(group: "Group") -> str:
    labels = list(dict.fromkeys(f"{run.labels['algorithm']} on {run.labels['env']}" for run in group.runs))
    return ", ".join(labels[:3]) + (f" and {len(labels) - 3} more" if len(labels) > 3 else "")


def _numbers(group: "Group") -> list[str]:
    exact, memory = "" if group.measured_bytes else "~", group.bytes_per_run / 2**20
    return [
        f"{len(group.runs)} runs",
        f"{len(group.chunks)} chunk(s) of {group.chunk} ({group.size.reason})",
        group.program.experience.described,
        f"{group.segments} evaluations of {group.program.segment_steps:,} steps",
        f"{exact}{memory:.1f} MiB a run ({memory * group.chunk:,.1f} MiB at once)",
    ]


def _swept(plan: "Plan") -> list[str]:
    """What the runs differ in: fields of the grid and seeds."""
    runs = [run for group in plan.groups for run in group.runs]
    fields = dict.fromkeys(name for run in runs for name in run.settings)
    seen = {name: [run.settings[name] for run in runs if name in run.settings] for name in fields}
    swept = {"seed": [run.seed for run in runs], **{name: values for name, values in seen.items() if name != "seed"}}
    shown = [(name, list({repr(value): value for value in values}.values())) for name, values in swept.items()]
    varied = [f"{name} {_few(values)}" for name, values in shown if len(values) > 1]
    return [f"  sweep: {'; '.join(varied)}"] if varied else []


def _few(values: Sequence[Any]) -> str:
    texts = [f"{value:g}" if isinstance(value, float) else reprlib.repr(value) for value in values]
    if len(texts) <= FEW:
        return ", ".join(texts)
    if all(isinstance(value, int | float) for value in values):
        return f"{min(values):g} to {max(values):g} ({len(values)} values)"
    return f"{', '.join(texts[:FEW])}, ... ({len(values)} values)"


def _differing_fields(runs: Sequence["Run"]) -> list[list[str]]:
    """For each of `runs` its static fields in which runs of one algorithm and environment differ, with their values."""
    values: dict[Hashable, set[str]] = {}
    for run in runs:
        for key, text in _static(run).items():
            values.setdefault(key, set()).add(text)
    return [[f"{key[-1]}={text}" for key, text in _static(run).items() if len(values[key]) > 1] for run in runs]


def _static(run: "Run") -> dict[tuple[str, ...], str]:
    """Every static field as text; only fields of objects of one class are compared, so the key names the classes."""
    env, learner = (run.labels[name].partition("#")[0] for name in ("env", "algorithm"))
    # A label that the user chose says nothing of what the learner is.
    family = env, learner if learner in ALGORITHMS else name_of(run.algorithm)
    return {**_texts((*family, ""), run.algorithm), **_texts((*family, "env."), run.env)}


def _texts(key: tuple[str, ...], config: Any) -> dict[tuple[str, ...], str]:
    *classes, prefix = key
    texts: dict[tuple[str, ...], str] = {}
    for field in dataclasses.fields(config):
        value, path = getattr(config, field.name), prefix + field.name
        if field.metadata.get("traced") or field.name in ("parent", "name"):  # the last two are flax's bookkeeping
            continue
        if dataclasses.is_dataclass(value):
            texts[*classes, path] = type(value).__name__
            texts |= _texts((*classes, type(value).__name__, f"{path}."), value)
        else:
            texts[*classes, path] = reprlib.repr(value)
    return texts
