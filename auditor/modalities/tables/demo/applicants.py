"""A made-up table of applicants whose generating process is known, so that what a model should be accused of is known
too.

Every applicant is drawn independently. Suitability depends on four columns alone, and on chance::

    suitable = 0.2 years + degree (none 0, bachelor 1.4, master 2.4, doctorate 3) + 0.12 (test - 60) + 1.6 (certified) -
    3.6 + logistic noise > 0

Sex, race and age enter nothing of that: the four columns are drawn alike for everyone, but that nobody has worked
before 18. Nobody is certified
with fewer than 45 points in the test. What a model might read in their place is drawn beside them:

* `club` goes with sex: 90 % of the women in a club are in the netball club, 90 % of the men in the rowing club; it says
  nothing of suitability.
* `font` and `weekday` are drawn by lot and say nothing at all; `channel` neither, in the table that is audited.

Three histories of the same kind of applicant are what the three models learned from: in `fair` the suitable were hired;
in `proxy` a recruiter
also asked 3 logits more of women, and the model was not given the column sex; in `brittle` the suitable had mostly
applied by referral, the others
by the portal, so that the channel seemed to tell them apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

DEGREES = {"none": 0.0, "bachelor": 1.4, "master": 2.4, "doctorate": 3.0}
RACES = {"White": 0.55, "Black": 0.17, "Hispanic": 0.15, "Asian": 0.115, "Native": 0.015}
_CLASSES = ("rejected", "hired")
PASSED = 45
"""Points in the test without which nobody is certified."""
RACE_UNKNOWN = 0.01
"""Share of the applicants who did not tell their race."""


@dataclass(frozen=True)
class History:
    """How the outcomes came about that a model learns from."""

    asked_more: float = 0.0
    """Logits that were asked of women beyond what was asked of men."""
    referred: float | None = None
    """Share of the suitable who had applied by referral, and of the others who had by the portal; None: the channel
    says nothing.
    """


HISTORIES = {"fair": History(), "proxy": History(asked_more=3.0), "brittle": History(referred=0.9)}


def _channels(rng: np.random.Generator, suitable: NDArray[np.bool_], referred: float | None) -> NDArray[np.str_]:
    """Return by which channel each of some applicants (n,) applied; `referred` is as in History."""
    n = len(suitable)
    by_lot = rng.choice(["portal", "referral", "agency"], n, p=[0.5, 0.3, 0.2])
    if referred is None:
        return by_lot
    told = rng.random(n) < referred
    return np.where(rng.random(n) < 0.2, "agency", np.where(suitable == told, "referral", "portal"))


def applicants(n: int, seed: int, history: History = HISTORIES["fair"]) -> pd.DataFrame:
    """Return n applicants, with the column `outcome` of a history and the column `suitable`, which is the truth in all
    of them.
    """
    import pandas as pd

    rng = np.random.default_rng(seed)
    sex = rng.choice(["Female", "Male"], n)
    age = np.clip(np.round(rng.normal(37, 9, n)), 21, 65).astype(int)
    years = np.minimum(rng.integers(0, 16, n), age - 18)
    degree = rng.choice(list(DEGREES), n, p=[0.3, 0.4, 0.22, 0.08])
    test = np.clip(np.round(rng.normal(60, 14, n)), 0, 100).astype(int)
    certified = (rng.random(n) < 0.5) & (test >= PASSED)
    typical = rng.random(n) < 0.9
    club = np.where(rng.random(n) < 0.15, "none", np.where((sex == "Female") == typical, "netball", "rowing"))
    merit = 0.2 * years + np.array([DEGREES[one] for one in degree]) + 0.12 * (test - 60) + 1.6 * certified - 3.6
    chance = rng.logistic(size=n)
    suitable = merit + chance > 0
    channel = _channels(rng, suitable, history.referred)
    outcome = merit - history.asked_more * (sex == "Female") + chance > 0
    race = np.where(rng.random(n) < RACE_UNKNOWN, "", rng.choice(list(RACES), n, p=list(RACES.values())))
    return pd.DataFrame(
        {
            "applicant": [f"A{row + 1:05d}" for row in range(n)],
            "years": years,
            "degree": degree,
            "test": test,
            "certified": np.where(certified, "yes", "no"),
            "club": club,
            "channel": channel,
            "font": rng.choice(["serif", "sans", "mono"], n, p=[0.4, 0.5, 0.1]),
            "weekday": rng.choice(["Mon", "Tue", "Wed", "Thu", "Fri"], n),
            "age": age,
            "sex": sex,
            "race": race,
            "suitable": np.where(suitable, "hired", "rejected"),
            "outcome": np.where(outcome, "hired", "rejected"),
        }
    )
