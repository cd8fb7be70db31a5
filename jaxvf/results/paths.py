"""Paths that a user names."""

import difflib
import os
import reprlib
from pathlib import Path

from jaxvf.errors import InputError

RUN_JSON = "run.json"  # is in every directory of a sweep
DEEPEST = 3  # levels of directories in which sweeps are looked for
NEAREST = 3  # directories that an error names


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


def no_sweep(path: str | Path) -> InputError:
    """The line about a directory that holds no sweep, with the nearest ones around it that do."""
    return InputError(f"{path} is not a run directory: run.json is missing{nearest_text(path, RUN_JSON)}")


def nearest_text(path: str | Path, *files: str) -> str:
    """What an error adds about directories beside a path, or one level further down, that hold one of some files."""
    path = Path(path).absolute()
    around = next((parent for parent in path.parents if parent.is_dir()), path)
    found = [
        os.path.relpath(place.parent)
        for file in files
        for pattern in (f"[!.]*/{file}", f"[!.]*/[!.]*/{file}")
        for place in sorted(around.glob(pattern))
    ]
    alike = {place: difflib.SequenceMatcher(None, path.name, Path(place).name).ratio() for place in found}
    nearest = sorted(alike, key=lambda place: -alike[place])[:NEAREST]
    return f"; the nearest: {', '.join(nearest)}" if nearest else ""
