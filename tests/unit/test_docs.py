"""The docs name everything there is, and nothing there is not; no server is needed."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path

import pytest
import typer.main
from kafka.cli.admin import main_parser

from instashop import errors, java, live, metrics
from instashop.cli import app
from instashop.control.beats import SERVICES
from instashop.control.books.round import _STAGES as STAGES
from instashop.events import Reason
from instashop.local import passwords, servers
from instashop.settings import Settings
from instashop.streams import CURSORS, STREAMS
from instashop.transport.loop import FINAL

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
PAGES = sorted((ROOT / "docs").rglob("*.md"))
RUNNING = (ROOT / "docs" / "running.md").read_text(encoding="utf-8")
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
EXAMPLE = (ROOT / ".env.example").read_text(encoding="utf-8")
COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]
DAGS = sorted(path.stem for path in (ROOT / "dags").glob("*.py"))
ELSEWHERE = {"INSTASHOP_PYTHON", "INSTASHOP_TEST_HOME", "INSTASHOP_POSTGRES_SUPERUSER_PASSWORD", "CHROMIUM"}  # Read by the door, `test`, a drill and `bench`.


@pytest.fixture
def plain_settings(monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The settings of somebody who has set nothing."""
    for field in Settings.model_fields:
        monkeypatch.delenv(f"INSTASHOP_{field.upper()}", raising=False)
    return Settings(_env_file=None)  # type: ignore[call-arg]


def unnamed(names: object, text: str) -> list[str]:
    """Return the names that do not stand as code in a text."""
    return [name for name in names if f"`{name}`" not in text]  # type: ignore[attr-defined]


def test_architecture_names_every_stream_and_topic() -> None:
    assert not unnamed([*(stream.name for stream in STREAMS), CURSORS], ARCHITECTURE)


def test_architecture_tells_of_each_stream_what_the_code_says() -> None:
    for stream in STREAMS:
        row = next(line for line in ARCHITECTURE.splitlines() if line.startswith(f"| `{stream.name}` |"))
        _, _, begins, key, cents, is_live, kept, _ = (cell.strip() for cell in row.split("|"))
        assert (stream.database or "the enricher") in begins, stream.name
        assert key == f"`{stream.key}`", stream.name
        assert cents == (f"`{stream.cents}`" if stream.cents else "–"), stream.name
        assert is_live == ("yes" if stream.live else "no"), stream.name
        assert kept.startswith("compacted") == stream.compacted, stream.name


def test_architecture_names_every_measure() -> None:
    assert not unnamed(metrics.MEASURES, ARCHITECTURE)


def test_architecture_names_every_reason_for_a_refusal() -> None:
    assert not unnamed([reason.value for reason in Reason], ARCHITECTURE)


def test_architecture_names_every_key_in_redis() -> None:
    assert not unnamed(
        [metrics.PROGRESS_KEY, metrics.FILLED_KEY, metrics.WRITER_KEY, metrics.PLATFORM_KEY, metrics.WRITTEN_FIELD, "window:{unix start}", "beat:NAME"],
        ARCHITECTURE,
    )


def test_architecture_names_every_table_of_the_warehouse() -> None:
    texts = [path.read_text(encoding="utf-8") for path in sorted((ROOT / "include" / "sql" / "warehouse").glob("*.sql"))]
    made = [found for text in texts for found in re.findall(r"CREATE (?:TABLE IF NOT EXISTS|OR REPLACE VIEW) ([\w.]+)", text)]
    assert made
    assert not unnamed(made, ARCHITECTURE)


def test_running_names_every_service_and_server(plain_settings: Settings) -> None:
    assert not unnamed([*SERVICES, *servers.table(plain_settings)], RUNNING)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_running_names_every_command(name: str) -> None:
    row = re.search(rf"^\| `{re.escape(name)}( [A-Z|a-z ]+)?` \|.*$", RUNNING, re.MULTILINE)
    assert row, f"{name} has no row in the table of commands"
    options = [name for p in COMMANDS[name].params for name in p.opts if p.param_type_name == "option" and name.startswith("--") and name != "--help"]
    assert not [option for option in options if f"`{option}`" not in row[0]], row[0]


def test_docs_name_no_command_that_is_not_there() -> None:
    named = {(path.name, word) for path in [README, *PAGES] for word in re.findall(r"\./instashop ([a-z][a-z-]*)", path.read_text(encoding="utf-8"))}
    named |= {("running.md", word) for word in re.findall(r"^\| `([a-z-]+)(?: [A-Z]+)?` \| [A-Z]", RUNNING.split("## Addresses")[0], re.MULTILINE)}
    assert not {(page, word) for page, word in named if word not in COMMANDS}


@pytest.mark.parametrize("dag", DAGS)
def test_running_says_what_to_do_when_a_dag_is_red(dag: str) -> None:
    assert f"`{dag}`" in RUNNING
    assert any(dag in line for line in RUNNING.splitlines() if line.startswith("### "))


@pytest.mark.parametrize("dag", DAGS)
def test_every_dag_has_its_own_page(dag: str) -> None:
    text = (ROOT / "dags" / f"{dag}.py").read_text(encoding="utf-8")
    assert "\nWhen red:\n" in (ast.get_docstring(ast.parse(text)) or "")
    assert "doc_md=__doc__" in text


def test_running_says_what_to_do_when_the_books_differ_at_a_stage() -> None:
    lines = RUNNING.split("### balance_books")[1].split("### ")[0].splitlines()
    assert not unnamed(STAGES, "\n".join(line.split(" | ")[0] for line in lines if line.startswith("| ")))


def test_running_says_what_to_do_when_a_check_is_red() -> None:
    assert not unnamed([path.stem for path in (ROOT / "include" / "sql" / "checks").glob("*.sql")], RUNNING)


def test_docs_name_no_dag_that_is_not_there() -> None:
    prefixes = ("run_", "prepare_", "control_service", "watch_", "balance_", "build_", "tidy_", "replay_", "backfill_")
    named = {(path.name, word) for path in [README, *PAGES] for word in re.findall(r"`([a-z]+_[a-z_]+)`", path.read_text(encoding="utf-8"))}
    assert not {(page, word) for page, word in named if word.startswith(prefixes) and word not in DAGS}


@pytest.mark.parametrize("field", list(Settings.model_fields))
def test_running_and_the_example_name_every_setting_with_its_default(field: str) -> None:
    variable, default = f"INSTASHOP_{field.upper()}", Settings.model_fields[field].default
    row = re.search(rf"^\| `{variable}` \| (.+?) \| .+ \|$", RUNNING, re.MULTILINE)
    line = re.search(rf"^# {variable}=(.*)$", EXAMPLE, re.MULTILINE)
    assert row, f"{variable} is not in the settings of docs/running.md"
    assert line, f"{variable} is not in .env.example"
    shown = ".local" if field == "home" else str(default)
    assert row[1] == (f"`{shown}`" if shown else made_of(field))
    assert line[1] == shown


def made_of(field: str) -> str:
    """Return in words what a setting is that nobody has set."""
    made = {name.removeprefix("INSTASHOP_").lower() for name in passwords._fresh()}
    filled = Settings(_env_file=None, host="here.example", **{name: "secret" for name in made if name in Settings.model_fields})  # type: ignore[call-arg,arg-type]
    value = getattr(filled, field)
    if field in made:
        return "made at the first start"
    if "secret" in value:
        return "from host, port and password"
    return {"": "none", "here.example": "the host"}.get(value, "from host and port")


def test_running_names_the_variables_that_are_no_settings() -> None:
    assert not unnamed(sorted(ELSEWHERE), RUNNING)


def test_docs_name_no_setting_that_is_not_there() -> None:
    real = {f"INSTASHOP_{field.upper()}" for field in Settings.model_fields} | ELSEWHERE
    texts = {path.name: path.read_text(encoding="utf-8") for path in [README, *PAGES, ROOT / ".env.example"]}
    assert not {(page, name) for page, text in texts.items() for name in re.findall(r"INSTASHOP_[A-Z_]*[A-Z]", text) if name not in real}


def test_the_errors_that_docs_name_are_there_and_those_that_name_docs_are_in_them() -> None:
    real = {name for name, error in vars(errors).items() if isinstance(error, type) and issubclass(error, errors.InstaShopError)}
    named = set(re.findall(r"^\| `([A-Z][a-z]\w+)` \|", RUNNING, re.MULTILINE))
    assert named <= real
    assert not unnamed([name for name in real if "docs/running.md" in (vars(errors)[name].__doc__ or "")], RUNNING)


def test_docs_name_every_error_that_ends_a_service() -> None:
    names = [error.__name__ for error in FINAL]
    assert not unnamed(names, ARCHITECTURE)
    assert not unnamed(names, RUNNING)


def test_the_commands_for_kafka_are_those_of_the_installed_client() -> None:
    lines = [line for line in RUNNING.splitlines() if line.startswith(".venv/bin/python -m kafka.admin ")]
    for line in lines:
        main_parser().parse_args(shlex.split(line)[3:])
    assert len(lines) == 4
    told = {path.name: path.read_text(encoding="utf-8") for path in [README, *PAGES, ROOT / "include" / "instashop" / "errors.py"]}
    assert not [(page, word) for page, text in told.items() for word in re.findall(r"kafka-[a-z-]+\.sh", text)], "No installation has Kafka's own scripts."


def test_every_link_leads_somewhere() -> None:
    broken = []
    for page in [README, ROOT / "CHANGELOG.md", *PAGES]:
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            if not target.startswith(("http:", "https:")) and not (page.parent / target).exists():
                broken.append(f"{page.relative_to(ROOT)} → {target}")
    assert not broken


def test_every_decision_is_listed_and_says_what_it_costs() -> None:
    listed = (ROOT / "docs" / "decisions" / "README.md").read_text(encoding="utf-8")
    for page in sorted((ROOT / "docs" / "decisions").glob("0*.md")):
        text = page.read_text(encoding="utf-8").lower()
        assert page.name in listed
        assert [words for words in ("we decided", "because", "we looked at", "it costs us") if words not in text] == [], page.name


def test_the_line_that_submits_by_hand_is_airflows_in_short(plain_settings: Settings) -> None:
    line = next(line for line in README.read_text(encoding="utf-8").splitlines() if "spark-submit" in line and "--master" in line)
    words = shlex.split(line)
    command, environment = live.submit_command(plain_settings), live.submit_environment(plain_settings)
    assert words[words.index("--master") + 1] == command[command.index("--master") + 1]
    assert str(ROOT / words[-1]) == command[-1]
    folder = java.jars("spark").relative_to(Path.home())
    assert words[words.index("--jars") + 1] == f"$(echo ~/{folder}/*.jar | tr ' ' ',')"
    given = dict(word.split("=", 1) for word in words if re.match(r"[A-Z_]+=", word))
    assert given["SPARK_LOCAL_IP"] == environment["SPARK_LOCAL_IP"]
    assert given["PYSPARK_PYTHON"] == "$PWD/.venv/bin/python"


def test_readme_is_one_screen_with_the_two_commands_and_addresses(plain_settings: Settings) -> None:
    text = README.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 70
    for port in (plain_settings.dashboard_port, plain_settings.airflow_port):
        assert f"http://127.0.0.1:{port}" in text
    assert "./instashop up" in text
    assert "./instashop test" in text
