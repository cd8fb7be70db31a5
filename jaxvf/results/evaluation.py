"""Greedy episodes of a trained policy, one number an episode: `Policy.evaluate` and `jaxvf eval`."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key

from jaxvf.envs.protocol import Environment
from jaxvf.errors import InputError
from jaxvf.results.statistics import Interval, fraction_interval, mean_interval

if TYPE_CHECKING:
    from jaxvf.results.policy import Policy

AT_ONCE = 64  # episodes side by side; their states are all in memory
MOST_EPISODES = 1_000_000
LARGEST_SEED = 2**31 - 1
GOALS = ("optimal", "won")  # metrics of an episode that are 0 or 1


def evaluate(policy: "Policy", *, episodes: int, seed: int) -> dict[str, Interval]:
    """Means over episodes with 95 % intervals, by name: "return", "length" and the environment's metrics.

    Of `GOALS` the interval is Wilson's, of anything else a bootstrap over episodes. Unlike intervals of `Result`, which
    are over training runs, they say how well this one policy plays.

    Args:
        policy: with the numbers of its environment.
        episodes: how many; episode number i starts alike however many are played.
        seed: of the episodes.

    Raises:
        InputError: for a number of episodes or a seed that is out of range.
    """
    for name, value, low, high in (("episodes", episodes, 1, MOST_EPISODES), ("seed", seed, 0, LARGEST_SEED)):
        if not low <= value <= high:
            raise InputError(f"{name}={value} must lie between {low:,} and {high:,}")
    found: dict[str, Interval] = {}
    for name, values in played(policy, episodes=episodes, seed=seed).items():
        if name in GOALS and set(np.unique(values)) <= {0.0, 1.0}:
            found[name] = fraction_interval(int(values.sum()), len(values))
        else:
            found[name] = mean_interval(values, rng=np.random.default_rng(0))
    return found


def played(policy: "Policy", *, episodes: int, seed: int) -> dict[str, Float[np.ndarray, " episodes"]]:
    """What each episode came to: "return", "length", and the environment's metrics, summed over its steps."""
    totals = jax.jit(jax.vmap(lambda key: _episode(policy, key)))
    root, parts = jax.random.key(seed), []
    width = min(AT_ONCE, episodes)
    for first in range(0, episodes, width):
        numbers = jnp.arange(first, first + width)
        parts.append(jax.device_get(totals(jax.vmap(lambda number: jax.random.fold_in(root, number))(numbers))))
    return {name: np.concatenate([part[name] for part in parts])[:episodes].astype(np.float64) for name in parts[0]}


def _episode(policy: "Policy", key: Key[Array, ""]) -> dict[str, Float[Array, ""]]:
    env, params = policy.env, jax.tree.map(jnp.asarray, policy.env_params)
    init_key, step_key = jax.random.split(key)

    def step(carry: Any) -> Any:
        t, over, state, memory, sums = carry
        view = env.observe(state, params)
        actions, memory = policy.act(view.obs, view.avail, memory)
        state, outcome = env.transition(jax.random.fold_in(step_key, t), state, actions, params)
        now = {"return": outcome.reward, "length": jnp.float32(1.0), **outcome.metrics}
        # Episodes are played side by side: one that is over waits for the others, and nothing counts any more.
        sums = {name: sums[name] + jnp.where(over, 0.0, jnp.float32(value)) for name, value in now.items()}
        return t + 1, over | outcome.done, state, memory, sums

    def goes_on(carry: Any) -> Bool[Array, ""]:
        t: Int[Array, ""] = carry[0]
        return ~carry[1] & (t < env.spec.limit_max)

    names = ("return", "length", *env.spec.metric_names)
    nothing = {name: jnp.float32(0.0) for name in names}
    start = (jnp.int32(0), jnp.bool_(False), env.init(init_key, params), policy.start(), nothing)
    return jax.lax.while_loop(goes_on, step, start)[-1]


def transferred(policy: "Policy", env: Environment) -> "Policy":
    """The policy in another environment, of the same shapes.

    Raises:
        InputError: if its agents could not act there; the line says what they take and what there is.
    """
    from jaxvf.results.policy import Policy

    taken, there = (_shapes(of) for of in (policy.env, env))
    if taken != there:
        differing = [f"{name} {taken[name]}, not {there[name]}" for name in taken if taken[name] != there[name]]
        raise InputError(f"the policy was trained on {policy.env.spec.name} and does not fit {env.spec.name}: "
                         f"it takes {'; '.join(differing)}")  # fmt: skip
    return Policy(env, policy.algorithm, policy.params, None, policy.about)


def _shapes(env: Environment) -> Mapping[str, Any]:
    spec = env.spec
    return {
        "agents": spec.n_agents,
        "real numbers for an action" if spec.continuous else "actions": spec.n_actions,
        "numbers in an observation": spec.obs_dim,
    }
