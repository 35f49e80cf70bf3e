"""The HTTP service of one model: an ASGI application, made by the generated `api/main.py`.

`POST /predict` and `POST /predict/batch` are answered right here, in front of FastAPI, which would cost more than the
prediction. FastAPI holds everything else and documents all routes.
"""

import asyncio
import gc
import logging
import sys
from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Any

import msgspec

from specweave_runtime import bodies
from specweave_runtime.access import ApiKey, RateLimit
from specweave_runtime.bodies import ClientGoneError, Message, Receive
from specweave_runtime.decoding import Decoder
from specweave_runtime.documentation import Api, Types
from specweave_runtime.errors import RequestError
from specweave_runtime.loading import load
from specweave_runtime.metrics import Metrics, RouteMetrics
from specweave_runtime.package import PackageError
from specweave_runtime.prediction import Answerer, AnswerMany, AnswerOne
from specweave_runtime.request_log import RequestLog
from specweave_runtime.settings import Settings

Scope = Any
Send = Callable[[Message], Awaitable[None]]

_JSON = (b"content-type", b"application/json")
_OK = 200
_HEALTH = "/health"
_FLUSH_S = 1.0

_logger = logging.getLogger(__name__)


class Service:
    """An ASGI application.

    Args:
        settings: what the surroundings decide.
        name: of the model.
        features: the type of one row.
        answer, batch_answer: make the answers of `/predict` and `/predict/batch`; their return types are documented.

    Attributes:
        answerer: the version that answers; None while there is none.
        reason: why there is none.
        metrics: what Prometheus reads.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        name: str,
        features: type[msgspec.Struct],
        answer: AnswerOne,
        batch_answer: AnswerMany,
    ) -> None:
        self.answerer: Answerer | None = None
        self.reason = "the model is being loaded"
        self.metrics = Metrics()
        self._settings = settings
        self._answer, self._batch_answer = answer, batch_answer
        self._decoder = Decoder(features, settings.batch_rows)
        self._key = ApiKey(settings.api_key) if settings.api_key else None
        self._rate = RateLimit(settings.rate_limit) if settings.rate_limit else None
        self._log = RequestLog(sys.stdout.buffer) if settings.request_log else None
        self._routes = {route: RouteMetrics(self.metrics, route) for route in ("/predict", "/predict/batch")}
        self._other = RouteMetrics(self.metrics, "other")
        self._fastapi = Api(self, name, Types.of(features, self._decoder, answer, batch_answer)).app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or take part in the life of the server."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http" and (route := self._routes.get(scope["path"])):
            await self._predict(route, scope, receive, send)
        else:
            await self._pass_on(scope, receive, send)

    async def load(self) -> None:
        """Become ready, or know why not."""
        try:
            self.answerer = await asyncio.to_thread(self._open)
        except PackageError as error:
            self.reason = str(error)
        except Exception as error:
            # Whatever it is, a process that lives and says why is of more use than one that starts again and again.
            _logger.exception("the model cannot be loaded")
            self.reason = f"the model cannot be loaded: {type(error).__name__}: {error}"
        self.metrics.ready.set(self.answerer is not None)
        if self.answerer is None:
            _logger.error("not ready: %s", self.reason)
        # What exists now stays: the collector need not look at it again and again.
        gc.collect()
        gc.freeze()

    def _open(self) -> Answerer:
        return Answerer(
            load(self._settings.package, self._settings.digest),
            self._decoder,
            one=self._answer,
            many=self._batch_answer,
            metrics=self.metrics,
            batch_rows=self._settings.batch_rows,
        )

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        await self.load()
        flushing = asyncio.create_task(self._flush_metrics())
        await send({"type": "lifespan.startup.complete"})
        await receive()
        flushing.cancel()
        self.metrics.flush()
        if self.answerer:
            self.answerer.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _flush_metrics(self) -> None:
        # For the other processes: what one of them reads is what each has passed on.
        while True:
            await asyncio.sleep(_FLUSH_S)
            self.metrics.flush()

    async def _predict(self, route: RouteMetrics, scope: Scope, receive: Receive, send: Send) -> None:
        started = perf_counter()
        self.metrics.in_progress += 1
        status, rows = _OK, 0
        code: str | None = None
        headers: tuple[tuple[bytes, bytes], ...] = ()
        try:
            content, rows = await self._content(scope, receive)
        except RequestError as error:
            status, code, content, headers = error.status, error.error.code, error.body(), error.headers
        except ClientGoneError:
            return
        except Exception:
            _logger.exception("a request failed")
            failure = RequestError(500, "internal-error", "the service failed; its log says why")
            status, code, content = failure.status, failure.error.code, failure.body()
        finally:
            self.metrics.in_progress -= 1
        await _send(send, status, content, headers)
        seconds = perf_counter() - started
        route.count(status, seconds)
        if self._log:
            self._log.write(
                scope["method"], scope["path"], status, seconds, rows=rows, version=self._version(), error=code
            )

    async def _content(self, scope: Scope, receive: Receive) -> tuple[bytes, int]:
        """The body of the answer and how many rows it has."""
        if scope["method"] != "POST":
            raise RequestError(405, "method-not-allowed", f"{scope['path']} takes POST", headers=((b"allow", b"POST"),))
        headers = scope["headers"]
        if self._key:
            self._key.check(headers)
        if self._rate:
            self._rate.check()
        bodies.check_type(headers)
        body = await bodies.read(receive, self._settings.body_bytes)
        answerer = self.answerer
        if answerer is None:
            raise RequestError(503, "not-ready", self.reason)
        if scope["path"] == "/predict":
            return await answerer.row(body), 1
        return await answerer.rows(body)

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = perf_counter()
        status = 500

        async def observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        path = scope["path"]
        code = None
        try:
            if self._key and path != _HEALTH and not path.startswith(f"{_HEALTH}/"):
                self._key.check(scope["headers"])
            await self._fastapi(scope, receive, observed)
        except RequestError as error:
            code = error.error.code
            await _send(observed, error.status, error.body(), error.headers)
        seconds = perf_counter() - started
        self._other.count(status, seconds)
        if self._log:
            self._log.write(scope["method"], path, status, seconds, rows=0, version=self._version(), error=code)

    def _version(self) -> str | None:
        return self.answerer.version if self.answerer else None


async def _send(send: Send, status: int, content: bytes, headers: tuple[tuple[bytes, bytes], ...]) -> None:
    length = (b"content-length", b"%d" % len(content))
    await send({"type": "http.response.start", "status": status, "headers": [_JSON, length, *headers]})
    await send({"type": "http.response.body", "body": content})


def create_app(
    settings: Settings,
    *,
    name: str,
    features: type[msgspec.Struct],
    answer: AnswerOne,
    batch_answer: AnswerMany,
) -> Service:
    """The service of one model.

    It becomes ready when the server starts it: the package is verified, opened, and its golden rows are predicted.
    Where that fails the process lives, `/health/ready` says why, and predictions are answered 503.

    Args:
        settings: what the surroundings decide.
        name: of the model.
        features: the type of one row.
        answer: makes the answer of `/predict`.
        batch_answer: makes that of `/predict/batch`.
    """
    return Service(settings, name=name, features=features, answer=answer, batch_answer=batch_answer)
