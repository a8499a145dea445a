"""The registry of engines: every entry leads to a factory, and settings know every name."""

from importlib import import_module
from importlib.util import find_spec

import pytest

from fanin.aggregator.engine import Capabilities
from fanin.aggregator.engine_registry import ENGINES
from fanin.aggregator.settings import Settings


@pytest.mark.parametrize("name", ENGINES)
def test_an_entry_leads_to_a_factory(name: str) -> None:
    """And to a function that starts the backend, if there is one."""
    entry = ENGINES[name]
    if not all(find_spec(module) for module in entry.needs):
        pytest.skip(f"{name} is not installed")

    factory = getattr(import_module(entry.module), entry.factory)
    assert isinstance(factory.capabilities, Capabilities)
    if entry.dev_backend:
        module, _, function = entry.dev_backend.partition(":")
        assert callable(getattr(import_module(module), function))


@pytest.mark.parametrize("name", ENGINES)
def test_what_an_engine_needs_comes_with_an_extra(name: str) -> None:
    """So that the error of a missing package can name it."""
    entry = ENGINES[name]

    assert bool(entry.needs) == (entry.extra is not None)


@pytest.mark.parametrize("name", ENGINES)
def test_the_settings_accept_every_name_and_its_own_variables(name: str) -> None:
    """Without importing the engine."""
    variable = f"FANIN_{name.upper().replace('-', '_')}_X"
    settings = Settings.from_environment({"FANIN_REGIONS": "eastus", "FANIN_ENGINE": name, variable: "1"})

    assert (settings.engine, settings.engine_options) == (name, {variable: "1"})
