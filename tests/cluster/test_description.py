"""What a cluster.yaml may say, and what is told to whoever writes something else; the shipped one is Ray's kind too."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from orchestune.cluster.description import PLACEHOLDERS, Description
from orchestune.errors import ClusterError
from orchestune.new import TEMPLATE
from tests.cluster.conftest import HOUSE, MACHINES, filled_in

Write = Callable[[str], Path]
SHIPPED = HOUSE / "cluster.yaml"
NEW = TEMPLATE / "cluster.yaml"  # the same for a project of one's own, with a word more to fill in
SMALL = """
cluster_name: small
provider: {type: local, head_ip: 10.0.0.1, worker_ips: [10.0.0.2]}
auth: {ssh_user: me, ssh_private_key: ~/.ssh/key}
"""


def refused(path: Path) -> str:
    with pytest.raises(ClusterError) as refusal:
        Description.read(path)
    return str(refusal.value)


def test_the_shipped_file_filled_in(write: Write, home: Path) -> None:
    read = Description.read(write(filled_in(SHIPPED)))
    assert (read.name, read.user, read.storage) == ("orchestune", "root", "/mnt/shared")
    assert (read.head, *read.workers) == tuple(MACHINES.values())
    assert read.key == home / ".ssh" / "cluster_key"
    assert read.token == home / ".ray" / "auth_token"
    assert any("ray start --num-cpus=1 --address=" in command for command in read.worker_commands)


def test_the_shipped_file_is_one_of_rays(write: Write, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ray.autoscaler._private.commands import _bootstrap_config

    (home / ".ray").mkdir()
    (home / ".ray" / "auth_token").write_text("t")
    monkeypatch.chdir(HOUSE)  # what it mounts is named from there
    fields = yaml.safe_load(filled_in(SHIPPED))
    made = _bootstrap_config(fields, no_config_cache=True)  # what `ray up` does first: fills in, checks by its schema
    (workers,) = made["available_node_types"].values()
    assert (workers["min_workers"], workers["max_workers"]) == (2, 2)


def test_every_word_left_to_fill_in_is_named_with_its_line() -> None:
    said, lines = refused(NEW), NEW.read_text().splitlines()
    for word, meaning in PLACEHOLDERS.items():
        line = next(n for n, text in enumerate(lines, 1) if word in text and not text.strip().startswith("#"))
        assert f"line {line}, {word}: {meaning}" in said


@pytest.mark.parametrize("word", PLACEHOLDERS)
def test_one_word_left_to_fill_in_is_enough(write: Write, word: str) -> None:
    text = NEW.read_text()
    for other in PLACEHOLDERS:
        if other != word:
            text = text.replace(other, "filled")
    said = refused(write(text))
    assert word in said
    assert not any(other in said for other in PLACEHOLDERS if other != word)


def test_a_file_that_is_not_there_says_where_to_take_one_from(tmp_path: Path) -> None:
    said = refused(tmp_path / "cluster.yaml")
    assert f"{tmp_path}/cluster.yaml is not there" in said
    assert "--cluster" in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("provider: [", "is not YAML"),
        ("", "is not a cluster's description"),
        ("- a\n- b", "is not a cluster's description"),
        (SMALL.replace("head_ip: 10.0.0.1, ", ""), "provider.head_ip is missing"),
        (SMALL.replace("10.0.0.1", "5"), "provider.head_ip is 5"),
        (SMALL.replace("10.0.0.1", '"-oProxyCommand=evil"'), "provider.head_ip is '-oProxyCommand=evil'"),
        (SMALL.replace("[10.0.0.2]", "10.0.0.2"), "provider.worker_ips is '10.0.0.2', and should be a list"),
        (SMALL.replace("[10.0.0.2]", "[10.0.0.2, 7]"), "provider.worker_ips[1] is 7"),
        (SMALL.replace("ssh_user: me, ", ""), "auth.ssh_user is missing"),
        (SMALL.replace("cluster_name: small", ""), "cluster_name is missing"),
        (SMALL.replace("cluster_name: small", "cluster_name: ../x"), "cluster_name is '../x'"),
        (SMALL.replace("auth:", "other:"), "auth is None"),
        (SMALL.replace("type: local", "type: aws"), "provider.type is 'aws'"),
    ],
)
def test_what_is_wrong_is_named(write: Write, text: str, said: str) -> None:
    path = write(text)
    assert refused(path).startswith(f"{path}")
    assert said in refused(path)


@pytest.mark.parametrize("command", ["up", "down"])
def test_the_commands_tell_it_without_a_traceback(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from orchestune.cli import main

    monkeypatch.chdir(tmp_path)
    assert main([command]) == 2
    assert main([command, "--cluster", str(SHIPPED)]) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert "RAY_AUTH_MODE" not in os.environ, "it is the cluster's, and not that of a Ray started here afterwards"
    assert first.startswith("orchestune: cluster.yaml is not there")
    assert second.startswith(f"orchestune: {SHIPPED} is not filled in yet: line ")


def test_another_provider_is_told_what_serves_it(write: Write) -> None:
    said = refused(write(SMALL.replace("type: local", "type: gcp")))
    assert "`ray up`" in said
    assert "`ray down`" in said
    assert "--address auto" in said


@pytest.mark.parametrize(
    ("command", "storage"),
    [
        ("export ORCHESTUNE_STORAGE=/mnt/runs", "/mnt/runs"),
        ("grep -q x ~/.bashrc || echo 'export A=1 ORCHESTUNE_STORAGE=/mnt/runs' >> ~/.bashrc", "/mnt/runs"),
        ('export ORCHESTUNE_STORAGE="/mnt/my runs"', "/mnt/my runs"),
        ("export ORCHESTUNE_STORAGE='s3://a/b?region=x&scheme=http' A=1", "s3://a/b?region=x&scheme=http"),
        ("export RAY_AUTH_MODE=token; ORCHESTUNE_STORAGE=/not/exported", None),
        ("true", None),
    ],
)
def test_storage_is_what_the_machines_export(write: Write, command: str, storage: str | None) -> None:
    path = write(SMALL + yaml.safe_dump({"setup_commands": ["true", command]}))
    assert Description.read(path).storage == storage


def test_paths_start_at_the_files_folder(write: Write) -> None:
    path = write(SMALL.replace("~/.ssh/key", "keys/mine"))
    assert Description.read(path).key == path.parent / "keys" / "mine"
    assert Description.read(write(SMALL.replace(", ssh_private_key: ~/.ssh/key", ""))).key is None


def test_a_key_that_is_not_there_is_told_before_ssh_is_asked(write: Write, home: Path) -> None:
    from orchestune.cluster import ssh

    with pytest.raises(ClusterError, match=r"auth.ssh_private_key names .*/\.ssh/key, and there is no such file"):
        ssh.run(Description.read(write(SMALL)), "true", timeout=1)
