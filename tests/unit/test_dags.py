"""Policy over all DAGs: each imports, has its page, and wires only."""

import ast
import importlib
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import get_args

import pytest

ROOT = Path(__file__).resolve().parents[2]
DAGS, PLUGINS = sorted((ROOT / "dags").glob("*.py")), sorted((ROOT / "plugins").rglob("*.py"))
SERVICES = ("generator", "producer", "consumer", "enricher", "live_metrics")


@pytest.fixture(scope="module")
def dags(tmp_path_factory):
    """Every DAG by its file's name; Airflow gets a home of its own and no database."""
    before = dict(os.environ), list(sys.path)
    home = tmp_path_factory.mktemp("airflow")
    os.environ |= {"AIRFLOW_HOME": str(home), "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/none.db", "INSTASHOP_HOME": str(home)}
    sys.path[:0] = [str(ROOT / "plugins"), str(ROOT / "dags")]
    yield {path.stem: importlib.import_module(path.stem).dag for path in DAGS}
    os.environ.clear()
    os.environ.update(before[0])
    sys.path[:] = before[1]


@pytest.mark.parametrize("name", [path.stem for path in DAGS])
def test_a_dag_is_named_like_its_file_and_says_what_to_do_when_red(dags, name):
    dag = dags[name]
    assert dag.dag_id == name
    assert dag.doc_md
    assert "When red:" in dag.doc_md


@pytest.mark.parametrize("name", [path.stem for path in DAGS])
def test_a_dag_runs_once_at_a_time_and_needs_nobody_to_unpause_it(dags, name):
    dag = dags[name]
    assert dag.is_paused_upon_creation is False
    assert dag.catchup is False
    assert dag.max_active_runs == 1 or name == "control_service"


def test_no_first_run_waits_for_an_hour_at_which_a_platform_may_always_be_off(dags):
    hours = {name: dag.timetable.expression.split()[1] for name, dag in dags.items() if hasattr(dag.timetable, "expression") and dag.start_date is None}
    assert hours == {"tidy_airflow": "*/4"}  # One that was missed before there was any is made up for only with a start_date.


@pytest.mark.parametrize("service", SERVICES)
def test_each_service_has_a_dag_that_tries_again_soon_and_often(dags, service):
    (task,) = dags[f"run_{service}"].tasks
    assert task.service == service
    assert task.retries >= 10
    assert task.retry_delay.total_seconds() <= 15
    assert type(dags[f"run_{service}"].timetable).__name__ == "ContinuousTimetable"


def test_a_service_and_who_controls_it_get_the_next_free_slot(dags):
    first = {f"run_{service}" for service in SERVICES} | {"control_service"}
    given = {(name, task.priority_weight, str(task.weight_rule)) for name, dag in dags.items() for task in dag.tasks if name in first}
    assert given == {(name, 100, "absolute") for name in first}
    others = [dag for name, dag in dags.items() if name not in first]
    assert {task.priority_weight for dag in others for task in dag.tasks} == {1}
    assert max(len(dag.tasks) for dag in others) < 100  # Each weighs as much as it and all that wait for it.


def test_the_form_of_control_service_offers_every_service_and_action(dags):
    from instashop.control import beats, intents

    params = dags["control_service"].params
    assert tuple(params.get_param("service").schema["enum"]) == beats.SERVICES
    assert tuple(params.get_param("action").schema["enum"]) == get_args(intents.Action)


def test_the_forms_offer_every_reason_topic_and_drill_and_begin_with_none(dags):
    from instashop.events import Reason
    from instashop.local.drills.faults import DRILLS
    from instashop.streams import STREAMS
    from instashop_by_hand import NOT_FROM_AIRFLOW

    letters, drill = dags["replay_dead_letters"].params, dags["run_drill"].params.get_param("drill")
    assert letters.get_param("reason").schema["examples"] == list(Reason)
    assert letters.get_param("topic").schema["examples"] == [stream.name for stream in STREAMS]
    assert drill.schema["enum"] == [name for name in DRILLS if name not in NOT_FROM_AIRFLOW]
    assert not drill.has_value


def test_a_replay_ends_some_time_after_its_approval(dags):
    dag = dags["replay_dead_letters"]
    assert timedelta() < dag.dagrun_timeout - dag.get_task("approve").response_timeout < timedelta(hours=2)


def test_what_a_person_starts_says_so(dags):
    assert {name for name, dag in dags.items() if "by hand" in dag.tags} == {"control_service", "replay_dead_letters", "run_drill"}


@pytest.mark.parametrize("path", DAGS, ids=lambda path: path.stem)
def test_a_dag_file_is_a_table_of_contents(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 100
    outside = [node for node in ast.parse(text).body if not isinstance(node, ast.Expr | ast.Import | ast.ImportFrom | ast.With)]
    assert not outside, f"{path.name} line {outside[0].lineno}: only docstring, imports and one `with DAG`"


@pytest.mark.parametrize("path", DAGS, ids=lambda path: path.stem)
def test_parsing_loads_no_client(path):
    top = [node for node in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(node, ast.Import | ast.ImportFrom)]
    modules = {alias.name for node in top if isinstance(node, ast.Import) for alias in node.names} | {
        node.module or "" for node in top if isinstance(node, ast.ImportFrom)
    }
    strangers = {name for name in modules if name.split(".")[0] in {"instashop", "psycopg", "redis", "kafka", "confluent_kafka", "pyspark"}}
    assert not strangers, f"{path.name} imports {strangers} at its top"


def test_the_build_is_one_transaction_of_every_statement_in_its_order(dags):
    from instashop import sql

    task = dags["build_warehouse"].get_task("build")
    assert task.sql == [f"{name}.sql" for name in sql.folder("build")]
    assert task.autocommit is False


def test_every_check_runs_after_the_build_under_its_own_name(dags):
    from instashop import sql

    dag = dags["build_warehouse"]
    checks = {task.task_id: task.sql for task in dag.tasks if task.task_id != "build"}
    assert checks == {Path(name).name: f"{name}.sql" for name in sql.folder("checks")}
    assert dag.get_task("build").downstream_task_ids == set(checks)


def test_every_statement_that_tidies_is_run(dags):
    from instashop import sql

    dag = dags["tidy_warehouse"]
    assert sorted([dag.get_task("make_partitions").sql, *dag.get_task("let_go").sql]) == [f"{name}.sql" for name in sql.folder("tidy")]


def test_the_warehouse_is_tidied_in_a_minute_in_which_no_build_begins(dags):
    build, (minute, *_) = dags["build_warehouse"].timetable.expression, dags["tidy_warehouse"].timetable.expression.split()
    assert build == "*/5 * * * *"
    assert int(minute) % 5


def test_a_broken_rule_names_its_rows(dags):
    from instashop_checks import RuleBroken, named

    assert named(["day", "category", "events"], ["2026-05-01", None, 0]) == "day=2026-05-01, events=0"
    assert str(RuleBroken(rule="x", count=2, rows="a=1")).startswith("x: 2 rows break it;")


@pytest.mark.parametrize(
    ("dag", "task", "look"),
    [
        ("watch_platform", "services", "services"),
        ("watch_platform", "brokers", "brokers"),
        ("watch_platform", "spark_progress", "spark_progress"),
        ("balance_books", "balance", "books"),
    ],
)
def test_a_task_that_looks_carries_out_the_look_of_its_name(dags, monkeypatch, dag, task, look):
    import instashop_watch

    looked = []
    for name in ("services", "brokers", "spark_progress", "books"):
        monkeypatch.setattr(instashop_watch, name, lambda name=name: looked.append(name) or f"what {name} says")
    returned = dags[dag].get_task(task).python_callable()
    assert looked == [look]
    assert returned == ("what books says" if look == "books" else None)


def test_the_platform_is_watched_each_minute_and_the_books_are_balanced_every_five(dags):
    watch, books = dags["watch_platform"], dags["balance_books"]
    assert (watch.timetable.expression, books.timetable.expression) == ("* * * * *", "2-59/5 * * * *")
    assert set(watch.task_ids) == {"services", "brokers", "spark_progress", "dead_letters"}
    assert not any(task.downstream_task_ids for task in watch.tasks)
    assert watch.get_task("dead_letters").table == "dead_letters"
    assert books.task_ids == ["balance"]


def test_plugins_are_flat_files_named_instashop():
    assert all(path.parent == ROOT / "plugins" and path.name.startswith("instashop_") for path in PLUGINS)


LOAD_PLUGINS_THEN_CHANGE_A_SETTING = """
import importlib, sys
from pathlib import Path
home, *plugins = sys.argv[1:]
for plugin in plugins:
    importlib.import_module(plugin)
Path(home, ".env").write_text("INSTASHOP_AIRFLOW_HISTORY_DAYS=3")
from instashop.settings import load
print(load().airflow_history_days)
"""


def test_a_task_reads_the_settings_of_its_own_start_though_it_is_a_fork_of_what_loaded_the_plugins(tmp_path):
    paths = os.pathsep.join(str(ROOT / name) for name in ("include", "plugins"))
    environment = {k: v for k, v in os.environ.items() if not k.startswith("INSTASHOP_")} | {"PYTHONPATH": paths, "AIRFLOW_HOME": str(tmp_path)}
    command = [sys.executable, "-c", LOAD_PLUGINS_THEN_CHANGE_A_SETTING, str(tmp_path), *(path.stem for path in PLUGINS)]
    done = subprocess.run(command, env=environment | {"INSTASHOP_HOME": str(tmp_path)}, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1:] == ["3"], done.stderr


def test_the_dashboard_is_in_the_navigation(dags):
    from instashop_pages import InstaShopPages

    assert next(view["name"] for view in InstaShopPages.external_views if view["destination"] == "nav") == "Dashboard"


def test_a_server_that_does_not_answer_for_a_moment_is_no_fault(dags, monkeypatch):
    import instashop_watch
    from instashop.errors import RedisUnreachable

    seen = iter([RedisUnreachable(address="redis", cause="gone")])

    def look(_settings) -> list[str]:
        for error in seen:
            raise error
        return []

    monkeypatch.setattr(instashop_watch.threading.Event, "wait", lambda _event, _seconds: True)
    instashop_watch._raise_what_stays(look)
    monkeypatch.setattr(instashop_watch, "PATIENCE_SECONDS", 0.0)
    seen = iter([RedisUnreachable(address="redis", cause="gone")])
    with pytest.raises(instashop_watch.PlatformFault, match="gone"):
        instashop_watch._raise_what_stays(look)


def test_a_service_that_ends_again_and_again_is_a_fault_also_while_it_lives_for_a_moment(dags, monkeypatch, tmp_path):
    import instashop_watch
    from instashop.control.supervision import Finding

    ends = Finding("producer", "does not run; look at its log")
    looks = iter([ends, None, None])
    monkeypatch.setattr(instashop_watch.beats, "SERVICES", ("producer",))
    monkeypatch.setattr(instashop_watch.supervision, "finding", lambda *_: next(looks))
    monkeypatch.setattr(instashop_watch.supervision, "find", lambda *_: None)
    settings, suspected, works = SimpleNamespace(run_dir=tmp_path, beat_stale_seconds=60), {}, False
    monkeypatch.setattr(instashop_watch.supervision, "is_as_wanted", lambda *_: works)
    assert instashop_watch._service_faults(settings, suspected) == ["producer does not run; look at its log"]
    assert instashop_watch._service_faults(settings, suspected) == ["producer does not run; look at its log"]
    works = True
    assert instashop_watch._service_faults(settings, suspected) == []


def test_a_stale_batch_is_a_fault_only_while_events_arrive(dags):
    from datetime import UTC, datetime, timedelta

    from instashop_watch import spark_fault

    now = datetime(2026, 3, 1, tzinfo=UTC)
    fresh, old = now - timedelta(seconds=2), now - timedelta(seconds=300)
    assert spark_fault({"at": fresh.isoformat()}, fresh, now, 120) is None
    assert spark_fault({"at": old.isoformat()}, old, now, 120) is None
    assert "300 s old" in (spark_fault({"at": old.isoformat()}, fresh, now, 120) or "")
    assert "not finished" in (spark_fault(None, fresh, now, 120) or "")
    for dropped_at, told in ((old, True), (now - timedelta(hours=2), False)):
        progress = {"at": fresh.isoformat(), "dropped_by_watermark": 3, "dropped_at": dropped_at.isoformat()}
        assert ("dropped 3" in (spark_fault(progress, old, now, 120) or "")) is told
