"""The arrows between folders point one way, and what may be done only in one place is done only there."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "include" / "instashop"
PLUGINS = {path.stem for path in (ROOT / "plugins").glob("*.py")}
OURS = {"dags", "plugins", "instashop", "spark_jobs", "dashboard", "tests"}
FOLDERS = {"dags": ROOT / "dags", "plugins": ROOT / "plugins", "instashop": PACKAGE, "spark_jobs": ROOT / "spark_jobs", "dashboard": ROOT / "dashboard"}
MAY_IMPORT = {
    "dags": {"plugins", "instashop"},
    "plugins": {"plugins", "instashop"},
    "spark_jobs": {"spark_jobs", "instashop"},
    "dashboard": {"dashboard", "instashop"},
    "instashop": {"instashop"},
}
STRANGERS = {
    "instashop": {"airflow", "pyspark", "dash", "plotly", "dash_mantine_components", "pandas"},
    "spark_jobs": {"airflow", "dash", "plotly"},
    "dashboard": {"airflow", "pyspark"},
    "dags": {"pyspark", "dash", "psycopg", "confluent_kafka", "kafka", "redis"},
    "plugins": {"pyspark", "dash"},
}
CLIENTS = {
    "psycopg.connect",
    "psycopg.Connection.connect",
    "psycopg.AsyncConnection.connect",
    "confluent_kafka.Consumer",
    "confluent_kafka.Producer",
    "confluent_kafka.admin.AdminClient",
    "kafka.KafkaConsumer",
    "kafka.KafkaProducer",
    "kafka.KafkaAdminClient",
    "redis.Redis",
    "redis.Redis.from_url",
    "redis.from_url",
    "redis.asyncio.Redis",
    "redis.asyncio.Redis.from_url",
    "redis.asyncio.from_url",
}
HANDS_THE_ENVIRONMENT_ON = {
    ("include/instashop/live.py", "submit_environment"),
    ("include/instashop/java.py", "command"),  # JAVA_HOME is Java's own word, not a setting of ours.
    ("plugins/instashop_services.py", "environment"),  # To the service's process, without Airflow's part; no setting is read.
}


def files(folder: str) -> list[Path]:
    return sorted(FOLDERS[folder].rglob("*.py"))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imported(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Yield every imported module with its line; a relative import begins with a dot."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            yield module, node.lineno
            if node.module and not node.level:
                yield from ((f"{module}.{alias.name}", node.lineno) for alias in node.names)


def folder_of(module: str) -> str | None:
    """Return which of our folders a module belongs to, or None for a library."""
    top = module.split(".")[0]
    return "plugins" if top in PLUGINS else top if top in OURS else None


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


@pytest.mark.parametrize("folder", MAY_IMPORT)
def test_imports_point_one_way(folder: str) -> None:
    strangers = {
        f"{name_of(path)}:{line} imports {module}"
        for path in files(folder)
        for module, line in imported(parsed(path))
        if (found := folder_of(module)) is not None and found not in MAY_IMPORT[folder]
    }
    assert not strangers


@pytest.mark.parametrize("folder", STRANGERS)
def test_no_folder_imports_a_framework_that_is_not_its_own(folder: str) -> None:
    strangers = {
        f"{name_of(path)}:{line} imports {module}"
        for path in files(folder)
        for module, line in imported(parsed(path))
        if module.split(".")[0] in STRANGERS[folder] and (name_of(path), module) != ("include/instashop/live.py", "pyspark")
    }
    assert not strangers


def test_the_package_looks_for_spark_only_when_it_is_asked_to() -> None:
    at_import = {module for node in parsed(PACKAGE / "live.py").body for module, _line in imported(node) if not isinstance(node, ast.FunctionDef)}
    assert not {module for module in at_import if module.startswith("pyspark")}


def at_import(node: ast.AST) -> Iterator[tuple[str, int]]:
    """Yield what a module imports while it is being imported itself: not inside functions, not for type checks."""
    for child in ast.iter_child_nodes(node):
        typing_only = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test)
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield from imported(ast.Module([child], []))
        elif not typing_only and not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from at_import(child)


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")


def test_no_two_modules_of_the_package_import_each_other() -> None:
    modules = {module_of(path): path for path in files("instashop")}
    needs = {name: {m for m, _line in at_import(parsed(path)) if m in modules} - {name} for name, path in modules.items()}
    left = dict(needs)
    while free := [name for name, wanted in left.items() if not wanted & left.keys()]:
        for name in free:
            del left[name]
    assert not left, f"these import each other in a circle: {sorted(left)}"


def test_the_words_know_nothing_of_those_who_use_them() -> None:
    words = [PACKAGE / f"{name}.py" for name in ("events", "streams", "metrics", "settings", "errors", "connect", "sql")]
    parts = ("instashop.shop", "instashop.transport", "instashop.control", "instashop.local", "instashop.cli", "instashop.live")
    strangers = {f"{name_of(path)}:{line} imports {module}" for path in words for module, line in imported(parsed(path)) if module.startswith(parts)}
    assert not strangers


def test_only_the_door_knows_this_machine() -> None:
    """`local` runs the servers; what moves and checks facts works with servers of others, too."""
    strangers = {
        f"{name_of(path)}:{line} imports {module}"
        for part in ("shop", "transport")
        for path in sorted((PACKAGE / part).rglob("*.py"))
        for module, line in imported(parsed(path))
        if module.startswith("instashop.local")
    }
    assert not strangers


def uses_of_the_environment(path: Path) -> Iterator[tuple[str, int]]:
    """Yield the function and line of each use of os.environ or os.getenv."""

    def walk(node: ast.AST, function: str) -> Iterator[tuple[str, int]]:
        for child in ast.iter_child_nodes(node):
            inside = child.name if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) else function
            through_os = isinstance(child, ast.Attribute) and child.attr in ("environ", "environb", "getenv", "putenv")
            by_name = isinstance(child, ast.ImportFrom) and child.module == "os" and {a.name for a in child.names} & {"environ", "getenv"}
            if (through_os and isinstance(child.value, ast.Name) and child.value.id == "os") or by_name:
                yield inside, child.lineno
            yield from walk(child, inside)

    yield from walk(parsed(path), "the module")


def test_only_settings_reads_the_environment() -> None:
    allowed_files = {PACKAGE / "settings.py", *(PACKAGE / "local").rglob("*.py")}
    strangers = {
        f"{name_of(path)}:{line} in {function}"
        for folder in FOLDERS
        for path in files(folder)
        if path not in allowed_files
        for function, line in uses_of_the_environment(path)
        if (name_of(path), function) not in HANDS_THE_ENVIRONMENT_ON
    }
    assert not strangers


def calls(path: Path) -> Iterator[tuple[str, int]]:
    """Yield every call by its full name, resolved through the file's imports, with its line."""
    tree, known = parsed(path), {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            known |= {alias.asname or alias.name.split(".")[0]: alias.name if alias.asname else alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            known |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            head, _, rest = ast.unparse(node.func).partition(".")
            full = known.get(head)
            if full is not None:
                yield f"{full}.{rest}" if rest else full, node.lineno


def test_only_connect_builds_clients() -> None:
    strangers = {
        f"{name_of(path)}:{line} calls {call}"
        for folder in FOLDERS
        for path in files(folder)
        if path != PACKAGE / "connect.py"
        for call, line in calls(path)
        if call in CLIENTS
    }
    assert not strangers


def test_every_statement_says_first_why_it_exists() -> None:
    silent = [name_of(path) for path in (ROOT / "include").rglob("*.sql") if not path.read_text(encoding="utf-8").startswith("-- ")]
    assert not silent


def test_every_module_says_first_what_it_is() -> None:
    silent = [name_of(path) for folder in FOLDERS for path in files(folder) if path.stat().st_size and not ast.get_docstring(parsed(path))]
    assert not silent


def test_a_dag_is_named_like_its_file() -> None:
    wrong = [path.name for path in files("dags") if f'dag_id="{path.stem}"' not in path.read_text(encoding="utf-8")]
    assert not wrong


def test_no_module_is_named_like_a_library() -> None:
    """Airflow puts the files of plugins/ under their bare names among all modules."""
    wrong = [path.name for path in (ROOT / "plugins").rglob("*.py") if not path.stem.startswith("instashop_") or path.parent != ROOT / "plugins"]
    wrong += [name_of(path) for folder in ("dags", "spark_jobs") for path in files(folder) if path.stem in sys.stdlib_module_names]
    assert not wrong
