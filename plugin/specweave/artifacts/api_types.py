"""The Python types of one model's inputs and answers, as source text for `api/models.py`.

Names that are no identifiers, or that Python or the module itself uses, get an attribute of their own and keep their
spelling in JSON.
"""

import keyword
import re
import textwrap
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from specweave.errors import InvalidInputError
from specweave.files.quoting import python
from specweave_runtime.agreement import class_name
from specweave_runtime.package import Feature, Output, Signature

_WIDTH = 120
# What the class body of the generated module refers to while it is being made.
_TAKEN_ATTRIBUTES = frozenset({"field", "float", "bool", "str", "l"})
_TAKEN_ALIASES = frozenset(
    {"Answer", "BatchAnswer", "Features", "Integer", "Label", "Literal", "Number", "Prediction", "Struct", "Value"}
)
_ATTRIBUTE_LENGTH = 40
_BINARY = 2


@dataclass(frozen=True, slots=True)
class TypedFeature:
    """One feature as source text, indented as in the class body.

    Attributes:
        documentation: its lines in the docstring.
        declaration: its annotated attribute.
    """

    documentation: str
    declaration: str


@dataclass(frozen=True, slots=True)
class ModelTypes:
    """Everything that depends on the signature in the generated modules.

    Attributes:
        aliases: definitions of named types, as source text.
        features: in the order of the signature.
        value_type: name of the type of a prediction.
        answer: whether an answer holds the probability of the second class, those of all classes, or none.
        positive: the second of two classes, safe inside a docstring.
        prediction: what a prediction is, for the docstring.
        classes: definition of the constant with the names of the classes.
        imports: which of the runtime's types occur.
    """

    aliases: tuple[str, ...]
    features: tuple[TypedFeature, ...]
    value_type: str
    answer: str
    positive: str
    prediction: str
    classes: str
    imports: tuple[str, ...]


def of(signature: Signature) -> ModelTypes:
    """The types of a model.

    Raises:
        InvalidInputError: `feature-name-invalid`.
    """
    for feature in signature.features:
        _check_name(feature.name)
    attributes = attribute_names(feature.name for feature in signature.features)
    aliases: list[str] = []
    features = []
    for feature, attribute in zip(signature.features, attributes, strict=True):
        kind = _kind(feature)
        if kind is None:
            kind = _alias_name(attribute)
            aliases.append(_literal(kind, feature.categories or ()))
        features.append(TypedFeature(_documentation(attribute, feature), _declaration(attribute, feature, kind)))
    output = signature.output
    value_type = "Label" if output.task == "classification" else "Value"
    aliases.append(_value_alias(value_type, output))
    probabilities = "probability" if len(output.classes) == _BINARY else "probabilities"
    return ModelTypes(
        aliases=tuple(aliases),
        features=tuple(features),
        value_type=value_type,
        answer=probabilities if output.probabilities else "none",
        positive=documented(class_name(output.classes[-1])) if output.classes else "",
        prediction="the most probable class." if output.task == "classification" else "the predicted value.",
        classes=_sequence("CLASSES = (", [python(class_name(value)) for value in output.classes], ")"),
        imports=tuple(sorted({kind for kind in map(_kind, signature.features) if kind in {"Integer", "Number"}})),
    )


def attribute_names(names: Iterable[str]) -> list[str]:
    """An identifier for each name, in snake_case, all different.

    >>> attribute_names(["Seniority", "debtRatio", "income (€)", "class", "2nd", "…"])
    ['seniority', 'debt_ratio', 'income', 'class_', 'feature_2nd', 'feature']
    """
    found: list[str] = []
    for name in names:
        plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
        snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", plain).lower()
        base = re.sub(r"[^a-z0-9]+", "_", snake).strip("_")[:_ATTRIBUTE_LENGTH].strip("_")
        if not base or base[0].isdigit():
            base = f"feature_{base}".rstrip("_")
        if keyword.iskeyword(base) or base in _TAKEN_ATTRIBUTES:
            base += "_"
        candidate, number = base, 2
        while candidate in found:
            candidate, number = f"{base.rstrip('_')}_{number}", number + 1
        found.append(candidate)
    return found


def documented(text: str) -> str:
    """Text that cannot end or escape a docstring."""
    printable = "".join(character if character.isprintable() else " " for character in text)
    return printable.replace("\\", "/").replace('"""', "'''")


def _check_name(name: str) -> None:
    if not name or re.search(r'["\\\x00-\x1f]', name):
        raise InvalidInputError(
            "feature-name-invalid",
            f"the feature {name[:80]!r} cannot be the name of a field: it is empty, or holds a quote, a backslash or a "
            "control character",
            next_step="rename that column, train the model again, and prepare it anew",
        )


def _kind(feature: Feature) -> str | None:
    """The type's name, or None where its categories make a type of their own."""
    if feature.categories and feature.unknown_category == "error" and feature.type in {"string", "integer"}:
        return None
    return {"number": "Number", "integer": "Integer", "string": "str", "boolean": "bool"}[feature.type]


def _alias_name(attribute: str) -> str:
    name = "".join(part.capitalize() for part in attribute.split("_"))
    return f"{name}Category" if name in _TAKEN_ALIASES else name


def _value_alias(name: str, output: Output) -> str:
    if output.task == "regression":
        return f"{name} = float" if output.width == 1 else f"{name} = list[float]"
    kinds = {type(value) for value in output.classes}
    if kinds <= {str, int}:
        return _literal(name, output.classes)
    return f"{name} = bool" if kinds == {bool} else f"{name} = float"


def _literal(name: str, values: Sequence[object]) -> str:
    return _sequence(f"{name} = Literal[", [python(value) for value in values], "]")


def _sequence(start: str, items: list[str], end: str) -> str:
    line = start + ", ".join(items) + end
    if len(line) <= _WIDTH:
        return line
    return "\n".join([start, *(f"    {item}," for item in items), end])


def _documentation(attribute: str, feature: Feature) -> str:
    facts = " ".join(_facts(feature))
    return textwrap.fill(
        f"{attribute}: {facts}",
        width=_WIDTH,
        initial_indent=" " * 8,
        subsequent_indent=" " * 12,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _facts(feature: Feature) -> Iterator[str]:
    if feature.description:
        yield documented(feature.description.strip().rstrip(".")) + "."
    if feature.minimum is not None and feature.maximum is not None:
        yield f"{feature.minimum:.12g} to {feature.maximum:.12g} in the training data."
    elif feature.categories and feature.unknown_category == "accept":
        yield f"{len(feature.categories)} known categories; others are accepted."
    elif feature.categories:
        yield f"one of {len(feature.categories)} categories."
    elif not feature.description:
        yield f"a {feature.type}." if feature.type != "integer" else "an integer."
    if feature.nullable:
        yield "May be null."


def _declaration(attribute: str, feature: Feature, kind: str) -> str:
    optional = f"{kind} | None" if feature.nullable else kind
    start = f"    {attribute}: {optional}"
    if attribute == feature.name:
        return start
    line = f"{start} = field(name={python(feature.name)})"
    if len(line) <= _WIDTH:
        return line
    return f"{start} = field(\n        name={python(feature.name)}\n    )"
