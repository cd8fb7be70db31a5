"""Policies and checkpoints are data: damaged or hostile ones are one line that names them."""

import io
import json
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
from trust_cases import FIRST, MARKER, REPLACED, SECOND, edit, files, hostile, put, refused

from jaxvf import cli
from jaxvf.errors import InputError
from jaxvf.results import Policy
from jaxvf.sweeps import load

CHUNK = f"policies/{FIRST}.npz"


class Bomb:
    """What a pickle would do."""

    def __reduce__(self):
        return Path.touch, (Path(MARKER),)


def npz(*arrays, **named) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, *arrays, **named)
    return buffer.getvalue()


def members(contents: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def npy(array, **options) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.asarray(array), **options)
    return buffer.getvalue()


def huge(whole: bytes) -> bytes:
    """An array whose header promises more than any memory holds."""
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "<f4", "fortran_order": False, "shape": (2**50,)})
    return members({"arr_0.npy": buffer.getvalue() + bytes(100)})


def stored(whole: bytes) -> np.ndarray:
    with np.load(io.BytesIO(whole)) as archive:
        return archive["arr_0"]


ARCHIVES = {
    **REPLACED,
    "one array": lambda whole: npy(stored(whole)),
    "pickled object": lambda whole: pickle.dumps(Bomb()),
    "array of objects": lambda whole: npz(np.array([Bomb()], object)),
    "another shape": lambda whole: npz(stored(whole)[:1]),
    "flat": lambda whole: npz(stored(whole).ravel()),
    "doubles": lambda whole: npz(stored(whole).astype(np.float64)),
    "integers": lambda whole: npz(stored(whole).astype(np.int32)),
    "text": lambda whole: npz(stored(whole).astype(str)),
    "no array": lambda whole: npz(),
    "an array too many": lambda whole: npz(stored(whole), stored(whole)),
    "other names": lambda whole: npz(table=stored(whole)),
    "an empty member": lambda whole: members({"arr_0.npy": b""}),
    "no magic": lambda whole: members({"arr_0.npy": bytes(1000)}),
    "a header without end": lambda whole: members({"arr_0.npy": npy(stored(whole))[:20]}),
    "too few numbers": lambda whole: members({"arr_0.npy": npy(stored(whole))[:-4]}),
    "version 3": lambda whole: members({"arr_0.npy": npy(stored(whole), version=(3, 0))}),
    "more than memory": huge,
    "a way out": lambda whole: members({"../arr_0.npy": npy(stored(whole))}),
}


@pytest.mark.parametrize("damage", ARCHIVES)
def test_parameters_of_a_chunk(here, capsys, damage):
    """A policy of it is refused; curves, and policies of other chunks, are not."""
    path = here / "finished" / CHUNK
    path.write_bytes(ARCHIVES[damage](path.read_bytes()))
    assert CHUNK in refused(capsys, here, "render", "finished", "--run", "0")
    result = load("finished")
    assert np.isfinite(result.metric("test_return")).all()
    assert result.policy(3).params is not None
    assert not (here / MARKER).exists()


def test_plotting_reads_no_policy(here):
    for path in (here / "finished" / "policies").iterdir():
        path.unlink()
    cli.main(["plot", "finished"])


def test_only_the_last_chunk_of_policies_is_kept(here):
    result = load("finished")
    result.policy(0)
    first = here / "finished" / CHUNK
    content = first.read_bytes()
    first.unlink()
    result.policy(1)  # of the same chunk, which is in memory
    result.policy(2)
    with pytest.raises(InputError, match=CHUNK):
        result.policy(0)
    first.write_bytes(content)
    result.policy(0)


@pytest.fixture
def policy(here) -> Path:
    load("finished").policy(0).save(here / "policy")
    return here / "policy"


def refused_policy(path: Path) -> str:
    before = files(path)
    with pytest.raises(InputError) as caught:
        Policy.load(path)
    assert "\n" not in str(caught.value)
    assert files(path) == before
    assert not Path(MARKER).exists()
    return str(caught.value)


@pytest.mark.parametrize("damage", ARCHIVES)
def test_parameters_of_a_policy(policy, damage):
    path = policy / "params.npz"
    path.write_bytes(ARCHIVES[damage](path.read_bytes()))
    assert "params.npz" in refused_policy(policy)


DESCRIPTIONS = {
    "no environment": lambda document: document.pop("env") and None,
    "no learner": lambda document: document.pop("algorithm") and None,
    "environment is a number": put(3, "env"),
    "environment is null": put(None, "env"),
    "environment is a learner": lambda document: {**document, "env": document["algorithm"]},
    "learner is a list": put([], "algorithm"),
    "learner is an environment": lambda document: {**document, "algorithm": document["env"]},
    "os:system": put(hostile("os:system", command=f"touch {MARKER}"), "env"),
    "subprocess:Popen": put(hostile("subprocess:Popen", args=["touch", MARKER]), "algorithm"),
    "builtins:eval": put(hostile("builtins:eval"), "algorithm", "fields", "mixer"),
    "class is a number": put(3, "env", "class"),
    "fields is a list": put([], "env", "fields"),
    "a payoff of text": put("high", "env", "fields", "payoff"),
    "a field of text": put("many", "algorithm", "fields", "batch_size"),
    "a field too many": put(1, "algorithm", "fields", "no_such_field"),
}


@pytest.mark.parametrize("damage", DESCRIPTIONS)
def test_the_description_of_a_policy(policy, damage):
    edit(policy / "policy.json", DESCRIPTIONS[damage])
    assert "policy" in refused_policy(policy)


LISTS = {
    "a list": b"[]",
    "a number": b"3",
    "text": b'"1"',
    "deep": b"[" * 10_000,
    "twice": b'{"a": 1, "a": 2}',
    "another file": json.dumps({"/etc/passwd": 3}).encode(),
    "a checksum of text": json.dumps({"_METADATA": "x"}).encode(),
}


@pytest.mark.parametrize("damage", LISTS)
def test_the_list_of_a_checkpoint(here, capsys, damage):
    (path,) = (here / "stopped" / "checkpoints" / SECOND).glob("*.json")
    path.write_bytes(LISTS[damage])
    assert f"checkpoints/{SECOND}" in refused(capsys, here, "resume", "stopped")


def test_what_is_no_checkpoint_is_none(here):
    """Names of other digits, and numbers without a list."""
    folder = here / "stopped" / "checkpoints" / SECOND
    for name in ("²", "٣", "7", "notes"):
        (folder / name).mkdir()
    cli.main(["resume", "stopped"])
    assert [run["status"] for run in load("stopped").runs] == ["finished"] * 4
