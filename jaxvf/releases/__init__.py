"""What released code trains with, as files: `qmix@pymarl2` is QMIX with PyMARL2's settings, on any environment.

A release is a TOML file of this directory: `source`, where its numbers are from; `all`, fields of every learner that it
covers; `learners`, a table for each of them; `unlike`, what the release does and no field here can say. Beside every
number a comment says which line of the release it is.
"""

import functools
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from jaxvf.errors import unknown

DIRECTORY = Path(__file__).parent


class Release(NamedTuple):
    """A file of this directory.

    Attributes:
        source: where its numbers are from.
        learners: for every registered algorithm that it covers, fields by dotted name.
        unlike: by subject, what the release does otherwise than any setting here.
    """

    source: str
    learners: Mapping[str, Mapping[str, Any]]
    unlike: Mapping[str, str]


@functools.cache
def releases() -> Mapping[str, Release]:
    """All releases by name."""
    return {path.stem: _read(path) for path in sorted(DIRECTORY.glob("*.toml"))}


def available() -> dict[str, str]:
    """Names of algorithms with a release's settings ("qmix@pymarl2"), each with the release's source."""
    return {f"{learner}@{name}": release.source for name, release in releases().items() for learner in release.learners}


def settings(name: str, learner: str) -> Mapping[str, Any]:
    """Fields of an algorithm in a release, by dotted name, in the order in which they are to be set.

    Args:
        name: of the release.
        learner: the algorithm's registered name.

    Raises:
        InputError: for a release that is not there, or an algorithm that it does not cover, with the nearest valid one.
    """
    if name not in releases():
        raise unknown("release", name, releases())
    covered = releases()[name].learners
    if learner not in covered:
        raise unknown(f"algorithm of {name}", learner, covered)
    return covered[learner]


def _read(path: Path) -> Release:
    content = tomllib.loads(path.read_text())
    common = dict(_flat(content["all"]))
    learners = {learner: common | dict(_flat(own)) for learner, own in content["learners"].items()}
    return Release(content["source"], learners, content["unlike"])


def _flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Fields by dotted name. The `name` in a table is that of the object in the field, which others then configure."""
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield (prefix[:-1] if name == "name" else prefix + name), value
