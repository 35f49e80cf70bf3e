"""Keeps what was sent in headers out of what is written down: a server may repeat it in its answer."""

import json
from collections.abc import Iterable, Iterator

_SHORTEST = 4
_MASK = "***"


def redact(text: str, values: Iterable[str]) -> str:
    """A text without the values of headers, also where JSON escapes them, or where the end of the text cuts one off.

    Values below four characters stay: they are no secrets, and half of any text would go with them.

    >>> redact("401 no such key: s3cret-k…", ["Bearer s3cret-key"])
    '401 no such key: ***…'
    """
    for secret in sorted({form for value in values for form in _forms(value)}, key=len, reverse=True):
        text = text.replace(secret, _MASK)
        rest, cut = (text[:-1], "…") if text.endswith("…") else (text, "")
        for length in range(min(len(secret) - 1, len(rest)), _SHORTEST - 1, -1):
            if rest.endswith(secret[:length]):
                text = rest[:-length] + _MASK + cut
                break
    return text


def _forms(value: str) -> Iterator[str]:
    # "Bearer abc": a server may name the second word alone.
    for word in {value, *value.split()[-1:]}:
        if len(word) >= _SHORTEST:
            yield from (word, json.dumps(word)[1:-1])
