"""The settings of a service, from the environment."""

from pathlib import Path

import pytest

from specweave_runtime.settings import Settings, SettingsError


def settings(**environment: str) -> Settings:
    return Settings.from_environment(Path("package"), body_bytes=10, batch_rows=5, environment=environment)


def test_an_empty_environment_leaves_the_defaults() -> None:
    assert settings() == Settings(Path("package"), body_bytes=10, batch_rows=5)
    assert settings(MODEL_PACKAGE="", API_KEY="", RATE_LIMIT="", REQUEST_LOG="") == settings()


def test_every_variable_is_read(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("secret\n")
    assert settings(
        MODEL_PACKAGE="/models/x",
        MODEL_DIGEST="ab",
        BODY_BYTES="7",
        BATCH_ROWS="3",
        API_KEY_FILE=str(tmp_path / "key"),
        RATE_LIMIT="2.5",
        REQUEST_LOG="1",
    ) == Settings(Path("/models/x"), "ab", 7, 3, b"secret", 2.5, request_log=True)


@pytest.mark.parametrize(
    "environment",
    [
        {"BODY_BYTES": "many"},
        {"BODY_BYTES": "0"},
        {"BATCH_ROWS": "-1"},
        {"BATCH_ROWS": "1.5"},
        {"RATE_LIMIT": "0"},
        {"RATE_LIMIT": "nan"},
        {"RATE_LIMIT": "inf"},
        {"RATE_LIMIT": "fast"},
        {"REQUEST_LOG": "maybe"},
        {"API_KEY_FILE": "/no/such/file"},
    ],
)
def test_a_value_that_cannot_be_used_is_named(environment: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match=next(iter(environment))):
        settings(**environment)


def test_a_key_given_twice_or_an_empty_one_is_refused_without_showing_it(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(" \n")
    with pytest.raises(SettingsError, match="is empty"):
        settings(API_KEY_FILE=str(tmp_path / "key"))
    with pytest.raises(SettingsError) as caught:
        settings(API_KEY="hunter2", API_KEY_FILE="x")
    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in repr(settings(API_KEY="hunter2"))
