"""The files of one sweep: what runs, one row per run, and the metrics, each written whole or not at all."""

import contextlib
import errno
import json
import os
import shlex
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from jaxvf.errors import InputError
from jaxvf.results.differences import first_difference
from jaxvf.results.parsing import from_text, metric_schema, parse_file
from jaxvf.results.paths import RUN_JSON, no_sweep, sweeps_below, usable_path
from jaxvf.results.tables import JSON_COLUMN, column, jsonable, to_parquet

UNFINISHED, FINISHED = "unfinished", "finished"  # the section "status" of run.json
NAMED = 5  # sweeps that an error names
# A used-up quota and the limit on a file's size look like a full disk to the user, and need the same answer.
NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class DiskFullError(InputError):
    """A file could not be written for lack of space; what was saved before is intact."""


class RunDirectory:
    """The directory of one sweep.

    - `run.json`: the sections "config" (what `create` was given), "status" and whatever `update_json` adds.
    - `runs.parquet`: one row per run.
    - `metrics/<part>.parquet`: rows (run int32, seed int64, env_steps int64, metric string, value float32).

    A file appears under its name only when it is complete and on disk: a process killed at any moment leaves
    each file as it was or as it was to be.
    """

    def __init__(self, path: str | Path):
        self.path = usable_path(path)
        self._json = self.path / RUN_JSON
        self._runs = self.path / "runs.parquet"
        self._metrics = self.path / "metrics"
        self._resume = f"`jaxvf resume {shlex.quote(str(path))}`"

    @property
    def lock(self) -> Path:
        """The lease of the one process that owns the directory."""
        return self.path / ".lock"

    def lease(self, unit: str) -> Path:
        """The lease of the process that computes a unit."""
        return self.path / "units" / f"{unit}.lease"

    def unit_record(self, unit: str) -> Path:
        """What is recorded of a finished unit."""
        return self.path / "units" / f"{unit}.json"

    def unit_records(self) -> list[Path]:
        """Records of the units that are finished."""
        return sorted((self.path / "units").glob("[!.]*.json"))

    def leases(self) -> list[Path]:
        """Leases of units."""
        return sorted((self.path / "units").glob("*.lease"))

    def exists(self) -> bool:
        """Whether a sweep has been started here."""
        return self._json.is_file()

    def check_new(self, config: Mapping[str, Any]) -> None:
        """Whether a sweep can start here; nothing is written.

        Raises:
            InputError: if the path is a file, or a directory that holds another sweep, the same sweep or anything else.
        """
        wanted = json.loads(_to_json(config))
        if self.path.exists() and not self.path.is_dir():
            raise InputError(f"out: {self.path} is a file; name a directory")
        if self._json.exists():
            self._refuse(wanted)
        # A start that was killed may leave the lock and temporary files, and nothing else.
        if self.path.exists() and any(not _left_by_a_start(p) for p in self.path.iterdir()):
            raise InputError(f"out: {self.path} is not empty and holds no sweep; name a new directory")

    def create(self, config: Mapping[str, Any], **sections: Any) -> None:
        """Start a sweep here: make the directory and write `config` and other sections to run.json.

        Raises:
            InputError: as `check_new`.
        """
        self.check_new(config)
        write_atomically(self._json, _to_json({"status": UNFINISHED, "config": config, **sections}))

    def read_json(self) -> dict[str, Any]:
        """All sections of run.json.

        Raises:
            InputError: if the directory holds no sweep, or run.json is damaged.
        """
        if not self._json.is_file():
            below = [str(place) for place in sweeps_below(self.path)]
            if below:
                more = f" and {len(below) - NAMED} more" if len(below) > NAMED else ""
                raise InputError(f"{self.path} is no sweep but holds some; name one: {', '.join(below[:NAMED])}{more}")
            raise no_sweep(self.path)
        return self._read(self._json)[0]

    def update_json(self, **sections: Any) -> None:
        """Replace whole sections of run.json, or add them; `status=FINISHED` marks the sweep as done."""
        self._write(self._json, _to_json({**self.read_json(), **sections}))

    def write_runs(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Write runs.parquet anew, one row per record; the columns are the union of their fields.

        A field that a record lacks becomes None. A column with an array or a list in it, or with values that
        no one type holds (a name in one run, a number in another), is stored as JSON strings.
        """
        import pyarrow as pa

        # `tolist` makes Python numbers of NumPy's and of device scalars too.
        rows = [{k: v.tolist() if hasattr(v, "tolist") else v for k, v in r.items()} for r in records]
        names = list(dict.fromkeys(name for row in rows for name in row))
        columns = {name: column([row.get(name) for row in rows]) for name in names}
        schema = pa.schema([pa.field(n, array.type, metadata=meta) for n, (array, meta) in columns.items()])
        table = pa.Table.from_arrays([array for array, _ in columns.values()], schema=schema)
        self._write(self._runs, to_parquet(table))

    def read_runs(self) -> list[dict[str, Any]]:
        """The records of `write_runs`, None where a run lacks a field, arrays as arrays; [] before any write.

        Raises:
            InputError: if runs.parquet is damaged.
        """
        if not self._runs.exists():
            return []
        (table,) = self._read(self._runs)
        rows = table.to_pylist()
        for field in table.schema:
            if JSON_COLUMN.items() <= (field.metadata or {}).items():
                try:
                    for row in rows:
                        row[field.name] = from_text(row[field.name])
                except ValueError as error:
                    raise self.damaged(self._runs, f"column {field.name} holds no JSON") from error
        return rows

    def write_part(
        self,
        name: str,
        run: ArrayLike,
        seed: ArrayLike,
        env_steps: ArrayLike,
        metric: ArrayLike,
        value: ArrayLike,
    ) -> None:
        """Write one part of the metrics, replacing the part of that name.

        The five columns broadcast against each other: of a block [metrics, evaluations, runs] give `metric`
        as [metrics, 1, 1], `env_steps` as [evaluations, 1], `run` and `seed` as [runs]. NaN and ∞ are kept.

        Raises:
            ValueError: if `name` is not a file name, the shapes do not broadcast or an integer does not fit.
        """
        import pyarrow as pa

        if name != Path(name).name or name.startswith("."):
            raise ValueError(f"part {name!r} is not a file name")
        columns = np.broadcast_arrays(*(np.asarray(c) for c in (run, seed, env_steps, metric, value)))
        schema = metric_schema()
        # Arrow checks the cast; NumPy would let a large index wrap round.
        arrays = [pa.array(c.ravel()).cast(kind) for c, kind in zip(columns, schema.types, strict=True)]
        self._write(self.part_path(name), to_parquet(pa.Table.from_arrays(arrays, schema=schema)))
        # Arrow's pool would keep what a large part took, for the rest of a sweep that may last a month.
        pa.default_memory_pool().release_unused()

    def parts(self) -> list[str]:
        """Names of the metric parts, sorted."""
        return sorted(p.stem for p in self._metrics.glob("*.parquet") if not p.name.startswith("."))

    def remove_parts(self, predicate: Callable[[str], bool]) -> list[str]:
        """Delete the parts whose name satisfies `predicate`; returns their names."""
        removed = [name for name in self.parts() if predicate(name)]
        for name in removed:
            self.part_path(name).unlink()
        return removed

    def read_metrics(self, predicate: Callable[[str], bool] = lambda name: True) -> dict[str, np.ndarray]:
        """The parts whose name satisfies `predicate`, sorted, one array per column; `metric` holds strings.

        Raises:
            InputError: if a part is damaged; the line names it.
        """
        import pyarrow as pa

        # A table without rows gives the columns their types where there is no part yet.
        paths = [self.part_path(name) for name in self.parts() if predicate(name)]
        table = pa.concat_tables([metric_schema().empty_table(), *self._read(*paths)])
        return {name: table.column(name).to_numpy() for name in table.column_names}

    def read_part(self, name: str) -> dict[str, np.ndarray]:
        """One part of the metrics, an array per column; "metric" counts into "names", which is each name once.

        Raises:
            InputError: if the part is damaged; the line names it.
        """
        (table,) = self._read(self.part_path(name))
        metric = table.column("metric").unify_dictionaries()
        codes = np.concatenate([np.zeros(0, np.int32), *(chunk.indices.to_numpy() for chunk in metric.chunks)])
        names = np.asarray(metric.chunk(0).dictionary.to_pylist() if metric.num_chunks else [], str)
        columns = {key: table.column(key).to_numpy() for key in ("run", "seed", "env_steps", "value")}
        return {**columns, "metric": codes, "names": names}

    def part_path(self, name: str) -> Path:
        """The file of a part of the metrics."""
        return self._metrics / f"{name}.parquet"

    def damaged(self, path: Path, why: str) -> InputError:
        """The line about a file that can be read but does not hold what was written."""
        return InputError(f"damaged or truncated: {path} ({why}); the other files of the sweep are left as they are")

    def _write(self, path: Path, data: bytes) -> None:
        write_atomically(path, data, then=f"free some space, then {self._resume}")

    def _read(self, *paths: Path) -> list[Any]:
        """The contents of the files, or the error that names those that are damaged."""
        contents = [parse_file(path) for path in paths]
        if all(content is not None for content in contents):
            return contents
        # "Intact" is checked, not assumed.
        files = [self._json, self._runs, *(self.part_path(name) for name in self.parts())]
        damaged = [path for path in files if path.exists() and parse_file(path) is None]
        rest = sum(path.exists() for path in files) - len(damaged)
        named = ", ".join(map(str, damaged))
        raise InputError(f"damaged or truncated: {named}; the other files of the sweep ({rest}) are intact")

    def _refuse(self, wanted: Any) -> None:
        """Raise what stands against starting `wanted` where a sweep is already."""
        held = self.read_json()
        difference = first_difference(held.get("config"), wanted, "config")
        if difference is not None:
            field, there, here = difference
            holds = f"another configuration ({field.removeprefix('config.')} is {there} there, {here} here)"
            raise InputError(f"out: {self.path} holds {holds}; name another directory")
        finished = held.get("status") == FINISHED
        state, advice = (FINISHED, "see its results") if finished else (UNFINISHED, "go on")
        raise InputError(f"out: {self.path} holds this sweep, {state}; use {self._resume} to {advice}")


def write_atomically(path: Path, data: bytes, *, then: str = "free some space and try again") -> None:
    """Make `path` hold `data`, or leave it as it was: under its name the file is never half-written.

    Args:
        path: target; its parent directory is made where missing.
        data: the whole content.
        then: how the user goes on after a full disk, for the error message.

    Raises:
        DiskFullError: on a full disk, a used-up quota or the limit on a file's size.
        InputError: on any other refusal of the file system.
    """
    path = usable_path(path)
    temporary = _temporary(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        saved = "what was saved before is intact"
        if error.errno in NO_SPACE:
            raise DiskFullError(f"no space to write {path}; {saved}; {then}") from error
        raise InputError(f"cannot write {path}: {error.strerror}; {saved}") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _left_by_a_start(path: Path) -> bool:
    return path.name == ".lock" or (path.name.startswith(".") and path.suffix == ".tmp")


def _temporary(path: Path) -> Path:
    """Hidden, in the same directory (only there is a rename atomic), and overwritten by the next write."""
    return path.with_name(f".{path.name}.tmp")


def _to_json(document: Any) -> bytes:
    return json.dumps(document, indent=2, default=jsonable).encode()
