/* Replicas sync through a real engine and listener, and with servers that do not answer as they
 * should. */
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"
#include "replica_support.h"
#include "support.h"

#define SECRET "the secret of all replicas"

static tcsync_key* key;

static tcsync_sync_report empty_report(void) {
  tcsync_sync_report report;
  memset(&report, 0x5a, sizeof(report));
  report.struct_size = sizeof(report);
  return report;
}

static tcsync_sync_report sync_with(tcsync_replica* replica, tcsync_remote* remote) {
  tcsync_sync_report report = empty_report();
  CHECK_OK(tcsync_replica_sync(replica, remote, NULL, &report, &error));
  CHECK_TEXT(report.version_id.text, "");
  return report;
}

/* Adds a version as a replica with other software might. */
static tcsync_uuid add_version(tcsync_remote* remote, const char* parent, const char* text) {
  tcsync_uuid version_id;
  int32_t outcome = 0;
  int32_t urgency = 0;
  CHECK_OK(tcsync_remote_add_version(remote, parent, text, strlen(text), &outcome, &version_id,
                                     &urgency, &error));
  CHECK_INT(outcome, TCSYNC_OUTCOME_ADDED);
  return version_id;
}

static void two_replicas_converge(void) {
  char directory[PATH_BYTES];
  test_server started = start_server(NULL, NULL);
  tcsync_remote* remote = open_remote(started.url, CLIENT_A, key);
  tcsync_replica* one = NULL;
  tcsync_replica* other = open_replica(NULL);
  tcsync_sync_report report;
  make_directory(directory);
  one = open_replica(directory);
  add_task(one, TASK_A, "Buy milk");
  commit_one(one, update_task(TASK_A, "status", "pending"));
  report = sync_with(one, remote);
  CHECK_INT(report.sent_versions, 1);
  CHECK_INT(report.sent_operations, 3);
  CHECK_INT(report.received_versions, 0);
  /* The server wants the first snapshot. */
  CHECK_INT(report.has_sent_snapshot, 1);
  CHECK_INT(report.has_applied_snapshot, 0);

  report = sync_with(other, remote);
  CHECK_INT(report.has_applied_snapshot, 1);
  CHECK_INT(report.sent_versions, 0);
  CHECK_TEXT(state_of(other).base_version_id.text, state_of(one).base_version_id.text);
  check_property(other, TASK_A, "description", "Buy milk");
  commit_one(other, update_task(TASK_A, "project", "home"));
  report = sync_with(other, remote);
  CHECK_INT(report.sent_operations, 1);

  /* Both change the description; the later change wins on both, and the other ones stay. */
  commit_one(one, update_task_at(TASK_A, "description", "Buy oat milk", 2000000000));
  commit_one(other, update_task_at(TASK_A, "description", "Buy no milk", 1000000000));
  commit_one(other, update_task(TASK_A, "priority", "H"));
  report = sync_with(one, remote);
  CHECK_INT(report.received_versions, 1);
  CHECK_INT(report.received_operations, 1);
  CHECK_INT(report.sent_versions, 1);
  sync_with(other, remote);
  sync_with(one, remote);
  CHECK_TEXT(state_of(other).base_version_id.text, state_of(one).base_version_id.text);
  CHECK_INT(state_of(one).pending_operations, 0);
  CHECK_INT(state_of(other).pending_operations, 0);
  check_property(one, TASK_A, "description", "Buy oat milk");
  check_property(other, TASK_A, "description", "Buy oat milk");
  check_property(one, TASK_A, "project", "home");
  check_property(one, TASK_A, "priority", "H");
  tcsync_replica_free(one);
  tcsync_replica_free(other);
  tcsync_remote_free(remote);
  stop_server(&started);
  remove_directory(directory);
}

static tcsync_code probe(tcsync_remote* remote, tcsync_error** error) {
  tcsync_probe found;
  memset(&found, 0, sizeof(found));
  found.struct_size = sizeof(found);
  return tcsync_remote_probe(remote, &found, error);
}

/* A progress function's place to note its calls, and its result. */
typedef struct watch {
  tcsync_replica* replica; /* the syncing one; NULL if it is not tried */
  const char* directory;   /* of the syncing replica */
  tcsync_remote* cancelled;
  int32_t result;
  int calls;
  tcsync_sync_progress last;
} watch;

static int32_t watch_progress(void* user_data, const tcsync_sync_progress* progress) {
  watch* const watching = (watch*)user_data;
  ++watching->calls;
  CHECK_INT(progress->struct_size, sizeof(*progress));
  CHECK(progress->received_versions >= watching->last.received_versions);
  CHECK(progress->sent_operations >= watching->last.sent_operations);
  watching->last = *progress;
  if (watching->replica != NULL) {
    const tcsync_operation operation = create_task(TASK_C);
    CHECK_FAILS(tcsync_replica_commit(watching->replica, &operation, 1, &error),
                TCSYNC_INVALID_ARGUMENT, "progress function");
  }
  if (watching->directory != NULL) {
    tcsync_replica* parallel = open_replica(watching->directory);
    commit_one(parallel, update_task(TASK_A, "seen", "yes"));
    tcsync_replica_free(parallel);
    watching->directory = NULL;
  }
  if (watching->cancelled != NULL) tcsync_remote_cancel(watching->cancelled);
  return watching->result;
}

static tcsync_sync_options watched_by(watch* watching) {
  tcsync_sync_options options;
  memset(&options, 0, sizeof(options));
  options.struct_size = sizeof(options);
  options.progress = watch_progress;
  options.user_data = watching;
  return options;
}

/* A server with one version, and a replica with another task, so that a sync has two steps. */
typedef struct two_steps {
  char directory[PATH_BYTES];
  test_server started;
  tcsync_remote* remote;
  tcsync_replica* replica;
} two_steps;

static void prepare_two_steps(two_steps* prepared) {
  tcsync_replica* other = open_replica(NULL);
  make_directory(prepared->directory);
  prepared->started = start_server(NULL, NULL);
  prepared->remote = open_remote(prepared->started.url, CLIENT_A, key);
  add_task(other, TASK_B, "from another computer");
  sync_with(other, prepared->remote);
  tcsync_replica_free(other);
  prepared->replica = open_replica(prepared->directory);
  add_task(prepared->replica, TASK_A, "from this computer");
}

static void end_two_steps(two_steps* prepared) {
  tcsync_replica_free(prepared->replica);
  tcsync_remote_free(prepared->remote);
  stop_server(&prepared->started);
  remove_directory(prepared->directory);
}

static void progress_is_shown_while_the_database_is_free(void) {
  two_steps prepared;
  watch watching;
  tcsync_sync_options options = watched_by(&watching);
  tcsync_sync_report report = empty_report();
  prepare_two_steps(&prepared);
  memset(&watching, 0, sizeof(watching));
  watching.replica = prepared.replica;
  watching.directory = prepared.directory;
  CHECK_OK(tcsync_replica_sync(prepared.replica, prepared.remote, &options, &report, &error));
  CHECK(watching.calls >= 2);
  CHECK_INT(watching.last.received_versions, 1);
  CHECK_INT(watching.last.received_operations, 2);
  CHECK_INT(watching.last.operations_to_send, 0);
  CHECK_INT(report.received_versions, watching.last.received_versions);
  CHECK_INT(report.sent_versions, watching.last.sent_versions);
  /* With the other program's change. */
  CHECK_INT(report.sent_operations, 3);
  check_property(prepared.replica, TASK_A, "seen", "yes");
  end_two_steps(&prepared);
}

static void a_progress_function_can_end_the_sync(void) {
  two_steps prepared;
  watch watching;
  tcsync_sync_options options = watched_by(&watching);
  tcsync_sync_report report = empty_report();
  prepare_two_steps(&prepared);
  memset(&watching, 0, sizeof(watching));
  watching.result = 1;
  CHECK_FAILS(tcsync_replica_sync(prepared.replica, prepared.remote, &options, &report, &error),
              TCSYNC_CANCELLED, "progress function");
  CHECK_INT(watching.calls, 1);
  CHECK_INT(report.received_versions, 1);
  CHECK_INT(report.sent_versions, 0);
  check_task_count(prepared.replica, 2);
  /* The remote is as before. */
  CHECK_OK(probe(prepared.remote, &error));
  CHECK_INT(sync_with(prepared.replica, prepared.remote).sent_versions, 1);

  /* A cancel of the host's at the same time stays. */
  commit_one(prepared.replica, update_task(TASK_A, "project", "home"));
  watching.cancelled = prepared.remote;
  CHECK_OK(tcsync_replica_sync(prepared.replica, prepared.remote, NULL, &report, &error));
  add_version(prepared.remote, state_of(prepared.replica).base_version_id.text,
              "{\"operations\":[]}");
  commit_one(prepared.replica, update_task(TASK_A, "project", "work"));
  CHECK_FAILS(tcsync_replica_sync(prepared.replica, prepared.remote, &options, &report, &error),
              TCSYNC_CANCELLED, "progress function");
  CHECK_FAILS(probe(prepared.remote, &error), TCSYNC_CANCELLED, "cancelled");
  tcsync_remote_resume(prepared.remote);
  CHECK_INT(sync_with(prepared.replica, prepared.remote).sent_operations, 1);
  end_two_steps(&prepared);
}

/* One sync on a thread of its own. */
typedef struct sync_call {
  tcsync_replica* replica;
  tcsync_remote* remote;
} sync_call;

static void* sync_until_cancelled(void* argument) {
  const sync_call* const call = (const sync_call*)argument;
  tcsync_sync_report report = empty_report();
  CHECK_FAILS(tcsync_replica_sync(call->replica, call->remote, NULL, &report, &error),
              TCSYNC_CANCELLED, "cancelled");
  CHECK_INT(report.received_versions, 0);
  return NULL;
}

static void another_thread_can_end_the_sync(void) {
  raw_server silent = start_raw_server();
  sync_call call;
  pthread_t thread;
  char byte = 0;
  int connection = -1;
  tcsync_replica_state state;
  state.struct_size = sizeof(state);
  call.replica = open_replica(NULL);
  call.remote = open_remote(silent.url, CLIENT_A, key);
  CHECK_INT(pthread_create(&thread, NULL, sync_until_cancelled, &call), 0);
  connection = accept(silent.socket, NULL, NULL);
  CHECK_INT(recv(connection, &byte, 1, 0), 1);
  CHECK_FAILS(tcsync_replica_get_state(call.replica, &state, &error), TCSYNC_INVALID_ARGUMENT,
              "another thread");
  tcsync_remote_cancel(call.remote);
  CHECK_INT(pthread_join(thread, NULL), 0);
  CHECK_INT(state_of(call.replica).tasks, 0);
  tcsync_replica_free(call.replica);
  tcsync_remote_free(call.remote);
  close(connection);
  close(silent.socket);
}

/* Has no child of any version, and yet a later version than every parent; until the socket is shut
 * down. */
static void* answer_divergently(void* argument) {
  static const char kNoChild[] =
      "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
  static const char kConflict[] = "HTTP/1.1 409 Conflict\r\nX-Parent-Version-Id: " CLIENT_B
                                  "\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
  const raw_server* const server = (const raw_server*)argument;
  int connection = -1;
  while ((connection = accept(server->socket, NULL, NULL)) >= 0) {
    char request[16384];
    size_t size = 0;
    const char* answer = kNoChild;
    while (1) {
      const ssize_t read = recv(connection, request + size, sizeof(request) - 1 - size, 0);
      const char* end = NULL;
      const char* length = NULL;
      if (read <= 0) break;
      size += (size_t)read;
      request[size] = '\0';
      end = strstr(request, "\r\n\r\n");
      if (end == NULL) continue;
      length = strstr(request, "Content-Length: ");
      if (length == NULL || length > end) break;
      if (size >= (size_t)(end + 4 - request) + (size_t)atol(length + 16)) break;
    }
    if (strncmp(request, "POST", 4) == 0) answer = kConflict;
    CHECK_INT(send(connection, answer, strlen(answer), 0), strlen(answer));
    close(connection);
  }
  return NULL;
}

static void diverged_histories_are_recognised(void) {
  raw_server diverged = start_raw_server();
  pthread_t thread;
  tcsync_replica* replica = open_replica(NULL);
  tcsync_remote* remote = open_remote(diverged.url, CLIENT_A, key);
  tcsync_sync_report report = empty_report();
  CHECK_INT(pthread_create(&thread, NULL, answer_divergently, &diverged), 0);
  add_task(replica, TASK_A, "one");
  CHECK_FAILS(tcsync_replica_sync(replica, remote, NULL, &report, &error), TCSYNC_SYNC_DIVERGED,
              CLIENT_B);
  CHECK_TEXT(report.version_id.text, CLIENT_B);
  CHECK_INT(report.sent_versions, 0);
  CHECK_INT(state_of(replica).pending_operations, 2);
  tcsync_replica_free(replica);
  tcsync_remote_free(remote);
  CHECK_INT(shutdown(diverged.socket, SHUT_RDWR), 0);
  CHECK_INT(pthread_join(thread, NULL), 0);
  close(diverged.socket);
}

static void invalid_versions_and_snapshots_are_named(void) {
  test_server started = start_server(NULL, NULL);
  tcsync_remote* remote = open_remote(started.url, CLIENT_A, key);
  tcsync_remote* of_other_client = open_remote(started.url, CLIENT_B, key);
  tcsync_replica* replica = open_replica(NULL);
  tcsync_replica* late = open_replica(NULL);
  tcsync_sync_report report = empty_report();
  tcsync_uuid bad;
  add_task(replica, TASK_A, "one");
  sync_with(replica, remote);
  bad = add_version(remote, state_of(replica).base_version_id.text, "no operations");
  CHECK_FAILS(tcsync_replica_sync(replica, remote, NULL, &report, &error),
              TCSYNC_SYNC_INVALID_VERSION, bad.text);
  CHECK_TEXT(report.version_id.text, bad.text);
  check_task_count(replica, 1);

  CHECK_OK(tcsync_remote_add_snapshot(remote, bad.text, "no snapshot", 11, &error));
  report = empty_report();
  CHECK_FAILS(tcsync_replica_sync(late, remote, NULL, &report, &error),
              TCSYNC_SYNC_INVALID_SNAPSHOT, bad.text);
  CHECK_TEXT(report.version_id.text, bad.text);
  CHECK_INT(report.has_applied_snapshot, 0);

  /* The history of another client does not have the replica's base version. */
  add_version(of_other_client, NIL_VERSION, "{\"operations\":[]}");
  report = empty_report();
  CHECK_FAILS(tcsync_replica_sync(replica, of_other_client, NULL, &report, &error),
              TCSYNC_SYNC_HISTORY_GONE, state_of(replica).base_version_id.text);
  tcsync_replica_free(replica);
  tcsync_replica_free(late);
  tcsync_remote_free(remote);
  tcsync_remote_free(of_other_client);
  stop_server(&started);
}

static void faults_of_the_remote_have_their_own_codes(void) {
  test_server started = start_server(NULL, NULL);
  tcsync_remote* remote = open_remote(started.url, CLIENT_A, key);
  tcsync_remote* with_wrong_key = NULL;
  tcsync_remote* without_key = open_remote(started.url, CLIENT_A, NULL);
  tcsync_key* wrong_key = NULL;
  tcsync_replica* replica = open_replica(NULL);
  tcsync_replica* late = open_replica(NULL);
  tcsync_sync_report report = empty_report();
  add_task(replica, TASK_A, "one");
  sync_with(replica, remote);
  CHECK_OK(tcsync_key_derive(CLIENT_A, "a typo", 6, &wrong_key, &error));
  with_wrong_key = open_remote(started.url, CLIENT_A, wrong_key);
  CHECK_FAILS(tcsync_replica_sync(late, with_wrong_key, NULL, &report, &error),
              TCSYNC_UNSEAL_WRONG_KEY, state_of(replica).base_version_id.text);
  CHECK_TEXT(report.version_id.text, state_of(replica).base_version_id.text);
  report = empty_report();
  CHECK_FAILS(tcsync_replica_sync(late, without_key, NULL, &report, &error),
              TCSYNC_INVALID_ARGUMENT, "without a key");
  CHECK_INT(report.received_versions, 0);
  stop_server(&started);
  CHECK_FAILS(tcsync_replica_sync(replica, remote, NULL, &report, &error),
              TCSYNC_REMOTE_CONNECTION_REFUSED, "http://127.0.0.1");
  CHECK_TEXT(report.version_id.text, "");
  tcsync_replica_free(replica);
  tcsync_replica_free(late);
  tcsync_remote_free(remote);
  tcsync_remote_free(with_wrong_key);
  tcsync_remote_free(without_key);
  tcsync_key_free(wrong_key);
}

/* A program that was compiled with a later header: its structs are longer. */
static void structs_of_other_releases_are_accepted_or_refused(void) {
  test_server started = start_server(NULL, NULL);
  tcsync_remote* remote = open_remote(started.url, CLIENT_A, key);
  tcsync_replica* replica = open_replica(NULL);
  watch watching;
  struct {
    tcsync_sync_options options;
    char behind[8];
  } later_options;
  struct {
    tcsync_sync_report report;
    char behind[8];
  } later_report;
  memset(&later_options, 0, sizeof(later_options));
  memset(&watching, 0, sizeof(watching));
  later_options.options = watched_by(&watching);
  later_options.options.struct_size = sizeof(later_options);
  memset(&later_report, 0x5a, sizeof(later_report));
  later_report.report.struct_size = sizeof(tcsync_sync_report) + 7;
#define SYNC() \
  tcsync_replica_sync(replica, remote, &later_options.options, &later_report.report, &error)
  add_task(replica, TASK_A, "one");
  CHECK_OK(SYNC());
  CHECK_INT(watching.calls, 1);
  CHECK_INT(later_report.report.sent_versions, 1);
  CHECK_INT(later_report.report.struct_size, sizeof(tcsync_sync_report) + 7);
  CHECK_INT(later_report.behind[6], 0);
  CHECK_INT(later_report.behind[7], 0x5a);
  later_options.behind[7] = 1;
  CHECK_FAILS(SYNC(), TCSYNC_INVALID_ARGUMENT, "is not 0");
  CHECK_INT(later_report.report.sent_versions, 0);
  later_options.options.struct_size = offsetof(tcsync_sync_options, receive_only) - 1;
  CHECK_FAILS(SYNC(), TCSYNC_INVALID_ARGUMENT, "options->struct_size");
  later_options.options.struct_size = sizeof(tcsync_sync_options);
  later_report.report.struct_size = 0;
  CHECK_FAILS(SYNC(), TCSYNC_INVALID_ARGUMENT, "report->struct_size");
#undef SYNC
  CHECK_NEEDS(tcsync_replica_sync(NULL, remote, NULL, &later_report.report, &error), "replica");
  CHECK_NEEDS(tcsync_replica_sync(replica, NULL, NULL, &later_report.report, &error), "remote");
  CHECK_NEEDS(tcsync_replica_sync(replica, remote, NULL, NULL, &error), "report");
  tcsync_replica_free(replica);
  tcsync_remote_free(remote);
  stop_server(&started);
}

int main(void) {
  /* A connection of the test's own servers may be closed at the other end. */
  signal(SIGPIPE, SIG_IGN);
  CHECK_OK(tcsync_key_derive(CLIENT_A, SECRET, strlen(SECRET), &key, &error));
  RUN(two_replicas_converge, "two computers of a person show different tasks");
  RUN(progress_is_shown_while_the_database_is_free,
      "Taskwarrior waits until a long sync has ended, or a program shows no progress");
  RUN(a_progress_function_can_end_the_sync, "a person cannot stop a long sync");
  RUN(another_thread_can_end_the_sync, "a person cannot stop a sync that waits for the network");
  RUN(diverged_histories_are_recognised, "a sync never ends");
  RUN(invalid_versions_and_snapshots_are_named,
      "a program cannot name the version that keeps a person from syncing");
  RUN(faults_of_the_remote_have_their_own_codes,
      "a person with a mistyped secret is told that the network failed");
  RUN(structs_of_other_releases_are_accepted_or_refused, "a program's request is silently ignored");
  tcsync_key_free(key);
  return check_exit_status();
}
