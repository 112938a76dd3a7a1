"""`python -m nightjar_wire.check`: one JSON object on each line of stdin, one answer on each line of stdout.

For tests of other implementations in both directions. Secrets stand in the lines, so it is nothing to be used with real keys.
The README describes the lines.
"""

from __future__ import annotations

import json
import secrets
import sys
from functools import lru_cache
from typing import Any

from . import delegation, fragments, hpke, pascal, seals, sign
from . import map as maps
from . import open as opening
from .account_key import PublicKey, SecretKey, curve_of_name
from .as_json import entries_from_json, line, said
from .fragments import Part
from .record import MAIN, Place, read_dated
from .refused import Refused, require
from .seals import ChannelKey
from .sign import ChatSecret

Ask = dict[str, Any]
Answer = dict[str, Any]


def main() -> None:
    # JSON is UTF-8, whatever the locale; a line that is not is no request.
    for data in sys.stdin.buffer:
        text = data.decode("utf-8", "replace")
        if text.strip():
            sys.stdout.buffer.write(line(answer(text)).encode("utf-8", "backslashreplace") + b"\n")
            sys.stdout.buffer.flush()


def answer(text: str) -> Answer:
    """Never raises: a line that is no request is answered with `error`."""
    try:
        ask = json.loads(text)
        do = _DOES.get(ask.get("do"))
        if do is None:
            return {"error": f"do one of {', '.join(_DOES)}"}
        return {"ok": True, **do(ask)}
    except opening.Outsider as why:
        return {"ok": False, "outcome": "outsider", "reason": str(why)}
    except Refused as why:
        return {"ok": False, "outcome": "unreadable", "reason": str(why)}
    except (KeyError, ValueError, TypeError, AttributeError, OverflowError, RecursionError) as why:
        return {"error": f"{type(why).__name__}: {why}"}


# --- reading ---------------------------------------------------------------------------------------------------


def _open(ask: Ask) -> Answer:
    if "record" in ask and not _is_envelope(ask) and set(ask["meaning"]) & {"channel", "pair"}:
        raise opening.Outsider("no envelope")
    place, body = _place_and_body(ask)
    found = opening.open_body(place, body, _meaning(place.network, ask["meaning"]))
    if isinstance(found, Part):
        return {"part": {"set": found.set.hex(), "index": found.index, "count": found.count, "hash": found.hash.hex()}}
    out: Answer = {
        "id": found.id.hex(),
        "form": found.form,
        "author": found.author.hex() if found.author else None,
        "authenticated": found.authenticated,
    }
    if found.map is None:
        return out | {"text": found.text}
    return out | {"map": found.map.data.hex()} | _says(found.map)


def _says(found: maps.Map) -> Answer:
    try:
        return {"says": said(found)}
    except Refused as why:
        return {"content_unreadable": str(why)}


def _read_map(ask: Ask) -> Answer:
    data = _hex(ask, "map")
    found, length = maps.read(data, ask["expiry"])
    require(length == len(data), "bytes behind the map")
    return _says(found)


def _join(ask: Ask) -> Answer:
    place = _place(ask)
    place, body = fragments.joined(Part.read(place, bytes.fromhex(part)) for part in ask["parts"])
    return {"body": body.hex()}


def _read_delegation(ask: Ask) -> Answer:
    author = _hex(ask, "author") if ask.get("author") else None
    draft = delegation.read(ask["network"], author, _hex(ask, "delegation")).draft
    return {
        "account": draft.account,
        "scope": draft.scope,
        "issued": draft.issued,
        "until": draft.until,
        "name": draft.name,
        "curve": draft.key.curve.name,
        "raw_key": draft.key.raw().hex(),
        "chat_key": draft.chat_key.hex(),
        "digest": draft.digest().hex(),
    }


# --- making ----------------------------------------------------------------------------------------------------


def _make(ask: Ask) -> Answer:
    return _MAKES[ask["form"]](ask)


def _make_clear(ask: Ask) -> Answer:
    place = _place(ask)
    inner, found, author = _inner(ask, place, sign.CLEAR)
    return _made(place, inner, found, author.public if author else None)


def _make_channel(ask: Ask) -> Answer:
    key = _channel_key(ask["network"], ask["channel"])
    place = _place(ask, key.target_of(ask["expiry"] // 86_400))
    inner, found, author = _inner(ask, place, sign.CHANNEL)
    body = seals.channel_seal(key, place, _chance(ask, "nonce", 16), seals.pad(sign.CHANNEL, inner))
    return _made(place, body, found, author.public if author else None)


def _make_first(ask: Ask) -> Answer:
    sender, place = ChatSecret(_hex(ask, "sender")), _place(ask)
    inner, found, _ = _inner(ask, place, sign.FIRST)
    ephemeral_a, ephemeral_b = _chance(ask, "ephemeral_a", 32), _chance(ask, "ephemeral_b", 32)
    padded = seals.pad(sign.FIRST, inner)
    body = seals.first_seal(place, sender, _hex(ask, "recipient"), ephemeral_a, ephemeral_b, padded)
    return _made(place, body, found, sender.public)


def _make_pair(ask: Ask) -> Answer:
    sender, recipient = ChatSecret(_hex(ask, "sender")), _hex(ask, "recipient")
    secret = seals.pair_secret(ask["network"], sender, recipient)
    place = _place(ask, seals.pair_target(secret, ask["expiry"] // 86_400, recipient))
    inner, found, _ = _inner(ask, place, sign.PAIR)
    body = seals.pair_seal(place, sender, recipient, _chance(ask, "ephemeral_b", 32), seals.pad(sign.PAIR, inner))
    return _made(place, body, found, sender.public)


def _make_ecies(ask: Ask) -> Answer:
    place, recipient = _place(ask), PublicKey.from_raw(_hex(ask, "raw_key"))
    curve = recipient.curve
    if "ephemeral_scalar" in ask:
        scalar = int(ask["ephemeral_scalar"], 16)
    else:
        scalar = 1 + secrets.randbelow(curve.order - 1)
    body = bytes([opening.ECIES]) + pascal.ecies_seal(recipient, SecretKey(curve, scalar), ask["text"].encode())
    return _contained(place, body)


def _make_aes(ask: Ask) -> Answer:
    place = _place(ask)
    body = pascal.aes_seal(ask["password"].encode(), _chance(ask, "salt", 8), ask["text"].encode())
    return _contained(place, bytes([opening.AES]) + body)


_MAKES = {1: _make_clear, 2: _make_clear, 3: _make_channel, 4: _make_first, 5: _make_pair, 6: _make_ecies, 7: _make_aes}


def _inner(ask: Ask, place: Place, outer: int) -> tuple[bytes, maps.Map, ChatSecret | None]:
    """Form 02 when the ask has an `author`, else 01."""
    if "map" in ask:
        found, _ = maps.read(_hex(ask, "map"), place.expiry)
    else:
        found = maps.write(entries_from_json(ask["entries"]), place.expiry)
    if "author" not in ask:
        return bytes([opening.ANONYMOUS]) + found.data, found, None
    author = ChatSecret(_hex(ask, "author"))
    signature = sign.sign(author, place, outer, found.data)
    return bytes([opening.SIGNED]) + author.public + signature + found.data, found, author


def _made(place: Place, body: bytes, found: maps.Map, author: bytes | None) -> Answer:
    if author is None:
        message_id = maps.id_without_author(place, found.data)
    else:
        message_id = maps.id_with_author(place.network, author, found.data)
    return {"target": place.target.hex(), "body": body.hex(), "map": found.data.hex(), "id": message_id.hex()}


def _contained(place: Place, body: bytes) -> Answer:
    return {"target": place.target.hex(), "body": body.hex(), "id": maps.id_without_author(place, body).hex()}


def _cut(ask: Ask) -> Answer:
    return {"parts": [part.hex() for part in fragments.cut(_place(ask), _hex(ask, "body"))]}


def _delegate(ask: Ask) -> Answer:
    key = SecretKey(curve_of_name(ask["curve"]), int(ask["scalar"], 16))
    draft = delegation.Draft(
        ask["network"], ask["account"], ask["scope"], ask["issued"], ask["until"], ask.get("name", ""), key.public, _hex(ask, "chat_key")
    )  # fmt: skip
    made = delegation.make(draft, key)
    return {"delegation": made.write().hex(), "issued": made.draft.issued, "until": made.draft.until, "digest": made.draft.digest().hex()}


def _hand_over(ask: Ask) -> Answer:
    return {"value": sign.hand_over(ask["network"], _hex(ask, "old"), ChatSecret(_hex(ask, "new"))).hex()}


def _hand_over_holds(ask: Ask) -> Answer:
    return {"holds": sign.hand_over_holds(ask["network"], _hex(ask, "old"), _hex(ask, "value"))}


_DOES = {
    "open": _open,
    "map": _read_map,
    "make": _make,
    "cut": _cut,
    "join": _join,
    "delegate": _delegate,
    "delegation": _read_delegation,
    "hand_over": _hand_over,
    "hand_over_holds": _hand_over_holds,
}


# --- the members of a line -------------------------------------------------------------------------------------


def _hex(ask: Ask, name: str) -> bytes:
    return bytes.fromhex(ask[name])


def _chance(ask: Ask, name: str, length: int) -> bytes:
    """Given in a test that compares bytes; drawn otherwise."""
    return _hex(ask, name) if name in ask else secrets.token_bytes(length)


def _place(ask: Ask, derived: bytes | None = None) -> Place:
    target = _hex(ask, "target") if derived is None or "target" in ask else derived
    return Place(ask["network"], target, ask["expiry"])


def _place_and_body(ask: Ask) -> tuple[Place, bytes]:
    if "record" not in ask:
        return _place(ask), _hex(ask, "body")
    require(_is_envelope(ask), "no envelope")
    dated = read_dated(_hex(ask, "record"))
    return dated.place(ask.get("network", MAIN)), dated.body


def _is_envelope(ask: Ask) -> bool:
    try:
        dated = read_dated(_hex(ask, "record"))
    except Refused:
        return False
    return dated.coding == 1 and dated.reserved == 0


def _meaning(network: int, meaning: Ask) -> opening.Meaning:
    ((kind, keys),) = meaning.items()
    if kind == "open":
        return opening.OpenChannel(_passwords(keys))
    if kind == "own":
        chat = tuple(ChatSecret(bytes.fromhex(seed)) for seed in keys.get("chat", []))
        accounts = tuple(SecretKey(curve_of_name(key["curve"]), int(key["scalar"], 16)) for key in keys.get("accounts", []))
        return opening.Own(chat, accounts, _passwords(keys))
    if kind == "channel":
        return opening.Channel(_channel_key(network, keys))
    if kind == "pair":
        return opening.Pair(ChatSecret(_hex(keys, "own")), _hex(keys, "other"))
    raise ValueError("a meaning is open, own, channel or pair")


def _passwords(keys: Ask) -> tuple[bytes, ...]:
    return tuple(password.encode() for password in keys.get("passwords", []))


def _channel_key(network: int, keys: Ask) -> ChannelKey:
    if "root" in keys:
        root = _hex(keys, "root")
        return ChannelKey(network, root, hpke.hkdf(root, b"seal"), hpke.hkdf(root, b"target"))
    return _derived(network, keys["name"], keys["passphrase"])


@lru_cache(maxsize=64)
def _derived(network: int, name: str, passphrase: str) -> ChannelKey:
    """Kept, since Argon2 takes 64 MiB and a tenth of a second each time."""
    return seals.channel_key(network, name, passphrase)


if __name__ == "__main__":
    main()
