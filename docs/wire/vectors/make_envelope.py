#!/usr/bin/env python3
"""Makes envelope.json, seals.json, fragments.json, delegation.json and refused.json by the second implementation in sdk/python.

    python3 make_envelope.py [FOLDER]       writes the five files (into this folder, unless told otherwise)

Not a line of Nightjar's Rust code takes part. All keys, nonces and salts come from the SHA-256 of a label, so every run writes the same bytes.
docs/wire/envelope.md says what the members of the objects mean.
"""

import hashlib
import json
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[2] / "sdk" / "python"))

from nightjar_wire import account_key, cbor, delegation, fragments, hpke, pascal, seals, sign  # noqa: E402
from nightjar_wire import map as maps  # noqa: E402
from nightjar_wire import open as opening  # noqa: E402
from nightjar_wire.names import target_of  # noqa: E402
from nightjar_wire.record import Place, write_dated  # noqa: E402
from nightjar_wire.refused import Refused  # noqa: E402

NOON = 1_800_000_000  # 2027-01-15 08:00:00 UTC
EXPIRY = NOON + 600
TIME_MS = NOON * 1000 + 123
MAIN, TEST = 0, 1


def chance(label, length=32):
    out, count = b"", 0
    while len(out) < length:
        out += hashlib.sha256(f"nightjar vectors {label} {count}".encode()).digest()
        count += 1
    return out[:length]


ALICE, BOB, CAROL = (sign.ChatSecret(chance(who)) for who in ("alice", "bob", "carol"))
PEOPLE = {"alice": ALICE, "bob": BOB, "carol": CAROL}
SEEDS = {who: chance(who) for who in PEOPLE}
ACCOUNTS = {
    curve.name: account_key.SecretKey(curve, 1 + int.from_bytes(chance(curve.name, 80), "big") % (curve.order - 1))
    for curve in account_key.CURVES
}
SCALARS = {
    curve.name: 1 + int.from_bytes(chance(curve.name, 80), "big") % (curve.order - 1) for curve in account_key.CURVES
}

CHANNEL = "#pascalcoin"
OPEN = Place(MAIN, target_of(CHANNEL), EXPIRY)
TO_BOB = Place(MAIN, target_of("bob-the-bird"), EXPIRY)

# Compressed once and written down: other versions of zlib pack the same content into other bytes.
LONG_TEXT = "A flood is a flood is a flood. " * 40
LONG_DEFLATED = bytes.fromhex("735448cbc9cf4f51c82c5648c460ea29388e4a8f4a8f4a8f4a0f356900")
NOTHING_DEFLATED = bytes.fromhex("0300")
ZEROS_DEFLATED = bytes.fromhex(
    "edc101010000008090feafee080a0000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
    "000000000000006a"
)
ZEROS_ONE_MORE_DEFLATED = bytes.fromhex(
    "edc101010000008220ffafae21400100000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
    "00000000000000c00d"
)


def place_of(place):
    return {"network": place.network, "target": place.target.hex(), "expiry": place.expiry}


def people():
    return {
        who: {
            "seed": SEEDS[who].hex(),
            "public": secret.public.hex(),
            "x25519_secret": secret.x25519_secret().hex(),
            "x25519_public": seals.x25519_public(secret.public).hex(),
        }
        for who, secret in PEOPLE.items()
    }


def account_keys():
    return {
        name: {
            "scalar": f"{SCALARS[name]:x}",
            "raw": key.public.raw().hex(),
            "point": key.public.point().hex(),
        }
        for name, key in ACCOUNTS.items()
    }


# --- what a map says, as JSON ----------------------------------------------------------------------------------


def value_of(value):
    if isinstance(value, bytes):
        return {"bytes": value.hex()}
    if isinstance(value, list):
        return {"array": [value_of(item) for item in value]}
    if isinstance(value, dict):
        return {"map": {str(key): value_of(item) for key, item in value.items()}}
    return value


def said(found):
    entries = found.entries
    out = {"kind": found.kind, "time_ms": found.time_ms}
    content = found.content()
    if content is not None:
        out["content"] = value_of(content)
    if found.compressed:
        out["compressed"] = True
    for key, name in ((4, "content_type"), (8, "nick")):
        if key in entries:
            out[name] = entries[key]
    for key, name in ((5, "reply_to"), (7, "correlation"), (9, "delegation"), (10, "hand_over")):
        if key in entries:
            out[name] = entries[key].hex()
    unknown = found.unknown()
    if unknown:
        out["unknown"] = {str(key): value_of(value) for key, value in unknown.items()}
    return out


def clear(what, place, entries, author=None):
    """A body of form 01 or 02, and all that is said about it."""
    found = maps.write(entries, place.expiry)
    out = {"what": what, **place_of(place)}
    if author is None:
        body = b"\x01" + found.data
        message_id = maps.id_without_author(place, found.data)
    else:
        signature = sign.sign(author, place, sign.CLEAR, found.data)
        body = b"\x02" + author.public + signature + found.data
        message_id = maps.id_with_author(place.network, author.public, found.data)
        out |= {"author": author.public.hex(), "signature": signature.hex()}
    opened = opening.open_body(place, body, opening.OpenChannel())
    assert opened.id == message_id and opened.map.data == found.data
    out |= {"form": body[0], "map": found.data.hex(), "body": body.hex()}
    if len(body) <= 239:
        out["record"] = write_dated(place, body, chance(what, 8)).hex()
    return out | {"id": message_id.hex(), "says": said(found)}


def envelope():
    earlier = bytes.fromhex("00112233445566778899aabbccddeeff")[:8]
    correlation = bytes.fromhex("c0ffee0000000001")
    kinds = []
    for kind, name in enumerate(maps.KINDS):
        entries = {1: kind, 2: TIME_MS + kind}
        if name in ("text", "action", "edit", "notice"):
            entries[3] = f"a {name}, ä and 🐦"
        if name == "reaction":
            entries[3] = "👍"
        if name in ("reaction", "edit", "ack"):
            entries[5] = earlier
        if name == "data":
            entries |= {3: b"\x00\x01\xfe\xff", 4: 3}
        if name in ("request", "response"):
            entries |= {3: b"\xa1\x01\x02", 4: 2, 7: correlation}
        if name == "card":
            entries |= {3: "I keep a node", 8: "alice[night]"}
        if name == "proof":
            draft = delegation.Draft(
                MAIN, 1234, delegation.SPEAK, NOON, NOON + 7_776_000, "", ACCOUNTS["secp256k1"].public, ALICE.public
            )
            entries[9] = delegation.make(draft, ACCOUNTS["secp256k1"]).write()
        if name == "hand-over":
            entries[10] = sign.hand_over(MAIN, ALICE.public, BOB)
        if name == "offer":
            entries[3] = '{"sell":"1234-44"}'
        kinds.append(clear(f"kind {kind}, {name}, signed in clear", OPEN, entries, ALICE))
    longest = {222: None, 126: ALICE}
    assert maps.inflate(LONG_DEFLATED) == LONG_TEXT.encode() and maps.inflate(NOTHING_DEFLATED) == b""
    cases = [
        clear("the shortest map, anonymous: kind and a time of 0", OPEN, {1: 0, 2: 0}),
        clear("the same map in another target has another id, as it has no author", TO_BOB, {1: 0, 2: 0}),
        clear("anonymous text", OPEN, {1: 0, 2: TIME_MS, 3: "hello"}),
        clear("signed text", OPEN, {1: 0, 2: TIME_MS, 3: "hello"}, ALICE),
        clear("the same on the test network: other signature, other id", Place(TEST, OPEN.target, EXPIRY), {1: 0, 2: TIME_MS, 3: "hello"}, ALICE),
        clear("the same under another date: other signature, same id", Place(MAIN, OPEN.target, EXPIRY + 86_400), {1: 0, 2: TIME_MS, 3: "hello"}, ALICE),
        clear("the same to another target: other signature, same id", TO_BOB, {1: 0, 2: TIME_MS, 3: "hello"}, ALICE),
        clear("the same by another author: other id", OPEN, {1: 0, 2: TIME_MS, 3: "hello"}, BOB),
        *kinds,
        *(
            clear(f"the longest text of one record, {length} bytes, {'signed' if who else 'anonymous'}", OPEN, {1: 0, 2: TIME_MS, 3: "x" * length}, who)
            for length, who in longest.items()
        ),
        clear("a signed reply, 116 bytes of text", OPEN, {1: 0, 2: TIME_MS, 3: "y" * 116, 5: earlier}, BOB),
        clear("a time of exactly 1000 x expiry", OPEN, {1: 0, 2: 1000 * EXPIRY, 3: "on time"}, ALICE),
        clear("empty text", OPEN, {1: 0, 2: TIME_MS, 3: ""}, ALICE),
        clear("text that is 24 bytes long, where a head grows", OPEN, {1: 0, 2: TIME_MS, 3: "z" * 24}),
        clear("compressed text, too long for one record otherwise", OPEN, {1: 0, 2: TIME_MS, 3: LONG_DEFLATED, 6: 1}, ALICE),
        clear("compressed to nothing", OPEN, {1: 0, 2: TIME_MS, 3: NOTHING_DEFLATED, 6: 1}, ALICE),
        clear("compressed to 65,536 zero bytes, the most", OPEN, {1: 4, 2: TIME_MS, 3: ZEROS_DEFLATED, 4: 3, 6: 1}, ALICE)
        | {"says": {"kind": 4, "time_ms": TIME_MS, "content_sha256": hashlib.sha256(bytes(65_536)).hexdigest(), "content_type": 3, "compressed": True}},
        clear("data of a media type", OPEN, {1: 4, 2: TIME_MS, 3: b"<svg/>", 4: "image/svg+xml"}, ALICE),
        clear("an unknown kind is kept", OPEN, {1: 1_000_000, 2: TIME_MS, 3: "from the future"}, ALICE),
        clear("the greatest kind", OPEN, {1: 2**64 - 1, 2: TIME_MS}, ALICE),
        clear(
            "unknown keys with values of each type are kept",
            OPEN,
            {1: 0, 2: TIME_MS, 3: "more", 11: True, 12: False, 23: None, 24: -1, 25: -(2**64), 63: b"\x01", 64: [1, [2, [3]]], 255: {0: {0: {}}}, 256: "", 65_536: 2**64 - 1, 2**64 - 1: 0},
            ALICE,
        ),
        clear("32 entries, the most", OPEN, {1: 0, 2: TIME_MS} | {100 + key: 0 for key in range(30)}),
        clear("a key of the table that means nothing to this kind is carried", OPEN, {1: 0, 2: TIME_MS, 3: "x", 8: "carol", 9: b"\x01"}, CAROL),
    ]  # fmt: skip
    hand_over = sign.hand_over(MAIN, ALICE.public, BOB)
    return {
        "about": "Forms 01 and 02, maps, ids, signatures. docs/wire/envelope.md, section 9, says what each member means.",
        "people": people(),
        "cases": cases,
        "hand_over": {
            "what": "key 10: alice's identity goes on as bob's",
            "network": MAIN,
            "old": ALICE.public.hex(),
            "value": hand_over.hex(),
            "signed": sign.hand_over_message(MAIN, ALICE.public, BOB.public).hex(),
        },
    }


# --- seals -----------------------------------------------------------------------------------------------------

PASSPHRASES = [
    ("night flight", MAIN, "#nightflight"),
    ("night flight", TEST, "#nightflight"),
    (" nothing is trimmed ", MAIN, "#nightflight"),
    ("e\u0301té", MAIN, "#Ärger"),
]
_channel_keys = {}


def channel_key(index):
    if index not in _channel_keys:
        passphrase, network, name = PASSPHRASES[index]
        _channel_keys[index] = seals.channel_key(network, name, passphrase)
    return _channel_keys[index]


def channels():
    out = []
    for index, (passphrase, network, name) in enumerate(PASSPHRASES):
        key = channel_key(index)
        out.append(
            {
                "network": network,
                "name": name,
                "passphrase": passphrase,
                "salt": seals.channel_salt(network, name).hex(),
                "root": key.root.hex(),
                "seal_key": key.seal.hex(),
                "target_key": key.target.hex(),
                "targets": {str(day): key.target_of(day).hex() for day in (0, EXPIRY // 86_400 - 1, EXPIRY // 86_400)},
            }
        )
    return out


def pairs():
    out = []
    for network, own, other in ((MAIN, "alice", "bob"), (TEST, "alice", "bob"), (MAIN, "bob", "carol")):
        secret = seals.pair_secret(network, PEOPLE[own], PEOPLE[other].public)
        assert secret == seals.pair_secret(network, PEOPLE[other], PEOPLE[own].public)
        out.append(
            {
                "network": network,
                "between": [own, other],
                "secret": secret.hex(),
                "targets": [
                    {"day": day, "to": to, "target": seals.pair_target(secret, day, PEOPLE[to].public).hex()}
                    for day in (EXPIRY // 86_400 - 1, EXPIRY // 86_400)
                    for to in (own, other)
                ],
            }
        )
    return out


def channel_place(index=0, expiry=EXPIRY):
    return Place(PASSPHRASES[index][1], channel_key(index).target_of(expiry // 86_400), expiry)


def pair_place(network, sender, recipient, expiry=EXPIRY):
    secret = seals.pair_secret(network, PEOPLE[sender], PEOPLE[recipient].public)
    return Place(network, seals.pair_target(secret, expiry // 86_400, PEOPLE[recipient].public), expiry)


def inner_of(place, outer, entries, author):
    found = maps.write(entries, place.expiry)
    if author is None:
        return b"\x01" + found.data
    return b"\x02" + author.public + sign.sign(author, place, outer, found.data) + found.data


def finish(out, place, body, meaning):
    opened = opening.open_body(place, body, meaning)
    out |= {"body": body.hex()}
    if len(body) <= 239:
        out["record"] = write_dated(place, body, chance(out["what"], 8)).hex()
    out |= {
        "author": opened.author.hex() if opened.author else None,
        "authenticated": opened.authenticated,
        "id": opened.id.hex(),
    }
    return out | ({"says": said(opened.map)} if opened.map else {"text": opened.text})


def in_channel(what, index, entries, author=None, expiry=EXPIRY):
    place, key, nonce = channel_place(index, expiry), channel_key(index), chance("nonce " + what, 16)
    inner = inner_of(place, sign.CHANNEL, entries, author)
    plaintext = seals.pad(sign.CHANNEL, inner)
    body = seals.channel_seal(key, place, nonce, plaintext)
    message_key = hpke.hkdf(key.seal, b"PIP38 channel seal v1", salt=nonce)
    out = {"what": what, "form": 3, **place_of(place), "meaning": {"channel": index}, "nonce": nonce.hex()}
    out |= {"message_key": message_key.hex(), "inner": inner.hex(), "padded": plaintext.hex()}
    return finish(out, place, body, opening.Channel(key))


def first_contact(what, sender, recipient, entries, author=None, place=TO_BOB):
    a, b = chance("a " + what), chance("b " + what)
    inner = inner_of(place, sign.FIRST, entries, author)
    plaintext = seals.pad(sign.FIRST, inner)
    body = seals.first_seal(place, PEOPLE[sender], PEOPLE[recipient].public, a, b, plaintext)
    out = {"what": what, "form": 4, **place_of(place), "meaning": {"own": {"chat": [recipient]}}, "sender": sender, "recipient": recipient}
    out |= {"ephemeral_a": a.hex(), "ephemeral_b": b.hex(), "inner": inner.hex(), "padded": plaintext.hex()}
    return finish(out, place, body, opening.Own(chat=(PEOPLE[recipient],)))


def on_pair(what, sender, recipient, entries, author=None, network=MAIN):
    place, b = pair_place(network, sender, recipient), chance("b " + what)
    inner = inner_of(place, sign.PAIR, entries, author)
    plaintext = seals.pad(sign.PAIR, inner)
    body = seals.pair_seal(place, PEOPLE[sender], PEOPLE[recipient].public, b, plaintext)
    out = {"what": what, "form": 5, **place_of(place), "meaning": {"pair": {"own": recipient, "other": sender}}, "sender": sender, "recipient": recipient}
    out |= {"ephemeral_b": b.hex(), "inner": inner.hex(), "padded": plaintext.hex()}
    return finish(out, place, body, opening.Pair(PEOPLE[recipient], PEOPLE[sender].public))


def ecies(what, curve, text):
    place, key = Place(MAIN, target_of("1234-44"), EXPIRY), ACCOUNTS[curve]
    scalar = 1 + int.from_bytes(chance("ephemeral " + what, 80), "big") % (key.curve.order - 1)
    body = b"\x06" + pascal.ecies_seal(key.public, account_key.SecretKey(key.curve, scalar), text.encode())
    out = {"what": what, "form": 6, **place_of(place), "meaning": {"own": {"accounts": [curve]}}, "ephemeral_scalar": f"{scalar:x}"}
    return finish(out, place, body, opening.Own(accounts=(key,)))


def aes(what, password, text, to_channel=False):
    place, salt = (OPEN if to_channel else TO_BOB), chance("salt " + what, 8)
    body = b"\x07" + pascal.aes_seal(password.encode(), salt, text.encode())
    passwords = {"passwords": [password]}
    out = {"what": what, "form": 7, **place_of(place), "meaning": {"open": passwords} if to_channel else {"own": passwords}, "salt": salt.hex()}
    kind = opening.OpenChannel if to_channel else opening.Own
    return finish(out, place, body, kind(passwords=(password.encode(),)))


def text(words, **more):
    return {1: 0, 2: TIME_MS, 3: words} | more


def sealed():
    small = {1: 0, 2: 0}
    cases = [
        in_channel("channel: an anonymous member", 0, text("who goes there")),
        in_channel("channel: a named member", 0, text("it is I"), ALICE),
        in_channel("channel: the shortest, in a body of 160", 0, small),
        in_channel("channel: 93 bytes of signed text fill a body of 239", 0, text("s" * 93), ALICE),
        in_channel("channel: 189 bytes of anonymous text fill a body of 239", 0, text("a" * 189)),
        in_channel("channel: 110 bytes of anonymous text fill a body of 160", 0, text("a" * 110)),
        in_channel("channel: one byte more, and the body has 239", 0, text("a" * 111)),
        in_channel("channel: one byte more than a record holds, in a body of 420 that is cut", 0, text("s" * 94), ALICE),
        in_channel("channel: a body of 630 that is cut", 0, text("long " * 90), ALICE),
        in_channel("channel: another day", 0, text("tomorrow"), ALICE, EXPIRY + 86_400),
        in_channel("channel: the last second of a day", 0, text("late"), ALICE, (EXPIRY // 86_400 + 1) * 86_400 - 1),
        in_channel("channel: the test network", 1, text("a test"), ALICE),
        in_channel("channel: a passphrase with blanks around it", 2, text("blank"), BOB),
        in_channel("channel: a passphrase that is not composed as typed", 3, text("été"), BOB),
        first_contact("first contact: text", "alice", "bob", text("I am alice")),
        first_contact("first contact: a signed proof shown to one person", "alice", "bob", {1: 9, 2: TIME_MS, 9: proof(ALICE).write()}, ALICE),
        first_contact("first contact: the shortest, in a body of 160", "alice", "bob", small),
        first_contact("first contact: 93 bytes of text fill a body of 239", "alice", "bob", text("f" * 93)),
        first_contact("first contact: one byte more, in a body of 420 that is cut", "alice", "bob", text("f" * 94)),
        first_contact("first contact: to oneself", "bob", "bob", text("note")),
        on_pair("pair: alice to bob", "alice", "bob", text("now we know each other")),
        on_pair("pair: bob to alice", "bob", "alice", text("we do")),
        on_pair("pair: 173 bytes of text fill a body of 239", "alice", "bob", text("p" * 173)),
        on_pair("pair: one byte more, in a body of 420 that is cut", "alice", "bob", text("p" * 174)),
        on_pair("pair: the shortest, in a body of 160", "carol", "bob", small),
        on_pair("pair: signed inside", "alice", "bob", text("signed"), ALICE),
        on_pair("pair: the test network", "alice", "bob", text("a test"), network=TEST),
        *(
            ecies(f"ECIES on {curve}: the longest text of one record, {length} bytes", curve, "e" * length)
            for curve, length in (("secp256k1", 176), ("secp384r1", 160), ("secp521r1", 144), ("sect283k1", 176))
        ),
        *(ecies(f"ECIES on {curve}: a short text", curve, "grüezi") for curve in ACCOUNTS),
        ecies("ECIES: no text", "secp256k1", ""),
        aes("AES: a text", "secret", "under a password"),
        aes("AES: the longest text of one record, 207 bytes", "secret", "w" * 207),
        aes("AES: a password beyond ASCII, and a text of whole blocks", "pässword", "sixteen bytes!!!"),
        aes("AES: an empty password and no text", "", ""),
        aes("AES: on an open channel", "secret", "to all who know it", to_channel=True),
    ]  # fmt: skip
    return {
        "about": "Forms 03 to 07, their keys and targets. docs/wire/envelope.md, section 9, says what each member means.",
        "people": people(),
        "account_keys": account_keys(),
        "channels": channels(),
        "pairs": pairs(),
        "cases": cases,
    }


def proof(author, curve="secp256k1", name=""):
    key = ACCOUNTS[curve]
    draft = delegation.Draft(MAIN, 1234, delegation.SPEAK, NOON, NOON + 7_776_000, name, key.public, author.public)
    return delegation.make(draft, key)


def main():
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else HERE
    for name, made in FILES.items():
        (folder / f"{name}.json").write_text(json.dumps(made(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


FILES = {"envelope": envelope, "seals": sealed}

if __name__ == "__main__":
    main()
