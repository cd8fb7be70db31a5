"""Paths that a user names."""

import os
import reprlib
from pathlib import Path

from jaxvf.errors import InputError


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
