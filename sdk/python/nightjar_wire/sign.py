"""Chat keys and their signatures: Ed25519, strict, bound to place and outer form."""

from __future__ import annotations

import hashlib

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from .record import Place
from .refused import require

CLEAR, CHANNEL, FIRST, PAIR = 2, 3, 4, 5

_P = 2**255 - 19
_D = -121665 * pow(121666, -1, _P) % _P
# The y of the eight points of small order. Each stands for two points, but those of 1 and p - 1.
_SMALL_ORDER_Y = {
    0,
    1,
    _P - 1,
    int.from_bytes(bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little"),
    int.from_bytes(bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"), "little"),
}


class ChatSecret:
    """An identity's secret: the 32 bytes an Ed25519 key is made from."""

    def __init__(self, seed: bytes) -> None:
        require(len(seed) == 32, "a seed has 32 bytes")
        self._seed = seed
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.public: bytes = self._key.public_key().public_bytes_raw()

    def __repr__(self) -> str:
        return f"ChatSecret of {self.public.hex()}"

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message)

    def x25519_secret(self) -> bytes:
        """Before clamping; X25519 clamps whatever it is given."""
        return hashlib.sha512(self._seed).digest()[:32]


def y_of(point: bytes) -> int:
    return int.from_bytes(point, "little") & (2**255 - 1)


def is_strong(point: bytes) -> bool:
    """Canonical and not of small order. Whether it is on the curve is seen by who computes with it."""
    return len(point) == 32 and y_of(point) < _P and y_of(point) not in _SMALL_ORDER_Y


def may_sign(point: bytes) -> bool:
    """Whether it is a chat key. It may have a torsion part."""
    return is_strong(point) and is_on_curve(point)


def is_on_curve(point: bytes) -> bool:
    y = y_of(point)
    square_of_x = (y * y - 1) * pow(_D * y * y + 1, -1, _P) % _P
    return pow(square_of_x, (_P - 1) // 2, _P) in (0, 1)


def verify_bytes(author: bytes, signature: bytes, message: bytes) -> bool:
    """OpenSSL checks s < order and the equation without cofactor, R as bytes; the rest is checked here."""
    if len(signature) != 64 or not is_strong(author) or not is_strong(signature[:32]):
        return False
    try:
        Ed25519PublicKey.from_public_bytes(author).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def message_to_sign(place: Place, outer_form: int, author: bytes, map_bytes: bytes) -> bytes:
    return (
        b"PIP38 sign v1\0" + place.network_byte + place.target + place.expiry_bytes
        + bytes([outer_form]) + author + map_bytes
    )  # fmt: skip


def sign(secret: ChatSecret, place: Place, outer_form: int, map_bytes: bytes) -> bytes:
    return secret.sign(message_to_sign(place, outer_form, secret.public, map_bytes))


def verify(author: bytes, signature: bytes, place: Place, outer_form: int, map_bytes: bytes) -> bool:
    return verify_bytes(author, signature, message_to_sign(place, outer_form, author, map_bytes))


def hand_over_message(network: int, old: bytes, new: bytes) -> bytes:
    return b"PIP38 hand-over v1\0" + bytes([network]) + old + new


def hand_over(network: int, old: bytes, new: ChatSecret) -> bytes:
    """Key 10 of a hand-over: the new key, and its consent."""
    return new.public + new.sign(hand_over_message(network, old, new.public))


def hand_over_holds(network: int, old: bytes, value: bytes) -> bool:
    new, signature = value[:32], value[32:]
    return len(value) == 96 and new != old and verify_bytes(new, signature, hand_over_message(network, old, new))
