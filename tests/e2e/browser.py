"""A real browser for tests: Chromium without a window, spoken to in its DevTools protocol.

Rules of this file: the browser gets a fresh profile and no network but what a page asks for, and whatever a
page asks for is written down; nothing sleeps, everything waits for an answer or a file, with a limit.
"""

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
LIMIT_S = 60
_ARGUMENTS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
    "--disable-dev-shm-usage", "--remote-debugging-port=0",
)  # fmt: skip


def find() -> str | None:
    """The browser's path; None when there is none."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Tab:
    """One tab, and everything that went wrong or out in it."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._loaded = asyncio.Event()
        self.complaints: list[str] = []  # errors and warnings of the console, and uncaught exceptions
        self.requests: list[str] = []  # every address that was asked for

    async def listen(self) -> None:
        """Sort what the browser says, until it says no more."""
        async for message in self._socket:
            said = message.json()
            if "id" in said:
                self._answers.pop(said["id"]).set_result(said)
                continue
            match said["method"], said["params"]:
                case "Page.loadEventFired", _:
                    self._loaded.set()
                case "Network.requestWillBeSent", params:
                    self.requests.append(params["request"]["url"])
                case "Runtime.exceptionThrown", params:
                    self.complaints.append(str(params["exceptionDetails"]))
                case ("Runtime.consoleAPICalled" | "Log.entryAdded") as method, params:
                    self.complaints.append(f"{method} {params}")

    async def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """Send one command and wait for its result."""
        number = next(self._numbers)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": number, "method": method, "params": params})
        async with asyncio.timeout(LIMIT_S):
            said = await answer
        if "error" in said:
            raise RuntimeError(f"{method}: {said['error']['message']}")
        return dict(said["result"])

    async def open(self, url: str, *, width: int = 1200, dark: bool = False) -> None:
        """Load a page in a window of that width and wait until it is there."""
        for domain in ("Page", "Network", "Runtime", "Log"):
            await self.ask(f"{domain}.enable")
        await self.resize(width)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.ask("Emulation.setEmulatedMedia", features=[scheme])
        self._loaded.clear()
        await self.ask("Page.navigate", url=url)
        async with asyncio.timeout(LIMIT_S):
            await self._loaded.wait()

    async def resize(self, width: int) -> None:
        """Make the window so wide, as a phone's or a desktop's would be."""
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        await self.ask("Emulation.setDeviceMetricsOverride", **metrics)

    async def evaluate(self, script: str) -> Any:
        """What a piece of JavaScript comes to, in the page."""
        said = await self.ask("Runtime.evaluate", expression=script, returnByValue=True)
        if "exceptionDetails" in said:
            raise RuntimeError(str(said["exceptionDetails"]))
        return said["result"].get("value")


@asynccontextmanager
async def browser(binary: str) -> AsyncIterator[Tab]:
    """Start the browser, hand out a tab, and end the browser."""
    with tempfile.TemporaryDirectory(prefix="fanin-browser-", ignore_cleanup_errors=True) as profile:
        process = await asyncio.create_subprocess_exec(
            binary, *_ARGUMENTS, f"--user-data-dir={profile}", "about:blank",
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL, start_new_session=True,
            env={**os.environ, "HOME": profile},
        )  # fmt: skip
        try:
            port = await _port(Path(profile) / "DevToolsActivePort", process)
            async with aiohttp.ClientSession() as session:
                async with session.get(f"http://127.0.0.1:{port}/json") as answer:
                    pages = [page for page in await answer.json() if page["type"] == "page"]
                address = pages[0]["webSocketDebuggerUrl"]
                async with session.ws_connect(address, max_msg_size=0) as socket:
                    tab = Tab(socket)
                    listening = asyncio.create_task(tab.listen())
                    yield tab
                    listening.cancel()
                    with suppress(asyncio.CancelledError):
                        await listening
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, 9)
            await process.wait()


async def _port(file: Path, process: asyncio.subprocess.Process) -> int:
    """The port that the browser chose: it writes it into its profile when it listens."""
    async with asyncio.timeout(LIMIT_S):
        while (text := _text(file)).count("\n") == 0:
            if process.returncode is not None:
                raise RuntimeError(f"the browser ended with {process.returncode}")
            await asyncio.sleep(0.02)
    return int(text.splitlines()[0])


def _text(file: Path) -> str:
    return file.read_text(encoding="ascii") if file.exists() else ""
