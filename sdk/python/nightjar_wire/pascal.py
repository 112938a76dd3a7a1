"""PascalCoin's two containers, the forms 06 and 07: ECIES for an account's key, AES under a password."""

from __future__ import annotations

import hashlib
import hmac

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from .account_key import PublicKey, SecretKey
from .refused import require

_SALTED = b"Salted__"


def _aes(key: bytes, iv: bytes) -> Cipher[modes.CBC]:
    return Cipher(algorithms.AES(key), modes.CBC(iv))


def _encrypt(key: bytes, iv: bytes, padded: bytes) -> bytes:
    machine = _aes(key, iv).encryptor()
    return machine.update(padded) + machine.finalize()


def _decrypt(key: bytes, iv: bytes, body: bytes) -> bytes:
    machine = _aes(key, iv).decryptor()
    return machine.update(body) + machine.finalize()


def _mac(keys: bytes, body: bytes) -> bytes:
    return hmac.digest(keys[32:], body, "md5")


def ecies_seal(recipient: PublicKey, ephemeral: SecretKey, plaintext: bytes) -> bytes:
    keys = hashlib.sha512(ephemeral.shared_x(recipient)).digest()
    padded = plaintext + bytes(-len(plaintext) % 16)
    require(len(padded) <= 65_520, "too long for a container")
    body = _encrypt(keys[:32], bytes(16), padded)
    point = ephemeral.public.point()
    lengths = bytes([len(point), 16]) + len(plaintext).to_bytes(2, "little") + len(body).to_bytes(2, "little")
    return lengths + point + _mac(keys, body) + body


def ecies_open(recipient: SecretKey, container: bytes) -> bytes:
    require(len(container) >= 6, "a container cut short")
    point_length = container[0]
    plain_length = int.from_bytes(container[2:4], "little")
    body_length = int.from_bytes(container[4:6], "little")
    require(point_length == 1 + recipient.curve.field_bytes, "a container for a key of another curve")
    require(container[1] == 16, "the MAC has another length than 16")
    require(body_length == plain_length + -plain_length % 16, "the body is not the plaintext rounded up")
    require(len(container) == 22 + point_length + body_length, "the container has another length than it says")
    ephemeral = PublicKey.from_point(recipient.curve, container[6 : 6 + point_length])
    mac, body = container[6 + point_length : 22 + point_length], container[22 + point_length :]
    keys = hashlib.sha512(recipient.shared_x(ephemeral)).digest()
    require(hmac.compare_digest(mac, _mac(keys, body)), "for another key, or changed")
    padded = _decrypt(keys[:32], bytes(16), body)
    require(not any(padded[plain_length:]), "bytes behind the plaintext that are not zero")
    return padded[:plain_length]


def _password_key(password: bytes, salt: bytes) -> tuple[bytes, bytes]:
    key = hashlib.sha256(password + salt).digest()
    return key, hashlib.sha256(key + password + salt).digest()[:16]


def aes_seal(password: bytes, salt: bytes, plaintext: bytes) -> bytes:
    require(len(salt) == 8, "a salt has 8 bytes")
    padding = 16 - len(plaintext) % 16
    return _SALTED + salt + _encrypt(*_password_key(password, salt), plaintext + bytes([padding]) * padding)


def aes_open(password: bytes, container: bytes) -> bytes:
    """Nothing authenticates this form: one wrong password in 256 seems right."""
    require(container[:8] == _SALTED, "not a container of this form")
    body = container[16:]
    require(len(body) >= 16 and len(body) % 16 == 0, "the container is not of whole blocks")
    padded = _decrypt(*_password_key(password, container[8:16]), body)
    padding = padded[-1]
    require(1 <= padding <= 16 and padded[-padding:] == bytes([padding]) * padding, "another password, or changed")
    return padded[:-padding]
