"""What holds for any bytes and any values; and HPKE against RFC 9180 and another implementation."""

from dataclasses import replace

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightjar_wire import cbor, check, delegation, fragments, hpke, names, seals, sect283k1, sign
from nightjar_wire import map as maps
from nightjar_wire import open as opening
from nightjar_wire.account_key import SecretKey, curve_of_name
from nightjar_wire.record import MAIN, Place, read_dated, write_dated
from nightjar_wire.refused import Refused

PLACE = Place(MAIN, bytes(range(16)), 1_800_000_600)
ALICE, BOB = sign.ChatSecret(b"a" * 32), sign.ChatSecret(b"b" * 32)

uint64 = st.integers(0, 2**64 - 1)
scalars = st.one_of(st.integers(-(2**64), 2**64 - 1), st.binary(max_size=40), st.text(max_size=20), st.booleans(), st.none())


def nested(depth):
    if depth == 0:
        return scalars
    below = nested(depth - 1)
    return st.one_of(scalars, st.lists(below, max_size=4), st.dictionaries(uint64, below, max_size=4))


@given(nested(cbor.DEPTH_MAX))
def test_what_is_written_is_read_and_another_program_agrees(value):
    data = cbor.write(value)
    assert cbor.read(data) == (value, len(data))
    assert cbor2.loads(data) == value
    assert cbor2.dumps(value, canonical=True) == data


@given(st.binary(max_size=60))
@settings(max_examples=500)
def test_what_is_read_has_one_spelling(data):
    try:
        value, length = cbor.read(data)
    except Refused:
        return
    assert cbor.write(value) == data[:length]


@given(st.binary(max_size=300))
def test_no_body_does_anything_but_say_or_be_refused(body):
    own = opening.Own((ALICE,), (), (b"secret",))
    for meaning in (opening.OpenChannel((b"secret",)), own):
        for first in (b"", bytes([1]), bytes([2]), bytes([4]), bytes([7]), bytes([8])):
            try:
                opening.open_body(PLACE, first + body, meaning)
            except Refused:
                pass


@given(st.text(max_size=40))
def test_no_line_ends_the_check(text):
    assert isinstance(check.answer(text), dict)


@given(st.binary(max_size=239), st.binary(min_size=8, max_size=8))
def test_records(body, nonce):
    record = write_dated(PLACE, body, nonce)
    dated = read_dated(record)
    assert (dated.body, dated.place(MAIN), dated.coding) == (body, PLACE, 1)
    with pytest.raises(Refused):
        read_dated(record[:-3] + bytes([record[-3] ^ 1]) + record[-2:])


@given(st.integers(211, 65_520), st.randoms())
@settings(max_examples=30, deadline=None)
def test_parts_join_in_any_order(length, random):
    body = b"\x03" + random.randbytes(length - 1)
    parts = [fragments.Part.read(PLACE, part) for part in fragments.cut(PLACE, body)]
    random.shuffle(parts)
    assert fragments.joined(parts) == (PLACE, body)
    if parts:
        with pytest.raises(Refused):
            fragments.joined(parts[1:])


@given(st.integers(0, 600))
def test_padded_bodies_have_few_sizes(length):
    for form, overhead in ((3, 33), (4, 129), (5, 49)):
        size = overhead + len(seals.pad(form, bytes(length)))
        assert size in (160, 239) or size % 210 == 0 and size >= 420
        assert size >= overhead + length


@given(st.text(min_size=1, max_size=200))
@settings(max_examples=20, deadline=None)
def test_pairs_understand_each_other(text):
    found = maps.write({1: 0, 2: 0, 3: text}, PLACE.expiry)
    secret = seals.pair_secret(MAIN, ALICE, BOB.public)
    place = Place(MAIN, seals.pair_target(secret, PLACE.day, BOB.public), PLACE.expiry)
    body = seals.pair_seal(place, ALICE, BOB.public, b"e" * 32, seals.pad(5, b"\x01" + found.data))
    message = opening.open_body(place, body, opening.Pair(BOB, ALICE.public))
    assert message.map.content() == text and message.author == ALICE.public
    with pytest.raises(opening.Outsider):
        opening.open_body(place, body[:-1] + bytes([body[-1] ^ 1]), opening.Pair(BOB, ALICE.public))


def test_names():
    assert names.nick("@NightRaven") == "nightraven"
    assert names.channel("#PascalCoin") == "#pascalcoin"
    assert names.target_of("#Ärger").hex() == "bf3817f9a3348706f2be1f742949ff5f"
    assert names.account(names.account_text(4_294_967_295)) == 4_294_967_295
    for wrong in ("0005-70", "5-70", "4294967296-05", "1234-45", "1234"):
        with pytest.raises(Refused):
            names.account(wrong) if wrong != "5-70" else names.account("5-71")
    for wrong in ("#", "#a b", "#a,b", "#e\u0301", "#H\u0331", "a", "#" + "x" * 64):
        with pytest.raises(Refused):
            names.channel(wrong)


def test_an_empty_passphrase_is_refused():
    with pytest.raises(Refused):
        seals.channel_key(MAIN, "#x", "")


def test_sect283k1_knows_its_group():
    assert sect283k1.in_group(sect283k1.BASE)
    assert sect283k1.times(sect283k1.ORDER, sect283k1.BASE) is None
    double = sect283k1.add(sect283k1.BASE, sect283k1.BASE)
    assert sect283k1.on_curve(double) and sect283k1.times(2, sect283k1.BASE) == double
    assert sect283k1.decompress(double[0], sect283k1.y_bit(double)) == double


# RFC 9180, A.2.1 (base) and A.2.3 (auth): the first message of each.
_INFO = bytes.fromhex("4f6465206f6e2061204772656369616e2055726e")
_AAD, _PLAIN = b"Count-0", bytes.fromhex("4265617574792069732074727574682c20747275746820626561757479")


def test_hpke_base_is_that_of_the_rfc():
    ephemeral = bytes.fromhex("f4ec9b33b792c372c1d2c2063507b684ef925b8c75a42dbcbf57d63ccd381600")
    secret = bytes.fromhex("8057991eef8f1f1af18f4a9491d16a1ce333f695d4db8e38da75975c4478e0fb")
    sender = hpke.Sender(ephemeral, hpke.public_of(secret), _INFO)
    assert sender.enc.hex() == "1afa08d3dec047a643885163f1180476fa7ddb54c6a8029ea33f95796bf2ac4a"
    sealed = sender.seal(_AAD, _PLAIN)
    assert sealed.hex() == "1c5250d8034ec2b784ba2cfd69dbdb8af406cfe3ff938e131f0def8c8b60b4db21993c62ce81883d2dd1b51a28"
    assert hpke.open_sealed(secret, sender.enc, _INFO, _AAD, sealed) == _PLAIN


def test_hpke_auth_is_that_of_the_rfc():
    secret = bytes.fromhex("3ca22a6d1cda1bb9480949ec5329d3bf0b080ca4c45879c95eddb55c70b80b82")
    sender = bytes.fromhex("f0f4f9e96c54aeed3f323de8534fffd7e0577e4ce269896716bcb95643c8712b")
    enc = bytes.fromhex("f7674cc8cd7baa5872d1f33dbaffe3314239f6197ddf5ded1746760bfc847e0e")
    sealed = bytes.fromhex("ab1a13c9d4f01a87ec3440dbd756e2677bd2ecf9df0ce7ed73869b98e00c09be111cb9fdf077347aeb88e61bdf")
    assert hpke.open_sealed(secret, enc, _INFO, _AAD, sealed, sender) == _PLAIN
    for wrong in (None, hpke.public_of(secret)):
        with pytest.raises(Refused):
            hpke.open_sealed(secret, enc, _INFO, _AAD, sealed, wrong)


def test_a_time_of_issue_ends_where_u32_ends():
    key = SecretKey(curve_of_name("secp256k1"), 7)
    draft = delegation.Draft(MAIN, 0, delegation.SPEAK, 2**32 - 2, 2**32 - 1, "", key.public, ALICE.public)
    skipped = next(n for n in range(1_000) if not replace(draft, account=n).passes_skip_rule())
    with pytest.raises(Refused):
        delegation.make(replace(draft, account=skipped), key)
    with pytest.raises(Refused):
        delegation.revocation(MAIN, 0, 2**32 - 60, "", key, ALICE.public)
