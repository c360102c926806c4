"""Fetches the jars of Kafka and of Spark's Kafka connector, once for all checkouts, by Ivy, which comes inside pyspark."""

from __future__ import annotations

import fcntl
import shutil
import threading
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

from instashop import java
from instashop.local import commands
from instashop.local.failures import DownloadFailed, NoPlaceForJars


@dataclass(frozen=True)
class JarSet:
    """Jars that belong together: Maven coordinates, and which of the files found are kept (all, when empty)."""

    name: str
    coordinates: tuple[tuple[str, ...], ...]
    kept: tuple[str, ...] = ()


SETS = (
    JarSet(
        "kafka",
        (
            ("org.apache.kafka", "kafka_2.13", java.VERSIONS["kafka"]),
            ("org.apache.logging.log4j", "log4j-slf4j-impl", "2.25.4", "-notransitive"),
        ),
    ),
    JarSet(
        "spark",
        (
            ("org.apache.spark", "spark-sql-kafka-0-10_2.13", java.VERSIONS["spark"]),
            ("com.globalmentor", "hadoop-bare-naked-local-fs", "0.1.0", "-notransitive"),
        ),
        kept=("spark-sql-kafka", "spark-token-provider", "kafka-clients", "commons-pool2", "hadoop-bare-naked"),  # The others are pyspark's own.
    ),
)


def ensure(jar_set: JarSet, stop: threading.Event, thorough: bool = False) -> str | None:
    """Have the jars of a set in their place, whole; return what had to be done, or None. With `thorough`, those that are there are read.

    Raises:
        DownloadFailed: Ivy could not get one, or what came is no jar, twice. NoPlaceForJars: as it says.
    """
    place = java.jars(jar_set.name)
    if _complete(jar_set, place) and not (thorough and broken(place)):
        return None
    try:
        java.CACHE.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise NoPlaceForJars(folder=java.CACHE, cause=error.strerror) from None
    with (java.CACHE / f"{jar_set.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _complete(jar_set, place) or broken(place):  # Else somebody else has fetched them meanwhile.
            _fetch(jar_set, place, stop)
    return f"{len(list(place.glob('*.jar')))} jars"


def broken(folder: Path) -> list[Path]:
    """Return the jars of a folder that are not whole: each entry is read and its checksum compared."""
    return [path for path in sorted(folder.glob("*.jar")) if not _whole(path)]


def _whole(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as jar:
            return jar.testzip() is None
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError):
        return False


def _listing(jar_set: JarSet, folder: Path) -> str:
    asked = "".join(f"{' '.join(coordinate)}\n" for coordinate in jar_set.coordinates)
    return asked + "".join(f"{path.name} {path.stat().st_size}\n" for path in sorted(folder.glob("*.jar")))


def _complete(jar_set: JarSet, folder: Path) -> bool:
    """Return whether a folder holds the very jars, by name and size, that were checked when it was made of these coordinates."""
    stamp = folder / "complete.txt"
    return stamp.exists() and stamp.read_text() == _listing(jar_set, folder)


def _fetch(jar_set: JarSet, place: Path, stop: threading.Event) -> None:
    draft, cache = place.with_suffix(".new"), java.CACHE / "ivy" / jar_set.name
    for last_try in (False, True):
        shutil.rmtree(draft, ignore_errors=True)
        for coordinate in jar_set.coordinates:
            _ivy(jar_set, cache, draft, coordinate, stop)
        for path in draft.glob("*.jar"):
            if jar_set.kept and not path.name.startswith(jar_set.kept):
                path.unlink()
        bad = broken(draft)
        if not bad and list(draft.glob("*.jar")):
            break
        for path in bad:
            for copy in cache.rglob(path.name):
                copy.unlink()  # Ivy would give us the broken one again.
        if last_try:
            raise DownloadFailed(name=jar_set.name, lines=f"not whole: {', '.join(path.name for path in bad) or 'no jar came'}")
    (draft / "complete.txt").write_text(_listing(jar_set, draft))
    shutil.rmtree(place, ignore_errors=True)
    draft.rename(place)


def _ivy(jar_set: JarSet, cache: Path, draft: Path, coordinate: tuple[str, ...], stop: threading.Event) -> None:
    ivy = next((java.spark_home() / "jars").glob("ivy-*.jar"))
    options = ["-cache", str(cache), "-m2compatible", "-confs", "default", "-types", "jar", "bundle", "-warn"]
    argv = [java.command(), *java.QUICK, "-jar", str(ivy), *options, "-dependency", *coordinate[:3], *coordinate[3:]]
    argv += ["-retrieve", f"{draft}/[artifact]-[revision].[ext]"]
    status, output = commands.run(argv, stop, 600)
    if status != 0:
        raise DownloadFailed(name=jar_set.name, lines="\n".join(output.splitlines()[-8:]))


def fetch_all() -> None:
    """Fetch every set, so that the first start needs no download.

    Raises:
        DownloadFailed: see `ensure`.
    """
    for jar_set in SETS:
        ensure(jar_set, threading.Event(), thorough=True)


if __name__ == "__main__":
    fetch_all()
