"""Real reverse proxies, configured as docs/deploy.md says, but for TLS, which these tests do without."""

import os
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from shutil import which

import pytest

from fanin.harness.targets.process import free_port
from tests.e2e.serving import LIMIT_S
from tests.heavy import needs
from tests.paths import DOCS

# Debian keeps servers where only root looks for programs.
_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"


@dataclass(frozen=True)
class Proxy:
    """A program, and how its snippet of the page becomes a configuration for a test."""

    program: str
    language: str  # the snippet's
    listens: str  # where the snippet lets it listen
    here: str  # the same in a test; ``PORT`` is the port
    arguments: tuple[str, ...]  # the configuration comes last
    around: str = "%s"  # what stands around the snippet; ``FOLDER`` is the test's
    changes: tuple[tuple[str, str], ...] = ()  # in the snippet

    @property
    def path(self) -> str | None:
        """Where the program is."""
        return which(self.program, path=_PATH)

    @property
    def needed(self) -> pytest.MarkDecorator:
        """A mark for tests of it."""
        return needs(self.program, there=self.path is not None, get=f"apt-get install {self.program}")

    @contextmanager
    def in_front_of(self, service_port: int, folder: Path) -> Iterator[int]:
        """Let it run for a while; its port."""
        assert self.path
        port = free_port()
        file, log = folder / f"{self.program}.conf", folder / f"{self.program}.log"
        file.write_text(self._configuration(port, service_port, folder))
        with log.open("w") as out:
            process = subprocess.Popen(  # noqa: S603 - a proxy on loopback
                [self.path, *self.arguments, file],
                stdout=out,
                stderr=out,
                env={**os.environ, "HOME": str(folder)},
            )
        try:
            _until_listening(port, process, log)
            yield port
        finally:
            process.terminate()
            process.wait(LIMIT_S)

    def _configuration(self, port: int, service_port: int, folder: Path) -> str:
        page = (DOCS / "deploy.md").read_text(encoding="utf-8")
        match = re.search(rf"```{self.language}\n(.*?)```", page, re.DOTALL)
        assert match, self.language
        text = match[1]
        own = (self.listens, self.here.replace("PORT", str(port)))
        for documented, instead in (*self.changes, own, ("127.0.0.1:8080", f"127.0.0.1:{service_port}")):
            assert documented in text, documented
            text = text.replace(documented, instead)
        return self.around.replace("FOLDER", str(folder)) % text


def _until_listening(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    give_up_s = time.monotonic() + LIMIT_S
    while True:
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < give_up_s, log.read_text()
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.02)
        else:
            return


NGINX = Proxy(
    "nginx",
    "nginx",
    "listen 443 ssl;",
    "listen 127.0.0.1:PORT;",
    ("-e", "stderr", "-c"),
    "user root; daemon off; pid FOLDER/pid; error_log stderr; events {} "
    "http { client_body_temp_path FOLDER/b; proxy_temp_path FOLDER/p; "
    "fastcgi_temp_path FOLDER/f; uwsgi_temp_path FOLDER/u; scgi_temp_path FOLDER/s;\n%s }",
)
_HOP_BY_HOP = "proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;"
# As pages about websockets advise, and with connections that are kept.
NGINX_UPGRADING = replace(
    NGINX,
    changes=(
        ("server {", "upstream fanin { server 127.0.0.1:8080; keepalive 8; }\nserver {"),
        ("proxy_pass http://127.0.0.1:8080;", "proxy_pass http://fanin;"),
        ("proxy_http_version 1.1;", "proxy_http_version 1.1; " + _HOP_BY_HOP),
    ),
)
CADDY = Proxy(
    "caddy",
    "caddyfile",
    "fanin.example.org {",
    "http://:PORT {\nbind 127.0.0.1",
    ("run", "--adapter", "caddyfile", "--config"),
    "{\nadmin off\nauto_https off\n}\n%s",
)
HAPROXY = Proxy(
    "haproxy",
    "haproxy",
    "bind :443 ssl crt /etc/haproxy/fanin.pem",
    "bind 127.0.0.1:PORT",
    ("-db", "-f"),
)
PROXIES = {
    "nginx": NGINX,
    "nginx that passes upgrades on": NGINX_UPGRADING,
    "caddy": CADDY,
    "haproxy": HAPROXY,
}
