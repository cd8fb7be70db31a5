"""A replay as one HTML page that loads nothing: frames as SVG to step through, and what every agent chooses."""

import html
import importlib.resources
import json
from collections.abc import Sequence
from string import Template
from typing import Any

from jaxvf.envs.pictures import Circle, Frame, Key, Line, Scene, Shape, Text

FRAMES_PER_SECOND = 4
SIDE = 1000  # SVG units along the longer side; browsers round text that is smaller than one unit

KEYS = {  # how the marks of a legend are drawn, in a box of 14 x 14
    "disc": '<circle cx="7" cy="7" r="6" fill="{}"/>',
    "bar": '<rect x="0" y="3" width="14" height="8" fill="{}"/>',
    "line": '<line x1="0" y1="7" x2="14" y2="7" stroke="{}" stroke-width="2"/>',
    "cross": '<path d="M2 2L12 12M2 12L12 2" stroke="{}" stroke-width="2"/>',
    "frame": '<rect x="2" y="2" width="10" height="10" fill="none" stroke="{}" stroke-width="2"/>',
}


def page(shown: Sequence[Frame], title: str) -> bytes:
    """The page of a replay.

    What begins every frame alike, as a grid does, is stored once and stays behind the others. Beside the picture stands
    what every agent chooses, and how it values its actions, where frames say so.
    """
    still = _common(shown)
    scene = shown[0].scene
    scale = SIDE / max(scene.width, scene.height)
    drawn = [[svg(frame.scene.shapes[still:], frame.scene, scale), frame.caption, frame.choice] for frame in shown]
    template = importlib.resources.files("jaxvf.results").joinpath("replay.html").read_text(encoding="utf-8")
    text = Template(template).substitute(
        title=html.escape(title or "replay"),
        box=f"0 0 {_short(scale * scene.width)} {_short(scale * scene.height)}",
        background=svg(scene.shapes[:still], scene, scale),
        first=drawn[0][0],
        caption=html.escape(shown[0].caption),
        last=len(shown) - 1,
        legend="".join(_key(key) for key in scene.legend),
        frames=_script(drawn),
        beside=_script(_beside(shown)),
        interval=1000 // FRAMES_PER_SECOND,
    )
    return text.encode()


def _script(value: Any) -> str:
    # A closing tag would end the script, and a comment's beginning would hide its end.
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")


def _beside(shown: Sequence[Frame]) -> dict[str, Any] | None:
    """What is the same in all frames of the table of choices."""
    first = next((frame for frame in shown if frame.choice is not None), None)
    if first is None or first.names is None:
        return None
    measure = first.measure if first.choice and first.choice.values else ""
    return {"agents": first.names.agents, "actions": first.names.actions, "measure": measure}


def _key(key: Key) -> str:
    mark = KEYS.get(key.mark)
    drawn = "" if mark is None else f'<svg aria-hidden="true">{mark.format(key.colour)}</svg> '
    return f"<li>{drawn}{html.escape(key.text)}</li>"


def svg(shapes: Sequence[Shape], scene: Scene, scale: float) -> str:
    """Shapes as SVG elements.

    Args:
        shapes: what to draw, in world coordinates.
        scene: whose upper left corner is the origin; y grows downwards in SVG.
        scale: SVG units of a world unit.
    """
    return "".join(_element(shape, scene.x, scene.y + scene.height, scale) for shape in shapes)


def _common(shown: Sequence[Frame]) -> int:
    """How many shapes all frames begin with."""
    scenes = [frame.scene for frame in shown]
    for count, shapes in enumerate(zip(*(scene.shapes for scene in scenes), strict=False)):
        if any(shape != shapes[0] for shape in shapes):
            return count
    return min(len(scene.shapes) for scene in scenes)


def _element(shape: Shape, left: float, top: float, scale: float) -> str:
    def place(**values: float) -> str:
        return " ".join(f'{name.replace("_", "-")}="{_short(scale * value)}"' for name, value in values.items())

    if isinstance(shape, Line):
        ends = place(
            x1=shape.x1 - left, y1=top - shape.y1, x2=shape.x2 - left, y2=top - shape.y2, stroke_width=shape.width
        )
        return f'<line {ends} stroke="{shape.colour}"/>'
    if isinstance(shape, Text):
        where = place(x=shape.x - left, y=top - shape.y, font_size=shape.size)
        return f'<text {where} fill="{shape.colour}">{html.escape(shape.text)}</text>'
    inset = shape.edge_width / 2 if shape.edge else 0.0  # SVG draws half of an outline outside
    edge = f' stroke="{shape.edge}" {place(stroke_width=shape.edge_width)}' if shape.edge else ""
    if isinstance(shape, Circle):
        where = place(cx=shape.x - left, cy=top - shape.y, r=max(shape.radius - inset, 0.0))
        return f'<circle {where} fill="{shape.colour}"{edge}/>'
    where = place(
        x=shape.x - left + inset,
        y=top - shape.y - shape.height + inset,
        width=max(shape.width - 2 * inset, 0.0),
        height=max(shape.height - 2 * inset, 0.0),
    )
    return f'<rect {where} fill="{shape.colour or "none"}"{edge}/>'


def _short(value: float) -> str:
    return f"{float(value):.1f}".removesuffix(".0")
