"""What all tests share: the small project that runs are made from, and one Ray for the whole session."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

# Models as small as the tests' take longer on several threads, in the processes that tests start too; before NumPy and
# torch are imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")

PROJECT = Path(__file__).parent / "end_to_end" / "project"
sys.path.insert(0, str(PROJECT))  # its models are what the tests train


_PLAN = Path(tempfile.mkdtemp(prefix="orchestune-plan-")) / "plan.json"
os.environ["TOY_PLAN"] = str(_PLAN)  # before any Ray starts: its workers inherit it

# MNIST's files, where they are at hand; what is prepared from them must not fill the user's own cache.
_FILES = Path(__file__).parents[2] / "shared" / "data"
if _FILES.is_dir():
    os.environ.setdefault("ORCHESTUNE_DATA", str(_FILES))
_CACHE = tempfile.TemporaryDirectory(prefix="orchestune-cache-")
os.environ["ORCHESTUNE_CACHE"] = _CACHE.name
MNIST = Path(os.environ.get("ORCHESTUNE_DATA", "none"), "mnist")
NEEDS_MNIST = pytest.mark.skipif(not MNIST.is_dir(), reason="MNIST's files are not in ORCHESTUNE_DATA/mnist")

# A bucket of the tests' own server; before any Ray starts, whose workers inherit it.
os.environ |= {"AWS_ACCESS_KEY_ID": "nobody", "AWS_SECRET_ACCESS_KEY": "nothing", "AWS_EC2_METADATA_DISABLED": "true"}

Plan = Callable[..., Path]


@pytest.fixture
def plan(tmp_path: Path) -> Iterator[Plan]:
    """`plan(seconds=0.1, kill=["0001", 3])` says what the toys are to do; returns the file their epochs are told to."""
    witness = tmp_path / "witness"

    def write(**wanted: Any) -> Path:
        _PLAN.write_text(json.dumps({"witness": str(witness), **wanted}))
        return witness

    write()
    yield write
    _PLAN.unlink()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Four megabytes that are really full when they are full."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    done = subprocess.run(mount, capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {done.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def read_only_disk(small_disk: Path) -> Path:
    """A disk that cannot be written, not even by the superuser, whom the modes of files do not stop."""
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    return small_disk


class Server:
    """S3 on this machine, in this process, that may be out of reach for a while and keeps what it has."""

    def __init__(self) -> None:
        self._server = self._started(port=0)
        self.port = self._server.get_host_and_port()[1]
        self._names = itertools.count(1)

    def _started(self, port: int) -> Any:
        from moto.server import ThreadedMotoServer

        server = ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
        server.start()
        return server

    def new(self) -> str:
        """The address of a new bucket."""
        from pyarrow.fs import S3FileSystem

        name = f"runs-{next(self._names)}"
        here = S3FileSystem(endpoint_override=f"127.0.0.1:{self.port}", scheme="http", allow_bucket_creation=True)
        here.create_dir(name)
        return f"s3://{name}/of/ours?scheme=http&endpoint_override=127.0.0.1:{self.port}"

    @contextmanager
    def cut(self) -> Iterator[None]:
        """Nobody listens during the block."""
        self._server.stop()
        try:
            yield
        finally:
            self._server = self._started(self.port)

    def close(self) -> None:
        self._server.stop()


@pytest.fixture(scope="session")
def s3() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[None]:
    """Two CPUs, two logical GPUs, 2 GiB and one slot, started once. Runs in this process use it as it is."""
    import ray

    from orchestune.environment import settings
    from orchestune.running.ray_session import RAY_SETTINGS

    paths = os.pathsep.join([str(PROJECT), str(PROJECT.parents[2])])
    with settings({**RAY_SETTINGS, "PYTHONPATH": paths}):
        ray.init(
            address="local",
            num_cpus=2,
            num_gpus=2,
            _memory=2 * 2**30,
            resources={"slot": 1},
            include_dashboard=False,
            log_to_driver=False,
            logging_level="ERROR",
            object_store_memory=100 * 2**20,
        )
        yield
        ray.shutdown()
