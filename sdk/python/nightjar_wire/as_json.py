"""Maps and their values in JSON, the way the vectors and the check lines write them."""

from __future__ import annotations

import json
from typing import Any

from .cbor import Value
from .map import CONTENT_TYPE, CORRELATION, DELEGATION, HAND_OVER, NICK, REPLY_TO, Map
from .refused import Refused, require

_AS_IS = ((CONTENT_TYPE, "content_type"), (NICK, "nick"))
_AS_HEX = ((REPLY_TO, "reply_to"), (CORRELATION, "correlation"), (DELEGATION, "delegation"), (HAND_OVER, "hand_over"))


def value_to_json(value: Value) -> Any:
    """Numbers, texts, true, false and null are themselves; the others are objects of one member."""
    if isinstance(value, bytes):
        return {"bytes": value.hex()}
    if isinstance(value, list):
        return {"array": [value_to_json(item) for item in value]}
    if isinstance(value, dict):
        return {"map": {str(key): value_to_json(item) for key, item in value.items()}}
    return value


def value_from_json(value: Any) -> Value:
    if isinstance(value, dict):
        require(len(value) == 1, "a value is an object of one member")
        if "bytes" in value:
            return bytes.fromhex(value["bytes"])
        if "array" in value:
            return [value_from_json(item) for item in value["array"]]
        if "map" in value:
            return entries_from_json(value["map"])
        raise Refused("a value is bytes, array or map")
    if value is None or isinstance(value, (int, str)):
        return value
    raise Refused("a value that envelopes do not have")


def entries_from_json(entries: dict[str, Any]) -> dict[int, Value]:
    return {int(key): value_from_json(value) for key, value in entries.items()}


def said(found: Map) -> dict[str, Any]:
    """What a map says. Raises Refused where the content is unreadable."""
    out: dict[str, Any] = {"kind": found.kind, "time_ms": found.time_ms}
    content = found.content()
    if content is not None:
        out["content"] = value_to_json(content)
    if found.compressed:
        out["compressed"] = True
    for key, name in _AS_IS:
        if key in found.entries:
            out[name] = found.entries[key]
    for key, name in _AS_HEX:
        value = found.entries.get(key)
        if isinstance(value, bytes):
            out[name] = value.hex()
    unknown = found.unknown()
    if unknown:
        out["unknown"] = {str(key): value_to_json(value) for key, value in unknown.items()}
    return out


def line(answer: dict[str, Any]) -> str:
    return json.dumps(answer, ensure_ascii=False, separators=(",", ":"))
