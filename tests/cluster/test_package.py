"""What a submission takes along, compared with what Ray itself packs of the same folder."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ray._private import ray_constants
from ray._private.runtime_env import packaging
from ray._private.runtime_env.working_dir import upload_working_dir_if_needed

from orchestune.cluster.package import LARGE, PACKING, RAY_LIMIT, Package, package, words
from orchestune.errors import ClusterError

HOUSE = Path(__file__).parents[2]
QUIET = logging.getLogger("quiet")
Tree = Callable[..., Path]


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A git that knows neither this user's settings nor a checkout around the tests."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """`tree("a.py", "data/x.bin", sizes={...})`: files of ten bytes, or as many as said."""

    def make(*names: str, sizes: dict[str, int] | None = None, texts: dict[str, str] | None = None) -> Path:
        root = tmp_path / "tree"
        for name in [*names, *(sizes or {}), *(texts or {})]:
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text((texts or {}).get(name, "ten bytes.\n"[:10]))
            if sizes and name in sizes:
                os.truncate(path, sizes[name])
        return root

    return make


def git(root: Path, *words: str) -> None:
    subprocess.run(["git", "-C", root, "-c", "user.name=a", "-c", "user.email=a@b", *words], check=True, text=True,
                   capture_output=True)  # fmt: skip


def repository(root: Path, *kept: str) -> Path:
    git(root, "init", "-q")
    if kept:
        git(root, "add", "-f", *kept)
    return root


def rays(packed: Package, target: Path, with_settings: bool = True) -> set[str]:
    """The files of the archive that Ray's job client would upload."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in PACKING.items() if with_settings else []:
            patch.setenv(name, value)
        obeys_gitignore = (
            os.environ.get(ray_constants.RAY_RUNTIME_ENV_IGNORE_GITIGNORE, "0") != "1"
        )  # as the client has it

        def upload(folder: str, excludes: list[str], is_file: bool = False) -> None:
            packaging.create_package(folder, target, include_gitignore=obeys_gitignore, excludes=excludes, logger=QUIET)

        runtime: dict[str, Any] = {"working_dir": str(packed.root), "excludes": packed.excludes}
        upload_working_dir_if_needed(runtime, include_gitignore=obeys_gitignore, upload_fn=upload)
    return set(zipfile.ZipFile(target).namelist())


def names(packed: Package) -> list[str]:
    return [str(path) for path in packed.files]


def test_a_checkout_gives_what_git_keeps_and_what_is_new(tree: Tree, tmp_path: Path) -> None:
    root = tree("kept.py", "new.py", "sub/deep/a.py", "runs/x/journal.jsonl", "secret.txt", "sub/__pycache__/a.pyc",
                ".env", ".venv/lib/a.py", "odd/pyvenv.cfg", "odd/lib/b.py", "gone.py",
                texts={".gitignore": "secret.txt\n"})  # fmt: skip
    repository(root, "kept.py", ".gitignore", "gone.py")
    (root / "gone.py").unlink()
    packed = package(root)
    assert names(packed) == [".gitignore", "kept.py", "new.py", "sub/deep/a.py"]
    assert packed.size == sum((root / path).stat().st_size for path in packed.files)
    assert packed.left_behind == ()
    assert rays(packed, tmp_path / "with.zip") == set(names(packed))
    assert rays(packed, tmp_path / "without.zip", with_settings=False) == set(names(packed))


def test_without_git_the_trees_own_gitignore_is_obeyed(tree: Tree, tmp_path: Path) -> None:
    root = tree("a.py", "secret.txt", "sub/b.py", "sub/c.log", "sub/in/d.log", "in/e.log", "runs/1/x", "build/lib/a.py",
                "sub/build/f.py", texts={".gitignore": "/secret.txt\n", "sub/.gitignore": "*.log\n"})  # fmt: skip
    packed = package(root)
    wanted = [".gitignore", "a.py", "in/e.log", "sub/.gitignore", "sub/b.py", "sub/build/f.py"]
    assert names(packed) == wanted
    assert rays(packed, tmp_path / "packed.zip") == set(wanted)


def test_a_machine_without_git_is_a_tree_without_git(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    root = repository(tree("a.py", "b.log", texts={".gitignore": "*.log\n"}), "a.py")
    monkeypatch.setenv("PATH", "/nowhere")
    assert names(package(root)) == [".gitignore", "a.py"]


def test_what_git_keeps_goes_along_whatever_its_name(tree: Tree, tmp_path: Path) -> None:
    root = tree("a.csv", "b.csv", "build/tool.py", "build/out.o", "venv/code.py", "runs/example.json",
                texts={".gitignore": "*.csv\nout/\n!out/keep\n"})  # fmt: skip
    kept = ["a.csv", "build/tool.py", "venv/code.py", "runs/example.json"]
    repository(root, *kept)
    packed = package(root)
    assert names(packed) == sorted([".gitignore", *kept, "build/out.o"])
    assert rays(packed, tmp_path / "with.zip") == set(names(packed))
    assert "a.csv" not in rays(packed, tmp_path / "without.zip", with_settings=False), "PACKING is not needed any more"


def test_a_rayignore_is_obeyed_in_a_checkout_too(tree: Tree, tmp_path: Path) -> None:
    root = repository(tree("a.py", "big/b.bin", texts={".rayignore": "big\n"}), "a.py", "big/b.bin")
    packed = package(root)
    assert names(packed) == [".rayignore", "a.py"]
    assert rays(packed, tmp_path / "packed.zip") == set(names(packed))


def test_a_folder_of_a_checkout_and_checkouts_inside_one(tree: Tree, tmp_path: Path) -> None:
    root = tree("outside.py", "part/a.py", "part/no.log", "part/other/b.py", "part/other/no.log",
                texts={".gitignore": "*.log\n", "part/other/.gitignore": "*.log\n"})  # fmt: skip
    repository(root / "part" / "other", "b.py")
    repository(root, "outside.py", "part/a.py")
    packed = package(root / "part")
    assert names(packed) == ["a.py", "other/.gitignore", "other/b.py"]
    assert rays(packed, tmp_path / "packed.zip") == set(names(packed))


def test_a_submodule_goes_along(tree: Tree, tmp_path: Path) -> None:
    module = repository(tree("b.py").rename(tmp_path / "module"), "b.py")
    git(module, "commit", "-qm", "one")
    root = repository(tree("a.py"), "a.py")
    git(root, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(module), "inner")
    assert names(package(root)) == [".gitmodules", "a.py", "inner/b.py"]


def test_large_files_and_data_stay_behind_by_name_unless_git_keeps_them(tree: Tree, tmp_path: Path) -> None:
    third = LARGE // 3 + 1
    root = tree("a.py", sizes={"model.pt": LARGE + 1, "kept.pt": LARGE + 1, "small.pt": LARGE,
                               **{f"data/{part}.bin": third for part in "abc"}})  # fmt: skip
    repository(root, "a.py", "kept.pt")
    packed = package(root)
    assert names(packed) == ["a.py", "kept.pt", "small.pt"]
    assert words(packed) == "3 files, 21 MB; left behind: data (10.5 MB, not in git), model.pt (10.5 MB, not in git)"
    assert rays(packed, tmp_path / "packed.zip") == set(names(packed))


def test_a_small_data_folder_goes_along_and_so_does_one_further_down(tree: Tree) -> None:
    small = {"data/a.csv": 100, **{f"pkg/data/{part}.bin": LARGE for part in "ab"}}
    assert names(package(tree("a.py", sizes=small))) == ["a.py", *small]


def test_links_and_what_is_no_file(tree: Tree, tmp_path: Path) -> None:
    root = tree("a.py", "conf/b.py")
    (tmp_path / "elsewhere").mkdir()
    (root / "data").symlink_to(tmp_path / "elsewhere")
    (root / "loop").symlink_to(root)
    (root / "lost").symlink_to(root / "nowhere")
    (root / "same.py").symlink_to("a.py")
    with socket.socket(socket.AF_UNIX) as door:
        here = Path.cwd()
        os.chdir(root)  # the name of a socket is short
        door.bind("door")
        os.chdir(here)
    packed = package(root)
    assert names(packed) == ["a.py", "conf/b.py", "same.py"]
    assert packed.left_behind == (
        "data (a link out of the tree)", "door (neither a file nor a folder)", "loop (a link to a folder)",
        "lost (a link to nothing)",
    )  # fmt: skip
    assert rays(packed, tmp_path / "packed.zip") == set(names(packed))


def test_what_cannot_be_read(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tree("a.py", "b.py", "shut/c.py")
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).name != "b.py")  # root may read everything
    assert words(package(root)) == "2 files, 20 bytes; left behind: b.py (not readable)"
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).name != "shut")
    with pytest.raises(ClusterError, match=r"folder .*/shut cannot be read"):
        package(root)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(odd=st.text(alphabet="ab*?[]!#\\ .-é{}", min_size=1, max_size=6).filter(lambda name: name not in {".", ".."}))
def test_any_name_can_stay_behind(odd: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    root = tmp_path_factory.mktemp("odd")
    (root / "keep" / "in").mkdir(parents=True)
    for path in (root / "keep" / "in" / "a.py", root / "keep" / f"z{odd}z", root / "keep" / odd):
        path.write_text("x")
    os.truncate(root / "keep" / odd, LARGE + 1)
    packed = package(root)
    assert len(packed.left_behind) == 1
    archive = tmp_path_factory.mktemp("archive") / "packed.zip"
    assert rays(packed, archive) == set(names(packed))


def test_thousands_of_one_kind_are_one_line(tree: Tree, tmp_path: Path) -> None:
    pictures = [f"pkg/[x]/{number}.png" for number in range(200)]
    root = tree("pkg/[x]/load.py", "other/a.png", *pictures, texts={"pkg/.gitignore": "*.png\n"})
    packed = package(repository(root))
    assert names(packed) == ["other/a.png", "pkg/.gitignore", "pkg/[x]/load.py"]
    assert len(packed.excludes) < 5
    assert rays(packed, tmp_path / "packed.zip") == set(names(packed))


def test_one_that_goes_is_not_lost_with_the_others_of_its_kind(tree: Tree, tmp_path: Path) -> None:
    root = tree("pkg/logo.png", "pkg/a.png", "pkg/b.png", texts={".gitignore": "*.png\n"})
    packed = package(repository(root, "pkg/logo.png"))
    assert names(packed) == [".gitignore", "pkg/logo.png"]
    assert rays(packed, tmp_path / "packed.zip") == set(names(packed))


def test_too_much_is_refused_with_where_it_is(tree: Tree) -> None:
    root = tree("a.py", sizes={"src/deep/down/w.pt": 5000, "notes/n.txt": 3000, "img/i.png": 2000, "lib/l.py": 1000})
    with pytest.raises(ClusterError) as told:
        package(root, most=10_000)
    message = str(told.value)
    assert f"{root} is too large to submit: 11.5 kB, where Ray takes 10 kB" in message
    assert message.splitlines()[1:4] == ["  - src/deep/down/: 5 kB", "  - notes/: 3 kB", "  - img/: 2 kB"]
    assert ".gitignore" in message
    assert "--data" in message


def test_the_limit_is_that_of_the_archive(tree: Tree, tmp_path: Path) -> None:
    root = tree("a.py", "sub/ü.py")
    archive = tmp_path / "packed.zip"
    rays(package(root), archive)
    assert package(root, most=archive.stat().st_size)
    with pytest.raises(ClusterError, match="too large"):
        package(root, most=archive.stat().st_size - 1)


def test_rays_limits_are_what_they_were() -> None:
    assert min(ray_constants.DASHBOARD_CLIENT_MAX_SIZE, packaging.GCS_STORAGE_MAX_SIZE) == RAY_LIMIT
    assert packaging.FILE_SIZE_WARNING == LARGE


def test_an_archive_that_would_take_itself_along(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tree("a.py", "tmp/b.py")
    monkeypatch.setattr(tempfile, "tempdir", str(root / "tmp"))
    with pytest.raises(ClusterError, match="set TMPDIR"):
        package(root)


def test_nothing_to_take_along(tree: Tree, tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="nothing to submit"):
        package(tree("runs/1/x"))
    with pytest.raises(ClusterError, match="is no folder"):
        package(tmp_path / "absent")


def test_words() -> None:
    assert words(Package(Path(), (Path("a"),), 1, [])) == "1 file, 1 bytes"
    assert words(Package(Path(), (Path("a"), Path("b")), 240_400, [])) == "2 files, 240 kB"
    assert words(Package(Path(), (), 999_900_000, [])) == "0 files, 1 GB"


def test_this_house_fits_and_is_whole(tmp_path: Path) -> None:
    packed = package(HOUSE)
    assert {"pyproject.toml", "constraints.txt", "orchestune/cli.py"} <= set(names(packed))
    assert not [
        name for name in names(packed) if name.startswith((".git/", ".venv/", "runs/")) or name.endswith(".pyc")
    ]
    assert rays(packed, tmp_path / "packed.zip") == set(names(packed))
