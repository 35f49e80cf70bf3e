"""How a service is reached, and what is said of one that is not."""

import socket
import ssl

from specweave.errors import InvalidInputError, OperationError
from specweave.operations.load_testing.outcomes import EngineError
from specweave.operations.load_testing.plan import Target


def tls_context(ca_file: str | None) -> ssl.SSLContext:
    """What checks the certificate of a service and its name, always.

    Args:
        ca_file: PEM file of the authorities that are trusted, instead of those of the system.

    Raises:
        InvalidInputError: `ca-file-invalid`.
    """
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:  # an ssl.SSLError is one
        raise InvalidInputError(
            "ca-file-invalid",
            f"{ca_file} holds no certificate that can be read: {error.strerror or error}",
            next_step="name a PEM file of the authority that signed the certificate of the service",
        ) from error


def unreachable(target: Target, error: BaseException) -> OperationError:
    """Why nothing can be sent: `certificate-refused`, `host-unknown`, or `service-unreachable`.

    Args:
        target: what was called.
        error: what came of it; a cause that it was raised from counts as well.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return EngineError(
                "certificate-refused",
                f"the certificate of {target.authority} is not trusted: {cause.verify_message or cause}",
                next_step="name the authority that signed it with --ca-file, or correct the address",
            )
        if isinstance(cause, socket.gaierror):
            return EngineError(
                "host-unknown",
                f"the name {target.host} does not resolve: {cause.strerror or cause}",
                next_step="correct the address",
            )
        cause = cause.__cause__ or cause.__context__
    return EngineError(
        "service-unreachable",
        f"no connection to {target.authority}: {str(error) or type(error).__name__}",
        next_step="check the address and that the service runs",
    )
