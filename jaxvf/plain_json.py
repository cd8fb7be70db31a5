"""Standard JSON for programs that read the command line: no NaN, no arrays, nothing that only Python knows."""

import json
import math
from typing import Any


def dumps(value: Any) -> str:
    """`value` as JSON text."""
    return json.dumps(_plain(value), indent=2)


def _plain(value: Any) -> Any:
    """`value` in JSON's own types; what is no number in JSON (NaN, infinity) becomes null."""
    value = value.tolist() if hasattr(value, "tolist") else value
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
