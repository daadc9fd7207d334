"""What a submission takes along: the working tree, less what has no business on a cluster.

Ray packs a folder by itself, by rules of its own: it reads .gitignore in another way than git does, follows links out
of the tree and knows nothing of virtual environments by other names. So the files are chosen here, as git would, and
`excludes` names all the others: what Ray packs is then exactly `files`.
"""

from __future__ import annotations

import logging
import os
import re
import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from orchestune.errors import ClusterError

RAY_LIMIT = 100 * 2**20  # bytes; the most that Ray's Job API takes in one request (`ray.init` would take 512 MiB)
LARGE = 10 * 2**20  # bytes; more than code has, so it is data unless git keeps it. Ray, too, warns from there on.
DATA_FOLDERS = ("data", "datasets")  # at the top of the tree; judged by all that is in them

# For the length of a submission: Ray then leaves out what `excludes` names and nothing else. Without them it also
# leaves behind what git keeps although a .gitignore names it, and folders called venv.
PACKING = {"RAY_RUNTIME_ENV_IGNORE_GITIGNORE": "1", "RAY_OVERRIDE_RUNTIME_ENV_DEFAULT_EXCLUDES": ""}

# What tools leave at the top of a tree, and anywhere. It goes along only where git keeps it.
_AT_THE_TOP = ("runs", "build", "dist")
_ANYWHERE = (
    "__pycache__", "*.pyc", ".*_cache", ".cache", ".hypothesis", ".tox", ".nox", ".eggs", "*.egg-info", ".venv", "venv",
    ".ipynb_checkpoints", "node_modules", "wandb", "mlruns", "lightning_logs", ".idea", ".vscode", ".DS_Store",
    ".env",  # passwords
)  # fmt: skip

_Matcher = Callable[[Path], bool]


@dataclass(frozen=True)
class Package:
    """The `files` of the folder `root` that a job gets as its working directory.

    Hand Ray `root` as `working_dir` with `excludes`, which are in .gitignore's syntax, under the settings PACKING.
    """

    root: Path
    files: tuple[Path, ...]  # relative to root, sorted
    size: int  # bytes, all files together; Ray does not compress them
    excludes: list[str]
    left_behind: tuple[str, ...] = ()  # what one might miss there, each with the reason


def package(root: Path, most: int = RAY_LIMIT) -> Package:
    """What of the tree at `root` goes along.

    In a git checkout: what git keeps, as it is on the disk, and new files that no .gitignore names. Elsewhere: what the
    tree's own .gitignore files do not name. Not, unless git keeps it: runs/, build output, caches, a file larger
    than LARGE, and data/ or datasets/ where all of it is. Never: .git, virtual environments, what a .rayignore names,
    links out of the tree or to a folder.

    Raises ClusterError where nothing is left, where Ray could not read the tree, and where Ray would refuse the whole,
    which is more than `most` bytes.
    """
    root = root.resolve()
    if not root.is_dir():
        raise ClusterError(f"{root} is no folder, so it cannot be submitted")
    temporary = Path(tempfile.gettempdir()).resolve()
    if temporary.is_relative_to(root):  # no end of it but a full disk: the archive grows by what it has grown
        raise ClusterError(f"Ray packs {root} into {temporary}, which is inside it: set TMPDIR to a folder elsewhere")
    found = _Walk(root).visit(root)
    if not found.sizes:
        raise ClusterError(f"there is nothing to submit in {root}: every file there is ignored")
    _require_fit(root, found.sizes, most)
    size = sum(found.sizes.values())
    return Package(root, tuple(sorted(found.sizes)), size, found.excludes, tuple(found.left_behind))


def words(package: Package) -> str:
    """`"31 files, 240 kB"`, and what stays behind with the reason, if anything does that one might miss."""
    number = len(package.files)
    told = f"{number} {'file' if number == 1 else 'files'}, {_size(package.size)}"
    return f"{told}; left behind: {', '.join(package.left_behind)}" if package.left_behind else told


@dataclass(frozen=True)
class _Git:
    """What a checkout keeps and what it would: paths as git writes them, relative to the folder that was asked."""

    kept: frozenset[str]
    new: frozenset[str]

    @classmethod
    def of(cls, folder: Path) -> _Git | None:
        """None without git, outside a checkout, and in a folder that the checkout ignores."""
        kept, new = _listed(folder, "--cached"), _listed(folder, "--others", "--exclude-standard")
        if not kept | new:
            return None
        for name in [name for name in kept | new if (folder / name / ".git").exists()]:
            kept.discard(name)  # a checkout inside this one is a single name here: it is asked itself
            new.discard(name)
            if inner := cls.of(folder / name):
                kept |= {str(Path(name, path)) for path in inner.kept}
                new |= {str(Path(name, path)) for path in inner.new}
        return cls(frozenset(kept), frozenset(new))


def _listed(folder: Path, *which: str) -> set[str]:
    try:
        done = subprocess.run(["git", "-C", folder, "ls-files", "-z", *which], capture_output=True, check=False)
    except OSError:  # no git on this machine
        return set()
    return {os.fsdecode(name) for name in done.stdout.split(b"\0") if name}


def _folders(names: Iterable[str]) -> set[str]:
    return {str(parent) for name in names for parent in Path(name).parents}


@dataclass
class _Found:
    """What is in a folder, or one file: `sizes` of what goes along, in bytes, by path relative to the tree."""

    sizes: dict[Path, int] = field(default_factory=dict)
    excludes: list[str] = field(default_factory=list)
    left_behind: list[str] = field(default_factory=list)


class _Walk:
    """Through the tree from above; never into a folder that stays behind whole."""

    def __init__(self, root: Path) -> None:
        self.root, self.git = root, _Git.of(root)
        self._kept = self.git.kept | _folders(self.git.kept) if self.git else frozenset()
        self._known = self._kept | self.git.new | _folders(self.git.new) if self.git else None

    def visit(self, folder: Path, above: Sequence[_Matcher] = ()) -> _Found:
        """`above` are the ignore files of the folders above this one."""
        matchers = [*above, *_ignore_files(folder, self.git is None)]
        found = _Found()
        along: list[Path] = []
        behind: list[Path] = []
        for path in _entries(folder):
            inner = self._look(path, matchers)
            (along if inner.sizes else behind).append(path)
            found.sizes |= inner.sizes
            found.excludes += inner.excludes if inner.sizes else []  # else one line for the whole folder
            found.left_behind += inner.left_behind
        found.excludes += _patterns(self.root, along, behind)
        return found

    def _look(self, path: Path, matchers: Sequence[_Matcher]) -> _Found:
        name = path.relative_to(self.root)
        is_folder = path.is_dir() and not path.is_symlink()
        if self._ignored(path, name, is_folder) or any(matcher(path) for matcher in matchers):
            return _Found()
        if is_folder:
            found = self.visit(path, matchers)
            data = str(name) in DATA_FOLDERS and str(name) not in self._kept
            reason = self._too_large(sum(found.sizes.values())) if data else ""
        else:
            reason = _unfit(path, self.root)
            found = _Found() if reason else _Found({name: path.stat().st_size})
            if not reason and str(name) not in self._kept:
                reason = self._too_large(found.sizes[name])
        return _Found(left_behind=[f"{name} ({reason})"]) if reason else found

    def _ignored(self, path: Path, name: Path, is_folder: bool) -> bool:
        if path.name == ".git" or (is_folder and (path / "pyvenv.cfg").exists()):
            return True
        if self._known is not None and str(name) not in self._known:
            return True
        named = (*_ANYWHERE, *_AT_THE_TOP) if len(name.parts) == 1 else _ANYWHERE
        return str(name) not in self._kept and any(fnmatchcase(path.name, pattern) for pattern in named)

    def _too_large(self, size: int) -> str:
        if size <= LARGE:
            return ""
        return f"{_size(size)}, not in git" if self.git else _size(size)


def _ignore_files(folder: Path, gitignore: bool) -> list[_Matcher]:
    """Ray's own reading of them: a .rayignore it obeys whatever else it is told."""
    from ray._private.runtime_env.packaging import get_excludes_from_ignore_files

    quiet = logging.getLogger(f"{__name__}.ray")  # it tells of every such file
    quiet.setLevel(logging.WARNING)
    found: list[_Matcher] = get_excludes_from_ignore_files(folder, include_gitignore=gitignore, logger=quiet)
    return found


def _entries(folder: Path) -> list[Path]:
    paths = sorted(folder.iterdir())
    for path in paths:
        if path.is_dir() and not os.access(path, os.R_OK | os.X_OK):  # Ray looks into it before it asks whether to
            raise ClusterError(f"folder {path} cannot be read, which Ray does: make it readable, or move it elsewhere")
    return paths


def _unfit(path: Path, root: Path) -> str:
    """Why what is no folder cannot go along; empty if it can."""
    if path.is_symlink():
        target = path.resolve()
        if not target.is_relative_to(root):
            return "a link out of the tree"
        if target.is_dir():
            return "a link to a folder"
    if not path.exists():
        return "a link to nothing"
    if not path.is_file():
        return "neither a file nor a folder"
    return "" if os.access(path, os.R_OK) else "not readable"


def _patterns(root: Path, along: Sequence[Path], behind: Sequence[Path]) -> list[str]:
    """Lines in .gitignore's syntax for what stays behind of one folder. Ray compares every file with every line, so
    thousands of files of one kind become one line."""
    suffixes = Counter(path.suffix for path in behind)
    whole = {
        suffix
        for suffix, number in suffixes.items()
        if suffix and number > 1 and not any(path.name.endswith(suffix) for path in along)
    }
    lines = [_escaped(root, path) for path in behind if path.suffix not in whole]
    if whole:
        folder = _escaped(root, behind[0].parent).rstrip("/")
        lines += [f"{folder}/*{_escape(suffix)}" for suffix in sorted(whole)]
    return lines


def _escaped(root: Path, path: Path) -> str:
    name = path.relative_to(root)
    return "/" + _escape(name.as_posix()) if name.parts else ""


def _escape(name: str) -> str:
    marked = re.sub(r"([\\*?\[\]!#])", r"\\\1", name)
    return marked.replace(" ", "[ ]")  # Ray strips a space at the end, a marked one too


def _require_fit(root: Path, sizes: dict[Path, int], most: int) -> None:
    headers = 22 + sum(76 + 2 * len(os.fsencode(path)) for path in sizes)  # of a zip archive, where names stand twice
    total = sum(sizes.values()) + headers
    if total <= most:
        return
    biggest = "".join(f"\n  - {name}: {_size(size)}" for name, size in _biggest(sizes))
    raise ClusterError(
        f"{root} is too large to submit: {_size(total)}, where Ray takes {_size(most)}. The most is in:{biggest}\n"
        f"Name in .gitignore what the training does not read (in .rayignore, if git keeps it); put data where every "
        f"machine of the cluster can read it, and name that folder with --data."
    )


def _biggest(sizes: dict[Path, int]) -> list[tuple[str, int]]:
    """The three heaviest folders, each as far down as nearly all of its weight is in one."""
    folders: Counter[Path] = Counter()
    for path, size in sizes.items():
        for parent in path.parents:
            folders[parent] += size
    found = []
    for folder, _ in Counter({f: n for f, n in folders.items() if len(f.parts) == 1}).most_common(3):
        while inner := [f for f in folders if f.parent == folder and folders[f] > 0.9 * folders[folder]]:
            folder = inner[0]
        found.append((f"{folder}/", folders[folder]))
    return found or [("its files at the top", folders[Path()])]


def _size(size: int) -> str:
    amount = float(size)
    for unit in ("bytes", "kB", "MB"):
        if amount < 999.5:
            return f"{amount:.3g} {unit}"
        amount /= 1000
    return f"{amount:.3g} GB"
