"""The machines of a cluster over ssh and rsync, with the same client and options as `ray up`."""

from __future__ import annotations

import shlex
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from orchestune.cluster.description import Description
from orchestune.errors import ClusterError

CONNECT = 10  # seconds until a machine that does not answer counts as unreachable
UNREACHABLE = 255  # what ssh ends with when its own part went wrong, and not the command's
# As Ray does: machines of one's own are made anew often, and their keys are not checked. Trust the network.
_OPTIONS = {
    "StrictHostKeyChecking": "no",
    "UserKnownHostsFile": "/dev/null",
    "LogLevel": "ERROR",
    "BatchMode": "yes",
    "ConnectTimeout": str(CONNECT),
    "ServerAliveInterval": "5",
    "ServerAliveCountMax": "6",
}
_NOISE = ("bash: cannot set terminal process group", "bash: no job control in this shell", "logout")
_WORDS = 5  # lines of a failed command's complaint


class Unreachable(ClusterError):
    """A machine that ssh does not get to: see that it runs, and that its address, the account and the key are right."""


def run(
    description: Description, command: str, *, host: str | None = None, timeout: float, direct: bool = False
) -> str:
    """What `command` prints on a machine (default: the head), in a shell that has read ~/.bashrc, as `ray up`'s have.

    Workers are reached through the head, as Ray reaches them; `direct` goes there straight. `timeout` in seconds, after
    which the command is ended there as well. Raises ClusterError with the last lines of its complaint, and Unreachable.
    """
    host = description.head if host is None else host
    shell = shlex.join(["bash", "-lic", f"source ~/.bashrc; {command}"])
    words = [*_ssh(description, host, direct=direct), f"timeout -k 5 {timeout:.0f} {shell}"]
    try:
        done = subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=timeout + 30
        )
    except subprocess.TimeoutExpired:
        raise Unreachable(f"{host} stopped answering: {_short(command)} was given {timeout:.0f} s") from None
    complaint = _complaint(done.stderr)
    if done.returncode == UNREACHABLE:
        way = "" if direct or host == description.head else f" through {description.head}"
        raise Unreachable(f"{host} cannot be reached over ssh as {description.user}{way}: {complaint or 'no answer'}")
    if done.returncode == 124:
        raise ClusterError(f"{host}: {_short(command)} did not end within {timeout:.0f} s")
    if done.returncode:
        raise ClusterError(f"{host}: {_short(command)} ended with exit code {done.returncode}: {complaint}")
    return done.stdout


def copy_from(description: Description, remote: str, local: Path, *, filters: Sequence[str] = ()) -> None:
    """What is at `remote` on the head, below `local` here, by rsync; with a slash at its end, what is inside it.

    `filters` are rsync's own, in order. What is here and not there stays. Raises ClusterError, Unreachable.
    """
    options = shlex.join(_ssh(description, description.head)[:-1])
    rules = [f"--filter={rule}" for rule in filters]
    local.mkdir(parents=True, exist_ok=True)
    source = f"{_login(description, description.head)}:{remote}"
    words = ["rsync", "-a", *rules, "-e", options, "--", source, f"{local}/"]
    try:
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace")
    except FileNotFoundError:
        raise ClusterError("rsync is not installed here: it brings files from and to a cluster's machines") from None
    if done.returncode == UNREACHABLE:
        raise Unreachable(f"{description.head} cannot be reached over ssh: {_complaint(done.stderr)}")
    if done.returncode:
        raise ClusterError(f"{remote} on {description.head} cannot be copied: {_complaint(done.stderr)}")


@contextmanager
def tunnel(description: Description, port: int = 8265) -> Iterator[int]:
    """A port of this machine's loopback that leads to `port` on the head's, for the length of the block.

    Raises ClusterError where nothing listens there, and Unreachable.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        local = int(free.getsockname()[1])
    forward = ["-o", "ExitOnForwardFailure=yes", "-L", f"127.0.0.1:{local}:127.0.0.1:{port}"]
    ssh, *rest = _ssh(description, description.head)
    # `cat` ends with our end of its pipe: nothing stays behind, not even after `kill -9` of this process.
    # In a session of its own, so that Ctrl-C ends what uses the tunnel and not the tunnel.
    process = subprocess.Popen(
        [ssh, *forward, *rest, "exec cat"], start_new_session=True,
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace",
    )  # fmt: skip
    try:
        _wait_until_open(description, process, local, port)
        yield local
    finally:
        process.terminate()
        try:
            process.communicate(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


def _wait_until_open(description: Description, process: subprocess.Popen[str], local: int, port: int) -> None:
    limit = time.monotonic() + 3 * CONNECT
    while time.monotonic() < limit:
        if process.poll() is not None:
            complaint = _complaint(process.communicate()[1])
            raise Unreachable(f"no tunnel to {description.head}: {complaint or 'ssh ended'}")
        try:
            with socket.create_connection(("127.0.0.1", local), timeout=1) as way:
                way.settimeout(0.3)
                try:  # ssh takes the call, and hangs up if nobody answers at the other end
                    heard = way.recv(1)
                except TimeoutError:
                    return
                if heard:
                    return
        except ConnectionRefusedError:
            time.sleep(0.05)
            continue
        except OSError:
            pass
        raise ClusterError(
            f"nothing listens on port {port} of {description.head}: start Ray there with `orchestune up`"
        )
    raise Unreachable(f"no tunnel to {description.head} within {3 * CONNECT} s")


def _ssh(description: Description, host: str, *, direct: bool = False) -> list[str]:
    """The words of an ssh to a machine, but for what it is to do there."""
    words = ["ssh", "-T", *_common(description)]
    if host != description.head and not direct:
        hop = ["ssh", *_common(description), "-W", "[%h]:%p", _login(description, description.head)]
        words += ["-o", f"ProxyCommand={shlex.join(hop)}"]
    return [*words, _login(description, host)]


def _common(description: Description) -> list[str]:
    words = [word for name, value in _OPTIONS.items() for word in ("-o", f"{name}={value}")]
    if description.key is not None:
        if not description.key.is_file():
            raise ClusterError(
                f"{description.path}: auth.ssh_private_key names {description.key}, and there is no such file"
            )
        words += ["-i", str(description.key), "-o", "IdentitiesOnly=yes"]
    return words


def _login(description: Description, host: str) -> str:
    return f"{description.user}@{host}"


def _complaint(stderr: str) -> str:
    lines = [line.strip() for line in stderr.splitlines() if line.strip() and not line.startswith(_NOISE)]
    return " | ".join(lines[-_WORDS:])


def _short(command: str) -> str:
    line = " ".join(command.split())
    return f"`{line if len(line) <= 60 else line[:57] + '...'}`"
