"""Writes the page: the template filled in, with every script and style inside it."""

import base64
import dataclasses
import hashlib
import importlib.resources
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jaxvf.errors import InputError
from jaxvf.report.content import Content, gather
from jaxvf.report.packing import script_json
from jaxvf.report.study import read
from jaxvf.reproduction.captions import percent as share_text
from jaxvf.results.statistics import Interval
from jaxvf.results.store import write_atomically

NAME = "report.html"
LIBRARIES = ("d3.min.js", "plot.min.js")
SCRIPTS = (
    "data.js", "selection.js", "figure.js", "curves.js", "distributions.js", "responses.js", "parallel.js",
    "profiles.js", "runs.js", "start.js",
)  # fmt: skip
INLINE = re.compile(r"<script>(.*?)</script>", re.DOTALL)


def write(
    directories: Sequence[str | Path],
    out: str | Path | None = None,
    *,
    metrics: Sequence[str] = (),
    replays: bool = True,
    force: bool = False,
) -> Path:
    """Write the report of some directories as one HTML file, which loads nothing and runs from disk.

    Args:
        directories: run directories, or directories of an experiment that hold some.
        out: the file; by default `report.html` in the directory, or in the present one where there are several.
        metrics: what to show, the main one first; by default the test return and whether the goal was reached.
        replays: whether episodes are played and shown.
        force: overwrite the file.

    Returns:
        The path of the file.

    Raises:
        InputError: if a directory holds no sweep, a metric is not in all of them, or the file exists; nothing is
            written then.
    """
    paths = [Path(directory) for directory in directories]
    out = Path(out) if out is not None else (paths[0] / NAME if len(paths) == 1 else Path(NAME))
    study = read(paths, metrics)
    _check_free(out, force=force)
    write_atomically(out, page(gather(study, replays=replays)).encode())
    return out


def page(content: Content) -> str:
    """The page as text."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("jaxvf.report", "."), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    libraries = [(_part(f"vendor/{name}"), _part(f"vendor/{name.partition('.')[0]}.LICENSE")) for name in LIBRARIES]
    script = "\n".join(['"use strict";', "(() => {", *(_part(f"js/{name}") for name in SCRIPTS), "})();"])
    inline = [script, *(library for library, _ in libraries)]
    inline += [found for replay in content.replays for found in INLINE.findall(replay.page)]
    return environment.get_template("page.html.jinja").render(
        **{field.name: getattr(content, field.name) for field in dataclasses.fields(content)},
        allowed=" ".join(sorted({_digest(text) for text in inline})),
        number=_number,
        ends=_ends,
        exact=_exact,
        packed=_markup(script_json(content.data)),
        style=_markup(_part("report.css")),
        script=_markup(script),
        libraries=[(_markup(library), licence) for library, licence in libraries],
    )


def _check_free(out: Path, *, force: bool) -> None:
    if out.suffix not in (".html", ".htm"):
        nearest = out.with_name(NAME) if out.stem in ("", ".html") else out.with_suffix(".html")
        raise InputError(f"out: {out} must end in .html; the nearest name is {nearest}")
    if out.is_dir():
        raise InputError(f"out: {out} is a directory; the nearest file is {out / NAME}")
    if out.exists() and not force:
        raise InputError(f"out: {out} exists; name another file with --out, or overwrite it with --force")


def _digest(script: str) -> str:
    """What the page's policy allows a script by."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def _part(name: str) -> str:
    return importlib.resources.files("jaxvf.report").joinpath(name).read_text(encoding="utf-8")


def _markup(text: str) -> Any:
    """A text that is part of the page as it stands: the page's own scripts and style, and JSON that cannot end them."""
    import markupsafe

    return markupsafe.Markup(text)


def _number(value: float, percent: bool) -> str:
    """A number as the page writes it."""
    if value != value:
        return "–"
    text = share_text(value) if percent else f"{value:.4g}"
    return text.replace("-", "−")


def _ends(interval: Interval, percent: bool) -> str:
    """The two ends of an interval, without the signs of per cent."""
    return ", ".join(_number(float(end), percent).removesuffix(" %") for end in (interval.low, interval.high))


def _exact(value: float) -> str:
    """A number for a CSV; nothing where there is none."""
    return "" if value != value else repr(float(value))
