"""The command that judges one scenario again, as it was given, so that a report can end in it."""

import shlex
from typing import Any

import click

# What another run of one scenario decides anew.
_NOT_AGAIN = {"seed", "report", "form"}


class Recorded(click.Command):
    """A command that remembers what was said to it, word by word."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        said, _, _ = self.make_parser(ctx).parse_args(list(args))
        ctx.meta[__name__] = said
        return super().parse_args(ctx, args)


def again(ctx: click.Context, scenario: str, *, seed: int | None) -> str:
    """The same command for one scenario.

    Args:
        ctx: Of a `Recorded` command.
        scenario: Its name or file.
        seed: None where it is drawn anew each time.
    """
    said: dict[str, Any] = ctx.meta[__name__]
    words = ["fanin", ctx.command.name or ""]
    for option in ctx.command.params:
        if isinstance(option, click.Option) and option.name in said.keys() - _NOT_AGAIN:
            value = said[option.name]
            for each in value if isinstance(value, list) else [value]:
                words += [option.opts[0], each]
    words += [] if seed is None else ["--seed", str(seed)]
    return shlex.join([*words, scenario])
