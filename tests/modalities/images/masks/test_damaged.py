"""Mask files that are damaged, or not what their ending says: one sentence, never a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest

from auditor.core.errors import DataError
from auditor.modalities.images.data.mask_files import mask_in_file
from auditor.modalities.images.masks.content import Wanted

COCO = '{"images":[{"id":1,"file_name":"x.png","width":4,"height":4}],"categories":[{"id":1,"name":"a"}],"annotations":'


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("deep.json", "[" * 100_000 + '"shapes"', "another kind of file"),
        ("nested.json", '{"shapes": ' + "[" * 100_000, "expected a whole JSON file"),
        ("labelme.json", '{"shapes": 3}', "expected a LabelMe file with shapes"),
        ("short.json", COCO + '[{"image_id":1,"category_id":1,"segmentation":[[1,2]]}]}', "at least 3 pairs"),
        (
            "runs.json",
            COCO + '[{"image_id":1,"category_id":1,"segmentation":{"size":[4,4],"counts":[3,2]}}]}',
            "expected a COCO file",
        ),
        (
            "packed.json",
            COCO + '[{"image_id":1,"category_id":1,"segmentation":{"size":[4,4],"counts":"zz"}}]}',
            "expected a COCO file",
        ),
        ("empty.json", '{"images":[],"annotations":[],"categories":[]}', "expected one image called 'x.png', got none"),
        ("none.geojson", '{"type":"Feature","geometry":null,"properties":{}}', "expected GeoJSON with polygons"),
        (
            "slide.geojson",
            '{"type":"Feature","geometry":{"type":"Polygon","coordinates":[[[9e4,9e4],[9e4,1e5],[1e5,1e5]]]}}',
            "on another picture or at another magnification",
        ),
        ("cut.xml", "<annotations>", "expected a CVAT file of images"),
        ("entity.xml", '<!DOCTYPE a [<!ENTITY b "c">]><annotations/>', "declares entities"),
        ("junk.zip", "junk", "expected ImageJ regions"),
        ("short.roi", "Iout\0\0\0", "expected ImageJ regions"),
        ("junk.nii.gz", "junk", "expected a whole NIfTI file"),
        ("header.nrrd", "NRRD0004\ntype: uint8\n\n", "expected a whole NRRD file"),
        ("seg.dcm", "\0" * 128 + "DICM1.2.840.10008.5.1.4.1.1.66.4", "expected a DICOM segmentation"),
        ("other.dcm", "junk", "another kind of file"),
        ("junk.webp", "junk", "another kind of file"),
    ],
)
def test_one_sentence(tmp_path: Path, name: str, content: str, words: str) -> None:
    (tmp_path / name).write_bytes(content.encode("latin-1"))
    with pytest.raises(DataError, match=words) as caught:
        mask_in_file(tmp_path / name, Wanted("x", tmp_path / "x.png", (4, 4)))
    assert name in str(caught.value) and "\n" not in str(caught.value)
