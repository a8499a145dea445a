"""An aggregator in another style: the standard library alone, threads, SQLite, a blocking client.

Run it as a script. Its settings are `WebhookRegions`, `WebhookTimeout`, `NOTIFY_URL`, `DATA_DIR`, `PORT`.
"""

import json
import os
import sqlite3
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

REGIONS = [region.strip().casefold() for region in os.environ["WebhookRegions"].split(",")]  # noqa: SIM112 - the original's name
NOTIFY_URL = os.environ["NOTIFY_URL"]
LOCK = threading.Lock()
DB = sqlite3.connect(
    Path(os.environ["DATA_DIR"]) / "fan-in.db", check_same_thread=False, isolation_level=None
)
DB.executescript("""
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    CREATE TABLE IF NOT EXISTS operation (id PRIMARY KEY, event, until REAL, outcome, notified DEFAULT 0);
    CREATE TABLE IF NOT EXISTS arrival (id, region, PRIMARY KEY (id, region));
""")
TELLING: set[str] = set()


def seconds(timespan: str) -> float:
    """``[d.]h:mm:ss[.fff]``."""
    hours, minutes, rest = timespan.split(":")
    days, _, hours = hours.rpartition(".")
    return int(days or 0) * 86_400 + int(hours) * 3_600 + int(minutes) * 60 + float(rest)


TIMEOUT_S = seconds(os.environ["WebhookTimeout"])  # noqa: SIM112 - the original's name


def arrived(event: dict[str, Any], region: str) -> None:
    """One transaction: the operation, the arrival, and the outcome if that was the last one."""
    now = time.time()
    with LOCK:
        DB.execute("BEGIN IMMEDIATE")
        new = (event["id"], json.dumps(event), now + TIMEOUT_S)
        DB.execute("INSERT OR IGNORE INTO operation (id, event, until) VALUES (?, ?, ?)", new)
        until, outcome = DB.execute("SELECT until, outcome FROM operation WHERE id = ?", new[:1]).fetchone()
        if outcome is None and now <= until:
            DB.execute("INSERT OR IGNORE INTO arrival VALUES (?, ?)", (event["id"], region))
            (count,) = DB.execute("SELECT count(*) FROM arrival WHERE id = ?", new[:1]).fetchone()
            if count == len(REGIONS):
                DB.execute("UPDATE operation SET outcome = 'completed' WHERE id = ?", new[:1])
        DB.execute("COMMIT")


def watch() -> None:
    """What is due times out; what is decided is notified, each operation by a thread of its own."""
    while True:
        with LOCK:
            DB.execute(
                "UPDATE operation SET outcome = 'timed_out' WHERE outcome IS NULL AND until < ?",
                (time.time(),),
            )
            decided = DB.execute(
                "SELECT id, event, outcome FROM operation WHERE outcome IS NOT NULL AND NOT notified"
            ).fetchall()
        for row in decided:
            if row[0] not in TELLING:
                TELLING.add(row[0])
                threading.Thread(target=notify, args=row, daemon=True).start()
        time.sleep(0.02)


def notify(operation: str, event: str, outcome: str) -> None:
    """Until the sink takes it."""
    with LOCK:
        rows = DB.execute("SELECT region FROM arrival WHERE id = ?", (operation,)).fetchall()
    here = sorted(region for (region,) in rows)
    said = json.loads(event)
    body = {"id": operation, "outcome": outcome, "arrived": here, "missing": sorted(set(REGIONS) - set(here))}
    body |= {"action": said["action"]} | {
        name: said.get("target", {}).get(name) for name in ("repository", "tag", "digest")
    }
    headers = {"content-type": "application/json", "webhook-id": operation}
    request = urllib.request.Request(NOTIFY_URL, json.dumps(body).encode(), headers)  # noqa: S310 - configured by its operator
    while True:
        try:
            with urllib.request.urlopen(request, timeout=2):  # noqa: S310 - as above
                break
        except (OSError, urllib.error.URLError):
            time.sleep(0.3)
    with LOCK:
        DB.execute("UPDATE operation SET notified = 1 WHERE id = ?", (operation,))


class Door(BaseHTTPRequestHandler):
    """Takes webhooks."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.answer(404)

    def do_POST(self) -> None:
        url = urllib.parse.urlsplit(self.path)
        region = dict(urllib.parse.parse_qsl(url.query)).get("region", "").strip().casefold()
        length = int(self.headers.get("content-length", "0"))
        if length > 1 << 20:
            self.close_connection = True
            self.answer(413)
            return
        content = self.rfile.read(length)
        try:
            event = json.loads(content)
            operation, action = event["id"], event["action"]
            repository = None if action == "ping" else event["target"]["repository"]
        except (ValueError, TypeError, KeyError, RecursionError):
            self.answer(400)
            return
        if action == "ping":
            self.answer(200)
        elif region not in REGIONS or not all(isinstance(it, str) and it for it in (operation, repository)):
            self.answer(400)
        else:
            arrived(event, region)
            self.answer(202)

    def answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Log nothing."""


class Server(ThreadingHTTPServer):
    request_queue_size = 512
    daemon_threads = True


if __name__ == "__main__":
    threading.Thread(target=watch, daemon=True).start()
    Server(("127.0.0.1", int(os.environ["PORT"])), Door).serve_forever()
