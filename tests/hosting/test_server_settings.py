"""The settings file: its defaults by mode, its documented form, and errors that name file, key and values."""

from pathlib import Path

import pytest

from c3dvis.errors import InvalidSettings
from c3dvis.server_settings import ServerSettings, read_settings, server_settings

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def written(tmp_path: Path):
    """Writes a settings file and returns its path."""

    def write(text: str) -> Path:
        path = tmp_path / "c3dvis.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_without_a_file_nothing_is_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("C3DVIS_SETTINGS", raising=False)
    settings = server_settings.__wrapped__()
    assert settings.mode == "local"
    assert set(settings.limits.model_dump().values()) == {float("inf")}


def test_a_file_in_the_current_folder_is_read_and_the_one_that_is_named_goes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "c3dvis.toml").write_text("limits.queue_waiting = 3")
    (tmp_path / "other.toml").write_text("limits.queue_waiting = 4")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("C3DVIS_SETTINGS", raising=False)
    assert server_settings.__wrapped__().limits.queue_waiting == 3
    monkeypatch.setenv("C3DVIS_SETTINGS", "other.toml")
    assert server_settings.__wrapped__().limits.queue_waiting == 4
    monkeypatch.setenv("C3DVIS_SETTINGS", "missing.toml")
    with pytest.raises(InvalidSettings, match=r"missing\.toml cannot be read \(No such file"):
        server_settings.__wrapped__()


def test_the_documented_file_has_every_key_and_the_defaults_of_public_mode(written) -> None:
    documented = ROOT / "docs" / "hosting" / "c3dvis.toml"
    settings = read_settings(documented)
    assert settings == read_settings(written('mode = "public"'))
    assert settings != ServerSettings(mode="public"), "public mode has limits of its own"

    dumped = settings.model_dump()
    keys = [key for value in dumped.values() if isinstance(value, dict) for key in value] + ["mode"]
    text = documented.read_text()
    assert [key for key in keys if f"\n{key} = " not in text] == []


def test_what_a_public_file_sets_goes_before_the_defaults(written) -> None:
    limits = read_settings(written('mode = "public"\n[limits]\nvisitor_waiting = 2\nqueue_waiting = inf')).limits
    assert (limits.visitor_waiting, limits.queue_waiting) == (2, float("inf"))
    assert limits.visitor_per_hour == 60


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('mode = "open"', "mode: expected 'local' or 'public'; received 'open'"),
        ("limits.visitor_waiting = -1", "limits.visitor_waiting: expected greater than or equal to 0; received '-1'"),
        ("limits.visitor_waiting = nan", "limits.visitor_waiting: expected greater than or equal to 0; received 'nan'"),
        ('limits.queue_waiting = "many"', "limits.queue_waiting: expected a valid number; received 'many'"),
        ("workers.step_seconds = 0", "workers.step_seconds: expected greater than 0; received '0'"),
        ("limits.visitors = 3", "limits.visitors: no setting has that name; the settings are render_work, visitor_"),
        ('mode = "public"\nlimits = 3', "limits: expected a valid dictionary"),
        ('monitoring.metrics_from = ["::1", "x"]', "metrics_from.1: 'x' does not appear to be an IPv4 or IPv6 network"),
        ("mode = public", "is not TOML in UTF-8: "),
        ("[worker]", "worker: no setting has that name; the settings are mode, "),
    ],
)  # fmt: skip
def test_an_error_names_file_key_expected_and_received(written, text: str, message: str) -> None:
    path = written(text)
    with pytest.raises(InvalidSettings, match=message) as caught:
        read_settings(path)
    assert str(path) in str(caught.value)
