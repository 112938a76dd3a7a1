"""The binary curve sect283k1, which Python's cryptography package no longer has. Slow, and not constant in time."""

from __future__ import annotations

import hashlib
import hmac
from typing import Optional

from .refused import Refused, require

# y^2 + xy = x^3 + 1 over GF(2^283), reduced by x^283 + x^12 + x^7 + x^5 + 1 (SEC 2, 3.5.1).
DEGREE = 283
_REDUCTION = 1 << 283 | 1 << 12 | 1 << 7 | 1 << 5 | 1
ORDER = 0x01FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFE9AE2ED07577265DFF7F94451E061E163C61
Point = Optional[tuple[int, int]]  # None is the point at infinity
BASE: Point = (
    0x0503213F78CA44883F1A3B8162F188E553CD265F23C1567A16876913B0C2AC2458492836,
    0x01CCDA380F1C9E318D90F95D07E5426FE87E45C0E8184698E45962364E34116177DD2259,
)


def _reduce(value: int) -> int:
    while value.bit_length() > DEGREE:
        high = value >> DEGREE
        value = (value & ((1 << DEGREE) - 1)) ^ high ^ high << 5 ^ high << 7 ^ high << 12
    return value


def _multiply(a: int, b: int) -> int:
    product = 0
    while b:
        low = b & -b
        product ^= a * low  # by a power of two: a shift
        b ^= low
    return _reduce(product)


def _square(a: int) -> int:
    # Between the bits of a square stand zeros: its binary digits are read in base four.
    return _reduce(int(bin(a)[2:], 4))


def _invert(a: int) -> int:
    u, v, g, h = a, _REDUCTION, 1, 0
    while u != 1:
        shift = u.bit_length() - v.bit_length()
        if shift < 0:
            u, v, g, h, shift = v, u, h, g, -shift
        u ^= v << shift
        g ^= h << shift
    return _reduce(g)


def on_curve(point: Point) -> bool:
    if point is None:
        return False
    x, y = point
    if x >> DEGREE or y >> DEGREE:
        return False
    return _square(y) ^ _multiply(x, y) == _multiply(_square(x), x) ^ 1


def add(p: Point, q: Point) -> Point:
    if p is None:
        return q
    if q is None:
        return p
    (x1, y1), (x2, y2) = p, q
    if x1 == x2:
        if y1 ^ y2 == x1 or x1 == 0:
            return None
        slope = x1 ^ _multiply(y1, _invert(x1))
        x3 = _square(slope) ^ slope
        return x3, _square(x1) ^ _multiply(slope ^ 1, x3)
    slope = _multiply(y1 ^ y2, _invert(x1 ^ x2))
    x3 = _square(slope) ^ slope ^ x1 ^ x2
    return x3, _multiply(slope, x1 ^ x3) ^ x3 ^ y1


def times(scalar: int, point: Point) -> Point:
    result: Point = None
    for bit in bin(scalar)[2:]:
        result = add(result, result)
        if bit == "1":
            result = add(result, point)
    return result


def in_group(point: Point) -> bool:
    """On the curve, not infinity, and in the group of the base point (the cofactor is 4)."""
    return on_curve(point) and times(ORDER, point) is None


def decompress(x: int, y_bit: int) -> tuple[int, int]:
    """SEC1, 2.3.4 for binary curves: the bit is the lowest of y / x. x = 0 is the point of order 2, never a key."""
    require(0 < x < 1 << DEGREE, "a point that is not on the curve")
    beta = x ^ _invert(_square(x))
    z = half = beta
    for _ in range((DEGREE - 1) // 2):
        half = _square(_square(half))
        z ^= half
    require(_square(z) ^ z == beta, "a point that is not on the curve")
    if z & 1 != y_bit:
        z ^= 1
    return x, _multiply(x, z)


def y_bit(point: tuple[int, int]) -> int:
    x, y = point
    return _multiply(y, _invert(x)) & 1


def sign(scalar: int, digest: bytes) -> tuple[int, int]:
    """ECDSA with the nonce of RFC 6979 over SHA-256. The digest is not hashed again."""
    e = leftmost(digest, ORDER)
    size = (ORDER.bit_length() + 7) // 8
    seed = scalar.to_bytes(size, "big") + (e % ORDER).to_bytes(size, "big")
    key, v = bytes(32), b"\1" * 32
    for mark in (b"\0", b"\1"):
        key = hmac.digest(key, v + mark + seed, hashlib.sha256)
        v = hmac.digest(key, v, hashlib.sha256)
    while True:
        drawn = b""
        while len(drawn) < size:
            v = hmac.digest(key, v, hashlib.sha256)
            drawn += v
        k = leftmost(drawn[:size], ORDER)
        if 0 < k < ORDER:
            point = times(k, BASE)
            assert point is not None
            r = point[0] % ORDER
            s = pow(k, -1, ORDER) * (e + r * scalar) % ORDER
            if r and s:
                return r, s
        key = hmac.digest(key, v + b"\0", hashlib.sha256)
        v = hmac.digest(key, v, hashlib.sha256)


def verify(point: tuple[int, int], digest: bytes, r: int, s: int) -> bool:
    if not (0 < r < ORDER and 0 < s < ORDER):
        return False
    w = pow(s, -1, ORDER)
    found = add(times(leftmost(digest, ORDER) * w % ORDER, BASE), times(r * w % ORDER, point))
    return found is not None and found[0] % ORDER == r


def leftmost(digest: bytes, order: int) -> int:
    """As many of the leftmost bits as the order has, as a number."""
    return int.from_bytes(digest, "big") >> max(0, 8 * len(digest) - order.bit_length())


def shared_x(scalar: int, point: tuple[int, int]) -> int:
    shared = times(scalar, point)
    if shared is None:
        raise Refused("a shared point at infinity")
    return shared[0]
