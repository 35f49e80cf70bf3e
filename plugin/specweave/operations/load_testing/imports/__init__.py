"""What other load generators measured, read into the figures of our own load test.

One module a tool. A format is known by its content, never by the name of the file. What a result does not tell stays
unknown: no percentile is estimated from others, and none is averaged.

    file ──▶ reading (which format, bounded) ──▶ k6 · vegeta · wrk · h2load · locust ──▶ figures ──▶ ImportedResult
"""

from specweave.operations.load_testing.imports.figures import ImportedResult
from specweave.operations.load_testing.imports.reading import read_result

__all__ = ["ImportedResult", "read_result"]
