"""What a cluster.yaml says, as far as orchestune has to know it; the rest of the file is between it and Ray."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestune.errors import ClusterError

# The words that the shipped file leaves to fill in, and what belongs there.
PLACEHOLDERS = {
    "HEAD-ADDRESS": "the address of the machine that runs the search",
    "WORKER-1": "the addresses of the other machines, [] if there are none",
    "WORKER-2": "the addresses of the other machines, [] if there are none",
    "LOGIN": "the account on the machines",
    "KEY-FILE": "the private key that opens it",
    "SHARED-FOLDER": "a folder that every machine sees",
    "CHECKOUT": "the folder of orchestune's source on this machine",
}
TOKEN = "~/.ray/auth_token"  # where Ray looks for it, on every machine
_STORAGE = re.compile(r"""\bexport\s[^;&|\n]*?\bORCHESTUNE_STORAGE=(?:"([^"\n]*)"|'([^'\n]*)'|([^\s;&|"']+))""")


@dataclass(frozen=True)
class Description:
    """Machines of one's own. `head` and `workers` are addresses as ssh takes them; `key` None is ssh's own choice.

    `storage` is what the machines call ORCHESTUNE_STORAGE, `token` the file here that they get as theirs.
    """

    path: Path
    name: str
    head: str
    workers: tuple[str, ...]
    user: str
    key: Path | None
    storage: str | None
    token: Path | None = None
    worker_commands: tuple[str, ...] = ()  # what starts a worker on its machine, set-up included

    @staticmethod
    def read(path: Path) -> Description:
        """Raises ClusterError, naming the file, the field, its value and what is legal there."""
        text, fields = _load(path)
        _check_filled_in(path, text, fields)
        provider = _section(path, fields, "provider")
        auth = _section(path, fields, "auth")
        kind = provider.get("type")
        if kind != "local":
            raise ClusterError(
                f"{path}: provider.type is {kind!r}, and `orchestune up` starts machines of one's own, 'local': "
                "start and stop this cluster with `ray up` and `ray down`; "
                "on its head `orchestune run --address auto` works as everywhere"
            )
        setup = _texts(path, fields, "setup_commands")
        storage = ["".join(found) for command in _commands(path, fields) for found in _STORAGE.findall(command)]
        name = _text(path, "cluster_name", fields.get("cluster_name"))
        if not re.fullmatch(r"\w[\w.-]*", name):  # Ray names files by it
            raise ClusterError(f"{path}: cluster_name is {name!r}, and should be letters, digits, dots and dashes")
        key = auth.get("ssh_private_key")
        mounts = fields.get("file_mounts") or {}
        token = mounts.get(TOKEN) if isinstance(mounts, dict) else None
        return Description(
            path=path,
            name=name,
            head=_text(path, "provider.head_ip", provider.get("head_ip")),
            workers=_texts(path, provider, "worker_ips", "provider."),
            user=_text(path, "auth.ssh_user", auth.get("ssh_user")),
            key=None if key is None else _file(path, _text(path, "auth.ssh_private_key", key)),
            storage=storage[-1] if storage else None,
            token=None if token is None else _file(path, _text(path, "file_mounts", token)),
            worker_commands=(
                *setup,
                *_texts(path, fields, "worker_setup_commands"),
                *_texts(path, fields, "worker_start_ray_commands"),
            ),
        )


def _load(path: Path) -> tuple[str, dict[str, Any]]:
    import yaml  # takes a tenth of a second

    try:
        text = path.read_text()
        fields = yaml.safe_load(text)
    except FileNotFoundError:
        raise ClusterError(
            f"{path} is not there: it says which machines the cluster has; copy the cluster.yaml that comes with "
            "orchestune and fill in its words in capitals, or name another file with --cluster"
        ) from None
    except (OSError, UnicodeDecodeError) as problem:
        raise ClusterError(f"{path} cannot be read: {problem}") from problem
    except yaml.YAMLError as problem:
        raise ClusterError(f"{path} is not YAML: {' '.join(str(problem).split())}") from problem
    if not isinstance(fields, dict):
        raise ClusterError(f"{path} is not a cluster's description: it needs fields such as `provider:` and `auth:`")
    return text, fields


def _check_filled_in(path: Path, text: str, fields: dict[str, Any]) -> None:
    values = " ".join(_leaves(fields))
    left = [word for word in PLACEHOLDERS if re.search(rf"(?<![\w-]){word}(?![\w-])", values)]
    if not left:
        return
    lines = text.splitlines()
    wanted = [
        f"line {next((n for n, line in enumerate(lines, 1) if word in line), 0)}, {word}: {PLACEHOLDERS[word]}"
        for word in left
    ]
    raise ClusterError(f"{path} is not filled in yet: " + "; ".join(wanted))


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from _leaves(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner)
    else:
        yield str(value)


def _commands(path: Path, fields: dict[str, Any]) -> Iterator[str]:
    for field in ("setup_commands", "head_setup_commands", "worker_setup_commands"):
        yield from _texts(path, fields, field)


def _section(path: Path, fields: dict[str, Any], name: str) -> dict[str, Any]:
    value = fields.get(name)
    if not isinstance(value, dict):
        raise ClusterError(
            f"{path}: {name} is {value!r}, and should be fields of its own, as in the shipped cluster.yaml"
        )
    return value


def _text(path: Path, field: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or value.startswith("-"):
        missing = "is missing" if value is None else f"is {value!r}"
        raise ClusterError(f"{path}: {field} {missing}, and should be a text, as in the shipped cluster.yaml")
    return value


def _texts(path: Path, fields: dict[str, Any], name: str, where: str = "") -> tuple[str, ...]:
    values = fields.get(name) or []
    if not isinstance(values, list):
        raise ClusterError(f"{path}: {where}{name} is {values!r}, and should be a list")
    return tuple(_text(path, f"{where}{name}[{n}]", value) for n, value in enumerate(values))


def _file(path: Path, name: str) -> Path:
    """A file that the description names; relative to its own folder, as Ray is started there."""
    return path.parent / Path(name).expanduser()
