"""``GET /``: who gets the page, what it shows, and what no value on it can do."""

import base64
import hashlib
import html
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from fanin.aggregator.engine import Capabilities, OutboxEntry, OutboxPage, Page, TargetState
from fanin.aggregator.errors import StoreBusyError
from fanin.aggregator.fanin import FanIn, Phase, Subject
from fanin.aggregator.http.page.endpoint import prefers_html
from fanin.aggregator.http.page.reading import PAGES_READ_MAX, ROWS
from tests.aggregator.services import EAST, PUSH, WEST, Hand, service

pytestmark = pytest.mark.anyio

BROWSER = {"accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"}
KEY = "0123456789abcdef"
HOSTILE = """"'><script>alert(1)</script><img src=x onerror=alert(2)>{{ 7*7 }}</main>"""


def text_of(response: httpx.Response) -> str:
    """What a reader sees of a page: without script, style and tags."""
    visible = re.sub(r"<(script|style)>.*?</\1>", "", response.text, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", visible)).split())


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (BROWSER["accept"], True),
        ("text/html", True),
        ("TEXT/HTML; q=0.5, application/json;q=0.4", True),
        ("", False),
        ("*/*", False),  # curl, kubelet's probes, Prometheus' blackbox exporter
        ("application/json", False),
        ("application/json, text/plain, */*", False),  # axios
        ("application/json, text/html;q=0.9", False),
        ("text/html;q=0", False),
        ("text/html;q=much", False),
    ],
)
def test_only_browsers_get_the_page(accept: str, *, expected: bool) -> None:
    """A client that would rather have JSON, or says nothing, is a program."""
    assert prefers_html(accept) is expected


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_probe_gets_a_small_200(tmp_path: Path, method: str) -> None:
    """Load balancers ask for ``/`` and take anything else than 200 for a broken service; no key, no read."""
    async with service(tmp_path, FANIN_KEYS=KEY) as client:
        response = await client.request(
            method, "/", headers={"user-agent": "kube-probe/1.34", "accept": "*/*"}
        )

        assert response.status_code == 200
        assert response.headers["content-type"] == "application/json"
        assert response.headers["vary"] == "accept"
        assert len(response.content) < 400


async def test_a_webhook_that_went_astray_is_told_where_to_go(tmp_path: Path) -> None:
    """The page's own form goes to the same address; nothing else does."""
    async with service(tmp_path) as client:
        response = await client.post("/?region=eastus", json=PUSH)

        assert response.status_code == 404
        assert "POST /api/ImagePush?region=NAME" in response.json()["message"]


async def test_an_empty_service_says_so(tmp_path: Path) -> None:
    """Every part of the page has a sentence for nothing."""
    async with service(tmp_path) as client:
        shown = text_of(await client.get("/", headers=BROWSER))

        assert "Waits up to 2m for 2 regions: eastus , westus" in shown
        for sentence in (
            "Nothing waits.", "No operation has an outcome yet.", "No target is configured",
            "No notification waits.", "No notification was given up.",
        ):  # fmt: skip
            assert sentence in shown


async def test_what_waits_and_what_came_out_is_shown(tmp_path: Path) -> None:
    """Regions, the deadline, outcomes with the missing regions."""
    clock = Hand()
    async with service(tmp_path, clock=clock) as client:
        for id_, tag in (("one", "1.0"), ("two", "2.0")):
            await client.post(EAST, json=PUSH | {"id": id_, "target": {"repository": "team/app", "tag": tag}})
        clock.ms += 5_000
        await client.post(WEST, json=PUSH | {"id": "two"})
        clock.ms += 40_000
        shown = text_of(await client.get("/", headers=BROWSER))

        assert "demo.azurecr.io/team/app:1.0 push one 1 of 2 ✓ eastus … westus 1 min 15 s until" in shown
        assert "demo.azurecr.io/team/app:2.0 push two completed 2 regions in 5 s 40 s ago" in shown


async def test_no_value_of_a_sender_becomes_markup(tmp_path: Path) -> None:
    """Repository, tag, host, digest and id are text, whatever is in them."""
    target = {"repository": HOSTILE, "tag": HOSTILE, "digest": HOSTILE}
    async with service(tmp_path) as client:
        for id_ in ("plain", HOSTILE):
            accepted = await client.post(EAST, json={"id": id_, "action": "push", "target": target})
            assert accepted.status_code == 202
        page = await client.get("/", headers=BROWSER)

        assert "<img src=x" not in page.text
        assert page.text.count("<script") == page.text.count("</main>") == 1
        assert HOSTILE in text_of(page)


async def test_the_page_may_run_only_its_own_script(tmp_path: Path) -> None:
    """The policy names script and style by digest; nothing is loaded, framed, cached or passed on."""
    async with service(tmp_path) as client:
        page = await client.get("/", headers=BROWSER)

        policy = dict(it.split(" ", 1) for it in page.headers["content-security-policy"].split("; "))
        for name in ("script", "style"):
            (content,) = re.findall(rf"<{name}>(.*?)</{name}>", page.text, re.DOTALL)
            digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
            assert policy[f"{name}-src"] == f"'sha256-{digest}'"
        assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
        assert page.headers["cache-control"] == "no-store"
        assert page.headers["referrer-policy"] == "no-referrer"
        assert re.findall(r"""(?:src|href|action)=["'](?!#|data:|\./)[^"']*""", page.text) == []
        assert re.findall(r"\sstyle=|\son\w+=", page.text) == []


class TestKey:
    """A service with keys shows nothing without one."""

    async def test_it_is_asked_for(self, tmp_path: Path) -> None:
        """A first look is no failure; it shows neither regions nor operations."""
        async with service(tmp_path, FANIN_KEYS=KEY) as client:
            await client.post(EAST + f"&code={KEY}", json=PUSH)
            # The proxy in front may have credentials of its own.
            page = await client.get("/", headers=BROWSER | {"authorization": "Basic bWU6bWU="})

            assert page.status_code == 200
            assert 'name="code"' in page.text
            assert not {"eastus", "team/app"} & set(re.split(r'[\s<>":]', page.text))

    @pytest.mark.parametrize("how", ["header", "bearer", "url", "form"])
    async def test_it_opens_the_page(self, tmp_path: Path, how: str) -> None:
        """As a header, which the script sends; in the URL and the form, for a browser without script."""
        async with service(tmp_path, FANIN_KEYS=KEY) as client:
            page = await self._asked(client, how, KEY)

            assert page.status_code == 200
            assert "Nothing waits." in page.text
            assert KEY not in page.text

    @pytest.mark.parametrize("how", ["header", "bearer", "url", "form"])
    async def test_a_wrong_one_is_said(
        self, tmp_path: Path, how: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        """401, the form again, a line in the log that does not have it."""
        caplog.set_level("INFO", "fanin")
        async with service(tmp_path, FANIN_KEYS=KEY) as client:
            page = await self._asked(client, how, "wrong-wrong-wrong")

            assert page.status_code == 401
            assert "This key is not accepted." in text_of(page)
            assert "wrong-wrong" not in page.text + caplog.text
            assert "refused status=401 path=/" in caplog.text

    async def test_it_may_be_the_secret_header(self, tmp_path: Path) -> None:
        """Where there are no keys, ``Name: value`` is sent as that header."""
        async with service(tmp_path, FANIN_HEADER_SECRET="X-Hook: sesame sesame") as client:  # noqa: S106 - a test's
            opened = await client.post("/", headers=BROWSER, data={"code": "X-Hook: sesame sesame"})
            refused = await client.post("/", headers=BROWSER, data={"code": "sesame sesame"})

            assert (opened.status_code, refused.status_code) == (200, 401)
            assert "Nothing waits." in opened.text

    async def test_it_is_kept_in_the_forms_for_more_rows(self, tmp_path: Path) -> None:
        """Without script, paging works: the whole list, each operation once."""
        seen: list[str] = []
        async with service(tmp_path, FANIN_KEYS=KEY) as client:
            for n in range(ROWS + 3):
                await client.post(EAST + f"&code={KEY}", json=PUSH | {"id": f"operation-{n:02}"})
            form: dict[str, str] | None = {"code": KEY}
            while form:
                page = await client.post("/", headers=BROWSER, data=form)
                seen += re.findall(r">(operation-\d\d)<", page.text)
                fields = re.search(r'<form [^>]*data-list="waiting">(.*?)<button>Next', page.text)
                form = dict(re.findall(r'name="(\w+)" value="([^"]+)"', fields[1])) if fields else None

            assert seen == [f"operation-{n:02}" for n in range(ROWS + 3)]
            assert "First page" in page.text

    @staticmethod
    async def _asked(client: httpx.AsyncClient, how: str, key: str) -> httpx.Response:
        match how:
            case "header":
                return await client.get("/", headers=BROWSER | {"x-functions-key": key})
            case "bearer":
                return await client.get("/", headers=BROWSER | {"authorization": f"Bearer {key}"})
            case "url":
                return await client.get("/", headers=BROWSER, params={"Code": key})
            case _:
                return await client.post("/", headers=BROWSER, data={"code": key})


@pytest.mark.parametrize(
    "body", [b"code=%ff", b"&".join([b"a=b"] * 99), "code=é".encode(), b"code=" + b"x" * 2_000_000]
)
async def test_a_form_that_is_none_of_ours_is_refused(tmp_path: Path, body: bytes) -> None:
    """A sentence, no crash."""
    async with service(tmp_path, FANIN_KEYS=KEY) as client:
        headers = BROWSER | {"content-type": "application/x-www-form-urlencoded"}
        response = await client.post("/", headers=headers, content=body)

        assert response.status_code in (400, 413)
        assert set(response.json()) == {"error", "message"}


async def test_a_token_that_is_made_up_costs_its_own_list_only(tmp_path: Path) -> None:
    """The rest of the page is there."""
    async with service(tmp_path) as client:
        page = await client.get("/", headers=BROWSER, params={"waiting": "<b>tomorrow"})

        assert page.status_code == 200
        assert "This list cannot be read now: after='<b>tomorrow' is not what a page gave" in text_of(page)
        assert "No operation has an outcome yet." in page.text


def entry(n: int, *, dead: bool, **rest: Any) -> OutboxEntry:
    at_ms = Hand().ms
    fields = {"attempts": n, "due_ms": None if dead else at_ms + 90_000, "error": "answered 503"} | rest
    return OutboxEntry(
        operation_id=f"op-{n}", target="oncall", outcome=Phase.TIMED_OUT, key=f"key-{n}",
        dead_ms=at_ms - 60_000 if dead else None, **fields,
    )  # fmt: skip


class Pretended:
    """An engine that shows what a test wants."""

    capabilities = Capabilities(
        survives_kill=False, exclusive=False, has_retention=False, lists_outbox=True, controls_targets=True
    )

    def __init__(self, **shown: Any) -> None:
        self.shown = shown
        self.reads = 0

    def __call__(self, *_: object) -> "Pretended":
        return self

    async def open(self) -> None:
        return

    async def close(self) -> None:
        return

    async def check(self) -> None:
        if problem := self.shown.get("check"):
            raise problem

    async def instances(self, **_: Any) -> Page:
        self.reads += 1
        return Page(*self.shown.get("instances", ([], None)))

    async def latest(self, **_: Any) -> list[FanIn]:
        if isinstance(found := self.shown.get("latest", []), Exception):
            raise found
        return list(found)

    async def outbox(self, *, dead: bool, **_: Any) -> OutboxPage:
        return OutboxPage(
            [it for it in self.shown.get("outbox", []) if (it.dead_ms is not None) is dead], None
        )

    async def target_states(self) -> list[TargetState]:
        if isinstance(found := self.shown.get("targets", []), Exception):
            raise found
        return list(found)


async def seen(folder: Path, engine: Pretended, **settings: Any) -> str:
    async with service(folder, engine=engine, **settings) as client:
        return text_of(await client.get("/", headers=BROWSER))


async def test_targets_are_shown_with_their_health(tmp_path: Path) -> None:
    """Working, down, paused, and removed from the settings; the host, and nothing else of the address."""
    file = tmp_path / "targets.yaml"
    names = ("deploy", "oncall", "chat", "new")
    rows = [f"  - {{name: {it}, url: 'https://u:secret@{it}.example/s3cret?t=s3cret'}}" for it in names]
    file.write_text("targets:\n" + "\n".join(rows))
    states = [
        TargetState("deploy", 0, 0, "closed", paused=False),
        TargetState("oncall", 7, 2, "open", paused=False),
        TargetState("chat", 1, 1, "closed", paused=True),
        TargetState("new", 0, 0, "half-open", paused=False),
        TargetState("old", 3, 4, None, paused=False),
    ]
    shown = await seen(tmp_path, Pretended(targets=states), FANIN_NOTIFY_FILE=str(file))

    for row in (
        "deploy json deploy.example working 0 waiting, 0 dead letters",
        "oncall json oncall.example down 7 waiting, 2 dead letters Send all 2 again",
        "chat json chat.example paused 1 waiting, 1 dead letter Send it again",
        "new json new.example down, tried now",
        "old not configured any more removed 3 waiting, 4 dead letters",
        "2 targets down",
    ):
        assert row in shown
    assert "s3cret" not in shown


async def test_a_target_whose_last_attempt_failed_is_not_called_working(tmp_path: Path) -> None:
    """It is taken to be down only after several failures; until then it is failing."""
    file = tmp_path / "targets.yaml"
    file.write_text("targets:\n  - {name: oncall, url: 'https://a.example/'}\n")
    states = [TargetState("oncall", 1, 0, "closed", paused=False)]

    async def shown(error: str | None) -> str:
        engine = Pretended(targets=states, outbox=[entry(1, dead=False, error=error)])
        return await seen(tmp_path, engine, FANIN_NOTIFY_FILE=str(file))

    assert "oncall json a.example failing 1 waiting" in await shown("answered 503")
    assert "oncall json a.example working 1 waiting" in await shown(None)


async def test_notifications_are_shown_with_their_errors(tmp_path: Path) -> None:
    """Pending ones with their next attempt, dead letters with a button."""
    outbox = [
        entry(1, dead=False),
        entry(2, dead=False, due_ms=None, error=None),
        entry(3, dead=False, paused=True),
        entry(4, dead=True),
        entry(5, dead=True, error=None),
    ]
    shown = await seen(tmp_path, Pretended(outbox=outbox))

    for row in (
        "oncall timed out op-1 answered 503 again in 1 min 30 s 1 attempt failed",
        "oncall timed out op-2 not tried yet next 2 attempts failed",
        "oncall timed out op-3 answered 503 paused",
        "oncall timed out op-4 answered 503 given up 1 min 0 s ago after 4 attempts Send again",
        "oncall timed out op-5 no reason was kept",
    ):
        assert row in shown


async def test_an_engine_without_a_list_of_its_outbox_has_no_such_part(tmp_path: Path) -> None:
    """A capability, not a name."""
    engine = Pretended()
    engine.capabilities = Capabilities(survives_kill=False, exclusive=False, has_retention=False)
    shown = await seen(tmp_path, engine, FANIN_NOTIFY_URL="http://sink.example/")

    assert "default json sink.example state not known on this engine" in shown
    assert "0 waiting 1 target Waiting 0" in shown  # and not that none is down
    assert "Dead letters" not in shown
    assert "Pending notifications" not in shown


async def test_a_store_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    """Each part says why it is not there; a person sees that webhooks are being lost."""
    broken = StoreBusyError("fanin.db is locked by another program; try again")
    shown = await seen(tmp_path, Pretended(check=broken, latest=broken, targets=broken))

    assert "Webhooks are not stored now, so they are being lost: fanin.db is locked" in shown
    assert shown.count("This list cannot be read now: fanin.db is locked") == 2
    assert "Nothing waits." in shown


async def test_an_engine_with_short_pages_is_asked_a_few_times(tmp_path: Path) -> None:
    """A page of an engine may have few rows, or none, and not be the last."""
    waiting = FanIn(
        operation_id="op", subject=Subject(action="push", repository="app"), expected=("eastus", "westus"),
        started_ms=0, deadline_ms=1, arrived={"eastus": 0},
    )  # fmt: skip
    engine = Pretended(instances=([waiting], "more"))
    shown = await seen(tmp_path, engine)

    assert engine.reads == PAGES_READ_MAX
    assert f"{PAGES_READ_MAX}+ waiting" in shown
    assert "due" in shown
    assert "Next page" in shown
