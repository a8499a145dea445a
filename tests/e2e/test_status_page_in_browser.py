"""The page for people in a real browser: the key, the countdown, the button; without script; hostile names.

Needs Chromium: ``apt-get install chromium``, ``brew install --cask chromium`` or the like.
"""

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from importlib import resources
from pathlib import Path
from typing import Any

from tests.e2e.browser import Tab, browser
from tests.e2e.browser import find as find_browser
from tests.e2e.serving import LIMIT_S, Service, Sink
from tests.e2e.test_page_in_browser import COLOURS, STICKING_OUT, contrast
from tests.heavy import needs

BINARY = find_browser()
pytestmark = needs("Chromium", there=BINARY is not None, get="apt-get install chromium")

KEY = "0123456789abcdef"
HOSTILE = """"'><script>document.title = "run"</script><img src=x onerror='document.title = "run"'></main>"""
TEXT = "document.querySelector('main')?.innerText ?? ''"
REFRESH = "document.dispatchEvent(new Event('visibilitychange'))"
ENTER = """
(key => { document.querySelector('#code').value = key; document.querySelector('#lock button').click(); })(%s)
"""

# The package brings axe-core, unmodified.
AXE = Path(str(resources.files("axe_playwright_python"))) / "axe.min.js"
VIOLATIONS = "axe.run().then(it => it.violations.map(one => [one.id, one.nodes[0].html]))"

type Story = Callable[[Tab], Awaitable[None]]


def play(story: Story) -> None:
    """Run a test's story in a browser."""

    async def run() -> None:
        assert BINARY is not None, "there is no Chromium; apt-get install chromium"
        async with browser(BINARY) as tab:
            await story(tab)

    asyncio.run(run())


@asynccontextmanager
async def running(folder: Path, *arguments: str, **settings: str) -> AsyncIterator[Service]:
    service = Service.start(folder / "data", *arguments, FANIN_REGIONS="eastus,westus", **settings)
    try:
        yield service
    finally:
        if service.process.poll() is None:
            service.end(signal.SIGKILL)


def address(service: Service) -> str:
    return f"http://127.0.0.1:{service.port}/"


async def until(tab: Tab, script: str, condition: Callable[[Any], bool]) -> Any:
    """Wait until something is true of what a script says; return that."""
    async with asyncio.timeout(LIMIT_S):
        while True:
            with suppress(RuntimeError):  # the page is being replaced by the next one
                if condition(value := await tab.evaluate(script)):
                    return value
            await asyncio.sleep(0.05)


async def push(service: Service, region: str, id_: str, repository: str = "team/app", key: str = "") -> None:
    body = {"id": id_, "action": "push", "target": {"repository": repository, "tag": "1.0"}}
    target = f"/api/ImagePush?region={region}" + (f"&code={key}" if key else "")
    status, _, _ = await service.request("POST", target, json.dumps(body).encode())
    assert status == 202


def test_the_key_is_asked_for_once_and_stays_in_the_tab(tmp_path: Path) -> None:
    """A wrong one is said; the right one outlives a reload, is in no address, and can be forgotten."""

    async def story(tab: Tab) -> None:
        async with running(tmp_path, FANIN_KEYS=KEY) as service:
            await push(service, "eastus", "op-1", key=KEY)
            await tab.open(address(service))
            assert "team/app" not in await tab.evaluate(TEXT)
            await tab.evaluate(ENTER % json.dumps("wrong-wrong-wrong"))
            await until(tab, TEXT, lambda text: "not accepted" in text)
            await tab.evaluate(ENTER % json.dumps(KEY))
            await until(tab, TEXT, lambda text: "team/app:1.0" in text)

            await tab.open(address(service))
            await until(tab, TEXT, lambda text: "team/app:1.0" in text)
            assert not [url for url in tab.requests if KEY in url]
            assert {url.partition("?")[0] for url in tab.requests} == {address(service)}

            await tab.evaluate("document.querySelector('#forget').click()")
            await until(tab, "document.querySelector('#code') !== null", bool)
            assert await tab.evaluate("sessionStorage.length") == 0
            _, log = service.end(signal.SIGTERM)
            assert KEY not in log

    play(story)


def test_a_key_in_the_address_leaves_it(tmp_path: Path) -> None:
    """As status addresses have it: it goes into the tab, and out of what histories and screens show."""

    async def story(tab: Tab) -> None:
        async with running(tmp_path, FANIN_KEYS=KEY) as service:
            await tab.open(address(service) + f"?code={KEY}")
            assert await tab.evaluate("location.href") == address(service)
            await tab.open(address(service))
            await until(tab, TEXT, lambda text: "Nothing waits." in text)

    play(story)


def test_it_counts_down_and_shows_what_is_new(tmp_path: Path) -> None:
    """The deadline second by second; a webhook without a reload; a service that is gone is said."""
    clock = "document.querySelector('[data-until]').textContent"

    async def story(tab: Tab) -> None:
        async with running(tmp_path, FANIN_TIMEOUT="2h") as service:
            await push(service, "eastus", "op-1")
            await tab.open(address(service))
            first = await until(tab, clock, lambda text: "h" in text)
            assert first == "1 h 59 min"
            passed = "document.querySelector('progress').value"
            before = await tab.evaluate(passed)
            await until(tab, passed, lambda value: value >= before + 1_000)

            await push(service, "westus", "op-2", "billing/api")
            await tab.evaluate(REFRESH)
            await until(tab, TEXT, lambda text: "billing/api:1.0" in text)
            assert tab.complaints == []

            service.end(signal.SIGTERM)
            await tab.evaluate(REFRESH)
            said = "document.querySelector('#said').innerText"
            await until(tab, said, lambda text: "cannot be asked just now" in text)
            assert "billing/api:1.0" in await tab.evaluate(TEXT)

    play(story)


def test_a_dead_letter_is_sent_again_by_its_button(tmp_path: Path) -> None:
    """The target gets it under the same key, and the page says so."""

    async def story(tab: Tab) -> None:
        async with Sink(lambda nth: 503 if nth == 1 else 200) as sink:
            targets = tmp_path / "targets.yaml"
            targets.write_text(f"targets:\n  - {{name: oncall, url: {sink.url!r}, attempts_max: 1}}\n")
            async with running(tmp_path, "--notify-file", str(targets), FANIN_KEYS=KEY) as service:
                for region in ("eastus", "westus"):
                    await push(service, region, "op-1", key=KEY)
                await tab.open(address(service) + f"?code={KEY}")
                await until(tab, f"{REFRESH}; {TEXT}", lambda text: "Send again" in text)
                await tab.evaluate("document.querySelector('#dead-1').click()")
                await sink.until(lambda: len(sink.received) == 2)
                said = "document.querySelector('#said').innerText"
                await until(tab, said, lambda text: text == "1 notification is sent again to oncall.")
                await until(tab, TEXT, lambda text: "No notification was given up." in text)

        assert len({key for key, _ in sink.received}) == 1

    play(story)


def test_without_javascript_it_can_be_read(tmp_path: Path) -> None:
    """The form, the lists and their next page; no button that would do nothing."""

    async def story(tab: Tab) -> None:
        async with running(tmp_path, FANIN_KEYS=KEY) as service:
            for n in range(22):
                await push(service, "eastus", f"op-{n}", key=KEY)
            await tab.ask("Emulation.setScriptExecutionDisabled", value=True)
            await tab.open(address(service))
            await tab.ask("Runtime.evaluate", expression=ENTER % json.dumps(KEY))
            text = await until(tab, TEXT, lambda text: "op-0" in text)
            assert "op-20" not in text
            assert "fanin outbox retry" in text
            assert "As of" in await tab.evaluate("document.querySelector('header').innerText")
            assert await tab.evaluate("[...document.querySelectorAll('.again:not([hidden])')].length") == 0

            await tab.evaluate("[...document.querySelectorAll('.pages button')].at(-1).click()")
            await until(tab, TEXT, lambda text: "op-20" in text)
            assert await tab.evaluate("location.href") == address(service) + "#waiting"

    play(story)


async def stumbled_over(tab: Tab) -> object:
    """What axe-core finds in this state of the page: roles, names, order, contrast."""
    await tab.evaluate(AXE.read_text(encoding="utf-8"))
    said = await tab.ask("Runtime.evaluate", expression=VIOLATIONS, awaitPromise=True, returnByValue=True)
    return said["result"]["value"]


def test_a_screen_reader_stumbles_over_nothing(tmp_path: Path) -> None:
    """Locked, refused, full of rows, and with a problem; by day and by night."""

    async def story(tab: Tab) -> None:
        targets = tmp_path / "targets.yaml"
        targets.write_text("targets:\n  - {name: oncall, url: 'http://127.0.0.1:9/', attempts_max: 1}\n")
        async with running(tmp_path, "--notify-file", str(targets), FANIN_KEYS=KEY) as service:
            await push(service, "eastus", "op-1", key=KEY)
            for region in ("eastus", "westus"):
                await push(service, region, "op-2", key=KEY)
            for dark in (False, True):
                await tab.open(address(service), dark=dark)
                assert await stumbled_over(tab) == []
                await tab.evaluate(ENTER % json.dumps("wrong-wrong-wrong"))
                await until(tab, TEXT, lambda text: "not accepted" in text)
                assert await stumbled_over(tab) == []
                await tab.open(address(service) + f"?code={KEY}", dark=dark)
                await until(tab, f"{REFRESH}; {TEXT}", lambda text: "Send again" in text)
                assert await stumbled_over(tab) == []
                await tab.evaluate("sessionStorage.clear()")
            (tmp_path / "data" / "fanin.db").unlink()
            await until(tab, f"{REFRESH}; {TEXT}", lambda text: "being lost" in text)
            assert await stumbled_over(tab) == []

    play(story)


def test_it_fits_every_window_and_runs_nothing_of_a_senders(tmp_path: Path) -> None:
    """From a phone to a desktop, by day and by night; hostile names are text."""
    found: list[object] = []

    async def story(tab: Tab) -> None:
        async with running(tmp_path) as service:
            await push(service, "eastus", "op-1", HOSTILE)
            await push(service, "eastus", "x" * 200, "a" * 250)
            await push(service, "eastus", "op-3", "team/" + "very-long-name-" * 12)
            for region in ("eastus", "westus"):
                await push(service, region, "op-2", HOSTILE)
            for width in (390, 768, 1920):
                for dark in (False, True):
                    await tab.open(address(service), width=width, dark=dark)
                    await tab.evaluate(REFRESH)
                    found.extend(await tab.evaluate(STICKING_OUT))
                    assert await tab.evaluate("document.documentElement.scrollWidth") == width
                    colours = dict(await tab.evaluate(COLOURS.replace("'fault', ", "")))
                    papers = [colours.pop("paper"), colours.pop("raised")]
                    found.extend(
                        (name, dark) for name, it in colours.items()
                        if min(contrast(it, paper) for paper in papers) < 4.5
                    )  # fmt: skip
            assert HOSTILE in await tab.evaluate(TEXT)
            assert await tab.evaluate("document.title") == "fanin"
            assert tab.complaints == []

    play(story)
    assert found == []
