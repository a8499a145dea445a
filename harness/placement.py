"""Where an application takes its webhooks, and which of its environment variables hold which setting.

Rules of this file: pure. An application that keeps to the contract needs none of it; for another one the
templates of a target file (``path``, ``env``) say what differs.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from urllib.parse import quote

from fanin.simulator.durations import parse_duration
from fanin.simulator.wire import PLACE, Address, WebhookRequest

PATH = f"/api/ImagePush?region={PLACE}"  # where the contract has them
KEY_PLACE = "{key}"
PLACEHOLDER = re.compile("[{][^{}]*[}]")
# What a variable can hold, and where it comes from: the settings of `fanin.harness.world.target.environment`.
_SETTINGS: dict[str, Callable[[Mapping[str, str]], str]] = {
    "{regions}": lambda settings: settings["FANIN_REGIONS"],
    "{timeout}": lambda settings: settings["WebhookTimeout"],
    "{timeout_s}": lambda settings: f"{_timeout_ms(settings) / 1000:g}",
    "{timeout_ms}": lambda settings: str(_timeout_ms(settings)),
    "{notify_url}": lambda settings: settings["NOTIFY_URL"],
    "{data_dir}": lambda settings: settings["DATA_DIR"],
    "{actions}": lambda settings: settings["FANIN_ACTIONS"],
    "{correlation}": lambda settings: settings["FANIN_CORRELATION"],
    "{key}": lambda settings: settings.get("FANIN_KEYS", ""),
    "{secrets}": lambda settings: settings.get("WEBHOOK_SECRETS", ""),
    "{port}": lambda settings: settings["PORT"],
}
PORT_PLACE = "{port}"


def path_problem(path: str) -> str:
    """What is wrong with a path template; empty when nothing is."""
    unknown = sorted(set(PLACEHOLDER.findall(path)) - {PLACE, KEY_PLACE})
    if unknown:
        return f"{unknown[0]} stands for nothing; there are {PLACE} and {KEY_PLACE}"
    if PLACE not in path:
        return f"it names no region; write {PLACE} where the region goes, such as /hooks/{PLACE}"
    return ""


def variable_problem(template: str) -> str:
    """What is wrong with a variable's template; empty when nothing is."""
    unknown = sorted(set(PLACEHOLDER.findall(template)) - set(_SETTINGS))
    return f"{unknown[0]} stands for nothing; there are {', '.join(_SETTINGS)}" if unknown else ""


def placed(request: WebhookRequest, path: str) -> WebhookRequest:
    """The request at the path of the application, its region spelled as its webhook spells it."""
    to = request.address
    region, spelling, key = (request.url_region, None, "") if to is None else (to.region, to.spelling, to.key)
    in_path = KEY_PLACE in path
    template = path.replace(KEY_PLACE, quote(key, safe=""))
    at = Address(template, region, "" if in_path else key, spelling)
    return replace(request, target=at.target)


def variables(templates: Mapping[str, str], settings: Mapping[str, str]) -> dict[str, str]:
    """The variables of an application, from the settings of one of its starts."""
    return {
        name: PLACEHOLDER.sub(lambda found: _SETTINGS[found[0]](settings), template)
        for name, template in templates.items()
    }


def _timeout_ms(settings: Mapping[str, str]) -> int:
    return parse_duration(settings["FANIN_TIMEOUT"])
