"""A replay as one HTML page: the frames as SVG, a slider and a play button; it loads nothing from anywhere."""

import html
import json
from collections.abc import Sequence
from string import Template

from jaxvf.envs.pictures import Circle, Frame, Line, Shape, Text

FRAMES_PER_SECOND = 4
SIDE = 1000  # SVG units along the longer side; browsers round text that is smaller than one unit

PAGE = Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>$title</title>
<style>
body { font: 15px system-ui, sans-serif; color: #222; max-width: 720px; margin: 2em auto; padding: 0 1em }
h1 { font-size: 17px; font-weight: 600 }
svg { width: 100%; max-height: 75vh; border: 1px solid #ddd }
form { display: flex; gap: 1em; align-items: center }
input { flex: 1 }
button { width: 5em }
text { font-family: system-ui, sans-serif; text-anchor: middle; dominant-baseline: central }
</style>
</head>
<body>
<h1>$title</h1>
<svg viewBox="0 0 $width $height" role="img" aria-label="replay">$background<g id="frame">$first</g></svg>
<p id="caption">$caption</p>
<form>
<button type="button" id="play">play</button>
<input type="range" id="time" min="0" max="$last" value="0" aria-label="time">
</form>
<script>
const frames = $frames;
const [frame, caption, play, time] = ["frame", "caption", "play", "time"].map(id => document.getElementById(id));
let timer = null;
function show() { [frame.innerHTML, caption.textContent] = frames[time.value]; }
function stop() { clearInterval(timer); timer = null; play.textContent = "play"; }
function tick() { if (+time.value < +time.max) { time.value++; show(); } else stop(); }
function start() {
  if (time.value === time.max) { time.value = 0; show(); }
  play.textContent = "pause";
  timer = setInterval(tick, $interval);
}
play.onclick = () => timer ? stop() : start();
time.oninput = () => { stop(); show(); };
show();
</script>
</body>
</html>
""")


def page(shown: Sequence[Frame], title: str) -> bytes:
    """The page of a replay.

    What begins every frame alike, as a grid does, is stored once and stays behind the others.
    """
    still = _common(shown)
    scene = shown[0].scene
    scale = SIDE / max(scene.width, scene.height)
    drawn = [[svg(frame.scene.shapes[still:], scene.height, scale), frame.caption] for frame in shown]
    text = PAGE.substitute(
        title=html.escape(title or "replay"),
        width=_short(scale * scene.width),
        height=_short(scale * scene.height),
        background=svg(scene.shapes[:still], scene.height, scale),
        first=drawn[0][0],
        caption=html.escape(shown[0].caption),
        last=len(shown) - 1,
        frames=json.dumps(drawn).replace("</", "<\\/"),  # or a closing tag would end the script
        interval=1000 // FRAMES_PER_SECOND,
    )
    return text.encode()


def svg(shapes: Sequence[Shape], height: float, scale: float) -> str:
    """Shapes as SVG elements.

    Args:
        shapes: what to draw, in world coordinates.
        height: of their scene; y grows downwards in SVG.
        scale: SVG units of a world unit.
    """
    return "".join(_element(shape, height, scale) for shape in shapes)


def _common(shown: Sequence[Frame]) -> int:
    """How many shapes all frames begin with."""
    scenes = [frame.scene for frame in shown]
    for count, shapes in enumerate(zip(*(scene.shapes for scene in scenes), strict=False)):
        if any(shape != shapes[0] for shape in shapes):
            return count
    return min(len(scene.shapes) for scene in scenes)


def _element(shape: Shape, height: float, scale: float) -> str:
    def place(**values: float) -> str:
        return " ".join(f'{name.replace("_", "-")}="{_short(scale * value)}"' for name, value in values.items())

    if isinstance(shape, Line):
        ends = place(x1=shape.x1, y1=height - shape.y1, x2=shape.x2, y2=height - shape.y2, stroke_width=shape.width)
        return f'<line {ends} stroke="{shape.colour}"/>'
    if isinstance(shape, Text):
        where = place(x=shape.x, y=height - shape.y, font_size=shape.size)
        return f'<text {where} fill="{shape.colour}">{html.escape(shape.text)}</text>'
    inset = shape.edge_width / 2 if shape.edge else 0.0  # SVG draws half of an outline outside
    edge = f' stroke="{shape.edge}" {place(stroke_width=shape.edge_width)}' if shape.edge else ""
    if isinstance(shape, Circle):
        where = place(cx=shape.x, cy=height - shape.y, r=max(shape.radius - inset, 0.0))
        return f'<circle {where} fill="{shape.colour}"{edge}/>'
    where = place(
        x=shape.x + inset,
        y=height - shape.y - shape.height + inset,
        width=max(shape.width - 2 * inset, 0.0),
        height=max(shape.height - 2 * inset, 0.0),
    )
    return f'<rect {where} fill="{shape.colour or "none"}"{edge}/>'


def _short(value: float) -> str:
    return f"{float(value):.1f}".removesuffix(".0")
