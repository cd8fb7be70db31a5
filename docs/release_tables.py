"""Writes the tables of docs/released_settings.md from the files of jaxvf/releases: `python docs/release_tables.py`."""

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from jaxvf.algorithms import ALGORITHMS, make
from jaxvf.releases import releases
from jaxvf.trust_region.objectives import UNBOUNDED

PAGE = Path(__file__).with_name("released_settings.md")
BELOW = "<!-- written by docs/release_tables.py -->\n"
NOTHING = "–"  # where a learner's parts do not have the field


class Field(NamedTuple):
    """What a field holds, and what its class gives it, as they are shown."""

    value: str
    default: str


def tables() -> str:
    """All that stands below the mark: the releases, a table of each algorithm, and what no field says."""
    return "\n".join([*_releases(), *_algorithms(), *_unlike()]) + "\n"


def _releases() -> Iterator[str]:
    yield from ("", "## Releases", "", "| release | algorithms | numbers from |", "|---|---|---|")
    for name, release in releases().items():
        yield f"| [`{name}`](../jaxvf/releases/{name}.toml) | {', '.join(release.learners)} | {release.source} |"


def _algorithms() -> Iterator[str]:
    yield from ("", "## What differs", "")
    yield "Fields of which one column says something else than another; of `jaxvf` are the algorithm's own defaults."
    for learner in ALGORITHMS:
        columns = {name: f"{learner}@{name}" for name, release in releases().items() if learner in release.learners}
        if not columns:
            continue
        columns = {"jaxvf": learner, **columns}
        fields = [dict(_fields(make(algorithm))) for algorithm in columns.values()]
        yield from ("", f"### {learner}", "", f"| field | {' | '.join(columns)} |", "|---|" + "---|" * len(columns))
        for field in sorted({field for each in fields for field in each}):
            found = [each.get(field) for each in fields]
            # A field that only some columns have, of their network say, differs if it is not at its default.
            values = {one.value for one in found if one} | {one.default for one in found if one and None in found}
            if len(values) > 1:
                yield f"| `{field}` | {' | '.join(one.value if one else NOTHING for one in found)} |"


def _unlike() -> Iterator[str]:
    yield from ("", "## What no field says", "", "| release | of what | the release, and jaxvf |", "|---|---|---|")
    for name, release in releases().items():
        yield from (f"| `{name}` | {of} | {text} |" for of, text in release.unlike.items())


def _fields(config: Any, prefix: str = "") -> Iterator[tuple[str, Field]]:
    """Every field by dotted name; of a part its registered name too."""
    for field in dataclasses.fields(config):
        if field.name in ("parent", "name"):  # flax's own bookkeeping
            continue
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            registry = field.metadata.get("registry")
            if registry is not None:
                yield prefix + field.name, Field(_registered(value, registry), _registered(field.default, registry))
            yield from _fields(value, f"{prefix}{field.name}.")
        else:
            yield prefix + field.name, Field(_shown(value), _shown(field.default))


def _registered(part: Any, registry: Mapping[str, Any]) -> str:
    return next(name for name, construct in registry.items() if type(construct()) is type(part))


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        if value == UNBOUNDED:
            return "unbounded"
        return f"{value:,.0f}" if value >= 1000 else f"{value:g}"
    return str(value)


def main() -> None:
    """Write the page again."""
    above, mark, _ = PAGE.read_text().partition(BELOW)
    PAGE.write_text(above + mark + tables())


if __name__ == "__main__":
    main()
