"""What the launchers may be told: names and kinds of their options."""

from collections.abc import Mapping
from typing import Any

from jaxvf.errors import InputError, unknown

LAUNCHERS = ("none", "local", "slurm", "ray")
# Of SLURM: those that submitit knows, by its names; `time` in minutes, `mem` as "16GB".
OPTIONS: Mapping[str, Mapping[str, type]] = {
    "none": {},
    "local": {"cores": int},
    "slurm": {
        "account": str,
        "array_parallelism": int,
        "constraint": str,
        "cpus_per_task": int,
        "exclude": str,
        "gpus_per_node": int,
        "gres": str,
        "job_name": str,
        "max_num_timeout": int,
        "mem": str,
        "nodelist": str,
        "partition": str,
        "qos": str,
        "signal_delay_s": int,
        "time": int,
    },
    "ray": {"address": str, "max_retries": int, "num_cpus": int, "num_gpus": int},
}
LOWEST = {"max_num_timeout": 0, "max_retries": -1, "num_gpus": 0, "gpus_per_node": 0}  # the others begin at one


def checked(how: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a launcher, each of its kind.

    Raises:
        InputError: for a launcher or an option that does not exist, and a value of another kind.
    """
    if how not in LAUNCHERS:
        raise unknown("launcher", how, LAUNCHERS)
    known = OPTIONS[how]
    for name in options:
        if name not in known:
            raise unknown(f"option of --launch {how}", name, known)
    return {name: _value(name, value, known[name]) for name, value in options.items()}


def _value(name: str, value: Any, kind: type) -> Any:
    if kind is str:
        return str(value)
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        number = None
    low = LOWEST.get(name, 1)
    if number is None or number != float(value) or number < low:
        raise InputError(f"launch option {name}={value!r} is not a whole number from {low} on")
    return number
