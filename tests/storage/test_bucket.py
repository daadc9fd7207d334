"""What a bucket's client asks of nobody."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

BUCKET = "from orchestune.storage.bucket import Bucket; Bucket({!r})._files"
PLAIN = "from pyarrow.fs import S3FileSystem; S3FileSystem(endpoint_override='127.0.0.1:9', scheme='http')"


class Metadata:
    """Stands where Amazon's machines learn about themselves; hangs up on everybody, and counts them."""

    def __init__(self) -> None:
        self.asked = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):  # closed
            while True:
                self._socket.accept()[0].close()
                self.asked += 1

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


@pytest.fixture
def metadata() -> Iterator[Metadata]:
    server = Metadata()
    yield server
    server.close()


@pytest.mark.parametrize(
    ("code", "asks"),
    [
        (PLAIN, True),
        (BUCKET.format("s3://ours/runs?scheme=http&endpoint_override=127.0.0.1:9"), False),
        (BUCKET.format("s3://ours/runs?region=eu-west-1"), False),
    ],
    ids=["Arrow alone", "another's storage", "with a region"],
)
def test_no_region_is_searched_for(code: str, asks: bool, metadata: Metadata) -> None:
    """Where nobody is, the question costs every process six seconds."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    told = {
        "AWS_EC2_METADATA_SERVICE_ENDPOINT": f"http://127.0.0.1:{metadata.port}",
        "AWS_ACCESS_KEY_ID": "nobody",
        "AWS_SECRET_ACCESS_KEY": "nothing",
        "AWS_CONFIG_FILE": os.devnull,
    }
    whole = f"import os\nbefore = dict(os.environ)\n{code}\nassert dict(os.environ) == before"
    subprocess.run([sys.executable, "-c", whole], env=kept | told, check=True, timeout=60)
    assert (metadata.asked > 0) == asks
