"""JSON that any reader understands: NaN and Infinity are none."""

import json
from typing import Any


def strict_json(text: str) -> Any:
    """The content of a text; fails for a token that is no JSON."""

    def no_json(token):
        raise AssertionError(f"{token} is no JSON")

    return json.loads(text, parse_constant=no_json)
