"""What the ways that are compared on MNIST share: the question, the images, and how their cost is taken."""

import contextlib
import ctypes
import gzip
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

PROJECT = Path(__file__).parents[1]
TRIALS, EPOCHS, BATCH, IMAGES = 10, 10, 32, 20_000
GOAL = 0.97  # held-out accuracy
INTERVAL = 0.2  # seconds from one look at the processes to the next
_BECOME_SUBREAPER = 36  # prctl(2)


def files():
    """The folder with MNIST's four files, or None."""
    named = os.environ.get("ORCHESTUNE_DATA")
    places = [Path(named), Path(named) / "mnist"] if named else [PROJECT.parent / "shared" / "data" / "mnist"]
    return next((place for place in places if (place / "train-images-idx3-ubyte.gz").is_file()), None)


def configurations(seed=0):
    """The first questions of `orchestune run mnist_mlp --searcher random --seed SEED`."""
    from experiments.mnist_mlp import experiment
    from orchestune import Random

    searcher = Random().build(experiment.typed_space, seed=seed, metric="val_accuracy", mode="max")
    return [searcher.ask(n) for n in range(TRIALS)]


def arrays(images=IMAGES):
    """(x, y) to train on and (x, y) held out, numpy: float32 in [0, 1] of shape (count, 784), and int64."""
    import numpy as np

    def read(name, offset):
        return np.frombuffer(gzip.decompress((files() / f"{name}-ubyte.gz").read_bytes()), np.uint8, offset=offset)

    x = read("train-images-idx3", 16).reshape(-1, 784).astype(np.float32) / 255
    y = read("train-labels-idx1", 8).astype(np.int64)
    return (x[:images], y[:images]), (x[50_000:], y[50_000:])


def tensors(images=IMAGES):
    import torch

    return tuple(tuple(torch.from_numpy(a) for a in split) for split in arrays(images))


class Used:
    """CPU-seconds of all processes below this one, whoever their parent is by now, by reading them again and again.

    Not from what the kernel adds up for a parent (RUSAGE_CHILDREN): Ray's raylet ignores the end of its workers, and
    what they used is then added to nobody. What a process uses after it was last read is missed: INTERVAL at the most.
    """

    def __init__(self):
        # Orphans become this process's children, so that they are still found.
        if ctypes.CDLL(None, use_errno=True).prctl(_BECOME_SUBREAPER, 1, 0, 0, 0):
            raise OSError(ctypes.get_errno(), "prctl")
        self.seconds = {}  # (pid, birth) -> user + system
        self.names = {}

    def look(self):
        for process in psutil.Process().children(recursive=True):
            try:
                with process.oneshot():
                    times, key = process.cpu_times(), (process.pid, process.create_time())
                    self.names[key] = " ".join(process.cmdline())[:60] or self.names.get(key, "")
            except psutil.Error:
                continue  # it ended meanwhile
            self.seconds[key] = times.user + times.system

    def below(self, name):
        """Of the processes whose command line has `name` in it."""
        return sum(seconds for key, seconds in self.seconds.items() if name in self.names[key])

    @property
    def total(self):
        return sum(self.seconds.values())


def cost(command, **environment):
    """(what its processes used, wall seconds until the command returned, what it printed)."""
    used, began = Used(), time.monotonic()
    with tempfile.TemporaryFile("w+") as output:
        running = subprocess.Popen(
            command, cwd=PROJECT, stdout=output, stderr=output, text=True, env={**os.environ, **environment}
        )
        while running.poll() is None:
            used.look()
            time.sleep(INTERVAL)
        wall = time.monotonic() - began
        output.seek(0)
        said = output.read()
    if running.returncode:
        sys.exit(f"{command} failed:\n{said}")
    _wait_for_orphans(used)
    return used, wall, said


def _wait_for_orphans(used):
    for orphan in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            orphan.wait(timeout=10)
        used.look()
