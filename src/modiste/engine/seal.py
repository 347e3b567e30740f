"""items.seal.json: which files the committed rows lie in, with their sizes and SHA-256, written after each commit.

The table's own files carry no checksum, and the library that writes them does not flush them: a bit that flips in one may be
read as another item, or end the process, and a power cut may take a commit back. So after a commit, still under the writer's
lock, its new files are flushed to the disk, hashed, and the seal is replaced in one step. Files are written once and never
changed, so what is sealed stays true.

A reader compares what is small before the table is opened: the description of the version, what says which rows are deleted,
and of each file of rows its size and the ends where its own description lies. Vectors and words carry checksums of their own
(rows.py). `verify_files` reads everything.

A writer killed between a commit and its seal leaves a version newer than the seal: whole, as every commit is, and sealed by
the next writer. A version older than the seal says that a commit has been lost.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modiste.engine.errors import CatalogueError, rebuild_advice
from modiste.files import flush_folder, require_unchanged, sha256_of, signed, write_atomically

FILE_NAME = "items.seal.json"
FORMAT = 1

_PARTS = ("data", "_deletions", "_versions", "_indices")
_END_BYTES = 65_536  # of a file of rows, where its description lies
_SEAL_SECONDS = 1.0
_WHOLE_BYTES = 262_144  # a file up to this size is compared whole
_NUM_VERSIONS = 2**64 - 1  # a version's description is named by what is left of this, so that the newest comes first


@dataclass(frozen=True, slots=True)
class SealedFile:
    """What one file was when it was written."""

    size: int
    sha256: str
    ends: str  # the SHA-256 of its last bytes, or of all where it is small

    @classmethod
    def of(cls, path: Path) -> SealedFile:
        return cls(path.stat().st_size, sha256_of(path), _ends(path))


def sealed_text(version: int, files: Mapping[str, SealedFile]) -> bytes:
    """The seal of these files as it is written."""
    listed = {name: [one.size, one.sha256, one.ends] for name, one in sorted(files.items())}
    return json.dumps(signed({"format": FORMAT, "version": version, "files": listed})).encode()


def version_file(version: int) -> str:
    """The file that describes a version."""
    return f"_versions/{_NUM_VERSIONS - version:020d}.manifest"


def _ends(path: Path) -> str:
    size = path.stat().st_size
    with path.open("rb") as file:
        if size > _WHOLE_BYTES:
            file.seek(size - _END_BYTES)
        return hashlib.sha256(file.read()).hexdigest()


class Seal:
    """The seal of one catalogue's folder."""

    def __init__(self, folder: Path, table: Path) -> None:
        self.path = folder / FILE_NAME
        self._folder, self._table = folder, table
        # The seal that was compared last, by its time and inode, and the version that it seals.
        self._looked: tuple[tuple[int, int] | None, int] = None, 0

    def write(self, version: int) -> None:
        """Flush and seal the files that are there. The caller holds the writer's lock; raises `OSError`, `CatalogueError`."""
        try:
            known = self.read()[1]
        except CatalogueError:  # damaged: everything is hashed anew, and what is wrong with the rows shows elsewhere
            known = {}
        files, folders = dict[str, SealedFile](), set[Path]()
        for name, path in self._files():
            if name in known and known[name].size == path.stat().st_size:
                files[name] = known[name]
                continue
            _flush(path)
            folders.add(path.parent)
            files[name] = SealedFile.of(path)
        for folder in (*sorted(folders), self._table):
            with suppress(OSError):  # not every file system lets a folder be synchronised
                flush_folder(folder)
        write_atomically(self.path, sealed_text(version, files))

    def read(self) -> tuple[int, Mapping[str, SealedFile]]:
        """The version and its files; (0, {}) where there is no seal. Raises `CatalogueError` for a damaged one."""
        try:
            values: Any = json.loads(self.path.read_text(encoding="utf-8"))
            if values["format"] != FORMAT:
                raise ValueError(f"format {values['format']!r}; this version reads {FORMAT}")
            require_unchanged(values)
            return int(values["version"]), {name: SealedFile(*one) for name, one in values["files"].items()}
        except FileNotFoundError:
            return 0, {}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise CatalogueError(f"{self.path} is damaged ({error}). {rebuild_advice(self._folder)}") from error

    def check(self) -> int:
        """Compare what is small with the seal, once per seal; returns the sealed version. Raises `CatalogueError`."""
        for last_try in (False, True):
            stamp = self._stamp()
            looked, version = self._looked
            if stamp is not None and stamp == looked:  # asked before every search: the seal is not read again
                return version
            version, files = self.read()
            try:
                self._check(version, files)
            except CatalogueError:
                # A writer may drop old versions between the two lines, and it writes the new seal after that.
                if last_try or self._stamp() == stamp:
                    raise
                continue
            self._looked = stamp, version
            return version
        raise AssertionError("unreachable")

    def _check(self, version: int, files: Mapping[str, SealedFile]) -> None:
        latest = version_file(version)
        for name, sealed in files.items():
            path = self._table / name
            if name.startswith("_versions/") and name != latest:
                continue
            with suppress(FileNotFoundError):  # dropped since, or missed by the table itself
                if path.stat().st_size != sealed.size or _ends(path) != sealed.ends:
                    raise self._damaged(path, "is damaged")

    def verify_files(self) -> int:
        """Read every sealed file; returns how many there are. Raises `CatalogueError` naming one that is not as written."""
        read = set[str]()
        for last_try in (False, False, True):
            missing: Path | None = None
            _, files = self.read()
            for name, sealed in files.items():
                path = self._table / name
                if name in read:
                    continue
                try:
                    if path.stat().st_size != sealed.size or SealedFile.of(path) != sealed:
                        raise self._damaged(path, "is damaged")
                    read.add(name)
                except FileNotFoundError:
                    missing = path
            if missing is None:
                return len(files)
            if last_try:
                raise self._damaged(missing, "is missing")
            time.sleep(_SEAL_SECONDS)  # a writer that drops old versions seals what is left after that
        raise AssertionError("unreachable")

    def _damaged(self, path: Path, what: str) -> CatalogueError:
        return CatalogueError(
            f"{path} {what}: it is not the file that was written. Restore a backup (`modiste restore`), or rebuild. "
            f"{rebuild_advice(self._folder)}"
        )

    def _files(self) -> Iterator[tuple[str, Path]]:
        for part in _PARTS:
            for path in sorted((self._table / part).rglob("*")):
                if path.is_file() and not path.name.startswith(".") and path.suffix != ".json":
                    yield path.relative_to(self._table).as_posix(), path

    def _stamp(self) -> tuple[int, int] | None:
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_ino


def _flush(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
