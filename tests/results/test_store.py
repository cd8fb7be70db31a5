"""The files of a sweep: what is written is read back, and nothing is ever half-written."""

import errno
import json
import os
import subprocess
import sys
import textwrap

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jaxvf.errors import InputError
from jaxvf.results import store
from jaxvf.results.store import FINISHED, DiskFullError, RunDirectory, write_atomically

CONFIG = {"env": {"name": "matrix_game", "payoff": np.eye(2)}, "seeds": [0, 1], "env_steps": 100, "nan": np.nan}


@pytest.fixture
def sweep(tmp_path) -> RunDirectory:
    directory = RunDirectory(tmp_path / "sweep")
    directory.create(CONFIG)
    return directory


def write_part(sweep: RunDirectory, name: str, value: float = 0.0) -> None:
    sweep.write_part(name, np.arange(3), np.arange(3), np.array([[10], [20]]), "test_return", np.float32(value))


def files(directory) -> dict[str, bytes]:
    return {str(p.relative_to(directory)): p.read_bytes() for p in directory.rglob("*") if p.is_file()}


def test_run_json_round_trip(sweep):
    sweep.update_json(versions={"jaxvf": "0.1.0"}, timing={"seconds": np.float32(0.5)})
    sweep.update_json(status=FINISHED)
    document = sweep.read_json()
    assert document["config"]["env"] == {"name": "matrix_game", "payoff": [[1.0, 0.0], [0.0, 1.0]]}
    assert (document["status"], document["timing"]["seconds"]) == (FINISHED, 0.5)
    assert document["versions"] == {"jaxvf": "0.1.0"}


def test_metrics_round_trip_broadcasts_a_block(sweep):
    metric = np.array(["test_return", "won"])[:, None, None]
    value = np.arange(12, dtype=np.float32).reshape(2, 3, 2)
    value[1, 2, 1] = np.nan
    sweep.write_part("b", np.array([4, 5]), np.array([70, 2**40]), np.array([0, 10, 20])[:, None], metric, value)
    sweep.write_part("a", [1], [1], [0], ["loss"], [np.inf])
    columns = sweep.read_metrics()
    assert sweep.parts() == ["a", "b"]
    assert {k: v.dtype.name for k, v in columns.items()} == {
        "run": "int32", "seed": "int64", "env_steps": "int64", "metric": "object", "value": "float32",
    }  # fmt: skip
    np.testing.assert_array_equal(columns["value"], np.concatenate([[np.inf], value.ravel()]))
    np.testing.assert_array_equal(columns["run"], [1] + [4, 5] * 6)
    np.testing.assert_array_equal(columns["seed"], [1] + [70, 2**40] * 6)
    np.testing.assert_array_equal(columns["env_steps"], [0] + [0, 0, 10, 10, 20, 20] * 2)
    assert columns["metric"].tolist() == ["loss"] + ["test_return"] * 6 + ["won"] * 6


def test_before_any_write_there_are_no_rows(sweep):
    assert sweep.read_runs() == []
    assert {name: len(column) for name, column in sweep.read_metrics().items()} == dict.fromkeys(
        ("run", "seed", "env_steps", "metric", "value"), 0
    )


def test_an_index_that_does_not_fit_is_refused(sweep):
    with pytest.raises(ValueError, match="not in range"):
        sweep.write_part("a", [2**31], [0], [0], ["loss"], [0.0])
    with pytest.raises(ValueError, match="file name"):
        sweep.write_part("../a", [0], [0], [0], ["loss"], [0.0])
    assert sweep.parts() == []


def test_rewriting_and_removing_parts(sweep):
    for name in ("000", "001", "002"):
        write_part(sweep, name, value=1.0)
    write_part(sweep, "001", value=2.0)
    assert sweep.remove_parts(lambda name: name > "001") == ["002"]
    assert sweep.parts() == ["000", "001"]
    np.testing.assert_array_equal(sweep.read_metrics()["value"], [1.0] * 6 + [2.0] * 6)
    np.testing.assert_array_equal(sweep.read_metrics(lambda name: name == "001")["value"], [2.0] * 6)


def test_runs_with_mixed_columns(sweep):
    records = [
        {
            "run": 0,
            "learning_rate": np.float32(0.5),
            "mixer": "qmix",
            "double": True,
            "env.payoff": np.eye(2),
        },
        {
            "run": np.int64(1),
            "learning_rate": 1,
            "mixer": 3,
            "seed": 2**63,
            "env.payoff": np.zeros((1, 2), int),
        },
        {"run": 2, "learning_rate": np.nan, "note": None, "mixer": None, "env.payoff": 0.5},
    ]
    sweep.write_runs(iter(records))
    first, second, third = sweep.read_runs()
    assert list(first) == ["run", "learning_rate", "mixer", "double", "env.payoff", "seed", "note"]
    assert [r["run"] for r in (first, second, third)] == [0, 1, 2]
    assert (first["learning_rate"], second["learning_rate"]) == (0.5, 1.0)
    assert np.isnan(third["learning_rate"])
    assert [r["mixer"] for r in (first, second, third)] == ["qmix", 3, None]
    assert [r["double"] for r in (first, second, third)] == [True, None, None]
    assert [r["seed"] for r in (first, second, third)] == [None, 2**63, None]
    assert {r["note"] for r in (first, second, third)} == {None}
    np.testing.assert_array_equal(first["env.payoff"], np.eye(2))
    np.testing.assert_array_equal(second["env.payoff"], [[0, 0]])
    assert third["env.payoff"] == 0.5
    stored = pq.read_table(sweep.path / "runs.parquet").column("env.payoff").to_pylist()
    assert stored == ["[[1.0, 0.0], [0.0, 1.0]]", "[[0, 0]]", "0.5"]


def test_create_refuses_what_is_there_and_writes_nothing(tmp_path, sweep):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("mine")
    before = files(tmp_path)
    deeper = {**CONFIG, "env": {**CONFIG["env"], "name": "two_step"}}
    fewer = {key: value for key, value in CONFIG.items() if key != "seeds"}
    cases = {
        "is a file": (tmp_path / "file", CONFIG),
        "holds no sweep": (tmp_path / "full", CONFIG),
        'env.name is "matrix_game" there, "two_step" here': (sweep.path, deeper),
        r"seeds is \[0, 1\] there, absent here": (sweep.path, fewer),
        "env_steps is 100 there, 200 here": (sweep.path, {**CONFIG, "env_steps": 200}),
        f"unfinished; use `jaxvf resume {sweep.path}`": (sweep.path, CONFIG),
    }
    for message, (path, config) in cases.items():
        with pytest.raises(InputError, match=message) as caught:
            RunDirectory(path).create(config)
        assert "\n" not in str(caught.value)
    assert files(tmp_path) == before


def test_create_refuses_a_finished_sweep(sweep):
    sweep.update_json(status=FINISHED)
    with pytest.raises(InputError, match="finished; use `jaxvf resume"):
        sweep.create(CONFIG)


def test_create_takes_an_empty_directory_and_one_that_an_interrupted_create_left(tmp_path):
    (tmp_path / ".run.json.tmp").write_text('{"conf')
    RunDirectory(tmp_path).create(CONFIG)
    assert list(files(tmp_path)) == ["run.json"]


def test_a_directory_without_run_json_is_no_sweep(tmp_path):
    with pytest.raises(InputError, match=r"run\.json is missing"):
        RunDirectory(tmp_path).read_json()


@pytest.mark.parametrize("keep", [0, 0.5, 0.99])
def test_a_truncated_part_is_named_and_the_others_are_counted(sweep, keep):
    for name in ("000", "001", "002"):
        write_part(sweep, name)
    path = sweep.path / "metrics" / "001.parquet"
    path.write_bytes(path.read_bytes()[: int(keep * path.stat().st_size)])
    with pytest.raises(InputError) as caught:
        sweep.read_metrics()
    message = f"damaged or truncated: {path}; the other files of the sweep (3) are intact"
    assert str(caught.value) == message


def test_a_flipped_bit_in_the_data_is_noticed(sweep):
    write_part(sweep, "000", value=1.0)
    path = sweep.path / "metrics" / "000.parquet"
    data = bytearray(path.read_bytes())
    data[40] ^= 1
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"000\.parquet"):
        sweep.read_metrics()


def test_a_foreign_part_is_named(sweep):
    write_part(sweep, "000")
    pq.write_table(pa.table({"run": [1]}), sweep.path / "metrics" / "001.parquet")
    with pytest.raises(InputError, match=r"001\.parquet"):
        sweep.read_metrics()


@pytest.mark.parametrize("content", [b"", b'{"config": {"a"', b"[1]", b"\xff\xfe"])
def test_a_damaged_run_json_is_named(sweep, content):
    write_part(sweep, "000")
    sweep.write_runs([{"run": 0}])
    (sweep.path / "run.json").write_bytes(content)
    for call in (sweep.read_json, lambda: sweep.update_json(a=1), lambda: sweep.create(CONFIG)):
        with pytest.raises(InputError, match=r"run\.json; the other files of the sweep \(2\) are intact"):
            call()
    assert (sweep.path / "run.json").read_bytes() == content


def test_every_damaged_file_is_named_at_once(sweep):
    write_part(sweep, "000")
    for name in ("metrics/001.parquet", "runs.parquet"):
        (sweep.path / name).write_bytes(b"PAR1")
    with pytest.raises(InputError, match=r"runs\.parquet, .*001\.parquet; .* \(2\) are intact"):
        sweep.read_runs()


@pytest.mark.parametrize("failing", ["write", "fsync", "replace"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_a_failing_write_leaves_the_old_content_and_nothing_else(sweep, monkeypatch, failing, code):
    write_part(sweep, "000", value=1.0)
    before = files(sweep.path)

    def fail(*_):
        raise OSError(code, os.strerror(code))

    if failing == "write":
        monkeypatch.setattr(store, "open", fail, raising=False)
    else:
        monkeypatch.setattr(store.os, failing, fail)
    expected = InputError if code == errno.EIO else DiskFullError
    with pytest.raises(expected, match="what was saved before is intact") as caught:
        write_part(sweep, "000", value=2.0)
    with pytest.raises(expected):
        sweep.update_json(status=FINISHED)
    assert type(caught.value) is expected
    assert str(sweep.path / "metrics" / "000.parquet") in str(caught.value)
    assert (f"`jaxvf resume {sweep.path}`" in str(caught.value)) == (expected is DiskFullError)
    assert files(sweep.path) == before


def test_an_interrupt_leaves_no_temporary_file(tmp_path, monkeypatch):
    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(store.os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "a", b"content")
    assert files(tmp_path) == {}


def test_the_file_appears_only_after_it_is_on_disk(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(store.os, "fsync", lambda _: seen.append((tmp_path / "a").exists()))
    write_atomically(tmp_path / "a", b"content")
    assert seen == [False]
    assert files(tmp_path) == {"a": b"content"}


def test_a_disk_that_is_really_full(sweep):
    """The kernel refuses the bytes beyond the limit of the process, as a full disk would."""
    write_part(sweep, "000", value=1.0)
    before = files(sweep.path)
    script = f"""
        import resource
        import numpy as np
        from jaxvf.results.store import DiskFullError, RunDirectory
        sweep = RunDirectory({str(sweep.path)!r})
        values = np.random.default_rng(0).normal(size=10_000)
        resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))
        for name in ("000", "001"):
            try:
                sweep.write_part(name, [0], [0], [0], "loss", values)
            except DiskFullError as error:
                print(error)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    lines = done.stdout.splitlines()
    assert len(lines) == 2
    assert all(f"free some space, then `jaxvf resume {sweep.path}`" in line for line in lines)
    assert files(sweep.path) == before


def test_unwritable_places_are_one_line(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError, match="cannot write"):
        RunDirectory(tmp_path / "file" / "sweep").create({})


def test_what_json_cannot_hold_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(TypeError, match="neither a number"):
        RunDirectory(tmp_path / "sweep").create({"env": object()})
    assert not (tmp_path / "sweep").exists()


def test_config_is_readable_json(sweep):
    assert json.loads((sweep.path / "run.json").read_text())["status"] == "unfinished"
