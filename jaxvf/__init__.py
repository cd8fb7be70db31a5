"""jaxvf: cooperative multi-agent reinforcement learning in which hundreds of runs are one XLA program.

    result = jaxvf.run(env="predator_prey", algorithm="qmix", seeds=32, sweep={"env.penalty": [-1.0, -3.0]})

Names are imported when they are first used, so that `import jaxvf` and `jaxvf --help` answer at once.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jaxvf import algorithms, envs
    from jaxvf.api import run
    from jaxvf.errors import InputError
    from jaxvf.results import Comparison, Policy, Result, compare, concat
    from jaxvf.sweeps import Halving, LogUniform, Optuna, Population, Sobol, Sweep, Uniform, load, resume

__version__ = "0.2.0"

_HOMES = {
    "run": "jaxvf.api",
    "Sweep": "jaxvf.sweeps",
    "Uniform": "jaxvf.sweeps",
    "LogUniform": "jaxvf.sweeps",
    "Sobol": "jaxvf.sweeps",
    "Halving": "jaxvf.sweeps",
    "Optuna": "jaxvf.sweeps",
    "Population": "jaxvf.sweeps",
    "resume": "jaxvf.sweeps",
    "load": "jaxvf.sweeps",
    "Result": "jaxvf.results",
    "Comparison": "jaxvf.results",
    "compare": "jaxvf.results",
    "concat": "jaxvf.results",
    "Policy": "jaxvf.results",
    "InputError": "jaxvf.errors",
    "algorithms": "",
    "envs": "",
}

__all__ = [
    "Comparison",
    "Halving",
    "InputError",
    "LogUniform",
    "Optuna",
    "Policy",
    "Population",
    "Result",
    "Sobol",
    "Sweep",
    "Uniform",
    "algorithms",
    "compare",
    "concat",
    "envs",
    "load",
    "resume",
    "run",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'jaxvf' has no attribute {name!r}")
    home = _HOMES[name]
    return getattr(importlib.import_module(home), name) if home else importlib.import_module(f"jaxvf.{name}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
