"""The bodies that a load test sends, and what is right in the answers to them."""

import hashlib
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from specweave.errors import InvalidInputError, NotFoundError
from specweave.model_packages.store import Package
from specweave.operations.load_testing import Exchange
from specweave.operations.load_testing.answer_form import AnswerForm
from specweave.operations.request_bodies.body_file import Body, is_table, read_file, read_table
from specweave.operations.request_bodies.generation import Reference, generate
from specweave.operations.request_bodies.rows import RowTypes
from specweave.project import Project
from specweave_runtime.agreement import by_class
from specweave_runtime.package import REFERENCE, Golden, GoldenRow, PackageError, Signature, digest, read_golden

GOLDEN, REFERENCE_ROWS, GENERATED = "golden", "reference", "generated"
_GENERATED_ROWS, _REFERENCE_ROWS = 1_000, 5_000
_MOST_CHARACTERS = 32 * 1024 * 1024
_SEED = 0


@dataclass(frozen=True, slots=True)
class RequestBodies:
    """Bodies for a service of one model package.

    Attributes:
        bodies: used in turn.
        description: for the report: `1,000 rows generated from …`.
        identity: the same for the same bodies of one package: `golden`, `generated`, or a digest.
        golden: the package's golden rows; their answers are expected where their rows are the bodies.
        signature: of the package.
    """

    bodies: tuple[Body, ...]
    description: str
    identity: str
    golden: Golden
    signature: Signature

    @property
    def are_golden(self) -> bool:
        """Whether they are the golden rows, whose right answers are known."""
        return self.identity == GOLDEN

    def exchanges(self, *, checked: bool) -> tuple[Exchange, ...]:
        """The requests; `checked` where the service serves this very package: the answers are then known or promised.

        A golden row must have its right answer, any other body one of the form that the signature promises.
        """
        if not checked:
            return tuple(Exchange(body.text) for body in self.bodies)
        output = self.signature.output
        if self.are_golden:
            answers = zip(self.bodies, self.golden.rows, strict=True)
            return tuple(_with_answer(body.text, row, output.classes) for body, row in answers)
        forms = {rows: AnswerForm(output.classes, output.width, rows) for rows in {body.rows for body in self.bodies}}
        return tuple(Exchange(body.text, form=forms[body.rows]) for body in self.bodies)


def read_bodies(project: Project, package: Package, source: str) -> RequestBodies:
    """The bodies that are asked for.

    Args:
        project: where files are looked for.
        package: the model.
        source: `golden`: the rows with known answers; `reference`: rows of the data that the package was made from;
            `generated`: drawn from its distribution; else a file, see `read_file`.

    Raises:
        NotFoundError: `bodies-not-found`, `reference-not-found`.
        InvalidInputError: `bodies-invalid`, `bodies-too-large`, `reference-changed`, `reference-unusable`,
            `package-invalid`, `path-outside-project`.
    """
    golden = _golden(package)
    if source == GOLDEN:
        bodies = tuple(Body(_encoded(row)) for row in golden.rows)
        about, identity = f"{len(bodies)} golden rows of {package.name} {package.version}", GOLDEN
    else:
        types = _types(package)
        if source == GENERATED:
            bodies, about = _generated(package, types)
            identity = GENERATED
        elif source == REFERENCE_ROWS:
            bodies, about = _reference_rows(project, package, types)
            identity = REFERENCE_ROWS
        else:
            bodies, about, identity = _of_file(project, source, types)
    return RequestBodies(bodies, f"{about} in turn", identity, golden, package.signature)


def _golden(package: Package) -> Golden:
    try:
        golden = read_golden(package.path)
    except PackageError as error:
        raise InvalidInputError("package-invalid", str(error)) from error
    if not golden.rows:
        raise InvalidInputError("package-invalid", f"{package.path} has no golden rows")
    return golden


def _encoded(row: GoldenRow) -> str:
    return json.dumps({"features": row.features}, ensure_ascii=False, allow_nan=False)


def _with_answer(body: str, row: GoldenRow, classes: Sequence[object]) -> Exchange:
    probabilities: dict[str, object] = {}
    if row.probabilities is not None:
        # The generated API names every class, or gives the one probability of a class that is 1 or true.
        probabilities = {"probabilities": by_class(classes, row.probabilities), "probability": row.probabilities[-1]}
    return Exchange(body, {"prediction": row.prediction}, probabilities)


def _types(package: Package) -> RowTypes:
    try:
        return RowTypes(package.signature)
    except ValueError as error:
        raise InvalidInputError(
            "package-invalid", f"{package.name} {package.version} cannot be asked: {error}"
        ) from error


def _generated(package: Package, types: RowTypes) -> tuple[tuple[Body, ...], str]:
    try:
        reference = msgspec.json.decode((package.path / REFERENCE).read_bytes(), type=Reference)
        rows = generate(package.signature, reference, _GENERATED_ROWS, _SEED)
        texts = [types.body(row) for row in rows]
    except (msgspec.MsgspecError, ValueError) as error:
        raise InvalidInputError(
            "package-invalid", f"no rows can be drawn from {REFERENCE} of {package.name} {package.version}: {error}"
        ) from error
    texts = texts[: max(1, _MOST_CHARACTERS // max(map(len, texts)))]
    known = "the distribution of its reference data" if reference.features and reference.real else "its signature alone"
    about = f"{len(texts):,} rows generated for {package.name} {package.version} from {known}, seed {_SEED},"
    return tuple(map(Body, texts)), about


def _reference_rows(project: Project, package: Package, types: RowTypes) -> tuple[tuple[Body, ...], str]:
    """Rows of the data, as many as are of use, drawn from all."""
    source = package.manifest.source
    if source.data is None:
        raise NotFoundError(
            "reference-not-found",
            f"{package.name} {package.version} was made without reference data",
            next_step="use `--bodies generated`, or name a file with rows",
        )
    path = project.resolve(source.data, what="reference")
    if digest(path) != source.data_sha256:
        raise InvalidInputError(
            "reference-changed",
            f"{source.data} is not what {package.name} {package.version} was made from: it was changed",
            next_step=f"restore it, or name it as a file: --bodies {source.data}",
        )
    if not is_table(path):
        raise InvalidInputError(
            "reference-unusable",
            f"rows can be read from CSV and TSV, not from {source.data}",
            next_step="use `--bodies generated`, or save rows of it as CSV and name that file",
        )
    chosen: list[str] = []
    draw, taken, refused = random.Random(_SEED), 0, 0  # noqa: S311 - a sample, no secret
    for _, row in read_table(path, types, {}):
        try:
            text = types.body(row)
        except ValueError:
            refused += 1
            continue
        taken += 1
        if len(chosen) < _REFERENCE_ROWS:
            chosen.append(text)
        elif (place := draw.randrange(taken)) < _REFERENCE_ROWS:
            chosen[place] = text
    if not chosen:
        raise InvalidInputError("reference-unusable", f"the service would refuse every row of {source.data}")
    without = f", without {refused:,} that the service refuses," if refused else ""
    return tuple(map(Body, chosen)), f"{_counted(len(chosen), taken + refused)} rows of {source.data}{without}"


def _of_file(project: Project, source: str, types: RowTypes) -> tuple[tuple[Body, ...], str, str]:
    try:
        path = project.resolve(source, what="bodies")
    except NotFoundError as error:
        raise NotFoundError(
            error.code,
            f"{source} is no file in {project.root}",
            next_step="say golden, reference or generated, or name a file inside the project",
        ) from error
    file = read_file(path, types)
    without = f", without {', '.join(file.left_out[:10])}," if file.left_out else ""
    count = f"{len(file.bodies):,} {'body' if len(file.bodies) == 1 else 'bodies'}"
    return file.bodies, f"{count} of {project.relative(path)}{without}", hashlib.sha256(path.read_bytes()).hexdigest()


def _counted(some: int, every: int) -> str:
    return f"all {every:,}" if some == every else f"{some:,} of the {every:,}"
