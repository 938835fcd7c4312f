"""The scripts in benchmarks/, which find one another by their folder."""

import logging
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def script() -> Iterator[Callable[[str], ModuleType]]:
    """Return function (name) -> module of a script in benchmarks/; the scripts silence the log, which other tests
    read.
    """
    log = logging.getLogger("auditor")
    level = log.level
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(Path(__file__).parents[2] / "benchmarks")
        yield import_module
    log.setLevel(level)
