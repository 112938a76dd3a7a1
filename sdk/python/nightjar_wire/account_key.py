"""Keys of PascalCoin accounts on their four curves: points, raw form, ECDSA over a digest, ECDH."""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature, encode_dss_signature

from . import sect283k1
from .refused import Refused, require


@dataclass(frozen=True)
class Curve:
    code: int  # in delegations
    number: int  # in PascalCoin's raw keys
    name: str
    field_bytes: int
    order: int
    prime: ec.EllipticCurve | None  # None: sect283k1, by our own arithmetic


CURVES = [
    Curve(1, 714, "secp256k1", 32, 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141, ec.SECP256K1()),
    Curve(
        2, 715, "secp384r1", 48,
        0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973,
        ec.SECP384R1(),
    ),
    Curve(
        3, 716, "secp521r1", 66,
        0x01FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFA51868783BF2F966B7FCC0148F709A5D03BB5C9B8899C47AEBB6FB71E91386409,
        ec.SECP521R1(),
    ),
    Curve(4, 729, "sect283k1", 36, sect283k1.ORDER, None),
]  # fmt: skip
_BY_CODE = {curve.code: curve for curve in CURVES}
_BY_NUMBER = {curve.number: curve for curve in CURVES}
_BY_NAME = {curve.name: curve for curve in CURVES}


def curve_of_code(code: int) -> Curve:
    require(code in _BY_CODE, "an unknown curve")
    return _BY_CODE[code]


def curve_of_name(name: str) -> Curve:
    require(name in _BY_NAME, "an unknown curve")
    return _BY_NAME[name]


@dataclass(frozen=True)
class PublicKey:
    """A point that is on its curve and in the group of the base point."""

    curve: Curve
    x: int
    y: int

    @staticmethod
    def from_point(curve: Curve, point: bytes) -> PublicKey:
        """Reads a compressed point."""
        require(len(point) == 1 + curve.field_bytes and point[0] in (2, 3), "not a compressed point of this curve")
        if curve.prime is None:
            x, y = sect283k1.decompress(int.from_bytes(point[1:], "big"), point[0] & 1)
            require(sect283k1.in_group((x, y)), "a point outside the group of the base point")
            return PublicKey(curve, x, y)
        try:
            numbers = ec.EllipticCurvePublicKey.from_encoded_point(curve.prime, point).public_numbers()
        except ValueError:
            raise Refused("a point that is not on the curve") from None
        return PublicKey(curve, numbers.x, numbers.y)

    @staticmethod
    def from_raw(raw: bytes) -> PublicKey:
        """Reads PascalCoin's raw form (leading zeros are taken), and checks the point."""
        require(len(raw) >= 6, "a raw key is cut short")
        number, x_length = int.from_bytes(raw[:2], "little"), int.from_bytes(raw[2:4], "little")
        rest = raw[4 + x_length :]
        y_length = int.from_bytes(rest[:2], "little")
        require(number in _BY_NUMBER and len(rest) == 2 + y_length, "not a raw key")
        curve = _BY_NUMBER[number]
        x, y = int.from_bytes(raw[4 : 4 + x_length], "big"), int.from_bytes(rest[2:], "big")
        if curve.prime is None:
            require(sect283k1.in_group((x, y)), "a point outside the group of the base point")
        else:
            try:
                ec.EllipticCurvePublicNumbers(x, y, curve.prime).public_key()
            except ValueError:
                raise Refused("a point that is not on the curve") from None
        return PublicKey(curve, x, y)

    def point(self) -> bytes:
        bit = sect283k1.y_bit((self.x, self.y)) if self.curve.prime is None else self.y & 1
        return bytes([2 + bit]) + self.x.to_bytes(self.curve.field_bytes, "big")

    def raw(self) -> bytes:
        """As a daemon writes it: coordinates without leading zeros."""
        x, y = minimal(self.x), minimal(self.y)
        return self.curve.number.to_bytes(2, "little") + _str(x) + _str(y)

    def verify(self, digest: bytes, r: int, s: int) -> bool:
        """ECDSA over the digest as it stands: at most as many bytes as the hash that holds it, see `_prehashed`."""
        if not (0 < r < self.curve.order and 0 < s < self.curve.order):
            return False
        if self.curve.prime is None:
            return sect283k1.verify((self.x, self.y), digest, r, s)
        fitted, algorithm = _prehashed(self.curve, digest)
        try:
            self._prime().verify(encode_dss_signature(r, s), fitted, algorithm)
        except InvalidSignature:
            return False
        return True

    def _prime(self) -> ec.EllipticCurvePublicKey:
        assert self.curve.prime is not None
        return ec.EllipticCurvePublicNumbers(self.x, self.y, self.curve.prime).public_key()


class SecretKey:
    """A scalar on one of the curves."""

    def __init__(self, curve: Curve, scalar: int) -> None:
        require(0 < scalar < curve.order, "a scalar outside the order")
        self.curve, self._scalar = curve, scalar
        if curve.prime is None:
            point = sect283k1.times(scalar, sect283k1.BASE)
            assert point is not None
            self.public = PublicKey(curve, *point)
        else:
            self._key = ec.derive_private_key(scalar, curve.prime)
            numbers = self._key.public_key().public_numbers()
            self.public = PublicKey(curve, numbers.x, numbers.y)

    def __repr__(self) -> str:
        return f"SecretKey of {self.public.raw().hex()}"

    def sign(self, digest: bytes) -> tuple[int, int]:
        """Deterministic ECDSA (RFC 6979). The digest is not hashed again."""
        if self.curve.prime is None:
            return sect283k1.sign(self._scalar, digest)
        fitted, algorithm = _prehashed(self.curve, digest, deterministic=True)
        return decode_dss_signature(self._key.sign(fitted, algorithm))

    def shared_x(self, other: PublicKey) -> bytes:
        """x of the shared point, with its leading zeros."""
        require(self.curve == other.curve, "keys of two curves")
        if self.curve.prime is None:
            return sect283k1.shared_x(self._scalar, (other.x, other.y)).to_bytes(self.curve.field_bytes, "big")
        return self._key.exchange(ec.ECDH(), other._prime())


def _prehashed(curve: Curve, digest: bytes, deterministic: bool = False) -> tuple[bytes, ec.ECDSA]:
    """The library takes digests of a hash's length only: what is shorter gets zeros in front, which are no other number."""
    bits = curve.order.bit_length()
    number, size = sect283k1.leftmost(digest, curve.order), max(32, min(len(digest), (bits + 7) // 8))
    for algorithm in (hashes.SHA256(), hashes.SHA384(), hashes.SHA512()):
        if size <= algorithm.digest_size and (algorithm.digest_size * 8 <= bits or size == algorithm.digest_size):
            return number.to_bytes(algorithm.digest_size, "big"), ec.ECDSA(Prehashed(algorithm), deterministic)
    raise Refused("a digest longer than SHA-512's")


def minimal(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def _str(data: bytes) -> bytes:
    return len(data).to_bytes(2, "little") + data
