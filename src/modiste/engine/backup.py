"""A catalogue's folder in one file and back: a version that was whole, every byte checked on the way out and on the way in.

    backup   reads what the seal names (seal.py), which never changes, so writers and readers go on meanwhile; clicks through
             SQLite's own backup; the rest are small files that are replaced whole
    restore  unpacks beside the place, compares everything with the list at the archive's end, then moves it there in one step

The archive is a plain tar: rows and photos are compact as they are. Its last member, `backup.json`, lists each file's size and
SHA-256, so an archive that was cut short is noticed. It holds all there is of people in the folder (clicks, keys as hashes),
and is its owner's alone.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import sqlite3
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from modiste.engine import clicks
from modiste.engine.catalogue import Catalogue
from modiste.engine.errors import CatalogueError, CatalogueLocked
from modiste.engine.place import is_on_object_storage
from modiste.engine.seal import FILE_NAME as SEAL
from modiste.engine.seal import SealedFile, sealed_text, version_file
from modiste.engine.table import TABLE_NAME
from modiste.files import flush_folder, require_unchanged, signed, writing_atomically

LIST = "backup.json"
FORMAT = 1
MAX_FILES, MAX_LIST_BYTES = 1_000_000, 256_000_000

_TABLE = f"{TABLE_NAME}.lance"
_LEFT_OUT = ("jobs", _TABLE, SEAL)  # tables that wait to be indexed stay with the service that has them
_NAME = re.compile(r"[^\x00-\x1f\\:]{1,400}")
_CHUNK = 1 << 20
_TRIES = 5
_PAUSE = 0.05  # seconds; twice as long from one try to the next


@dataclass(frozen=True, slots=True)
class BackupReport:
    """What was written or read."""

    path: Path
    version: int
    files: int
    bytes: int
    seconds: float


class _Gone(Exception):
    """A file was dropped while it was to be read."""


def backup(catalogue: Path, to: Path) -> BackupReport:
    """Write a catalogue's folder to the file `to`, or into the folder `to` under a name of its own; whole or not at all.

    Writers need not stop. Raises `CatalogueError` naming a file that is damaged, `ValueError` where `to` is there already.
    """
    if is_on_object_storage(catalogue):
        raise ValueError(
            f"{catalogue} is on object storage: copy it, or keep versions of it, with the storage's own tools"
        )
    start, catalogue, to = time.monotonic(), Path(catalogue), Path(to)
    store = Catalogue.open(catalogue)
    if to.is_dir():
        to = to / f"{catalogue.resolve().name}-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}.tar"
    if to.exists():
        raise ValueError(f"{to} is there already; a backup overwrites nothing")
    if to.resolve().is_relative_to(catalogue.resolve()):
        raise ValueError(f"{to} lies in the catalogue that it is to be a backup of; choose another folder")
    for attempt in range(1, _TRIES + 1):
        try:
            version, files = _sealed(store)
            with writing_atomically(to, mode=0o600) as stream:
                listed = _write(stream, catalogue, version, files)
            return BackupReport(to, version, len(listed), to.stat().st_size, time.monotonic() - start)
        except _Gone as error:  # a compaction dropped it: there is a newer seal
            if attempt == _TRIES:
                raise CatalogueError(f"{error} keeps being dropped while it is read; try again later") from error
            # Between dropping files and sealing what is left a writer may take its time.
            time.sleep(_PAUSE * 2**attempt)
        except OSError as error:
            raise CatalogueError(f"{to} cannot be written: {error}; what was there before is as it was") from error
    raise AssertionError("unreachable")


def _sealed(store: Catalogue) -> tuple[int, dict[str, SealedFile]]:
    """The version to save and its files; a version newer than the seal is sealed, unless a writer is at it and will."""
    try:
        with store.writing():
            store.seal()
    except CatalogueLocked:
        pass
    version, found = store.sealed()
    if not version:
        raise CatalogueError(f"{store.folder} is being written to for the first time; try again when that has ended")
    latest = version_file(version)
    kept = {name: one for name, one in found.items() if name == latest or not name.startswith("_versions/")}
    return version, kept


def _write(stream: IO[bytes], catalogue: Path, version: int, files: dict[str, SealedFile]) -> dict[str, list[Any]]:
    listed: dict[str, list[Any]] = {}
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:

        def put(name: str, source: IO[bytes], size: int, mode: int = 0o644) -> str:
            member = tarfile.TarInfo(name)
            member.size, member.mode, member.mtime = size, mode, int(time.time())
            reader = _Hashing(source)
            archive.addfile(member, reader)
            listed[name] = [size, reader.sha256]
            return reader.sha256

        for name, sealed in files.items():
            path = catalogue / _TABLE / name
            try:
                with path.open("rb") as source:
                    size = os.fstat(source.fileno()).st_size
                    if size != sealed.size or put(f"{_TABLE}/{name}", source, size) != sealed.sha256:
                        raise CatalogueError(f"{path} is damaged: it is not the file that was written")
            except FileNotFoundError as error:
                raise _Gone(str(path)) from error
        for name, data, mode in _others(catalogue):
            put(name, io.BytesIO(data), len(data), mode)
        seal = sealed_text(version, files)
        put(SEAL, io.BytesIO(seal), len(seal))
        values = {"format": FORMAT, "version": version, "made": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
        text = json.dumps(signed({**values, "files": dict(listed)})).encode()
        put(LIST, io.BytesIO(text), len(text))
    return listed


def _others(catalogue: Path) -> Iterator[tuple[str, bytes, int]]:
    """Everything beside the rows: each file whole, as it was at one moment; what belongs together is read until it fits."""
    for path in sorted(catalogue.rglob("*")):
        relative = path.relative_to(catalogue)
        parts = relative.parts
        if path.is_symlink() or not path.is_file() or parts[0] in _LEFT_OUT or any(p.startswith(".") for p in parts):
            continue
        if path.name.startswith(clicks.FILE_NAME):
            continue
        try:
            yield relative.as_posix(), path.read_bytes(), path.stat().st_mode & 0o777
        except FileNotFoundError as error:  # replaced by a newer one: begin again, so that pointers fit what they name
            raise _Gone(str(path)) from error
    if (catalogue / clicks.FILE_NAME).is_file():
        yield clicks.FILE_NAME, _clicks(catalogue / clicks.FILE_NAME), 0o600


def _clicks(path: Path) -> bytes:
    """The clicks as one database file, whatever is being written."""
    try:
        with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(":memory:")) as copy:
            source.backup(copy)
            return copy.serialize()
    except sqlite3.Error as error:
        raise CatalogueError(f"{path} cannot be read: {error}") from error


def restore(archive: Path, into: Path) -> BackupReport:
    """Unpack a backup as the folder `into`, which must not be there or be empty; all of it or nothing.

    Raises `ValueError` naming what is wrong with the archive: cut short, changed, or no backup.
    """
    start, archive, into = time.monotonic(), Path(archive), Path(into)
    if into.exists() and (not into.is_dir() or any(into.iterdir())):
        raise ValueError(f"{into} is there already; restore overwrites nothing: choose another folder, or move it away")
    into.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{into.name}-", dir=into.parent))
    try:
        version, total, count = _unpack(archive, scratch)
        store = Catalogue.open(scratch)  # as the product reads it, before it is in its place
        store.snapshot()
        del store
        for folder, _, _ in os.walk(scratch):
            flush_folder(Path(folder))
        scratch.chmod(0o755)
        if into.exists():
            into.rmdir()
        scratch.rename(into)
        flush_folder(into.parent)
    except OSError as error:
        raise ValueError(f"{into} cannot be written: {error}; nothing was restored") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return BackupReport(into, version, count, total, time.monotonic() - start)


def _unpack(archive: Path, folder: Path) -> tuple[int, int, int]:
    """Version, bytes and number of the files, each compared with the list. Raises `ValueError`."""
    found: dict[str, list[Any]] = {}
    total, text = 0, b""
    try:
        with tarfile.open(archive, "r:") as members:
            room = shutil.disk_usage(folder).free
            for member in members:
                name = _checked_name(archive, member)
                total += member.size
                if name in found or len(found) >= MAX_FILES:
                    raise ValueError(f"{archive}: {name!r} is in it twice, or it holds more than {MAX_FILES:,} files")
                if total > room:
                    raise ValueError(
                        f"{archive} needs more than the {room:,} bytes that are free; nothing was restored"
                    )
                source = members.extractfile(member)
                assert source is not None  # a regular file
                if name == LIST:
                    if member.size > MAX_LIST_BYTES:
                        raise ValueError(f"{archive}: its list is too long")
                    text = source.read()
                    continue
                target = folder.joinpath(*PurePosixPath(name).parts)
                target.parent.mkdir(parents=True, exist_ok=True)
                reader = _Hashing(source)
                with target.open("xb") as copy:
                    shutil.copyfileobj(reader, copy, _CHUNK)
                    copy.flush()
                    os.fsync(copy.fileno())
                target.chmod(member.mode & 0o755)
                found[name] = [member.size, reader.sha256]
    except (tarfile.TarError, EOFError) as error:
        raise ValueError(f"{archive} is no backup, or was cut short: {error}") from error
    except FileNotFoundError as error:
        raise ValueError(f"{archive}: no such file") from error
    try:
        values: Any = require_unchanged(json.loads(text))
        if values["format"] != FORMAT:
            raise ValueError(f"format {values['format']!r}; this version reads {FORMAT}")
        listed, version = dict(values["files"]), int(values["version"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{archive} is no whole backup: its list {LIST} is missing or damaged ({error})") from error
    for name in sorted(listed.keys() | found.keys()):
        if listed.get(name) != found.get(name):
            raise ValueError(f"{archive}: {name} is not what was saved; nothing was restored")
    return version, total, len(found)


def _checked_name(archive: Path, member: tarfile.TarInfo) -> str:
    """A name that stays in the folder, of a plain file. Raises `ValueError`."""
    name = member.name
    parts = name.split("/")
    if (
        not member.isreg()
        or not _NAME.fullmatch(name)
        or name.startswith("/")
        or any(part in ("", ".", "..") or part.startswith(".") for part in parts)
    ):
        raise ValueError(f"{archive}: {name[:80]!r} is no file of a backup")
    return name


class _Hashing(io.RawIOBase):
    """A stream that hashes what is read from it."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source, self._digest = source, hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._source.read(size)
        self._digest.update(data)
        return data

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()
