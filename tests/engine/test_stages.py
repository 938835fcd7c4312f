"""What a modality answers in each stage takes what it is asked with; types cannot tell, since its modules are found by
name.
"""

import inspect
from types import ModuleType

import pytest

from auditor.core.modality import modalities
from auditor.engine.stages import Judging, Measuring
from auditor.models.adopt import Loading
from auditor.report.stages import Rendering

STAGES = {"loading": Loading, "measuring": Measuring, "judging": Judging, "rendering": Rendering}
ANSWERED = [
    (name, stage) for name, modality in modalities().items() for stage in STAGES if modality.module(stage) is not None
]


def parameters(function: object) -> list[tuple[str, str]]:
    """Return the names and kinds of a function's parameters, without `self`."""
    found = inspect.signature(function).parameters.values()  # type: ignore[arg-type]
    return [(one.name, str(one.kind)) for one in found if one.name != "self"]


@pytest.mark.parametrize(("modality", "stage"), ANSWERED)
def test_an_answer_takes_what_is_asked(modality: str, stage: str) -> None:
    module = modalities()[modality].module(stage)
    assert isinstance(module, ModuleType)
    asked = {name: hook for name, hook in vars(STAGES[stage]).items() if inspect.isfunction(hook) and name[0] != "_"}
    answers = {name: getattr(module, name) for name in asked if hasattr(module, name)}
    wanted = {name: parameters(asked[name]) for name in answers}
    assert answers or hasattr(module, "HELPERS")
    assert {name: parameters(answer) for name, answer in answers.items()} == wanted
