"""The shape of a target's configuration."""

from typing import Any

import msgspec
import pytest

from fanin.harness.dialect import NotificationDialect, ResponseDialect
from fanin.harness.targets.status_body import Activities
from fanin.harness.verify.config import TargetConfig


@pytest.mark.parametrize("shape", [TargetConfig, ResponseDialect, NotificationDialect, Activities])
def test_every_field_is_described(shape: Any) -> None:
    """The page about target files is held to these descriptions."""
    described = {line.strip().partition(":")[0] for line in (shape.__doc__ or "").splitlines()}

    assert {field.encode_name for field in msgspec.structs.fields(shape)} <= described


def test_a_configuration_without_anything_is_that_of_the_contract() -> None:
    """Nothing is given, and the dialects are the contract's own."""
    empty = TargetConfig()

    assert (empty.app, empty.command, empty.url) == (None, None, None)
    assert (empty.responses, empty.notification) == (ResponseDialect(), NotificationDialect())
