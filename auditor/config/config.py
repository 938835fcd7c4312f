"""audit.yaml -> Audit: safe-loaded, every key checked, every error with its file, line and nearest valid name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, get_args

from pydantic import (
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from auditor.config.amounts import Guard, PositiveNumber
from auditor.config.report import ReportSection, ReportSpec
from auditor.config.yaml import plain_value, read_yaml
from auditor.core.errors import AuditorError, ConfigError, nearest
from auditor.core.modality import Modality, assumed_source, data_sources, modalities, modality_named, modality_of_source
from auditor.core.zones import GUARD, resolve_zones


def modality_of(data: Any) -> Modality:
    """Return what kind of data are declared: that of the default source where no known one is named (refused later)."""
    source = data.get("source", assumed_source()) if isinstance(data, Mapping) else assumed_source()
    if source not in data_sources():
        from auditor.samples import (
            data as sources,
        )  # imports model libraries; only a source of another package needs it

        known = isinstance(source, str) and source in sources.names()
        return modality_named(str(sources[source].facts["modality"])) if known else modality_of_source(assumed_source())
    return modality_of_source(source)


def _norms() -> list[str]:
    """Return how the size of a change may be measured, in any kind of data."""
    return list(dict.fromkeys(norm for modality in modalities().values() for norm in modality.norms))


class ThreatSpec(ReportSection):
    """What the attacker may do."""

    norm: Annotated[str, Field(json_schema_extra=lambda schema: schema.update(enum=_norms()))] = "linf"
    """How the size of a change is measured; of a table's row by 'cost', the sum over its changed columns, in the
    domain's own units.
    """
    epsilon: Annotated[list[PositiveNumber], Field(min_length=1, validate_default=True)] = [
        1 / 255,
        2 / 255,
        4 / 255,
        8 / 255,
    ]
    """Budgets in the input's own units (grey levels of [0, 1]), under l0 numbers of changed values; fractions such as
    2/255 may be written.
    Of a table costs: 1, 2 and 4 when not given."""
    primary: PositiveNumber | None = None
    """Budget at which verdicts are taken; the smallest when not given."""
    guard: Guard = GUARD
    """Width of the guard band around the mask, as a share of the diagonal; '2 %' may be written."""
    max_changes: Annotated[int, Field(ge=1)] | None = None
    """Most columns of a table's row that may be changed."""

    @field_validator("norm")
    @classmethod
    def _norm_is_known(cls, norm: str) -> str:
        if norm not in (known := _norms()):
            raise ValueError("input should be '" + "', '".join(known[:-1]) + f"' or '{known[-1]}'")
        return norm

    @field_validator("epsilon")
    @classmethod
    def _counts_are_whole(cls, epsilon: list[float], info: ValidationInfo) -> list[float]:
        if info.data.get("norm") == "l0" and not all(one.is_integer() for one in epsilon):
            raise ValueError("expected whole numbers of changed values, such as 5, under the norm l0")
        return epsilon

    @field_validator("primary")
    @classmethod
    def _primary_is_declared(cls, primary: float | None, info: ValidationInfo) -> float | None:
        declared = info.data.get("epsilon")
        if primary is None or declared is None:
            return primary
        nearest_one = min(declared, key=lambda one: abs(one - primary))
        if abs(nearest_one - primary) >= 1e-12:
            raise ValueError("expected one of the declared epsilon values")
        return float(nearest_one)


class AttackSpec(ReportSection):
    """Which attack exposure and fairness use."""

    name: str = "evade"
    """Name of an attack."""
    settings: dict[str, Any] = {}
    """Its own settings."""


class Audit(ReportSection):
    """An audit as its file declares it; only `model` and `data` have no default."""

    title: str = "Audit"
    """The model with its release, as the cover of the report names it."""
    intended_use: str = ""
    """One sentence: who uses the answer, and for what. The cover of the report repeats it."""
    model: dict[str, Any]
    """`source`, `weights` (or `path`), `classes`, `input` (size, channels, mean, std, preprocess), `draws`, and the
    source's own settings.
    """
    data: dict[str, Any]
    """`source` (default images) and the source's own settings; named zones are declared under `masks` and `zones`,
    whatever the source.
    """
    threat: ThreatSpec = ThreatSpec()
    """What an attacker may do."""
    attack: AttackSpec = AttackSpec(settings={"effort": "fast"})
    """How a change that flips the answer is searched for; `evade` with `effort: fast` when not given, of tables
    `table_search`."""
    checks: dict[str, dict[str, Any] | bool] = {}
    """Settings per check; a check that is not named runs with its defaults, `false` leaves it out."""
    report: ReportSpec = ReportSpec()
    """What the report says on its cover and shows of single samples."""
    seed: int = 0
    """Every random draw is made from this number: the same seed gives the same findings."""

    @model_validator(mode="before")
    @classmethod
    def _defaults_of_the_modality(cls, given: Any) -> Any:
        """Put the defaults of the modality in the place of the general ones; what is declared stays."""
        if not isinstance(given, dict):
            return given
        modality = modality_of(given.get("data"))
        found = {key: value for key, value in given.items() if value is not None}
        if modality.attack:
            found = {"attack": dict(modality.attack), **found}
        threat = found.get("threat", {})
        if modality.threat and isinstance(threat, dict):
            found["threat"] = {**modality.threat, **threat}
        return found

    @property
    def modality(self) -> Modality:
        """Return what kind of data are audited."""
        return modality_of(self.data)

    @property
    def primary(self) -> float:
        """Return the budget at which verdicts are taken."""
        return self.threat.primary or min(self.threat.epsilon)

    @property
    def named_zones(self) -> tuple[str, ...]:
        """Return the names of the zones that the data declare."""
        declared = [self.data.get(key) for key in ("masks", "zones")]
        return (*self.modality.zones, *(str(name) for names in declared if isinstance(names, dict) for name in names))


def load_audit(path: Path) -> Audit:
    """Return the audit that a file declares (ConfigError with path, line and the nearest valid key)."""
    tree = read_yaml(path)
    return parse_audit(plain_value(tree), path, tree)


def parse_audit(content: dict[str, Any], path: Path, tree: Any = None) -> Audit:
    """Return the audit in a mapping; `tree` gives the line numbers for errors."""
    given = {name: value for name, value in content.items() if value is not None}
    if isinstance(given.get("checks"), dict):
        given["checks"] = {name: {} if settings is None else settings for name, settings in given["checks"].items()}
    try:
        audit = Audit(**given)
    except ValidationError as error:
        raise _explain(error, path, tree) from None
    except TypeError as error:
        raise ConfigError(f"{path}: {error}") from None
    for name, settings in audit.checks.items():
        try:
            _bind(name, settings if isinstance(settings, dict) else {}, audit)
        except AuditorError as error:
            named = str(error).split("'")[1::2]
            raise ConfigError(f"{path}:{_line(tree, ('checks', name, *named[1:2]))}: {error}") from None
    _check_annex(audit, path, tree)
    return audit


def _check_annex(audit: Audit, path: Path, tree: Any) -> None:
    """Refuse an annex on columns that are no groups of the data (ConfigError)."""
    hiring, groups = audit.report.hiring, audit.data.get("groups") or []
    for key in ("sex", "race") if hiring is not None else ():
        name = getattr(hiring, key)
        if name not in groups:
            place = f"{path}:{_line(tree, ('report', 'hiring', key))}"
            raise ConfigError(
                f"{place}: 'report.hiring.{key}': expected a column of 'data.groups', got '{name}';"
                f" {nearest(name, list(groups))}"
            )


def _bind(name: str, settings: dict[str, Any], audit: Audit) -> None:
    """Refuse a check's settings, also a zone that the data do not declare (AuditorError)."""
    from auditor.checks import checks  # imports the checks' folder, which reading a YAML file alone does not need

    bound, named = checks.bind(name, settings, audit.modality.name), audit.named_zones
    for key in ("zone", "zones", "harm_zone"):
        zones = bound.get(key) or ()
        try:
            resolve_zones([zones] if isinstance(zones, str) else zones, named)
        except AuditorError as error:
            raise AuditorError(f"check '{name}', setting '{key}': {str(error).removeprefix('zone: ')}") from None


def _explain(error: ValidationError, path: Path, tree: Any) -> ConfigError:
    first = min(error.errors(), key=lambda one: one["type"] != "extra_forbidden")
    where = tuple(str(part) for part in first["loc"])
    place, key = f"{path}:{_line(tree, where)}", ".".join(where)
    if first["type"] == "extra_forbidden":
        return ConfigError(f"{place}: unknown key '{key}'; {nearest(where[-1], _valid_keys(where[:-1]))}")
    if first["type"] == "missing":
        return ConfigError(f"{path}: expected the key '{key}', which every audit needs.")
    if key.startswith("threat.") and first["type"] == "greater_than":
        return ConfigError(f"{place}: '{key}': expected a positive epsilon, got {first['input']!r}.")
    message = first["msg"].removeprefix("Value error, ")
    got = "" if isinstance(first["input"], dict) else f", got {first['input']!r}"
    return ConfigError(f"{place}: '{key}': {message[0].lower()}{message[1:]}{got}.")


def _valid_keys(where: tuple[str, ...]) -> list[str]:
    model: Any = Audit
    for part in where:
        kind = model.model_fields[part].annotation if part in getattr(model, "model_fields", {}) else model
        model = next((one for one in get_args(kind) if hasattr(one, "model_fields")), kind)
    return list(getattr(model, "model_fields", {}))


def _line(tree: Any, where: tuple[str, ...]) -> int | str:
    """Return the 1-based line of the deepest part of a key path that the file has."""
    line: int | str = "?"
    for part in where:
        key: Any = int(part) if isinstance(tree, list) and part.isdigit() else part
        marks = getattr(tree, "lc", None)
        if marks is None or key not in (getattr(marks, "data", None) or {}):
            continue
        line = marks.data[key][0] + 1
        tree = tree[key]
    return line
