"""The map of the shortcut search: drawn from a display alone, the same bytes every time, told in words."""

from __future__ import annotations

import numpy as np
import pytest

from auditor.core.displays import Cluster, Map, Peak, Spot
from auditor.core.estimates import Estimate
from auditor.modalities.images.report import pictures
from auditor.modalities.images.report.maps import where_map


def _frame(groups: int = 2) -> Map:
    spots = (
        Spot(
            row=row, column=column, estimate=_worth(float((row, column) == (0, 2))), stands_out=(row, column) == (0, 2)
        )
        for row in range(3)
        for column in range(3)
        if (row, column) != (1, 1)
    )
    peak = Peak(row=0, column=2, name="top right", value=1.2)
    values = ((0.0, 0.1, 1.2), (0.0, None, 0.0), (0.0,) * 3)
    one = Cluster(size=12, classes={"a": 12}, values=values, peak=peak, cases=("x",))
    return Map(rows=3, columns=3, spots=tuple(spots), peak=peak, clusters=(one,) * groups)


def _worth(value: float) -> Estimate:
    return Estimate(value, value - 0.1, value + 0.1, 12, "change of the margin (logits)", "max-t", share=False)


def test_the_map_in_words() -> None:
    drawing = where_map(_frame())
    assert drawing == where_map(_frame())
    assert (
        drawing.alt
        == "Map of 3 x 3 places over the image frame, in logits. strongest at the top right, row 1, column 3. 1 of 8"
        " places stand out (row 1, column 3: 1). group of 12 samples: top right 1.2. group of 12 samples: top right"
        " 1.2."
    )


@pytest.mark.slow
def test_any_number_of_groups_is_drawn() -> None:
    sizes = [where_map(_frame(groups)) for groups in range(6)]
    assert [drawing.width for drawing in sizes] == [3.8, 3.8, 6.8, 6.8, 6.8, 6.8]


def test_effects_over_an_image() -> None:
    image, effects = np.full((4, 4), 0.5), np.zeros((4, 4))
    effects[0, 0], effects[3, 3] = 1.0, -1.0
    shown = pictures.overlaid(image, effects, scale=1.0).astype(int)
    assert (shown[1:3, 1:3] == 128).all() and shown[0, 0, 0] > shown[0, 0, 2] and shown[3, 3, 2] > shown[3, 3, 0]
    assert np.array_equal(pictures.overlaid("missing", effects, scale=1.0), pictures.signed(effects, scale=1.0))
