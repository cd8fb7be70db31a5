"""`jaxvf plot` and `jaxvf compare`: figures of directories, and directories beside each other."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from jaxvf.commands import results
from jaxvf.commands.run import Flag, Import, Positional, together
from jaxvf.errors import InputError
from jaxvf.plain_json import dumps

if TYPE_CHECKING:
    from jaxvf.results import Result


def plot(
    directory: Positional[Path],
    metric: str | None = None,
    kind: Literal["curves", "profile", "improvement"] = "curves",
    import_: Import = (),
) -> None:
    """Draw a sweep, or every sweep of an experiment's directory, with 95 % intervals, into its figures/.

    Args:
        directory: the --out of the sweep, or a directory that holds several.
        metric: what to draw: a metric (IQM over runs), fraction_optimal or fraction_won; by default a fraction where
            the environment reports one, else test_return.
        kind: curves (against environment steps), profile (share of runs above every score at the end) or improvement
            (how likely a run of one condition ends above one of another).
        import_: modules of your own to import first; curves need none.
    """
    from jaxvf.configurations import import_named
    from jaxvf.results.paths import sweeps_below

    import_named(together(import_))
    places = sweeps_below(directory)
    if not places:
        _load(directory)  # says what is wrong with it
    loaded = [(place, _load(place)) for place in places]
    if len(loaded) == 1:
        print(results.draw(loaded[0][1], loaded[0][0], metric, kind))
        return
    drawn, refused = 0, []
    for place, result in loaded:
        try:
            print(results.draw(result, place, metric, kind))
            drawn += 1
        except InputError as error:  # of some sweeps a figure may be drawn, of others not
            refused.append(f"{place}: {error}")
    if not drawn:
        raise InputError(refused[0])
    for line in refused:
        print(f"not drawn: {line}")


def compare(
    directories: Positional[tuple[Path, ...]],
    metric: str | None = None,
    at: int | None = None,
    json: Flag[bool] = False,
    import_: Import = (),
) -> None:
    """Put the sweeps of several directories beside each other: answers, and how likely one condition beats another.

    Args:
        directories: the --out of each sweep; LABEL=DIR calls its runs so, else they are called by their directory.
        metric: what to compare; by default fraction_optimal or fraction_won where there is one, else test_return.
        at: environment steps up to which runs count, where they have different budgets.
        json: print rows and probabilities as JSON.
        import_: modules of your own to import first; comparing needs none.
    """
    from jaxvf.configurations import import_named
    from jaxvf.results import compare as beside

    import_named(together(import_))
    if not directories:
        raise InputError("compare needs a directory: jaxvf compare DIR [DIR...]")
    named = {}
    for entry in directories:
        label, equals, path = str(entry).partition("=")  # a directory may have one in its name too
        if not Path(entry).exists() and equals and label:
            named[label] = _load(Path(path))
        else:
            named[str(entry)] = _load(Path(entry))
    if len(named) < len(directories):
        raise InputError("compare: one directory or label is given twice")
    found = (
        beside(next(iter(named.values())), metric=metric, at=at)
        if len(named) == 1
        else beside(named, metric=metric, at=at)
    )
    if json:
        matrix = [part.tolist() for part in found.improvement]  # pyright: ignore[reportAttributeAccessIssue]
        improvement = dict(zip(("estimate", "low", "high"), matrix, strict=True))
        print(dumps({"metric": found.metric, "methods": found.methods, "rows": found.rows, "improvement": improvement}))
    else:
        print(found)


def _load(place: Path) -> "Result":
    from jaxvf.sweeps import load

    return load(place)
