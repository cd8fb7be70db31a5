"""A replay as one picture."""

import dataclasses
import io

import numpy as np
from PIL import Image

from jaxvf.envs.pictures import BLUE, GREEN, ORANGE, PINK, Frame, Key, Rectangle, Scene
from jaxvf.results import film


def rgb(colour):
    return tuple(int(colour[i : i + 2], 16) for i in (1, 3, 5))


def test_a_picture_shows_the_first_the_middle_and_the_last_moment():
    """Of five frames numbers 0, 2 and 4, with the legend below, once; of one frame that alone."""
    scenes = [Scene(2, 1, (Rectangle(0, 0, 2, 1, colour),)) for colour in (BLUE, ORANGE, GREEN, ORANGE, PINK)]
    frames = [Frame(dataclasses.replace(scene, legend=(Key("disc", BLUE, "a"),)), "") for scene in scenes]
    image = Image.open(io.BytesIO(film.png(frames))).convert("RGB")
    assert image.size == (3 * 480 + 2 * film.BETWEEN, 240 + film.STRIP + 2 * ((film.LEGEND + 5) // 2))
    for place, colour in enumerate((BLUE, GREEN, PINK)):
        np.testing.assert_allclose(image.getpixel(((480 + film.BETWEEN) * place + 240, 120)), rgb(colour), atol=12)
    alone = Image.open(io.BytesIO(film.png([Frame(Scene(2, 1, ()), "")])))
    assert alone.size == (480, 240 + film.STRIP)
