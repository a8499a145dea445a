"""What an application may change in its process besides its modules: each life finds it as it was.

Environment, working directory, Python's path, logging, signal handlers, callbacks of the garbage collector.
Of several replicas that run at the same time, each has the first three for itself.
"""

import gc
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

_SIGNALS = tuple(
    number
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2")
    if (number := getattr(signal, name, None)) is not None
)


class ProcessState:
    """The state at the instant at which this is made."""

    def __init__(self) -> None:
        self._environment, self._folder = _variables(), Path.cwd()
        self._path, self._on_garbage = list(sys.path), list(gc.callbacks)
        self._loggers = {name: _settings(logger) for name, logger in _loggers()}
        self._handlers = {number: signal.getsignal(number) for number in _SIGNALS}

    def restore(self) -> None:
        """Let everything be as it was, but for what installed packages set up on import."""
        _set_environment(self._environment)
        os.chdir(self._folder)
        sys.path[:], gc.callbacks[:] = self._path, self._on_garbage
        for name, logger in _loggers():
            _set(logger, _of_packages.get(name) or self._loggers.get(name))
        if threading.current_thread() is threading.main_thread():
            for number, handler in self._handlers.items():
                if handler is not None and signal.getsignal(number) is not handler:
                    signal.signal(number, handler)


@contextmanager
def restored() -> Iterator["ProcessStates"]:
    """The state now, of which each life changes its own; after the block everything is as it was."""
    before = ProcessState()
    try:
        yield ProcessStates(before)
    finally:
        before.restore()


class ProcessStates:
    """What the lives of one run see of it, by host: each start of an application has a host of its own.

    Args:
        before: As each life finds it.
    """

    def __init__(self, before: ProcessState) -> None:
        self._before = before
        self._lives: dict[str, _Own] = {}
        self._current = ""  # whose state it is now

    def begin(self, host: str) -> None:
        """A life begins on this host."""
        self._store()
        self._before.restore()
        self._current, self._lives[host] = host, _own()

    def end(self, host: str) -> None:
        """The life on this host ends: what still unwinds finds what is there."""
        self._lives.pop(host, None)

    def follow(self, host: str) -> None:
        """Code of this host runs now: let it find its own state."""
        if host == self._current or host not in self._lives:
            return
        self._store()
        self._current = host
        environment, folder, path = self._lives[host]
        _set_environment(environment)
        if folder != _folder():
            with suppress(FileNotFoundError):
                os.chdir(folder)
        sys.path[:] = path

    def _store(self) -> None:
        if self._current in self._lives:
            self._lives[self._current] = _own()


type _Own = tuple[dict[Any, Any], str, list[str]]


def _own() -> _Own:
    return _variables(), _folder(), list(sys.path)


def _folder() -> str:
    try:
        return os.getcwd()  # noqa: PTH109 - a path takes longer to make than to find
    except FileNotFoundError:
        return "/"


def _variables() -> dict[Any, Any]:
    """The environment as it is stored: replicas take turns, and decoding takes a hundred times as long."""
    return dict(getattr(os.environ, "_data", os.environ))


def _set_environment(variables: dict[Any, Any]) -> None:
    if _variables() != variables:
        os.environ.clear()
        os.environ.update({os.fsdecode(name): os.fsdecode(value) for name, value in variables.items()})


@contextmanager
def kept() -> Iterator[None]:
    """Keep what the block does to loggers: an installed package is imported once, for all lives.

    SQLAlchemy for one sets its logger's level, without which a root logger at INFO shows every statement.
    """
    before = {name: _settings(logger) for name, logger in _loggers()}
    yield
    for name, logger in _loggers():
        if (settings := _settings(logger)) != before.get(name, _NEW):
            _of_packages[name] = settings


type _Settings = tuple[int, bool, bool, tuple[logging.Handler, ...], tuple[Any, ...]]

_NEW: _Settings = (logging.NOTSET, True, False, (), ())  # as a logger is when it is made
_of_packages: dict[str, _Settings] = {}  # by logger: what installed packages have set, once for all worlds


def _loggers() -> Iterator[tuple[str, logging.Logger]]:
    yield "", logging.root
    for name, logger in tuple(logging.root.manager.loggerDict.items()):
        if isinstance(logger, logging.Logger):
            yield name, logger


def _settings(logger: logging.Logger) -> _Settings:
    return logger.level, logger.propagate, logger.disabled, tuple(logger.handlers), tuple(logger.filters)


def _set(logger: logging.Logger, settings: _Settings | None) -> None:
    """Without settings: as a logger is when it is made."""
    settings = settings or _NEW
    if settings == _settings(logger):
        return
    level, logger.propagate, logger.disabled, handlers, filters = settings
    logger.setLevel(level)
    logger.handlers[:], logger.filters[:] = handlers, filters
