"""The record that travels, and the place a body stands in: docs/wire/record.md."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from .refused import Refused, require

MAIN, TEST = 0, 1
BODY_BYTES_MAX = 239
SECONDS_PER_DAY = 86_400


@dataclass(frozen=True)
class Place:
    """Where and until when a body stands: signatures and seals cover it."""

    network: int
    target: bytes
    expiry: int

    def __post_init__(self) -> None:
        require(self.network in (MAIN, TEST), "the network is 0 or 1")
        require(len(self.target) == 16, "a target has 16 bytes")
        require(0 <= self.expiry < 2**32, "an expiry is a u32")

    @property
    def network_byte(self) -> bytes:
        return bytes([self.network])

    @property
    def expiry_bytes(self) -> bytes:
        return self.expiry.to_bytes(4, "little")

    @property
    def day(self) -> int:
        return self.expiry // SECONDS_PER_DAY


@dataclass(frozen=True)
class Dated:
    """A dated record, taken apart. `coding` 1 is an envelope."""

    target: bytes
    body: bytes
    nonce: bytes
    expiry: int
    coding: int
    claimed_work: int
    reserved: int

    def place(self, network: int) -> Place:
        return Place(network, self.target, self.expiry)


def write_dated(place: Place, body: bytes, nonce: bytes, coding: int = 1, claimed_work: int = 0) -> bytes:
    require(len(body) <= BODY_BYTES_MAX, "the body is too long for one record")
    require(len(nonce) == 8, "a nonce has 8 bytes")
    require(0 <= coding <= 7 and 0 <= claimed_work <= 31, "coding has 3 bits, the claim 5")
    payload = body + nonce + place.expiry_bytes + bytes([claimed_work | coding << 5, 0]) + b"P8"
    sized = place.target + bytes([len(payload)]) + payload
    return hashlib.md5(b"PIP38v1" + sized, usedforsecurity=False).digest() + sized


def read_dated(record: bytes) -> Dated:
    require(len(record) >= 33 and len(record) == 33 + record[32], "the record has another length than it says")
    payload = record[33:]
    if len(payload) < 16 or payload[-2:] != b"P8":
        raise Refused("the record is plain")
    msg_id = hashlib.md5(b"PIP38v1" + record[16:], usedforsecurity=False).digest()
    require(msg_id == record[:16], "the record is plain: its id is not that of its bytes")
    return Dated(
        target=record[16:32],
        body=payload[:-16],
        nonce=payload[-16:-8],
        expiry=int.from_bytes(payload[-8:-4], "little"),
        coding=payload[-4] >> 5,
        claimed_work=payload[-4] & 0x1F,
        reserved=payload[-3],
    )


def raw_id(network: int, record: bytes) -> bytes:
    """The message id of what is no envelope: coding 0, and plain records."""
    return hashlib.sha256(b"PIP38 raw v1\0" + bytes([network]) + record).digest()[:16]
