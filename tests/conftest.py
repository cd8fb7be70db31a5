"""Shared by all tests: shape annotations that are executed, and a persistent compilation cache."""

import gc
import os
import sys
import tempfile
from pathlib import Path

import jaxtyping
import pytest

# Compile time is most of a test's time.
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", os.path.join(tempfile.gettempdir(), "jaxvf-test-cache"))
# Tests run for less time than they compile; tests/learning, which trains, switches the optimizations on again.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.3")
# Beside the caches that tests replace, so that matplotlib lists the fonts once.
os.environ.setdefault("MPLCONFIGDIR", os.path.join(tempfile.gettempdir(), "jaxvf-test-matplotlib"))
# As many devices on every machine, and more than one: sweeps are split, and short chunks filled up.
os.environ.setdefault("JAX_NUM_CPU_DEVICES", "2")

# Packages whose annotations are checked at every call, shapes included.
SHAPES_EXECUTED = (
    "jaxvf.algorithm", "jaxvf.envs", "jaxvf.mixers", "jaxvf.networks", "jaxvf.value", "jaxvf.trust_region",
    "jaxvf.training", "jaxvf.theory", "jaxvf.results", "jaxvf.report",
)  # fmt: skip
CHECKER = "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))"  # an int is a float too
# Before anything imports jaxvf: what is imported already stays unchecked.
jaxtyping.install_import_hook(list(SHAPES_EXECUTED), CHECKER)


@pytest.fixture
def unchecked():
    """Annotations are not executed: for what a user passes in spite of them, and is told in one line."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture(autouse=True, scope="module")
def programs_of_a_module():
    """Compiled programs are let go with their tests: thousands of them use up a process's memory maps."""
    yield
    jax = sys.modules.get("jax")
    if jax is not None:
        jax.clear_caches()
        gc.collect()


_numbers = iter(range(10**9))


@pytest.fixture(autouse=True)
def user_cache(tmp_path_factory, monkeypatch) -> Path:
    """A user's cache that is empty and not the user's: no test finds what another has measured."""
    home = tmp_path_factory.getbasetemp() / "user-cache" / str(next(_numbers))
    monkeypatch.setenv("XDG_CACHE_HOME", str(home))
    return home / "jaxvf"
