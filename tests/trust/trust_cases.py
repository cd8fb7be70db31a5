"""What the tests of hostile files share: damage, and the one line with which a command refuses it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jaxvf import cli
from jaxvf.mixers import VdnMixer
from jaxvf.networks import TabularAgent
from jaxvf.sweeps import Sweep
from jaxvf.sweeps.units import planned_units
from jaxvf.value import QLearning

TINY = QLearning(
    mixer=VdnMixer(), agent=TabularAgent(), num_envs=2, buffer_size=16, batch_size=4, last_action=False, agent_id=False
)
SWEEP = Sweep("matrix_game/A", TINY, 2, {"learning_rate": [0.01, 0.1]}, 60, 20, 1)  # four runs, three evaluations
FIRST, SECOND = (unit.name for unit, _ in planned_units(SWEEP.plan(chunk=2)))

MARKER = "executed"  # what a hostile file would create where the test runs
NOISE = np.random.default_rng(0).bytes(4000)

# Bytes in place of a file's own, whatever kind it is.
REPLACED: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda whole: b"",
    "one byte": lambda whole: whole[:1],
    "first half": lambda whole: whole[: len(whole) // 2],
    "last byte lost": lambda whole: whole[:-1],
    "second half": lambda whole: whole[len(whole) // 2 :],
    "zeros": lambda whole: bytes(len(whole)),
    "noise": lambda whole: NOISE,
    "text": lambda whole: b"nothing of the kind",
    "pickle": lambda whole: b"cos\nsystem\n(S'touch executed'\ntR.",
}


def files(path: Path) -> dict[str, bytes]:
    return {str(p.relative_to(path)): p.read_bytes() for p in path.rglob("*") if p.is_file()}


def refused(capsys: pytest.CaptureFixture, directory: Path, *arguments: str) -> str:
    """The only line of a command that exits with 2, prints nothing else and changes nothing."""
    before = files(directory)
    with pytest.raises(SystemExit) as caught:
        cli.main([*arguments])
    out, err = capsys.readouterr()
    assert (caught.value.code, out) == (2, ""), err
    assert err.startswith("jaxvf: ")
    assert err.count("\n") == 1, err
    assert files(directory) == before
    assert not (directory / MARKER).exists()
    return err


def edit(path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Change a JSON document in place; what `change` returns takes its place if it is not None."""
    document = json.loads(path.read_text())
    changed = change(document)
    path.write_text(json.dumps(document if changed is None else changed))


def put(value: Any, *path: str | int) -> Callable[[dict[str, Any]], None]:
    """The change that puts a value at a place of the document."""

    def change(document: Any) -> None:
        for step in path[:-1]:
            document = document[step]
        document[path[-1]] = value

    return change


def hostile(name: Any, /, **fields: Any) -> dict[str, Any]:
    """The description of an object of some class."""
    return {"class": name, "fields": fields}
