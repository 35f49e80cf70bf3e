"""From the body of a request to the body of its answer, by one version of the model."""

from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any

import msgspec

from specweave_runtime.batcher import Batcher, TurnBatcher
from specweave_runtime.decoding import Decoder
from specweave_runtime.errors import RequestError
from specweave_runtime.loading import Model, prove
from specweave_runtime.metrics import Metrics, ModelMetrics
from specweave_runtime.outcomes import Outcome
from specweave_runtime.package import PackageError
from specweave_runtime.predictors import Row

AnswerOne = Callable[[Outcome[Any], str, float], msgspec.Struct]
AnswerMany = Callable[[Sequence[Outcome[Any]], str, float], msgspec.Struct]

_astuple = msgspec.structs.astuple
# What estimators and arrays say of values that fit the types and that they nevertheless do not take, such as 1e300.
_NOT_TAKEN = (ValueError, OverflowError)


class Answerer:
    """Answers requests by one version, which it holds from start to end of each.

    Args:
        model: the version.
        decoder: reads requests.
        one, many: make the answers of `/predict` and `/predict/batch` from outcomes, version and milliseconds.
        metrics: counts.
        batch_rows: most rows predicted together.

    Raises:
        PackageError: the generated types do not fit the model, or its golden rows get other answers.
    """

    def __init__(
        self,
        model: Model,
        decoder: Decoder[Any],
        *,
        one: AnswerOne,
        many: AnswerMany,
        metrics: Metrics,
        batch_rows: int,
    ) -> None:
        self.version = model.manifest.version
        self.model = model
        self._decoder = decoder
        self._one = one
        self._many = many
        prove(model, _golden_rows(model, decoder))
        self._metrics = ModelMetrics(metrics, model.manifest, model.signature, model.identity)
        self._strict = [
            (place, feature.name, frozenset(feature.categories))
            for place, feature in enumerate(model.signature.features)
            if feature.categories and feature.unknown_category == "error" and feature.type in {"number", "boolean"}
        ]
        self._encode = msgspec.json.Encoder().encode
        self._batcher = Batcher(model.predictor.many, batch_rows)
        self._turns = TurnBatcher(model.predictor) if model.predictor.inline else None

    async def row(self, body: bytes) -> bytes:
        """The answer to a body of `/predict`.

        Raises:
            RequestError: the body is refused.
        """
        row: Row = _astuple(self._decoder.one(body))
        self._check(row)
        started = perf_counter()
        try:
            if self._turns:
                outcome = await self._turns.predict(row)
            else:
                outcome = (await self._batcher.predict((row,)))[0]
        except _NOT_TAKEN as error:
            raise _refused(error) from error
        milliseconds = round((perf_counter() - started) * 1000, 3)
        self._metrics.count((outcome,))
        return self._encode(self._one(outcome, self.version, milliseconds))

    async def rows(self, body: bytes) -> tuple[bytes, int]:
        """The answer to a body of `/predict/batch`, and how many rows it has.

        Raises:
            RequestError: the body is refused.
        """
        rows: list[Row] = [_astuple(row) for row in self._decoder.many(body)]
        for row in rows:
            self._check(row)
        started = perf_counter()
        try:
            outcomes = await self._batcher.predict(rows)
        except _NOT_TAKEN as error:
            raise _refused(error) from error
        milliseconds = round((perf_counter() - started) * 1000, 3)
        self._metrics.count(outcomes)
        return self._encode(self._many(outcomes, self.version, milliseconds)), len(rows)

    def _check(self, row: Row) -> None:
        """Refuse unknown categories of the types that the decoder cannot enumerate; count what strays."""
        for place, name, known in self._strict:
            if row[place] is not None and row[place] not in known:
                raise RequestError(422, "category-unknown", f"{row[place]!r} is no known value of {name}", field=name)
        self._metrics.observe(row)

    def close(self) -> None:
        """Finish what is being predicted."""
        self._batcher.close()


def _refused(error: Exception) -> RequestError:
    reason = str(error).partition("\n")[0]
    return RequestError(422, "row-refused", f"the model does not take these values: {reason}")


def _golden_rows(model: Model, decoder: Decoder[Any]) -> list[Row]:
    """The golden rows, read as requests are: so types that were generated for another model are noticed."""
    names = tuple(feature.name for feature in model.signature.features)
    if decoder.names != names:
        raise PackageError(
            f"this service was generated for the inputs {', '.join(decoder.names)}; "
            f"{model.manifest.name} {model.manifest.version} has {', '.join(names)}: generate it again"
        )
    bodies = [msgspec.json.encode({"features": golden.features}) for golden in model.golden.rows]
    try:
        return [_astuple(decoder.one(body)) for body in bodies]
    except RequestError as error:
        raise PackageError(f"this service refuses a golden row of {model.manifest.version}: {error}") from error
