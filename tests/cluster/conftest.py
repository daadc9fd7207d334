"""A cluster of three machines and a laptop, made of namespaces on this one; `orchestune up` on the laptop starts it."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

HOUSE = Path(__file__).parents[2]
HOSTS = HOUSE.parent / "shared" / "hosts"
NETWORK = f"10.77.{100 + os.getpid() % 150}"  # two test runs on one machine do not meet
MACHINES = {"head": f"{NETWORK}.12", "w1": f"{NETWORK}.13", "w2": f"{NETWORK}.14"}  # the laptop is .11
SHARED = "/mnt/shared"
SHIPPED = ["cluster.yaml", "pyproject.toml", "constraints.txt", "README.md", "LICENSE"]
RAYS_OWN = ("raylet", "gcs_server", "ray::", "log_monitor", "monitor.py", "ray-dashboard", "/ray/dashboard/")


@dataclass
class Lab:
    """`laptop` is where a user types, in the folder of a project with a cluster.yaml; `head`, `w1` and `w2` are its
    machines; `shared` is the folder that they call /mnt/shared. `up` is what the first `orchestune up` printed."""

    folder: Path
    shared: Path
    environment: dict[str, str]
    seen: list[str]  # what `hosts up` is told that a host sees of this machine
    up: str = ""
    seconds: list[tuple[str, float]] = field(default_factory=list)  # what each command on the laptop took

    @property
    def project(self) -> Path:
        return self.root("laptop") / "project"

    def root(self, host: str) -> Path:
        """The home folder of a host, as this machine sees it."""
        return self.folder / host / "root"

    def hosts(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """A command of the machine park: kill, cut, heal, start, ps."""
        return subprocess.run(
            [HOSTS, *words], env=self.environment, capture_output=True, text=True, check=check, stdin=subprocess.DEVNULL
        )

    def on(self, host: str, command: str, *, timeout: float = 120, check: bool = True) -> str:
        """What a command prints, on both streams, in a login shell on a host."""
        done = self.run(host, command, timeout=timeout)
        assert not check or done.returncode == 0, f"{host}: {command}\n{done.stdout}"
        return done.stdout

    def run(self, host: str, command: str, *, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        words = ["exec", host, f"timeout {timeout:.0f} bash -c {shlex.quote(command)} 2>&1"]
        return self.hosts(*words, check=False)

    def laptop(self, command: str, *, timeout: float = 300, check: bool = True) -> str:
        """The same on the laptop, in the project's folder."""
        began = time.monotonic()
        try:
            return self.on("laptop", f"cd project && {command}", timeout=timeout, check=check)
        finally:
            self.seconds.append((command.partition("\n")[0], time.monotonic() - began))

    def rays(self, host: str) -> list[str]:
        """The processes of Ray on a host."""
        lines = self.hosts("ps", host).stdout.splitlines()
        return [line for line in lines if any(word in line for word in RAYS_OWN)]

    def bucket(self) -> str:
        """The address of a bucket on a machine of its own, `s3`, which all others may use."""
        self.hosts("up", *self.seen, "s3")
        ip = self.hosts("ip", "s3").stdout.strip()
        self.on("s3", "setsid -f moto_server -H 0.0.0.0 -p 9000 > moto.log 2>&1 < /dev/null; sleep 4")
        from pyarrow.fs import S3FileSystem

        S3FileSystem(endpoint_override=f"{ip}:9000", scheme="http", allow_bucket_creation=True).create_dir("runs")
        for host in MACHINES:
            (self.root(host) / ".aws").mkdir()
            (self.root(host) / ".aws" / "credentials").write_text(
                "[default]\naws_access_key_id = nobody\naws_secret_access_key = nothing\n"
            )
        return f"s3://runs/of/ours?scheme=http&endpoint_override={ip}:9000"


@pytest.fixture(scope="package")  # gone before the tests of other packages: an idle Ray is not for nothing
def lab() -> Iterator[Lab]:
    if why := _lacking():
        pytest.skip(why)
    with tempfile.TemporaryDirectory(prefix="orchestune-lab-") as made:
        lab = _hosts_of(Path(made))
        try:
            _project(lab)
            _first_start_fails(lab.root("w2"))
            lab.up = lab.laptop("orchestune up")
            yield lab
            lab.laptop("orchestune down")
            left = {host: lab.rays(host) for host in MACHINES}
            assert not any(left.values()), left
        finally:
            lab.hosts("down", check=False)
            print(*(f"{seconds:6.1f} s  {command}" for command, seconds in lab.seconds), sep="\n")


def _lacking() -> str:
    if not HOSTS.is_file():
        return f"hosts made of namespaces need {HOSTS}"
    if os.geteuid() != 0:
        return "hosts made of namespaces need root"
    paths = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    missing = [name for name in ("sshd", "ssh", "rsync", "ip") if shutil.which(name, path=paths) is None]
    return f"not installed: {', '.join(missing)}" if missing else ""


def _hosts_of(made: Path) -> Lab:
    shared = made / "shared"
    shared.mkdir()
    environment = {
        **os.environ,
        "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin",
        "HOSTS_DIR": str(made / "hosts"),
        "HOSTS_NET": NETWORK,
        "HOSTS_ID": f"o{os.getpid()}",
        "HOSTS_PATH": f"{sys.prefix}/bin",
    }
    # What the hosts see of this machine whatever they hide: Python, its environment, the sources that it imports.
    seen = [word for path in dict.fromkeys([HOUSE, sys.prefix, sys.base_prefix]) for word in _bind(Path(path))]
    lab = Lab(made / "hosts", shared, environment, seen)
    for words in (["up", *seen, "laptop"], ["up", *seen, "-b", f"{shared}:{SHARED}", *MACHINES]):
        done = lab.hosts(*words, check=False)
        if done.returncode:
            lab.hosts("down", check=False)
            pytest.skip(f"hosts cannot be made here: {done.stderr.strip()}")
    return lab


def _bind(path: Path) -> list[str]:
    return ["-b", f"{path}:{path}:ro"]


def _project(lab: Lab) -> None:
    """A checkout as a user has it on the laptop, its cluster.yaml filled in, and the key."""
    lab.project.mkdir()
    shutil.copytree(HOUSE / "orchestune", lab.project / "orchestune", ignore=shutil.ignore_patterns("__pycache__"))
    for name in SHIPPED:
        shutil.copy(HOUSE / name, lab.project / name)
    key = lab.root("laptop") / ".ssh" / "cluster_key"
    shutil.copy(lab.folder / "key", key)
    key.chmod(0o600)
    (lab.project / "cluster.yaml").write_text(filled_in(HOUSE / "cluster.yaml"))


def _first_start_fails(home: Path) -> None:
    """Ray does not start on this machine, three times over: so often its launcher tries before it gives a worker up."""
    ray = home / "orchestune-env" / "bin" / "ray"
    ray.parent.mkdir(parents=True)
    ray.write_text(
        f"""#!/bin/bash
if [ "$1" = start ] && [ "$(wc -l < ~/failed)" -lt 3 ]; then echo >> ~/failed; exit 1; fi
exec {sys.prefix}/bin/ray "$@"
"""
    )
    ray.chmod(0o755)
    (home / "failed").touch()


def filled_in(shipped: Path) -> str:
    """The shipped description with these machines in it, one CPU each."""
    text = shipped.read_text()
    for word, value in {
        "HEAD-ADDRESS": MACHINES["head"],
        "WORKER-1, WORKER-2": f"{MACHINES['w1']}, {MACHINES['w2']}",
        "LOGIN": "root",
        "KEY-FILE": "cluster_key",
        "/SHARED-FOLDER": SHARED,
        "ray start --": "ray start --num-cpus=1 --",
    }.items():
        assert word in text
        text = text.replace(word, value)
    return text


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder of the test's own, in which no token is."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a cluster.yaml."""

    def made(text: str) -> Path:
        path = tmp_path / "cluster.yaml"
        path.write_text(text)
        return path

    return made
