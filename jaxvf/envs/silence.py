"""Quiet imports of packages that print when they are imported."""

import contextlib
import io
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def silent() -> Iterator[None]:
    """Nothing printed to stdout; stderr stays."""
    # JaxMARL sets sys.stdout to sys.__stdout__ while it looks for Brax, and prints afterwards: both are replaced.
    names = ("stdout", "stderr", "__stdout__", "__stderr__")
    before = {name: getattr(sys, name) for name in names}
    for name in names:
        setattr(sys, name, io.StringIO() if "out" in name else before["stderr"])
    try:
        yield
    finally:
        for name in names:
            setattr(sys, name, before[name])
