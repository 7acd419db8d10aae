/* Replicas that join another history with their tasks, copies of replicas, and syncs that only
 * receive. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "replica_support.h"
#include "support.h"

#define SECRET "the secret of all replicas"

static tcsync_key* key;

/* A server with the history of another computer, and a replica of this one without that history. */
typedef struct two_histories {
  char directory[PATH_BYTES];
  test_server started;
  tcsync_remote* remote;
  tcsync_replica* there;
  tcsync_replica* here;
} two_histories;

static void sync_with(tcsync_replica* replica, tcsync_remote* remote,
                      const tcsync_sync_options* options) {
  tcsync_sync_report report;
  report.struct_size = sizeof(report);
  CHECK_OK(tcsync_replica_sync(replica, remote, options, &report, &error));
}

/* Creates a task at a time of its own. */
static void add_task_at(tcsync_replica* replica, const char* task_id, const char* description,
                        int64_t seconds) {
  commit_one(replica, create_task(task_id));
  commit_one(replica, update_task_at(task_id, "description", description, seconds));
}

/* Both have TASK_A, of which each has one later change, and one of unknown order. */
static void prepare(two_histories* prepared) {
  make_directory(prepared->directory);
  prepared->started = start_server(NULL, NULL);
  prepared->remote = open_remote(prepared->started.url, CLIENT_A, key);
  prepared->there = open_replica(NULL);
  /* The server wants a snapshot of the first version, which brings no operations to others. */
  add_task_at(prepared->there, TASK_C, "only there", 1700000001);
  sync_with(prepared->there, prepared->remote, NULL);
  add_task_at(prepared->there, TASK_A, "changed there", 1700000002);
  commit_one(prepared->there, update_task_at(TASK_A, "project", "there", 1700000001));
  commit_one(prepared->there, update_task_at(TASK_A, "priority", "H", 1700000005));
  sync_with(prepared->there, prepared->remote, NULL);
  prepared->here = open_replica(prepared->directory);
  add_task_at(prepared->here, TASK_A, "changed here", 1700000001);
  commit_one(prepared->here, update_task_at(TASK_A, "project", "here", 1700000002));
  commit_one(prepared->here, update_task_at(TASK_A, "priority", "L", 1700000005));
  add_task_at(prepared->here, TASK_B, "only here", 1700000001);
}

static void end(two_histories* prepared) {
  tcsync_replica_free(prepared->here);
  tcsync_replica_free(prepared->there);
  tcsync_remote_free(prepared->remote);
  stop_server(&prepared->started);
  remove_directory(prepared->directory);
}

static tcsync_sync_options receiving(void) {
  tcsync_sync_options options;
  memset(&options, 0, sizeof(options));
  options.struct_size = sizeof(options);
  options.receive_only = 1;
  return options;
}

/* A replica that has just received the server's history. */
static tcsync_replica* receive(tcsync_remote* remote) {
  const tcsync_sync_options options = receiving();
  tcsync_replica* history = open_replica(NULL);
  sync_with(history, remote, &options);
  return history;
}

static tcsync_join_options default_options(void) {
  tcsync_join_options options;
  memset(&options, 0, sizeof(options));
  options.struct_size = sizeof(options);
  return options;
}

static tcsync_join_report empty_report(void) {
  tcsync_join_report report;
  memset(&report, 0x5a, sizeof(report));
  report.struct_size = sizeof(report);
  return report;
}

static tcsync_join_report join(tcsync_replica* replica, tcsync_replica* history,
                               const tcsync_join_options* options, tcsync_operations** doubtful) {
  tcsync_join_report report = empty_report();
  CHECK_OK(tcsync_replica_join(replica, history, options, &report, doubtful, &error));
  return report;
}

static void both_computers_end_with_the_later_changes(void) {
  two_histories prepared;
  tcsync_replica* history = NULL;
  tcsync_operations* doubtful = NULL;
  tcsync_operation doubt;
  tcsync_join_report report;
  prepare(&prepared);
  history = receive(prepared.remote);
  report = join(prepared.here, history, NULL, &doubtful);
  CHECK_INT(report.received_tasks, 1);
  CHECK_INT(report.added_tasks, 1);
  CHECK_INT(report.changed_tasks, 1);
  CHECK_INT(report.overruled_tasks, 1);
  CHECK_INT(report.removed_tasks, 0);
  CHECK_INT(report.deleted_tasks, 0);
  CHECK_TEXT(state_of(prepared.here).base_version_id.text, state_of(history).base_version_id.text);
  /* The creation and the description of TASK_B, and the project of TASK_A. */
  CHECK_INT(state_of(prepared.here).pending_operations, 3);
  tcsync_replica_free(history);

  CHECK_INT(tcsync_operations_count(doubtful), 1);
  doubt = operation_at(doubtful, 0);
  CHECK_INT(doubt.kind, TCSYNC_OPERATION_UPDATE);
  CHECK_TEXT(doubt.task_id.text, TASK_A);
  CHECK_TEXT(doubt.property, "priority");
  CHECK_TEXT(doubt.value, "H");
  CHECK_TEXT(doubt.old_value, "L");
  tcsync_operations_free(doubtful);

  sync_with(prepared.here, prepared.remote, NULL);
  sync_with(prepared.there, prepared.remote, NULL);
  check_task_count(prepared.there, 3);
  check_property(prepared.there, TASK_A, "description", "changed there");
  check_property(prepared.there, TASK_A, "project", "here");
  check_property(prepared.there, TASK_B, "description", "only here");
  check_property(prepared.here, TASK_A, "description", "changed there");
  check_property(prepared.here, TASK_C, "description", "only there");
  end(&prepared);
}

static void deletions_for_ever_are_counted_and_doubted(void) {
  two_histories prepared;
  tcsync_replica* history = NULL;
  tcsync_operations* doubtful = NULL;
  tcsync_join_report report;
  prepare(&prepared);
  /* The history deletes TASK_B, and this computer TASK_C, after all changes of them; TASK_A is
   * deleted by the history, and changed here later. */
  add_task_at(prepared.there, TASK_B, "also there", 1700000003);
  commit_one(prepared.there, delete_task(TASK_B));
  commit_one(prepared.there, delete_task(TASK_A));
  sync_with(prepared.there, prepared.remote, NULL);
  add_task_at(prepared.here, TASK_C, "also here", 1700000003);
  commit_one(prepared.here, delete_task(TASK_C));
  commit_one(prepared.here, update_task_at(TASK_A, "project", "later", 1700000009));
  history = receive(prepared.remote);
  report = join(prepared.here, history, NULL, &doubtful);
  CHECK_INT(report.removed_tasks, 1);
  CHECK_INT(report.deleted_tasks, 1);
  CHECK_INT(report.added_tasks, 1);
  CHECK_INT(tcsync_operations_count(doubtful), 1);
  CHECK_INT(operation_at(doubtful, 0).kind, TCSYNC_OPERATION_CREATE);
  CHECK_TEXT(operation_at(doubtful, 0).task_id.text, TASK_A);
  check_task_count(prepared.here, 1);
  check_property(prepared.here, TASK_A, "project", "later");
  tcsync_operations_free(doubtful);
  tcsync_replica_free(history);
  end(&prepared);
}

/* A join that is refused: nothing has changed, and no output has a result. */
static void check_refused(two_histories* prepared, tcsync_replica* history,
                          const tcsync_join_options* options, tcsync_code code, const char* text) {
  char poison = 0;
  tcsync_operations* doubtful = (tcsync_operations*)(void*)&poison;
  tcsync_join_report report = empty_report();
  const tcsync_replica_state before = state_of(prepared->here);
  CHECK_FAILS(tcsync_replica_join(prepared->here, history, options, &report, &doubtful, &error),
              code, text);
  CHECK(doubtful == NULL);
  CHECK_INT(report.received_tasks, 0);
  CHECK_INT(report.struct_size, sizeof(report));
  CHECK_INT(state_of(prepared->here).tasks, before.tasks);
  CHECK_INT(state_of(prepared->here).pending_operations, before.pending_operations);
  CHECK_TEXT(state_of(prepared->here).base_version_id.text, before.base_version_id.text);
}

static void a_join_checks_its_arguments(void) {
  two_histories prepared;
  tcsync_replica* history = NULL;
  tcsync_operations* doubtful = NULL;
  tcsync_join_options options = default_options();
  tcsync_join_report report = empty_report();
  prepare(&prepared);
  history = receive(prepared.remote);
  CHECK_NEEDS(tcsync_replica_join(NULL, history, NULL, &report, &doubtful, &error), "replica");
  CHECK_NEEDS(tcsync_replica_join(prepared.here, NULL, NULL, &report, &doubtful, &error),
              "history");
  CHECK_NEEDS(tcsync_replica_join(prepared.here, history, NULL, NULL, &doubtful, &error), "report");
  CHECK_NEEDS(tcsync_replica_join(prepared.here, history, NULL, &report, NULL, &error), "doubtful");
  check_refused(&prepared, prepared.here, NULL, TCSYNC_INVALID_ARGUMENT, "history is the replica");

  commit_one(history, update_task(TASK_C, "project", "unsent"));
  check_refused(&prepared, history, NULL, TCSYNC_INVALID_ARGUMENT, "pending operations");
  sync_with(history, prepared.remote, NULL);

  options.copy_directory = "";
  check_refused(&prepared, history, &options, TCSYNC_INVALID_ARGUMENT, "copy_directory is empty");
  options.copy_directory = prepared.directory;
  check_refused(&prepared, history, &options, TCSYNC_INVALID_ARGUMENT, "already");
  CHECK_FAILS(tcsync_replica_join(prepared.there, history, &options, &report, &doubtful, &error),
              TCSYNC_INVALID_ARGUMENT, "in memory");
  /* All of these left both as they were. */
  CHECK_INT(join(prepared.here, history, NULL, &doubtful).added_tasks, 1);
  tcsync_operations_free(doubtful);
  tcsync_replica_free(history);
  end(&prepared);
}

static void joins_of_other_releases_are_accepted_or_refused(void) {
  two_histories prepared;
  tcsync_replica* history = NULL;
  tcsync_operations* doubtful = NULL;
  struct {
    tcsync_join_options options;
    char behind[8];
  } later_options;
  struct {
    tcsync_join_report report;
    char behind[8];
  } later_report;
  prepare(&prepared);
  history = receive(prepared.remote);
  memset(&later_options, 0, sizeof(later_options));
  memset(&later_report, 0x5a, sizeof(later_report));
  later_report.report.struct_size = sizeof(tcsync_join_report) + 7;
  later_options.options.struct_size = sizeof(tcsync_join_options) - 1;
  check_refused(&prepared, history, &later_options.options, TCSYNC_INVALID_ARGUMENT,
                "options->struct_size");
  later_options.options.struct_size = sizeof(later_options);
  later_options.behind[7] = 1;
  check_refused(&prepared, history, &later_options.options, TCSYNC_INVALID_ARGUMENT, "is not 0");
  later_options.behind[7] = 0;
#define JOIN()                                                                              \
  tcsync_replica_join(prepared.here, history, &later_options.options, &later_report.report, \
                      &doubtful, &error)
  CHECK_OK(JOIN());
  tcsync_operations_free(doubtful);
  CHECK_INT(later_report.report.added_tasks, 1);
  CHECK_INT(later_report.report.struct_size, sizeof(tcsync_join_report) + 7);
  CHECK_INT(later_report.behind[6], 0);
  CHECK_INT(later_report.behind[7], 0x5a);
  memset(&later_report, 0x5a, sizeof(later_report));
  later_report.report.struct_size = offsetof(tcsync_join_report, added_tasks);
  CHECK_OK(JOIN());
  tcsync_operations_free(doubtful);
  CHECK_INT(later_report.report.received_tasks, 0);
  CHECK_INT(later_report.report.added_tasks, 0x5a5a5a5a5a5a5a5a);
  later_report.report.struct_size = 0;
  CHECK_FAILS(JOIN(), TCSYNC_INVALID_ARGUMENT, "report->struct_size");
  CHECK(doubtful == NULL);
#undef JOIN
  tcsync_replica_free(history);
  end(&prepared);
}

static void the_copy_directory_gets_the_replica_as_it_was(void) {
  two_histories prepared;
  char aside[PATH_BYTES];
  tcsync_replica* history = NULL;
  tcsync_replica* copy = NULL;
  tcsync_operations* doubtful = NULL;
  tcsync_join_options options = default_options();
  prepare(&prepared);
  join_path(aside, prepared.directory, "not/yet");
  options.copy_directory = aside;
  options.drop_synced_operations = 1;
  history = receive(prepared.remote);
  CHECK_INT(join(prepared.here, history, &options, &doubtful).added_tasks, 1);
  tcsync_operations_free(doubtful);
  /* Of the history's operations none is there: all that there are, are pending. */
  doubtful = read_operations(prepared.here, TCSYNC_OPERATIONS_OF_TASK, TASK_C);
  CHECK_INT(tcsync_operations_count(doubtful), 0);
  tcsync_operations_free(doubtful);
  copy = open_replica(aside);
  check_task_count(copy, 2);
  check_property(copy, TASK_A, "description", "changed here");
  CHECK_INT(state_of(copy).pending_operations, 6);
  tcsync_replica_free(copy);
  tcsync_replica_free(history);
  end(&prepared);
}

static void a_copy_leaves_the_database_as_it_is(void) {
  char directory[PATH_BYTES];
  char path[PATH_BYTES];
  char poison = 0;
  size_t size = 0;
  tcsync_replica* replica = NULL;
  tcsync_replica* copy = NULL;
  tcsync_replica_options options;
  make_directory(directory);
  memset(&options, 0, sizeof(options));
  options.struct_size = sizeof(options);
  options.copy = 1;
#define CHECK_COPY_FAILS(directory, code, text)                                         \
  do {                                                                                  \
    copy = (tcsync_replica*)(void*)&poison;                                             \
    CHECK_FAILS(tcsync_replica_open((directory), &options, &copy, &error), code, text); \
    CHECK(copy == NULL);                                                                \
  } while (0)
  join_path(path, directory, "missing");
  CHECK_COPY_FAILS(path, TCSYNC_REPLICA_MISSING, path);
  CHECK(!path_exists(path));
  CHECK_COPY_FAILS(NULL, TCSYNC_INVALID_ARGUMENT, "copy");

  replica = open_replica(directory);
  add_task(replica, TASK_A, "one");
  CHECK_OK(tcsync_replica_open(directory, &options, &copy, &error));
  CHECK_INT(state_of(copy).pending_operations, 2);
  commit_one(copy, delete_task(TASK_A));
  add_task(copy, TASK_B, "in the copy");
  check_property(replica, TASK_A, "description", "one");
  commit_one(replica, update_task(TASK_A, "project", "later"));
  check_task_count(copy, 1);
  tcsync_replica_free(copy);
  check_task_count(replica, 1);
  /* A caller with the header of the first release asks for none. */
  options.struct_size = offsetof(tcsync_replica_options, copy);
  CHECK_OK(tcsync_replica_open(directory, &options, &copy, &error));
  commit_one(copy, update_task(TASK_A, "project", "shared"));
  check_property(replica, TASK_A, "project", "shared");
  tcsync_replica_free(copy);
  tcsync_replica_free(replica);
  options.struct_size = sizeof(options);

  join_path(path, directory, "taskchampion.sqlite3");
  write_file(path, "This file is not a database, though it has its name.", 52);
  CHECK_COPY_FAILS(directory, TCSYNC_WRONG_FORMAT, path);
  {
    char* const bytes = read_file(path, &size);
    CHECK_INT(size, 52);
    CHECK_INT(bytes[0], 'T');
    free(bytes);
  }
#undef CHECK_COPY_FAILS
  remove_directory(directory);
}

/* A progress function that joins the replica of its sync, and joins it to another one. */
static int32_t join_while_syncing(void* user_data, const tcsync_sync_progress* progress) {
  tcsync_replica* const syncing = (tcsync_replica*)user_data;
  tcsync_replica* other = open_replica(NULL);
  tcsync_operations* doubtful = NULL;
  tcsync_join_report report = empty_report();
  (void)progress;
  CHECK_FAILS(tcsync_replica_join(syncing, other, NULL, &report, &doubtful, &error),
              TCSYNC_INVALID_ARGUMENT, "progress function");
  CHECK_FAILS(tcsync_replica_join(other, syncing, NULL, &report, &doubtful, &error),
              TCSYNC_INVALID_ARGUMENT, "progress function");
  tcsync_replica_free(other);
  return 0;
}

static void a_replica_that_syncs_cannot_be_joined(void) {
  two_histories prepared;
  tcsync_sync_options options;
  prepare(&prepared);
  memset(&options, 0, sizeof(options));
  options.struct_size = sizeof(options);
  options.progress = join_while_syncing;
  options.user_data = prepared.here;
  sync_with(prepared.here, prepared.remote, &options);
  CHECK_INT(state_of(prepared.here).pending_operations, 0);
  end(&prepared);
}

static void a_sync_can_receive_only_and_up_to_a_version(void) {
  two_histories prepared;
  tcsync_uuid first;
  tcsync_replica* history = NULL;
  tcsync_sync_options options = receiving();
  tcsync_sync_report report;
  report.struct_size = sizeof(report);
  prepare(&prepared);
  first = state_of(prepared.there).base_version_id;
  commit_one(prepared.there, update_task(TASK_C, "project", "second version"));
  sync_with(prepared.there, prepared.remote, NULL);

  options.receive_only = 0;
  options.last_version_id = first.text;
  CHECK_OK(tcsync_replica_sync(prepared.here, prepared.remote, &options, &report, &error));
  CHECK_INT(report.received_versions, 2);
  CHECK_INT(report.sent_versions, 0);
  CHECK_TEXT(state_of(prepared.here).base_version_id.text, first.text);
  check_property(prepared.here, TASK_C, "project", NULL);

  /* A caller with the header of the first release asks for neither. */
  options.struct_size = offsetof(tcsync_sync_options, receive_only);
  options.receive_only = 1;
  CHECK_OK(tcsync_replica_sync(prepared.here, prepared.remote, &options, &report, &error));
  CHECK_INT(report.received_versions, 1);
  CHECK(report.sent_operations > 0);
  check_property(prepared.here, TASK_C, "project", "second version");
  options.struct_size = sizeof(options);

  history = open_replica(NULL);
  add_task(history, TASK_B, "stays here");
#define CHECK_NO_VERSION(id, part)                                                        \
  do {                                                                                    \
    options.last_version_id = (id);                                                       \
    CHECK_FAILS(tcsync_replica_sync(history, prepared.remote, &options, &report, &error), \
                TCSYNC_INVALID_UUID, part);                                               \
    CHECK_INT(report.received_versions, 0);                                               \
    CHECK_TEXT(state_of(history).base_version_id.text, NIL_VERSION);                      \
  } while (0)
  CHECK_NO_VERSION("", "last_version_id is ''");
  CHECK_NO_VERSION("latest", "last_version_id is 'latest'");
  CHECK_NO_VERSION(NIL_VERSION, NIL_VERSION);
#undef CHECK_NO_VERSION
  options.last_version_id = NULL;
  CHECK_OK(tcsync_replica_sync(history, prepared.remote, &options, &report, &error));
  CHECK_INT(report.received_versions, 4);
  CHECK_INT(report.sent_versions, 0);
  CHECK(state_of(history).pending_operations > 0);
  tcsync_replica_free(history);
  end(&prepared);
}

int main(void) {
  CHECK_OK(tcsync_key_derive(CLIENT_A, SECRET, strlen(SECRET), &key, &error));
  RUN(both_computers_end_with_the_later_changes,
      "a computer that joins a history loses its tasks, or an older change wins");
  RUN(deletions_for_ever_are_counted_and_doubted,
      "purged tasks return, or a person does not learn of a decision without a reason");
  RUN(a_join_checks_its_arguments, "a mistake in a binding crashes the program, or loses tasks");
  RUN(joins_of_other_releases_are_accepted_or_refused,
      "programs with an older header have memory overwritten");
  RUN(the_copy_directory_gets_the_replica_as_it_was, "a person who regrets a join cannot go back");
  RUN(a_copy_leaves_the_database_as_it_is, "a look at a replica changes its tasks");
  RUN(a_replica_that_syncs_cannot_be_joined, "a progress function damages the replica of its sync");
  RUN(a_sync_can_receive_only_and_up_to_a_version,
      "a program sends what it only wanted to compare, or receives more than it wanted");
  tcsync_key_free(key);
  return check_exit_status();
}
