"""A damaged or foreign table is one line that names it; nothing is written."""

import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from trust_cases import FIRST, MARKER, REPLACED, files, hostile, refused

from jaxvf import cli
from jaxvf.results.store import RunDirectory
from jaxvf.sweeps import load

PART = f"metrics/{FIRST}-s000003.parquet"
RUNS = "runs.parquet"


@pytest.mark.parametrize(("name", "command"), [(RUNS, "plot"), (PART, "plot"), (PART, "resume")])
@pytest.mark.parametrize("damage", REPLACED)
def test_bytes_that_are_no_table(here, capsys, name, command, damage):
    path = here / "stopped" / name
    path.write_bytes(REPLACED[damage](path.read_bytes()))
    assert f"stopped/{name}" in refused(capsys, here, command, "stopped")


@pytest.mark.parametrize(("name", "command"), [(RUNS, "plot"), (PART, "plot"), (PART, "resume")])
def test_a_directory_where_a_table_should_be(here, capsys, name, command):
    (here / "stopped" / name).unlink()
    (here / "stopped" / name).mkdir()
    assert f"stopped/{name}" in refused(capsys, here, command, "stopped")


@pytest.mark.parametrize("command", ["plot", "resume"])
def test_a_part_that_is_lost(here, capsys, command):
    (here / "stopped" / PART).unlink()
    assert f"files of stopped/metrics/{FIRST} are missing" in refused(capsys, here, command, "stopped")


def test_no_table_of_runs(here, capsys):
    (here / "stopped" / RUNS).unlink()
    assert "stopped/run.json" in refused(capsys, here, "plot", "stopped")


def changed(table: pa.Table, name: str, values) -> pa.Table:
    """The table with other values in a column."""
    place = table.column_names.index(name)
    array = values if isinstance(values, pa.ChunkedArray) else pa.array(values)
    return table.set_column(place, pa.field(name, array.type, metadata=table.schema.field(name).metadata), array)


TABLES = {
    "no column": lambda table: table.select([]),
    "no rows": lambda table: table.slice(0, 0),
    "a row less": lambda table: table.slice(1),
    "a row twice": lambda table: pa.concat_tables([table, table.slice(0, 1)]),
    "run as text": lambda table: changed(table, "run", ["x"] * len(table)),
    "run is negative": lambda table: changed(table, "run", pa.chunked_array([[-1] * len(table)], pa.int32())),
    "run is far": lambda table: changed(table, "run", pa.chunked_array([[10**6] * len(table)], pa.int32())),
    "run is null": lambda table: changed(table, "run", pa.chunked_array([[None] * len(table)], pa.int32())),
    "no seed": lambda table: table.drop_columns(["seed"]),
}
OF_RUNS = {
    **TABLES,
    "env is a number": lambda table: changed(table, "env", [3] * len(table)),
    "env is null": lambda table: changed(table, "env", [None] * len(table)),
    "no status": lambda table: table.drop_columns(["status"]),
}
OF_METRICS = {
    **TABLES,
    "steps between evaluations": lambda table: changed(table, "env_steps", np.full(len(table), 7)),
    "steps after the end": lambda table: changed(table, "env_steps", np.full(len(table), 10**12)),
    "steps are negative": lambda table: changed(table, "env_steps", np.full(len(table), -20)),
    "metric is text": lambda table: changed(table, "metric", ["test_return"] * len(table)),
    "values in double": lambda table: changed(table, "value", np.zeros(len(table))),
}


@pytest.mark.parametrize("damage", OF_RUNS)
def test_a_table_of_other_runs(here, capsys, damage):
    path = here / "stopped" / RUNS
    pq.write_table(OF_RUNS[damage](pq.read_table(path)), path)
    line = refused(capsys, here, "plot", "stopped")
    assert "stopped/runs.parquet" in line or "stopped/run.json" in line


@pytest.mark.parametrize("damage", OF_METRICS)
def test_a_part_of_other_metrics(here, capsys, damage):
    path = here / "stopped" / PART
    pq.write_table(OF_METRICS[damage](pq.read_table(path)), path)
    line = refused(capsys, here, "plot", "stopped")
    assert PART in line or f"files of stopped/metrics/{FIRST} are missing" in line


@pytest.mark.parametrize("text", ["{", "[[1, 2], [3]]", "[" * 10_000, '{"a": 1, "a": 2}', "9" * 5000])
def test_a_column_of_damaged_json(here, capsys, text):
    path = here / "stopped" / RUNS
    table = pq.read_table(path)
    field = pa.field("mixer", pa.string(), metadata={b"jaxvf": b"json"})
    pq.write_table(table.append_column(field, [[text] * len(table)]), path)
    assert "stopped/runs.parquet" in refused(capsys, here, "plot", "stopped")


@pytest.mark.parametrize("name", ["os:system", "this:d", "subprocess:Popen", "my_module:Mixer"])
def test_a_class_in_the_table_of_runs_stays_a_description(here, name):
    directory = RunDirectory(here / "stopped")
    described = hostile(name, command=f"touch {MARKER}")
    directory.write_runs([{**run, "mixer": described} for run in directory.read_runs()])
    result = load("stopped")
    assert [run["mixer"] for run in result.runs] == [described] * 4
    assert [row["mixer"] for row in result.summary()] == [described] * 2
    assert not (here / MARKER).exists()


@pytest.mark.parametrize("command", ["plot", "resume"])
@pytest.mark.parametrize(
    "name",
    ["notes", FIRST, f"{FIRST}-s", f"{FIRST}-sXYZ", f"{FIRST}-s²", "g009-c000-s000003", "-s000003", "..."],
)
def test_a_foreign_part_is_named(here, capsys, command, name):
    """Even where its content is a part's."""
    shutil.copy(here / "stopped" / PART, here / "stopped" / "metrics" / f"{name}.parquet")
    if name.startswith("."):  # hidden, and no part of anything
        before = files(here / "stopped")
        cli.main(["plot", "stopped"])
        assert before.items() <= files(here / "stopped").items()
    else:
        assert f"metrics/{name}.parquet" in refused(capsys, here, command, "stopped")


def test_a_part_under_two_names(here, capsys):
    shutil.copy(here / "stopped" / PART, here / "stopped" / "metrics" / f"{FIRST}-s000002.parquet")
    assert "are in the metrics twice" in refused(capsys, here, "plot", "stopped")


@pytest.mark.parametrize("folder", ["metrics", "checkpoints", "policies"])
def test_a_file_where_a_folder_should_be(here, capsys, folder):
    shutil.rmtree(here / "stopped" / folder)
    (here / "stopped" / folder).write_text("mine")
    assert f"stopped/{folder}" in refused(capsys, here, "resume", "stopped")
