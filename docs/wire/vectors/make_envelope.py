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
from nightjar_wire.as_json import said  # noqa: E402
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
NO_TEXT_DEFLATED = bytes.fromhex("010100feffff")
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


# --- clear forms -----------------------------------------------------------------------------------------------


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
    assert maps.inflate(NO_TEXT_DEFLATED) == b"\xff"
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
        clear("compressed JSON", OPEN, {1: 4, 2: TIME_MS, 3: LONG_DEFLATED, 4: 1, 6: 1}, ALICE),
        clear("compressed Markdown", OPEN, {1: 4, 2: TIME_MS, 3: LONG_DEFLATED, 4: "text/markdown", 6: 1}, ALICE),
        clear("compressed CBOR is bytes, also where they might be a text", OPEN, {1: 4, 2: TIME_MS, 3: LONG_DEFLATED, 4: 2, 6: 1}, ALICE),
        clear("compressed bytes of a type that is unknown", OPEN, {1: 4, 2: TIME_MS, 3: NO_TEXT_DEFLATED, 4: 4, 6: 1}, ALICE),
        clear("a compressed picture", OPEN, {1: 4, 2: TIME_MS, 3: NO_TEXT_DEFLATED, 4: "image/png", 6: 1}, ALICE),
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

# --- fragments -------------------------------------------------------------------------------------------------


def cut_case(what, place, body):
    parts = fragments.cut(place, body)
    read = [fragments.Part.read(place, part) for part in parts]
    assert fragments.joined(reversed(read)) == (place, body)
    return {
        "what": what,
        **place_of(place),
        "body": body.hex(),
        "parts": [part.hex() for part in parts],
        "hashes": [part.hash.hex() for part in read],
    }


def cut_bodies():
    body_of = {case["what"]: case for case in sealed()["cases"] if len(case["body"]) > 2 * 239}
    cases = []
    for what, case in body_of.items():
        place = Place(case["network"], bytes.fromhex(case["target"]), case["expiry"])
        cases.append(cut_case("cut: " + what, place, bytes.fromhex(case["body"])))
    long_proof = clear("proof on secp384r1", OPEN, {1: 9, 2: TIME_MS, 9: proof(ALICE, "secp384r1").write()}, ALICE)
    cases.append(cut_case("cut: a signed proof of 274 bytes, whose last part is short", OPEN, bytes.fromhex(long_proof["body"])))
    smallest = b"\x01" + maps.write({1: 0, 2: TIME_MS, 3: "m" * 194}, EXPIRY).data
    assert len(smallest) == 211
    cases.append(cut_case("cut: the smallest body that can be, 211 bytes; its last chunk is one byte", OPEN, smallest))
    exact = b"\x01" + maps.write({1: 0, 2: TIME_MS, 3: "m" * 402}, EXPIRY).data
    assert len(exact) == 420
    cases.append(cut_case("cut: two full chunks", OPEN, exact))
    unit = chance("unit", 210)
    longest = b"\x01" + (unit * 312)[1:]
    parts = fragments.cut(OPEN, longest)
    return {
        "about": "Form 08. docs/wire/envelope.md, section 9, says what each member means.",
        "cases": cases,
        "longest": {
            "what": "the longest body: 01, then the bytes 1.. of the unit, then the unit 311 times; no map, only to be cut and joined",
            **place_of(OPEN),
            "unit": unit.hex(),
            "body_sha256": hashlib.sha256(longest).hexdigest(),
            "count": len(parts),
            "first": parts[0].hex(),
            "last": parts[-1].hex(),
            "parts_sha256": hashlib.sha256(b"".join(parts)).hexdigest(),
        },
    }


# --- delegation ------------------------------------------------------------------------------------------------


def delegation_case(what, made, author):
    draft, data = made.draft, made.write()
    read = delegation.read(draft.network, None if made.is_revocation else draft.chat_key, data)
    assert read.write() == data and read.draft == draft
    size = draft.key.curve.field_bytes
    out = {
        "what": what,
        "network": draft.network,
        "account": draft.account,
        "scope": draft.scope,
        "issued": draft.issued,
        "until": draft.until,
        "name": draft.name,
        "curve": draft.key.curve.name,
        "chat_key": draft.chat_key.hex(),
        "raw_key": draft.key.raw().hex(),
        "point": draft.key.point().hex(),
        "digest": draft.digest().hex(),
        "r": made.r.to_bytes(size, "big").hex(),
        "s": made.s.to_bytes(size, "big").hex(),
        "delegation": data.hex(),
    }
    place = Place(draft.network, OPEN.target, draft.issued + 600)
    entries = {1: 9, 2: draft.issued * 1000, 9: data}
    found = maps.write(entries, place.expiry)
    if author is None:
        body = b"\x01" + found.data
    else:
        body = b"\x02" + author.public + sign.sign(author, place, sign.CLEAR, found.data) + found.data
    return out | {"proof": {**place_of(place), "body": body.hex()}}


def draft_of(curve, network=MAIN, account=1234, scope=1, issued=NOON, until=NOON + 7_776_000, name="", author=ALICE):
    return delegation.Draft(network, account, scope, issued, until, name, ACCOUNTS[curve].public, author.public)


def delegations():
    cases = []
    for curve, key in ACCOUNTS.items():
        def add(what, author=ALICE, key=key, curve=curve, **fields):
            cases.append(delegation_case(f"{curve}: {what}", delegation.make(draft_of(curve, author=author, **fields), key), author))

        add("speaks for 1234-44, for 90 days")
        add("with a name of 13 bytes, for an hour", name="nightraven.13", until=NOON + 3_600)
        add("with the longest name, all scopes, the test network, the greatest account", name="n" * 64, scope=7, network=TEST, account=2**32 - 1, author=BOB)
        add("for a few seconds, account 0", scope=delegation.SERVE, until=NOON + 60, account=0)
        revoked = delegation.revocation(MAIN, 1234, NOON + 86_400, "", key, ALICE.public)
        cases.append(delegation_case(f"{curve}: revoked, sent by nobody in form 01", revoked, None))
        revoked = delegation.revocation(TEST, 2**32 - 1, NOON + 86_400, "n" * 64, key, BOB.public)
        cases.append(delegation_case(f"{curve}: revoked with its name, sent by somebody else", revoked, CAROL))
        # The first account whose digest may not be signed at NOON.
        number = next(n for n in range(10_000) if not draft_of(curve, account=n).passes_skip_rule())
        wanted = draft_of(curve, account=number)
        made = delegation.make(wanted, key)
        case = delegation_case(f"{curve}: the skip rule raises issued", made, ALICE)
        cases.append(case | {"skipped": {"issued": wanted.issued, "digest": wanted.digest().hex()}})
    # Both forms of s.
    made = delegation.make(draft_of("secp256k1"), ACCOUNTS["secp256k1"])
    other = delegation.Delegation(made.draft, made.r, made.draft.key.curve.order - made.s)
    cases.append(delegation_case("secp256k1: the other s, which is the same delegation", other, ALICE))
    return {
        "about": "Key 9 of proofs. docs/wire/delegation.md, section 7, says what each member means.",
        "people": people(),
        "account_keys": account_keys(),
        "cases": cases,
    }


# --- what must be refused --------------------------------------------------------------------------------------

_ORDER = 2**252 + 27742317777372353535851937790883648493
_P = 2**255 - 19
_EIGHTH = bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05")


class Bodies:
    """Collects bodies, each of which the second implementation refuses as is said."""

    def __init__(self):
        self.cases = []

    def add(self, what, place, body, meaning, shown):
        try:
            opening.open_body(place, body, meaning)
        except opening.Outsider as why:
            outcome, reason = "outsider", str(why)
        except Refused as why:
            outcome, reason = "unreadable", str(why)
        else:
            raise AssertionError(f"taken: {what}")
        self.cases.append({"what": what, **place_of(place), "body": body.hex(), "meaning": shown, "outcome": outcome, "reason": reason})

    def clear(self, what, body, place=OPEN):
        self.add(what, place, body, opening.OpenChannel(), {"open": {}})

    def map(self, what, hexed):
        self.clear(what, b"\x01" + bytes.fromhex(hexed))


def raw_map(*pairs):
    """A map of key and value as written, in hex: nothing is checked."""
    return f"{0xA0 + len(pairs):02x}" + "".join(pairs)


KIND_0, TIME_0 = "0100", "0200"


def wrong_maps(bodies):
    ok = KIND_0 + TIME_0
    for what, hexed in [
        ("an empty body behind the form", ""),
        ("an array instead of a map", "82" + "00" + "00"),
        ("a map that is cut short", "a2" + KIND_0 + "02"),
        ("no kind", "a1" + TIME_0),
        ("no time", "a1" + KIND_0),
        ("an empty map", "a0"),
        ("a byte behind the map", "a2" + ok + "00"),
        ("keys that descend", "a2" + TIME_0 + KIND_0),
        ("a key twice", "a3" + KIND_0 + KIND_0 + TIME_0),
        ("a key that is text", "a3" + ok + "6178" + "00"),
        ("a key that is negative", "a3" + ok + "20" + "00"),
        ("a key that is bytes", "a3" + ok + "4103" + "00"),
        ("a map of indefinite length", "bf" + ok + "ff"),
        ("the map's head longer than needed", "b802" + ok),
        ("a key longer than needed", "a2" + "180100" + TIME_0),
        ("a number longer than needed: 23 in two bytes", "a2" + "011817" + TIME_0),
        ("a number longer than needed: 255 in three bytes", "a2" + "011900ff" + TIME_0),
        ("a number longer than needed: 65,535 in five bytes", "a2" + "011a0000ffff" + TIME_0),
        ("a number longer than needed: 2^32 - 1 in nine bytes", "a2" + "011b00000000ffffffff" + TIME_0),
        ("a length of text longer than needed", "a3" + ok + "037801" + "61"),
        ("text of indefinite length", "a3" + ok + "037f6161ff"),
        ("bytes of indefinite length", "a3" + ok + "035f4161ff"),
        ("an array of indefinite length", "a3" + ok + "18409f00ff"),
        ("reserved head 1c", "a2" + "011c" + TIME_0),
        ("text that is not UTF-8", "a3" + ok + "0361ff"),
        ("text with a surrogate", "a3" + ok + "0363eda080"),
        ("text in overlong UTF-8", "a3" + ok + "0362c080"),
        ("text beyond U+10FFFF", "a3" + ok + "0364f4908080"),
        ("a text longer than what is left", "a3" + ok + "037affffffff61"),
        ("bytes of 2^64 - 1", "a3" + ok + "035bffffffffffffffff"),
        ("an array of 2^32 - 1 entries", "a3" + ok + "18409affffffff"),
        ("a map of 33 entries", "b821" + ok + "".join(f"18{100 + n:02x}00" for n in range(31))),
        ("a nested map of 33 entries", "a3" + ok + "1840" + "b821" + "".join((f"{n:02x}" if n < 24 else f"18{n:02x}") + "00" for n in range(33))),
        ("a nested map whose key is text", "a3" + ok + "1840a1617800"),
        ("a nested map whose keys descend", "a3" + ok + "1840a202000100"),
        ("a float of two bytes", "a3" + ok + "1840f93c00"),
        ("a float of four bytes", "a3" + ok + "1840fa3f800000"),
        ("a float of eight bytes", "a3" + ok + "1840fb3ff0000000000000"),
        ("undefined", "a3" + ok + "1840f7"),
        ("simple value 0", "a3" + ok + "1840e0"),
        ("simple value 32", "a3" + ok + "1840f820"),
        ("false in two bytes", "a3" + ok + "1840f814"),
        ("break outside of anything", "a3" + ok + "1840ff"),
        ("a tag", "a3" + ok + "1840c100"),
        ("a great number by tag 2", "a3" + ok + "1840c24101"),
        ("depth 5, by arrays", "a3" + ok + "184081818180"),
        ("depth 5, by maps", "a3" + ok + "1840a100a100a100a0"),
        ("kind is negative", "a2" + "0120" + TIME_0),
        ("kind is text", "a2" + "016130" + TIME_0),
        ("kind is true", "a2" + "01f5" + TIME_0),
        ("time is negative", "a2" + KIND_0 + "0220"),
        ("time is null", "a2" + KIND_0 + "02f6"),
        ("time is a millisecond beyond the expiry", "a2" + KIND_0 + "02" + cbor.write(1000 * EXPIRY + 1).hex()),
        ("time is 2^64 - 1", "a2" + KIND_0 + "021bffffffffffffffff"),
        ("content is a number", "a3" + ok + "0300"),
        ("content is an array", "a3" + ok + "0380"),
        ("content is null", "a3" + ok + "03f6"),
        ("content type is bytes", "a3" + ok + "0440"),
        ("content type is negative", "a3" + ok + "0420"),
        ("the message id answered has 7 bytes", "a3" + ok + "0547" + "00" * 7),
        ("the message id answered has 16 bytes", "a3" + ok + "0550" + "00" * 16),
        ("the message id answered is text", "a3" + ok + "0568" + "30" * 8),
        ("compression is text", "a3" + ok + "066131"),
        ("compression is true", "a3" + ok + "06f5"),
        ("correlation has 9 bytes", "a3" + ok + "0749" + "00" * 9),
        ("a nick of 2 characters", "a3" + ok + "08626162"),
        ("a nick of 33 characters", "a3" + ok + "087821" + "61" * 33),
        ("a nick that is not folded", "a3" + ok + "0863416263"),
        ("a nick that begins with a digit", "a3" + ok + "0863316263"),
        ("a nick beyond ASCII", "a3" + ok + "0864c3a46263"),
        ("a nick that is bytes", "a3" + ok + "0843616263"),
        ("a delegation that is text", "a3" + ok + "096161"),
        ("a hand-over of 95 bytes", "a3" + ok + "0a585f" + "00" * 95),
        ("a hand-over of 97 bytes", "a3" + ok + "0a5861" + "00" * 97),
    ]:
        bodies.map("map: " + what, hexed)
    bodies.clear("no byte at all", b"")
    for form in (0, 9, 0x7F, 0xFF):
        bodies.clear(f"form {form:02x}, which is unknown", bytes([form]) + bytes.fromhex("a201000200"))


def wrong_signatures(bodies):
    from nacl.bindings import (
        crypto_core_ed25519_add as add_points,
    )
    from nacl.bindings import (
        crypto_scalarmult_ed25519_base_noclamp as times_base,
    )

    found = maps.write(text("hello"), EXPIRY)
    good = b"\x02" + ALICE.public + sign.sign(ALICE, OPEN, sign.CLEAR, found.data) + found.data

    def scalar(data):
        return int.from_bytes(hashlib.sha512(data).digest(), "little") % _ORDER

    def little(number):
        return number.to_bytes(32, "little")

    def hashed(r_point, author, place=OPEN):
        return scalar(r_point + author + sign.message_to_sign(place, sign.CLEAR, author, found.data))

    def body(author, r_point, s):
        return b"\x02" + author + r_point + little(s) + found.data

    secret = int.from_bytes(hashlib.sha512(SEEDS["alice"]).digest()[:32], "little")
    secret = secret & ~7 & (2**254 - 1) | 2**254
    clear_ = bodies.clear
    clear_("signature: a bit of s is another", good[:70] + bytes([good[70] ^ 1]) + good[71:])
    clear_("signature: a bit of R is another", good[:40] + bytes([good[40] ^ 1]) + good[41:])
    clear_("signature: by another author", b"\x02" + BOB.public + good[33:])
    clear_("signature: a byte of the map is another", good[:-1] + b"p")
    clear_("signature: cut short before the map", good[:96])
    clear_("signature: a byte behind the map", good + b"\x00")
    clear_("signature: moved to another target", good, TO_BOB)
    clear_("signature: moved to another date", good, Place(MAIN, OPEN.target, EXPIRY + 1))
    clear_("signature: moved to the other network", good, Place(TEST, OPEN.target, EXPIRY))
    for form in (sign.CHANNEL, sign.FIRST, sign.PAIR):
        lifted = b"\x02" + ALICE.public + sign.sign(ALICE, OPEN, form, found.data) + found.data
        clear_(f"signature: lifted out of a seal, made for form 0{form}", lifted)
    s = int.from_bytes(good[65:97], "little")
    clear_("signature: s is not below the order", body(ALICE.public, good[33:65], s + _ORDER))
    one = little(1)
    r = scalar(chance("r"))
    clear_("signature: R is of small order (the neutral point), the equation holds", body(ALICE.public, one, hashed(one, ALICE.public) * secret % _ORDER))
    clear_("signature: R is the neutral point in its other spelling, p + 1", body(ALICE.public, little(_P + 1), hashed(little(_P + 1), ALICE.public) * secret % _ORDER))
    clear_("signature: the author is the neutral point, the equation holds", body(one, times_base(little(r)), r))
    clear_("signature: the author is the neutral point in its other spelling", body(little(_P + 1), times_base(little(r)), r))
    clear_("signature: the author is the neutral point with the sign of x set", body(little(1 | 1 << 255), times_base(little(r)), r))
    # An author of order 8 n, and what is true with the cofactor alone.
    mixed = add_points(ALICE.public, _EIGHTH)
    tries = (scalar(chance(f"mixed {n}")) for n in range(1_000))
    r = next(t for t in tries if hashed(times_base(little(t)), mixed) % 8)
    point = times_base(little(r))
    clear_("signature: an author with a torsion part, true with the cofactor only", body(mixed, point, (r + hashed(point, mixed) * secret) % _ORDER))
    point = add_points(times_base(little(r)), _EIGHTH)
    clear_("signature: an R with a torsion part, true with the cofactor only", body(ALICE.public, point, (r + hashed(point, ALICE.public) * secret) % _ORDER))
    r = next(t for t in tries if hashed(times_base(little(t)), mixed) % 8 == 0)
    point = times_base(little(r))
    taken = body(mixed, point, (r + hashed(point, mixed) * secret) % _ORDER)
    message = opening.open_body(OPEN, taken, opening.OpenChannel())
    return mixed, [
        {
            "what": "signature: an author with a torsion part, where the equation holds without the cofactor, is taken in clear",
            **place_of(OPEN),
            "body": taken.hex(),
            "meaning": {"open": {}},
            "id": message.id.hex(),
        }
    ]


def wrong_seals(bodies, mixed):
    place, key = channel_place(), channel_key(0)
    member, shown = opening.Channel(key), {"channel": 0}
    nonce = chance("wrong nonce", 16)

    def in_seal(inner, at=place):
        return seals.channel_seal(key, at, nonce, seals.pad(sign.CHANNEL, inner))

    plain = inner_of(place, sign.CHANNEL, text("hello"), None)
    signed = inner_of(place, sign.CHANNEL, text("hello"), ALICE)
    good = in_seal(signed)
    add = bodies.add
    add("channel: the last bit of the tag is another", place, good[:-1] + bytes([good[-1] ^ 1]), member, shown)
    add("channel: a bit of the nonce is another", place, good[:1] + bytes([good[1] ^ 1]) + good[2:], member, shown)
    add("channel: another date of the same day", Place(MAIN, place.target, EXPIRY + 1), good, member, shown)
    add("channel: a target of the day before", Place(MAIN, key.target_of(place.day - 1), EXPIRY), good, member, shown)
    tomorrow = Place(MAIN, key.target_of(place.day + 1), EXPIRY + 86_400)
    add("channel: moved to the next day", tomorrow, good, member, shown)
    yesterdays = Place(MAIN, key.target_of(place.day - 1), EXPIRY)
    add("channel: sealed for a target that is not of the date's day", yesterdays, in_seal(inner_of(yesterdays, sign.CHANNEL, text("x"), None), yesterdays), member, shown)
    add("channel: sealed with another passphrase's key", place, seals.channel_seal(channel_key(2), place, nonce, seals.pad(3, plain)), member, shown)
    add("channel: no room for nonce and tag", place, good[:32], member, shown)
    add("channel: padding that is not zero", place, seals.channel_seal(key, place, nonce, seals.pad(3, plain)[:-1] + b"\x01"), member, shown)
    add("channel: signed as if in clear", place, in_seal(inner_of(place, sign.CLEAR, text("hello"), ALICE)), member, shown)
    add("channel: signed for a first contact", place, in_seal(inner_of(place, sign.FIRST, text("hello"), ALICE)), member, shown)
    add("channel: nothing inside", place, seals.channel_seal(key, place, nonce, b""), member, shown)
    add("channel: only zeros inside", place, in_seal(b""), member, shown)
    add("channel: form 03 inside", place, in_seal(b"\x03" + plain[1:]), member, shown)
    part = fragments.cut(place, in_seal(b"\x01" + maps.write(text("p" * 300), EXPIRY).data))[0]
    add("channel: a part inside", place, seals.channel_seal(key, place, nonce, part), member, shown)
    add("channel: form 02 inside without room for a signature", place, in_seal(signed[:96]), member, shown)
    add("channel: a map inside that is not canonical", place, in_seal(b"\x01" + bytes.fromhex("b80201000200")), member, shown)
    add("channel: clear text on its target", place, plain, member, shown)
    add("channel: signed clear text on its target", place, inner_of(place, sign.CLEAR, text("hello"), ALICE), member, shown)
    add("channel: form 07 on its target", place, b"\x07" + pascal.aes_seal(b"secret", bytes(8), b"hi"), member, shown)
    add("channel: a seal on an open channel, without its key", OPEN, good, opening.OpenChannel(), {"open": {}})

    # First contact.
    bob, for_bob = opening.Own(chat=(BOB,)), {"own": {"chat": ["bob"]}}
    a, b = chance("wrong a"), chance("wrong b")

    def first(inner, at=TO_BOB, sender=ALICE, recipient=BOB):
        return seals.first_seal(at, sender, recipient.public, a, b, seals.pad(sign.FIRST, inner))

    inner = inner_of(TO_BOB, sign.FIRST, text("hello"), None)
    good = first(inner)
    add("first contact: for somebody else", TO_BOB, first(inner, recipient=CAROL), bob, for_bob)
    add("first contact: no own chat key", TO_BOB, good, opening.Own(), {"own": {}})
    add("first contact: moved to another date", Place(MAIN, TO_BOB.target, EXPIRY + 1), good, bob, for_bob)
    add("first contact: moved to another target", Place(MAIN, target_of("bobby"), EXPIRY), good, bob, for_bob)
    add("first contact: moved to the other network", Place(TEST, TO_BOB.target, EXPIRY), good, bob, for_bob)
    add("first contact: on an open channel", OPEN, first(inner_of(OPEN, sign.FIRST, text("hello"), None), OPEN), opening.OpenChannel(), {"open": {}})
    for what, at in (("enc of A", 5), ("the sender's key", 40), ("enc of B", 85), ("the content", 120), ("the last byte", len(good) - 1)):
        add(f"first contact: a bit of {what} is another", TO_BOB, good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :], bob, for_bob)
    carols = first(inner, sender=CAROL)
    add("first contact: step A of carol, step B of alice", TO_BOB, carols[:81] + good[81:], bob, for_bob)
    add("first contact: enc of A is of small order", TO_BOB, good[:1] + bytes(32) + good[33:], bob, for_bob)
    add("first contact: enc of B is of small order", TO_BOB, good[:81] + bytes(32) + good[113:], bob, for_bob)
    add("first contact: cut short", TO_BOB, good[:128], bob, for_bob)
    add("first contact: the inner author is not the sender", TO_BOB, first(inner_of(TO_BOB, sign.FIRST, text("hello"), CAROL)), bob, for_bob)
    add("first contact: signed inside as if in clear", TO_BOB, first(inner_of(TO_BOB, sign.CLEAR, text("hello"), ALICE)), bob, for_bob)
    add("first contact: padding that is not zero", TO_BOB, seals.first_seal(TO_BOB, ALICE, BOB.public, a, b, seals.pad(4, inner)[:-1] + b"\x80"), bob, for_bob)
    add("first contact: form 06 inside", TO_BOB, first(b"\x06" + inner[1:]), bob, for_bob)
    # A sender whose key has a torsion part. X25519 forgets the torsion, so the seal itself could be opened.
    public = seals.x25519_public(BOB.public)
    info = b"PIP38 hpke v1\0" + TO_BOB.network_byte + b"\x04"
    step = hpke.Sender(a, public, info + b"A")
    before = TO_BOB.target + TO_BOB.expiry_bytes
    body = b"\x04" + step.enc
    body += step.seal(before + body, mixed)
    step = hpke.Sender(b, public, info + b"B", ALICE.x25519_secret())
    body += step.enc
    body += step.seal(before + body, seals.pad(4, inner))
    add("first contact: the sender's key has a torsion part", TO_BOB, body, bob, for_bob)

    # Pair.
    place = pair_place(MAIN, "alice", "bob")
    reader, shown = opening.Pair(BOB, ALICE.public), {"pair": {"own": "bob", "other": "alice"}}

    def pair(inner, at=place, sender=ALICE):
        return seals.pair_seal(at, sender, BOB.public, b, seals.pad(sign.PAIR, inner))

    inner = inner_of(place, sign.PAIR, text("hello"), None)
    good = pair(inner)
    add("pair: sealed by carol", place, pair(inner, sender=CAROL), reader, shown)
    add("pair: the target of the other direction", pair_place(MAIN, "bob", "alice"), good, reader, shown)
    add("pair: moved to the next day", pair_place(MAIN, "alice", "bob", EXPIRY + 86_400), good, reader, shown)
    add("pair: another date of the same day", Place(MAIN, place.target, EXPIRY + 1), good, reader, shown)
    add("pair: a bit is another", place, good[:-1] + bytes([good[-1] ^ 1]), reader, shown)
    add("pair: enc is of small order", place, good[:1] + bytes(32) + good[33:], reader, shown)
    add("pair: cut short", place, good[:48], reader, shown)
    add("pair: a first contact on its target", place, seals.first_seal(place, ALICE, BOB.public, a, b, seals.pad(4, inner)), reader, shown)
    add("pair: clear text on its target", place, inner, reader, shown)
    add("pair: the inner author is not the sender", place, pair(inner_of(place, sign.PAIR, text("hello"), CAROL)), reader, shown)
    add("pair: signed inside for form 04", place, pair(inner_of(place, sign.FIRST, text("hello"), ALICE)), reader, shown)
    add("pair: padding that is not zero", place, seals.pair_seal(place, ALICE, BOB.public, b, seals.pad(5, inner)[:-1] + b"\x01"), reader, shown)
    on_name = pair(inner_of(TO_BOB, sign.PAIR, text("hello"), None), TO_BOB)
    add("pair: its form on a name's target", TO_BOB, on_name, bob, for_bob)


def wrong_containers(bodies):
    place = Place(MAIN, target_of("1234-44"), EXPIRY)
    for curve, key in ACCOUNTS.items():
        own, shown = opening.Own(accounts=(key,)), {"own": {"accounts": [curve]}}
        ephemeral = account_key.SecretKey(key.curve, 12_345)
        good = b"\x06" + pascal.ecies_seal(key.public, ephemeral, b"seventeen letters")
        point = 1 + key.curve.field_bytes

        def add(what, body, own=own, shown=shown, curve=curve):
            bodies.add(f"ECIES on {curve}: {what}", place, body, own, shown)

        add("a bit of the MAC is another", good[: 7 + point] + bytes([good[7 + point] ^ 1]) + good[8 + point :])
        add("a bit of the body is another", good[:-1] + bytes([good[-1] ^ 1]))
        add("the length of the plaintext lowered by one", good[:3] + b"\x10\x00\x10\x00" + good[7:])
        add("the length lowered within the block, over a byte that is not zero", b"\x06" + _cut_text(key, ephemeral))
        add("a byte behind the container", good + b"\x00")
        add("a byte missing", good[:-1])
        add("the point's length of another curve", good[:1] + bytes([good[1] + 1]) + good[2:])
        add("a MAC of 15 bytes", good[:2] + b"\x0f" + good[3:])
        add("a body longer than rounding up asks for", good[:5] + b"\x30\x00" + good[7:] + bytes(16))
        add("an uncompressed point's first byte", good[:7] + b"\x04" + good[8:])
        add("a point with x beyond the field", good[:8] + b"\xff" * (point - 1) + good[7 + point :])
        add("a point that is not on the curve", good[:7] + _off_curve(key.curve) + good[7 + point :])
        add("only the lengths", good[:7])
        add("text that is not UTF-8", b"\x06" + pascal.ecies_seal(key.public, ephemeral, b"\xff\xfe"))
        other = account_key.SecretKey(key.curve, 54_321)
        add("for another key", b"\x06" + pascal.ecies_seal(other.public, ephemeral, b"hello"))
    key = ACCOUNTS["sect283k1"]
    good = b"\x06" + pascal.ecies_seal(key.public, account_key.SecretKey(key.curve, 12_345), b"seventeen letters")
    small, shown = opening.Own(accounts=(key,)), {"own": {"accounts": ["sect283k1"]}}
    bodies.add("ECIES on sect283k1: the point of order 2", place, good[:7] + b"\x02" + bytes(36) + good[44:], small, shown)
    four = b"\x02" + (1).to_bytes(36, "big")
    bodies.add("ECIES on sect283k1: a point of order 4", place, good[:7] + four + good[44:], small, shown)

    own, shown = opening.Own(passwords=(b"secret",)), {"own": {"passwords": ["secret"]}}
    good = b"\x07" + pascal.aes_seal(b"secret", chance("wrong salt", 8), b"hello")
    for what, body in [
        ("another password's", b"\x07" + pascal.aes_seal(b"Secret", chance("wrong salt", 8), b"hello")),
        ("without its first eight letters", b"\x07" + good[9:]),
        ("not of whole blocks", good[:-1]),
        ("no block at all", good[:17]),
        ("text that is not UTF-8", b"\x07" + pascal.aes_seal(b"secret", chance("wrong salt", 8), b"\xc3")),
    ]:
        bodies.add(f"AES: {what}", TO_BOB, body, own, shown)
    bodies.add("AES: no password is set", TO_BOB, good, opening.Own(), {"own": {}})


def _cut_text(key, ephemeral):
    container = pascal.ecies_seal(key.public, ephemeral, b"seventeen letters, then more")
    return container[:2] + b"\x11\x00" + container[4:]


def _off_curve(curve):
    x = 1
    while True:
        x += 1
        point = b"\x02" + x.to_bytes(curve.field_bytes, "big")
        try:
            account_key.PublicKey.from_point(curve, point)
        except Refused as why:
            if "not on the curve" in str(why):
                return point


def wrong_contents():
    out = []
    for what, entries in [
        ("65,537 bytes", {3: ZEROS_ONE_MORE_DEFLATED, 6: 1}),
        ("a stream that does not end", {3: LONG_DEFLATED[:-1], 6: 1}),
        ("a byte behind the stream", {3: LONG_DEFLATED + b"\x00", 6: 1}),
        ("no DEFLATE", {3: b"\xff\xff\xff", 6: 1}),
        ("nothing at all", {3: b"", 6: 1}),
        ("a zlib head before the stream", {3: bytes.fromhex("789c") + LONG_DEFLATED, 6: 1}),
        ("text that says to be compressed", {3: "hello", 6: 1}),
        ("an unknown compression", {3: LONG_DEFLATED, 6: 2}),
        ("compression 0", {3: b"hello", 6: 0}),
        ("no content, but a compression", {6: 1}),
        ("a compressed text that is not UTF-8", {3: NO_TEXT_DEFLATED, 6: 1}),
        ("the same, said to be plain text", {3: NO_TEXT_DEFLATED, 4: 0, 6: 1}),
        ("the same, said to be JSON", {3: NO_TEXT_DEFLATED, 4: 1, 6: 1}),
        ("the same, said to be Markdown", {3: NO_TEXT_DEFLATED, 4: "text/markdown", 6: 1}),
    ]:
        found = maps.write({1: 0, 2: TIME_MS} | entries, EXPIRY)
        try:
            found.content()
        except Refused as why:
            out.append({"what": what, "map": found.data.hex(), "expiry": EXPIRY, "reason": str(why)})
        else:
            raise AssertionError(f"taken: {what}")
    return out


def wrong_hand_overs():
    good = sign.hand_over(MAIN, ALICE.public, BOB)
    out = []
    for what, network, old, value in [
        ("of the other network", TEST, ALICE.public, good),
        ("of another old key", MAIN, CAROL.public, good),
        ("to another new key", MAIN, ALICE.public, CAROL.public + good[32:]),
        ("signed by the old key", MAIN, ALICE.public, BOB.public + ALICE.sign(sign.hand_over_message(MAIN, ALICE.public, BOB.public))),
        ("to the neutral point", MAIN, ALICE.public, bytes([1]) + bytes(31) + good[32:]),
        ("to the old key itself", MAIN, ALICE.public, sign.hand_over(MAIN, ALICE.public, ALICE)),
    ]:
        assert not sign.hand_over_holds(network, old, value)
        out.append({"what": what, "network": network, "old": old.hex(), "value": value.hex()})
    return out


def weak_keys(mixed):
    off = next(n.to_bytes(32, "little") for n in range(2, 99) if not sign.is_on_curve(n.to_bytes(32, "little")))
    out = []
    for what, key, strong in [
        ("the neutral point", bytes([1]) + bytes(31), False),
        ("the point of order 2", (_P - 1).to_bytes(32, "little"), False),
        ("a point of order 4", bytes(32), False),
        ("a point of order 4, x negative", bytes(31) + b"\x80", False),
        ("a point of order 8", _EIGHTH, False),
        ("a point of order 8, x negative", _EIGHTH[:31] + bytes([_EIGHTH[31] | 0x80]), False),
        ("another point of order 8", bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"), False),
        ("y = p", _P.to_bytes(32, "little"), False),
        ("y = p + 3", (_P + 3).to_bytes(32, "little"), False),
        ("y = 2^255 - 1", b"\xff" * 31 + b"\x7f", False),
        ("with a torsion part: signs in clear, but is not sealed to", mixed, True),
        ("not on the curve", off, None),
    ]:
        assert strong is None or sign.is_strong(key) == strong
        try:
            seals.x25519_public(key)
        except Refused as why:
            out.append({"what": what, "key": key.hex(), "may_sign": bool(strong), "reason": str(why)})
        else:
            raise AssertionError(f"taken: {what}")
    return out


def wrong_parts():
    place, body = OPEN, b"\x01" + chance("body", 500)
    good = fragments.cut(place, body)
    head, middle, last = good
    alone = []
    for what, part in [
        ("no chunk", middle[:29]),
        ("cut short", middle[:20]),
        ("a chunk of 209 bytes that is not the last", middle[:-1]),
        ("a chunk of 211 bytes", middle + b"\x00"),
        ("a last chunk of 211 bytes", last[:29] + bytes(211)),
        ("a last part without chunk", last[:29]),
        ("an index that is the count", middle[:9] + b"\x03\x00" + middle[11:]),
        ("a count of 1", head[:9] + bytes.fromhex("00000100") + bytes(16) + head[29:]),
        ("a count of 0", head[:11] + b"\x00\x00" + head[13:]),
        ("a count of 313", head[:11] + (313).to_bytes(2, "little") + head[13:]),
        ("a next of zeros that is not the last", middle[:13] + bytes(16) + middle[29:]),
        ("a last part with a next", last[:13] + chance("next", 16) + last[29:]),
        ("a head under another set", head[:1] + chance("set", 8) + head[9:]),
    ]:
        try:
            fragments.Part.read(place, part)
        except Refused as why:
            alone.append({"what": what, **place_of(place), "body": part.hex(), "reason": str(why)})
        else:
            raise AssertionError(f"taken: {what}")
    sets = []
    for what, where, parts in [
        ("a part is missing", place, [head, last]),
        ("the head is missing", place, [middle, last]),
        ("a byte of a chunk is another", place, [head, middle[:-1] + bytes([middle[-1] ^ 1]), last]),
        ("the last is of another index", place, [head, middle, last[:9] + b"\x01\x00\x02\x00" + last[13:]]),
        ("a part of another set stands in its place", place, [head, middle, head[1:9].join([last[:1], last[9:-1] + b"\x00"])]),
        ("moved to another target, where no head is a head", TO_BOB, [head, middle, last]),
        ("a part inside parts", place, _parts_of_part(place)),
    ]:
        readable = []
        for part in parts:
            try:
                readable.append(fragments.Part.read(where, part))
            except Refused:
                pass
        assert fragments.join(readable) == [], what
        sets.append({"what": what, **place_of(where), "parts": [part.hex() for part in parts]})
    forged = middle[:-1] + bytes([middle[-1] ^ 1])
    mixed = [forged, last, middle, head, head]
    assert fragments.joined(fragments.Part.read(place, part) for part in mixed) == (place, body)
    return alone, sets, [
        {
            "what": "a forged part comes first, parts come backwards, one twice: the body is whole all the same",
            **place_of(place),
            "parts": [part.hex() for part in mixed],
            "body": body.hex(),
        }
    ]


def _parts_of_part(place):
    body = b"\x08" + chance("inner part", 238) + bytes(100)
    following, parts = bytes(16), []
    for index, chunk in ((1, body[210:]), (0, body[:210])):
        part = fragments.Part(place, bytes(8), index, 2, following, chunk)
        following = part.hash
        parts.insert(0, part)
    return [fragments.Part(place, following[:8], p.index, p.count, p.next, p.chunk).write() for p in parts]


def wrong_delegations():
    out = []
    for curve, key in ACCOUNTS.items():
        size = key.curve.field_bytes
        made = delegation.make(draft_of(curve), key)
        good = made.write()
        revoked = delegation.revocation(MAIN, 1234, NOON, "", key, ALICE.public).write()
        point_at, r_at = 16, 16 + 1 + size
        s_at = r_at + size
        order = key.curve.order.to_bytes(size, "big")

        def signed(**fields):
            draft = draft_of(curve, **fields)
            return delegation.Delegation(draft, *key.sign(draft.digest())).write()

        def first_that(skips, **fields):
            return next(n for n in range(10_000) if draft_of(curve, account=n, **fields).passes_skip_rule() != skips)

        def bad_name(name):
            draft = draft_of(curve, account=first_that(False, name=name), name=name)
            return delegation.Delegation(draft, *key.sign(draft.digest())).write()

        def ended(chat_key):
            return delegation.revocation(MAIN, 1234, NOON, "", key, chat_key).write()

        # One whose digest the skip rule takes, so that it is the signature that fails.
        other_account = next(n for n in range(1235, 9_999) if draft_of(curve, account=n, issued=made.draft.issued).passes_skip_rule())
        hashed_again = key.sign(hashlib.sha256(made.draft.digest()).digest())
        account = first_that(False, until=NOON + 7_776_001)
        never = first_that(False, until=NOON)
        eight = first_that(False, scope=8)
        cases = [
            ("cut short by one byte", MAIN, ALICE, good[:-1]),
            ("a byte too many", MAIN, ALICE, good + b"\x00"),
            ("15 bytes", MAIN, ALICE, good[:15]),
            ("empty", MAIN, ALICE, b""),
            ("a revocation without its chat key", MAIN, None, revoked[:-32]),
            ("a delegation with a chat key behind it", MAIN, ALICE, good + ALICE.public),
            ("a revocation of another chat key than was signed", MAIN, None, revoked[:-32] + BOB.public),
            ("version 2", MAIN, ALICE, b"\x02" + good[1:]),
            ("another account than was signed", MAIN, ALICE, good[:1] + other_account.to_bytes(4, "little") + good[5:]),
            ("the other network", TEST, ALICE, good),
            ("another author", MAIN, BOB, good),
            ("without an author", MAIN, None, good),
            ("another scope than was signed", MAIN, ALICE, good[:5] + b"\x03" + good[6:]),
            ("a scope with bit 8, and signed so", MAIN, ALICE, signed(scope=8, account=eight)),
            ("for 90 days and a second, and signed so", MAIN, ALICE, signed(until=NOON + 7_776_001, account=account)),
            ("until is issued, and signed so", MAIN, ALICE, signed(until=NOON, account=never)),
            ("curve 0", MAIN, ALICE, good[:14] + b"\x00" + good[15:]),
            ("curve 5", MAIN, ALICE, good[:14] + b"\x05" + good[15:]),
            ("another curve", MAIN, ALICE, good[:14] + bytes([1 + good[14] % 4]) + good[15:]),
            ("a name longer than 64", MAIN, ALICE, good[:15] + b"\x41" + b"n" * 65 + good[16:]),
            ("a name of 2, and signed so", MAIN, ALICE, bad_name("ab")),
            ("a name that begins with a digit, and signed so", MAIN, ALICE, bad_name("1abc")),
            ("a name with a capital, and signed so", MAIN, ALICE, bad_name("Abcd")),
            ("a name with a blank, and signed so", MAIN, ALICE, bad_name("a bc")),
            ("a name beyond ASCII", MAIN, ALICE, good[:15] + b"\x04" + "aäb".encode() + good[16:]),
            ("a point with first byte 04", MAIN, ALICE, good[:point_at] + b"\x04" + good[point_at + 1 :]),
            ("the other point of the same x", MAIN, ALICE, good[:point_at] + bytes([good[point_at] ^ 1]) + good[point_at + 1 :]),
            ("a point that is not on the curve", MAIN, ALICE, good[:point_at] + _off_curve(key.curve) + good[r_at:]),
            ("r is 0", MAIN, ALICE, good[:r_at] + bytes(size) + good[s_at:]),
            ("s is 0", MAIN, ALICE, good[:s_at] + bytes(size)),
            ("r is the order", MAIN, ALICE, good[:r_at] + order + good[s_at:]),
            ("s is the order", MAIN, ALICE, good[:s_at] + order),
            ("r and s swapped", MAIN, ALICE, good[:r_at] + good[s_at:] + good[r_at:s_at]),
            ("a bit of s is another", MAIN, ALICE, good[:-1] + bytes([good[-1] ^ 1])),
            ("the digest was hashed once more", MAIN, ALICE, delegation.Delegation(made.draft, *hashed_again).write()),
            ("a digest that the skip rule forbids, and signed so", MAIN, ALICE, signed(account=first_that(True))),
            ("a revocation of a chat key of small order, and signed so", MAIN, None, ended(bytes(32))),
            ("a revocation of a chat key that is not on the curve, and signed so", MAIN, None, ended(b"\x02" + bytes(31))),
        ]  # fmt: skip
        if curve == "sect283k1":
            cases.append(("the point of order 2", MAIN, ALICE, good[:point_at] + b"\x02" + bytes(36) + good[r_at:]))
            cases.append(("a point of order 4", MAIN, ALICE, good[:point_at] + b"\x02" + (1).to_bytes(36, "big") + good[r_at:]))
        for what, network, author, data in cases:
            chat_key = author.public if author else None
            try:
                delegation.read(network, chat_key, data)
            except Refused as why:
                reason = str(why)
            else:
                raise AssertionError(f"taken: {curve}: {what}")
            out.append({"what": f"{curve}: {what}", "network": network, "author": chat_key and chat_key.hex(), "delegation": data.hex(), "reason": reason})
    return out


def refused():
    bodies = Bodies()
    wrong_maps(bodies)
    mixed, taken = wrong_signatures(bodies)
    wrong_seals(bodies, mixed)
    wrong_containers(bodies)
    alone, sets, joined = wrong_parts()
    return {
        "about": "What a reader must refuse, and a few things that it must not. docs/wire/envelope.md, section 9, says what each member means.",
        "people": people(),
        "account_keys": account_keys(),
        "channels": channels(),
        "bodies": bodies.cases,
        "contents": wrong_contents(),
        "hand_overs": wrong_hand_overs(),
        "keys": weak_keys(mixed),
        "parts": alone,
        "sets": sets,
        "delegations": wrong_delegations(),
        "taken": taken,
        "joined": joined,
    }


def main():
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else HERE
    for name, made in FILES.items():
        (folder / f"{name}.json").write_text(json.dumps(made(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


FILES = {
    "envelope": envelope,
    "seals": sealed,
    "refused": refused,
    "fragments": cut_bodies,
    "delegation": delegations,
}

if __name__ == "__main__":
    main()
