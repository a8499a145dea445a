"""A mistake of the user's, as every command tells it: one sentence, exit code 2, no traceback."""

import click


class UserError(click.ClickException):
    """What was asked for cannot be done; the message says what would be. Not about options, so no usage."""

    exit_code = 2
