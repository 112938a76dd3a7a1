"""Form 08: a body too long for one record, cut into parts that name each other by hash. Asks for nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from .record import Place
from .refused import Refused, require

PART = 8
CHUNK = 210
PARTS_MIN, PARTS_MAX = 2, 312
_HEAD = 1 + 8 + 2 + 2 + 16


@dataclass(frozen=True)
class Part:
    place: Place
    set: bytes
    index: int
    count: int
    next: bytes
    chunk: bytes

    @staticmethod
    def read(place: Place, body: bytes) -> Part:
        """Checks all that one part shows by itself."""
        require(len(body) > _HEAD and body[0] == PART, "no room for a part")
        part = Part(place, body[1:9], int.from_bytes(body[9:11], "little"), int.from_bytes(body[11:13], "little"), body[13:29], body[29:])
        require(PARTS_MIN <= part.count <= PARTS_MAX, "a body has 2 to 312 parts")
        require(part.index < part.count, "an index beyond the count")
        last = part.index == part.count - 1
        require(len(part.chunk) <= CHUNK and (last or len(part.chunk) == CHUNK), "a chunk of another length")
        require((part.next == bytes(16)) == last, "the last part has no next, and only the last")
        require(part.index > 0 or part.set == part.hash[:8], "a head that is not the head of its set")
        return part

    @property
    def hash(self) -> bytes:
        counts = self.index.to_bytes(2, "little") + self.count.to_bytes(2, "little")
        place = self.place.network_byte + self.place.target + self.place.expiry_bytes
        return hashlib.sha256(b"PIP38 part v1\0" + place + counts + self.next + self.chunk).digest()[:16]

    def write(self) -> bytes:
        counts = self.index.to_bytes(2, "little") + self.count.to_bytes(2, "little")
        return bytes([PART]) + self.set + counts + self.next + self.chunk


def cut(place: Place, body: bytes) -> list[bytes]:
    """The bodies of the parts, first to last. They are made from the last to the first."""
    chunks = [body[at : at + CHUNK] for at in range(0, len(body), CHUNK)]
    require(PARTS_MIN <= len(chunks) <= PARTS_MAX, "a body that is cut has 211 to 65,520 bytes")
    require(body[0] != PART, "a part is not cut again")
    parts: list[Part] = []
    following = bytes(16)
    for index in reversed(range(len(chunks))):
        parts.insert(0, Part(place, bytes(8), index, len(chunks), following, chunks[index]))
        following = parts[0].hash
    name = following[:8]
    return [Part(place, name, part.index, part.count, part.next, part.chunk).write() for part in parts]


def join(parts: Iterable[Part]) -> list[tuple[Place, bytes]]:
    """All bodies that are whole among these parts: from each head on, along `next`."""
    known = {(part.place, part.set, part.hash): part for part in parts}
    whole = []
    for head in known.values():
        if head.index != 0:
            continue
        body, part = head.chunk, head
        while part.index < part.count - 1:
            following = known.get((part.place, part.set, part.next))
            if following is None or (following.index, following.count) != (part.index + 1, part.count):
                break
            body, part = body + following.chunk, following
        else:
            if body[0] != PART:
                whole.append((head.place, body))
    return whole


def joined(parts: Iterable[Part]) -> tuple[Place, bytes]:
    whole = join(parts)
    if len(whole) != 1:
        raise Refused("the parts do not make one whole body")
    return whole[0]
