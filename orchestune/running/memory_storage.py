"""A file system for Tune's own few state files that touches no disk.

Tune insists on a storage path, writes its state there (we never read it back: the journal is the truth) and has every
worker look for a marker file. Kept in memory, nothing of Tune's is left behind, and no worker needs shared storage.
"""

from __future__ import annotations

import io
from typing import Any

from pyarrow import PythonFile
from pyarrow.fs import FileInfo, FileSystemHandler, FileType, PyFileSystem


class _Kept(io.BytesIO):
    """Hands its bytes over when it is closed."""

    def __init__(self, files: dict[str, bytes], path: str) -> None:
        super().__init__()
        self._files, self._path = files, path

    def close(self) -> None:
        if not self.closed:
            self._files[self._path] = self.getvalue()
        super().close()


class MemoryHandler(FileSystemHandler):  # type: ignore[misc]
    """Files of this process; a copy on another one starts empty."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.folders: set[str] = set()

    def __reduce__(self) -> tuple[type[MemoryHandler], tuple[()]]:
        return MemoryHandler, ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MemoryHandler)

    def __hash__(self) -> int:
        return hash(MemoryHandler)

    def get_type_name(self) -> str:
        return "memory"

    def normalize_path(self, path: str) -> str:
        return path

    def _info(self, path: str) -> FileInfo:
        # Workers look for a marker whose name begins with a dot: on them, too, it "exists".
        if path in self.files or path.rsplit("/", 1)[-1].startswith("."):
            return FileInfo(path, FileType.File, size=len(self.files.get(path, b"")))
        return FileInfo(path, FileType.Directory if path in self.folders else FileType.NotFound)

    def get_file_info(self, paths: list[str]) -> list[FileInfo]:
        return [self._info(path) for path in paths]

    def get_file_info_selector(self, selector: Any) -> list[FileInfo]:
        return [self._info(path) for path in self.files if path.startswith(selector.base_dir + "/")]

    def create_dir(self, path: str, recursive: bool) -> None:
        self.folders.add(path)

    def delete_dir(self, path: str) -> None:
        self.delete_dir_contents(path)

    def delete_dir_contents(self, path: str, missing_dir_ok: bool = False) -> None:
        for name in [name for name in self.files if name.startswith(path + "/")]:
            del self.files[name]

    def delete_root_dir_contents(self) -> None:
        self.files.clear()

    def delete_file(self, path: str) -> None:
        del self.files[path]

    def move(self, src: str, dest: str) -> None:
        self.files[dest] = self.files.pop(src)

    def copy_file(self, src: str, dest: str) -> None:
        self.files[dest] = self.files[src]

    def open_input_stream(self, path: str) -> PythonFile:
        if path not in self.files:
            raise FileNotFoundError(path)
        return PythonFile(io.BytesIO(self.files[path]), mode="r")

    def open_input_file(self, path: str) -> PythonFile:
        return self.open_input_stream(path)

    def open_output_stream(self, path: str, metadata: Any) -> PythonFile:
        return PythonFile(_Kept(self.files, path), mode="w")

    def open_append_stream(self, path: str, metadata: Any) -> PythonFile:
        raise NotImplementedError("Tune does not append to its state files")


def memory_storage() -> PyFileSystem:
    return PyFileSystem(MemoryHandler())
