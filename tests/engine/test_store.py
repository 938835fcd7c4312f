"""The ledger: what earlier versions wrote is read, verified and gone on with."""

import json
from pathlib import Path

import pytest

from auditor.core.outcomes import Missing
from auditor.core.records import Observation, canonical, digest
from auditor.engine.store import Store

EARLIER = {
    "a": (None, None),
    "b": ("not applicable for zone control/0: empty mask", Missing.not_applicable("empty mask", "control/0")),
    "c": ("not applicable: attack 'pgd': it needs linf", Missing.not_applicable("attack 'pgd': it needs linf")),
    "d": ("failed: OSError: not applicable: x", Missing.failed("OSError: not applicable: x")),
    "e": ("no reason of a known form", Missing.failed("no reason of a known form")),
}


@pytest.fixture
def earlier(tmp_path: Path) -> Path:
    """Return a folder whose ledger has one chunk of two, with the rows that earlier versions wrote."""
    rows = [
        [name, canonical({"values": {"x": 1.5}, "allowed": None, "artefact": None, "error": error})]
        for name, (error, _) in EARLIER.items()
    ]
    with Store.create(tmp_path, "binding") as store:
        store.plan_trial("trial", {"probe": "clean"}, 2)
        with store._transaction() as db:
            db.executemany("INSERT INTO observations VALUES ('trial', 0, ?, ?)", rows)
            db.execute("INSERT INTO chunks VALUES ('trial', 0, ?, 0)", (digest(rows),))
    return tmp_path


def test_rows_of_earlier_versions_are_read_as_values(earlier: Path) -> None:
    with Store.open(earlier) as store:
        assert {name: row.missing for name, row in store.read("trial").items()} == {
            name: missing for name, (_, missing) in EARLIER.items()
        }
        assert not store.broken()


def test_an_earlier_ledger_is_gone_on_with(earlier: Path) -> None:
    added = Observation("trial", "f", missing=Missing.not_applicable("no mask", "inside"))
    with Store.open(earlier) as store:
        store.write("trial", 1, [added])
        assert store.complete("trial") and not store.broken() and store.read("trial")["f"] == added
        text = store._db.execute("SELECT row FROM observations WHERE sample = 'f'").fetchone()[0]
    assert json.loads(text)["missing"] == {"kind": "not applicable", "reason": "no mask", "zone": "inside"}
