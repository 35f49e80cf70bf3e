"""What a load test asks a service: golden rows, rows of the reference data, generated rows, or bodies from a file."""

from specweave.operations.request_bodies.corpus import RequestBodies, read_bodies

__all__ = ["RequestBodies", "read_bodies"]
