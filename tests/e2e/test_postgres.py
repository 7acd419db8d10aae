"""Storage in PostgreSQL, as an operator meets it: the commands, the roles, and the real Taskwarrior."""

import json
import subprocess
import threading

import admin
import pytest
import server as server_module
import wire
from support import run_bounded, wait_until

CLIENT_ID = "5c9d1f64-6f3e-4f0e-8a55-0b0d5f0c7c11"
PASSWORD = "SeCreT"
TIMEOUT_S = 30
GRANTS = """
    GRANT USAGE ON SCHEMA tcsync TO {role};
    GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA tcsync TO {role};
"""


@pytest.fixture
def database(new_database, tmp_path):
    """A database with tables."""
    made = new_database()
    admin.succeed(tmp_path, "storage", "upgrade", **made.variables)
    return made


@pytest.fixture
def role(postgres_cluster):
    """A role without any rights."""
    postgres_cluster.run("postgres", "CREATE ROLE tcsync_server LOGIN")
    yield "tcsync_server"
    postgres_cluster.run("postgres", "DROP ROLE tcsync_server")


@pytest.fixture
def start_on(start_server):
    """Starts a server on a database."""

    def start(database, *flags, role="postgres", **options):
        return start_server(*flags, env=database.variables_of(role), **options)

    return start


def start_refusal(tmp_path, variables):
    """The line with which a server refuses to start."""
    return admin.refusal(tmp_path, "serve", "--listen", "127.0.0.1:0", **variables).split(" ", 1)[1]


def give_rights(database, role):
    database.run(GRANTS.format(role=role))


def take_rights(database, role):
    database.run(f"DROP OWNED BY {role}")


class TestTables:
    def test_upgrade_makes_them_and_can_be_repeated(self, new_database, tmp_path):
        """If this fails, an operator cannot make the tables, or does not see that a server can start."""
        database = new_database()
        problem = admin.refusal(tmp_path, "storage", "check", **database.variables)
        assert "the database has no tables of tcsync: run 'tcsync-server storage upgrade'" in problem
        assert problem.split(": ", 1)[1] == start_refusal(tmp_path, database.variables)
        assert database.run("SELECT count(*) FROM pg_namespace WHERE nspname = 'tcsync'") == "0"

        first = admin.succeed(tmp_path, "storage", "upgrade", **database.variables)
        assert "the tables were made" in first and "version 2, that of this release" in first
        again = admin.succeed(tmp_path, "storage", "upgrade", **database.variables)
        assert "nothing was left to do" in again
        checked = admin.succeed(tmp_path, "storage", "check", **database.variables)
        assert "can start with these options" in checked
        assert "role                   postgres" in checked
        # The cluster of the tests takes no care of its data.
        assert "fsync=off" in checked and "full_page_writes=off" in checked and "no checksums" in checked

    def test_json(self, new_database, tmp_path):
        """If this fails, a program cannot tell the state of a database."""
        database = new_database()
        before = admin.run(tmp_path, "storage", "check", "--json", **database.variables)
        assert before.returncode == 1
        state = json.loads(before.stdout)
        assert (state["tables"], state["tables_version"], state["release_tables_version"]) == ("none", 0, 2)
        assert "storage upgrade" in state["problem"]
        made = json.loads(admin.succeed(tmp_path, "storage", "upgrade", "--json", **database.variables))
        assert (made["tables_before"], made["tables"], made["problem"]) == ("none", "current", None)
        state = json.loads(admin.succeed(tmp_path, "storage", "check", "--json", **database.variables))
        assert (state["tables"], state["role"], state["problem"]) == ("current", "postgres", None)
        assert len(state["warnings"]) == 3

    def test_several_upgrades_at_once(self, new_database, tmp_path):
        """If this fails, two operators, or the hosts of a cluster, damage the tables or each other's start."""
        database = new_database()
        commands = [
            subprocess.Popen(
                admin.command_line(tmp_path, "storage", "upgrade"),
                env=server_module.environment(**database.variables),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for _ in range(8)
        ]
        for command in commands:
            stdout, stderr = command.communicate(timeout=admin.COMMAND_TIMEOUT_S)
            assert (command.returncode, stderr) == (0, ""), stdout
        assert database.run("SELECT count(*), sum(clients) FROM tcsync.usage") == "16|0"
        admin.succeed(tmp_path, "storage", "check", **database.variables)

    def test_tables_of_a_newer_release(self, database, tmp_path):
        """If this fails, an old server works on tables that it does not know, or an upgrade sets them back."""
        database.run("UPDATE tcsync.settings SET value = '7' WHERE name = 'schema_version'")
        for command in (("storage", "check"), ("storage", "upgrade")):
            problem = admin.refusal(tmp_path, *command, **database.variables)
            assert "tables of version 7, and this release knows versions up to 2" in problem
        assert database.run("SELECT value FROM tcsync.settings WHERE name = 'schema_version'") == r"\x37"

    def test_tables_of_an_older_release(self, database, tmp_path):
        """If this fails, an upgrade of the server needs a new database, or a server starts and then fails."""
        database.run("DROP TABLE tcsync.client_devices")
        database.run("UPDATE tcsync.settings SET value = '1' WHERE name = 'schema_version'")
        problem = admin.refusal(tmp_path, "storage", "check", **database.variables)
        assert "has tables of version 1, and this release uses 2: run 'tcsync-server storage upgrade'" in problem
        assert problem.split(": ", 1)[1] == start_refusal(tmp_path, database.variables)
        assert "from version 1" in admin.succeed(tmp_path, "storage", "upgrade", **database.variables)
        admin.succeed(tmp_path, "storage", "check", **database.variables)
        assert database.run("SELECT count(*) FROM tcsync.client_devices") == "0"

    def test_another_storage_and_no_server(self, tmp_path):
        """If this fails, an operator who forgot an option is not told which."""
        for arguments in ((), ("--storage", "memory")):
            line = admin.refusal(tmp_path, "storage", "upgrade", *arguments, status=2)
            assert "--storage postgres and --postgres-url" in line and "TCSYNC_POSTGRES_URL" in line
        assert not (tmp_path / "FORMAT").exists()
        url = f"host={tmp_path} user=tcsync"
        line = admin.refusal(tmp_path, "storage", "check", "--storage", "postgres", "--postgres-url", url)
        assert "the PostgreSQL server cannot be used" in line


class TestRoles:
    def test_a_server_needs_few_rights(self, database, role, start_on, tmp_path):
        """If this fails, a server must run as a role that could drop the tables."""
        variables = database.variables_of(role)
        without = admin.refusal(tmp_path, "storage", "check", **variables)
        assert "the role tcsync_server may not use tcsync's tables" in without
        assert "GRANT USAGE ON SCHEMA tcsync TO tcsync_server" in without
        assert without.split(": ", 1)[1] == start_refusal(tmp_path, variables)

        give_rights(database, role)
        database.run("REVOKE DELETE ON tcsync.pieces, tcsync.versions FROM tcsync_server")
        assert "these of tcsync's tables: pieces, versions." in admin.refusal(tmp_path, "storage", "check", **variables)

        give_rights(database, role)
        admin.succeed(tmp_path, "storage", "check", **variables)
        server = start_on(database, role=role)
        version_ids = admin.add_chain(server.url, CLIENT_ID, 3)
        assert wire.add_snapshot(server.url, CLIENT_ID, version_ids[-1]).status == 200
        large = b"x" * 1_000_000  # comes in pieces
        assert wire.add_version(server.url, CLIENT_ID, version_ids[-1], large).status == 200
        assert wire.history(server.url, CLIENT_ID)[-1].segment == large
        assert wire.request(server.url, "GET", "/health").status == 200
        admin.succeed(server.data_dir, "clients", "ban", CLIENT_ID, **variables)
        admin.succeed(server.data_dir, "clients", "delete", CLIENT_ID, "--yes", **variables)
        server.stop()
        take_rights(database, role)

    def test_upgrade_needs_the_owner(self, new_database, role, tmp_path):
        """If this fails, an operator who takes the wrong role does not learn which is the right one."""
        line = admin.refusal(tmp_path, "storage", "upgrade", **new_database().variables_of(role))
        assert "the role tcsync_server may not make tcsync's tables; run this as the owner of the database" in line


class TestPassword:
    URL = f"postgresql://tcsync:{PASSWORD}@localhost:1/tcsync"

    @pytest.mark.parametrize("command", [("serve",), ("storage", "check"), ("options-in-force",)])
    def test_on_a_command_line(self, command, tmp_path):
        """If this fails, everyone on the machine can read the password of the database."""
        line = admin.refusal(tmp_path, *command, "--storage", "postgres", "--postgres-url", self.URL, status=2)
        assert "TCSYNC_POSTGRES_URL" in line and "PGPASSFILE" in line
        assert PASSWORD not in line

    def test_in_the_environment(self, tmp_path):
        """If this fails, the password is shown to every reader of a terminal or a log."""
        variables = {"TCSYNC_STORAGE": "postgres", "TCSYNC_POSTGRES_URL": self.URL}
        shown = admin.succeed(tmp_path, "options-in-force", **variables)
        assert "postgresql://tcsync:***@localhost:1/tcsync" in shown and PASSWORD not in shown
        line = admin.refusal(tmp_path, "storage", "check", **variables)
        assert "cannot be used" in line and PASSWORD not in line


class TestServing:
    def test_two_computers_and_a_restart(self, database, start_on, user, new_replica):
        """If this fails, people lose sync on a server over PostgreSQL."""
        server = start_on(database)
        first, second = new_replica(server.url, user), new_replica(server.url, user)
        milk = first.add("Buy milk", "project:Home", "+shop")
        first.sync()
        second.sync()
        assert second.export() == first.export()
        server.restart()
        second.task(milk, "modify", "Buy oat milk")
        bread = first.add("Buy bread")
        for replica in (second, first, second):
            replica.sync()
        assert set(first.export()) == {milk, bread}
        assert first.export()[milk]["description"] == "Buy oat milk"
        assert second.export() == first.export()

    def test_two_servers_over_one_database(self, database, start_on):
        """If this fails, a client that reaches another server finds another history."""
        first, second = start_on(database), start_on(database)
        parent = wire.NIL_VERSION
        for server in (first, second, first, second):
            answer = wire.add_version(server.url, CLIENT_ID, parent)
            assert answer.status == 200
            stale = wire.add_version((second if server is first else first).url, CLIENT_ID, parent)
            assert stale.status == 409
            assert stale.headers["X-Parent-Version-Id"] == answer.headers["X-Version-Id"]
            parent = answer.headers["X-Version-Id"]
        assert wire.history(first.url, CLIENT_ID) == wire.history(second.url, CLIENT_ID)

    def test_a_ban_reaches_the_other_server(self, database, start_on):
        """If this fails, a banned client goes on at the next server."""
        first, second = start_on(database), start_on(database)
        versions = admin.add_chain(first.url, CLIENT_ID, 1)
        admin.succeed(first.data_dir, "clients", "ban", CLIENT_ID, **database.variables)
        assert wire.get_child_version(first.url, CLIENT_ID, versions[0]).status == 403
        wait_until(
            lambda: wire.get_child_version(second.url, CLIENT_ID, versions[0]).status == 403,
            TIMEOUT_S,
            "the other server knows of the ban",
        )

    def test_racing_servers(self, database, start_on):
        """If this fails, one of two computers loses a change that its server has taken."""
        servers = [start_on(database), start_on(database)]
        taken = []

        def append(server):
            parent = wire.NIL_VERSION
            for _ in range(30):
                answer = wire.add_version(server.url, CLIENT_ID, parent)
                if answer.status == 200:
                    parent = answer.headers["X-Version-Id"]
                    taken.append(parent)
                else:
                    assert answer.status == 409
                    parent = answer.headers["X-Parent-Version-Id"]

        threads = [threading.Thread(target=append, args=(server,)) for server in servers * 2]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        history = wire.history(servers[0].url, CLIENT_ID)
        assert len(history) == len(taken) and {version.version_id for version in history} == set(taken)


class TestMove:
    def test_to_postgresql_and_back(self, start_server, database, start_on, tmp_path):
        """If this fails, replicas notice a move between the storages, or the way back is closed."""
        clients = admin.recorded_clients()
        old = start_server()
        source = tmp_path / "source.jsonl"
        source.write_text("".join(client.ndjson() for client in clients), encoding="utf-8")
        admin.succeed(old.data_dir, "clients", "import", source)
        large = admin.add_chain(old.url, CLIENT_ID, 3, segment=b"s" * 300_000)
        assert wire.add_snapshot(old.url, CLIENT_ID, large[1], b"t" * 400_000).status == 200
        # A replica ends its sync here; without any, an import assumes one at the oldest version.
        assert wire.get_child_version(old.url, CLIENT_ID, large[-1]).status == 404
        admin.succeed(old.data_dir, "clients", "ban", clients[0].client_id, "--reason", "Grüße 🎉")
        admin.succeed(old.data_dir, "invites", "create", "--label", "testers", "--uses", "7")
        exports = [tmp_path / f"export{number}.jsonl" for number in range(3)]
        admin.succeed(old.data_dir, "clients", "export", "--all", "--output", exports[0])

        # Without a server, and then with one.
        admin.succeed(tmp_path / "none", "clients", "import", exports[0], **database.variables)
        served = start_on(database)
        admin.succeed(served.data_dir, "clients", "export", "--all", "--output", exports[1], **database.variables)
        assert exports[1].read_bytes() == exports[0].read_bytes()
        back = start_server()
        admin.succeed(back.data_dir, "clients", "import", exports[1])
        admin.succeed(back.data_dir, "clients", "export", "--all", "--output", exports[2])
        assert exports[2].read_bytes() == exports[0].read_bytes()
        assert wire.history(served.url, CLIENT_ID) == wire.history(old.url, CLIENT_ID)
        assert wire.add_version(served.url, CLIENT_ID, large[-1]).status == 200


class TestOperating:
    """If these fail, an operator is told nonsense about a storage in PostgreSQL."""

    def test_commands(self, database, start_on):
        server = start_on(database)
        admin.add_chain(server.url, CLIENT_ID, 3)

        def run(*arguments):
            return admin.run(server.data_dir, *arguments, **database.variables)

        stats = run("stats")
        assert stats.returncode == 0 and "3, " in stats.stdout
        assert "0 B of 0 B free" not in stats.stdout
        verified = run("verify")
        assert (verified.returncode, verified.stderr) == (0, "")
        assert "1 client, 3 versions" in verified.stdout and "complete and intact" in verified.stdout
        for command, sentence in (
            (("backup", server.data_dir / "backups"), "pg_basebackup"),
            (("compact",), "autovacuum"),
        ):
            done = run(*command)
            assert done.returncode == 1 and sentence in done.stderr, done.stderr
        deleted = run("clients", "delete", CLIENT_ID, "--yes")
        assert deleted.returncode == 0 and "vacuum" in deleted.stdout
        assert run("prune", "--yes").returncode == 0

    def test_health_and_metrics(self, database, start_on):
        server = start_on(database, "--metrics-listen", "127.0.0.1:0")
        assert wire.request(server.url, "GET", "/health").status == 200
        admin.add_chain(server.url, CLIENT_ID, 3)
        metrics = wire.request(server.metrics_url, "GET", "/metrics").body.decode()
        assert "tcsync_disk_free_bytes" not in metrics
        assert "postgres_connections" in metrics
        assert "last_backup" not in metrics, "the alert of an old backup would fire for ever"

    def test_the_database_goes_and_comes_back(self, database, start_on):
        server = start_on(database, "--database-wait-max", "300")
        versions = admin.add_chain(server.url, CLIENT_ID, 1)
        admin_url = database.cluster.url("postgres")
        rename = f"ALTER DATABASE {database.name} RENAME TO {database.name}_away"
        end = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database.name}'"
        while True:  # until no connection of the server was made between the two
            done = run_bounded(
                ["psql", "--no-psqlrc", "--dbname", admin_url, "--command", end, "--command", rename], timeout_s=60
            )  # fmt: skip
            if done.returncode == 0:
                break
        refused = wire.add_version(server.url, CLIENT_ID, versions[-1])
        assert refused.status == 503 and refused.headers["Retry-After"]
        health = wire.request(server.url, "GET", "/health")
        assert health.status == 503 and b"the database cannot be reached, or takes no writes" in health.body
        database.cluster.run("postgres", f"ALTER DATABASE {database.name}_away RENAME TO {database.name}")
        append = ("add a version", lambda: wire.add_version(server.url, CLIENT_ID, versions[-1]))
        look = ("report its health", lambda: wire.request(server.url, "GET", "/health"))
        for what, send in (append, look):
            wait_until(lambda send=send: send().status == 200, TIMEOUT_S, f"the server can {what} again")
