/* Every function of replicas must survive the failure of any allocation, and report it. */
#include <string.h>

#include "check.h"
#include "refused_memory.h"
#include "replica_support.h"
#include "support.h"

static char directory[PATH_BYTES];
static tcsync_replica* replica;
static tcsync_tasks* tasks;
static tcsync_operations* operations;
static tcsync_remote* remote;

static tcsync_code attempt_uuid_random(tcsync_error** error) {
  tcsync_uuid made = {"x"};
  tcsync_code code = TCSYNC_OK;
  begin_refusing();
  code = tcsync_uuid_random(&made, error);
  end_refusing();
  CHECK_INT(strlen(made.text), code == TCSYNC_OK ? 36 : 0);
  return code;
}

static tcsync_code attempt_open(tcsync_error** error) {
  tcsync_replica* opened = NULL;
  tcsync_code code = TCSYNC_OK;
  begin_refusing();
  code = tcsync_replica_open(directory, NULL, &opened, error);
  end_refusing();
  CHECK_INT(opened != NULL, code == TCSYNC_OK);
  tcsync_replica_free(opened);
  return code;
}

static tcsync_code attempt_open_in_memory(tcsync_error** error) {
  tcsync_replica* opened = NULL;
  tcsync_code code = TCSYNC_OK;
  begin_refusing();
  code = tcsync_replica_open(NULL, NULL, &opened, error);
  end_refusing();
  CHECK_INT(opened != NULL, code == TCSYNC_OK);
  tcsync_replica_free(opened);
  return code;
}

/* All of its operations are in the database then, or none. */
static tcsync_code attempt_commit(tcsync_error** error) {
  const int64_t before = state_of(replica).pending_operations;
  tcsync_operation changes[3];
  tcsync_code code = TCSYNC_OK;
  changes[0] = undo_point();
  changes[1] = update_task(TASK_A, "description", "a text that is too long for a short string");
  changes[2] = update_task(TASK_A, "status", "pending");
  begin_refusing();
  code = tcsync_replica_commit(replica, changes, 3, error);
  end_refusing();
  CHECK_INT(state_of(replica).pending_operations, before + (code == TCSYNC_OK ? 2 : 0));
  return code;
}

static tcsync_code attempt_tasks(tcsync_error** error) {
  tcsync_tasks* read = NULL;
  tcsync_code code = TCSYNC_OK;
  begin_refusing();
  code = tcsync_replica_tasks(replica, NULL, &read, error);
  end_refusing();
  CHECK_INT(read != NULL, code == TCSYNC_OK);
  tcsync_tasks_free(read);
  return code;
}

static tcsync_code attempt_task(tcsync_error** error) {
  tcsync_tasks* read = NULL;
  tcsync_code code = TCSYNC_OK;
  begin_refusing();
  code = tcsync_replica_tasks(replica, TASK_A, &read, error);
  end_refusing();
  CHECK_INT(read != NULL, code == TCSYNC_OK);
  tcsync_tasks_free(read);
  return code;
}

static tcsync_code attempt_tasks_get(tcsync_error** error) {
  tcsync_task task;
  tcsync_code code = TCSYNC_OK;
  task.struct_size = sizeof(task);
  begin_refusing();
  code = tcsync_tasks_get(tasks, 0, &task, error);
  end_refusing();
  CHECK_INT(task.property_count > 0, code == TCSYNC_OK);
  return code;
}

static tcsync_code attempt_operations(tcsync_error** error) {
  tcsync_operations* read = NULL;
  tcsync_code code = TCSYNC_OK;
  begin_refusing();
  code = tcsync_replica_operations(replica, TCSYNC_OPERATIONS_UNDOABLE, NULL, &read, error);
  end_refusing();
  CHECK_INT(read != NULL, code == TCSYNC_OK);
  tcsync_operations_free(read);
  return code;
}

static tcsync_code attempt_operations_get(tcsync_error** error) {
  tcsync_operation operation;
  tcsync_code code = TCSYNC_OK;
  operation.struct_size = sizeof(operation);
  begin_refusing();
  code = tcsync_operations_get(operations, 1, &operation, error);
  end_refusing();
  CHECK_INT(operation.kind != 0, code == TCSYNC_OK);
  return code;
}

static tcsync_code attempt_undo(tcsync_error** error) {
  tcsync_operations* undoable = NULL;
  int32_t was_undone = -1;
  tcsync_code code = TCSYNC_OK;
  commit_one(replica, undo_point());
  commit_one(replica, update_task(TASK_A, "project", "home"));
  undoable = read_operations(replica, TCSYNC_OPERATIONS_UNDOABLE, NULL);
  begin_refusing();
  code = tcsync_replica_undo(replica, undoable, &was_undone, error);
  end_refusing();
  CHECK_INT(was_undone, code == TCSYNC_OK);
  check_property(replica, TASK_A, "project", code == TCSYNC_OK ? NULL : "home");
  tcsync_operations_free(undoable);
  if (code != TCSYNC_OK) {
    undoable = read_operations(replica, TCSYNC_OPERATIONS_UNDOABLE, NULL);
    CHECK_OK(tcsync_replica_undo(replica, undoable, &was_undone, &error));
    CHECK_INT(was_undone, 1);
    tcsync_operations_free(undoable);
  }
  return code;
}

static tcsync_code attempt_rebuild(tcsync_error** error) {
  tcsync_code code = TCSYNC_OK;
  begin_refusing();
  code = tcsync_replica_rebuild_working_set(replica, 1, error);
  end_refusing();
  return code;
}

static tcsync_code attempt_get_state(tcsync_error** error) {
  tcsync_replica_state state;
  tcsync_code code = TCSYNC_OK;
  state.struct_size = sizeof(state);
  begin_refusing();
  code = tcsync_replica_get_state(replica, &state, error);
  end_refusing();
  CHECK_INT(state.tasks, code == TCSYNC_OK);
  return code;
}

/* What a replica with tasks of its own joins. */
static tcsync_replica* history;

/* It is afterwards as it was, or joined. */
static tcsync_code attempt_join_of(tcsync_replica* joining, const tcsync_join_options* options,
                                   tcsync_error** error) {
  tcsync_join_report report;
  tcsync_operations* doubtful = NULL;
  int is_joined = 0;
  tcsync_code code = TCSYNC_OK;
  report.struct_size = sizeof(report);
  commit_one(joining, create_task(TASK_A));
  commit_one(joining, update_task_at(TASK_A, "description", "here, and also rather long", 1));
  commit_one(joining, update_task_at(TASK_A, "project", "here, and also rather long", 1700000009));
  add_task(joining, TASK_B, "a text that is too long for a short string");
  begin_refusing();
  code = tcsync_replica_join(joining, history, options, &report, &doubtful, error);
  end_refusing();
  CHECK_INT(doubtful != NULL, code == TCSYNC_OK);
  CHECK_INT(report.added_tasks, code == TCSYNC_OK);
  is_joined = strcmp(state_of(joining).base_version_id.text, NIL_VERSION) != 0;
  if (code == TCSYNC_OK) CHECK(is_joined);
  check_task_count(joining, is_joined ? 3 : 2);
  CHECK_INT(state_of(joining).pending_operations, is_joined ? 3 : 5);
  check_property(joining, TASK_A, "description",
                 is_joined ? "there, and rather long" : "here, and also rather long");
  tcsync_operations_free(doubtful);
  /* It can be used and joined all the same. */
  commit_one(joining, update_task(TASK_B, "priority", "H"));
  CHECK_OK(tcsync_replica_join(joining, history, NULL, &report, &doubtful, &error));
  check_task_count(joining, 3);
  check_property(joining, TASK_B, "priority", "H");
  check_property(joining, TASK_A, "project", "here, and also rather long");
  tcsync_operations_free(doubtful);
  tcsync_replica_free(joining);
  return code;
}

static tcsync_code attempt_join(tcsync_error** error) {
  return attempt_join_of(open_replica(NULL), NULL, error);
}

/* A copy is there if the replica has joined, and otherwise it does not keep it from joining. */
static tcsync_code attempt_join_with_copy(tcsync_error** error) {
  char here[PATH_BYTES];
  char aside[PATH_BYTES];
  char copy[PATH_BYTES];
  tcsync_join_options options;
  tcsync_code code = TCSYNC_OK;
  make_directory(here);
  join_path(aside, here, "aside");
  join_path(copy, aside, "taskchampion.sqlite3");
  memset(&options, 0, sizeof(options));
  options.struct_size = sizeof(options);
  options.copy_directory = aside;
  code = attempt_join_of(open_replica(here), &options, error);
  if (code == TCSYNC_OK) CHECK(path_exists(copy));
  if (path_exists(copy)) {
    tcsync_replica* const before = open_replica(aside);
    check_task_count(before, 2);
    tcsync_replica_free(before);
  }
  remove_directory(here);
  return code;
}

static void exhaust_joins(void) {
  test_server server = start_server(NULL, NULL);
  tcsync_key* key = NULL;
  tcsync_sync_options options;
  tcsync_sync_report report;
  CHECK_OK(tcsync_key_derive(CLIENT_A, "secret", 6, &key, &error));
  remote = open_remote(server.url, CLIENT_A, key);
  replica = open_replica(NULL);
  report.struct_size = sizeof(report);
  /* The server wants a snapshot of the first version, which brings no operations to others. */
  add_task(replica, TASK_C, "a text that is too long for a short string");
  CHECK_OK(tcsync_replica_sync(replica, remote, NULL, &report, &error));
  commit_one(replica, create_task(TASK_A));
  commit_one(replica, update_task_at(TASK_A, "description", "there, and rather long", 1700000001));
  commit_one(replica, update_task_at(TASK_A, "project", "there, and rather long", 1));
  CHECK_OK(tcsync_replica_sync(replica, remote, NULL, &report, &error));
  memset(&options, 0, sizeof(options));
  options.struct_size = sizeof(options);
  options.receive_only = 1;
  history = open_replica(NULL);
  CHECK_OK(tcsync_replica_sync(history, remote, &options, &report, &error));
  exhaust(attempt_join, TCSYNC_OK);
  exhaust_some(attempt_join_with_copy, TCSYNC_OK, 11);
  tcsync_replica_free(history);
  tcsync_replica_free(replica);
  tcsync_remote_free(remote);
  tcsync_key_free(key);
  stop_server(&server);
}

/* Whether a version that was sent was also recorded or not, the next sync continues correctly. */
static tcsync_code attempt_sync(tcsync_error** error) {
  tcsync_sync_report report;
  tcsync_code code = TCSYNC_OK;
  report.struct_size = sizeof(report);
  commit_one(replica, update_task(TASK_A, "project", "home"));
  begin_refusing();
  code = tcsync_replica_sync(replica, remote, NULL, &report, error);
  end_refusing();
  if (code != TCSYNC_OK) {
    report.struct_size = sizeof(report);
    CHECK_OK(tcsync_replica_sync(replica, remote, NULL, &report, &error));
  }
  CHECK_INT(state_of(replica).pending_operations, 0);
  check_property(replica, TASK_A, "project", "home");
  return code;
}

static void exhaust_replicas(void) {
  make_directory(directory);
  exhaust(attempt_uuid_random, TCSYNC_OK);
  exhaust(attempt_open, TCSYNC_OK);
  exhaust(attempt_open_in_memory, TCSYNC_OK);
  replica = open_replica(directory);
  add_task(replica, TASK_A, "a text that is too long for a short string");
  exhaust(attempt_commit, TCSYNC_OK);
  tasks = read_tasks(replica, NULL);
  operations = read_operations(replica, TCSYNC_OPERATIONS_PENDING, NULL);
  exhaust(attempt_tasks, TCSYNC_OK);
  exhaust(attempt_task, TCSYNC_OK);
  exhaust(attempt_tasks_get, TCSYNC_OK);
  exhaust(attempt_operations, TCSYNC_OK);
  exhaust(attempt_operations_get, TCSYNC_OK);
  exhaust(attempt_undo, TCSYNC_OK);
  exhaust(attempt_rebuild, TCSYNC_OK);
  exhaust(attempt_get_state, TCSYNC_OK);
  tcsync_tasks_free(tasks);
  tcsync_operations_free(operations);
  tcsync_replica_free(replica);
  remove_directory(directory);
}

static void exhaust_sync(void) {
  test_server server = start_server(NULL, NULL);
  tcsync_key* key = NULL;
  tcsync_replica* other = open_replica(NULL);
  tcsync_sync_report report;
  report.struct_size = sizeof(report);
  replica = open_replica(NULL);
  add_task(replica, TASK_A, "a text that is too long for a short string");
  CHECK_OK(tcsync_key_derive(CLIENT_A, "secret", 6, &key, &error));
  remote = open_remote(server.url, CLIENT_A, key);
  exhaust_some(attempt_sync, TCSYNC_OK, 23);
  CHECK_OK(tcsync_replica_sync(other, remote, NULL, &report, &error));
  check_property(other, TASK_A, "project", "home");
  CHECK_TEXT(state_of(other).base_version_id.text, state_of(replica).base_version_id.text);
  tcsync_replica_free(other);
  tcsync_replica_free(replica);
  tcsync_remote_free(remote);
  tcsync_key_free(key);
  stop_server(&server);
}

int main(void) {
  if (!can_refuse_memory()) return SKIPPED;
  RUN(exhaust_replicas, "a program that runs out of memory is aborted, or loses a person's tasks");
  RUN(exhaust_joins, "a join that runs out of memory leaves a part of a person's tasks");
  RUN(exhaust_sync, "a sync that runs out of memory loses changes or repeats them");
  return check_exit_status();
}
