"""Shared by all tests: shape annotations that are executed, and a persistent compilation cache."""

import gc
import os
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import jaxtyping
import pytest

# Compile time is most of a test's time.
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", os.path.join(tempfile.gettempdir(), "jaxvf-test-cache"))
# Tests run for less time than they compile, those that train too.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
# XLA's older emitters of fused code compile programs in half the time; another version of XLA may not know the flag,
# and would end the process.
if version("jaxlib").startswith("0.10."):
    flags = os.environ.get("XLA_FLAGS", "")
    os.environ["XLA_FLAGS"] = f"--xla_cpu_use_fusion_emitters=false {flags}".strip()
# What one process has compiled, however small, the other worker reads and so does every process that a test starts.
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
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


# Tracing makes many small objects that live on; looking for garbage among them takes a fifth of its time.
gc.set_threshold(100_000, 20, 20)
MOST_MAPS = 20_000  # of memory: Linux gives a process 65,530, and a compiled program takes some
MOST_MEMORY = 2 * 2**30  # bytes


@pytest.fixture(autouse=True, scope="module")
def programs_of_modules():
    """Compiled programs are let go when thousands of them have used up memory, or a third of its maps."""
    yield
    jax = sys.modules.get("jax")
    if jax is not None and _is_full():
        jax.clear_caches()
        gc.collect()


def _is_full() -> bool:
    """Whether this process holds much; one that does not know holds too much."""
    own = Path("/proc/self")
    if not own.exists():
        return True
    resident = int((own / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return resident > MOST_MEMORY or (own / "maps").read_bytes().count(b"\n") > MOST_MAPS


# A file is one worker's work. The longest begin first, so that no worker is left with one while the other is idle.
LONG = (
    "test_crowds.py", "test_completeness.py", "test_program.py", "test_every_learner.py", "test_conformance.py",
    "test_battles.py", "test_launch.py", "test_devices.py", "test_interruption.py", "test_docs.py",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of the longest files first, the others in their order."""
    items.sort(key=lambda item: item.path.name not in LONG)


@pytest.fixture(scope="session")
def programs() -> dict:
    """The programs of sweeps that this process has compiled, by what they depend on."""
    return {}


@pytest.fixture
def compiled_once(monkeypatch, programs) -> list[int]:
    """A sweep takes the program that an earlier one compiled; the list has the runs of each that a test asked for."""
    from shared_programs import remember

    return remember(monkeypatch, programs)


_numbers = iter(range(10**9))


@pytest.fixture(autouse=True)
def user_cache(tmp_path_factory, monkeypatch) -> Path:
    """A user's cache that is empty and not the user's: no test finds what another has measured."""
    home = tmp_path_factory.getbasetemp() / "user-cache" / str(next(_numbers))
    monkeypatch.setenv("XDG_CACHE_HOME", str(home))
    return home / "jaxvf"
