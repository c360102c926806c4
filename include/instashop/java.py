"""Java on this machine: which one, the jars of Kafka and Spark, and their class data.

Class data is what a JVM makes of its jars at every start: classes read, parsed and verified. Kept in an archive, all JVMs of
one class path map it instead: they start with about half of the work, and share its memory (JDK: class data sharing, CDS).
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

CACHE = Path.home() / ".cache" / "instashop"
"""What was fetched once serves every checkout of this user."""
VERSIONS = {"kafka": "4.3.1", "spark": "4.2.0"}
CLASS_DATA = Path(sys.prefix) / "share" / "instashop"
"""The archives lie, and go, with the packages that they were made of."""
LONG_RUN = ("-XX:+UseSerialGC",)
"""Less work for the collector. What runs the same code for days is worth Java's second compiler: a broker takes half of the CPU for a transaction then."""
QUICK = (*LONG_RUN, "-XX:TieredStopAtLevel=1")
"""Less work for the compiler, too, while everything starts on two cores; also for Spark, which makes new code in every batch."""
# Java 17 moves an archive to another address in each process, which then has a copy of its own instead of the shared pages.
_UNMOVED = ("-XX:+UnlockDiagnosticVMOptions", "-XX:ArchiveRelocationMode=0")


def command() -> str:
    """Return the Java that runs Kafka and Spark: JAVA_HOME's, else the first on the PATH."""
    given = os.environ.get("JAVA_HOME")
    own = Path(given) / "bin" / "java" if given else None
    return str(own) if own and own.exists() else shutil.which("java") or "/usr/bin/java"


def home() -> Path:
    """Return the folder of that Java."""
    return Path(command()).resolve().parents[1]


def spark_home() -> Path:
    """Return the folder of the pyspark package, which is a whole Spark."""
    spec = find_spec("pyspark")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


def jars(name: str) -> Path:
    """Return where the jars of Kafka ("kafka"), or of Spark's connector to it ("spark"), are."""
    return CACHE / f"{name}-{VERSIONS[name]}"


def class_path(name: str) -> str:
    """Return the class path of a broker, or of a JVM of Spark as its own script builds it."""
    if name == "kafka":
        return f"{jars(name)}/*"
    spark = spark_home()
    logging = next((spark / "jars").glob("slf4j-api-*.jar"))  # Spark's launcher puts it first.
    return f"{spark / 'conf'}:{logging}:{spark / 'jars'}/*:{spark_additions()}"


def spark_additions() -> str:
    """Return what Spark's script adds to the class path when SPARK_DIST_CLASSPATH says so."""
    return f"{jars('spark')}/*"


def archive(name: str) -> Path:
    """Return the file of the class data of "kafka" or "spark", which may not be there; another Java, or other jars, have another one."""
    release = home() / "release"
    parts = [str(release), release.read_text(encoding="utf-8") if release.exists() else ""]
    for place in class_path(name).split(":"):
        files = Path(place[:-1]).glob("*.jar") if place.endswith("*") else Path(place).parent.glob(Path(place).name)
        parts += [f"{path} {path.stat().st_size} {path.stat().st_mtime_ns}" for path in files]  # In the folder's order, as Java takes them.
    return CLASS_DATA / f"{name}-{hashlib.sha256(repr(parts).encode()).hexdigest()[:12]}.jsa"


def class_data(name: str) -> tuple[str, ...]:
    """Return the options by which a JVM maps the class data of "kafka" or "spark"; none when there is none for this Java and these jars."""
    file = archive(name)
    return (*_UNMOVED, f"-XX:SharedArchiveFile={file}") if file.exists() else ()


def all_class_data() -> bool:
    """Return whether every archive is there."""
    return all(archive(name).exists() for name in VERSIONS)
