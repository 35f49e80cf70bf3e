"""Headers by the names of the variables that hold their values."""

import pytest

from specweave.errors import InvalidInputError
from specweave.operations.request_headers import header_values, header_variables


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TENANT", "acme")
    monkeypatch.setenv("TOKEN", "Bearer s3cret")
    monkeypatch.setenv("EMPTY", "")
    monkeypatch.setenv("TWO_LINES", "a\r\nX-Evil: b")
    monkeypatch.setenv("FOREIGN", "schlüssel")
    monkeypatch.delenv("s3cret", raising=False)


def test_a_header_has_the_value_of_its_variable_and_the_key_of_the_service_comes_beside_it() -> None:
    variables = header_variables({"X-Tenant": "TENANT", "Authorization": "TOKEN"}, "TENANT")
    assert variables == {"X-Tenant": "TENANT", "Authorization": "TOKEN", "X-API-Key": "TENANT"}
    assert header_values(variables) == {"X-Tenant": "acme", "Authorization": "Bearer s3cret", "X-API-Key": "acme"}


def test_a_key_that_is_named_takes_the_place_of_the_one_that_is_found() -> None:
    assert header_variables({"x-api-key": "TOKEN"}, "TENANT") == {"x-api-key": "TOKEN"}


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"Authorization": "Bearer s3cret"}, "header-variable-missing"),
        ({"Authorization": "s3cret"}, "header-variable-missing"),
        ({"Authorization": ""}, "header-variable-missing"),
        ({"Authorization": "EMPTY"}, "header-variable-missing"),
        ({"Authorization": "TOKEN\n"}, "header-variable-missing"),
        ({"Authorization": "TWO_LINES"}, "header-invalid"),
        ({"Authorization": "FOREIGN"}, "header-invalid"),
        ({"Host": "TENANT"}, "header-invalid"),
        ({"content-LENGTH": "TENANT"}, "header-invalid"),
        ({"X Tenant": "TENANT"}, "header-invalid"),
        ({"X-Tenant:": "TENANT"}, "header-invalid"),
        ({"X-Tenant\r\nX-Evil": "TENANT"}, "header-invalid"),
        ({"": "TENANT"}, "header-invalid"),
        ({"X-Tenant": "TENANT", "x-tenant": "TENANT"}, "header-invalid"),
    ],
)
def test_what_cannot_be_sent_is_refused_and_what_was_given_as_a_variable_not_repeated(
    asked: dict[str, str], code: str
) -> None:
    with pytest.raises(InvalidInputError) as caught:
        header_variables(asked)
    assert caught.value.code == code
    assert "s3cret" not in str(caught.value)
    assert next(iter(asked))[:7].strip() in str(caught.value)


@pytest.mark.parametrize("variable", ["TWO_LINES", "FOREIGN", "PADDED"])
def test_a_key_that_http_forbids_is_refused_by_the_name_of_its_variable(
    monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv("PADDED", " s3cret ")
    with pytest.raises(InvalidInputError) as caught:
        header_variables({}, variable)
    assert caught.value.code == "header-invalid"
    assert caught.value.next_step == f"correct the variable {variable}"
    assert "s3cret" not in str(caught.value)
