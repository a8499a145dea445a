"""A demo that runs, and a browser in front of it, for tests.

Rules of this file: loopback only; whatever a page complains about is kept; nothing sleeps.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, expect, sync_playwright

LIMIT_MS = 20_000
# The package brings axe-core, unmodified.
AXE = Path(str(resources.files("axe_playwright_python"))) / "axe.min.js"


@contextmanager
def demo(*arguments: str, cwd: Path | None = None) -> Iterator[str]:
    """Run ``fanin demo``; its address."""
    command = [sys.executable, "-m", "fanin.harness", "demo", "--no-open", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=cwd)  # noqa: S603 - ours
    assert process.stdout is not None
    try:
        found = re.search(r"http://\S+", process.stdout.readline())
        assert found is not None, process.stderr.read() if process.stderr else ""
        yield found.group()
    finally:
        process.terminate()
        process.communicate(timeout=30)


@contextmanager
def chromium(binary: str) -> Iterator[Browser]:
    """The system's browser, driven by Playwright."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=binary, args=["--no-sandbox"])
        yield browser
        browser.close()


class DemoPage:
    """One page, and what the console said about it."""

    def __init__(self, browser: Browser, **context: Any) -> None:
        context = {"viewport": {"width": 1280, "height": 800}, "reduced_motion": "no-preference"} | context
        self.context = browser.new_context(**context)
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(LIMIT_MS)
        self.complaints: list[str] = []
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _console(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def open(self, url: str) -> None:
        """Open an address, and wait until a recording is played there."""
        self.page.goto(url)
        self.page.wait_for_selector("html[data-ready]", state="attached")

    @property
    def trace(self) -> str:
        """Of the recording that is shown."""
        return self.page.locator("html").get_attribute("data-ready") or ""

    @property
    def loaded(self) -> str:
        """How many recordings were shown so far."""
        return self.page.locator("html").get_attribute("data-loaded") or ""

    def wait_for_another(self, loaded: str) -> None:
        """Wait until another recording is shown than after so many."""
        expect(self.page.locator("html")).not_to_have_attribute("data-loaded", loaded, timeout=LIMIT_MS)

    def press(self, *keys: str) -> None:
        """Press keys, one after the other."""
        for key in keys:
            self.page.keyboard.press(key)

    def change(self, *keys: str) -> None:
        """Press keys that change the scenario, and wait for the changed world."""
        loaded = self.loaded
        self.press(*keys)
        self.wait_for_another(loaded)

    def select(self, element: str, value: str) -> None:
        """Choose in a list, and wait for what is played then."""
        loaded = self.loaded
        self.page.select_option(element, value)
        self.wait_for_another(loaded)

    def expect_text(self, selector: str, text: str) -> None:
        """Wait until an element says this."""
        expect(self.page.locator(selector)).to_contain_text(text, timeout=LIMIT_MS)

    def accessibility_findings(self, state: str) -> list[str]:
        """What axe-core finds in this state of the page that is more than minor."""
        self.page.evaluate(AXE.read_text(encoding="utf-8"))
        found = self.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        return [
            f"{state}: {it['impact']} {it['id']}: {it['nodes'][0]['html']}"
            for it in found["violations"]
            if it["impact"] != "minor"
        ]

    def close(self) -> None:
        self.context.close()
