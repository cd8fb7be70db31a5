"""Settings whose source is known, as files of `jaxvf run`: `--preset combat/3m:qmix`, `jaxvf list presets`.

A preset is a TOML file below this directory, `combat/3m/qmix.toml` for "combat/3m:qmix": what `jaxvf run FILE` reads,
with a key `source` that says where its numbers are from and whether they were run here. Copy one to change it.
Settings of an algorithm alone, for any environment, are in `jaxvf.releases`.
"""

import tomllib
from pathlib import Path

from jaxvf import releases
from jaxvf.errors import unknown

DIRECTORY = Path(__file__).parent


def available() -> dict[str, str]:
    """Names of all presets, each with its source."""
    return {_name(path): tomllib.loads(path.read_text())["source"] for path in sorted(DIRECTORY.rglob("*.toml"))}


def path_of(name: str) -> Path:
    """The file of a preset.

    Raises:
        InputError: for a preset that is not there, with the nearest one that is.
    """
    files = {_name(path): path for path in sorted(DIRECTORY.rglob("*.toml"))}
    if name not in files:
        raise unknown("preset", name, [*files, *releases.available()])
    return files[name]


def _name(path: Path) -> str:
    where = path.relative_to(DIRECTORY)
    return f"{where.parent.as_posix()}:{where.stem}"
