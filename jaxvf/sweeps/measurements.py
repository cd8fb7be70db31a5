"""What was measured of programs, remembered by program in a small file of the user's cache.

Bytes of a run as XLA laid it out, and seconds of a run and environment step by how many runs a device holds at once.
"""

import dataclasses
import hashlib
import importlib.metadata
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxvf.errors import InputError
from jaxvf.results.store import write_atomically
from jaxvf.serialize import to_json
from jaxvf.sweeps import cache, devices
from jaxvf.sweeps.space import Run

FILE = "programs.json"


@dataclasses.dataclass(frozen=True)
class Measured:
    """What is known of a program.

    Attributes:
        bytes_per_run: memory of a run while its program runs; None if it has not been compiled yet.
        seconds: seconds of a run and environment step, by runs a device holds at once.
    """

    bytes_per_run: int | None = None
    seconds: dict[int, float] = dataclasses.field(default_factory=dict)


class Measurements:
    """The file; where it cannot be read or written, nothing is remembered and nothing fails.

    Args:
        remembered: False neither reads nor writes.
    """

    def __init__(self, remembered: bool = True):
        self._path: Path | None = cache.directory() / FILE if remembered and cache.switched_on() else None

    def of(self, program: str) -> Measured:
        """What is known of the program with this key."""
        entry = self._read().get(program, {})
        try:
            seconds = {int(size): float(value) for size, value in entry.get("seconds", {}).items()}
            known = entry.get("bytes_per_run")
            return Measured(None if known is None else int(known), seconds)
        except (AttributeError, TypeError, ValueError):  # not what this version writes
            return Measured()

    def remember(
        self, program: str, *, bytes_per_run: int | None = None, seconds: Mapping[int, float] | None = None
    ) -> None:
        """Add to what is known of a program; what is not given, and seconds of other sizes, stay."""
        if self._path is None or not program:
            return
        content, known = self._read(), self.of(program)
        content[program] = {
            "bytes_per_run": known.bytes_per_run if bytes_per_run is None else bytes_per_run,
            "seconds": {str(size): value for size, value in {**known.seconds, **(seconds or {})}.items()},
        }
        try:
            cache.create()
            write_atomically(self._path, json.dumps(content, indent=1).encode())
        except (OSError, InputError):  # not writable, or full: the next process measures again
            return

    def _read(self) -> dict[str, Any]:
        if self._path is None:
            return {}
        try:
            content = json.loads(self._path.read_bytes())
        except (OSError, ValueError):
            return {}
        return content if isinstance(content, dict) else {}


def program_key(run: Run, *, test_episodes: int) -> str:
    """Names the program that trains `run`: what its static configuration, versions and devices make of it.

    Runs whose traced numbers alone differ share it. Empty, so that nothing is remembered, where the configuration
    cannot be written as JSON.
    """
    try:
        env, algorithm = to_json(run.env), to_json(jax.tree.map(lambda _: 0.0, run.algorithm))
    except InputError:
        return ""
    described = {
        "env": env,
        "env_params": [(list(np.shape(leaf)), np.asarray(leaf).dtype.name) for leaf in jax.tree.leaves(run.env_params)],
        "algorithm": algorithm,
        "test_episodes": test_episodes,
        "versions": {name: importlib.metadata.version(name) for name in ("jax", "jaxlib")},
        "device": devices.describe(),
    }
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()[:16]
