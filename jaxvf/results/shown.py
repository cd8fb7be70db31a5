"""How results, policies and comparisons show themselves: as text, and as HTML in a notebook."""

import base64
import functools
import html as markup
import importlib.util
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from jaxvf.results import answers
from jaxvf.results.selection import grouped

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from jaxvf.results.policy import Policy
    from jaxvf.results.result import Result

MOST_ROWS = 12  # conditions that are listed, and drawn
DOTS = 80  # per inch of a picture inside a notebook


def text(result: "Result") -> str:
    """A result on a terminal: what it is, then a line for each condition with its answer."""
    lines = [_head(result)]
    rows = _rows(result)
    width = max((len(row["condition"]) for row in rows), default=0)
    for row in rows[:MOST_ROWS]:
        answer = f"  {row['name']} {row['answer']}" if row["answer"] else ""
        lines.append(f"  {row['condition']:{width}}{answer}  ({row['runs']})")
    return "\n".join(lines + _more(rows))


def html(result: "Result") -> str:
    """A result in a notebook: the same as a table, and its curves as a picture."""
    rows = _rows(result)
    cells = [(row["condition"], row["name"], row["answer"], row["runs"]) for row in rows[:MOST_ROWS]]
    parts = [
        f"<p><b>{markup.escape(_head(result))}</b></p>",
        table(("condition", "answer", "[95 % interval]", "runs"), cells),
    ]
    parts += [f"<p>{markup.escape(line.strip())}</p>" for line in _more(rows)]
    if result.metrics and len(rows) <= MOST_ROWS and importlib.util.find_spec("matplotlib") is not None:
        parts.append(picture(result.plot(), f"{answers.MEANINGS[answers.headline(result)]} against environment steps"))
    return f"<div>{''.join(parts)}</div>"


def policy_text(policy: "Policy") -> str:
    """A policy on a terminal."""
    return "\n".join(f"{name}: {value}" if name else value for name, value in _policy_rows(policy))


def policy_html(policy: "Policy") -> str:
    """A policy in a notebook."""
    (_, head), *rows = _policy_rows(policy)
    return f"<div><p><b>{markup.escape(head)}</b></p>{table((), rows)}</div>"


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """An HTML table; whatever is in it is escaped."""
    top = "".join(f"<th style='text-align:left'>{markup.escape(name)}</th>" for name in head)
    body = [
        "<tr>" + "".join(f"<td style='text-align:left'>{markup.escape(str(cell))}</td>" for cell in row) + "</tr>"
        for row in rows
    ]
    return f"<table>{f'<thead><tr>{top}</tr></thead>' if head else ''}<tbody>{''.join(body)}</tbody></table>"


def displayable(figure: "Figure") -> "Figure":
    """The same figure, which a notebook shows as a picture; Jupyter knows only those that pyplot made."""
    figure._repr_png_ = functools.partial(_png, figure)  # pyright: ignore[reportAttributeAccessIssue]
    return figure


def _png(figure: "Figure") -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DOTS)
    return buffer.getvalue()


def picture(figure: "Figure", described: str) -> str:
    """A figure as an HTML image without a file."""
    data = base64.b64encode(_png(figure)).decode()
    return f'<img alt="{markup.escape(described)}" src="data:image/png;base64,{data}">'


def _head(result: "Result") -> str:
    axes = [result.env_steps_of(row)[-1] for row in range(len(result.runs))]
    lost = _lost([run["status"] for run in result.runs])
    environments = list(dict.fromkeys(run["env"] for run in result.runs))
    where = environments[0] if len(environments) == 1 else f"{len(environments)} environments"
    said = f"{answers.runs_text([len(result.runs)])}{lost} on {where}"
    return f"Result: {said}, {answers.steps_span(np.asarray(axes))} environment steps"


def _lost(statuses: Sequence[str]) -> str:
    """How many runs did not simply end, by status."""
    counts = {status: statuses.count(status) for status in ("diverged", "unfinished", "dropped")}
    return "".join(f", {count} {status}" for status, count in counts.items() if count)


def _rows(result: "Result") -> list[Mapping[str, str]]:
    groups = grouped(result.runs)
    texts = answers.labels([condition for condition, _ in groups])
    found = []
    for place, ((_, rows), condition) in enumerate(zip(groups, texts, strict=True)):
        name = answer = ""
        if place < MOST_ROWS and result.metrics:
            headline = answers.headline(result)
            reported = headline not in answers.FRACTIONS or answers.has_metric(
                result, rows, answers.FRACTIONS[headline]
            )
            name = headline if reported else "test_return"
            answer = answers.interval_text(answers.answer(result, rows, name))
        runs = answers.runs_text([len(rows)]) + _lost([result.runs[row]["status"] for row in rows])
        found.append({"condition": condition, "name": name, "answer": answer, "runs": runs})
    return found


def _more(rows: Sequence[Any]) -> list[str]:
    left = len(rows) - MOST_ROWS
    return [f"  and {left} more conditions: see summary()"] if left > 0 else []


def _policy_rows(policy: "Policy") -> list[tuple[str, str]]:
    spec, about = policy.env.spec, policy.about
    learner = about.get("algorithm") or policy.learner
    size = sum(leaf.size for leaf in jax.tree.leaves(policy.params))
    rows = [("", f"Policy of {learner} on {about.get('env') or spec.name}")]
    kind = f"{spec.n_actions} real numbers" if spec.continuous else f"{spec.n_actions} actions"
    rows.append(("agents", f"{spec.n_agents}, each with {kind} and observations of {spec.obs_dim} numbers"))
    rows.append(("parameters", f"{size:,}"))
    for name in ("seed", "env_steps", "status", *sorted(key for key in about if key.startswith("test_"))):
        if about.get(name) is not None:
            rows.append((name, answers.value_text(about[name])))
    return rows
