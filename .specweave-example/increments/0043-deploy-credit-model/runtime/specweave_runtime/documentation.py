"""Everything but predictions, by FastAPI: health, model, metrics, and the documentation of all routes."""

from dataclasses import dataclass
from typing import Any, Protocol, get_type_hints

import msgspec
from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException

from specweave_runtime.decoding import Decoder
from specweave_runtime.errors import Error, ErrorAnswer
from specweave_runtime.metrics import CONTENT_TYPE, Metrics
from specweave_runtime.package import Signature
from specweave_runtime.prediction import Answerer, AnswerMany, AnswerOne

_JSON = "application/json"
_REFUSALS = {
    "400": "the body is no JSON",
    "401": "the API key is missing or wrong",
    "413": "the body is too large",
    "415": "the body says that it is something other than JSON",
    "422": "the body is no row of this model, or one that it does not take; `field` names the feature",
    "429": "too many requests",
    "503": "no model is ready, or too many rows wait",
}


@dataclass(frozen=True, slots=True)
class Types:
    """The types of what is sent and answered, for the documentation."""

    features: type[msgspec.Struct]
    request: type[msgspec.Struct]
    batch: type[msgspec.Struct]
    answer: type[msgspec.Struct]
    batch_answer: type[msgspec.Struct]

    @classmethod
    def of(
        cls, features: type[msgspec.Struct], decoder: Decoder[Any], answer: AnswerOne, batch_answer: AnswerMany
    ) -> "Types":
        """The types of a service; those of answers are the return types of the functions that make them."""
        made = [get_type_hints(function)["return"] for function in (answer, batch_answer)]
        return cls(features, decoder.request, decoder.batch, *made)


class State(Protocol):
    """What the routes show."""

    answerer: Answerer | None
    reason: str
    metrics: Metrics


class Api:
    """The FastAPI application.

    Args:
        state: what the routes show.
        name: of the model.
        types: of requests and answers.
    """

    def __init__(self, state: State, name: str, types: Types) -> None:
        self._state = state
        self._types = types
        self.app = FastAPI(title=name, redoc_url=None)
        self._plain_schema = self.app.openapi
        self.app.openapi = self._schema  # type: ignore[method-assign]  # FastAPI's documented way
        self.app.add_exception_handler(HTTPException, _refuse)
        for path, answer in {"/health": self.ready, "/health/ready": self.ready, "/health/live": self.live}.items():
            self.app.add_api_route(path, answer)
            self.app.add_api_route(path, answer, methods=["HEAD"], include_in_schema=False)
        self.app.add_api_route("/model/info", self.info)
        self.app.add_api_route("/metrics", self.metrics)

    async def live(self) -> Response:
        """Whether the process answers at all."""
        return _json({"status": "live"})

    async def ready(self) -> Response:
        """Whether predictions are answered: the model is loaded and its golden rows gave the expected answers."""
        if answerer := self._state.answerer:
            return _json({"status": "ready", **_identity(answerer)})
        return _json({"status": "not ready", "reason": self._state.reason}, 503)

    async def info(self) -> Response:
        """What answers: version, origin, inputs, agreement with the estimator it was made from."""
        answerer = self._state.answerer
        if answerer is None:
            return _json(ErrorAnswer(Error("not-ready", self._state.reason)), 503)
        manifest, signature = answerer.model.manifest, answerer.model.signature
        return _json(
            {
                **_identity(answerer),
                "created": manifest.created,
                "estimator": manifest.estimator,
                "engine": manifest.executable.kind,
                "source": manifest.source,
                "libraries": manifest.libraries,
                "parity": manifest.parity,
                "metadata": manifest.metadata,
                "notes": manifest.notes,
                "features": signature.features,
                "output": signature.output,
            }
        )

    async def metrics(self) -> Response:
        """What Prometheus reads."""
        return Response(self._state.metrics.render(), headers={"content-type": CONTENT_TYPE})

    def _schema(self) -> dict[str, Any]:
        schema = {**self._plain_schema()}
        types = self._types
        kinds = (types.request, types.features, types.batch, types.answer, types.batch_answer, ErrorAnswer)
        references, components = msgspec.json.schema_components(kinds, ref_template="#/components/schemas/{name}")
        request, features, batch, answer, batch_answer, error = references
        array = {"type": "array", "items": features, "minItems": 1}
        row = self._state.answerer.model.golden.rows[0].features if self._state.answerer else None
        refusals = {
            status: {"description": text, "content": {_JSON: {"schema": error}}} for status, text in _REFUSALS.items()
        }
        schema["paths"] = {
            "/predict": _post("Predict one row", [request, features], answer, refusals, row and {"features": row}),
            "/predict/batch": _post(
                "Predict rows", [batch, array], batch_answer, refusals, row and {"instances": [row]}
            ),
            **schema["paths"],
        }
        schema["components"] = {"schemas": {**schema.get("components", {}).get("schemas", {}), **components}}
        if self._state.answerer:
            schema["info"] = {**schema["info"], "version": self._state.answerer.version}
            _describe(components[types.features.__name__]["properties"], self._state.answerer.model.signature)
        return schema


def _describe(properties: dict[str, Any], signature: Signature) -> None:
    """Tell what the training data says of each feature."""
    for feature in signature.features:
        seen = ""
        if feature.minimum is not None and feature.maximum is not None:
            seen = f"{feature.minimum:.12g} to {feature.maximum:.12g} in the training data"
        elif feature.categories and feature.unknown_category == "accept":
            seen = f"in the training data: {', '.join(map(str, feature.categories))}"
        if text := "; ".join(filter(None, (feature.description, seen))):
            properties[feature.name]["description"] = text


def _post(
    summary: str, bodies: list[dict[str, Any]], answer: dict[str, Any], refusals: dict[str, Any], example: object
) -> dict[str, Any]:
    body: dict[str, Any] = {"schema": {"anyOf": bodies}}
    if example:
        body["example"] = example
    return {
        "post": {
            "summary": summary,
            "requestBody": {"required": True, "content": {_JSON: body}},
            "responses": {"200": {"description": summary, "content": {_JSON: {"schema": answer}}}, **refusals},
        }
    }


def _identity(answerer: Answerer) -> dict[str, str]:
    manifest = answerer.model.manifest
    return {"model": manifest.name, "version": manifest.version, "digest": answerer.model.identity}


def _json(content: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(content), status, media_type=_JSON)


async def _refuse(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    code = {404: "not-found", 405: "method-not-allowed"}.get(error.status_code, "refused")
    answer = ErrorAnswer(Error(code, f"{request.method} {request.url.path}: {error.detail}"))
    response = _json(answer, error.status_code)
    response.headers.update(error.headers or {})
    return response
