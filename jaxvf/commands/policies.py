"""`jaxvf eval` and `jaxvf export-policy`: what a trained policy is worth, and one file that acts without jaxvf."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from jaxvf.commands.run import Flag, Import, Positional, together
from jaxvf.errors import InputError
from jaxvf.plain_json import dumps

POLICY_JSON = "policy.json"  # is in every directory of a saved policy

if TYPE_CHECKING:
    from jaxvf.results import Policy


def evaluate(
    path: Positional[Path],
    run: int | None = None,
    episodes: int = 100,
    seed: int = 0,
    env: str | None = None,
    json: Flag[bool] = False,
    import_: Import = (),
) -> None:
    """Play greedy episodes of a trained policy and print what they come to, with 95 % intervals over episodes.

    Args:
        path: a saved policy (`result.policy(run).save(PATH)`), or the --out of a sweep with --run.
        run: which run of a sweep.
        episodes: how many to play.
        seed: of the episodes.
        env: another environment, whose agents, actions and observations are the same; with its default numbers.
        json: print means and intervals as JSON.
        import_: modules of your own to import first, whose classes the policy names.
    """
    from jaxvf.configurations import import_named
    from jaxvf.envs import make
    from jaxvf.results.evaluation import transferred

    import_named(together(import_))
    policy = load(path, run)
    if env is not None:
        policy = transferred(policy, make(env))
    found = policy.evaluate(episodes=episodes, seed=seed)
    where = env or policy.about.get("env") or policy.env.spec.name
    learner = policy.about.get("algorithm") or policy.learner
    if json:
        print(dumps({"env": where, "algorithm": learner, "episodes": episodes, "seed": seed, **found}))
        return
    print(f"{learner} on {where}: mean of {episodes} greedy episodes [95 % interval over episodes]")
    width = max(map(len, found))
    for name, interval in found.items():
        print("{:{}}  {:.3f} [{:.3f}, {:.3f}]".format(name, width, *interval))


def export_policy(
    path: Positional[Path],
    out: Positional[Path],
    run: int | None = None,
    format: Literal["stablehlo", "saved"] = "stablehlo",
    import_: Import = (),
) -> None:
    """Write a policy as one file of StableHLO, that `jax.export.deserialize` reads and runs without jaxvf.

    Args:
        path: a saved policy, or the --out of a sweep with --run.
        out: new file, or new directory for --format saved.
        run: which run of a sweep.
        format: stablehlo, or saved: the directory that `jaxvf eval` and `jaxvf.Policy.load` read.
        import_: modules of your own to import first, whose classes the policy names.
    """
    from jaxvf.configurations import import_named
    from jaxvf.results.paths import usable_path

    import_named(together(import_))
    policy = load(path, run)
    if format == "stablehlo":
        print(policy.export(out))
        return
    if usable_path(out).exists():
        raise InputError(f"{out} exists; name a new directory")
    policy.save(out)
    print(out)


def load(path: Path, run: int | None) -> "Policy":
    """The saved policy in a directory, or that of a run of a sweep.

    Raises:
        InputError: for a directory that holds neither, or a sweep of several runs without the number of one.
    """
    from jaxvf.results import Policy
    from jaxvf.results.paths import RUN_JSON, nearest_text, usable_path
    from jaxvf.sweeps import load as load_result

    if (usable_path(path) / POLICY_JSON).is_file():
        if run is not None:
            raise InputError(f"--run={run} belongs to a sweep, and {path} is one saved policy")
        return Policy.load(path)
    if run is None and not (path / RUN_JSON).is_file():
        near = nearest_text(path, POLICY_JSON, RUN_JSON)
        raise InputError(f"{path} holds neither a saved policy (policy.json) nor a sweep (run.json){near}")
    result = load_result(path)
    if run is None and len(result.runs) > 1:
        raise InputError(f"{path} holds {len(result.runs)} runs; name one: --run 0 to {len(result.runs) - 1}")
    return result.policy(run or 0)
