"""An application that reads its settings too early: when its module is imported."""

import os

REGIONS = os.environ["WebhookRegions"].split(",")  # noqa: SIM112 - the original's name


def app() -> None:
    """Never called."""
