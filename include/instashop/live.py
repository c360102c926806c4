"""Submitting the live metrics: the one place that knows the spark-submit line, and what Spark's processes need."""

from __future__ import annotations

import gc
import os
import sys
import time
from functools import cache
from pathlib import Path

from instashop import java, sql
from instashop.settings import ROOT, Settings

SERVICE = "live_metrics"
FILES = {"spark.hadoop.fs.file.impl": "com.globalmentor.apache.hadoop.fs.NakedLocalFileSystem"}
"""Java writes the checkpoint's files; without its native library Hadoop's own class starts processes for each (chmod). Spark has it before the job can say so."""


def submit_command(settings: Settings) -> list[str]:
    """Return the command that submits the live metrics in client mode; its jars are there already."""
    jars = ",".join(str(jar) for jar in sorted(java.jars("spark").glob("*.jar")))
    plain = " ".join(["-Xms96m", *java.QUICK, "-Duser.timezone=UTC"])  # Java would begin with a heap of a 64th of the machine.
    here = " ".join([plain, *java.class_data("spark")])
    options = {
        "spark.executor.memory": f"{settings.spark_memory_mb}m",
        "spark.executor.cores": str(settings.spark_cores),
        "spark.cores.max": str(settings.spark_cores),
        "spark.driver.memory": "512m",
        "spark.driver.host": settings.spark_driver_host,
        "spark.driver.bindAddress": settings.spark_driver_host,
        "spark.ui.port": str(settings.spark_app_ui_port),
        "spark.driver.extraJavaOptions": here,
        "spark.executor.extraJavaOptions": here if settings.runs_here("spark_master") else plain,
        "spark.executorEnv.TZ": "UTC",
        "spark.executorEnv.PYTHONPATH": str(ROOT / "include"),
        **FILES,
        "spark.ui.showConsoleProgress": "false",
        "spark.ui.killEnabled": "false",  # Its pages ask nobody who they are.
        "spark.ui.retainedJobs": "50",
        "spark.ui.retainedStages": "50",
        "spark.sql.ui.retainedExecutions": "20",
        "spark.sql.streaming.ui.retainedProgressUpdates": "20",
    }
    confs = [part for name, value in options.items() for part in ("--conf", f"{name}={value}")]
    submit = str(java.spark_home() / "bin" / "spark-submit")
    return [submit, "--master", settings.spark_master, "--name", SERVICE, "--jars", jars, *confs, str(ROOT / "spark_jobs" / "live_metrics.py")]


@cache
def spare_modules() -> None:
    """Keep what this process has loaded out of Python's collections, once: PySpark collects after every task, which took a quiet worker 94 % of its CPU."""
    gc.freeze()


def spark_environment(host: str) -> dict[str, str]:
    """Return what every process of Spark has to know on a host: this Python, this Spark, times in UTC."""
    return {
        "SPARK_HOME": str(java.spark_home()),
        "SPARK_DIST_CLASSPATH": java.spark_additions(),
        "SPARK_LOCAL_IP": host,
        "PYSPARK_PYTHON": sys.executable,
        "PYSPARK_DRIVER_PYTHON": sys.executable,
        "TZ": "UTC",
    }


def submit_environment(settings: Settings) -> dict[str, str]:
    """Return the environment for the command: this Python and this Spark on both sides, times in UTC."""
    own = {"PYTHONPATH": str(ROOT / "include"), "SPARK_LOCAL_DIRS": str(settings.home / "spark" / "local")}
    return {**os.environ, **spark_environment(settings.spark_driver_host), **own}


def checkpoint(settings: Settings) -> tuple[Path, int]:
    """Return the checkpoint of the present query's text, and when it was begun (Unix milliseconds); one that was removed begins anew."""
    folder = settings.home / "spark" / "checkpoints" / f"{SERVICE}-{sql.fingerprint('metrics/windows')}"
    begun = folder.with_suffix(".begun")
    if not (begun.exists() and folder.exists()):
        begun.parent.mkdir(parents=True, exist_ok=True)
        begun.write_text(str(int(time.time() * 1000)), encoding="utf-8")
    return folder, int(begun.read_text(encoding="utf-8"))
