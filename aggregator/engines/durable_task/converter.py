"""Payloads as JSON, by msgspec: every replay reads its whole history, so reading must be cheap."""

from typing import Any

import msgspec
from durabletask.serialization import DataConverter

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder()


class JsonConverter(DataConverter):
    """What the SDK's own converter does to plain values; shapes are checked by whoever asked for them."""

    def serialize(self, value: Any) -> str | None:
        return None if value is None else _encoder.encode(value).decode()

    def deserialize(self, data: str | None, target_type: type | None = None) -> Any:  # noqa: ARG002 - its contract
        return _decoder.decode(data) if data else None

    def coerce(self, value: Any, target_type: type | None = None) -> Any:  # noqa: ARG002 - its contract
        return value
