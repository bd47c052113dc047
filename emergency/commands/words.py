"""The command line in the configured language: our own help texts, and the words of the library that parses it.

Help texts are the docstrings and `help=` of the commands; their Chinese stands in `roof.po` like every other text.
"""

from __future__ import annotations

import gettext
import inspect
from collections.abc import Iterator
from typing import Any

import click

from emergency.commands.common import language
from emergency.http import i18n
from kernel.errors import N_

LIBRARY = (
    N_("Usage:"),
    N_("Options"),
    N_("Commands"),
    N_("Show this message and exit."),
    N_("Error: {message}"),
    N_("Try '{command} {option}' for help."),
    N_("No such command {name!r}."),
    N_("No such option {name!r}."),
    N_("Missing command."),
    N_("Missing argument"),
    N_("Missing option"),
    N_("Missing parameter"),
    N_("Invalid value: {message}"),
    N_("Invalid value for {param_hint}: {message}"),
    N_("{value!r} is not a valid {number_type}."),
    N_("{value} is not in the range {range}."),
    N_("{value!r} is not one of {choices}."),
    N_("{value!r} is not {choice}."),
    N_("Got unexpected extra argument ({args})"),
    N_("Got unexpected extra arguments ({args})"),
    N_("Option {name!r} requires an argument."),
    N_("Option {name!r} does not take a value."),
    N_("Choose from:\n\t{choices}"),
    N_("Did you mean {possibility}?"),
    N_("(Did you mean one of: {possibilities}?)"),
    N_("default: {default}"),
    N_("required"),
    N_("Option {name!r} requires {nargs} arguments."),
    N_("Confirm the action without prompting."),
    N_("Aborted!"),
    N_("Error: invalid input"),
)
"""What click says of its own accord."""


def translate(cli: click.Group) -> None:
    """Put every text of the command line into the configured language."""
    chosen = language()
    if chosen == "en":
        return
    catalogue = i18n.catalogue(chosen)
    for command in commands(cli):
        command.help = catalogue.gettext(inspect.cleandoc(command.help)) if command.help else command.help
        for parameter in command.params:
            if isinstance(parameter, click.Option) and parameter.help:
                parameter.help = catalogue.gettext(parameter.help)
            if isinstance(parameter, click.Option) and isinstance(parameter.prompt, str):
                parameter.prompt = catalogue.gettext(parameter.prompt)
    _speak(catalogue)


def commands(group: click.Group) -> Iterator[click.Command]:
    """The group, and every command and group beneath it."""
    yield group
    for command in group.commands.values():
        if isinstance(command, click.Group):
            yield from commands(command)
        else:
            yield command


def _speak(catalogue: gettext.NullTranslations) -> None:
    """Click asks `gettext` by names that each of its modules has imported; these are the ones that it speaks with."""

    def many(singular: str, plural: str, n: int) -> str:
        return catalogue.gettext(singular if n == 1 else plural)

    from click import core, decorators, exceptions, formatting, parser, termui, types

    modules: tuple[Any, ...] = (core, decorators, exceptions, formatting, parser, termui, types)
    for module in modules:
        for name, function in (("_", catalogue.gettext), ("ngettext", many)):
            if hasattr(module, name):
                setattr(module, name, function)
