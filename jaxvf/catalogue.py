"""What there is: environments, algorithms, experiments and benchmarks, for `jaxvf list`."""

import inspect
from typing import Any

import numpy as np

from jaxvf import presets, releases, scripts


def rows(what: str) -> list[dict[str, Any]]:
    """One row per registered name of a kind: "envs", "algorithms", "presets", "experiments" or "benchmarks"."""
    if what == "envs":
        return _environments()
    if what == "algorithms":
        return _algorithms()
    if what == "presets":
        known = {**releases.available(), **presets.available()}
        return [{"name": name, "description": source} for name, source in known.items()]
    return [{"name": name, "description": doc} for name, doc in scripts.available(what).items()]


def _environments() -> list[dict[str, Any]]:
    from jaxvf.envs import ENVIRONMENTS, make
    from jaxvf.hyperparameters import describe

    found = []
    for name in ENVIRONMENTS:
        env = make(name)
        spec = env.spec
        params = [
            {**field, "default": np.asarray(field["default"]).tolist()} for field in describe(env.default_params())
        ]
        found.append(
            {
                "name": name,
                "description": (inspect.getdoc(type(env)) or "").splitlines()[0],
                "agents": spec.n_agents,
                "actions": spec.n_actions,
                "continuous": spec.continuous,
                "obs_dim": spec.obs_dim,
                "state_dim": spec.state_dim,
                "limit": spec.limit_max,
                "version": spec.version,
                "params": params,
            }
        )
    return found


def _algorithms() -> list[dict[str, Any]]:
    from jaxvf.algorithms import ALGORITHMS, DESCRIPTIONS, make
    from jaxvf.hyperparameters import describe
    from jaxvf.serialize import to_json

    return [
        {
            "name": name,
            "description": DESCRIPTIONS[name],
            "fields": [{**field, "default": to_json(field["default"])} for field in describe(make(name))],
        }
        for name in ALGORITHMS
    ]
