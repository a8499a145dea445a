"""How soon the demo shows something: ``python -m benchmarks.demo``. Needs Chromium.

First paint, by the page's own clock; a click that drops a webhook, from the key to the changed world: play,
verdict, transfer and drawing; frames in a second while eight regions are played. The processor time of one
play, in this process, is the figure that a busy machine disturbs least.
"""

import statistics
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Browser

from benchmarks.machine import describe
from fanin.harness.demo.edit import AddFault
from fanin.harness.demo.plays import PlayRequest, Plays
from tests.e2e.browser import find
from tests.e2e.demo_page import DemoPage, chromium, demo

RUNS = 5
WATCHED_S = 5
FIRST_PAINT = (
    "performance.getEntriesByType('paint').find(it => it.name == 'first-contentful-paint').startTime"
)
REGIONS = (
    "eastus",
    "westus",
    "northeurope",
    "westeurope",
    "uksouth",
    "japaneast",
    "brazilsouth",
    "italynorth",
)


def scenario(operations: int, regions: int) -> str:
    """So many pushes, one a second, to so many regions."""
    return (
        f"scenario: pushes\ntitle: {operations} pushes\nregions: [{', '.join(REGIONS[:regions])}]\n"
        f"operations:\n  - {{name: push, image: 'team/app:{{n}}', repeat: {operations}, every: 1s}}\n"
    )


def clicks(browser: Browser, text: str, folder: Path) -> list[float]:
    """Milliseconds from a key to the changed world, as the page itself measures them."""
    file = folder / "pushes.yaml"
    file.write_text(text)
    with demo(str(file)) as address:
        page = DemoPage(browser)
        page.open(address)
        taken = []
        for _ in range(RUNS):
            page.change("d")
            page.page.wait_for_timeout(200)
            taken.append(float(page.page.locator("html").get_attribute("data-took") or 0))
        page.close()
    return taken


def paints(browser: Browser) -> list[float]:
    """Milliseconds to the first paint."""
    with demo() as address:
        DemoPage(browser).open(address)
        found = []
        for _ in range(RUNS):
            page = DemoPage(browser)
            page.open(address)
            found.append(page.page.evaluate(FIRST_PAINT))
            page.close()
    return found


def frames(browser: Browser, folder: Path) -> float:
    """Frames in a second, while eight regions are played."""
    file = folder / "eight.yaml"
    file.write_text(scenario(6, 8))
    with demo(str(file)) as address:
        page = DemoPage(browser)
        page.open(address)
        page.page.click("#play")
        page.page.evaluate("fanin.player.frames = 0")
        began = time.perf_counter()
        page.page.wait_for_timeout(WATCHED_S * 1000)
        count = float(page.page.evaluate("fanin.player.frames"))
        return count / (time.perf_counter() - began)


def processor_ms(text: str) -> float:
    """Of one changed play with everything that the page is sent: the least of several."""
    plays, change = Plays(), AddFault({"fault": "drop", "region": REGIONS[0], "operation": "push/1"})
    taken = []
    for _ in range(RUNS + 1):
        began = time.process_time()
        plays.play(PlayRequest(text, change=change))
        taken.append(time.process_time() - began)
    return min(taken[1:]) * 1000


def main() -> None:
    """Print the figures: median, and least to most."""
    binary = find()
    if binary is None:
        raise SystemExit("this needs Chromium; apt-get install chromium")
    print(describe())
    for operations in (2, 100):
        text = scenario(operations, 3)
        print(f"processor time of one play, {operations} operations: {processor_ms(text):.0f} ms")
    with chromium(binary) as browser, tempfile.TemporaryDirectory() as folder:
        _print("first paint", paints(browser))
        for operations in (2, 100):
            taken = clicks(browser, scenario(operations, 3), Path(folder))
            _print(f"click to changed world, {operations} operations", taken)
        print(f"eight regions: {frames(browser, Path(folder)):.0f} frames in a second")


def _print(what: str, taken: list[float]) -> None:
    middle = statistics.median(taken)
    print(f"{what}: {middle:.0f} ms ({min(taken):.0f} to {max(taken):.0f}, {len(taken)} runs)")


if __name__ == "__main__":
    main()
