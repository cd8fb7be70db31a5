"""Hooks of MkDocs: pages from beside docs/, and tables of hyperparameters.

The site also holds the pages of experiments/, benchmarks/ and policies/, which live beside their code. A link that
leaves docs/ (`../experiments/README.md`) is right in the repository; on the site those pages are inside. A comment
`<!-- fields of jaxvf.value:QLearning -->` becomes a table of the fields of that class.
"""

import importlib
import inspect
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

BESIDE = ("experiments", "benchmarks", "policies")
SHOWN = (".md", ".png", ".svg", ".gif", ".json")
LINK = re.compile(r"\[([^\]]*)\]\(((?:\.\./)+)([\w./-]+)([^)\s]*)\)")
FIELDS = re.compile(r"<!-- fields of ([\w.]+):(\w+) -->")


def on_files(files: Files, *, config: Any) -> Files:
    """Add the pages of the folders beside docs/, with the pictures and numbers that they name."""
    root = Path(config.config_file_path).parent
    for folder in BESIDE:
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in SHOWN:
                files.append(File.generated(config, path.relative_to(root).as_posix(), abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, *, page: Any, files: Files, **_: Any) -> str:
    """Links between docs/ and the folders beside it, as they lie on the site; one to code is its text alone."""
    source = Path(page.file.src_uri)
    here = source.parent if source.parts[0] in BESIDE else Path("docs") / source.parent

    def moved(link: re.Match[str]) -> str:
        parts = list(here.parts)
        for _ in range(link[2].count("../")):
            if parts:
                parts.pop()
        target = "/".join([*parts, link[3]])
        target = "index.md" if target == "README.md" else target.removeprefix("docs/")
        if files.get_file_from_path(target) is None:
            return link[1]
        return f"[{link[1]}]({'../' * (len(source.parts) - 1)}{target}{link[4]})"

    return FIELDS.sub(_table, LINK.sub(moved, markdown))


def _table(wanted: re.Match[str]) -> str:
    """Name, default, kind and help of the fields that a class has itself: not those of a base class."""
    from jaxvf.hyperparameters import describe

    cls = getattr(importlib.import_module(wanted[1]), wanted[2])
    own = inspect.get_annotations(cls)
    rows = [field for field in describe(cls()) if field["name"] in own]
    lines = [
        f"| `{field['name']}` | `{_short(field['default'])}` | {field['kind']} | {field['doc']} |".replace("\n", " ")
        for field in rows
    ]
    return "\n".join(["| field | default | kind | meaning |", "|---|---|---|---|", *lines])


def _short(default: Any) -> str:
    return repr(default) if isinstance(default, str | int | float | bool) else type(default).__name__
