"""Data sets of images: listing, labels, masks, what is refused, and that reading streams."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
import torch
from PIL import Image

from auditor.core.errors import AuditorError, DataError
from auditor.samples import data
from auditor.samples.samples import Samples

CLASSES = ("normal", "abnormal")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six images of 8 x 12 pixels, three of each class, two patients, with a manifest."""
    random, rows = np.random.default_rng(0), []
    for place in ("images", "masks"):
        (tmp_path / "set" / place).mkdir(parents=True)
    for number in range(6):
        Image.fromarray(random.integers(0, 256, (8, 12), dtype=np.uint8)).save(tmp_path / f"set/images/{number}.png")
        inside = np.zeros((8, 12), bool)
        inside[2:4, 2 : 2 + number] = True
        Image.fromarray(inside).save(tmp_path / f"set/masks/{number}.png")
        rows.append(
            [
                f"images/{number}.png",
                CLASSES[number % 2],
                f"masks/{number}.png",
                f"p{number // 3}",
                "FM"[number % 2],
                str(number % 3),
            ]
        )
    frame = pandas.DataFrame(rows, columns=["path", "label", "mask", "patient", "sex", "fold"])
    frame.to_csv(tmp_path / "set/manifest.csv", index=False)
    return tmp_path


def read(
    base: Path, classes: tuple[str, ...] = CLASSES, shape: tuple[int, ...] | None = None, **settings: Any
) -> Samples:
    if not {"folder", "manifest"} & set(settings):
        settings = {"manifest": "set/manifest.csv", **settings}
    return data["images"].make(base, classes, shape, **data.bind("images", settings))


def change(folder: Path, **columns: Any) -> None:
    frame = pandas.read_csv(folder / "set/manifest.csv", dtype=str, keep_default_na=False)
    frame.assign(**columns).to_csv(folder / "set/manifest.csv", index=False)


def test_manifest(folder: Path) -> None:
    samples = read(folder, mask="mask", unit="patient", groups=["sex"])
    assert samples.ids == tuple(f"images/{number}" for number in range(6))
    assert samples.y == (0, 1, 0, 1, 0, 1) and samples.units == ("p0",) * 3 + ("p1",) * 3
    assert samples.groups == {"sex": ("F", "M") * 3} and samples.shape == (1, 8, 12)
    assert (samples.low, samples.high, samples.levels, samples.notes) == (0.0, 1.0, 255, ())
    assert samples.mask_share == tuple(2 * number / 96 for number in range(6))
    chunk = samples.load([4, 1])
    raw = np.asarray(Image.open(folder / "set/images/4.png"))
    assert np.array_equal(chunk.x[0, 0].numpy(), (raw / np.float32(255)).astype(np.float32))
    assert (
        chunk.inside.shape == (2, 1, 8, 12)
        and chunk.inside.sum((1, 2, 3)).tolist() == [8, 2]
        and chunk.y.tolist() == [0, 1]
    )


def test_where_ids_and_numbered_labels(folder: Path) -> None:
    change(folder, label=["0", "1"] * 3, name=list("abcdef"))
    for where in ({"fold": [0, "1"]}, {"fold": [0, 1], "sex": ["F", "M"]}):
        samples = read(folder, where=where, id="name")
        assert samples.ids == tuple("abde") and samples.y == (0, 1, 1, 0)
    assert read(folder, where={"fold": 2}, id="name").ids == tuple("cf")
    # labels that are names are names, even where they look like numbers
    assert read(folder, classes=("1", "0")).y == (1, 0) * 3


def test_parquet_reads_as_csv_does(folder: Path) -> None:
    frame = pandas.read_csv(folder / "set/manifest.csv")
    frame.loc[0, "sex"] = None
    frame.to_parquet(folder / "set/manifest.parquet")
    change(folder, sex=["", *"MFMFM"])
    settings: dict[str, Any] = {"mask": "mask", "groups": ["sex"], "where": {"fold": [0]}}
    one, other = read(folder, **settings), read(folder, manifest="set/manifest.parquet", **settings)
    assert one.digest == other.digest and one.groups == other.groups and one.groups["sex"][0] == ""


def test_folder_per_class(folder: Path) -> None:
    for number in range(4):
        for place, ending in (("photos", ".png"), ("outlines", ".npy")):
            target = folder / place / CLASSES[number % 2] / f"{number}{ending}"
            target.parent.mkdir(parents=True, exist_ok=True)
            if ending == ".npy" and number:
                np.save(target, np.asarray(Image.open(folder / f"set/masks/{number}.png")))
            elif ending == ".png":
                (folder / f"set/images/{number}.png").rename(target)
    samples = read(folder, folder="photos", mask="outlines")
    assert samples.ids == ("abnormal/1", "abnormal/3", "normal/0", "normal/2") and samples.y == (1, 1, 0, 0)
    assert samples.mask_share == (2 / 96, 6 / 96, None, 4 / 96)
    with pytest.raises(DataError, match="got 'normal'; did you mean 'norml'"):
        read(folder, ("norml", "abnormal"), folder="photos")
    with pytest.raises(DataError, match="`where` needs the columns"):
        read(folder, folder="photos", where={"fold": [0]})
    with pytest.raises(DataError, match="nothing there"):
        read(folder, folder="phots")


def test_sizes_and_masks_at_the_classifiers_size(folder: Path) -> None:
    samples = read(folder, shape=(3, 4, 6), mask="mask")
    chunk = samples.load(range(6))
    assert chunk.x.shape == (6, 3, 4, 6) and chunk.inside.shape == (6, 3, 4, 6)
    assert (chunk.inside[:, 0] == chunk.inside[:, 2]).all()
    assert samples.mask_share == tuple(float(inside[0].double().mean()) for inside in chunk.inside)
    assert any("resized to 4 x 6" in note and "6 of 6" in note for note in samples.notes)
    assert any("stretched" in note for note in read(folder, shape=(1, 8, 8)).notes)
    Image.fromarray(np.ones((16, 24), bool)).save(folder / "set/masks/0.png")
    assert read(folder, mask="mask").mask_share[0] == 1.0


def test_a_mask_that_vanishes_is_noted_and_empty(folder: Path) -> None:
    dot = np.zeros((8, 12), bool)
    dot[0, 0] = True
    Image.fromarray(dot).save(folder / "set/masks/0.png")
    samples = read(folder, shape=(1, 4, 6), mask="mask")
    assert samples.mask_share[0] == 0.0 and any("no pixel left" in note and "2 of 6" in note for note in samples.notes)


def test_no_mask_file_is_not_an_empty_mask(folder: Path) -> None:
    change(folder, mask=["masks/0.png", "", *(f"masks/{number}.png" for number in range(2, 6))])
    samples = read(folder, mask="mask")
    assert samples.mask_share[:3] == (0.0, None, 4 / 96)
    assert not samples.load([0, 1]).inside.any()
    assert read(folder).mask_share == (None,) * 6


def test_a_sideways_photograph_and_its_mask(folder: Path) -> None:
    upright = np.random.default_rng(1).integers(0, 256, (8, 12), dtype=np.uint8)
    inside = upright > 128
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.ascontiguousarray(np.rot90(upright))).save(folder / "set/images/0.png", exif=exif)
    for mask in (inside, np.rot90(inside)):
        np.save(folder / "set/masks/0.npy", mask)
        change(folder, mask=["masks/0.npy", *(f"masks/{number}.png" for number in range(1, 6))])
        samples = read(folder, mask="mask")
        chunk = samples.load([0])
        assert np.array_equal(np.rint(chunk.x[0, 0].numpy() * 255), upright) and np.array_equal(
            chunk.inside[0, 0].numpy(), inside
        )
    assert any("turned" in note for note in samples.notes)


def test_one_deep_image_makes_a_deep_data_set(folder: Path) -> None:
    before = read(folder)
    deep = np.full((8, 12), 12345, np.uint16)
    Image.fromarray(deep).save(folder / "set/images/0.png")
    samples = read(folder)
    assert samples.levels == 65535 and any("8-bit" in note and "5 of 6" in note for note in samples.notes)
    assert float(samples.load([0]).x[0, 0, 0, 0]) == float(np.float32(12345) / np.float32(65535))
    assert np.array_equal(samples.load([3]).x, before.load([3]).x)


def test_the_digest_follows_what_matters(folder: Path) -> None:
    seen = {read(folder, mask="mask").digest}
    assert read(folder, mask="mask").digest in seen
    for changed in (
        {"mask": "mask", "unit": "patient"},
        {},
        {"mask": "mask", "shape": (1, 4, 6)},
        {"mask": "mask", "where": {"fold": [0]}},
    ):
        digest = read(folder, **changed).digest  # type: ignore[arg-type]
        assert digest not in seen
        seen.add(digest)
    Image.fromarray(np.zeros((8, 12), np.uint8)).save(folder / "set/images/5.png")
    assert read(folder, mask="mask").digest not in seen


def test_reading_streams(folder: Path) -> None:
    samples = read(folder, mask="mask")
    size = 8 * 12 * (4 + 1)
    asked: list[int] = []

    def loader(position: int) -> Any:
        asked.append(position)
        return samples.loader(position)

    bounded = dataclasses.replace(samples, loader=loader, cache_bytes=2 * size, _cache=type(samples._cache)())
    for position in (0, 1, 1, 2, 0, 5):
        bounded.load([position])
        assert sum(one.x.nbytes + one.inside.nbytes for one in bounded._cache.values()) <= 2 * size
    assert asked == [0, 1, 2, 0, 5]
    # nothing of the pixels is held outside the cache: a file that goes is missed
    (folder / "set/images/3.png").unlink()
    with pytest.raises(DataError, match=r"3\.png: expected a readable file, got: No such file"):
        bounded.load([3])


def more_masks(folder: Path) -> None:
    """A column `organ` of masks, the right half at twice the size, missing for the last; a column `marker`, of one
    pixel.
    """
    (folder / "set/more").mkdir()
    for number in range(5):
        organ = np.zeros((16, 24), bool)
        organ[:, 12:] = True
        np.save(folder / f"set/more/organ{number}.npy", organ)
    for number in range(6):
        dot = np.zeros((8, 12), bool)
        dot[number, number] = True
        np.save(folder / f"set/more/dot{number}.npy", dot)
    change(
        folder,
        organ=[*(f"more/organ{number}.npy" for number in range(5)), ""],
        marker=[f"more/dot{number}.npy" for number in range(6)],
    )


NAMED: dict[str, Any] = {
    "mask": "mask",
    "masks": {"organ": "organ", "marker": "marker"},
    "zones": {"air": "not organ", "context": "organ - (mask | marker)"},
}


def test_named_masks_and_expressions(folder: Path) -> None:
    more_masks(folder)
    samples = read(folder, shape=(3, 8, 12), **NAMED)
    assert samples.mask_share == read(folder, mask="mask").mask_share
    assert samples.regions["organ"] == (0.5,) * 5 + (None,) == samples.regions["air"]
    assert samples.regions["marker"] == (1 / 96,) * 6 and list(samples.regions) == ["organ", "marker", "air", "context"]
    chunk = samples.load([4, 5])
    inside, organ, marker = (zone[0, 0] for zone in (chunk.inside, chunk.regions["organ"], chunk.regions["marker"]))
    assert organ[:, 6:].all() and not organ[:, :6].any() and marker[4, 4] and marker.sum() == 1
    assert torch.equal(chunk.regions["air"][0, 0], ~organ) and torch.equal(
        chunk.regions["context"][0, 0], organ & ~(inside | marker)
    )
    assert all(zone.shape == (2, 3, 8, 12) and torch.equal(zone[:, 0], zone[:, 2]) for zone in chunk.regions.values())
    assert (
        not any(chunk.regions[name][1].any() for name in ("organ", "air", "context"))
        and chunk.regions["marker"][1].any()
    )
    assert samples.regions["context"][4] == float(chunk.regions["context"][0].double().mean())
    small = read(folder, shape=(1, 4, 6), **NAMED)
    assert (
        any("the mask 'marker' has no pixel left" in note for note in small.notes)
        and small.regions["marker"].count(0.0) > 0
    )


def test_what_is_relevant_may_be_an_expression(folder: Path) -> None:
    more_masks(folder)
    samples = read(folder, **NAMED, inside="mask | organ")
    chunk = samples.load(range(6))
    plain = read(folder, mask="mask").load(range(6))
    assert torch.equal(chunk.inside[:5], (plain.inside | chunk.regions["organ"])[:5]) and not chunk.inside[5].any()
    assert samples.mask_share[5] is None and samples.mask_share[0] == 0.5
    assert torch.equal(
        chunk.regions["context"][:5], (chunk.regions["organ"] & ~(plain.inside | chunk.regions["marker"]))[:5]
    ), "`mask` stays the main mask"
    assert read(folder, masks={"organ": "organ"}, inside="organ").mask_share == (0.5,) * 5 + (None,)
    assert read(folder, masks={"organ": "organ"}).mask_share == (None,) * 6


def test_named_masks_count_in_the_digest(folder: Path) -> None:
    more_masks(folder)
    plain = read(folder, mask="mask").digest
    assert read(folder, mask="mask", inside="mask").digest == plain, (
        "runs made before there were named zones stay comparable"
    )
    seen = {plain}
    zones = [{}, {"air": "not organ"}, {"void": "not organ"}, {"air": "organ - mask"}]
    for changed in (
        {"inside": "mask | organ"},
        *({"zones": one} for one in zones),
        {"masks": {"organ": "organ"}, "zones": {}},
        {"mask": "marker"},
    ):
        found = read(folder, **{**NAMED, **changed}).digest  # type: ignore[dict-item]
        assert found not in seen
        seen.add(found)
    np.save(folder / "set/more/dot3.npy", np.ones((8, 12)))
    assert read(folder, **NAMED, inside="mask | organ").digest not in seen


def test_named_masks_in_folders(folder: Path) -> None:
    for number in range(4):
        for place in ("photos", "photos/masks", "organs"):
            (folder / place / CLASSES[number % 2]).mkdir(parents=True, exist_ok=True)
        (folder / f"set/images/{number}.png").rename(folder / f"photos/{CLASSES[number % 2]}/{number}.png")
        (folder / f"set/masks/{number}.png").rename(folder / f"photos/masks/{CLASSES[number % 2]}/{number}.png")
    np.save(folder / "organs/normal/2.npy", np.eye(8, 12))
    samples = read(folder, folder="photos", mask="photos/masks", masks={"organ": "organs"}, zones={"air": "not organ"})
    assert samples.ids == ("abnormal/1", "abnormal/3", "normal/0", "normal/2")
    assert samples.regions == {"organ": (None, None, None, 8 / 96), "air": (None, None, None, 88 / 96)}
    with pytest.raises(DataError, match="orgns: expected the folder of the masks"):
        read(folder, folder="photos", masks={"organ": "orgns"})


def test_a_sideways_photograph_and_its_named_mask(folder: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    upright = np.random.default_rng(1).integers(0, 256, (8, 12), dtype=np.uint8)
    Image.fromarray(np.ascontiguousarray(np.rot90(upright))).save(folder / "set/images/0.png", exif=exif)
    more_masks(folder)
    np.save(folder / "set/more/dot0.npy", np.rot90(upright > 128))
    samples = read(folder, **NAMED)
    assert np.array_equal(samples.load([0]).regions["marker"][0, 0].numpy(), upright > 128)
    assert any("the mask 'marker' was turned" in note for note in samples.notes)


def _corrupt(folder: Path, number: int) -> None:
    file = folder / f"set/images/{number}.png"
    file.write_bytes(file.read_bytes()[:60])


def _nan(folder: Path) -> None:
    Image.fromarray(np.full((8, 12), np.nan, np.float32)).save(folder / "set/images/1.tif")
    change(folder, path=["images/0.png", "images/1.tif", *(f"images/{number}.png" for number in range(2, 6))])


BAD: list[tuple[str, Any, dict[str, Any], str]] = [
    ("missing manifest", None, {"manifest": "set/manifst.csv"}, r"manifst\.csv: expected a manifest .* no such file"),
    ("both", None, {"manifest": "a", "folder": "b"}, "either `manifest` or `folder`, got both"),
    ("neither", None, {"manifest": None}, "got neither"),
    ("missing image", lambda f: (f / "set/images/2.png").unlink(), {}, r"images/2\.png: .*No such file"),
    ("truncated image", lambda f: _corrupt(f, 2), {}, r"images/2\.png: expected a whole .* truncated"),
    ("missing mask", lambda f: (f / "set/masks/2.png").unlink(), {"mask": "mask"}, r"masks/2\.png: .*no such file"),
    (
        "mask of another aspect",
        lambda f: np.save(f / "set/m.npy", np.ones((8, 11))) or change(f, mask="m.npy"),
        {"mask": "mask"},
        r"8 x 12, .*got 8 x 11",
    ),
    (
        "no mask with a pixel",
        lambda f: change(f, mask="masks/0.png"),
        {"mask": "mask"},
        "got none in all 6 mask files of 6 samples",
    ),
    ("no mask file at all", lambda f: change(f, mask=""), {"mask": "mask"}, "got none in all 0 mask files"),
    (
        "named mask with no pixel",
        lambda f: change(f, organ="masks/0.png"),
        {"masks": {"organ": "organ"}},
        r"inside a mask \('organ'\), got none in all 6 mask",
    ),
    (
        "no file of a named mask",
        lambda f: change(f, organ=""),
        {"masks": {"organ": "organ"}},
        "got none in all 0 mask files of 6 samples",
    ),
    (
        "zone with no pixel",
        None,
        {"mask": "mask", "zones": {"rim": "mask - mask"}},
        r"in 'rim' \(mask - mask\), got none in the 6 of 6 samples",
    ),
    (
        "inside with no pixel",
        None,
        {"mask": "mask", "inside": "mask & ~mask"},
        r"in 'inside' \(mask & ~mask\), got none",
    ),
    (
        "column of a named mask",
        None,
        {"masks": {"organ": "mosk"}},
        r"a column 'mosk' \(mask 'organ'\), got none; did you mean 'mask'",
    ),
    (
        "file of a named mask",
        lambda f: change(f, organ="no.png"),
        {"masks": {"organ": "organ"}},
        r"no\.png: .*no such file",
    ),
    (
        "named mask of another aspect",
        lambda f: np.save(f / "set/m.npy", np.ones((8, 11))) or change(f, o="m.npy"),
        {"masks": {"o": "o"}},
        "got 8 x 11",
    ),
    (
        "name of a zone",
        None,
        {"mask": "mask", "zones": {"inside": "mask"}},
        "'data.zones': expected a name .* got 'inside'",
    ),
    (
        "expression",
        None,
        {"mask": "mask", "zones": {"air": "mask + 1"}},
        r"'data\.zones\.air': expected names of masks with not, .*got 'mask \+ 1'",
    ),
    (
        "name in an expression",
        None,
        {"mask": "mask", "inside": "lesion"},
        r"'data\.inside': .*got 'lesion'; valid: mask",
    ),
    ("expression that is no text", None, {"mask": "mask", "zones": {"air": 5}}, r"setting 'zones\.air'"),
    (
        "unknown label",
        lambda f: change(f, label=["normal"] * 5 + ["abnrmal"]),
        {},
        "sample 'images/5': .*got 'abnrmal'; did you mean 'abnormal'",
    ),
    (
        "label out of range",
        lambda f: change(f, label=["0", "1", "2"] * 2),
        {},
        "sample 'images/2': .*got '2'; as numbers they count from 0, .*; valid: 0, 1",
    ),
    ("duplicate id", lambda f: change(f, name=list("abcdea")), {"id": "name"}, "got 'a' 2 times"),
    ("duplicate path", lambda f: change(f, path="images/0.png"), {}, "got 'images/0' 6 times"),
    ("empty id", lambda f: change(f, name=["", *"bcdef"]), {"id": "name"}, "got an empty one"),
    (
        "empty path",
        lambda f: change(f, path=["images/0.png", "", *["images/3.png"] * 4]),
        {},
        "row 2: expected an image path",
    ),
    (
        "group column",
        None,
        {"groups": ["sexx"]},
        r"manifest\.csv: expected a column 'sexx' \(groups\), got none; did you mean 'sex'",
    ),
    ("unit column", None, {"unit": "patients"}, "did you mean 'patient'"),
    ("label column", None, {"label": "labl"}, "did you mean 'label'"),
    ("where column", None, {"where": {"fould": [0]}}, "did you mean 'fold'"),
    (
        "where leaves nothing",
        None,
        {"where": {"fold": [7]}},
        r"no sample is left by where: fold in \[7\]; that column has 0, 1, 2",
    ),
    ("unknown setting", None, {"grups": ["sex"]}, "unknown setting 'grups'; did you mean 'groups'"),
    (
        "images of two sizes",
        lambda f: Image.new("L", (9, 9)).save(f / "set/images/4.png"),
        {},
        r"4\.png: expected 8 x 12 .*got 9 x 9.*input\.size",
    ),
    ("classifier of no images", None, {"shape": (784,)}, r"\(1 or 3 channels, height, width\), got \(784,\)"),
    ("broken table", lambda f: (f / "set/manifest.csv").write_text(""), {}, "expected a manifest"),
    (
        "bytes for a table",
        lambda f: (f / "set/manifest.csv").write_bytes(b"\xff\xfe\x00path"),
        {},
        "expected a manifest",
    ),
    ("no rows", lambda f: (f / "set/manifest.csv").write_text("path,label\n"), {}, "at least one row"),
    ("nan", lambda f: _nan(f), {}, r"1\.tif: expected numbers, got 96 NaN"),
]


@pytest.mark.parametrize(("spoil", "settings", "sentence"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_bad_input_gets_one_sentence(folder: Path, spoil: Any, settings: dict[str, Any], sentence: str) -> None:
    if spoil is not None:
        spoil(folder)
    with pytest.raises(AuditorError, match=sentence) as caught:
        read(folder, **settings)
    assert "\n" not in str(caught.value)
