"""One greedy episode of a trained run, played and drawn: as a page to step through, as a film or as a picture."""

import inspect
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key

from jaxvf.envs.pictures import Choice, Frame, Names, Scene, cropped
from jaxvf.envs.protocol import Environment, EnvParams, View
from jaxvf.errors import InputError, unknown
from jaxvf.results import film
from jaxvf.results.policy import Policy
from jaxvf.results.preferences import Preferences, preferences
from jaxvf.results.replay_page import page
from jaxvf.results.store import write_atomically

MOST_ACTIONS = 5  # agents whose actions a caption has room for
LARGEST_SEED = 2**31 - 1


class Episode(NamedTuple):
    """One episode of T steps, on the host."""

    states: list[Any]  # T + 1, the last one included
    actions: np.ndarray  # [T, N], or [T, N, A] where they are continuous
    rewards: Float[np.ndarray, "T"]  # the team's
    terminated: bool  # else cut by the time limit
    avail: Bool[np.ndarray, "T N A"]
    values: Float[np.ndarray, "T N A"] | None = None  # of every action; None where nobody knows
    measure: str = ""  # what they are


def render(policy: Policy, out: str | Path, *, seed: int = 0, title: str = "") -> Path:
    """Play one greedy episode of a policy and write it to a file.

    Args:
        policy: a trained policy, with the numbers of its environment.
        out: the file; its extension says the format: .html (one self-contained page), .gif, .mp4 (needs
            ffmpeg), or .png (the first, the middle and the last moment).
        seed: of the episode.
        title: one line above the page.

    Returns:
        The path of the file.

    Raises:
        InputError: for an unknown extension, an environment that draws nothing, a seed out of range, or .mp4 without
            ffmpeg; nothing is played or written then.
    """
    out = Path(out)
    if out.suffix not in FORMATS:
        raise unknown("extension", out.suffix, FORMATS)
    if not 0 <= seed <= LARGEST_SEED:
        raise InputError(f"seed={seed} must lie between 0 and {LARGEST_SEED}")
    if out.suffix == ".mp4":
        film.find_ffmpeg()
    draw, params = _drawing(policy.env), jax.device_get(policy.env_params)
    episode = play(policy, jax.random.key(seed))
    named = getattr(policy.env, "names", None)
    names = named(episode.states[0]) if named else None
    shown = frames(episode, lambda state, actions: draw(state, params, actions), names)
    write_atomically(out, FORMATS[out.suffix](shown, title))
    return out


FORMATS: dict[str, Callable[[list[Frame], str], bytes]] = {
    ".html": page,
    ".gif": lambda shown, title: film.gif(shown),
    ".mp4": lambda shown, title: film.mp4(shown),
    ".png": lambda shown, title: film.png(shown),
}


def play(policy: Policy, key: Key[Array, ""]) -> Episode:
    """One episode of at most `limit_max` steps, every agent greedy on its own history."""
    env, params = policy.env, jax.tree.map(jnp.asarray, policy.env_params)
    measure = ""
    init_key, step_key = jax.random.split(key)

    def step(carry: Any, t: Int[Array, ""]) -> tuple[Any, Any]:
        state, memory = carry
        nonlocal measure
        view = env.observe(state, params)
        values = _preferences(policy, view, memory)
        if values is not None:
            measure, values = values
        actions, memory = policy.act(view.obs, view.avail, memory)
        moved, outcome = env.transition(jax.random.fold_in(step_key, t), state, actions, params)
        ends = outcome.terminated, outcome.truncated
        return (moved, memory), (moved, actions, outcome.reward, *ends, view.avail, values)

    @jax.jit
    def whole_episode() -> Any:
        first = env.init(init_key, params)
        return first, jax.lax.scan(step, (first, policy.start()), jnp.arange(env.spec.limit_max))[1]

    first, (states, actions, rewards, terminated, truncated, *more) = jax.device_get(whole_episode())
    length = _length(env, terminated | truncated)
    later = [jax.tree.map(lambda leaf, t=t: leaf[t], states) for t in range(length)]
    avail, values = jax.tree.map(lambda leaf: leaf[:length], tuple(more))
    end = bool(terminated[length - 1])
    return Episode([first, *later], actions[:length], rewards[:length], end, avail, values, measure)


def _preferences(policy: Policy, view: View, memory: Any) -> Preferences | None:
    learner = getattr(policy, "algorithm", None)
    if learner is None:  # of a policy that is no learner's
        return None
    return preferences(learner, policy.params, memory.hidden, policy.view(view.obs, view.avail, memory))


def _length(env: Environment, done: np.ndarray) -> int:
    # A traced limit of another run's environment cannot exceed limit_max, so this is an environment's own fault.
    if not done.any():
        raise InputError(f"{env.spec.name} goes on after limit_max={env.spec.limit_max} steps")
    return int(done.argmax()) + 1


def frames(episode: Episode, draw: Callable[[Any, Any], Scene], names: Names | None = None) -> list[Frame]:
    """The T + 1 frames of an episode, all of one view.

    Args:
        episode: what happened.
        draw: the scene of a state and of the joint action taken in it, None in the last state.
        names: of agents and actions; numbers without.
    """
    captions, total, length = [], 0.0, len(episode.actions)
    names = _numbered(episode) if names is None else names
    for t, (actions, reward) in enumerate(zip(episode.actions, episode.rewards, strict=True)):
        total = math.fsum((total, float(reward)))
        parts = [f"step {t + 1} of {length}", f"reward {reward:.4g}", f"return {total:.4g}"]
        if len(actions) <= MOST_ACTIONS and actions.ndim == 1:
            parts.insert(1, ", ".join(names.actions[agent][action] for agent, action in enumerate(actions)))
        captions.append(" · ".join(parts))
    end = "terminated" if episode.terminated else "cut at the time limit"
    captions.append(f"{end} after step {length} · return {total:.4g}")
    scenes = cropped([draw(state, at) for state, at in zip(episode.states, [*episode.actions, None], strict=True)])
    choices = [*_choices(episode), None]
    return [
        Frame(scene, caption, choice, names, episode.measure)
        for scene, caption, choice in zip(scenes, captions, choices, strict=True)
    ]


def _choices(episode: Episode) -> list[Choice | None]:
    """What was chosen in every step, and how every available action was valued, to three digits."""
    if episode.actions.ndim > 2:  # real vectors
        return [None] * len(episode.actions)

    def valued(t: int) -> tuple[tuple[float | None, ...], ...]:
        if episode.values is None:
            return ()
        return tuple(
            tuple(float(f"{value:.3g}") if can else None for value, can in zip(values, avail, strict=True))
            for values, avail in zip(episode.values[t].tolist(), episode.avail[t], strict=True)
        )

    return [Choice(tuple(actions.tolist()), valued(t)) for t, actions in enumerate(episode.actions)]


def _numbered(episode: Episode) -> Names:
    n_agents, n_actions = episode.avail.shape[1:]
    return Names.alike(n_agents, tuple(map(str, range(n_actions))))


def _drawing(env: Environment) -> Callable[[Any, EnvParams, Any], Scene]:
    """The environment's `picture`, with or without the joint action, as `pictures` describes it."""
    picture = getattr(env, "picture", None)
    if picture is None:
        raise InputError(f"{env.spec.name} has no picture: give it a method picture(state, params) -> Scene")
    if "actions" in inspect.signature(picture).parameters:
        return picture
    return lambda state, params, actions: picture(state, params)
