"""What PascalCoin's own daemon made, captured: this package must agree with it."""

import json
import pathlib

import pytest

from nightjar_wire import delegation, pascal
from nightjar_wire.account_key import PublicKey, SecretKey, curve_of_name
from nightjar_wire.refused import Refused

VECTORS = pathlib.Path(__file__).parent / "vectors"


def load(name, part="vectors"):
    return json.loads((VECTORS / f"{name}.json").read_text(encoding="utf-8"))[part]


def secret_of(case):
    return SecretKey(curve_of_name(case["curve"]), int(case["private_key"], 16))


@pytest.mark.parametrize("case", load("delegation"))
def test_delegations_signed_by_a_daemon(case):
    read = delegation.read(case["network"], bytes.fromhex(case["chat_key"]), bytes.fromhex(case["record"]))
    assert read.write().hex() == case["record"]
    assert read.draft.digest().hex() == case["digest"]
    assert read.draft.key.raw().hex() == case["enc_pubkey"].lower()
    assert read.draft.key == secret_of(case).public


@pytest.mark.parametrize("case", load("delegation", "wrong"), ids=lambda case: f"{case['curve']}: {case['why']}")
def test_delegations_a_daemon_refuses(case):
    key = PublicKey.from_raw(bytes.fromhex(case["enc_pubkey"]))
    assert case["valid"] is False
    assert not key.verify(bytes.fromhex(case["digest"]), int(case["r"], 16), int(case["s"], 16))


def test_the_skip_rule_on_a_daemons_example():
    case = json.loads((VECTORS / "delegation.json").read_text(encoding="utf-8"))["skip_rule"]
    assert any(byte < 0x10 for byte in bytes.fromhex(_first(case, "digest"))[:4])


def _first(value, name):
    """The first member of this name, wherever it stands."""
    if isinstance(value, dict):
        if isinstance(value.get(name), str):
            return value[name]
        value = list(value.values())
    if isinstance(value, list):
        return next((found for found in (_first(item, name) for item in value) if found), None)
    return None


@pytest.mark.parametrize("case", load("ecies") + load("ecies_client_made"))
def test_containers(case):
    secret, container = secret_of(case), bytes.fromhex(case["ciphertext"])
    plaintext = bytes.fromhex(case["plaintext"])
    assert pascal.ecies_open(secret, container) == plaintext
    if "ephemeral_private_key" in case:
        ephemeral = SecretKey(secret.curve, int(case["ephemeral_private_key"], 16))
        assert pascal.ecies_seal(secret.public, ephemeral, plaintext) == container


@pytest.mark.parametrize("case", load("aes_password"))
def test_password_containers(case):
    password, container = bytes.fromhex(case["password_bytes"]), bytes.fromhex(case["ciphertext"])
    plaintext = bytes.fromhex(case["plaintext"])
    assert pascal.aes_open(password, container) == plaintext
    assert pascal.aes_seal(password, container[8:16], plaintext) == container


@pytest.mark.parametrize("case", load("signmessage"))
def test_signatures(case):
    key, digest = PublicKey.from_raw(bytes.fromhex(case["enc_pubkey"])), bytes.fromhex(case["digest"])
    r, s = int(case["r"], 16), int(case["s"], 16)
    if case["curve"] == "secp521r1" and len(digest) > 64:
        # The library takes no digest of this length; delegations have 32 bytes.
        with pytest.raises(Refused):
            key.verify(digest, r, s)
        return
    assert key.verify(digest, r, s)
    assert not key.verify(digest, s, r)
    assert not key.verify(bytes([digest[0] ^ 0x40]) + digest[1:], r, s)


@pytest.mark.parametrize("case", load("pubkeys"))
def test_raw_keys(case):
    key = secret_of(case).public
    assert key.raw().hex() == case["enc_pubkey"].lower()
    assert PublicKey.from_raw(key.raw()) == key == PublicKey.from_point(key.curve, key.point())
