"""Checkpoints of a unit between two pieces of its segments: everything that a bitwise continuation needs."""

import json
import logging
import math
import shutil
import zlib
from pathlib import Path
from typing import Any

import jax

from jaxvf.errors import InputError
from jaxvf.results.parsing import parse_json
from jaxvf.results.store import NO_SPACE, DiskFullError, write_atomically
from jaxvf.sweeps import processes

KEPT = 2  # the newest and the one before it, in case the newest is damaged
BLOCK = 2**24  # bytes read at once


class Checkpoints:
    """The checkpoints of one unit, numbered by iterations done; written by orbax, which commits each atomically.

    Beside the directory of each stands a list of its files with their checksums: damage is then found, and its place
    named, before orbax reads anything (it reports a truncated file in hundreds of lines from its threads).
    """

    def __init__(self, directory: str | Path):
        self.directory = Path(directory).absolute()

    def steps(self) -> list[int]:
        """Iterations after which a checkpoint is stored, oldest first."""
        for directory in (self.directory.parent, self.directory):
            if directory.exists() and not directory.is_dir():
                raise InputError(f"{directory} is a file where checkpoints are kept; move it away")
        numbered = [entry for entry in self.directory.glob("*") if entry.name.isdecimal() and entry.name.isascii()]
        return sorted(int(entry.name) for entry in numbered if self._checksums(int(entry.name)).exists())

    def save(self, iteration: int, tree: Any) -> None:
        """Store `tree` and drop all but the newest checkpoints.

        Raises:
            DiskFullError: if it does not fit; earlier checkpoints stay as they are.
            InputError: on any other refusal of the file system.
        """
        _silence_orbax()
        leaves = _stored_leaves(tree)
        self._checksums(iteration).unlink(missing_ok=True)
        try:
            with _checkpointer() as checkpointer:
                checkpointer.save(self.directory / str(iteration), leaves, force=True)
        except Exception as error:  # orbax and tensorstore raise many kinds, some from their threads
            if isinstance(error, jax.errors.JaxRuntimeError):
                raise  # of the computation that the leaves still wait for
            saved = "what was saved before is intact"
            if _no_space(error):
                raise DiskFullError(
                    f"no space for a checkpoint in {self.directory}; {saved}; free some space, then resume the sweep"
                ) from error
            raise InputError(f"cannot write a checkpoint in {self.directory}: {_first_line(error)}; {saved}") from error
        listed = {name: _checksum(path) for name, path in self._files(iteration).items()}
        write_atomically(self._checksums(iteration), json.dumps(listed, indent=2).encode())
        for old in self.steps()[:-KEPT]:
            self._checksums(old).unlink()  # first: what is not listed is no checkpoint
            shutil.rmtree(self.directory / str(old))

    def restore(self, iteration: int, like: Any) -> Any:
        """The tree stored after `iteration` iterations, with the structure and placement of `like`.

        Raises:
            InputError: if the checkpoint is damaged or holds something else.
        """
        import orbax.checkpoint as ocp

        _silence_orbax()
        target = _stored_leaves(like)
        path = self.directory / str(iteration)
        self._verify(iteration)
        try:
            with _checkpointer() as checkpointer:
                stored = checkpointer.restore(path, jax.tree.map(ocp.utils.to_shape_dtype_struct, target))
        except Exception as error:  # orbax and tensorstore raise many kinds for a damaged file
            raise self._damaged(iteration, path, _first_line(error)) from error
        leaves, structure = jax.tree.flatten(like)
        return jax.tree.unflatten(structure, [stored.get(_name(index), leaf) for index, leaf in enumerate(leaves)])

    def clear(self) -> None:
        """Remove all checkpoints: the unit is finished."""
        shutil.rmtree(self.directory, ignore_errors=True)

    def clear_unlisted(self) -> None:
        """Remove what a process that was killed left behind: whatever belongs to no complete checkpoint."""
        complete = {name for step in self.steps() for name in (str(step), f"{step}.json")}
        for entry in self.directory.glob("*"):
            if entry.name not in complete:
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()

    def _checksums(self, iteration: int) -> Path:
        return self.directory / f"{iteration}.json"

    def _files(self, iteration: int) -> dict[str, Path]:
        root = self.directory / str(iteration)
        return {str(path.relative_to(root)): path for path in sorted(root.rglob("*")) if path.is_file()}

    def _verify(self, iteration: int) -> None:
        """Raise unless every file of a checkpoint is as it was written."""
        try:
            listed = parse_json(self._checksums(iteration).read_bytes())
        except (OSError, ValueError) as error:
            raise self._damaged(iteration, self._checksums(iteration), "no JSON") from error
        if not isinstance(listed, dict):
            raise self._damaged(iteration, self._checksums(iteration), "no list of files")
        found = self._files(iteration)
        for name, checksum in listed.items():
            if name not in found:
                raise self._damaged(iteration, self.directory / str(iteration) / name, "missing")
            if _checksum(found[name]) != checksum:
                raise self._damaged(iteration, found[name], "not what was written")

    def _damaged(self, iteration: int, path: Path, why: str) -> InputError:
        older = [step for step in self.steps() if step < iteration]
        fallback = f"iteration {older[-1]}" if older else "the start of this unit"
        return InputError(
            f"checkpoint {path} is damaged ({why}); remove {self.directory / str(iteration)} "
            f"to continue from {fallback}; everything else is intact"
        )


def _checkpointer() -> Any:
    """Orbax's; of several processes that share a program, this one writes and waits for no other."""
    import orbax.checkpoint as ocp

    me = jax.process_index()
    options = ocp.options.MultiprocessingOptions(primary_host=me, active_processes={me}, barrier_sync_key_prefix="one")
    return (
        ocp.StandardCheckpointer(multiprocessing_options=options) if processes.several() else ocp.StandardCheckpointer()
    )


def _stored_leaves(tree: Any) -> dict[str, Any]:
    """The leaves by number, without the empty ones, which orbax refuses and which hold nothing to store."""
    return {_name(index): leaf for index, leaf in enumerate(jax.tree.leaves(tree)) if math.prod(leaf.shape)}


def _name(index: int) -> str:
    return f"{index:04d}"


def _silence_orbax() -> None:
    """Keep orbax from logging the tracebacks of its threads: what goes wrong is raised here too, and said once.

    For good: its threads may end after the call that started them has raised.
    """
    logger = logging.getLogger("absl")
    if _not_of_orbax not in logger.filters:
        logger.addFilter(_not_of_orbax)


def _not_of_orbax(record: logging.LogRecord) -> bool:
    return "orbax" not in record.pathname


def _checksum(path: Path) -> int:
    checksum = 0
    with open(path, "rb") as file:
        while block := file.read(BLOCK):
            checksum = zlib.crc32(block, checksum)
    return checksum


def _no_space(error: BaseException) -> bool:
    text = str(error).lower()
    return getattr(error, "errno", None) in NO_SPACE or "no space left" in text or "file too large" in text


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
