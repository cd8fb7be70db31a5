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
    """The pytree that `save_tree` wrote, with the structure, shapes and dtypes of `like`; pickles are refused.

    Raises:
        InputError: if the file is missing, damaged or holds anything else.
    """
    wanted, structure = jax.tree.flatten(like)
    names = [f"arr_{index}" for index in range(len(wanted))]
    try:
        with zipfile.ZipFile(path) as archive:  # NumPy alone would also take a single array, or a pickle
            found = [_header(archive, name) for name in names] if len(archive.namelist()) == len(names) else None
        if found == [(leaf.shape, np.dtype(leaf.dtype)) for leaf in wanted]:
            with np.load(path, allow_pickle=False) as stored:
                return jax.tree.unflatten(structure, [stored[name] for name in names])
    except Exception as error:  # a damaged archive fails in many ways: in zip, in deflate, in NumPy's headers
        raise InputError(f"{path} is missing or damaged ({error})") from error
    raise InputError(f"{path} holds parameters of other shapes than its configuration")


def _header(archive: zipfile.ZipFile, name: str) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and dtype of an array, before any memory is taken for it."""
    with archive.open(f"{name}.npy") as file:
        if np.lib.format.read_magic(file) != (1, 0):
            raise ValueError(f"{name} is in another format")
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    return shape, dtype
