"""The strict CBOR of envelopes: one spelling for each value, and no other is read."""

from __future__ import annotations

from typing import Union

from .refused import Refused, require

Value = Union[int, bytes, str, list["Value"], dict[int, "Value"], bool, None]

DEPTH_MAX = 4
ENTRIES_MAX = 32

_UINT, _NEGATIVE, _BYTES, _TEXT, _ARRAY, _MAP, _TAG, _SIMPLE = range(8)
_SIMPLES: dict[int, Value] = {20: False, 21: True, 22: None}


def read(data: bytes, depth_max: int = DEPTH_MAX) -> tuple[Value, int]:
    """The value `data` begins with, and how many bytes it has."""
    return _read(data, 0, depth_max)


def _read(data: bytes, at: int, depth_left: int) -> tuple[Value, int]:
    major, number, at = _head(data, at)
    left = len(data) - at
    if major == _UINT:
        return number, at
    if major == _NEGATIVE:
        return -1 - number, at
    if major in (_BYTES, _TEXT):
        require(number <= left, "a text or bytes longer than what is left")
        end = at + number
        if major == _BYTES:
            return data[at:end], end
        try:
            return data[at:end].decode("utf-8", "strict"), end
        except UnicodeDecodeError:
            raise Refused("a text that is not UTF-8") from None
    if major == _ARRAY:
        require(depth_left > 0, "nested too deep")
        require(number <= left, "an array longer than what is left")
        items: list[Value] = []
        for _ in range(number):
            item, at = _read(data, at, depth_left - 1)
            items.append(item)
        return items, at
    if major == _MAP:
        require(depth_left > 0, "nested too deep")
        require(number <= ENTRIES_MAX, "a map of more than 32 entries")
        require(number * 2 <= left, "a map longer than what is left")
        entries: dict[int, Value] = {}
        before = -1
        for _ in range(number):
            key_major, key, at = _head(data, at)
            require(key_major == _UINT, "a key that is no unsigned integer")
            require(key > before, "keys that do not ascend")
            before = key
            entries[key], at = _read(data, at, depth_left - 1)
        return entries, at
    if major == _SIMPLE and number in _SIMPLES:
        return _SIMPLES[number], at
    raise Refused("a tag, a float or another simple value")


def _head(data: bytes, at: int) -> tuple[int, int, int]:
    """Major type, number, and where the head ends. Only the shortest head is taken."""
    require(at < len(data), "cut short")
    major, info = data[at] >> 5, data[at] & 0x1F
    at += 1
    if info < 24:
        return major, info, at
    require(info <= 27, "an indefinite length or a reserved head")
    # Numbers behind a head of major type 7 are floats, or simple values of two bytes: none is allowed.
    require(major != _SIMPLE, "a tag, a float or another simple value")
    size = 1 << (info - 24)
    require(at + size <= len(data), "cut short")
    number = int.from_bytes(data[at : at + size], "big")
    least = 24 if size == 1 else 1 << (4 * size)
    require(number >= least, "a number in a longer form than needed")
    return major, number, at + size


def write(value: Value) -> bytes:
    """The one spelling of `value`. Types are the caller's promise; depth and entries are checked by reading."""
    if value is False:
        return b"\xf4"
    if value is True:
        return b"\xf5"
    if value is None:
        return b"\xf6"
    if isinstance(value, int):
        return head(_UINT, value) if value >= 0 else head(_NEGATIVE, -1 - value)
    if isinstance(value, bytes):
        return head(_BYTES, len(value)) + value
    if isinstance(value, str):
        text = value.encode()
        return head(_TEXT, len(text)) + text
    if isinstance(value, list):
        return head(_ARRAY, len(value)) + b"".join(map(write, value))
    if isinstance(value, dict):
        return head(_MAP, len(value)) + b"".join(write(key) + write(value[key]) for key in sorted(value))
    raise Refused(f"{type(value).__name__} cannot be written")


def head(major: int, number: int) -> bytes:
    require(0 <= number < 2**64, "a number beyond 64 bits")
    if number < 24:
        return bytes([major << 5 | number])
    for info, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if number < 1 << (8 * size):
            return bytes([major << 5 | info]) + number.to_bytes(size, "big")
    raise Refused("a number beyond 64 bits")
