"""The drawing page: who may ask what, what is written, and a mask drawn by mouse and by keys in a browser."""

from __future__ import annotations

import http.client
import io
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.segmentation import slic

from auditor.core.errors import BrokenOff, DataError
from auditor.modalities.images.commands import _listed
from auditor.modalities.images.data.images import images
from auditor.modalities.images.data.reading import MaskSource
from auditor.modalities.images.drawing.server import COOKIE, DrawingServer
from auditor.modalities.images.drawing.study import DrawingStudy
from auditor.samples.samples import Samples
from tests.modalities.images.drawing.devtools import CHROMIUM, Browser

SIZE = (60, 90)


@pytest.fixture
def study(tmp_path: Path) -> DrawingStudy:
    """Three pictures, with a bright square each, and no masks; an id would lead out of the folder."""
    (tmp_path / "study").mkdir()
    lines = ["path,label,id"]
    for number in range(3):
        drawn = np.full((*SIZE, 3), 40, np.uint8)
        drawn[20:40, 30:60] = (200, 60 + 60 * number, 60)
        Image.fromarray(drawn).save(tmp_path / f"study/{number}.png")
        lines.append(f"{number}.png,{'ab'[number % 2]},{'../case' if number == 2 else f'case {number}'}")
    (tmp_path / "study/list.csv").write_text("\n".join(lines))
    (tmp_path / "study/audit.yaml").write_text(
        "model: {source: torchscript, path: none.pt, classes: [a, b]}\ndata: {manifest: list.csv, id: id}\n"
    )
    return DrawingStudy(_listed(tmp_path / "study/audit.yaml"), tmp_path / "study", ("lesion", "organ"))


@pytest.fixture
def server(study: DrawingStudy) -> Iterator[DrawingServer]:
    made = DrawingServer(study)
    thread = threading.Thread(target=made.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()


def ask(
    server: DrawingServer, path: str, body: bytes | None = None, *, cookie: str = "right", **headers: str
) -> tuple[int, bytes, dict[str, str]]:
    """Return status, content and headers of an answer; the cookie and the origin are right unless told."""
    value = server.session if cookie == "right" else cookie
    given = {"Cookie": f"{COOKIE}={value}"} if value else {}
    given |= {"Origin": server.address} if body is not None else {}
    given |= {name.replace("_", "-"): text for name, text in headers.items()}
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=20)
    connection.request(
        "GET" if body is None else "POST", path, body=body, headers={k: v for k, v in given.items() if v}
    )
    answer = connection.getresponse()
    found = (answer.status, answer.read(), dict(answer.getheaders()))
    connection.close()
    return found


def audited(study: DrawingStudy, main: str, *further: str) -> Samples:
    """Return the samples as an audit reads them, with the masks that were drawn."""
    main_mask, *others = (MaskSource.model_validate({"folder": f"masks/{name}"}) for name in (main, *further))
    masks = dict(zip(further, others, strict=True))
    return images(study.base, ("a", "b"), (1, *SIZE), manifest="list.csv", id="id", mask=main_mask, masks=masks)


def png(mask: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(mask.astype(np.uint8) * np.uint8(255)).save(stream, "PNG")
    return stream.getvalue()


def test_the_token_opens_the_page_once(server: DrawingServer) -> None:
    link = server.link.removeprefix(server.address)
    assert ask(server, "/", cookie="")[0] == 403
    assert ask(server, "/?token=guess", cookie="")[0] == 403
    status, _, headers = ask(server, link, cookie="")
    assert status == 303 and headers["Location"] == "/"
    assert headers["Set-Cookie"] == f"{COOKIE}={server.session}; HttpOnly; SameSite=Strict; Path=/"
    assert ask(server, link, cookie="")[0] == 403, "a second use"
    assert server.server_address[0] == "127.0.0.1"


@pytest.mark.parametrize("path", ["/", "/page.js", "/page.css", "/study.json", "/picture/0", "/mask/lesion/0"])
def test_nothing_is_told_without_the_cookie(server: DrawingServer, path: str) -> None:
    for cookie in ("", "guess", server.token or ""):
        assert ask(server, path, cookie=cookie)[0] == 403
    status, _, headers = ask(server, path)
    assert status in (200, 204) and "default-src 'none'" in headers["Content-Security-Policy"]
    assert headers["Cache-Control"] == "no-store" and headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1"])
def test_another_name_for_this_machine_is_refused(server: DrawingServer, host: str) -> None:
    assert ask(server, "/study.json", Host=host)[0] == 403


@pytest.mark.parametrize("origin", ["", "http://evil.example", "null"])
def test_a_mask_is_only_taken_from_the_page(server: DrawingServer, origin: str) -> None:
    assert ask(server, "/mask/lesion/0", png(np.ones(SIZE)), Origin=origin)[0] == 403
    assert ask(server, "/mask/lesion/0", png(np.ones(SIZE)), cookie="guess")[0] == 403
    assert not server.study.file("lesion", 0).exists()


@pytest.mark.parametrize(
    "path",
    [
        "/mask/../0",
        "/mask/..%2f..%2fetc/0",
        "/mask/%2e%2e/0",
        "/../audit.yaml",
        "/mask/lesion/99",
        "/picture/99",
        "/picture/-1",
        "/mask/other/0",
        "/page.py",
    ],
)
def test_nothing_outside_the_study_is_told(server: DrawingServer, path: str) -> None:
    assert ask(server, path)[0] == 404
    assert ask(server, path, png(np.ones(SIZE)))[0] == 404


def test_a_mask_is_written_whole_below_the_study(server: DrawingServer, study: DrawingStudy) -> None:
    drawn = np.zeros(SIZE, bool)
    drawn[5:20, 30:50] = True
    for place in range(3):
        status, content, _ = ask(server, f"/mask/lesion/{place}", png(drawn))
        assert status == 200 and json.loads(content)["share"] == pytest.approx(drawn.mean())
    folder = study.base / "masks/lesion"
    assert sorted(file.name for file in folder.iterdir()) == ["case 0.png", "case 1.png", "case.png"]
    for file in folder.iterdir():
        values = np.asarray(Image.open(file))
        assert values.dtype == np.uint8 and set(np.unique(values)) == {0, 255} and np.array_equal(values > 0, drawn)
    assert ask(server, "/mask/lesion/0")[1] == (folder / "case 0.png").read_bytes()
    done = json.loads(ask(server, "/study.json")[1])["samples"]
    assert [one["done"] for one in done] == [["lesion"]] * 3


def test_what_was_drawn_is_what_an_audit_reads(study: DrawingStudy) -> None:
    drawn = np.zeros(SIZE, bool)
    drawn[5:20, 30:50] = True
    study.save("lesion", 0, png(drawn))
    study.save("lesion", 1, png(~drawn))
    study.save("lesion", 2, png(drawn))
    assert study.advice().startswith("data:\n  mask: {folder: masks/lesion}\n  masks: {organ: {folder: masks/organ}}")
    samples = audited(study, "lesion")
    for place, expected in enumerate((drawn, ~drawn, drawn)):
        assert np.array_equal(samples.load([place]).inside[0, 0].numpy(), expected)


def test_a_mask_of_another_size_is_neither_taken_nor_overwritten(study: DrawingStudy) -> None:
    with pytest.raises(DataError, match=r"expected a mask of 60 x 90 pixels .*, got 5 x 5"):
        study.save("lesion", 0, png(np.ones((5, 5))))
    file = study.file("lesion", 0)
    file.parent.mkdir(parents=True)
    file.write_bytes(png(np.ones((7, 7))))
    with pytest.raises(DataError, match="a mask of 7 x 7 pixels .* is already there and was kept"):
        study.save("lesion", 0, png(np.ones(SIZE)))
    assert file.read_bytes() == png(np.ones((7, 7)))
    with pytest.raises(DataError, match="expected a PNG of a mask"):
        study.save("organ", 0, b"nothing")


def test_a_save_that_breaks_leaves_the_old_mask(
    server: DrawingServer, study: DrawingStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    study.save("lesion", 0, png(np.eye(*SIZE)))
    before = study.read("lesion", 0)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(BrokenOff, match="no space left"):
        study.save("lesion", 0, png(np.ones(SIZE)))
    status, content, _ = ask(server, "/mask/lesion/0", png(np.ones(SIZE)))
    assert status == 400 and b"no space left" in content, "the page can say so"
    assert study.read("lesion", 0) == before
    assert [file.name for file in study.file("lesion", 0).parent.iterdir()] == ["case 0.png"]


def test_superpixels_are_those_of_scikit_image(server: DrawingServer, study: DrawingStudy) -> None:
    status, content, _ = ask(server, "/segments/1?count=40")
    found = np.frombuffer(content, "<u2").reshape(SIZE)
    assert status == 200 and np.array_equal(found, slic(study.picture(1), n_segments=40, start_label=0))


def test_names_of_masks(study: DrawingStudy) -> None:
    for name in ("../a", "mask", "a b", ""):
        with pytest.raises(DataError, match="expected a mask's name of letters, digits and _"):
            DrawingStudy(study.found, study.base, (name,))


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
def test_a_mask_is_drawn_by_mouse_and_by_keys(server: DrawingServer, study: DrawingStudy, tmp_path: Path) -> None:
    with Browser() as browser:
        browser.call("Page.navigate", url=server.link)
        said = "(document.getElementById('status')?.textContent ?? '')"
        browser.wait(f"window.location.search === '' && {said}.includes('1 of 3')")
        box = browser.run("JSON.parse(JSON.stringify(canvas.getBoundingClientRect()))")
        view = browser.run("({scale: state.scale, left: state.left, top: state.top})")

        def at(x: float, y: float) -> tuple[float, float]:
            return box["x"] + view["left"] + x * view["scale"], box["y"] + view["top"] + y * view["scale"]

        def saved(name: str, place: int) -> np.ndarray:
            file = study.file(name, place)
            browser.wait(
                f"state.study.samples[{place}].done.includes('{name}') && !state.layers.{name}.timer"
                f" && !state.layers.{name}.busy"
            )
            return np.asarray(Image.open(file)) > 0

        # by mouse: a stroke of the brush, 12 pixels wide, from (20, 30) to (70, 30)
        browser.mouse("mousePressed", *at(20, 30))
        for x in range(20, 71, 10):
            browser.mouse("mouseMoved", *at(x, 30))
        browser.mouse("mouseReleased", *at(70, 30))
        stroke = saved("lesion", 0)
        down, right = np.mgrid[0:60, 0:90] + 0.5
        expected = (np.abs(down - 30) <= 6) & (right >= 20) & (right <= 70)
        expected |= (np.hypot(down - 30, right - 20) <= 6) | (np.hypot(down - 30, right - 70) <= 6)
        assert (stroke ^ expected).sum() <= 0.05 * expected.sum()

        # undo gives the empty mask back
        browser.key("z")
        assert not saved("lesion", 0).any()

        # by keys alone, on the next picture: the flood fills the square in the middle, a polygon is added
        browser.key("n")
        browser.wait(f"state.place === 1 && {said}.includes('2 of 3')")
        browser.key("f")
        browser.key(" ")
        square = np.zeros(SIZE, bool)
        square[20:40, 30:60] = True
        assert np.array_equal(saved("lesion", 1), square)
        browser.key("p")
        corners = browser.run("state.cross")
        assert corners == [45, 30]
        for moves in (["ArrowUp"] * 2, ["ArrowLeft"] * 3, ["ArrowDown"] * 1):
            for key in moves:
                browser.key(key, shift=True)
            browser.key(" ")
        browser.key("Enter")
        browser.wait("state.corners.length === 0")
        polygon = saved("lesion", 1)
        assert polygon[12, 17] and polygon.sum() > square.sum() and not polygon[25, 10]

        # a second mask of the same picture, by superpixels
        browser.run("document.getElementById('mask-organ').click()")
        browser.key("s")
        browser.key(" ")
        organ = saved("organ", 1)
        labels = slic(study.picture(1), n_segments=300, start_label=0)
        place = browser.run("state.cross")
        assert np.array_equal(organ, labels == labels[place[1], place[0]])

        # a picture without anything to mark
        browser.key("n")
        browser.wait(f"state.place === 2 && {said}.includes('3 of 3')")
        browser.run("document.getElementById('mask-lesion').click(); document.getElementById('empty').click()")
        assert not saved("lesion", 2).any()
        for script in (os.environ.get("AUDITOR_TEST_AXE"),):
            if script:
                browser.run(Path(script).read_text("utf-8"))
                found = browser.run("axe.run().then((found) => found.violations.map((one) => one.id))")
                assert found == []
    samples = audited(study, "lesion", "organ")
    assert np.array_equal(samples.load([1]).inside[0, 0].numpy(), polygon)
    assert np.array_equal(samples.load([1]).regions["organ"][0, 0].numpy(), organ)
