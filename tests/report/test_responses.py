"""Outcomes along one field and over two."""

import numpy as np
import pytest

from jaxvf.report import responses
from jaxvf.report.conditions import conditions_of, fields_of
from jaxvf.report.study import read


def shown(path):
    study = read([path])
    fields = fields_of(study)
    conditions, _ = conditions_of(study, fields)
    return study, responses.groups_of(conditions), responses.scales_of(fields)


def rows_with(study, **wanted):
    return [row for row, run in enumerate(study.records) if wanted.items() <= run.items()]


def test_a_group_holds_the_runs_of_one_learner_on_one_environment(make):
    study, groups, _ = shown(make(envs=("a", "b"), seeds=3))
    assert [(group.env, group.learner, len(group.rows)) for group in groups] == [
        ("a", "vdn", 3), ("a", "qmix", 3), ("b", "vdn", 3), ("b", "qmix", 3),
    ]  # fmt: skip
    assert all(study.records[row]["env"] == "b" for row in groups[2].rows)


def test_levels_of_a_field_are_its_values_in_order(swept):
    study, groups, (scale,) = shown(swept)
    assert (scale.levels, scale.places) == (["0.0005", "0.001"], [0.0005, 0.001])
    cells = responses.along(study, groups[0], scale)
    assert [cell.runs for cell in cells] == [8, 8]
    slow = rows_with(study, algorithm="vdn", learning_rate=0.0005)
    assert cells[0].goal.estimate == study.reached(slow).mean()


def test_many_values_are_cut_into_bins_of_equally_many_runs(make):
    study, groups, (scale,) = shown(make(grid={"learning_rate": np.linspace(1, 2, 80).tolist()}, seeds=1))
    assert len(scale.levels) == responses.BINS
    np.testing.assert_array_equal(np.bincount(scale.codes), [20] * 8)
    assert sum(cell.runs for group in groups for cell in responses.along(study, group, scale)) == 160


def test_names_are_levels_and_a_run_without_a_number_is_in_none(make):
    _, _, scales = shown(make(grid={"agent": ["gru", "mlp"], "width": [8, None]}))
    assert [scale.levels for scale in scales] == [["gru", "mlp"], ["8"]]
    assert set(scales[1].codes.tolist()) == {0, -1}


def test_a_cell_of_a_heat_map_is_the_fraction_of_its_runs(make):
    study, groups, scales = shown(make(grid={"learning_rate": [0.1, 0.2], "width": [8, 16, 32]}))
    (heat_map,) = responses.heat_maps(study, groups, scales)
    assert heat_map.values.shape == (2, 3, 2) and (heat_map.runs == 8).all()
    rows = rows_with(study, algorithm="qmix", learning_rate=0.2, width=16)
    assert heat_map.values[1, 1, 1] == pytest.approx(study.reached(rows).mean())


def test_runs_that_were_not_evaluated_are_in_no_cell(make):
    """Run 0 has no curve: of the two of its cell one is judged, and it has reached the goal."""
    study, groups, scales = shown(
        make(learners=("qmix",), grid={"learning_rate": [0.1, 0.2], "width": [8, 16]}, seeds=2)
    )
    for curve in (*study.curves.values(), *study.last.values()):
        curve[0] = np.nan
    study.last["test_optimal"][1] = 1.0
    (heat_map,) = responses.heat_maps(study, groups, scales)
    assert (heat_map.runs[0, 0, 0], heat_map.values[0, 0, 0]) == (1, 1.0)


def test_fields_that_no_run_has_both_of_have_no_heat_map(make):
    study, groups, scales = shown(make(grid={"width": [8, 16, None], "depth": [None, 1, 2]}))
    assert len(responses.heat_maps(study, groups, scales)) == 1
    for record in study.records:
        record["depth" if record["width"] is not None else "width"] = None
    fields = fields_of(study)
    assert {field.name for field in fields} >= {"width", "depth"}
    assert responses.heat_maps(study, groups, responses.scales_of(fields)) == []
