"""Shared by all tests: a persistent compilation cache, because compile time is most of a test's time."""

import os
import tempfile
from pathlib import Path

import pytest

os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", os.path.join(tempfile.gettempdir(), "jaxvf-test-cache"))
# Tests run for less time than they compile; tests/learning, which trains, switches the optimizations on again.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.3")
# Beside the caches that tests replace, so that matplotlib lists the fonts once.
os.environ.setdefault("MPLCONFIGDIR", os.path.join(tempfile.gettempdir(), "jaxvf-test-matplotlib"))
# As many devices on every machine, and more than one: sweeps are split, and short chunks filled up.
os.environ.setdefault("JAX_NUM_CPU_DEVICES", "2")


@pytest.fixture(autouse=True)
def user_cache(tmp_path_factory, monkeypatch) -> Path:
    """A user's cache that is empty and not the user's: no test finds what another has measured."""
    home = tmp_path_factory.getbasetemp() / "user-cache" / str(next(_numbers))
    monkeypatch.setenv("XDG_CACHE_HOME", str(home))
    return home / "jaxvf"


_numbers = iter(range(10**9))
