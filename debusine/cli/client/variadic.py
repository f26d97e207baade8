"""Options that take several values: ``--upload A B`` as well as ``--upload A --upload B``."""

from collections.abc import Collection, Iterable, Iterator
from typing import Any

import click


class VariadicCommand(click.Command):
    """A command with such options; ``positional``: values that are always arguments, never such an option's value."""

    def __init__(self, *args: Any, variadic: Collection[str], positional: Collection[str] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._variadic = frozenset(variadic)
        self._positional = frozenset(positional)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Repeat the option before each of its values, as click wants it."""
        return super().parse_args(ctx, list(self._repeated(args)))

    def _repeated(self, args: Iterable[str]) -> Iterator[str]:
        option, first, rest = None, False, iter(args)
        for argument in rest:
            if argument == "--":  # behind it nothing is an option
                yield argument
                yield from rest
                return
            if argument.startswith("-") and argument != "-":
                option, first = (argument if argument in self._variadic else None), True
            elif argument in self._positional:
                option = None
            elif option is not None and not first:
                yield option
            else:
                first = False
            yield argument
