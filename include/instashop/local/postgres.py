"""The three Postgres servers: their data folders, roles and databases."""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from psycopg.sql import Literal

from instashop.local import passwords
from instashop.local.failures import InitFailed, NotReady
from instashop.settings import Settings, socket_file

ACCOUNT = "postgres"
_SOCKET_BYTES = 103
"""How long the path of a Unix socket may be on every system."""
_PLACES = ("/usr/lib/postgresql", "/usr/pgsql", "/opt/homebrew/opt")


@dataclass(frozen=True)
class Cluster:
    """One server: its name, folder, port and databases."""

    name: str
    data: Path
    port: int
    port_setting: str
    databases: tuple[str, ...]
    buffers_mb: int
    host: str
    addresses: tuple[str, ...]  # The settings that lead to it.
    has_feed: bool = False

    def argv(self) -> tuple[str, ...]:
        """Return the command of the server; it listens on one address, and on a socket in its data folder if the path may name one."""
        socket = os.fsencode(socket_file(self.data, self.port))
        named = len(socket) <= _SOCKET_BYTES and b"," not in socket  # A comma would part two folders.
        options = {
            "listen_addresses": self.host,
            "port": self.port,
            "unix_socket_directories": self.data if named else "",
            "shared_buffers": f"{self.buffers_mb}MB",
            "max_wal_size": "1GB",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "logging_collector": "off",
            "log_checkpoints": "off",
            "max_locks_per_transaction": "512",  # A query over all days locks three things of each: the table and its two indexes.
            "jit": "off",  # To compile a statement for each of many partitions takes longer than the statement.
        }
        settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        return (self.binary("postgres"), "-D", str(self.data), *settings)

    def version(self) -> str | None:
        """Return the major version that made the data, or None before there are any."""
        file = self.data / "PG_VERSION"
        return file.read_text(encoding="ascii").strip() if file.exists() else None

    def binary(self, name: str) -> str:
        """Return the path of one of Postgres' programs: of the version that made the data, if it is installed."""
        return binary(name, self.version())


def clusters(settings: Settings) -> tuple[Cluster, ...]:
    """Return the servers that this machine runs, of these three: the shop's, the warehouse's and Airflow's own."""
    host, s = settings.host, settings
    shops = ("shop_dsn", "shop_feed_dsn", "crm_dsn", "crm_feed_dsn")
    mb = s.postgres_buffers_mb
    rows = (
        Cluster("postgres-shop", s.postgres_data("shop_dsn"), s.shop_port, "shop_port", ("instashop", "crm_db"), mb // 2, host, shops, has_feed=True),
        Cluster("postgres-warehouse", s.postgres_data("warehouse_dsn"), s.warehouse_port, "warehouse_port", ("dwh_db",), mb, host, ("warehouse_dsn",)),
        Cluster("postgres-airflow", s.postgres_data("airflow_dsn"), s.airflow_db_port, "airflow_db_port", ("airflow",), mb // 4, host, ("airflow_dsn",)),
    )
    return tuple(cluster for cluster in rows if settings.runs_here(*cluster.addresses))


def who_may_connect(host: str) -> str:
    """Return pg_hba.conf: a platform on loopback serves this machine, one on another address everybody; all need a password."""
    return f"local all all scram-sha-256\nhost all all {'samehost' if host.startswith('127.') else 'all'} scram-sha-256\n"


def account() -> str | None:
    """Return the user who has to run the servers: Postgres refuses root."""
    return ACCOUNT if os.geteuid() == 0 else None


def binary(name: str, version: str | None = None) -> str:
    """Return the path of one of Postgres' programs: of this major version if it is installed, else of the newest that is."""
    found = {"".join(filter(str.isdigit, path.parts[-3])): path for place in _PLACES for path in Path(place).glob(f"*/bin/{name}")}
    if version in found:
        return str(found[version])
    newest = max(found, key=lambda number: int(number or 0), default=None)
    return str(found[newest]) if newest is not None else shutil.which(name) or f"/usr/bin/{name}"


def unreachable_folder(home: Path) -> Path | None:
    """Return the folder above the data that the server's user may not pass, or None."""
    user = account()
    if user is None:
        return None
    entry = pwd.getpwnam(user)
    groups = set(os.getgrouplist(user, entry.pw_gid))
    for folder in reversed([home / "data", *(home / "data").parents]):
        if folder.exists():
            info = folder.stat()
            bit = 0o100 if info.st_uid == entry.pw_uid else 0o010 if info.st_gid in groups else 0o001
            if not info.st_mode & bit:
                return folder
    return None


def _as_account(argv: list[str], text: str | None = None) -> subprocess.CompletedProcess[str]:
    user = account()
    extra = {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": os.getgrouplist(user, pwd.getpwnam(user).pw_gid)} if user else {}
    return subprocess.run(argv, input=text, capture_output=True, text=True, cwd="/", timeout=120, check=False, env={"LC_ALL": "C.UTF-8", "TZ": "UTC"}, **extra)  # type: ignore[call-overload, no-any-return]


def statements(cluster: Cluster, settings: Settings) -> list[str]:
    """Return what makes roles and databases right, whatever is there; for single-user mode, one statement a line."""
    roles = {"instashop": settings.postgres_password} | ({"feed": settings.feed_password} if cluster.has_feed else {})
    superuser = passwords.read(settings).get(passwords.SUPERUSER, "")
    lines = [f"ALTER ROLE postgres PASSWORD {Literal(superuser).as_string()};"] if superuser else []
    for role, password in roles.items():
        lines.append(f"DO $$BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN CREATE ROLE {role} LOGIN; END IF; END$$;")
        lines.append(f"ALTER ROLE {role} LOGIN NOSUPERUSER PASSWORD {Literal(password).as_string()};")
    if cluster.has_feed:
        lines.append("ALTER ROLE feed SET idle_in_transaction_session_timeout = '60s';")
        lines.append("ALTER ROLE instashop SET idle_in_transaction_session_timeout = '300s';")  # A forgotten transaction holds the horizon.
    lines.append("GRANT pg_monitor TO instashop;")
    return lines


def setup_problem(result: subprocess.CompletedProcess[str]) -> str | None:
    """Return what single-user mode complained about, or None; it goes on after an error and exits 0."""
    bad = [line for line in (result.stdout + result.stderr).splitlines() if any(word in line for word in ("ERROR:", "FATAL:", "PANIC:"))]
    return "\n".join(bad) or (f"it ended with {result.returncode}" if result.returncode else None)


def _single_user(cluster: Cluster, data: Path, lines: list[str]) -> None:
    result = _as_account([cluster.binary("postgres"), "--single", "-D", str(data), "-c", "exit_on_error=on", "postgres"], "\n".join(lines) + "\n")
    problem = setup_problem(result)
    if problem:
        raise InitFailed(what=cluster.name, lines=problem, cure=f"read the lines; the folder is {data}.")


def _stamp(cluster: Cluster, settings: Settings) -> str:
    """Return a fingerprint of the roles, salted by what only the owner can read anyway."""
    return hashlib.sha256("\n".join(statements(cluster, settings)).encode()).hexdigest()


def has_its_roles(cluster: Cluster, settings: Settings) -> bool:
    """Return whether the roles have the present passwords."""
    stamp_file = _stamp_file(cluster, settings)
    return stamp_file.exists() and stamp_file.read_text() == _stamp(cluster, settings)


def _stamp_file(cluster: Cluster, settings: Settings) -> Path:
    return settings.home / "data" / f"{cluster.data.name}.roles"


def initialise(cluster: Cluster, settings: Settings) -> bool:
    """Make the data folder, roles and databases of a server that is not running; return whether something was made.

    A folder comes into its place only when it is complete, so an interrupted start is simply repeated. When the passwords
    have been made anew, the roles get them.

    Raises:
        InitFailed: Postgres complained; its lines are in the message.
    """
    stamp_file, stamp = _stamp_file(cluster, settings), _stamp(cluster, settings)
    if cluster.data.exists():
        _forget_the_dead(cluster.data)
        (cluster.data / "pg_hba.conf").write_text(who_may_connect(cluster.host), encoding="utf-8")
        if has_its_roles(cluster, settings):
            return False
        _single_user(cluster, cluster.data, statements(cluster, settings))
        stamp_file.write_text(stamp)
        return True
    draft = cluster.data.with_name(f"{cluster.data.name}.new")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True, mode=0o700)
    if user := account():
        shutil.chown(draft, user, user)
    made = _as_account(
        [binary("initdb"), "-D", str(draft), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync", "--no-instructions"]
    )
    if made.returncode:
        raise InitFailed(what=cluster.name, lines=(made.stdout + made.stderr).strip(), cure="PostgreSQL 15 or later is needed; see the lines above.")
    (draft / "pg_hba.conf").write_text(who_may_connect(cluster.host), encoding="utf-8")
    databases = [f"CREATE DATABASE {name} OWNER instashop;" for name in cluster.databases]
    _single_user(cluster, draft, [*statements(cluster, settings), *databases])
    draft.rename(cluster.data)
    stamp_file.write_text(stamp)
    return True


def _forget_the_dead(data: Path) -> None:
    """Remove the pid file of a server that is gone if somebody else has its pid by now, or a power cut has emptied it: Postgres would take the one for that server, and refuse the other."""
    file = data / "postmaster.pid"
    try:
        pid = file.read_text(encoding="ascii").partition("\n")[0].strip("-\0")  # With a minus it is of single-user mode.
        if not pid or not os.path.samefile(f"/proc/{pid}/cwd", data):
            file.unlink()
    except (FileNotFoundError, PermissionError):
        return  # There is none, or its pid is nobody's or another user's, which Postgres itself takes for gone.


def check_version(settings: Settings) -> None:
    """Refuse to start servers whose data another major version has made.

    Raises:
        NotReady: the data folder and the installed Postgres do not fit.
    """
    for cluster in clusters(settings):
        own, version = cluster.binary("postgres"), cluster.version()
        if version is not None and version not in _version(own):
            problem = f"{cluster.data} was made by PostgreSQL {version}, but {own} is {_version(own)}; install PostgreSQL {version} beside it"
            raise NotReady(problems=f"{problem}, or `./instashop reset`, which deletes all data.")


def _version(own: str) -> str:
    return subprocess.run([own, "--version"], capture_output=True, text=True, check=True).stdout.strip()
