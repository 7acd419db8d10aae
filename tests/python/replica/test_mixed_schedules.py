"""Our replica beside TaskChampion's and Taskwarrior on the same databases. If these fail, a person who uses Taskwarrior
and a program with our replica sees different tasks in them, or loses an edit.
"""

import random
import sys
import uuid

import schedules


def test_all_computers_end_with_the_same_tasks(seed, tmp_path, server, user):
    """If this fails, an order of events exists after which two computers show different tasks."""
    schedules.run(seed, tmp_path, server.url, user, sys.executable)


def test_the_real_taskwarrior_agrees(server, user, new_replica, start_program):
    """If this fails, Taskwarrior does not open a database that we have written, or shows other tasks in it."""
    homes = [new_replica(server.url, user) for _ in range(2)]
    programs = [start_program("tcsync", home.data_directory, server.url, user) for home in homes]
    computers = list(zip(homes, programs, strict=True))
    chosen = random.Random(7)
    for round_number in range(4):
        for number, (home, program) in enumerate(computers):
            added = home.add(f"from Taskwarrior {number} {round_number}", "project:home", "+next")
            task_id = str(uuid.uuid4())
            stamp = {"timestamp": f"2026-01-02T03:04:0{round_number}.123456789Z"}
            operations = [{"Create": {"uuid": task_id}}]
            for name, value in {
                "description": f"from us {number} {round_number}", "status": "pending", "entry": "1767323045",
            }.items():  # fmt: skip
                operations.append(
                    {
                        "Update": {
                            "uuid": task_id,
                            "property": name,
                            "value": value,
                            **stamp,
                        }
                    }
                )
            assert program("commit", operations) == "done"
            later = {"timestamp": "2036-01-01T00:00:00Z"}
            changed = {
                "uuid": added,
                "property": "project",
                "value": f"office {number}",
                **later,
            }
            assert program("commit", [{"Update": changed}]) == "done"
            home.task(added, "modify", "priority:H")
            if chosen.random() < 0.5:
                home.task(task_id, "done")
        for home, program in chosen.sample(computers, 2):
            if chosen.random() < 0.5:
                home.sync()
            else:
                assert program("sync") == "done"
    for home, program in (*computers, *computers):
        home.sync()
        assert program("sync") == "done"
    exported = [home.export() for home, _program in computers]
    assert len(exported[0]) == 16
    assert exported[0] == exported[1]
    for task in exported[0].values():
        if task["description"].startswith("from Taskwarrior"):
            assert task["project"].startswith("office") and task["priority"] == "H" and task["tags"] == ["next"]
    # Taskwarrior shows the numbers of the working set that we have made.
    for home, program in computers:
        program("rebuild")
        assert "from us 0 0" in home.task("rc.gc=off", "all").stdout
