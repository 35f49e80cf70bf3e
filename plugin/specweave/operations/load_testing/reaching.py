"""How a service is reached, and what is said of one that is not."""

import errno
import socket
import ssl
from pathlib import Path

from specweave.errors import InvalidInputError, OperationError
from specweave.operations.load_testing.outcomes import EngineError
from specweave.operations.load_testing.plan import Target

SERVICE_UNREACHABLE = "service-unreachable"


def tls_context(ca_file: str | None) -> ssl.SSLContext:
    """What checks the certificate of a service and its name, always.

    Args:
        ca_file: PEM file of the authorities that are trusted, instead of those of the system.

    Raises:
        InvalidInputError: `ca-file-invalid`.
    """
    try:
        # A pipe or a device may never end.
        if ca_file is not None and not Path(ca_file).is_file():
            raise FileNotFoundError(errno.ENOENT, "it is no file")
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ValueError) as error:  # an ssl.SSLError is an OSError, a zero in a path a ValueError
        raise InvalidInputError(
            "ca-file-invalid",
            f"{ca_file} holds no certificate that can be read: {getattr(error, 'strerror', None) or error}",
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
        # A name that is no name, such as one with two dots in a row, is never looked up.
        if isinstance(cause, (socket.gaierror, UnicodeError)):
            return EngineError(
                "host-unknown",
                f"the name {target.host} does not resolve: {getattr(cause, 'strerror', None) or cause}",
                next_step="correct the address",
            )
        cause = cause.__cause__ or cause.__context__
    return EngineError(
        SERVICE_UNREACHABLE,
        f"no connection to {target.authority}: {str(error) or type(error).__name__}",
        next_step="check the address and that the service runs",
    )
