"""Paths that a user names."""

import os
import reprlib
from pathlib import Path

from jaxvf.errors import InputError

RUN_JSON = "run.json"  # is in every directory of a sweep
DEEPEST = 3  # levels of directories in which sweeps are looked for


def usable_path(path: str | Path) -> Path:
    """`path`, if the file system can tell whether something is there.

    Raises:
        InputError: for a name that is too long, holds a zero byte, or lies where this user may not look.
    """
    if not isinstance(path, str | Path):
        raise InputError(f"{reprlib.repr(path)} is not a path")
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return Path(path)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise InputError(f"{reprlib.repr(str(path))} is no usable path: {reason}") from error
    return Path(path)


def sweeps_below(path: str | Path) -> list[Path]:
    """The directory itself if it holds a sweep, else those below it that do, three levels deep; sorted."""
    path = usable_path(path)
    if (path / RUN_JSON).is_file() or not path.is_dir():
        return [path] if path.is_dir() else []
    found: list[Path] = []
    for depth in range(1, DEEPEST + 1):
        for file in sorted(path.glob("/".join(["*"] * depth) + f"/{RUN_JSON}")):
            # A search keeps sweeps of its own below it.
            if not any(other in file.parents for other in found):
                found.append(file.parent)
    return sorted(found)
