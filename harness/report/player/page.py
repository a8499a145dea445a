"""Makes the page around the player."""

from typing import Any

from markupsafe import Markup, escape

from fanin.harness.report.player.bundle import content_policy, data, script, style

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="referrer" content="no-referrer">
<link rel="icon" href="data:,">
<title>{title}</title>
<style>
{style}
</style>
</head>
<body>
<div id="app"><p class="loading">{words}</p></div>
{data}
<script type="module">{script}</script>
</body>
</html>
"""


def page(title: str, *, recording: dict[str, Any] | None = None, live: dict[str, Any] | None = None) -> str:
    """One self-contained page.

    Args:
        title: In the window's title.
        recording: What it plays from the start; without one it asks its server.
        live: What a served page offers: scenarios, bugs, lessons.
    """
    parts = [data("recording", recording)] if recording is not None else []
    parts += [data("live", live)] if live is not None else []
    return _PAGE.format(
        policy=escape(content_policy(live=live is not None)),
        title=escape(title),
        style=style(),
        words="This page needs JavaScript." if live is None else "Starting …",
        data=Markup("\n").join(parts),
        script=script(),
    )
