"""Model packages: a directory with a model made ready to serve, and the check that it is what its manifest says.

    manifest.json     what it is, where it came from, how well it agrees with the estimator, SHA-256 of each other file
    signature.json    typed inputs and outputs
    reference.json    the distribution of the training data, feature by feature
    golden.json       rows with the expected answers
    model.onnx | model.treelite | model.joblib | model.skops | model.pkl      the executable model

The version id is `<increment>-v<N>`; the identity is the SHA-256 of manifest.json.
"""

import hashlib
from pathlib import Path
from typing import Literal, TypeVar

import msgspec

MANIFEST, SIGNATURE, REFERENCE, GOLDEN = "manifest.json", "signature.json", "reference.json", "golden.json"

FeatureType = Literal["number", "integer", "string", "boolean"]
Value = float | int | str | bool | None

T = TypeVar("T")


class PackageError(Exception):
    """A model package that is missing, incomplete, changed or of an unknown format."""


class Feature(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One input of the model.

    Attributes:
        name: as in the training data; any text, not only identifiers.
        type: `integer` takes 30 and 30.0 and refuses 30.5.
        nullable: whether null is accepted (an imputer or a NaN-capable estimator stands behind it).
        minimum, maximum: range seen in the reference data; beyond it a value is accepted and counted.
        categories: the values of a categorical feature, in the encoder's order; None for others.
        unknown_category: what the encoder does with a value outside `categories`: refuse it, or accept it.
        description: for the documentation of the service; may be empty.
    """

    name: str
    type: FeatureType
    nullable: bool = False
    minimum: float | None = None
    maximum: float | None = None
    categories: tuple[str | int | float | bool, ...] | None = None
    unknown_category: Literal["error", "accept"] = "error"
    description: str = ""


class Output(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the model answers.

    Attributes:
        task: classification or regression.
        classes: labels in the estimator's order; empty for a regression.
        probabilities: whether the model gives a probability for each class.
        width: numbers in one answer of a regression; 1 but for several targets.
    """

    task: Literal["classification", "regression"]
    classes: tuple[str | int | float | bool, ...] = ()
    probabilities: bool = False
    width: int = 1


class Input(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One tensor of the executable model and the features that fill its columns, in order.

    Attributes:
        name: the tensor's name; for an estimator there is one input, named `rows`.
        dtype: element type of the tensor.
        features: names of features; several for one matrix, one for a column of its own.
        missing: what null becomes in this tensor: NaN for numbers, this text for strings.
    """

    name: str
    dtype: Literal["float32", "float64", "int64", "bool", "string"]
    features: tuple[str, ...]
    missing: str | None = None


class Signature(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Typed inputs and outputs of a model.

    Attributes:
        features: in the order of the training data.
        output: what the model answers.
        inputs: the tensors of the executable model.
        frame: an estimator wants a DataFrame with named columns rather than a matrix.
    """

    features: tuple[Feature, ...]
    output: Output
    inputs: tuple[Input, ...]
    frame: bool = False


class Executable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file that predicts.

    Attributes:
        kind: `onnx` (onnxruntime), `treelite` (GTIL), `estimator` (the user's own, behind a batcher).
        file: its name in the package.
        loader: how an estimator is read; None for the other kinds.
        label_output, probability_output: names of the tensors of an ONNX model; None where there is none.
    """

    kind: Literal["onnx", "treelite", "estimator"]
    file: str
    loader: Literal["joblib", "skops", "pickle"] | None = None
    label_output: str | None = None
    probability_output: str | None = None


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the model came from; paths are relative to the project.

    Attributes:
        path, sha256: the model's file.
        increment: number of the increment that made the package.
        data, data_sha256: reference data.
        held_out, held_out_sha256: rows for the comparison, where they were named.
        target: the column that the model predicts, where it is known.
        commit: of the project, None without git.
    """

    path: str
    sha256: str
    increment: str
    data: str | None = None
    data_sha256: str | None = None
    held_out: str | None = None
    held_out_sha256: str | None = None
    target: str | None = None
    commit: str | None = None


class Attempt(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One way of execution that was tried, and why it was not taken (None: it was); `rows` counts hard ones too."""

    kind: Literal["onnx", "treelite", "estimator"]
    refused: str | None = None
    rows: int = 0
    label_mismatches: int = 0
    max_difference: float = 0.0


class Parity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Agreement of the executable model with the estimator.

    Attributes:
        rows: how many rows were compared, as they are; without `hard_rows`.
        label_mismatches: rows whose label differs; 0 in a validated package.
        max_difference: largest absolute difference of a probability, or relative difference of a regression's value
            (of one below the golden rows' `scale`: relative to that).
        tolerance: what `max_difference` may be.
        origin: of the rows: held out by the user, taken from the reference data, or made up where there was no data.
        tried: every way in the order tried; the last is the one taken.
        estimator_us: microseconds of one row by the estimator, median.
        executable_us: microseconds of one row by the executable model, median.
        hard_rows: how many more were compared: some of the rows with null or a category never seen put in.
    """

    rows: int
    label_mismatches: int
    max_difference: float
    tolerance: float
    origin: Literal["held-out", "reference", "made-up"]
    tried: tuple[Attempt, ...]
    estimator_us: float
    executable_us: float
    hard_rows: int = 0

    @property
    def passed(self) -> bool:
        """Whether the gate is met: rows were compared, no label differs, no value differs by more than allowed."""
        return self.rows > 0 and self.label_mismatches == 0 and self.max_difference <= self.tolerance

    @property
    def compared(self) -> str:
        """What was compared, in words: `1,114 held-out rows and 60 made hard from them`."""
        named = {"held-out": "held-out rows", "reference": "rows of the reference data", "made-up": "made-up rows"}
        hard = f" and {self.hard_rows:,} made hard from them" if self.hard_rows else ""
        return f"{self.rows:,} {named[self.origin]}{hard}"


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a package is.

    Attributes:
        format: version of this layout; 1.
        name: of the model: lower-case letters, digits, hyphens.
        version: `<increment>-v<N>`.
        created: UTC, ISO 8601.
        estimator: class of the estimator, and of its last step where it is a pipeline.
        executable: the file that predicts.
        source: where it came from.
        python: version of the interpreter of the model environment, `3.11.7`.
        libraries: versions in the model environment that matter to the model.
        parity: agreement with the estimator.
        files: name → SHA-256 (hex) of every other file of the package.
        metadata: what the user registered with the version (accuracy, training date); JSON types.
        notes: what a reviewer should know (assumptions, fallbacks), one sentence each.
    """

    format: Literal[1]
    name: str
    version: str
    created: str
    estimator: tuple[str, ...]
    executable: Executable
    source: Source
    python: str
    libraries: dict[str, str]
    parity: Parity
    files: dict[str, str]
    metadata: dict[str, object] = {}
    notes: tuple[str, ...] = ()


class GoldenRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A row that was compared, and the estimator's own answer to it."""

    features: dict[str, Value]
    prediction: Value | tuple[float, ...]
    probabilities: tuple[float, ...] | None = None


class Golden(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rows with the expected answers.

    Attributes:
        rows: 1 to some tens of rows, spread over the classes or the range of the target.
        tolerance: allowed difference as a share of the expected number.
        scale: size below which the difference is measured against it (`specweave_runtime.agreement`): 1 for
            probabilities, a hundredth of the mean size for values.
    """

    rows: tuple[GoldenRow, ...]
    tolerance: float
    scale: float


def digest(path: Path) -> str:
    """SHA-256 of a file, hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_manifest(package: Path) -> Manifest:
    """The manifest, without a look at the other files.

    Raises:
        PackageError: it is missing, malformed, or of a newer format.
    """
    return _decode(package / MANIFEST, Manifest)


def read_signature(package: Path) -> Signature:
    """The typed inputs and outputs of a package."""
    return _decode(package / SIGNATURE, Signature)


def read_golden(package: Path) -> Golden:
    """The rows with the expected answers."""
    return _decode(package / GOLDEN, Golden)


def verify(package: Path, identity: str | None = None) -> Manifest:
    """Check every file against the manifest, before any of them is opened as a model.

    Args:
        package: the directory.
        identity: the expected SHA-256 of manifest.json, where one is known.

    Raises:
        PackageError: a file is missing, changed, or not listed; the manifest is not the expected one, or names a model
            that is no file of the package.
    """
    if identity is not None and (actual := digest_of_manifest(package)) != identity:
        raise PackageError(f"{package}: manifest.json is {actual[:12]}, expected {identity[:12]}")
    manifest = read_manifest(package)
    # What is opened must be among what is checked.
    for name in (SIGNATURE, REFERENCE, GOLDEN, manifest.executable.file):
        if name not in manifest.files:
            raise PackageError(f"{package}: the manifest does not list {name}")
    present = {path.name for path in package.iterdir()} - {MANIFEST}
    if unlisted := sorted(present - manifest.files.keys()):
        raise PackageError(f"{package}: not in the manifest: {', '.join(unlisted)}")
    for name, expected in manifest.files.items():
        path = package / name
        if Path(name).name != name or path.is_symlink() or not path.is_file():
            raise PackageError(f"{package}: {name} is missing or no plain file")
        if digest(path) != expected:
            raise PackageError(f"{package}: {name} is not what the manifest says; the package was changed")
    return manifest


def digest_of_manifest(package: Path) -> str:
    """The identity of a package."""
    path = package / MANIFEST
    if not path.is_file():
        raise PackageError(f"{package}: there is no {MANIFEST}")
    return digest(path)


def _decode(path: Path, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except FileNotFoundError:
        raise PackageError(f"{path.parent}: there is no {path.name}") from None
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise PackageError(f"{path}: {error}") from error
