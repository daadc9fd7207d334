"""The token of a cluster: made once, for its owner's eyes alone."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from orchestune.cluster import launcher, token
from orchestune.cluster.description import Description
from orchestune.errors import ClusterError


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_it_is_made_once_and_closed(home: Path, capfd: pytest.CaptureFixture[str]) -> None:
    before = os.umask(0)
    try:
        made = token.ensure()
    finally:
        os.umask(before)
    assert made == token.token_file() == home / ".ray" / "auth_token"
    assert (mode(made), mode(made.parent)) == (0o600, 0o700)
    secret = made.read_text()
    assert len(secret) == 64
    assert token.ensure().read_text() == secret
    assert [*made.parent.iterdir()] == [made]
    assert capfd.readouterr() == ("", "")


def test_two_that_make_it_at_once_have_the_same(home: Path) -> None:
    (home / ".ray").mkdir()
    with ThreadPoolExecutor(8) as pool:
        assert len({path.read_text() for path in pool.map(lambda _: token.ensure(), range(8))}) == 1


def test_one_that_others_can_read_is_closed(home: Path) -> None:
    made = home / ".ray" / "auth_token"
    made.parent.mkdir(mode=0o755)
    made.write_text("secret")
    made.chmod(0o644)
    assert token.ensure().read_text() == "secret"
    assert (mode(made), mode(made.parent)) == (0o600, 0o700)


def test_it_is_where_ray_is_told_that_it_is(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(home / "elsewhere" / "token"))
    assert token.ensure() == home / "elsewhere" / "token"


def test_an_empty_one_is_refused(home: Path) -> None:
    (home / ".ray").mkdir()
    (home / ".ray" / "auth_token").touch()
    with pytest.raises(ClusterError, match="is empty"):
        token.ensure()


def test_one_in_the_environment_is_refused(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", "secret")
    with pytest.raises(ClusterError, match="RAY_AUTH_TOKEN is set") as refusal:
        token.ensure()
    assert "secret" not in str(refusal.value)
    assert not token.token_file().exists()


def test_ray_takes_it(home: Path) -> None:
    """Ray's own commands find it and think it is one."""
    from ray._private.authentication import authentication_token_generator

    assert len(token.ensure().read_text()) == len(authentication_token_generator.generate_new_authentication_token())


@pytest.mark.parametrize(
    ("sent", "said"), [(None, "file_mounts lacks '~/.ray/auth_token'"), ("other", "file_mounts sends")]
)
def test_a_cluster_without_the_token_is_not_started(
    home: Path, monkeypatch: pytest.MonkeyPatch, sent: str | None, said: str
) -> None:
    monkeypatch.setattr(launcher.shutil, "which", lambda tool: tool)  # also where ssh and rsync are not installed
    other = None if sent is None else home / sent
    description = Description(home / "cluster.yaml", "c", "10.0.0.1", (), "me", None, None, token=other)
    with pytest.raises(ClusterError, match=said):
        launcher.up(description, print)
