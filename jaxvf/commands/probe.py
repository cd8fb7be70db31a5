"""`jaxvf probe`: does an environment ask for a memory, and how far does a policy get that never looks?"""

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jaxvf.cli_values import parse_algorithms, parse_duration
from jaxvf.commands.run import Flag, Import, Positional, together
from jaxvf.errors import InputError
from jaxvf.plain_json import dumps

EVERY = "all"
TITLES = {"history": "with history", "memoryless": "memoryless", "open_loop": "open loop", "random": "random play"}


def probe(
    envs: Positional[tuple[str, ...]] = (),
    algorithm: str | None = None,
    seeds: int | None = None,
    env_steps: float | None = None,
    test_episodes: int | None = None,
    out: Path | None = None,
    table: Path | None = None,
    page: Path | None = None,
    within: str | None = None,
    json: Flag[bool] = False,
    import_: Import = (),
) -> None:
    """Compare policies with history, without it, and without looking at all (docs/probes.md).

    Args:
        envs: registered environments, or "all" for every one.
        algorithm: whose policies, as NAME or NAME:FIELD=VALUE,...; by default MAPPO with small networks.
        seeds: runs of each of the three kinds of policies; 4, or as --table was made.
        env_steps: training steps of a run; 100,000, or as --table was made.
        test_episodes: greedy episodes at the end of a run; 64, or as --table was made.
        out: directory for the sweeps, to go on with them after an interruption.
        table: JSON file that gets a row for each environment; those that it has already are not probed again.
        page: Markdown file, written from --table.
        within: begin no further environment after this time: 90s, 10m or 2h.
        json: print the records as JSON.
        import_: modules of your own to import first, whose environments `envs` names.
    """
    from jaxvf.configurations import import_named
    from jaxvf.probes import ProbeSettings, ProbeTable
    from jaxvf.probes import page as page_of
    from jaxvf.probes import probe as probed

    import_named(together(import_))
    if env_steps is not None and env_steps % 1 != 0:
        raise InputError(f"env_steps={env_steps:g} is not a whole number")
    learner = parse_algorithms([algorithm])[0] if algorithm else None  # pyright: ignore[reportArgumentType]
    steps = None if env_steps is None else int(env_steps)
    given = {"algorithm": learner, "seeds": seeds, "env_steps": steps, "test_episodes": test_episodes}
    given = {name: value for name, value in given.items() if value is not None}
    settings = ProbeSettings(**given)
    seconds = None if within is None else parse_duration("--within", within)
    names = _names(envs, table, page)
    kept = ProbeTable.at(table, settings if given else None) if table else None
    settings = settings if kept is None else kept.settings
    begun, records = time.monotonic(), []
    for number, name in enumerate(names):
        if kept is not None and name in kept.rows:
            continue
        if seconds is not None and time.monotonic() - begun >= seconds:
            print(f"{within} are over; {len(names) - number} environments are left", file=sys.stderr)
            break
        where = None if out is None else out / name
        record = probed(name, settings, out=where, progress="none" if len(names) > 1 else "auto")
        records.append({**record, "env": name})
        if kept is not None:
            kept.add(name, record)
        if not json:
            print("\n".join(lines(name, record)), flush=True)
    if json:
        print(dumps(records))
    if page is not None and kept is not None:
        _write(page, page_of(kept, _registered(), page))
        print(page)


def lines(name: str, record: Any) -> list[str]:
    """What was found, as people read it."""
    found = [f"{name}: mean return [95 % interval]"]
    found += [f"  {title:<13} {_said(record['returns'][key])}" for key, title in TITLES.items()]
    found.append(f"  what history adds: {_said(record['memory_gap'])}")
    if record["open_loop_share"] is None:
        found.append("  nothing was learned beyond random play, so the gaps have no scale")
    else:
        found.append(f"  of what is learned beyond random play: history {_said(record['memory_share'])}, "
                     f"open loop reaches {_said(record['open_loop_share'])}")  # fmt: skip
    told = record["information"]
    if told:
        shares = ", ".join(f"{key} {one['share']:.2f} ({one['null']:.2f})" for key, one in told.items())
        found.append(f"  information as a share of the action's entropy (null): {shares}")
    return found


def _names(envs: Sequence[str], table: Path | None, page: Path | None) -> list[str]:
    from jaxvf.envs import make

    if page is not None and table is None:
        raise InputError(f"--page {page} is written from a table; name it: --table FILE.json")
    if not envs and page is None:
        raise InputError("name an environment (`jaxvf list envs`), or all")
    if EVERY in envs:
        return _registered()
    for name in envs:
        make(name)  # says what is wrong before anything is trained
    return list(dict.fromkeys(envs))


def _registered() -> list[str]:
    from jaxvf.envs import ENVIRONMENTS

    return list(ENVIRONMENTS)


def _write(page: Path, text: str) -> None:
    from jaxvf.results.store import write_atomically

    write_atomically(page, text.encode())


def _said(interval: Any) -> str:
    return "–" if interval is None else "{:.3g} [{:.3g}, {:.3g}]".format(*interval)
