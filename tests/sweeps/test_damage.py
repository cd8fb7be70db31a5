"""Damaged files and full disks: one line that names the file, and nothing is lost."""

import dataclasses
import json
import resource
import shutil

import jax
import numpy as np
import pytest
from tiny_sweeps import (
    TINY,
    assert_same_files,
    during,
    files,
    named,
    refuse,
    run,
    tiny,
)

from jaxvf.errors import InputError
from jaxvf.networks import FeedForwardAgent
from jaxvf.results import store
from jaxvf.results.store import DiskFullError, RunDirectory
from jaxvf.sweeps import execution, load, resume, runner
from jaxvf.sweeps.checkpoint import Checkpoints
from jaxvf.sweeps.progress import Silent

pytestmark = pytest.mark.usefixtures("compiled_once")


def test_a_damaged_checkpoint_is_named_and_the_one_before_it_goes_on(stopped, reference, capfd, caplog):
    newest = stopped / "checkpoints" / named(stopped, "g000-c001") / "15"
    contents = [*newest.rglob("*"), newest.with_suffix(".json")]
    assert len([path for path in contents if path.is_file()]) > 5
    for path in contents:
        if path.is_file():
            whole = path.read_bytes()
            for damaged in (b"", whole[: len(whole) // 2], whole[:-1], whole[:-1] + bytes([whole[-1] ^ 1])):
                path.write_bytes(damaged)
                line = refuse(lambda out: resume(out, progress="none"), stopped, str(path))
                assert f"remove {newest} to continue from iteration 10" in line
            path.write_bytes(whole)
    removed = next(newest.rglob("manifest.ocdbt"))
    removed.unlink()
    refuse(lambda out: resume(out, progress="none"), stopped, str(removed), "missing")
    assert (capfd.readouterr().err, caplog.text) == ("", "")
    shutil.rmtree(newest)
    resume(stopped, progress="none")
    assert_same_files(stopped, reference[1])


def test_a_checkpoint_of_something_else_is_one_line(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(1, {"a": np.zeros(3, np.float32)})
    with pytest.raises(InputError, match=r"is damaged .* continue from the start of this unit") as caught:
        checkpoints.restore(1, {"a": np.zeros(3, np.float32), "b": np.zeros(2, np.float32)})
    assert "\n" not in str(caught.value)


def test_an_empty_leaf_comes_back_empty(tmp_path):
    """What actors without memory remember has size 0; orbax refuses to store that."""
    checkpoints = Checkpoints(tmp_path)
    tree = {"memory": np.zeros((2, 0), np.float32), "weights": np.arange(3, dtype=np.float32)}
    checkpoints.save(1, tree)
    back = checkpoints.restore(1, jax.tree.map(np.zeros_like, tree))
    assert back["memory"].shape == (2, 0)
    np.testing.assert_array_equal(back["weights"], [0, 1, 2])


def test_only_the_newest_checkpoints_are_kept(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    for segment in (1, 2, 10, 11):
        checkpoints.save(segment, {"a": np.full(3, segment, np.float32)})
    assert checkpoints.steps() == [10, 11]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["10", "10.json", "11", "11.json"]
    np.testing.assert_array_equal(checkpoints.restore(10, {"a": np.zeros(3, np.float32)})["a"], [10, 10, 10])
    checkpoints.clear()
    assert checkpoints.steps() == []


@pytest.mark.parametrize("call", [resume, load])
def test_a_truncated_part_is_named(stopped, call):
    for unit, segment in (("g000-c000", 5), ("g000-c001", 2)):
        part = stopped / "metrics" / f"{named(stopped, unit)}-s{segment:06d}.parquet"
        whole = part.read_bytes()
        part.write_bytes(whole[:-40])
        assert "are intact" in refuse(call, stopped, str(part))
        part.write_bytes(whole)
    part.unlink()
    refuse(call, stopped, "files of", "g000-c001", "are missing")


def test_a_truncated_policy_is_named_when_it_is_asked_for(stopped):
    policy = stopped / "policies" / f"{named(stopped, 'g000-c000')}.npz"
    whole = policy.read_bytes()
    for damaged in (b"", whole[:40], whole[: len(whole) // 2], whole[:-1]):
        policy.write_bytes(damaged)
        refuse(lambda out: load(out).policy(0), stopped, str(policy))


@pytest.mark.parametrize("call", [resume, load])
def test_a_damaged_run_json_is_named(stopped, call):
    path = stopped / "run.json"
    document = json.loads(path.read_text())
    for damaged in (b"", b"{", path.read_bytes()[:-20], b"[]", b"{}", b'{"config": {"a": 1}}'):
        path.write_bytes(damaged)
        refuse(call, stopped, str(path))
    path.write_text(json.dumps({**document, "plan": document["plan"] * 2}))
    refuse(call, stopped, str(path))


@pytest.mark.parametrize("call", [resume, lambda out: load(out).policy(0)])
def test_a_sweep_of_another_meaning_is_not_continued_and_its_policies_not_read(stopped, call):
    """Written by a version whose defaults, rules or grouping were others; its curves stay what they are."""
    path = stopped / "run.json"
    document = json.loads(path.read_text())
    for field, value in (("env_version", 0), ("algorithm", {"class": "another", "fields": {}})):
        other = {**document, "plan": [{**document["plan"][0], field: value}, *document["plan"][1:]]}
        path.write_text(json.dumps(other))
        refuse(call, stopped, str(path), "whose defaults or rules differ")
        assert load(stopped).runs[0]["status"] == "finished"


@pytest.mark.parametrize("call", [resume, load])
def test_a_directory_without_a_sweep(tmp_path, call):
    refuse(call, tmp_path, "is not a run directory: run.json is missing")


# orbax leaves writers behind whose event loop is closed when the disk refuses them.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("bytes_left", [100, 2100])
def test_a_full_disk_loses_nothing(tmp_path, monkeypatch, bytes_left, capfd, caplog):
    """The kernel refuses what is beyond the limit: the part of segment 9 itself, or only its checkpoint."""
    wide = dataclasses.replace(TINY, agent=FeedForwardAgent(hidden=32))  # whose checkpoints are larger than a part
    run(tiny(algorithms=wide), tmp_path / "whole", chunk=4)
    out, unlimited = tmp_path / "sweep", (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    held = {}

    def fill_up():
        held.update(files(out))
        resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_left, resource.RLIM_INFINITY))

    during(monkeypatch, 9, fill_up)
    try:
        with pytest.raises(DiskFullError, match=r"no space .* saved before is intact; free some space") as caught:
            run(tiny(algorithms=wide), out, chunk=4)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
    assert "\n" not in str(caught.value)
    assert (capfd.readouterr().err, caplog.text) == ("", "")
    assert held.items() <= files(out).items()
    assert (f"{named(out, 'g000-c001')}-s000003" in RunDirectory(out).parts()) == (bytes_left > 2000)
    monkeypatch.setattr(execution, "make_progress", lambda mode: Silent())
    resume(out)
    assert_same_files(out, tmp_path / "whole")


def test_a_disk_that_is_full_at_the_very_end(tmp_path, monkeypatch, reference):
    """Everything is computed, only the last line of run.json did not fit."""
    out = tmp_path / "sweep"
    write = store.write_atomically

    def refuse_finished(path, data, **said):
        if b'"status": "finished"' in data:
            raise DiskFullError(f"no space to write {path}")
        write(path, data, **said)

    with monkeypatch.context() as patched, pytest.raises(DiskFullError):
        patched.setattr(store, "write_atomically", refuse_finished)
        run(tiny(), out, chunk=4)
    monkeypatch.setattr(runner.Runner, "_run_unit", lambda *_: pytest.fail("all units are finished"))
    resume(out, progress="none")
    assert_same_files(out, reference[1])
    assert RunDirectory(out).read_json()["status"] == "finished"
