"""Nightjar's records and messages, read and written from docs/wire alone: a second implementation."""

from .record import MAIN, TEST, Place
from .refused import Refused
from .sign import ChatSecret

__all__ = ["MAIN", "TEST", "ChatSecret", "Place", "Refused"]
