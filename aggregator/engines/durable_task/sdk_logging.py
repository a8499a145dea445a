"""What the SDK logs: of our concern is what goes wrong, not every call, and not that we hung up."""

import logging

LOGGER = logging.getLogger("fanin.durabletask")
LOGGER.setLevel(logging.WARNING)


def _is_news(record: logging.LogRecord) -> bool:
    return "Locally cancelled" not in record.getMessage()


LOGGER.addFilter(_is_news)
