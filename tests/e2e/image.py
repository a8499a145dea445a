"""The image of deploy/Dockerfile without Docker: its lines are carried out in folders, as root, with chroot.

Rules of this file: a line is carried out as it stands, or the build ends with an error that names it; a
container gets a read-only root file system, its own network, no capability, the user that it is given and
exactly the environment that it is given; the machine's own files are only read.

Two things are another's: the base image is this machine (its ``/usr`` and the Python of the tests), and what
pip would fetch from an index is there already, beside the tests.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from tests.paths import ROOT

# What the tests do as root, by its program. Each is in a package of every distribution.
PROGRAMS = ("unshare", "nsenter", "chroot", "setpriv", "mount", "ip", "useradd")
LIMIT_S = 60
_IGNORED = {"EXPOSE", "STOPSIGNAL", "VOLUME"}
_USERS = {"passwd": "root:x:0:0:root:/root:/bin/sh\n", "group": "root:x:0:\n", "shadow": "root:*:1::::::\n"}


def possible() -> bool:
    """Whether this is root on a Linux that lets it make namespaces and mounts."""
    if not sys.platform.startswith("linux") or os.geteuid() != 0 or not all(map(shutil.which, PROGRAMS)):
        return False
    tried = subprocess.run(
        ["unshare", "-mn", "mount", "-t", "tmpfs", "none", "/mnt"],  # noqa: S607 - it is on PATH
        capture_output=True, check=False,
    )  # fmt: skip
    return tried.returncode == 0


def instructions(text: str) -> list[tuple[str, str]]:
    """The lines of a Dockerfile, without comments, continued ones joined."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [
        (name.upper(), rest)
        for name, _, rest in (line.partition(" ") for line in joined.splitlines() if line)
    ]


@dataclass(kw_only=True)
class Image:
    """A built image: its files, and what a container of it is started with."""

    root: Path
    environment: dict[str, str] = field(default_factory=dict)
    workdir: str = "/"
    user: int = 0
    group: int = 0
    entrypoint: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)
    healthcheck: list[str] = field(default_factory=list)

    @classmethod
    def build(cls, recipe: Path, folder: Path, **arguments: str) -> "Image":
        """Carry out a Dockerfile whose context is this repository."""
        stages: dict[str, Image] = {}
        image = cls(root=folder)
        for name, rest in instructions(recipe.read_text(encoding="utf-8")):
            if name == "FROM":
                base, *alias = rest.split()
                assert base.startswith("python:3.1"), f"another base image: {base}"
                title = alias[-1] if alias else "final"
                image = stages[title] = cls(root=_base(folder / title))
            else:
                image._carry_out(name, rest, stages, arguments)
        packages = next((image.root / "opt" / "fanin" / "lib").glob("python*/site-packages"))
        (packages / "fetched.pth").write_text("/fetched\n", encoding="utf-8")
        return image

    def _carry_out(  # noqa: C901 - one case per instruction
        self, name: str, rest: str, stages: Mapping[str, "Image"], arguments: Mapping[str, str]
    ) -> None:
        match name:
            case "ARG":
                key, _, default = rest.partition("=")
                self.environment[key] = arguments.get(key, default)
            case "ENV":
                for pair in shlex.split(rest):
                    key, _, value = pair.partition("=")
                    self.environment[key] = value.replace("$PATH", self.environment.get("PATH", ""))
            case "WORKDIR":
                self.workdir = rest
                (self.root / rest[1:]).mkdir(parents=True, exist_ok=True)
            case "USER":
                self.user, self.group = map(int, rest.split(":"))
            case "COPY":
                self._copy(rest.split(), stages)
            case "RUN":
                self._run(rest)
            case "ENTRYPOINT":
                self.entrypoint = _words(rest)
            case "CMD":
                self.command = _words(rest)
            case "HEALTHCHECK":
                self.healthcheck = _words(rest.partition("CMD")[2])
            case _:
                assert name in _IGNORED, f"this builder does not know {name} {rest}"

    def _copy(self, words: list[str], stages: Mapping[str, "Image"]) -> None:
        origin = ROOT
        if words[0].startswith("--from="):
            origin = stages[words.pop(0).removeprefix("--from=")].root
        *sources, target = words
        destination = self.root / (target if target.startswith("/") else f"{self.workdir}/{target}")[1:]
        for source in sources:
            found = origin / source.removeprefix("/")
            if found.is_dir():
                ignored = shutil.ignore_patterns("__pycache__") if origin == ROOT else None
                shutil.copytree(found, destination, symlinks=True, dirs_exist_ok=True, ignore=ignored)
            elif target.endswith("/"):
                shutil.copy2(found, destination)
            else:
                destination.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(found, destination)

    def _run(self, script: str) -> None:
        # pip finds what it would fetch, and what builds the package, in /fetched.
        here = {
            "HOME": "/root", "PYTHONPATH": "/fetched", "PIP_NO_INDEX": "1", "PIP_NO_DEPS": "1",
            "PIP_NO_BUILD_ISOLATION": "0", "PIP_IGNORE_INSTALLED": "1",
        }  # fmt: skip
        inner = [
            "env",
            "-i",
            f"--chdir={self.workdir}",
            *_pairs(self.environment | here),
            "sh",
            "-ec",
            script,
        ]
        done = subprocess.run(  # noqa: S603 - the Dockerfile's own words
            ["unshare", "-mn", "bash", "-ec", _prelude(self.root) + 'exec chroot "$R" "$@"', "bash", *inner],  # noqa: S607
            capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"RUN {script}\n{done.stdout}\n{done.stderr}"


@dataclass(kw_only=True)
class Container:
    """A process in an image, as an orchestrator starts it.

    Attributes:
        image: What it is started from.
        environment: Besides the image's own.
        volumes: By path in the container: the folder here, and whether it may be written.
        user: Another one than the image's.
        groups: Besides the first one, as ``fsGroup`` adds it.
    """

    image: Image
    environment: Mapping[str, str]
    volumes: Mapping[str, tuple[Path, bool]]
    user: int | None = None
    groups: Sequence[int] = ()

    def __enter__(self) -> Self:
        """Start its entry point and command."""
        self.process = self._popen(*self.image.entrypoint, *self.image.command)
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def run(self, *command: str) -> tuple[int, str]:
        """Run a command in a container of its own with the same settings; return exit status and output."""
        process = self._popen(*command)
        out, err = process.communicate(timeout=LIMIT_S)
        return process.returncode, out + err

    def execute(self, *command: str) -> tuple[int, str]:
        """Run a command in the running container, as ``docker exec`` does."""
        done = subprocess.run(  # noqa: S603 - the test's own words
            ["nsenter", "-t", str(self.process.pid), "-m", "-n", "-r", *self._as_user(), *command],  # noqa: S607
            capture_output=True, text=True, timeout=LIMIT_S, check=False,
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr

    def healthy(self) -> bool:
        """What the image's health check says."""
        return self.execute(*self.image.healthcheck)[0] == 0

    def until_healthy(self) -> None:
        """Wait until it is, as an orchestrator does."""
        end_s = time.monotonic() + LIMIT_S
        while not self.healthy():
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < end_s, "it never became healthy"
            time.sleep(0.1)

    def stop(self) -> tuple[int, str]:
        """SIGTERM; the exit status, and all that was logged."""
        self.process.terminate()
        _, logged = self.process.communicate(timeout=LIMIT_S)
        return self.process.returncode, logged

    def _popen(self, *command: str) -> "subprocess.Popen[str]":
        script = _prelude(self.image.root) + "".join(
            f'mkdir -p "$R{path}"; mount --bind {shlex.quote(str(here))} "$R{path}"\n'
            + ("" if writable else f'mount -o remount,bind,ro "$R{path}"\n')
            for path, (here, writable) in self.volumes.items()
        )
        script += 'mount -o remount,bind,ro "$R"\nip link set lo up\nexec chroot "$R" "$@"'
        return subprocess.Popen(  # noqa: S603 - the test's own words
            ["unshare", "-mn", "bash", "-ec", script, "bash", *self._as_user(), *command],  # noqa: S607
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def _as_user(self) -> Iterable[str]:
        image = self.image
        user = image.user if self.user is None else self.user
        groups = f"--groups={','.join(map(str, self.groups))}" if self.groups else "--clear-groups"
        privileges = ("--no-new-privs", "--inh-caps=-all", "--bounding-set=-all")
        given = image.environment | {"HOSTNAME": "fanin-0"} | dict(self.environment)
        return (
            "setpriv", f"--reuid={user}", f"--regid={image.group}", groups, *privileges,
            "env", "-i", f"--chdir={image.workdir}", *_pairs(given),
        )  # fmt: skip


def _base(root: Path) -> Path:
    """What stands for the base image: folders, root in ``/etc``, and a ``python`` on the path."""
    for name in ("etc", "opt", "root", "var", "proc", "dev", "usr", "fetched", "python"):
        (root / name).mkdir(parents=True)
    (root / "tmp").mkdir(mode=0o1777)
    for name in ("bin", "sbin", "lib", "lib64"):
        (root / name).symlink_to(f"usr/{name}")
    for name, text in _USERS.items():
        (root / "etc" / name).write_text(text, encoding="utf-8")
    (root / "python" / "python").symlink_to(_base_python())
    return root


def _base_python() -> Path:
    return Path(os.path.realpath(sys.executable))


def _prelude(root: Path) -> str:
    """Shell lines that mount what the machine lends, in a namespace of their own."""
    fetched = root.parent / "fetched"
    if not fetched.is_dir():
        _link_fetched(fetched)
    lent = [Path("/usr"), Path(sys.base_prefix), Path(sysconfig.get_path("purelib"))]
    lines = [
        f"R={shlex.quote(str(root))}",
        'mount --bind "$R" "$R"',
        *(
            f'mkdir -p "$R{path}"; mount --bind {shlex.quote(str(path))} "$R{path}"'
            for path in lent
            if path == Path("/usr") or not path.is_relative_to("/usr")
        ),
        f'mount --bind {shlex.quote(str(fetched))} "$R/fetched"',
        'mount -t proc proc "$R/proc"',
        'mount --bind /dev "$R/dev"',
    ]
    return "\n".join(lines) + "\n"


def _link_fetched(folder: Path) -> None:
    """What pip would fetch: everything that is installed here, but pip and ourselves."""
    folder.mkdir()
    for path in Path(sysconfig.get_path("purelib")).iterdir():
        if not path.name.startswith(("pip", "fanin", "__editable__", "__pycache__", "_fanin")):
            (folder / path.name).symlink_to(path)


def _pairs(environment: Mapping[str, str]) -> list[str]:
    path = f"{environment.get('PATH', '').removesuffix(':')}:/python:/usr/sbin:/usr/bin:/sbin:/bin".lstrip(
        ":"
    )
    return [f"{name}={value}" for name, value in (dict(environment) | {"PATH": path}).items()]


def _words(text: str) -> list[str]:
    words: Any = json.loads(text)
    return list(map(str, words))
