"""Key 9 of a proof: an account's key lets a chat key speak for it. Whether the chain agrees is asked elsewhere."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

from .account_key import PublicKey, SecretKey, curve_of_code
from .names import is_account_name
from .refused import Refused, require
from .sign import may_sign

VERSION = 1
REVOKE, SPEAK, OFFER, SERVE = 0, 1, 2, 4
SECONDS_MAX = 90 * 86_400
ISSUED_AHEAD_MAX = 3_600
_SCOPES = SPEAK | OFFER | SERVE
_SKIP_BELOW = 0x10


@dataclass(frozen=True)
class Draft:
    """The fields that are signed."""

    network: int
    account: int
    scope: int
    issued: int
    until: int
    name: str
    key: PublicKey
    chat_key: bytes

    def digest(self) -> bytes:
        name = self.name.encode("ascii")
        return hashlib.sha256(
            b"PascalCoin PIP-0038 delegation v1\n"
            + bytes([self.network, VERSION])
            + self.account.to_bytes(4, "little")
            + bytes([self.scope])
            + self.issued.to_bytes(4, "little")
            + self.until.to_bytes(4, "little")
            + bytes([len(name)])
            + name
            + hashlib.sha256(self.key.raw()).digest()
            + self.chat_key
            + b"\xff"
        ).digest()

    def check(self) -> None:
        require(self.network in (0, 1) and len(self.chat_key) == 32, "no network or chat key")
        numbers = (self.account, self.issued, self.until)
        require(all(0 <= number < 2**32 for number in numbers), "a number that is no u32")
        require(self.scope & ~_SCOPES == 0, "a scope with unknown bits")
        require(self.issued < self.until <= self.issued + SECONDS_MAX, "not for 1 second to 90 days")
        require(self.name == "" or is_account_name(self.name), "not a name an account can have")

    def passes_skip_rule(self) -> bool:
        return min(self.digest()[:4]) >= _SKIP_BELOW

    def bumped(self) -> Draft:
        """The draft that may be signed: `issued` is raised until the digest cannot be read as an operation.

        A revocation's `until` moves along, since it is always issued + 90 days; a delegation's stays.
        """
        draft = self
        draft.check()
        while not draft.passes_skip_rule():
            until = draft.until + 1 if draft.scope == REVOKE else draft.until
            draft = replace(draft, issued=draft.issued + 1, until=until)
            draft.check()
        return draft


@dataclass(frozen=True)
class Delegation:
    draft: Draft
    r: int
    s: int

    @property
    def is_revocation(self) -> bool:
        return self.draft.scope == REVOKE

    def write(self) -> bytes:
        draft, size = self.draft, self.draft.key.curve.field_bytes
        name = draft.name.encode("ascii")
        return (
            bytes([VERSION])
            + draft.account.to_bytes(4, "little")
            + bytes([draft.scope])
            + draft.issued.to_bytes(4, "little")
            + draft.until.to_bytes(4, "little")
            + bytes([draft.key.curve.code, len(name)])
            + name
            + draft.key.point()
            + self.r.to_bytes(size, "big")
            + self.s.to_bytes(size, "big")
            + (draft.chat_key if self.is_revocation else b"")
        )

    def counts_at(self, now: int) -> bool:
        """Within its time. A revocation counts for good once it was issued."""
        if self.draft.issued > now + ISSUED_AHEAD_MAX:
            return False
        return self.is_revocation or now < self.draft.until


def make(draft: Draft, key: SecretKey) -> Delegation:
    """Bumps `issued` where the skip rule asks for it, and signs."""
    require(draft.key == key.public, "the draft names another key")
    draft = draft.bumped()
    return Delegation(draft, *key.sign(draft.digest()))


def revocation(network: int, account: int, issued: int, name: str, key: SecretKey, chat_key: bytes) -> Delegation:
    return make(Draft(network, account, REVOKE, issued, issued + SECONDS_MAX, name, key.public, chat_key), key)


def read(network: int, author: bytes | None, data: bytes) -> Delegation:
    """Reads and verifies. `author` is who signed the proof it stands in; only a revocation needs none."""
    require(len(data) >= 16, "cut short")
    require(data[0] == VERSION, "an unknown version")
    scope, name_length = data[5], data[15]
    curve = curve_of_code(data[14])
    require(name_length <= 64, "a name longer than 64")
    size = curve.field_bytes
    expected = 16 + name_length + 1 + size + 2 * size + (32 if scope == REVOKE else 0)
    require(len(data) == expected, "another length than its fields say")
    at = 16 + name_length
    try:
        name = data[16:at].decode("ascii")
    except UnicodeDecodeError:
        raise Refused("not a name an account can have") from None
    key = PublicKey.from_point(curve, data[at : at + 1 + size])
    at += 1 + size
    r, s = int.from_bytes(data[at : at + size], "big"), int.from_bytes(data[at + size : at + 2 * size], "big")
    require(0 < r < curve.order and 0 < s < curve.order, "r or s outside the order")
    chat_key = data[at + 2 * size :] if scope == REVOKE else author
    if chat_key is None:
        raise Refused("a delegation without an author who is its chat key")
    require(may_sign(chat_key), "a chat key that nobody can sign with")
    numbers = [int.from_bytes(data[start : start + 4], "little") for start in (1, 6, 10)]
    draft = Draft(network, numbers[0], scope, numbers[1], numbers[2], name, key, chat_key)
    draft.check()
    require(draft.passes_skip_rule(), "a digest that the skip rule forbids")
    require(key.verify(draft.digest(), r, s), "a signature that does not hold")
    return Delegation(draft, r, s)


def ends(revoked: Delegation, other: Delegation) -> bool:
    """Whether the first, a revocation, ends the second."""
    a, b = revoked.draft, other.draft
    return (
        revoked.is_revocation
        and not other.is_revocation
        and (a.network, a.account, a.chat_key, a.key) == (b.network, b.account, b.chat_key, b.key)
        and b.issued <= a.issued
    )
