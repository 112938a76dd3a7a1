"""The seals: channel (03), first contact (04), pair (05), their keys and targets, and padding."""

from __future__ import annotations

import hashlib
import hmac
import unicodedata
from dataclasses import dataclass

from argon2.low_level import Type, hash_secret_raw
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from nacl.bindings import crypto_core_ed25519_is_valid_point

from . import hpke
from .record import BODY_BYTES_MAX, Place
from .refused import Refused, require
from .sign import CHANNEL, FIRST, PAIR, ChatSecret, is_strong, y_of

_P = 2**255 - 19
_OVERHEAD = {CHANNEL: 1 + 16 + 16, FIRST: 1 + 32 + 48 + 32 + 16, PAIR: 1 + 32 + 16}
_SMALLEST_BODY = 160
_STEP = 210
BODY_OF_PARTS_MAX = 312 * _STEP


def pad(form: int, inner: bytes) -> bytes:
    """`inner` with zeros behind it, so that the sealed body has one of the few sizes."""
    return inner + bytes(padded_body(form, inner) - _OVERHEAD[form] - len(inner))


def padded_body(form: int, inner: bytes) -> int:
    """The size of the body that `inner` becomes."""
    least = _OVERHEAD[form] + len(inner)
    for size in (_SMALLEST_BODY, BODY_BYTES_MAX):
        if least <= size:
            return size
    size = least + -least % _STEP
    require(size <= BODY_OF_PARTS_MAX, "too long, even in parts")
    return size


# --- X25519 of chat keys ---------------------------------------------------------------------------------------


def x25519_public(chat_key: bytes) -> bytes:
    """Refuses keys that are not canonical, not on the curve, of small order, or with a torsion part."""
    require(is_strong(chat_key), "a key that is not canonical, or of small order")
    require(crypto_core_ed25519_is_valid_point(chat_key), "a key with a torsion part, or not on the curve")
    y = y_of(chat_key)
    return ((1 + y) * pow(1 - y, -1, _P) % _P).to_bytes(32, "little")


# --- channel ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ChannelKey:
    """What members of a channel derive from its passphrase."""

    network: int
    root: bytes
    seal: bytes
    target: bytes

    def target_of(self, day: int) -> bytes:
        return hmac.digest(self.target, day.to_bytes(4, "little"), hashlib.sha256)[:16]

    def __repr__(self) -> str:
        return "ChannelKey"


def channel_salt(network: int, folded_name: str) -> bytes:
    return hashlib.sha256(b"PIP38 channel v1\0" + bytes([network]) + folded_name.encode()).digest()[:16]


def channel_key(network: int, folded_name: str, passphrase: str) -> ChannelKey:
    composed = unicodedata.normalize("NFC", passphrase).encode()
    require(composed != b"", "an empty passphrase")
    root = hash_secret_raw(
        composed, channel_salt(network, folded_name), time_cost=3, memory_cost=65_536, parallelism=1, hash_len=32, type=Type.ID
    )
    return ChannelKey(network, root, hpke.hkdf(root, b"seal"), hpke.hkdf(root, b"target"))


def _channel_cipher(key: ChannelKey, nonce: bytes) -> ChaCha20Poly1305:
    return ChaCha20Poly1305(hpke.hkdf(key.seal, b"PIP38 channel seal v1", salt=nonce))


def _channel_aad(place: Place) -> bytes:
    return place.network_byte + place.target + place.expiry_bytes + bytes([CHANNEL])


def channel_seal(key: ChannelKey, place: Place, nonce: bytes, plaintext: bytes) -> bytes:
    """`plaintext` is padded already."""
    require(len(nonce) == 16, "a nonce has 16 bytes")
    return bytes([CHANNEL]) + nonce + _channel_cipher(key, nonce).encrypt(bytes(12), plaintext, _channel_aad(place))


def channel_open(key: ChannelKey, place: Place, body: bytes) -> bytes:
    require(len(body) >= 33 and body[0] == CHANNEL, "no room for a channel's seal")
    nonce = body[1:17]
    try:
        return _channel_cipher(key, nonce).decrypt(bytes(12), body[17:], _channel_aad(place))
    except InvalidTag:
        raise Refused("sealed with another key, in another place, or changed") from None


# --- direct ----------------------------------------------------------------------------------------------------


def _info(place: Place, form: int, step: bytes) -> bytes:
    return b"PIP38 hpke v1\0" + place.network_byte + bytes([form]) + step


def _aad(place: Place, body_before: bytes) -> bytes:
    return place.target + place.expiry_bytes + body_before


def first_seal(place: Place, sender: ChatSecret, recipient: bytes, ephemeral_a: bytes, ephemeral_b: bytes, plaintext: bytes) -> bytes:
    public = x25519_public(recipient)
    a = hpke.Sender(ephemeral_a, public, _info(place, FIRST, b"A"))
    body = bytes([FIRST]) + a.enc
    body += a.seal(_aad(place, body), sender.public)
    b = hpke.Sender(ephemeral_b, public, _info(place, FIRST, b"B"), sender.x25519_secret())
    body += b.enc
    return body + b.seal(_aad(place, body), plaintext)


def first_open(place: Place, recipient: ChatSecret, body: bytes) -> tuple[bytes, bytes]:
    """The sender's chat key, and the padded plaintext."""
    require(len(body) >= 129 and body[0] == FIRST, "no room for a first contact's seal")
    secret = recipient.x25519_secret()
    sender = hpke.open_sealed(secret, body[1:33], _info(place, FIRST, b"A"), _aad(place, body[:33]), body[33:81])
    plaintext = hpke.open_sealed(
        secret, body[81:113], _info(place, FIRST, b"B"), _aad(place, body[:113]), body[113:], x25519_public(sender)
    )
    return sender, plaintext


def pair_seal(place: Place, sender: ChatSecret, recipient: bytes, ephemeral: bytes, plaintext: bytes) -> bytes:
    b = hpke.Sender(ephemeral, x25519_public(recipient), _info(place, PAIR, b"B"), sender.x25519_secret())
    body = bytes([PAIR]) + b.enc
    return body + b.seal(_aad(place, body), plaintext)


def pair_open(place: Place, recipient: ChatSecret, sender: bytes, body: bytes) -> bytes:
    require(len(body) >= 49 and body[0] == PAIR, "no room for a pair's seal")
    return hpke.open_sealed(
        recipient.x25519_secret(), body[1:33], _info(place, PAIR, b"B"), _aad(place, body[:33]), body[33:], x25519_public(sender)
    )


def pair_secret(network: int, own: ChatSecret, other: bytes) -> bytes:
    shared = hpke.exchange(own.x25519_secret(), x25519_public(other))
    lower, higher = sorted((own.public, other))
    return hpke.hkdf(shared, b"PIP38 pair v1\0" + bytes([network]) + lower + higher)


def pair_target(secret: bytes, day: int, recipient: bytes) -> bytes:
    return hmac.digest(secret, b"target" + day.to_bytes(4, "little") + recipient, hashlib.sha256)[:16]
