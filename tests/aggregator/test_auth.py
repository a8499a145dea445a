"""Authentication: what is accepted, and that a refused sender learns nothing."""

import errno
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from standardwebhooks import Webhook

from fanin.aggregator import auth
from fanin.aggregator.auth import Authenticator, parse_header_secret, parse_signing_secrets, read_keys
from fanin.aggregator.errors import SettingsError, UnauthorizedError
from fanin.aggregator.settings import Settings
from tests.aggregator.services import EAST, PUSH, STATUS, service

pytestmark = pytest.mark.anyio

READING = ["/instances", "/metrics", STATUS + "5b7c"]
SECRET = "whsec_" + "c2VjcmV0LW9mLXRoaXJ0eS10d28tYnl0ZXMtbG9uZy4="
OTHER = "whsec_" + "YW5vdGhlci1zZWNyZXQtb2YtdGhpcnR5LXR3by1ieXQ="
HEADER, BEARER = "X-From: acr", "Authorization: Bearer t0ken"
BODY = b'{"id":"5b7c","action":"push","target":{"repository":"team/app"}}'


def signed(
    body: bytes = BODY, *, secret: str = SECRET, id_: str = "msg-1", at: datetime | None = None
) -> dict[str, str]:
    """The three headers of Standard Webhooks."""
    at = at or datetime.now(UTC)
    return {
        "webhook-id": id_,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign(id_, at, body.decode()),
    }


async def post(client: httpx.AsyncClient, headers: dict[str, str], body: bytes = BODY) -> httpx.Response:
    return await client.post(EAST, content=body, headers=headers)


# --- function keys ---


@pytest.mark.parametrize("url", READING)
async def test_reading_needs_a_key_and_health_does_not(tmp_path: Path, url: str) -> None:
    """Status, list and figures say what is going on in the company; a probe has no key."""
    async with service(tmp_path, FANIN_KEYS="first,second") as client:
        await client.post(EAST + "&code=first", json=PUSH)
        refused = [await client.get(url), await client.get(url, params={"code": "firs"})]
        refused += [
            await client.get(url, headers={"authorization": given})
            for given in ("first", "Basic first", "Bearer firs", "Bearer")
        ]
        let_in = [
            await client.get(url, params={"code": "second"}),
            await client.get(url, headers={"x-functions-key": "first"}),
            await client.get(url, headers={"authorization": "Bearer first"}),
            await client.get(url, headers={"authorization": "bearer  second"}),
        ]
        health = [await client.get("/healthz"), await client.get("/readyz")]

    assert [(it.status_code, it.content) for it in refused] == [(401, b"")] * 6
    assert all(it.status_code in (200, 202) for it in let_in)
    assert [it.status_code for it in health] == [200, 200]


async def test_what_is_refused_does_not_say_which_lock_it_was(tmp_path: Path) -> None:
    """A wrong key, a wrong header and a wrong signature are answered alike, to the byte."""
    async with service(
        tmp_path, FANIN_KEYS="k", FANIN_HEADER_SECRET=HEADER, FANIN_SIGNING_SECRETS=SECRET
    ) as client:
        key, header = {"x-functions-key": "k"}, {"x-from": "acr"}
        answers = [
            await post(client, {}),
            await post(client, key),
            await post(client, key | header),
            await post(client, header | signed()),
        ]
        opened = await post(client, key | header | signed())

    assert {(it.status_code, it.content, tuple(it.headers.items())) for it in answers} == {
        (401, b"", (("content-length", "0"),))
    }
    assert opened.headers["fanin-arrival"] == "counted"


async def test_keys_are_read_again_when_their_file_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Rotation without a restart; a file that is empty by accident keeps the last keys valid."""
    monkeypatch.setattr(auth, "RELOAD_S", 0.0)
    file = tmp_path / "keys"
    file.write_text("# of the registry\nold-key\n\n")

    async def codes(*keys: str) -> list[int]:
        return [(await client.get("/instances", params={"code": key})).status_code for key in keys]

    async with service(tmp_path, FANIN_KEYS_FILE=str(file)) as client:
        before = await codes("old-key", "new-key", "# of the registry", "")
        file.write_text("new-key\nold-key\n")
        both = await codes("old-key", "new-key")
        emptied = tmp_path / "emptied"
        emptied.write_text("")
        emptied.rename(file)  # another file under the same name, as mounted secrets do it
        kept = await codes("old-key", "new-key")
        file.write_text("new-key")
        after = await codes("old-key", "new-key")

    assert (before, both, kept, after) == ([200, 401, 401, 401], [200, 200], [200, 200], [401, 200])
    assert f'keys-unreadable reason="{file} has no key; expected one per line"' in caplog.text
    assert "new-key" not in caplog.text


async def test_keys_that_change_while_the_service_starts_are_read(tmp_path: Path) -> None:
    """Between the reading of the settings and the first request, in place, with the same size and time."""
    file = tmp_path / "keys"
    file.write_text("old-key")
    read = read_keys(file)
    state = file.stat()
    file.write_text("new-key")
    os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))
    entry = Authenticator(keys=read, keys_file=file)

    entry.require_key({"x-functions-key": "new-key"}, {})
    with pytest.raises(UnauthorizedError):
        entry.require_key({"x-functions-key": "old-key"}, {})


async def test_a_file_of_keys_that_becomes_readable_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Content and time stay as they are when only owner or mode change."""
    monkeypatch.setattr(auth, "RELOAD_S", 0.0)
    file = tmp_path / "keys"
    file.write_text("new-key")
    entry = Authenticator(keys=("old-key",), keys_file=file)
    with monkeypatch.context() as denied:
        denied.setattr(Path, "open", _permission_denied)
        with pytest.raises(UnauthorizedError):
            entry.require_key({"x-functions-key": "new-key"}, {})

    entry.require_key({"x-functions-key": "new-key"}, {})

    assert "Permission denied" in caplog.text


def _permission_denied(*_: object) -> None:
    raise PermissionError(errno.EACCES, "Permission denied")


@pytest.mark.parametrize("name", ["keys", "the keys"])
async def test_a_file_of_keys_that_is_mounted_itself_is_warned_about(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    """A file that is renamed over it outside of the container would never be seen."""
    mounts, file = tmp_path / "mountinfo", tmp_path / name
    file.write_text("key")
    point = str(file).replace(" ", r"\040")
    monkeypatch.setattr(auth, "_MOUNTS", mounts)
    root = "22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw\n"

    mounts.write_text(f"{root}41 22 8:1 /etc/fanin {tmp_path} ro - ext4 /dev/sda1 rw\n")
    Authenticator(keys=("key",), keys_file=file)
    folder_mounted = caplog.text
    mounts.write_text(f"{root}41 22 8:1 /etc/fanin/keys {point} ro,relatime - ext4 /dev/sda1 rw\n")
    Authenticator(keys=("key",), keys_file=file)

    assert folder_mounted == ""
    assert f"{file} is itself a mount point, so a file renamed over it is not seen; mount its" in caplog.text


async def test_a_file_of_keys_that_stays_unreadable_is_logged_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is looked at every second."""
    monkeypatch.setattr(auth, "RELOAD_S", 0.0)
    entry = Authenticator(keys=("key",), keys_file=tmp_path / "gone")
    for _ in range(3):
        entry.require_key({"x-functions-key": "key"}, {})

    assert caplog.text.count("keys-unreadable") == 1


async def test_keys_from_a_pipe_are_read_once(tmp_path: Path) -> None:
    """A second look would wait for a writer that never comes."""
    os.mkfifo(tmp_path / "keys")
    entry = Authenticator(keys=("key",), keys_file=tmp_path / "keys")

    entry.require_key({"x-functions-key": "key"}, {})


async def test_a_file_of_keys_is_looked_at_now_and_then(tmp_path: Path) -> None:
    """Not for every request: at most once a second."""
    file = tmp_path / "keys"
    file.write_text("old-key")
    entry = Authenticator(keys=("old-key",), keys_file=file)
    entry.require_key({"x-functions-key": "old-key"}, {})
    file.write_text("new-key")
    os.utime(file, (0, 0))

    entry.require_key({"x-functions-key": "old-key"}, {})
    assert entry.keys == ("old-key",)


# --- the header ---


async def test_a_header_can_be_the_secret(tmp_path: Path) -> None:
    """ACR sends custom headers; without keys the header also opens what is read."""
    async with service(tmp_path, FANIN_HEADER_SECRET=BEARER) as client:
        statuses = [
            (await client.post(EAST, json=PUSH, headers={"authorization": given})).status_code
            for given in ("Bearer t0ken", "Bearer t0ke", "bearer t0ken", "")
        ]
        reading = [
            (await client.get("/instances", headers={"authorization": given})).status_code
            for given in ("Bearer t0ken", "Bearer other")
        ]

    assert (statuses, reading) == ([202, 401, 401, 401], [200, 401])


async def test_with_keys_the_header_is_asked_of_webhooks_only(tmp_path: Path) -> None:
    """Readers need a key."""
    async with service(tmp_path, FANIN_KEYS="k", FANIN_HEADER_SECRET=HEADER) as client:
        webhook = await client.post(EAST + "&code=k", json=PUSH)
        reading = await client.get("/instances?code=k")

    assert (webhook.status_code, reading.status_code) == (401, 200)


@pytest.mark.parametrize(
    "text", ["Bearer t0ken", "X From: acr", ": acr", "X-From:", "X-From: ü", "X-From: a\nb"]
)
def test_a_header_that_cannot_be_one_is_refused_without_showing_it(text: str) -> None:
    """The value is a secret, also when the name is wrong."""
    with pytest.raises(ValueError, match="not of the form 'Name: value'") as refusal:
        parse_header_secret(text)

    assert text not in str(refusal.value)


# --- signatures ---


async def test_a_signature_is_asked_for_and_a_replay_is_a_duplicate(tmp_path: Path) -> None:
    """The same signed request twice is what the contract calls a duplicate; either secret will do."""
    async with service(tmp_path, FANIN_SIGNING_SECRETS=f"{OTHER},{SECRET}") as client:
        answers = [await post(client, signed()), await post(client, signed())]
        other = await post(client, signed(secret=OTHER))
        reading = await client.get("/instances")

    assert [it.headers["fanin-arrival"] for it in answers] == ["counted", "duplicate"]
    assert (other.status_code, reading.status_code) == (202, 200)


@pytest.mark.parametrize(
    ("headers", "body", "reason"),
    [
        ({}, BODY, "Missing required headers"),
        (signed(at=datetime.now(UTC) - timedelta(minutes=6)), BODY, "timestamp too old"),
        (signed(at=datetime.now(UTC) + timedelta(hours=2)), BODY, "timestamp too new"),
        (signed(), BODY.replace(b"app", b"apq"), "No matching signature found"),
        (signed(secret=OTHER), BODY, "No matching signature found"),
        (signed() | {"webhook-id": "msg-2"}, BODY, "No matching signature found"),
        (signed() | {"webhook-signature": "v1"}, BODY, "malformed"),
        (signed() | {"webhook-signature": "v1,%%%"}, BODY, "no valid signature"),
        (signed() | {"webhook-timestamp": "nan"}, BODY, "Invalid Signature Headers"),
        (signed(), b"\xff", "malformed"),
    ],
)
async def test_what_is_not_signed_by_us_and_now_is_refused(
    tmp_path: Path, headers: dict[str, str], body: bytes, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    """401 to the sender, the reason in the log, nothing stored."""
    caplog.set_level("INFO", "fanin")
    async with service(tmp_path, FANIN_SIGNING_SECRETS=SECRET) as client:
        answer = await post(client, headers, body)
        listed = await client.get("/instances")

    assert (answer.status_code, answer.content) == (401, b"")
    assert reason in caplog.text
    assert listed.json()["instances"] == []


@pytest.mark.parametrize(
    "text", ["c2VjcmV0", "whsec_c2VjcmV0", "whsec_%%%%", f"{SECRET},", "whsec_" + "QUFB" * 30]
)
def test_a_signing_secret_that_cannot_be_one_is_refused_without_showing_it(text: str) -> None:
    """The message says how to make one."""
    with pytest.raises(ValueError, match=r"secret \d is not 'whsec_' and the base64 of 24 to 64") as refusal:
        parse_signing_secrets(text)

    assert text not in str(refusal.value)


async def test_a_captured_delivery_does_not_count_for_another_region(tmp_path: Path) -> None:
    """The region is in the URL, which is not signed; the message's id is, and it is known."""
    west = EAST.replace("eastus", "westus")
    async with service(tmp_path, FANIN_SIGNING_SECRETS=SECRET) as client:
        first = await post(client, signed())
        replayed = await client.post(west, content=BODY, headers=signed())
        again = await post(client, signed())
        own = await client.post(west, content=BODY, headers=signed(id_="msg-2"))

    assert [it.status_code for it in (first, replayed, again, own)] == [202, 401, 202, 202]
    assert again.headers["fanin-arrival"] == "duplicate"


async def test_a_secret_of_a_region_binds_it(tmp_path: Path) -> None:
    """Also over restarts, and before the captured delivery has arrived itself; ids may be the same then."""
    west, secrets = EAST.replace("eastus", "westus"), f"EastUS={SECRET}, westus={OTHER}"
    async with service(tmp_path, FANIN_SIGNING_SECRETS=secrets) as client:
        replayed = await client.post(west, content=BODY, headers=signed())
        east = await post(client, signed())
        own = await client.post(west, content=BODY, headers=signed(secret=OTHER))

    assert [it.status_code for it in (replayed, east, own)] == [401, 202, 202]


async def test_messages_are_forgotten_when_their_signature_is_no_longer_valid(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Memory is bounded, by time and by number."""
    monkeypatch.setattr(auth, "MESSAGES_MAX", 10)
    entry = Authenticator(signing=parse_signing_secrets(SECRET))
    for n in range(50):
        entry.verify_signature(signed(id_=f"msg-{n}"), BODY, "eastus")
    assert len(entry._message_regions) == 11
    monkeypatch.setattr(auth, "MESSAGE_S", -1.0)
    for n in range(50, 80):
        entry.verify_signature(signed(id_=f"msg-{n}"), BODY, "eastus")
    entry.verify_signature(signed(id_="msg-79"), BODY, "westus")


def test_a_secret_of_an_unknown_region_is_refused() -> None:
    """It would sign nothing."""
    with pytest.raises(SettingsError, match="secret 1 is of region 'mars', which is none of eastus"):
        Settings.from_environment({"FANIN_REGIONS": "eastus", "FANIN_SIGNING_SECRETS": f"mars={SECRET}"})


# --- warnings ---


@pytest.mark.parametrize(
    ("environment", "warnings"),
    [
        ({}, []),
        ({"FANIN_KEYS": "0123456789abcdef"}, []),
        ({"FANIN_KEYS": "0123456789abcdef,hunter2"}, ["function key 2 has fewer than 16 characters"]),
        ({"FANIN_KEYS": "x" * 40}, ["function key 1 has fewer than 6 different characters"]),
        ({"FANIN_HEADER_SECRET": "X-Secret: hunter2"}, ["the value of the header x-secret has fewer"]),
    ],
)
async def test_weak_secrets_are_warned_of(
    tmp_path: Path, environment: dict[str, Any], warnings: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    """At the start and by the check; never with the secret."""
    settings = Settings.from_environment({"FANIN_REGIONS": "eastus", "DATA_DIR": str(tmp_path)} | environment)

    async with service(tmp_path, **environment):
        pass
    found = settings.warnings()

    assert [it[: len(start)] for it, start in zip(found, warnings, strict=True)] == warnings
    assert caplog.text.count("weak-credentials") == len(warnings)
    assert "hunter2" not in f"{found}{caplog.text}"


@pytest.mark.parametrize(("mode", "warned"), [(0o600, False), (0o640, False), (0o644, True), (0o602, True)])
def test_a_file_of_keys_that_everyone_can_read_is_warned_of(
    tmp_path: Path, mode: int, *, warned: bool
) -> None:
    """A group may read it: the service's."""
    file = tmp_path / "keys"
    file.write_text("0123456789abcdef\n")
    file.chmod(mode)
    settings = Settings.from_environment({"FANIN_REGIONS": "eastus", "FANIN_KEYS_FILE": str(file)})

    assert any(str(file) in it for it in settings.warnings()) is warned
