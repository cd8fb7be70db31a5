"""Checkpoints of a chunk at segment boundaries: everything that a bitwise continuation needs."""

import shutil
from pathlib import Path
from typing import Any

import jax

from jaxvf.errors import InputError
from jaxvf.results.store import NO_SPACE, DiskFullError

KEPT = 2  # the newest and the one before it, in case the newest is damaged


class Checkpoints:
    """The checkpoints of one chunk, numbered by segments done; written by orbax, which commits each atomically."""

    def __init__(self, directory: str | Path):
        self.directory = Path(directory).absolute()

    def steps(self) -> list[int]:
        """Segments after which a checkpoint is stored, oldest first."""
        return sorted(int(entry.name) for entry in self.directory.glob("*") if entry.name.isdigit())

    def save(self, segment: int, tree: Any) -> None:
        """Store `tree` and drop all but the newest checkpoints.

        Raises:
            DiskFullError: if it does not fit; earlier checkpoints stay as they are.
        """
        import orbax.checkpoint as ocp

        leaves = {f"{index:04d}": leaf for index, leaf in enumerate(jax.tree.leaves(tree))}
        try:
            with ocp.StandardCheckpointer() as checkpointer:
                checkpointer.save(self.directory / str(segment), leaves, force=True)
        except (OSError, ValueError) as error:
            if not _no_space(error):
                raise
            raise DiskFullError(
                f"no space for a checkpoint in {self.directory}; what was saved before is intact"
            ) from error
        for old in self.steps()[:-KEPT]:
            shutil.rmtree(self.directory / str(old))

    def restore(self, segment: int, like: Any) -> Any:
        """The tree stored after `segment` segments, with the structure and placement of `like`.

        Raises:
            InputError: if the checkpoint is damaged or holds something else.
        """
        import orbax.checkpoint as ocp

        leaves, structure = jax.tree.flatten(like)
        target = {f"{index:04d}": leaf for index, leaf in enumerate(leaves)}
        path = self.directory / str(segment)
        try:
            with ocp.StandardCheckpointer() as checkpointer:
                stored = checkpointer.restore(path, jax.tree.map(ocp.utils.to_shape_dtype_struct, target))
        except Exception as error:  # orbax and tensorstore raise many kinds for a damaged file
            older = [step for step in self.steps() if step < segment]
            fallback = f"segment {older[-1]}" if older else "the start of this chunk"
            raise InputError(
                f"checkpoint {path} is damaged ({_first_line(error)}); "
                f"remove that directory to continue from {fallback}; everything else is intact"
            ) from error
        return jax.tree.unflatten(structure, [stored[name] for name in sorted(stored)])

    def clear(self) -> None:
        """Remove all checkpoints: the chunk is finished."""
        shutil.rmtree(self.directory, ignore_errors=True)


def _no_space(error: BaseException) -> bool:
    text = str(error).lower()
    return getattr(error, "errno", None) in NO_SPACE or "no space left" in text or "file too large" in text


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
