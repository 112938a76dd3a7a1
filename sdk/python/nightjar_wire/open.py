"""What a body says, given what its target can mean to the reader. Looks up nothing and asks nobody."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from . import map as maps
from . import pascal, seals, sign
from .account_key import SecretKey
from .fragments import PART, Part
from .map import Map
from .record import Place
from .refused import Refused, require
from .seals import ChannelKey
from .sign import ChatSecret

ANONYMOUS, SIGNED, CHANNEL, FIRST, PAIR, ECIES, AES = range(1, 8)


class Outsider(Refused):
    """On a derived target: from somebody who saw the target and has no key. Counted, never shown."""


@dataclass(frozen=True)
class OpenChannel:
    passwords: tuple[bytes, ...] = ()


@dataclass(frozen=True)
class Own:
    """The MD5 of one's own nick or account."""

    chat: tuple[ChatSecret, ...] = ()
    accounts: tuple[SecretKey, ...] = ()
    passwords: tuple[bytes, ...] = ()


@dataclass(frozen=True)
class Channel:
    key: ChannelKey


@dataclass(frozen=True)
class Pair:
    """The target on which `other` sends to `own`."""

    own: ChatSecret
    other: bytes


Meaning = OpenChannel | Own | Channel | Pair


@dataclass(frozen=True)
class Message:
    id: bytes
    form: int  # the outer one
    author: bytes | None
    authenticated: bool  # signed, or sealed by a known key
    map: Map | None  # None in the forms 06 and 07
    text: str | None  # of the forms 06 and 07
    inner: bytes = field(default=b"", repr=False)  # the inner body of a seal, with its padding


def open_body(place: Place, body: bytes, meaning: Meaning) -> Message | Part:
    """Raises Refused for what is unreadable, and Outsider for what a derived target does not take."""
    form = body[0] if body else None
    if isinstance(meaning, (Channel, Pair)):
        if place.target != _derived_target(place, meaning):
            raise Outsider("a target of another day, or not of this key")
        if form == PART:
            return Part.read(place, body)
        if form != (CHANNEL if isinstance(meaning, Channel) else PAIR):
            raise Outsider("a form that this target does not take")
        return _in_channel(place, body, meaning) if isinstance(meaning, Channel) else _in_pair(place, body, meaning)
    require(bool(body), "an empty body")
    if form == PART:
        return Part.read(place, body)
    if form == ANONYMOUS:
        return _anonymous(place, form, body[1:], padded=False)
    if form == SIGNED:
        return _signed(place, form, form, body, padded=False)
    if form == FIRST and isinstance(meaning, Own):
        return _first(place, body, meaning)
    if form == ECIES and isinstance(meaning, Own):
        return _contained(place, body, [partial(pascal.ecies_open, key) for key in meaning.accounts])
    if form == AES:
        return _contained(place, body, [partial(pascal.aes_open, password) for password in meaning.passwords])
    raise Refused("a form that is unknown here")


def _derived_target(place: Place, meaning: Channel | Pair) -> bytes:
    if isinstance(meaning, Channel):
        require(meaning.key.network == place.network, "a channel of the other network")
        return meaning.key.target_of(place.day)
    return seals.pair_target(seals.pair_secret(place.network, meaning.own, meaning.other), place.day, meaning.own.public)


def _read_map(place: Place, data: bytes, padded: bool) -> Map:
    found, length = maps.read(data, place.expiry)
    rest = data[length:]
    if padded:
        require(not any(rest), "padding that is not zero")
    else:
        require(not rest, "bytes behind the map")
    return found


def _anonymous(place: Place, outer: int, data: bytes, padded: bool) -> Message:
    found = _read_map(place, data, padded)
    return Message(maps.id_without_author(place, found.data), outer, None, False, found, None)


def _signed(place: Place, outer: int, signed_as: int, inner: bytes, padded: bool) -> Message:
    require(len(inner) >= 97, "no room for author and signature")
    author, signature = inner[1:33], inner[33:97]
    found = _read_map(place, inner[97:], padded)
    require(sign.verify(author, signature, place, signed_as, found.data), "a signature that does not hold")
    return Message(maps.id_with_author(place.network, author, found.data), outer, author, True, found, None)


def _in_channel(place: Place, body: bytes, meaning: Channel) -> Message:
    try:
        inner = seals.channel_open(meaning.key, place, body)
    except Refused as why:
        raise Outsider(str(why)) from None
    require(inner[:1] in (b"\x01", b"\x02"), "inside a channel's seal are the forms 01 and 02 only")
    if inner[0] == ANONYMOUS:
        return _anonymous(place, CHANNEL, inner[1:], padded=True)
    return _signed(place, CHANNEL, CHANNEL, inner, padded=True)


def _from(place: Place, outer: int, sender: bytes, inner: bytes) -> Message:
    """The inside of 04 and 05: the author is the one who sealed it."""
    require(inner[:1] in (b"\x01", b"\x02"), "inside a direct seal are the forms 01 and 02 only")
    if inner[0] == SIGNED:
        message = _signed(place, outer, outer, inner, padded=True)
        require(message.author == sender, "the inner author is not the sender")
        return message
    found = _read_map(place, inner[1:], padded=True)
    return Message(maps.id_with_author(place.network, sender, found.data), outer, sender, True, found, None)


def _first(place: Place, body: bytes, meaning: Own) -> Message:
    reason = "no chat key to open it"
    for secret in meaning.chat:
        try:
            sender, inner = seals.first_open(place, secret, body)
        except Refused as why:
            reason = str(why)
            continue
        return _from(place, FIRST, sender, inner)
    raise Refused(reason)


def _in_pair(place: Place, body: bytes, meaning: Pair) -> Message:
    try:
        inner = seals.pair_open(place, meaning.own, meaning.other, body)
    except Refused as why:
        raise Outsider(str(why)) from None
    return _from(place, PAIR, meaning.other, inner)


def _contained(place: Place, body: bytes, ways: list[Callable[[bytes], bytes]]) -> Message:
    reason = "no key or password to open it"
    for way in ways:
        try:
            text = way(body[1:]).decode("utf-8", "strict")
        except UnicodeDecodeError:
            reason = "a text that is not UTF-8"
            continue
        except Refused as why:
            reason = str(why)
            continue
        return Message(maps.id_without_author(place, body), body[0], None, False, None, text)
    raise Refused(reason)
