"""PNG with 16 bits per colour, which Pillow would cut to 8 bits without a word."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

SIGNATURE = b"\x89PNG\r\n\x1a\n"
COLOURS = {2: 3, 4: 2, 6: 4}
"""PNG colour type -> values per pixel, of the types that Pillow cuts."""


def is_deep_colour(data: bytes) -> bool:
    """Return whether bytes are a PNG with 16 bits per value and more than one value per pixel."""
    return data[:8] == SIGNATURE and len(data) > 28 and data[24] == 16 and data[25] in COLOURS


def read_deep_colour(data: bytes) -> NDArray[np.uint16]:
    """Return the pixels (height, width, colours and alpha) of such a PNG (ValueError: damaged, or interlaced)."""
    width, height, _, kind, _, _, interlaced = struct.unpack(">IIBBBBB", data[16:29])
    if interlaced:
        raise ValueError(
            "an interlaced PNG with 16 bits per colour, which is not supported; save it without interlacing"
        )
    step = 2 * COLOURS[kind]
    raw = zlib.decompress(b"".join(_chunks(data)))
    stride = width * step
    if len(raw) != height * (stride + 1):
        raise ValueError("image file is truncated")
    above = bytearray(stride)
    lines = []
    for start in range(0, len(raw), stride + 1):
        above = _line(raw[start], bytearray(raw[start + 1 : start + 1 + stride]), above, step=step)
        lines.append(np.frombuffer(bytes(above), ">u2"))
    return np.stack(lines).astype(np.uint16).reshape(height, width, COLOURS[kind])


def _chunks(data: bytes) -> Iterator[bytes]:
    """Yield the contents of the IDAT chunks, each checked."""
    at = 8
    while at + 12 <= len(data):
        size, name = struct.unpack(">I4s", data[at : at + 8])
        body, check = data[at + 8 : at + 8 + size], data[at + 8 + size : at + 12 + size]
        if len(check) < 4 or zlib.crc32(name + body) != int.from_bytes(check, "big"):
            raise ValueError("image file is truncated")
        if name == b"IDAT":
            yield body
        at += 12 + size


def _line(kind: int, line: bytearray, above: bytearray, *, step: int) -> bytearray:
    """Return a line of bytes with its filter undone (PNG specification, clause 9)."""
    if kind == 1:
        return bytearray(np.frombuffer(line, np.uint8).reshape(-1, step).cumsum(axis=0, dtype=np.uint8).tobytes())
    if kind == 2:
        return bytearray((np.frombuffer(line, np.uint8) + np.frombuffer(above, np.uint8)).tobytes())
    if kind == 3:
        for at in range(len(line)):
            left = line[at - step] if at >= step else 0
            line[at] = (line[at] + (left + above[at]) // 2) & 255
    if kind == 4:
        for at in range(len(line)):
            left, corner = (line[at - step], above[at - step]) if at >= step else (0, 0)
            line[at] = (line[at] + _paeth(left, above[at], corner)) & 255
    return line


def _paeth(left: int, up: int, corner: int) -> int:
    by_left, by_up, by_corner = abs(up - corner), abs(left - corner), abs(left + up - 2 * corner)
    if by_left <= by_up and by_left <= by_corner:
        return left
    return up if by_up <= by_corner else corner
