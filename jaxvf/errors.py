"""The one exception for bad input, and how it names the nearest valid choice."""

import difflib
from collections.abc import Iterable

NAMED = 20  # valid names in a line
LONGEST = 2000  # characters of a line; a value may be a table of a million numbers


class InputError(ValueError):
    """Bad input, said in one line: the field, the value and what would be valid. The CLI exits with 2."""

    def __init__(self, message: object):
        line = " ".join(part.strip() for part in str(message).splitlines())
        super().__init__(line if len(line) <= LONGEST else f"{line[: LONGEST // 2]} ... {line[-LONGEST // 2 :]}")


class MissingPackageError(InputError):
    """What was asked for needs a package that is not installed; the line says how to install it."""


def unknown(kind: str, value: object, valid: Iterable[str]) -> InputError:
    """The error for a name outside a registry, with the closest name, those that hold it, or some of all.

    Args:
        kind: what the name stands for, as the user knows it ("algorithm", "field of qmix").
        value: what was given.
        valid: every name that would have been accepted.
    """
    names = sorted(valid)
    close = difflib.get_close_matches(str(value), names, n=1, cutoff=0.4)
    if close:
        return InputError(f"unknown {kind} {value!r}; did you mean {close[0]!r}?")
    holding = [name for name in names if value and str(value).lower() in name.lower()]
    named = holding or names
    more = f" and {len(named) - NAMED} more" if len(named) > NAMED else ""
    which = f"those with {value!r}" if holding else "valid"
    return InputError(f"unknown {kind} {value!r}; {which}: {', '.join(named[:NAMED]) or 'none'}{more}")
