"""Shared by all tests: a persistent compilation cache, because compile time is most of a test's time."""

import os
import tempfile

os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", os.path.join(tempfile.gettempdir(), "jaxvf-test-cache"))
# Tests run for less time than they compile; tests/learning, which trains, switches the optimizations on again.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.3")
