"""The types of features, as the generated `api/models.py` uses them."""

from typing import Annotated

from msgspec import Meta

_SINGLE = 3.4028234663852886e38

# Trees compare single-precision numbers, and scikit-learn refuses what lies beyond them.
Number = Annotated[float, Meta(ge=-_SINGLE, le=_SINGLE)]

# What fits a signed integer of 64 bits.
Integer = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
