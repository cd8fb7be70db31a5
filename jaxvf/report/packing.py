"""Arrays and texts in a page: short, exact where that matters, and never read as markup."""

import base64
import json
from typing import Any

import numpy as np

HALF_BYTES_FROM = 200_000  # bytes as float32 from which curves are rounded to 16 bits each
# Of an inline script; inside a string of JSON each may be written by its number.
MARKUP = {character: f"\\u{ord(character):04x}" for character in "<>&"}


def packed(values: Any, dtype: Any = None) -> dict[str, Any]:
    """An array as {"type", "shape", "data"}: little endian, row by row, in base64.

    Args:
        values: numbers.
        dtype: what each is stored as; by default float32, or as few bytes as hold whole numbers.
    """
    array = np.asarray(values)
    chosen = np.dtype(dtype or (_narrowest(array) if array.dtype.kind in "iu" else np.float32))
    data = np.ascontiguousarray(array, chosen.newbyteorder("<")).tobytes()
    return {"type": chosen.name, "shape": list(array.shape), "data": base64.b64encode(data).decode()}


def packed_curves(values: np.ndarray) -> dict[str, Any]:
    """Curves, rounded to 11 significant bits (one part in 2,000) where there are many and none exceeds float16."""
    finite = np.abs(values[np.isfinite(values)])
    fits = finite.size == 0 or finite.max() < np.finfo(np.float16).max
    many = values.size * np.dtype(np.float32).itemsize > HALF_BYTES_FROM
    return packed(values, np.float16 if many and fits else np.float32)


def script_json(value: Any) -> str:
    """JSON that can stand inside a script element: no text in it ends the element or begins another."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    for character, escaped in MARKUP.items():
        text = text.replace(character, escaped)
    return text


def _narrowest(array: np.ndarray) -> Any:
    top = int(array.max(initial=0))
    if array.size and int(array.min()) < 0:
        return np.int32
    return np.uint8 if top < 2**8 else np.uint16 if top < 2**16 else np.uint32
