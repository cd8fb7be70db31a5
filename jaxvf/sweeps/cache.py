"""jaxvf's own directory in the user's cache: compiled programs, and what was measured of programs (`measurements`)."""

import contextlib
import hashlib
import os
import platform
from collections.abc import Callable, Iterator
from pathlib import Path

import jax
from jax.experimental.compilation_cache import compilation_cache

from jaxvf.sweeps import devices


def directory() -> Path:
    """`~/.cache/jaxvf`, or below XDG_CACHE_HOME."""
    home = os.environ.get("XDG_CACHE_HOME", "")
    # The XDG specification ignores a relative path.
    return (Path(home) if os.path.isabs(home) else Path.home() / ".cache") / "jaxvf"


def create(*below: str) -> Path:
    """The directory, or one below it, made for its owner alone where it is missing.

    Raises:
        OSError: if it cannot be made or written.
    """
    path = directory()
    for part in ("", *below):
        path = path / part
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not os.access(path, os.W_OK | os.X_OK):
        raise PermissionError(f"{path} cannot be written")
    return path


def switched_on() -> bool:
    """Whether the user's JAX keeps compiled programs at all (`jax_enable_compilation_cache`)."""
    return bool(devices.jax_setting("jax_enable_compilation_cache"))


@contextlib.contextmanager
def compiled_programs(warn: Callable[[str], None], *, keep: bool = True) -> Iterator[None]:
    """Inside, XLA's programs are kept in the user's cache, where the next process finds them.

    A cache directory that the user or the environment has set stays in use. A directory that cannot be written is one
    line by `warn`, and nothing is kept; nor is it without `keep`.
    """
    if not keep or devices.jax_setting("jax_compilation_cache_dir") or not switched_on():
        yield
        return
    try:
        # Machine code of one processor is no use to another that shares the home directory.
        path = create("programs", _processor())
    except OSError as error:
        warn(f"compiled programs are not kept: {error}")
        yield
        return
    seconds = devices.jax_setting("jax_persistent_cache_min_compile_time_secs")
    _use(str(path), 0.0)
    try:
        yield
    finally:
        _use(None, seconds)


def _use(path: str | None, min_compile_seconds: float) -> None:
    # JAX opens its cache once; without a reset it would not notice another directory.
    compilation_cache.reset_cache()
    jax.config.update("jax_compilation_cache_dir", path)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", min_compile_seconds)


def _processor() -> str:
    """Names what machine code of this processor may use: its architecture and instruction sets."""
    known, cpuinfo = platform.machine(), Path("/proc/cpuinfo")
    if cpuinfo.exists():
        known += "".join(sorted({line for line in cpuinfo.read_text().splitlines() if line.startswith("flags")}))
    return hashlib.sha256(known.encode()).hexdigest()[:12]
