"""Whose fault a failure is, from what torch, numpy and Python really raise, in the form in which Ray hands it on."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import ray.cloudpickle
import torch
from ray.exceptions import ActorDiedError, RayTaskError
from torch._utils import ExceptionWrapper

from orchestune.errors import CheckpointDamaged, StorageError
from orchestune.running.failure import Failure, failure_of, raised


def raising(problem: BaseException) -> Callable[[], Any]:
    def act() -> None:
        raise problem

    return act


def in_ray(act: Callable[[], Any], where: str = "in a step") -> Exception:
    """What Ray makes of an error in a worker. Of one in a constructor it keeps the traceback alone."""
    try:
        act()
    except Exception as problem:
        task = RayTaskError("Toy.train", traceback.format_exc(), problem, "ray::Toy.train", 1, "10.0.0.1")
        return task.as_instanceof_cause() if where == "in a step" else ActorDiedError(task)
    raise AssertionError("nothing was raised")


def judged(error: BaseException, tmp_path: Path) -> Failure:
    path = tmp_path / "error.pkl"
    path.write_bytes(ray.cloudpickle.dumps(error))
    return failure_of(SimpleNamespace(pickled_error_file=path))


def in_loader(act: Callable[[], Any]) -> Callable[[], Any]:
    """As a DataLoader does it: its worker wraps the error up, and the process that waits for a batch raises it."""

    def read() -> None:
        try:
            act()
        except Exception:
            wrapped = ExceptionWrapper(where="in DataLoader worker process 0")
        wrapped.reraise()

    return read


ASYNCHRONOUS = (  # how torch goes on, on further lines, after an error of CUDA's
    "\nCUDA kernel errors might be asynchronously reported at some other API call, so the stacktrace below might be "
    "incorrect.\nFor debugging consider passing CUDA_LAUNCH_BLOCKING=1\nCompile with `TORCH_USE_CUDA_DSA` to enable "
    "device-side assertions.\n"
)
OUT_OF_MEMORY: dict[str, Callable[[], Any]] = {
    # raised here for good
    "torch": lambda: torch.empty(2**50),
    "torch.nn": lambda: torch.nn.Linear(2**25, 2**25),
    "numpy": lambda: np.empty(2**50),
    "python": lambda: bytearray(2**50),
    "torch in a loader": in_loader(lambda: torch.empty(2**50)),
    "python in a loader": in_loader(lambda: bytearray(2**50)),
    # in the words in which they are raised where there is a GPU
    "cuda": raising(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total")),
    "older torch": raising(RuntimeError("CUDA out of memory. Tried to allocate 20.00 GiB (GPU 0; 7.93 GiB total")),
    "runtime": raising(RuntimeError("CUDA error: out of memory" + ASYNCHRONOUS)),
    "accelerator": raising(torch.AcceleratorError("CUDA error: out of memory" + ASYNCHRONOUS)),
    "driver": raising(RuntimeError("CUDA driver error: out of memory")),
    "cublas": raising(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`")),
    "cudnn": raising(RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED")),
    "cudnn 9": raising(RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED")),
    "cufft": raising(RuntimeError("cuFFT error: CUFFT_ALLOC_FAILED")),
    "rocm": raising(RuntimeError("HIP out of memory. Tried to allocate 2.00 GiB")),
    "apple": raising(RuntimeError("MPS backend out of memory (MPS allocated: 8.00 GB, other allocations: 1.00 GB")),
    "triton": raising(RuntimeError("Triton Error [CUDA]: out of memory")),
    # in the words in which other systems say it
    "windows": raising(
        RuntimeError("[enforce fail at alloc_cpu.cpp:117] data. DefaultCPUAllocator: not enough memory: you tried to")
    ),
    "older cpu": raising(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes.")),
    "c++": raising(RuntimeError("std::bad_alloc")),
    "mmap": raising(RuntimeError("unable to mmap 65536 bytes from file </torch_1_2>: Cannot allocate memory (12)")),
    "system": raising(OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))),
}


@pytest.mark.parametrize("name", OUT_OF_MEMORY)
@pytest.mark.parametrize("where", ["in a step", "in the constructor"])
def test_out_of_memory_is_the_configurations_fault(name: str, where: str, tmp_path: Path) -> None:
    failure = judged(in_ray(OUT_OF_MEMORY[name], where), tmp_path)
    assert failure.fault == "config"
    assert "File " not in failure.why
    assert ": " in failure.why or failure.why == "MemoryError"


MERELY_MENTIONED: dict[str, Callable[[], Any]] = {
    "another kind": raising(ValueError("CUDA out of memory")),
    "a class": raising(ValueError("OutOfMemoryError is no parameter")),
    "at the end": raising(ValueError("of another kind than MemoryError")),
    "a key": raising(KeyError("MemoryError")),
    "pinned": raising(RuntimeError("cannot pin 'torch.FloatTensor': only dense CPU tensors can be pinned in memory")),
    "access": raising(RuntimeError("CUDA error: an illegal memory access was encountered" + ASYNCHRONOUS)),
    "format": raising(RuntimeError("required rank 4 tensor to use channels_last memory format")),
    "further on": raising(RuntimeError("the cache is out of memory slots; CUDA out of memory is another matter")),
    "cublas": raising(RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasSgemm`")),
    "cudnn": raising(RuntimeError("cuDNN error: CUDNN_STATUS_NOT_INITIALIZED")),
    "file": raising(FileNotFoundError(errno.ENOENT, "No such file", "memory.txt")),
    "shapes": lambda: torch.ones(2, 3) @ torch.ones(2, 3),
    "overflow": lambda: torch.empty(2**62),  # torch does not even ask for so much: a wrong number
}


@pytest.mark.parametrize("name", MERELY_MENTIONED)
@pytest.mark.parametrize("where", ["in a step", "in the constructor"])
def test_another_error_that_mentions_memory_is_the_codes(name: str, where: str, tmp_path: Path) -> None:
    assert judged(in_ray(MERELY_MENTIONED[name], where), tmp_path).fault == "code"


class Wanting(MemoryError):
    """Somebody's own."""


def test_a_kind_of_memory_error_of_ones_own_counts(tmp_path: Path) -> None:
    assert judged(in_ray(raising(Wanting("no more"))), tmp_path).fault == "config"


def test_what_no_code_did_is_the_machines(tmp_path: Path) -> None:
    assert judged(ActorDiedError(), tmp_path).fault == "machine"
    assert judged(in_ray(raising(CheckpointDamaged("out of memory"))), tmp_path).fault == "machine"
    assert judged(in_ray(raising(OSError(errno.ENOSPC, "No space left on device"))), tmp_path).fault == "storage"
    away = judged(in_ray(raising(StorageError("storage s3://ours was out of reach for 300 s: no route"))), tmp_path)
    assert away.fault == "storage"
    assert away.error.startswith("storage s3://ours was out of reach")


def test_why_is_the_errors_first_line(tmp_path: Path) -> None:
    failure = judged(in_ray(raising(RuntimeError("CUDA error: out of memory" + ASYNCHRONOUS))), tmp_path)
    assert failure.why == "RuntimeError: CUDA error: out of memory"
    assert failure.error.strip().endswith("device-side assertions.")


def test_what_was_raised_is_told_from_the_way_there() -> None:
    text = 'Traceback:\n  File "a.py", line 1, in f\n    g()\n    ^^^\nValueError: first\nsecond\n'
    assert raised(text) == "ValueError: first\nsecond"
    between = "\nDuring handling of the above exception, another exception occurred:\n\n"
    chained = text + between + text.replace("first", "x")
    assert raised(chained) == "ValueError: x\nsecond"
    assert raised("one line") == "one line"
    assert raised("") == ""


def test_the_signature_is_the_place_and_not_the_values(tmp_path: Path) -> None:
    one, same, other = (
        judged(in_ray(raising(problem)), tmp_path)
        for problem in (ValueError("x is 1\nand more"), ValueError("x is 2"), KeyError("x"))
    )
    assert one.signature == same.signature != other.signature


LIMITED = """
import resource, psutil, torch
room = psutil.Process().memory_info().vms + 2**27
resource.setrlimit(resource.RLIMIT_AS, (room, room))
torch.zeros(2**24).split(1)
"""


def test_what_torch_really_says_when_there_is_no_more(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", LIMITED], capture_output=True, text=True, check=False)
    said = raised(done.stderr).partition(": ")[2]
    assert said, done.stderr
    assert judged(in_ray(raising(RuntimeError(said))), tmp_path).fault == "config", said
