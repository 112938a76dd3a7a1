"""The one CBOR map that is a message. Reads strictly and never repairs."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable
from dataclasses import dataclass

from . import cbor
from .cbor import Value
from .names import is_folded_nick
from .record import Place
from .refused import Refused, require

KIND, TIME, CONTENT, CONTENT_TYPE, REPLY_TO, COMPRESSION, CORRELATION, NICK, DELEGATION, HAND_OVER = range(1, 11)
APPLICATION_KEYS_FROM = 64

KINDS = ["text", "action", "reaction", "edit", "data", "request", "response", "notice", "card", "proof", "hand-over", "ack", "offer"]

INFLATED_BYTES_MAX = 65_536
DEFLATE = 1
PLAIN, JSON = 0, 1  # of the types of content, those that are text


@dataclass(frozen=True)
class Map:
    """A map that was read. `data` are its exact bytes: ids and signatures cover those."""

    data: bytes
    entries: dict[int, Value]

    @property
    def kind(self) -> int:
        kind = self.entries[KIND]
        assert isinstance(kind, int)
        return kind

    @property
    def time_ms(self) -> int:
        time_ms = self.entries[TIME]
        assert isinstance(time_ms, int)
        return time_ms

    @property
    def compressed(self) -> bool:
        return COMPRESSION in self.entries

    def content(self) -> str | bytes | None:
        """What is said, inflated. Compressed, a text is bytes as well: its type tells."""
        content = self.entries.get(CONTENT)
        assert content is None or isinstance(content, (str, bytes))
        if not self.compressed:
            return content
        require(self.entries[COMPRESSION] == DEFLATE, "content in an unknown compression")
        if not isinstance(content, bytes):
            raise Refused("compressed content is bytes")
        inflated = inflate(content)
        if not self._inflates_to_text():
            return inflated
        try:
            return inflated.decode("utf-8", "strict")
        except UnicodeDecodeError:
            raise Refused("a compressed text that is not UTF-8") from None

    def _inflates_to_text(self) -> bool:
        content_type = self.entries.get(CONTENT_TYPE, PLAIN)
        return content_type.startswith("text/") if isinstance(content_type, str) else content_type in (PLAIN, JSON)

    def unknown(self) -> dict[int, Value]:
        return {key: value for key, value in self.entries.items() if key not in _CHECKS}


def read(data: bytes, expiry: int) -> tuple[Map, int]:
    """The map `data` begins with, in a record of this expiry, and how many bytes it has."""
    entries, length = cbor.read(data)
    if not isinstance(entries, dict):
        raise Refused("not a map")
    require(KIND in entries and TIME in entries, "a map without kind or time")
    for key, value in entries.items():
        check = _CHECKS.get(key)
        if check is not None:
            require(check(value), f"key {key} has another type or length than the table says")
    found = Map(data[:length], entries)
    require(found.time_ms <= 1000 * expiry, "a time beyond the record's expiry")
    return found, length


def write(entries: dict[int, Value], expiry: int) -> Map:
    """A map of these entries; the same rules hold for it as for one that is read."""
    data = cbor.write(entries)
    found, length = read(data, expiry)
    require(length == len(data) and found.entries == entries, "entries that do not read back")
    return found


def deflate(content: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(content) + packer.flush()


def inflate(content: bytes) -> bytes:
    unpacker = zlib.decompressobj(-15)
    try:
        # One byte more than allowed is asked for, so that too much is seen and never held.
        plain = unpacker.decompress(content, INFLATED_BYTES_MAX + 1)
    except zlib.error:
        raise Refused("content that is no DEFLATE") from None
    require(len(plain) <= INFLATED_BYTES_MAX, "content that inflates to more than 65,536 bytes")
    require(unpacker.eof, "a DEFLATE stream that does not end")
    require(not unpacker.unused_data and not unpacker.unconsumed_tail, "bytes behind the DEFLATE stream")
    return plain


def id_with_author(network: int, author: bytes, map_bytes: bytes) -> bytes:
    return hashlib.sha256(b"PIP38 message v1\0" + bytes([network]) + author + map_bytes).digest()[:16]


def id_without_author(place: Place, said: bytes) -> bytes:
    """`said` is the map of form 01, or the body of the forms 06 and 07."""
    preimage = b"PIP38 message v1\0" + place.network_byte + bytes(32) + place.target + place.expiry_bytes + said
    return hashlib.sha256(preimage).digest()[:16]


def _is_uint(value: Value) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_bytes_of(length: int) -> Callable[[Value], bool]:
    return lambda value: isinstance(value, bytes) and len(value) == length


_CHECKS: dict[int, Callable[[Value], bool]] = {
    KIND: _is_uint,
    TIME: _is_uint,
    CONTENT: lambda value: isinstance(value, (str, bytes)),
    CONTENT_TYPE: lambda value: _is_uint(value) or isinstance(value, str),
    REPLY_TO: _is_bytes_of(8),
    COMPRESSION: _is_uint,
    CORRELATION: _is_bytes_of(8),
    NICK: lambda value: isinstance(value, str) and is_folded_nick(value),
    DELEGATION: lambda value: isinstance(value, bytes),
    HAND_OVER: _is_bytes_of(96),
}
