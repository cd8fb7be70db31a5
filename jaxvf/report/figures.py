"""The data that the scripts of a page draw: arrays packed, texts as they are."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jaxvf.report import answers, responses
from jaxvf.report.conditions import Condition, Field, setting
from jaxvf.report.packing import packed, packed_curves
from jaxvf.report.policies import Replay
from jaxvf.report.provenance import replay_command
from jaxvf.report.study import Study
from jaxvf.results.answers import REACHED
from jaxvf.results.profiles import FEW, ends_of
from jaxvf.results.statistics import Interval


def figure_data(
    study: Study,
    fields: Sequence[Field],
    conditions: Sequence[Condition],
    labels: Sequence[str],
    looks: Mapping[str, tuple[str, str]],
    replays: Sequence[Replay],
) -> dict[str, Any]:
    """All of it, as plain JSON."""
    of_run = np.zeros(len(study.records), int)
    for place, condition in enumerate(conditions):
        of_run[condition.rows] = place
    axes, axis = np.unique(study.env_steps, axis=0, return_inverse=True)
    statuses = list(dict.fromkeys(record["status"] for record in study.records))
    return {
        "main": study.main,
        "goal": study.goal,
        "metrics": study.metrics,
        "reached": REACHED,
        "count": len(study.records),
        "run": packed(np.asarray([record["run"] for record in study.records])),
        "seed": packed(np.asarray([record["seed"] for record in study.records])),
        "statuses": statuses,
        "status": packed(np.asarray([statuses.index(record["status"]) for record in study.records])),
        "sources": [source.label for source in study.sources],
        "source": packed(study.source),
        "commands": [replay_command(source, 0).removesuffix("0") for source in study.sources],
        "fields": [_field(field) for field in fields],
        "condition": packed(of_run),
        "axes": axes.tolist(),
        "axis": packed(axis.reshape(-1)),
        "last": {name: packed(values) for name, values in study.last.items()},
        "curves": {name: packed_curves(values) for name, values in study.curves.items()},
        "conditions": [
            {**_condition(study, condition, fields, looks), "label": labels[place]}
            for place, condition in enumerate(conditions)
        ],
        "profiles": _profiles(study, conditions),
        "responses": _responses(study, fields, conditions),
        "replays": [{"row": one.row, "seed": one.seed, "page": one.compressed} for one in replays],
    }


def _field(field: Field) -> dict[str, Any]:
    if field.numbers is not None:
        return {"name": field.name, "numbers": packed(field.numbers, np.float64)}
    whole = {"texts": field.texts} if field.texts != field.levels else {}  # for the CSV
    return {"name": field.name, "levels": field.levels, **whole, "codes": packed(field.codes)}


def _condition(
    study: Study, condition: Condition, fields: Sequence[Field], looks: Mapping[str, tuple[str, str]]
) -> dict[str, Any]:
    colour, dash = looks[condition.learner]
    return {
        "learner": condition.learner,
        "env": condition.env,
        "panel": setting(condition, fields),
        "colour": colour,
        "dash": dash,
        "bands": {
            metric: [{"steps": packed(band.steps), **_interval(band.interval)} for band in bands]
            for metric in study.metrics
            for bands in [answers.bands(study, condition.rows, metric)]
        },
        "ends": {metric: _ends(answers.ending(study, condition.rows, metric)) for metric in study.metrics},
    }


def _profiles(study: Study, conditions: Sequence[Condition]) -> list[dict[str, Any]]:
    """One for each environment and metric in which a run has a value."""
    found = []
    environments = dict.fromkeys(condition.env for condition in conditions)
    for env, metric in itertools.product(environments, study.metrics):
        places = [place for place, condition in enumerate(conditions) if condition.env == env]
        rows = np.concatenate([conditions[place].rows for place in places])
        values = answers.profile_values(study, rows, metric)
        if not len(values):  # every run diverged, or another environment reports the metric
            continue
        start, end = ends_of(values)
        made = [(place, answers.profile(study, conditions[place].rows, metric, start)) for place in places]
        lines = [
            {"condition": place, "at": packed(one.at, np.float64), **_interval(one.above)}
            for place, one in made
            if one is not None
        ]
        few = values.tolist() if len(values) <= FEW else None
        found.append({"env": env, "metric": metric, "end": end, "few": few, "lines": lines})
    return found


def _responses(study: Study, fields: Sequence[Field], conditions: Sequence[Condition]) -> dict[str, Any]:
    groups, scales = responses.groups_of(conditions), responses.scales_of(fields)
    names = [field.name for field in fields]
    return {
        "groups": [
            {
                "learner": group.learner,
                "env": group.env,
                "title": ", ".join(_names(group, several="directory" in names)),
                "rows": packed(group.rows),
            }
            for group in groups
        ],
        "scales": [
            {
                "name": scale.field.name,
                "number": scale.field.numbers is not None,
                "levels": scale.levels,
                "places": packed(np.asarray(scale.places), np.float64),
                "codes": packed(scale.codes),
                "lines": [_line(responses.along(study, group, scale)) for group in groups],
            }
            for scale in scales
        ],
        "maps": [
            {
                "across": scales.index(heat_map.across),
                "down": scales.index(heat_map.down),
                "runs": packed(heat_map.runs),
                "values": packed(heat_map.values),
            }
            for heat_map in responses.heat_maps(study, groups, scales)
        ],
    }


def _names(group: responses.Group, *, several: bool) -> list[str]:
    return [group.learner, group.env, *([group.directory] if several else [])]


def _line(cells: Sequence[responses.Cell]) -> dict[str, Any]:
    return {
        "runs": [cell.runs for cell in cells],
        "goal": _stacked([cell.goal for cell in cells]),
        "score": _stacked([cell.score for cell in cells]),
    }


def _stacked(intervals: Sequence[Interval | None]) -> dict[str, Any]:
    """Intervals as three arrays, NaN for none."""
    rows = [(np.nan,) * 3 if one is None else tuple(map(float, one)) for one in intervals]
    return _interval(Interval(*np.asarray(rows).T))


def _interval(interval: Interval) -> dict[str, Any]:
    return {name: packed(np.asarray(part)) for name, part in interval._asdict().items()}


def _ends(interval: Interval | None) -> dict[str, Any] | None:
    return None if interval is None else _stacked([interval])
