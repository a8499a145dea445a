"""An application that reads its settings when its module is imported, one of them unknown to the harness."""

import os

REGIONS = os.environ["WebhookRegions"].split(",")  # noqa: SIM112 - the original's name
TOKEN = os.environ["CHAT_TOKEN"]


def app() -> None:
    """Never called."""
