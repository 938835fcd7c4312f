"""Images as numbers: lossless both ways, upright, on the grid."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from auditor.core.errors import DataError
from auditor.modalities.images.data.pixels import decode, resized, turned
from auditor.modalities.images.data.saving import read_pixels, save_image


@given(
    channels=st.sampled_from([1, 3]),
    levels=st.sampled_from([255, 65535]),
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_saved_images_are_read_bit_for_bit(
    tmp_path: Path, channels: int, levels: int, height: int, width: int, seed: int
) -> None:
    whole = np.random.default_rng(seed).integers(0, levels, (channels, height, width), endpoint=True)
    x = whole.astype(np.float32) / np.float32(levels)
    file = save_image(tmp_path / "image.png", x, levels)
    again, found = read_pixels(file)
    assert found == levels and again.dtype == np.float32
    assert again.tobytes() == x.tobytes()
    assert file.suffix == (".npy" if levels == 65535 and channels == 3 else ".png")


def test_every_8_bit_and_16_bit_value_survives(tmp_path: Path) -> None:
    for levels, side in ((255, 16), (65535, 256)):
        x = (np.arange(levels + 1, dtype=np.float32) / np.float32(levels)).reshape(1, side, side)
        assert np.array_equal(read_pixels(save_image(tmp_path / "all.png", x, levels))[0], x)


def test_what_cannot_be_saved_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="1 or 3 channels"):
        save_image(tmp_path / "x.png", np.zeros((2, 4, 4)), 255)


def _bytes(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


COLOUR = np.random.default_rng(0).integers(0, 256, (5, 8, 3), dtype=np.uint8)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_undone(orientation: int, kind: str) -> None:
    # what a viewer shows, by Pillow's own table, written out here as the definition of the tag
    upright = COLOUR
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.swapaxes(0, 1),
        6: np.rot90(upright, 1),
        7: np.rot90(upright, 2).swapaxes(0, 1),
        8: np.rot90(upright, 3),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = decode(_bytes(Image.fromarray(np.ascontiguousarray(stored)), kind, exif=exif), Path("x"))
    assert picture.size == (5, 8) and picture.orientation == orientation
    assert np.array_equal(picture.values, upright.transpose(2, 0, 1))
    assert np.array_equal(turned(stored, orientation), upright)


def test_transparency_is_dropped_with_a_note() -> None:
    pixels = np.concatenate([COLOUR, np.full((5, 8, 1), 9, np.uint8)], axis=2)
    picture = decode(_bytes(Image.fromarray(pixels)), Path("x"))
    assert np.array_equal(picture.values, COLOUR.transpose(2, 0, 1)) and picture.notes == ("transparency was dropped",)


def test_16_bit_grey_keeps_its_bits() -> None:
    deep = np.random.default_rng(1).integers(0, 65536, (5, 8), dtype=np.uint16)
    for kind in ("PNG", "TIFF"):
        picture = decode(_bytes(Image.fromarray(deep), kind), Path("x"))
        assert picture.levels == 65535 and np.array_equal(picture.values[0], deep)


def _png16(pixels: np.ndarray, filters: list[int]) -> bytes:
    """A 16-bit colour PNG whose lines use the given filters, written from the specification."""
    step, lines, above = 6, [], np.zeros(pixels.shape[1] * 6, np.int64)
    for row, kind in zip(pixels.astype(">u2"), filters, strict=True):
        line = np.frombuffer(row.tobytes(), np.uint8).astype(np.int64)
        left = np.concatenate([np.zeros(step, np.int64), line[:-step]])
        corner = np.concatenate([np.zeros(step, np.int64), above[:-step]])
        guess = left + above - corner
        distances = np.abs(np.stack([guess - left, guess - above, guess - corner]))
        paeth = np.choose(distances.argmin(axis=0), [left, above, corner])
        predicted = [0 * line, left, above, (left + above) // 2, paeth][kind]
        lines.append(bytes([kind]) + ((line - predicted) % 256).astype(np.uint8).tobytes())
        above = line

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", pixels.shape[1], pixels.shape[0], 16, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"".join(lines)))
        + chunk(b"IEND", b"")
    )


def test_16_bit_colour_keeps_its_bits() -> None:
    deep = np.random.default_rng(2).integers(0, 65536, (10, 7, 3), dtype=np.uint16)
    stream = io.BytesIO()
    tifffile.imwrite(stream, deep, photometric="rgb")
    png = _png16(deep, [0, 1, 2, 3, 4, 4, 3, 2, 1, 0])
    for data in (png, stream.getvalue()):
        picture = decode(data, Path("x"))
        assert picture.levels == 65535 and np.array_equal(picture.values, deep.transpose(2, 0, 1))
    with pytest.raises(DataError, match="expected a whole"):
        decode(png[:-40], Path("x"))


@given(
    seed=st.integers(0, 999),
    levels=st.sampled_from([255, 65535]),
    size=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    channels=st.sampled_from([1, 3]),
)
@settings(max_examples=40, deadline=None)
def test_resized_images_lie_on_the_grid(seed: int, levels: int, size: tuple[int, int], channels: int) -> None:
    picture = decode(
        _bytes(Image.fromarray(np.random.default_rng(seed).integers(0, 256, (5, 8, 3), dtype=np.uint8))), Path("x")
    )
    x = resized(picture, (channels, *size), levels)
    assert x.shape == (channels, *size) and x.dtype == np.float32 and x.min() >= 0 and x.max() <= 1
    assert np.array_equal(x, (np.rint(x * levels) / np.float32(levels)).astype(np.float32))


def test_resizing_is_pillows_bilinear_with_antialiasing() -> None:
    grey = np.random.default_rng(3).integers(0, 256, (40, 60), dtype=np.uint8)
    x = resized(decode(_bytes(Image.fromarray(grey)), Path("x")), (3, 13, 20), 255)
    expected = np.asarray(Image.fromarray(grey).resize((20, 13), Image.Resampling.BILINEAR)).astype(int)
    assert np.abs(np.rint(x * 255).astype(int) - expected).max() <= 1
    assert np.array_equal(x[0], x[1]) and np.array_equal(x[0], x[2])


def test_luminance() -> None:
    x = resized(decode(_bytes(Image.fromarray(COLOUR)), Path("x")), (1, 5, 8), 255)
    assert (
        np.abs(np.rint(x[0] * 255).astype(int) - np.asarray(Image.fromarray(COLOUR).convert("L")).astype(int)).max()
        <= 1
    )


def test_8_bit_values_are_the_same_number_in_a_16_bit_data_set() -> None:
    picture = decode(_bytes(Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16))), Path("x"))
    assert np.array_equal(resized(picture, (1, 16, 16), 255), resized(picture, (1, 16, 16), 65535))


def test_what_cannot_be_read() -> None:
    whole = _bytes(Image.fromarray(COLOUR))
    jpeg = _bytes(Image.fromarray(np.tile(COLOUR, (20, 20, 1))), "JPEG")
    nan = _bytes(Image.fromarray(np.array([[0.5, np.nan]], np.float32)), "TIFF")
    bright = _bytes(Image.fromarray(np.array([[0.5, 300.0]], np.float32)), "TIFF")
    cases = {
        "truncated": [whole[: len(whole) // 2], jpeg[: len(jpeg) // 2]],
        "another kind": [b"", b"words"],
        "1 NaN": [nan],
        "between 0 and 1": [bright],
    }
    for sentence, files in cases.items():
        for data in files:
            with pytest.raises(DataError, match=sentence) as caught:
                decode(data, Path("folder/x.png"))
            assert str(caught.value).startswith("folder/x.png: ")
    finite = decode(_bytes(Image.fromarray(np.array([[0.0, 1.0]], np.float32)), "TIFF"), Path("x"))
    assert finite.values.tolist() == [[[0, 65535]]]
