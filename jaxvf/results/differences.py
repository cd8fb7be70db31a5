"""Where two configurations differ."""

import json
import textwrap
from typing import Any

_ABSENT = object()  # a field that one of two configurations lacks


def first_difference(there: Any, here: Any, path: str) -> tuple[str, str, str] | None:
    """Where two JSON documents first differ, in the order of `here`: dotted path and both values, or None."""
    if there == here:
        return None
    if isinstance(there, dict) and isinstance(here, dict):
        keys = dict.fromkeys([*here, *there])
        pairs = [(f"{path}.{key}", there.get(key, _ABSENT), here.get(key, _ABSENT)) for key in keys]
        return next((found for name, a, b in pairs if (found := first_difference(a, b, name))), None)
    texts = ["absent" if value is _ABSENT else json.dumps(value) for value in (there, here)]
    if texts[0] == texts[1]:  # NaN differs from itself, but not as a setting
        return None
    return path, textwrap.shorten(texts[0], 80), textwrap.shorten(texts[1], 80)
