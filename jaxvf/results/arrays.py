"""Pytrees of arrays as one file."""

import io
import zipfile
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxvf.errors import InputError
from jaxvf.results.store import write_atomically


def save_tree(path: str | Path, tree: Any) -> None:
    """Write a pytree of arrays to one `.npz` file, atomically; leaf order is the tree's own."""
    buffer = io.BytesIO()
    np.savez(buffer, *[np.asarray(leaf) for leaf in jax.tree.leaves(tree)])  # pyright: ignore[reportArgumentType]
    write_atomically(Path(path), buffer.getvalue())


def load_tree(path: str | Path, like: Any) -> Any:
    """The pytree that `save_tree` wrote, with the structure of `like`.

    Raises:
        InputError: if the file is missing, damaged or holds other shapes.
    """
    structure = jax.tree.structure(like)
    try:
        with open(path, "rb") as file, np.load(file) as stored:
            leaves = [stored[f"arr_{index}"] for index in range(len(stored.files))]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} is missing or damaged ({error})") from error
    if [leaf.shape for leaf in leaves] != [leaf.shape for leaf in jax.tree.leaves(like)]:
        raise InputError(f"{path} holds parameters of other shapes than its configuration")
    return jax.tree.unflatten(structure, leaves)


def per_run(metrics: dict[str, Any], runs: int) -> dict[str, np.ndarray]:
    """Metrics of the first `runs` runs; one that is a vector of each run becomes several, `name/0`, `name/1`, ..."""
    found: dict[str, np.ndarray] = {}
    for name, values in metrics.items():
        values = np.asarray(values)[:runs]
        entries = {name: values} if values.ndim == 1 else {f"{name}/{at}": each for at, each in enumerate(values.T)}
        found |= entries
    return found
