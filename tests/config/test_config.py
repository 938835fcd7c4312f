"""audit.yaml: what is understood, and one clear sentence for everything else."""

from pathlib import Path

import pytest

from auditor.config.config import Audit, load_audit
from auditor.core.errors import ConfigError

EXAMPLE = """\
title: Glioma slice classifier, release 2.3
intended_use: Flags brain MRI slices with suspected abnormality for a second reading.
model:
  source: timm
  name: resnet10t
  weights: model.safetensors
  classes: [normal, abnormal]
  input: {size: 224, channels: 1, mean: [0.5], std: [0.25]}
data:
  manifest: manifest.csv
  image: path
  label: label
  mask: mask
  unit: patient_id
  groups: [sex, age_band, institution]
  where: {fold: [0]}
threat: {norm: linf, epsilon: [1/255, 2/255, 4/255, 8/255], primary: 2/255}      # in the image's own grey levels
checks:
  exposure:  {zones: [outside, inside, everywhere, control], tolerance: 0.10}
  reliance:  {donors: 8, tolerance: 0.05}
  fairness:  {tolerance: 0.10, minimum_group: 30}
  attribution: {methods: [integrated_gradients, saliency], tolerance: 0.8}
report: {organisation: Clinic, reviewer: R. Viewer, privacy: none}
"""
SHORT = "model: {weights: m.onnx}\ndata: {folder: images}\n"


def write(folder: Path, text: str) -> Path:
    path = folder / "audit.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load_audit(write(folder, text))
    sentence = str(caught.value)
    assert "\n" not in sentence and "Value error" not in sentence and "value error" not in sentence
    assert sentence.startswith(str(folder / "audit.yaml"))
    return sentence.removeprefix(str(folder / "audit.yaml"))


def test_the_example_of_the_design_is_understood(tmp_path: Path) -> None:
    audit = load_audit(write(tmp_path, EXAMPLE))
    assert audit.threat.epsilon == [1 / 255, 2 / 255, 4 / 255, 8 / 255] and audit.primary == 2 / 255
    assert audit.data["where"] == {"fold": [0]} and audit.model["input"]["mean"] == [0.5]
    assert audit.checks["reliance"] == {"donors": 8, "tolerance": 0.05} and audit.report.privacy == "none"


def test_two_lines_are_enough(tmp_path: Path) -> None:
    audit = load_audit(write(tmp_path, SHORT))
    assert (audit.title, audit.seed, audit.attack.name, audit.threat.norm, audit.checks) == (
        "Audit",
        0,
        "evade",
        "linf",
        {},
    )
    assert audit.primary == min(audit.threat.epsilon) == 1 / 255


@pytest.mark.parametrize(
    ("written", "value"),
    [("2/255", 2 / 255), ("' 2 / 255 '", 2 / 255), ("0.5", 0.5), ("'0.5'", 0.5), ("1", 1.0), ("1e-3", 1e-3)],
)
def test_numbers_and_fractions(tmp_path: Path, written: str, value: float) -> None:
    assert load_audit(write(tmp_path, f"{SHORT}threat: {{epsilon: [{written}]}}\n")).threat.epsilon == [
        pytest.approx(value)
    ]


@pytest.mark.parametrize(
    ("written", "value"),
    [("2 %", 0.02), ("2%", 0.02), ("'2 %'", 0.02), ("0.5 %", 0.005), ("1/50", 0.02), ("0.02", 0.02), ("0", 0.0)],
)
def test_the_guard_band_in_per_cent(tmp_path: Path, written: str, value: float) -> None:
    assert load_audit(write(tmp_path, f"{SHORT}threat: {{guard: {written}}}\n")).threat.guard == pytest.approx(value)


def test_zones_that_the_data_declare(tmp_path: Path) -> None:
    data = "model: {weights: m}\ndata: {folder: x, masks: {organ: organs}, zones: {air: not organ}}\n"
    audit = load_audit(
        write(tmp_path, f"{data}checks: {{exposure: {{zones: [named, organ]}}, fairness: {{zone: air}}}}\n")
    )
    assert audit.named_zones == ("organ", "air")


def test_the_primary_budget_is_a_declared_one_exactly(tmp_path: Path) -> None:
    audit = load_audit(write(tmp_path, f"{SHORT}threat: {{epsilon: [4/255, 2/255], primary: 0.0078431372549}}\n"))
    assert audit.primary == 2 / 255


def test_a_check_may_be_left_out(tmp_path: Path) -> None:
    assert load_audit(write(tmp_path, f"{SHORT}checks: {{fairness: false, reliance: true}}\n")).checks == {
        "fairness": False,
        "reliance": True,
    }


SENTENCES = {
    "unknown key": (f"{SHORT}treat: {{}}\n", ":3: unknown key 'treat'; did you mean 'threat'?"),
    "unknown key instead of a needed one": (
        "modle: {}\ndata: {folder: x}\n",
        ":1: unknown key 'modle'; did you mean 'model'?",
    ),
    "unknown nested key": (
        f"{SHORT}threat:\n  norm: l2\n  epsilom: [1]\n",
        ":5: unknown key 'threat.epsilom'; did you mean 'epsilon'?",
    ),
    "unknown key in the report": (
        f"{SHORT}report: {{organization: x}}\n",
        ":3: unknown key 'report.organization'; did you mean 'organisation'?",
    ),
    "unknown check": (
        f"{SHORT}checks:\n  reliance: {{}}\n  exposre: {{}}\n",
        ":5: check: expected a known name, got 'exposre'; did you mean 'exposure'?",
    ),
    "unknown setting of a check": (
        f"{SHORT}checks:\n  exposure:\n    tolerence: 0.1\n",
        ":5: check 'exposure': unknown setting 'tolerence'; did you mean 'tolerance'?",
    ),
    "bad setting of a check": (
        f"{SHORT}checks:\n  reliance:\n    donors: none\n",
        ":5: check 'reliance', setting 'donors': ",
    ),
    "unknown zone": (
        f"{SHORT}checks:\n  exposure: {{zones: [outsid]}}\n",
        ":4: check 'exposure', setting 'zones': expected 'inside'",
    ),
    "zone that the data do not declare": (
        (
            "model: {weights: m}\ndata: {folder: x, masks: {organ: organs}}\nchecks:\n  exposure: {zones: [outside,"
            " orgn]}\n"
        ),
        (
            ":4: check 'exposure', setting 'zones': expected 'inside', 'outside', 'everywhere', 'control/<number>' or a"
            " named zone of the data, got 'orgn'; did you mean 'organ'?"
        ),
    ),
    "named zones that the data do not declare": (
        f"{SHORT}checks:\n  exposure: {{zones: [named]}}\n",
        ":4: check 'exposure', setting 'zones': expected data with named zones",
    ),
    "all named zones as one": (
        f"{SHORT}checks:\n  fairness: {{zone: named}}\n",
        ":4: check 'fairness', setting 'zone': expected one zone",
    ),
    "reserved word as zone": (
        f"{SHORT}checks:\n  exposure: {{zones: [mask]}}\n",
        ":4: check 'exposure', setting 'zones': expected 'inside'",
    ),
    "no zone": (f"{SHORT}checks:\n  exposure: {{zones: []}}\n", ":4: check 'exposure', setting 'zones': "),
    "unknown zone of harm": (
        f"{SHORT}checks:\n  fairness: {{harm_zone: outsid}}\n",
        ":4: check 'fairness', setting 'harm_zone': expected 'inside'",
    ),
    "unknown zone of fairness": (
        f"{SHORT}checks:\n  fairness: {{zone: outsid}}\n",
        ":4: check 'fairness', setting 'zone': expected 'inside'",
    ),
    "duplicate key": (
        "model: {weights: m}\ndata: {folder: x}\nmodel: {weights: n}\n",
        ':3: found duplicate key "model"; keep one of the two.',
    ),
    "nested duplicate key": (
        "model: {weights: m}\ndata:\n  folder: x\n  label: y\n  folder: z\n",
        ':5: found duplicate key "folder"; keep one of the two.',
    ),
    "epsilon zero": (
        f"{SHORT}threat:\n  norm: l2\n  epsilon: [1/255, 0]\n",
        ":5: 'threat.epsilon.1': expected a positive epsilon, got 0.",
    ),
    "epsilon negative": (
        f"{SHORT}threat: {{epsilon: [-2/255]}}\n",
        ":3: 'threat.epsilon.0': expected a positive epsilon, got '-2/255'.",
    ),
    "epsilon infinite": (f"{SHORT}threat: {{epsilon: [.inf]}}\n", ":3: 'threat.epsilon.0': "),
    "epsilon not a number": (f"{SHORT}threat: {{epsilon: [.nan]}}\n", ":3: 'threat.epsilon.0': "),
    "epsilon a word": (f"{SHORT}threat: {{epsilon: [small]}}\n", ":3: 'threat.epsilon.0': "),
    "epsilon over zero": (f"{SHORT}threat: {{epsilon: [1/0]}}\n", ":3: 'threat.epsilon.0': "),
    "no epsilon": (f"{SHORT}threat: {{epsilon: []}}\n", ":3: 'threat.epsilon': "),
    "primary not declared": (
        f"{SHORT}threat:\n  epsilon: [1/255]\n  primary: 2/255\n",
        ":5: 'threat.primary': expected one of the declared epsilon values, got '2/255'.",
    ),
    "unknown norm": (
        f"{SHORT}threat: {{norm: linfty}}\n",
        ":3: 'threat.norm': input should be 'linf', 'l2', 'l1', 'l0' or 'cost', got 'linfty'.",
    ),
    "part of a value": (
        f"{SHORT}threat: {{norm: l0, epsilon: [5, 2/255]}}\n",
        (
            ":3: 'threat.epsilon': expected whole numbers of changed values, such as 5, under the norm l0, got [5,"
            " '2/255']."
        ),
    ),
    "l0 without counts": (
        f"{SHORT}threat: {{norm: l0}}\n",
        ":3: 'threat.epsilon': expected whole numbers of changed values, such as 5, under the norm l0, got [",
    ),
    "guard too wide": (
        f"{SHORT}threat: {{guard: 0.7}}\n",
        ":3: 'threat.guard': input should be less than 0.5, got 0.7.",
    ),
    "guard too wide in per cent": (
        f"{SHORT}threat: {{guard: 50 %}}\n",
        ":3: 'threat.guard': input should be less than 0.5, got '50 %'.",
    ),
    "guard of a word": (f"{SHORT}threat: {{guard: wide %}}\n", ":3: 'threat.guard': input should be a valid number, "),
    "guard not a number": (f"{SHORT}threat: {{guard: .nan}}\n", ":3: 'threat.guard': "),
    "epsilon in per cent": (f"{SHORT}threat: {{epsilon: [2 %]}}\n", ":3: 'threat.epsilon.0': "),
    "no model": ("data: {folder: x}\n", ": expected the key 'model', which every audit needs."),
    "no data": ("model: {weights: x}\n", ": expected the key 'data', which every audit needs."),
    "model is a word": (
        "model: resnet\ndata: {folder: x}\n",
        ":1: 'model': input should be a valid dictionary, got 'resnet'.",
    ),
    "not YAML": ("model: {weights: m\ndata: [\n", ": not valid YAML: "),
    "tab": ("model:\n\tweights: m\n", ":2: not valid YAML: "),
    "a list": ("- model\n- data\n", ": expected keys such as 'model' and 'data', got "),
    "a word": ("hello\n", ": expected keys such as 'model' and 'data', got str."),
    "empty": ("", ": expected keys such as 'model' and 'data', got nothing."),
    "two documents": ("model: {weights: m}\n---\ndata: {}\n", ": not valid YAML: "),
}


@pytest.mark.parametrize("name", SENTENCES)
def test_bad_files_get_one_sentence(tmp_path: Path, name: str) -> None:
    text, sentence = SENTENCES[name]
    assert sentence in refusal(tmp_path, text)


def test_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match="missing.yaml: expected a readable audit file, but no such file or directory"
    ):
        load_audit(tmp_path / "missing.yaml")
    with pytest.raises(ConfigError, match="is a directory"):
        load_audit(tmp_path)
    (tmp_path / "audit.yaml").write_bytes(b"title: \xff\xfe\n")
    with pytest.raises(ConfigError, match="not UTF-8 text"):
        load_audit(tmp_path / "audit.yaml")


TAGS = [
    "title: !!python/object/apply:os.system [touch {mark}]\n",
    "title: !!python/object/apply:os.system\n- touch {mark}\n",
    "model: !!python/object/apply:os.system {{args: [touch {mark}]}}\n",
    "title: !!python/name:os.system\n",
    "title: !!python/module:os\n",
]


@pytest.mark.parametrize("tag", TAGS)
def test_a_tag_that_wants_to_run_code_is_refused(tmp_path: Path, tag: str) -> None:
    mark = tmp_path / "mark"
    rest = "data: {folder: x}\n" if tag.startswith("model") else SHORT
    sentence = refusal(tmp_path, tag.replace("{mark}", str(mark)).replace("{{", "{").replace("}}", "}") + rest)
    assert not mark.exists()
    assert sentence.startswith(":1: ") and "!!python/" in sentence and "tag" in sentence


def test_settings_that_are_not_text_stay_what_they_are(tmp_path: Path) -> None:
    audit = load_audit(
        write(
            tmp_path, "model: {weights: m, fine: true, n: 3, f: 0.5, none: null, day: 2024-01-02}\ndata: {folder: x}\n"
        )
    )
    assert audit.model == {"weights": "m", "fine": True, "n": 3, "f": 0.5, "none": None, "day": "2024-01-02"}
    assert type(audit.model["fine"]) is bool and type(audit.model["n"]) is int


def test_an_audit_can_be_made_without_a_file() -> None:
    assert Audit(model={"weights": "m"}, data={"folder": "x"}).primary == 1 / 255
