"""Names and their targets: docs/wire/record.md, section 2. Never asks a network what a name means."""

from __future__ import annotations

import hashlib
import re
import unicodedata

from .refused import Refused, require

_NICK = re.compile(r"[a-z_\[\]\\^{}|][a-z0-9_\[\]\\^{}|-]{2,31}")
_ACCOUNT = re.compile(r"(0|[1-9][0-9]{0,9})-([0-9]{2})")
_ACCOUNT_NAME = re.compile(r"[a-z!@#$%^&*()\-+{}\[\]\\_:\"|<>,.?/~][a-z0-9!@#$%^&*()\-+{}\[\]\\_:\"|<>,.?/~]{2,63}")
_UPPER_TO_LOWER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}


def fold(text: str) -> str:
    """A-Z become a-z; nothing else changes."""
    return text.translate(_UPPER_TO_LOWER)


def is_folded_nick(text: str) -> bool:
    return _NICK.fullmatch(text) is not None


def nick(typed: str) -> str:
    name = fold(typed.removeprefix("@"))
    require(is_folded_nick(name), "not a nick")
    return name


def channel(typed: str) -> str:
    require(typed.startswith("#"), "a channel begins with #")
    require(1 <= len(typed[1:].encode()) <= 63, "a channel has 1 to 63 bytes behind the #")
    require(all(unicodedata.category(c)[0] not in "CZ" and c != "," for c in typed), "a character no channel can have")
    name = fold(typed)
    for form in (typed, name):
        require(unicodedata.is_normalized("NFC", form), "a channel is in composed form (NFC)")
    return name


def account(text: str) -> int:
    found = _ACCOUNT.fullmatch(text)
    if found is None:
        raise Refused("not an account")
    number = int(found[1])
    require(number < 2**32 and int(found[2]) == checksum(number), "no such account number")
    return number


def checksum(number: int) -> int:
    return number * 101 % 89 + 10


def account_text(number: int) -> str:
    return f"{number}-{checksum(number)}"


def is_account_name(text: str) -> bool:
    """A name of an account on PascalCoin's chain."""
    return _ACCOUNT_NAME.fullmatch(text) is not None


def target_of(name: str) -> bytes:
    return hashlib.md5(name.encode(), usedforsecurity=False).digest()
