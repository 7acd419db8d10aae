"""After an older backup was restored the real replicas are ahead of the server: the users' view, and the repair."""

import admin
from taskwarrior import User


def test_a_replica_ahead_of_the_restored_server_is_accepted(start_server, new_replica, tmp_path):
    """If this fails, restoring a backup ends sync for every user who synced since it was made."""
    server, user = start_server(), User()
    laptop, desktop = new_replica(server.url, user), new_replica(server.url, user)
    milk = laptop.add("Buy milk")
    laptop.sync()
    desktop.sync()
    admin.succeed(server.data_dir, "backup", tmp_path / "backups")
    bread = laptop.add("Buy bread")
    laptop.sync()
    desktop.sync()

    server.stop()
    admin.succeed(tmp_path / "restored", "restore", tmp_path / "backups", "--yes")
    restored = start_server(data_dir=tmp_path / "restored")
    for replica in (laptop, desktop):
        replica.use_server(restored.url, user)

    eggs = laptop.add("Buy eggs")
    assert laptop.sync(check=False).returncode != 0
    assert set(laptop.export()) == {milk, bread, eggs}, "the failed sync lost something"
    assert "reason=replica-ahead" in restored.log and "accept-diverged" in restored.log
    (client,) = admin.as_lines(restored.data_dir, "clients", "list")
    assert client["client_id"] == user.client_id and len(client["replicas_ahead"]) == 1

    admin.succeed(restored.data_dir, "clients", "accept-diverged", user.client_id)
    laptop.sync()
    desktop.sync()
    assert set(desktop.export()) == {milk, bread, eggs}
    desktop.task(milk, "done")
    desktop.sync()
    laptop.sync()
    newcomer = new_replica(restored.url, user)
    newcomer.sync()
    assert newcomer.export() == laptop.export() == desktop.export()

    # The allowance was for once.
    assert not admin.as_json(restored.data_dir, "clients", "show", user.client_id)["accepts_diverged"]
    verified = admin.as_json(restored.data_dir, "verify")
    assert verified["clients"] == 1 and verified["problems"] == []


def test_a_diverged_replica_is_refused_without_acceptance(start_server, new_replica, tmp_path):
    """If this fails, a replica of another history takes over a client's, just by asking."""
    server, user = start_server(), User()
    laptop = new_replica(server.url, user)
    laptop.add("Buy milk")
    laptop.sync()
    other_server = start_server()
    stranger = new_replica(other_server.url, user)
    stranger.add("Something else")
    stranger.sync()
    before = admin.as_json(server.data_dir, "clients", "show", user.client_id)["latest_version_id"]
    stranger.use_server(server.url, user)
    stranger.add("And something more")
    assert stranger.sync(check=False).returncode != 0
    assert admin.as_json(server.data_dir, "clients", "show", user.client_id)["latest_version_id"] == before
