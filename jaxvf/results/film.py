"""A replay as GIF or MP4, or three moments of it as PNG: scenes drawn with Pillow, which comes with matplotlib."""

import functools
import io
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jaxvf.envs.pictures import Circle, Frame, Key, Line, Rectangle, Scene, Shape, Text
from jaxvf.errors import InputError

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw


FRAMES_PER_SECOND = 4
SIZE = 480  # pixels along the longer side of a scene
STRIP = 32  # pixels below it, for the caption
CAPTION = 13  # pixels that its text is high
LEGEND, MARK, GAP = 18, 10, 14  # pixels: a line of the legend, the mark before an entry, and the space after it
BETWEEN = 24  # pixels between the moments of a picture
FINER = 2  # drawn so much larger and then reduced, as Pillow does not smooth edges
COLOURS = 128  # of a GIF
LAST_FRAME = 6  # frames that the end stays for


def gif(shown: Sequence[Frame]) -> bytes:
    """An endless animation."""
    from PIL import Image

    # Few flat colours: the fast quantizer is as good as the default one, which would take most of the time.
    first, *others = [image.quantize(COLOURS, Image.Quantize.FASTOCTREE) for image in _images(shown)]
    duration = 1000 // FRAMES_PER_SECOND
    data = io.BytesIO()
    first.save(
        data, "GIF", save_all=True, append_images=others, loop=0,
        duration=[duration] * len(others) + [LAST_FRAME * duration],
    )  # fmt: skip
    return data.getvalue()


def png(shown: Sequence[Frame]) -> bytes:
    """The first, the middle and the last moment side by side, with one legend below."""
    from PIL import Image

    last = len(shown) - 1
    moments = _images([shown[place] for place in sorted({0, last // 2, last})], legend=False)
    legend = _legend(shown[0].scene.legend).reduce(FINER) if shown[0].scene.legend else None
    width, height = moments[0].size
    whole = (len(moments) * (width + BETWEEN) - BETWEEN, height + (legend.height if legend else 0))
    sheet = Image.new("RGB", whole, "white")
    for place, moment in enumerate(moments):
        sheet.paste(moment, (place * (width + BETWEEN), 0))
    if legend:
        sheet.paste(legend, (0, height))
    data = io.BytesIO()
    sheet.quantize(COLOURS, Image.Quantize.FASTOCTREE).save(data, "PNG", optimize=True)
    return data.getvalue()


def mp4(shown: Sequence[Frame]) -> bytes:
    """An H.264 film, made by ffmpeg.

    Raises:
        InputError: if ffmpeg is not installed, or fails.
    """
    images = _images(shown)
    images += [images[-1]] * (LAST_FRAME - 1)
    width, height = images[0].size
    with tempfile.TemporaryDirectory() as folder:
        film = Path(folder) / "film.mp4"
        command = [
            find_ffmpeg(), "-loglevel", "error", "-y",
            "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", str(FRAMES_PER_SECOND), "-i", "-",
            "-c:v", "libx264", "-pix_fmt", "yuv420p", str(film),
        ]  # fmt: skip
        done = subprocess.run(command, input=b"".join(image.tobytes() for image in images), capture_output=True)
        if done.returncode:
            reason = (done.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"])[0]
            raise InputError(f"ffmpeg could not make the film: {reason}")
        return film.read_bytes()


def find_ffmpeg() -> str:
    """The path of ffmpeg: the system's, or the one that imageio-ffmpeg brings.

    Raises:
        InputError: if there is neither.
    """
    found = shutil.which("ffmpeg")
    if found is not None:
        return found
    try:
        import imageio_ffmpeg

        return imageio_ffmpeg.get_ffmpeg_exe()
    except (ImportError, RuntimeError) as error:
        raise InputError(
            "extension '.mp4' needs ffmpeg, which is not installed (pip install 'jaxvf[film]'); use .html or .gif"
        ) from error


def _images(shown: Sequence[Frame], *, legend: bool = True) -> list["Image"]:
    """All frames in one size, whose sides are even, as H.264 wants them."""
    width = max(frame.scene.width for frame in shown)
    height = max(frame.scene.height for frame in shown)
    scale = SIZE / max(width, height)
    keys = _legend(shown[0].scene.legend if legend else ())
    size = (_even(scale * width), _even(scale * height))
    return [_image(frame, scale, size, keys) for frame in shown]


def _even(pixels: float) -> int:
    return 2 * max(round(pixels / 2), 1)


def _image(frame: Frame, scale: float, size: tuple[int, int], legend: "Image") -> "Image":
    from PIL import Image, ImageDraw

    width, height = size
    sheet = Image.new("RGB", (width * FINER, height * FINER), "white")
    pen = _Pen(ImageDraw.Draw(sheet), frame.scene, scale * FINER)
    for shape in frame.scene.shapes:
        pen.draw(shape)
    # Narrow scenes get a sheet as wide as the caption.
    whole = Image.new("RGB", (SIZE * FINER, (height + STRIP) * FINER + legend.height), "white")
    whole.paste(sheet, ((SIZE - width) * FINER // 2, 0))
    middle = (SIZE * FINER / 2, (height + STRIP / 2) * FINER)
    font = _font(CAPTION * FINER)
    fitting = min(1.0, (SIZE - 8) * FINER / max(font.getlength(frame.caption), 1.0))
    font = _font(int(CAPTION * FINER * fitting))
    ImageDraw.Draw(whole).text(middle, frame.caption, fill="#222222", font=font, anchor="mm")
    whole.paste(legend, (0, (height + STRIP) * FINER))
    return whole.reduce(FINER)


def _legend(keys: Sequence[Key]) -> "Image":
    """The lines of a legend, as wide as a frame; of height 0 without one."""
    from PIL import Image, ImageDraw

    font = _font(CAPTION * FINER * 6 // 7)
    lines: list[list[tuple[float, Key]]] = [[]]
    x = 0.0
    for key in keys:
        length = font.getlength(key.text) + (0 if key.mark == "text" else (MARK + 4) * FINER)
        if lines[-1] and x + length > (SIZE - 8) * FINER:
            lines.append([])
            x = 0.0
        lines[-1].append((x, key))
        x += length + GAP * FINER
    height = 2 * ((len(lines) * LEGEND + 5) // 2) * FINER if keys else 0
    drawn = Image.new("RGB", (SIZE * FINER, height), "white")
    draw = ImageDraw.Draw(drawn)
    for row, line in enumerate(lines if keys else ()):
        for x, key in line:
            _draw_key(draw, key, x + 4 * FINER, (row + 0.5) * LEGEND * FINER, font)
    return drawn


def _draw_key(draw: "ImageDraw", key: Key, x: float, middle: float, font: Any) -> None:
    half, size, thick = MARK * FINER / 2, MARK * FINER, 2 * FINER
    box = (x, middle - half, x + size, middle + half)
    if key.mark == "disc":
        draw.ellipse(box, fill=key.colour)
    elif key.mark == "bar":
        draw.rectangle((x, middle - half / 2, x + size, middle + half / 2), fill=key.colour)
    elif key.mark == "frame":
        draw.rectangle(box, outline=key.colour, width=thick)
    elif key.mark == "line":
        draw.line((x, middle, x + size, middle), fill=key.colour, width=thick)
    elif key.mark == "cross":
        draw.line((x, middle - half, x + size, middle + half), fill=key.colour, width=thick)
        draw.line((x, middle + half, x + size, middle - half), fill=key.colour, width=thick)
    after = x if key.mark == "text" else x + size + 4 * FINER
    draw.text((after, middle), key.text, fill="#222222", font=font, anchor="lm")


class _Pen:
    """Draws shapes in world coordinates; pixels grow downwards."""

    def __init__(self, draw: "ImageDraw", scene: Scene, scale: float):
        self.drawing, self.scale, self.left, self.top = draw, scale, scene.x, scene.y + scene.height

    def draw(self, shape: Shape) -> None:
        """Draw one shape."""
        if isinstance(shape, Line):
            ends = [self._at(shape.x1, shape.y1), self._at(shape.x2, shape.y2)]
            self.drawing.line(ends, fill=shape.colour, width=self._thick(shape.width))
        elif isinstance(shape, Text):
            font = _font(max(1, round(shape.size * self.scale)))
            self.drawing.text(self._at(shape.x, shape.y), shape.text, fill=shape.colour, font=font, anchor="mm")
        elif isinstance(shape, Circle):
            box = self._box(shape.x - shape.radius, shape.y - shape.radius, 2 * shape.radius, 2 * shape.radius)
            self.drawing.ellipse(box, fill=shape.colour, outline=shape.edge, width=self._edge(shape))
        else:
            box = self._box(shape.x, shape.y, shape.width, shape.height)
            self.drawing.rectangle(box, fill=shape.colour, outline=shape.edge, width=self._edge(shape))

    def _at(self, x: float, y: float) -> tuple[float, float]:
        return (float(x) - self.left) * self.scale, (self.top - float(y)) * self.scale

    def _box(self, x: float, y: float, width: float, height: float) -> Any:
        (left, low), (right, high) = self._at(x, y), self._at(x + width, y + height)
        return [left, high, right, low]

    def _thick(self, width: float) -> int:
        return max(1, round(width * self.scale))

    def _edge(self, shape: Circle | Rectangle) -> int:
        return self._thick(shape.edge_width) if shape.edge else 0


@functools.cache
def _font(size: int) -> Any:
    import matplotlib
    from PIL import ImageFont

    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"), size)
