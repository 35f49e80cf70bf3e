"""Who may ask, and how often."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from specweave_runtime.access import ApiKey, RateLimit
from specweave_runtime.errors import RequestError


@given(st.binary(), st.sampled_from([b"x-api-key", b"authorization"]))
def test_only_the_key_itself_opens(shown: bytes, header: bytes) -> None:
    key = ApiKey(b"the key")
    if shown in {b"the key", b"Bearer the key"}:
        return
    with pytest.raises(RequestError) as caught:
        key.check([(header, shown)])
    assert caught.value.status == 401


@pytest.mark.parametrize("headers", [[(b"x-api-key", b"the key")], [(b"authorization", b"bearer the key")]])
def test_the_key_opens_in_both_headers(headers: list[tuple[bytes, bytes]]) -> None:
    ApiKey(b"the key").check(headers)


def passes(limit: RateLimit) -> bool:
    try:
        limit.check()
    except RequestError:
        return False
    return True


@pytest.mark.parametrize(("rate", "burst"), [(5.0, 5), (0.5, 1)])
def test_a_second_s_worth_may_come_at_once_and_then_the_rate_holds(rate: float, burst: int) -> None:
    now = [0.0]
    limit = RateLimit(rate, clock=lambda: now[0])
    assert sum(passes(limit) for _ in range(100)) == burst
    passed = 0
    for _ in range(10_000):
        now[0] += 0.01
        passed += passes(limit)
    assert passed == pytest.approx(rate * 100, abs=1)


def test_the_answer_says_when_to_come_again() -> None:
    now = [0.0]
    limit = RateLimit(0.5, clock=lambda: now[0])
    limit.check()
    with pytest.raises(RequestError) as caught:
        limit.check()
    (name, seconds) = caught.value.headers[0]
    assert name == b"retry-after"
    now[0] += int(seconds)
    limit.check()
