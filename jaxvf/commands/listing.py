"""`jaxvf list`: names with what they are; environments with their sizes, one sentence for all of a kind."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from jaxvf.plain_json import dumps

SIZES = {"agents": "agent", "actions": "action", "limit": "step"}  # keys of a row, and what they count


def show(what: str, *, as_json: bool) -> None:
    """Print the rows of a kind (`catalogue.rows`)."""
    from jaxvf import catalogue

    rows = catalogue.rows(what)
    if as_json:
        print(dumps(rows))
        return
    for line in _environments(rows) if what == "envs" else _names(rows):
        print(line)
    if what == "envs":  # not in the list: to name them all, JaxMARL and brax would have to be imported
        print("also jaxmarl/NAME or jaxmarl/NAME:option=value,... and brax/BODY_NxD (brax/ant_4x2)", file=sys.stderr)


def _names(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    width = max((len(row["name"]) for row in rows), default=0)
    for row in rows:
        yield f"{row['name']:{width}}  {row['description']}"


def _environments(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What a kind of environments is, then a line with the sizes of each."""
    width = max(len(row["name"]) for row in rows)
    kinds: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        kinds.setdefault(row["description"], []).append(row)
    for description, alike in kinds.items():
        yield description
        for row in alike:
            sizes = [_count(row[key], word, real=key == "actions" and row["continuous"]) for key, word in SIZES.items()]
            agents, actions, steps = sizes
            yield f"  {row['name']:{width}}  {agents:>9}  {actions:>14}  {steps:>9}"


def _count(number: int, word: str, *, real: bool) -> str:
    if real:
        return f"{number} real number{'s' if number != 1 else ''}"
    return f"{number} {word}{'s' if number != 1 else ''}"
