"""A trained greedy policy: load it, give it observations, get actions."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from jaxvf import algorithms, envs
from jaxvf.envs.protocol import Environment, EnvParams, View
from jaxvf.errors import InputError
from jaxvf.results.arrays import load_tree, save_tree
from jaxvf.results.parsing import parse_json
from jaxvf.results.paths import usable_path
from jaxvf.results.statistics import Interval
from jaxvf.results.store import write_atomically
from jaxvf.serialize import from_json, to_json
from jaxvf.training import observed_by


class Memory(NamedTuple):
    """What a policy remembers between the steps of an episode."""

    hidden: Any
    last_action: Float[Array, "N A"]


class Policy:
    """The greedy, decentralised policy of one run.

        memory = policy.start()
        actions, memory = policy.act(obs, avail, memory)

    Observations are the environment's own; what the algorithm appends to them (previous action, agent index) is
    appended here.

    `env_params` are the numbers of the environment in which it was trained, or the defaults; acting needs none of them.
    `about` says what is known of its run: labels, seed, settings, and the metrics of its last evaluation.
    """

    def __init__(
        self,
        env: Environment,
        algorithm: Any,
        params: Any,
        env_params: EnvParams | None = None,
        about: Mapping[str, Any] | None = None,
    ):
        self.env, self.algorithm, self.params = env, algorithm, jax.tree.map(jnp.asarray, params)
        self.env_params = env.default_params() if env_params is None else env_params
        self.about: Mapping[str, Any] = about or {}

    @property
    def learner(self) -> str:
        """The registered name of its algorithm, or its class."""
        return algorithms.name_of(self.algorithm)

    def start(self) -> Memory:
        """The memory at the beginning of an episode."""
        spec = self.env.spec
        hidden = self.algorithm.initial_carry((1, spec.n_agents))
        return Memory(hidden, jnp.zeros((spec.n_agents, spec.n_actions)))

    def act(
        self, obs: Float[Array | np.ndarray, "N O"], avail: Bool[Array | np.ndarray, "N A"], memory: Memory
    ) -> tuple[Array, Memory]:
        """Every agent's best available action, [N], or [N, A] where continuous; pure, so that it can be compiled."""
        spec = self.env.spec
        actions, hidden = self.algorithm.greedy(self.params, memory.hidden, self.view(obs, avail, memory))
        last = actions[0] if spec.continuous else jax.nn.one_hot(actions[0], spec.n_actions)
        return actions[0], Memory(hidden, last)

    def view(
        self, obs: Float[Array | np.ndarray, "N O"], avail: Bool[Array | np.ndarray, "N A"], memory: Memory
    ) -> View:
        """What the learner's networks see, with a leading axis of size 1; execution knows no state, which is zero."""
        spec = self.env.spec
        parts = [jnp.asarray(obs)]
        if self.algorithm.last_action:
            parts.append(memory.last_action)
        if self.algorithm.agent_id:
            parts.append(jnp.eye(spec.n_agents))
        everyone = jnp.ones((1, spec.n_agents), bool)
        whole = jnp.concatenate(parts, axis=-1)
        return View(whole[None], jnp.zeros((1, spec.state_dim)), jnp.asarray(avail)[None], everyone)

    def save(self, path: str | Path) -> None:
        """Write the policy to a directory: `policy.json` (environment, algorithm, `about`) and `params.npz`."""
        described = {
            "env": to_json(self.env),
            "algorithm": to_json(self.algorithm),
            "env_params": to_json(jax.device_get(self.env_params)),
            "about": {name: value for name, value in self.about.items() if _is_plain(value)},
        }
        save_tree(Path(path) / "params.npz", self.params)
        write_atomically(Path(path) / "policy.json", json.dumps(described, indent=2).encode())

    @staticmethod
    def load(path: str | Path) -> "Policy":
        """The policy that `save` wrote.

        Raises:
            UnknownClassError: if its environment or learner is a class that this program does not know.
            InputError: if the directory holds none, or it is damaged.
        """
        file = usable_path(path) / "policy.json"
        try:
            described = parse_json(file.read_bytes())
            parts = described["env"], described["algorithm"], described.get("env_params")
            about = {name: value for name, value in dict(described.get("about", {})).items() if _is_plain(value)}
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise InputError(f"{path} holds no policy: policy.json is missing or damaged") from error
        env, algorithm, numbers = (from_json(part, file) for part in parts)
        try:
            shapes = params_shapes(envs.make(env), algorithms.make(algorithm))
            env_params = _env_params(env, numbers)
        except Exception as error:  # fields that no constructor has checked: whatever they break, the file is to blame
            raise InputError(f"{file} describes no policy that can act: {type(error).__name__}: {error}") from error
        return Policy(env, algorithm, load_tree(Path(path) / "params.npz", shapes), env_params, about)

    def evaluate(self, *, episodes: int = 100, seed: int = 0) -> dict[str, Interval]:
        """Means over greedy episodes in its environment, with 95 % intervals over them: "return", "won", ...

        Args:
            episodes: how many.
            seed: of the episodes.

        Raises:
            InputError: for a number that is out of range.
        """
        from jaxvf.results.evaluation import evaluate

        return evaluate(self, episodes=episodes, seed=seed)

    def export(self, path: str | Path) -> Path:
        """Write the policy as one file of serialized StableHLO, which runs without jaxvf (`exported_policy`).

        Raises:
            InputError: for a file that is there already, or without flatbuffers.
        """
        from jaxvf.results.exported_policy import export

        return export(self, path)

    def __repr__(self) -> str:
        from jaxvf.results import shown

        return shown.policy_text(self)

    def _repr_html_(self) -> str:
        from jaxvf.results import shown

        return shown.policy_html(self)


def params_shapes(env: Environment, algorithm: Any) -> Any:
    """Shapes of the parameters that the algorithm learns on this environment."""
    spec = observed_by(algorithm, env).spec
    return jax.eval_shape(lambda: algorithm.init(jax.random.key(0), spec)).params


def _env_params(env: Environment, stored: Any) -> EnvParams:
    """An environment's numbers as a file holds them; its defaults where it holds none."""
    default = env.default_params()
    if stored is None or not dataclasses.is_dataclass(default):
        return default
    if type(stored) is not type(default):
        raise ValueError(f"env_params are of {type(stored).__name__}, not of {type(default).__name__}")
    changes = {}
    for field in dataclasses.fields(default):
        own = getattr(default, field.name)
        if field.metadata.get("traced") is False or jax.tree.structure(own) != jax.tree.structure(0):
            continue  # structure, not a number
        value = np.asarray(getattr(stored, field.name), np.asarray(own).dtype)
        if value.shape != np.shape(own):
            raise ValueError(f"env_params.{field.name} has shape {value.shape}, not {np.shape(own)}")
        changes[field.name] = value
    return dataclasses.replace(default, **changes)  # pyright: ignore[reportArgumentType]


def _is_plain(value: Any) -> bool:
    return isinstance(value, bool | int | float | str)
