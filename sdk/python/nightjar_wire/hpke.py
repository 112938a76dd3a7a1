"""HPKE (RFC 9180), one suite, single shot: X25519, HKDF-SHA256, ChaCha20-Poly1305; modes base and auth."""

from __future__ import annotations

import hashlib
import hmac

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from .refused import Refused

_KEM_SUITE = b"KEM\x00\x20"
_SUITE = b"HPKE\x00\x20\x00\x01\x00\x03"
_BASE, _AUTH = b"\x00", b"\x02"


def extract(salt: bytes, material: bytes) -> bytes:
    return hmac.digest(salt or bytes(32), material, hashlib.sha256)


def expand(key: bytes, info: bytes, length: int) -> bytes:
    out, block, count = b"", b"", 1
    while len(out) < length:
        block = hmac.digest(key, block + info + bytes([count]), hashlib.sha256)
        out, count = out + block, count + 1
    return out[:length]


def hkdf(material: bytes, info: bytes, salt: bytes = b"") -> bytes:
    """HKDF-SHA256 with 32 bytes of output, as the seals use it."""
    return expand(extract(salt, material), info, 32)


def exchange(secret: bytes, public: bytes) -> bytes:
    """X25519. A shared secret of zeros is refused: the public key was of small order."""
    try:
        return X25519PrivateKey.from_private_bytes(secret).exchange(X25519PublicKey.from_public_bytes(public))
    except ValueError:
        raise Refused("an X25519 key of small order") from None


def public_of(secret: bytes) -> bytes:
    return X25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()


def _labeled_extract(suite: bytes, salt: bytes, label: bytes, material: bytes) -> bytes:
    return extract(salt, b"HPKE-v1" + suite + label + material)


def _labeled_expand(suite: bytes, key: bytes, label: bytes, info: bytes, length: int) -> bytes:
    return expand(key, length.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info, length)


def _shared_secret(dh: bytes, kem_context: bytes) -> bytes:
    prk = _labeled_extract(_KEM_SUITE, b"", b"eae_prk", dh)
    return _labeled_expand(_KEM_SUITE, prk, b"shared_secret", kem_context, 32)


def _key_and_nonce(mode: bytes, shared: bytes, info: bytes) -> tuple[bytes, bytes]:
    context = mode + _labeled_extract(_SUITE, b"", b"psk_id_hash", b"") + _labeled_extract(_SUITE, b"", b"info_hash", info)
    secret = _labeled_extract(_SUITE, shared, b"secret", b"")
    return _labeled_expand(_SUITE, secret, b"key", context, 32), _labeled_expand(_SUITE, secret, b"base_nonce", context, 12)


class Sender:
    """What the sender has after encapsulation. The ephemeral secret comes in: from chance, or from a seed in vectors."""

    def __init__(self, ephemeral: bytes, recipient: bytes, info: bytes, sender: bytes | None = None) -> None:
        self.enc = public_of(ephemeral)
        dh, context = exchange(ephemeral, recipient), self.enc + recipient
        if sender is not None:
            dh, context = dh + exchange(sender, recipient), context + public_of(sender)
        mode = _BASE if sender is None else _AUTH
        self.key, self.nonce = _key_and_nonce(mode, _shared_secret(dh, context), info)

    def seal(self, aad: bytes, plaintext: bytes) -> bytes:
        return ChaCha20Poly1305(self.key).encrypt(self.nonce, plaintext, aad)


def open_sealed(secret: bytes, enc: bytes, info: bytes, aad: bytes, ciphertext: bytes, sender: bytes | None = None) -> bytes:
    """Opens what was sealed to `secret`; with `sender`, only what its owner sealed."""
    dh, context = exchange(secret, enc), enc + public_of(secret)
    if sender is not None:
        dh, context = dh + exchange(secret, sender), context + sender
    mode = _BASE if sender is None else _AUTH
    key, nonce = _key_and_nonce(mode, _shared_secret(dh, context), info)
    try:
        return ChaCha20Poly1305(key).decrypt(nonce, ciphertext, aad)
    except InvalidTag:
        raise Refused("sealed for somebody else, by somebody else, or changed") from None
