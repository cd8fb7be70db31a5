"""What computes here: versions and devices, and how they differ from where a sweep began."""

import importlib.metadata
import platform
from collections.abc import Sequence
from typing import Any

from jaxvf import __version__
from jaxvf.sweeps import devices

VERSIONED = ("jax", "jaxlib", "flax", "optax", "numpy")


def differences(stored: dict[str, Any]) -> Sequence[str]:
    """What is other than where a sweep began, so that its numbers go on but not bitwise: versions and devices."""
    here = {**versions(), **{f"device {key}": value for key, value in devices.describe().items()}}
    there = {**stored.get("versions", {}), **{f"device {key}": at for key, at in stored.get("device", {}).items()}}
    other = [f"{name} {there[name]} (now {here[name]})" for name in here if name in there and there[name] != here[name]]
    return [f"begun with {', '.join(other)}: it goes on, but not bitwise as it would have"] if other else []


def versions() -> dict[str, str]:
    """Of jaxvf, Python and the packages whose versions change numbers."""
    found = {"jaxvf": __version__, "python": platform.python_version()}
    for name in VERSIONED:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:  # run from a checkout that is not installed
            found[name] = "not installed"
    return found
