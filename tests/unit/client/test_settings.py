"""Settings: upstream's names, from the call, the environment or the defaults."""

from __future__ import annotations

from typing import Any

import pytest

from chroma_search.config import FIELDS, Settings, configure, get_settings
from chroma_search.errors import InvalidConfigError


@pytest.fixture(autouse=True)
def _no_settings_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in FIELDS:
        monkeypatch.delenv(name.upper(), raising=False)


def test_a_setting_that_nobody_says_has_its_default() -> None:
    settings = Settings()
    assert (settings.allow_reset, settings.is_persistent, settings.persist_directory) == (False, False, "./chroma")
    assert repr(settings) == "Settings()"


def test_the_environment_says_what_the_call_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLOW_RESET", "TRUE")
    monkeypatch.setenv("CHROMA_SERVER_HTTP_PORT", "8001")
    monkeypatch.setenv("PERSIST_DIRECTORY", "/data")
    assert (Settings().allow_reset, Settings().chroma_server_http_port) == (True, 8001)
    assert Settings(allow_reset=False, persist_directory="here").persist_directory == "here"
    assert Settings(allow_reset=False).allow_reset is False


@pytest.mark.parametrize(("text", "value"), [("1", True), ("yes", True), ("Off", False), ("", False), ("FALSE", False)])
def test_words_become_booleans(text: str, value: bool) -> None:
    assert Settings(allow_reset=text).allow_reset is value


@pytest.mark.parametrize(
    "wrong", [{"allow_reset": "maybe"}, {"allow_reset": [1]}, {"chroma_server_http_port": "eighty"}], ids=str
)
def test_a_value_that_does_not_fit_is_refused_with_the_name_of_the_setting(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidConfigError, match=next(iter(wrong))) as raised:
        Settings(**wrong)
    assert isinstance(raised.value, ValueError)


def test_an_optional_number_may_be_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHROMA_SERVER_NOFILE", "")
    assert Settings().chroma_server_nofile is None


def test_unlisted_chroma_settings_are_kept_and_other_names_passed_over() -> None:
    settings: Any = Settings(chroma_new_feature=3, somebody_elses=4)
    assert settings.chroma_new_feature == 3
    assert not hasattr(settings, "somebody_elses")


def test_settings_are_equal_by_value_and_not_hashable() -> None:
    changed = Settings()
    changed.allow_reset = True
    assert changed == Settings(allow_reset=True)
    assert changed != Settings()
    assert changed != "Settings"
    with pytest.raises(TypeError):
        hash(changed)


def test_secrets_are_not_printed() -> None:
    assert "hunter2" not in repr(Settings(chroma_client_auth_credentials="hunter2"))


def test_require_refuses_what_is_not_set() -> None:
    settings = Settings()
    assert settings.require("persist_directory") == "./chroma"
    assert settings["allow_reset"] is False
    with pytest.raises(ValueError, match="chroma_server_host"):
        settings.require("chroma_server_host")


def test_configure_replaces_the_settings_of_the_process() -> None:
    configure(allow_reset=True)
    try:
        assert get_settings().allow_reset is True
    finally:
        configure()
    assert get_settings().allow_reset is False
