"""The one error of this package: bytes that a reader must not take."""


class Refused(ValueError):
    """Says which rule the bytes break."""


def require(holds: bool, reason: str) -> None:
    if not holds:
        raise Refused(reason)
