#!/usr/bin/env python3
"""Makes record.json: names, targets and records of PIP-0038, computed without a line of Nightjar's code.

    python3 make_record.py > record.json

Only hashlib is used. Times, nonces and texts are fixed: every run prints the same bytes.
"""

import hashlib
import json

NOON = 1_800_000_000  # 2027-01-15 08:00:00 UTC
ID_DOMAIN = b"PIP38v1"
WORK_DOMAIN = b"PIP38w1"


def md5(data):
    return hashlib.md5(data).digest()


def target_of(text):
    return md5(text.encode("utf-8"))


def account(number):
    return f"{number}-{number * 101 % 89 + 10}"


def tmsg(msg_id, target, payload):
    assert len(msg_id) == 16 and len(target) == 16 and len(payload) <= 255
    return msg_id + target + bytes([len(payload)]) + payload


def sealed(target, payload):
    return target + bytes([len(payload)]) + payload


def dated_id(target, payload):
    return md5(ID_DOMAIN + sealed(target, payload))


def work_of(target, payload):
    digest = hashlib.sha256(WORK_DOMAIN + sealed(target, payload)).digest()
    return 256 - int.from_bytes(digest, "big").bit_length()


def dated_payload(body, nonce, expiry, claimed, coding, reserved):
    flags = bytes([claimed | coding << 5, reserved])
    return body + nonce + expiry.to_bytes(4, "little") + flags + b"\x50\x38"


# --- names ---------------------------------------------------------------------------------------------------

def name(kind, typed, text):
    # What follows an @ is the nick; the @ itself is hashed by nobody.
    literal = typed[1:] if typed.startswith("@") else typed
    return {
        "kind": kind,
        "typed": typed,
        "name": text,
        "target": target_of(text).hex(),
        "literal_target": target_of(literal).hex(),
    }


NAMES = [
    name("account", "1234-44", account(1234)),
    name("account", "1234", account(1234)),
    name("account", "0", account(0)),
    name("account", "88", account(88)),
    name("account", "89", account(89)),
    name("account", "4294967295", account(4294967295)),
    name("nick", "nightraven", "nightraven"),
    name("nick", "NightRaven", "nightraven"),
    name("nick", "@nightraven", "nightraven"),
    name("nick", "@NightRaven", "nightraven"),
    name("nick", "abc", "abc"),
    name("nick", "[a\\b]^{c}|_-9", "[a\\b]^{c}|_-9"),
    name("nick", "[A]^", "[a]^"),
    name("nick", "a" * 32, "a" * 32),
    name("channel", "#pascalcoin", "#pascalcoin"),
    name("channel", "#PascalCoin", "#pascalcoin"),
    name("channel", "#1", "#1"),
    name("channel", "##", "##"),
    name("channel", "#\u00c4rger", "#\u00c4rger"),
    name("channel", "#\u00e4rger", "#\u00e4rger"),
    name("channel", "#\u732b\U0001f408", "#\u732b\U0001f408"),
    name("channel", "#" + "x" * 63, "#" + "x" * 63),
    name("channel", "#" + "\u00e9" * 31 + "x", "#" + "\u00e9" * 31 + "x"),
]

# Why: the first words of the rule that is broken.
REFUSED = [
    {"typed": "", "why": "empty"},
    {"typed": "@", "why": "empty"},
    {"typed": "01234", "why": "account form"},
    {"typed": "00", "why": "account form"},
    {"typed": "1234-4", "why": "account form"},
    {"typed": "1234-", "why": "account form"},
    {"typed": "1234-440", "why": "account form"},
    {"typed": "1234-4x", "why": "account form"},
    {"typed": "12e4", "why": "account form"},
    {"typed": "1234 44", "why": "account form"},
    {"typed": "1234-45", "why": "account checksum"},
    {"typed": "4294967296", "why": "account too high"},
    {"typed": "99999999999999999999999999-10", "why": "account too high"},
    {"typed": "ab", "why": "nick length"},
    {"typed": "a" * 33, "why": "nick length"},
    {"typed": "-abc", "why": "nick character"},
    {"typed": "@1abc", "why": "nick character"},
    {"typed": "@1234-44", "why": "nick character"},
    {"typed": "@#abc", "why": "nick character"},
    {"typed": "@@abc", "why": "nick character"},
    {"typed": "a b", "why": "nick character"},
    {"typed": "abc.de", "why": "nick character"},
    {"typed": "abc~", "why": "nick character"},
    {"typed": "abc`", "why": "nick character"},
    {"typed": "r\u00e4ven", "why": "nick character"},
    {"typed": "\u212aelvin", "why": "nick character"},
    {"typed": "\u0661\u0662\u0663", "why": "nick character"},
    {"typed": "#", "why": "channel length"},
    {"typed": "#" + "x" * 64, "why": "channel length"},
    {"typed": "#" + "\u00e9" * 32, "why": "channel length"},
    {"typed": "#a b", "why": "channel character"},
    {"typed": "#a,b", "why": "channel character"},
    {"typed": "#a\u00a0b", "why": "channel character"},
    {"typed": "#a\u2028b", "why": "channel character"},
    {"typed": "#a\u200db", "why": "channel character"},
    {"typed": "#a\u202eb", "why": "channel character"},
    {"typed": "#a\u0007", "why": "channel character"},
    {"typed": "#a\n", "why": "channel character"},
    {"typed": "#a\ufeff", "why": "channel character"},
    {"typed": "#a\ue000", "why": "channel character"},
    {"typed": "#a\u0378", "why": "channel character"},
    {"typed": "#A\u0308rger", "why": "channel not composed", "composed": "#\u00c4rger"},
    {"typed": "#\u212b", "why": "channel not composed", "composed": "#\u00c5"},
    # Composed as typed, no longer so once H is folded: h and the macron below are one character.
    {"typed": "#H\u0331", "why": "channel not composed", "composed": "#\u1e96"},
]


# --- records -------------------------------------------------------------------------------------------------

def plain(what, msg_id, target, payload):
    return {
        "what": what,
        "msgid": msg_id.hex(),
        "target": target.hex(),
        "payload": payload.hex(),
        "record": tmsg(msg_id, target, payload).hex(),
    }


def dated(what, target, body, nonce, expiry, claimed=0, coding=0, reserved=0):
    payload = dated_payload(body, nonce, expiry, claimed, coding, reserved)
    msg_id = dated_id(target, payload)
    return {
        "what": what,
        "target": target.hex(),
        "body": body.hex(),
        "nonce": nonce.hex(),
        "expiry": expiry,
        "claimed_bits": claimed,
        "coding": coding,
        "reserved": reserved,
        "work_bits": claimed if work_of(target, payload) >= claimed else 0,
        "msgid": msg_id.hex(),
        "record": tmsg(msg_id, target, payload).hex(),
    }


def worked(what, target, body, expiry, bits, coding=0):
    number = 0
    while True:
        nonce = number.to_bytes(8, "little")
        if work_of(target, dated_payload(body, nonce, expiry, bits, coding, 0)) >= bits:
            return dated(what, target, body, nonce, expiry, bits, coding)
        number += 1


def near_miss(what, msg_id, target, payload):
    return plain(what, msg_id, target, payload)


NIGHTRAVEN = target_of("nightraven")
CHANNEL = target_of("#pascalcoin")
NONCE = bytes(range(0xA0, 0xA8))
ID = bytes(range(0x01, 0x11))

PLAIN = [
    plain("a text to a nick", ID, NIGHTRAVEN, b"hello"),
    plain("no payload at all", ID, NIGHTRAVEN, b""),
    plain("the longest", bytes([0xFF] * 16), CHANNEL, bytes(i % 256 for i in range(255))),
    plain("a payload of 15 bytes that ends in 50 38 has no room for a trailer", ID, CHANNEL, b"thirteen byte" + b"P8"),
]

DATED = [
    dated("a text to a nick", NIGHTRAVEN, b"hello", NONCE, NOON + 600),
    dated("no body", NIGHTRAVEN, b"", NONCE, NOON + 600),
    dated("the longest body", CHANNEL, bytes(i % 256 for i in range(239)), NONCE, NOON + 3600),
    dated("UTF-8", CHANNEL, "Gr\u00fc\u00dfe \U0001f426".encode("utf-8"), bytes(8), NOON + 10),
    dated("an envelope", CHANNEL, bytes.fromhex("a0"), NONCE, NOON + 600, coding=1),
    dated("an unknown coding", CHANNEL, b"?", NONCE, NOON + 600, coding=7),
    dated("an unknown flag byte", CHANNEL, b"?", NONCE, NOON + 600, reserved=0x80),
    dated("the highest expiry", CHANNEL, b"late", NONCE, 0xFFFFFFFF),
    dated("the lowest expiry", CHANNEL, b"early", NONCE, 0),
    dated("work is claimed and not done", NIGHTRAVEN, b"hello", NONCE, NOON + 600, claimed=20),
    dated("all five bits claimed, none done", NIGHTRAVEN, b"hello", NONCE, NOON + 600, claimed=31, coding=7),
    worked("8 bits of work", NIGHTRAVEN, b"hello", NOON + 600, 8),
    worked("20 bits of work", NIGHTRAVEN, b"hello", NOON + 600, 20),
]


def near_misses():
    payload = dated_payload(b"hello", NONCE, NOON + 600, 0, 0, 0)
    right = dated_id(NIGHTRAVEN, payload)
    other = dated_payload(b"hellp", NONCE, NOON + 600, 0, 0, 0)
    later = dated_payload(b"hello", NONCE, NOON + 601, 0, 0, 0)
    body_only = md5(ID_DOMAIN + NIGHTRAVEN + bytes([5]) + b"hello")
    yield near_miss("one bit of the id", bytes([right[0] ^ 1]) + right[1:], NIGHTRAVEN, payload)
    yield near_miss("another body under the id", right, NIGHTRAVEN, other)
    yield near_miss("another date under the id", right, NIGHTRAVEN, later)
    yield near_miss("another target under the id", right, CHANNEL, payload)
    yield near_miss("an id without the domain", md5(sealed(NIGHTRAVEN, payload)), NIGHTRAVEN, payload)
    yield near_miss("an id with the domain of the work", md5(WORK_DOMAIN + sealed(NIGHTRAVEN, payload)), NIGHTRAVEN, payload)
    yield near_miss("an id of the body alone", body_only, NIGHTRAVEN, payload)
    yield near_miss("an id without the length", md5(ID_DOMAIN + NIGHTRAVEN + payload), NIGHTRAVEN, payload)
    without = payload[:-2] + b"\x38\x50"
    yield near_miss("a right id, the end turned round", dated_id(NIGHTRAVEN, without), NIGHTRAVEN, without)
    short = payload[-15:]
    yield near_miss("a right id, a trailer one byte short", dated_id(NIGHTRAVEN, short), NIGHTRAVEN, short)
    yield near_miss("a right id, no trailer", dated_id(NIGHTRAVEN, b"hello"), NIGHTRAVEN, b"hello")


print(json.dumps(
    {
        "made_by": "docs/wire/vectors/make_record.py",
        "names": NAMES,
        "refused_names": REFUSED,
        "plain": PLAIN,
        "dated": DATED,
        "near_misses": list(near_misses()),
    },
    indent=1,
    ensure_ascii=True,
))
