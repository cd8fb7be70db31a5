"""Parsing of the command line: what is wrong with it is said in one line, as all bad input is."""

import contextlib
import functools
import inspect
import io
import re
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tyro

from jaxvf.errors import InputError

HELP = "For full helptext"


def parse(
    commands: Mapping[str, Callable[..., None]], arguments: Sequence[str] | None, *, prog: str, description: str
) -> Callable[[], None]:
    """The call that a command line stands for; help is printed here, and ends the process.

    Args:
        commands: by name.
        arguments: of the command line; None for those of the process.
        prog: its name.
        description: one sentence above the help.

    Raises:
        InputError: for an option or a command that is not there, a value that does not fit, or an option of one value
            that is given twice.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given and given[0] in commands:
        _refuse_repeated(commands[given[0]], given[1:])
    complaint = io.StringIO()
    later = {name: _later(command) for name, command in commands.items()}
    try:
        with contextlib.redirect_stderr(complaint):
            return tyro.extras.subcommand_cli_from_dict(later, prog=prog, description=description, args=arguments)
    except SystemExit as error:
        if not error.code:  # help was asked for
            raise
        raise InputError(_one_line(complaint.getvalue(), prog)) from None


def _refuse_repeated(command: Callable[..., None], given: Sequence[str]) -> None:
    """Of an option that does not gather what it is given, the last value alone would count."""
    counts = Counter(word.partition("=")[0].replace("_", "-") for word in given if word.startswith("--"))
    for parameter in inspect.signature(command).parameters.values():
        flag = f"--{parameter.name.replace('_', '-')}"
        gathers = tyro.conf.UseAppendAction in getattr(parameter.annotation, "__metadata__", ())
        if counts[flag] > 1 and not gathers:
            raise InputError(f"{flag} is given {counts[flag]} times; give it once")


def _later(command: Callable[..., None]) -> Callable[..., Any]:
    @functools.wraps(command)
    def called(*values: Any, **options: Any) -> Callable[[], None]:
        return functools.partial(command, *values, **options)

    return called


def _one_line(box: str, prog: str) -> str:
    """What tyro says in a box, without the box and the columns of spaces."""
    words = [word for line in box.splitlines() if not re.match(r"[╭╰]", line) for word in line.strip("│ \n").split()]
    said, _, page = " ".join(word for word in words if set(word) != {"─"}).partition(HELP)
    said = re.split(r" (?:Got errors|Argument helptext):", said)[0]
    command = re.search(rf"{prog}[\w ]* --help", page)
    return f"{said.strip().rstrip('.')}; see `{command[0] if command else f'{prog} --help'}`"
