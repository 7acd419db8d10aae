/* A process and its forked child, which has its parent's memory but not its threads. */
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "replica_support.h"
#include "support.h"

#define SECRET "a secret"

#ifdef THREAD_SANITIZED
/* Its default is to end a forked process that starts a thread. */
const char* __tsan_default_options(void);
const char* __tsan_default_options(void) { return "die_after_fork=0"; }
#endif

static tcsync_key* key;

/* Forks a child that calls `in_child(argument)` and ends with the result of its checks. The alarm
 * ends a child that hangs. */
static pid_t fork_child(void (*in_child)(void* argument), void* argument) {
  pid_t child = -1;
  fflush(stdout);
  fflush(stderr);
  child = fork();
  if (child != 0) return child;
  alarm(60);
  in_child(argument);
  _exit(check_exit_status());
}

/* Waits for a child and checks its success. */
static void check_child(pid_t child) {
  int status = 0;
  CHECK_INT(waitpid(child, &status, 0), child);
  CHECK(WIFEXITED(status));
  CHECK_INT(WEXITSTATUS(status), 0);
}

/* A child that outlives a step of its parent: there are two pipes, so that each can wait for the
 * other. */
typedef struct waiting_child {
  pid_t pid;
  int of_child[2];
  int of_parent[2];
  /* The child's work before it waits. */
  void (*in_child)(void* argument);
  void* argument;
} waiting_child;

static void wait_in_child(void* argument) {
  waiting_child* child = (waiting_child*)argument;
  char byte = 'x';
  close(child->of_parent[1]);
  if (child->in_child != NULL) child->in_child(child->argument);
  CHECK_INT(write(child->of_child[1], &byte, 1), 1);
  CHECK_INT(read(child->of_parent[0], &byte, 1), 0);
}

/* Returns when the child waits. `in_child` may be NULL. */
static waiting_child start_waiting_child(void (*in_child)(void* argument), void* argument) {
  waiting_child child;
  char byte = 0;
  child.in_child = in_child;
  child.argument = argument;
  CHECK_INT(pipe(child.of_child), 0);
  CHECK_INT(pipe(child.of_parent), 0);
  child.pid = fork_child(wait_in_child, &child);
  close(child.of_child[1]);
  close(child.of_parent[0]);
  CHECK_INT(read(child.of_child[0], &byte, 1), 1);
  return child;
}

static void end_waiting_child(waiting_child* child) {
  close(child->of_child[0]);
  close(child->of_parent[1]);
  check_child(child->pid);
}

static void ignore_response(void* user_data, tcsync_response* response) {
  (void)user_data;
  tcsync_response_free(response);
}

/* The handles of a parent when it forks. */
typedef struct parents {
  tcsync_config* config;
  test_server started;
  tcsync_response* response;
  char socket_path[PATH_BYTES];
} parents;

/* Everything that a child can try with its parent's engine and listener. */
static void check_refused(void* argument) {
  parents* const inherited = (parents*)argument;
  const tcsync_config* const config = inherited->config;
  tcsync_engine* const engine = inherited->started.engine;
  tcsync_listener* const listener = inherited->started.listener;
  test_request filled;
  tcsync_response* response = NULL;
  tcsync_bytes* bytes = NULL;
  tcsync_header header;
  tcsync_engine* opened = NULL;
  fill_request(&filled, "GET", "/v1/client/snapshot", CLIENT_A, NULL, NULL, 0);
  CHECK_FAILS(tcsync_engine_handle(engine, &filled.request, &response, &error), TCSYNC_FORKED,
              "the engine was opened before this process was forked");
  CHECK(response == NULL);
  CHECK_FAILS(tcsync_engine_handle_async(engine, &filled.request, ignore_response, NULL, &error),
              TCSYNC_FORKED, "the engine");
  CHECK_FAILS(tcsync_administer(NULL, engine, &filled.request, &response, &error), TCSYNC_FORKED,
              "the engine");
  CHECK_FAILS(tcsync_administer(config, NULL, &filled.request, &response, &error), TCSYNC_FORKED,
              "fork before the first opening");
  CHECK_FAILS(tcsync_monitor(engine, &filled.request, &response, &error), TCSYNC_FORKED,
              "the engine");
  CHECK_FAILS(tcsync_engine_option(engine, "storage", &bytes, &error), TCSYNC_FORKED, "the engine");
  CHECK_FAILS(tcsync_response_read(inherited->response, &bytes, &error), TCSYNC_FORKED,
              "the engine");
  CHECK_FAILS(tcsync_response_header(inherited->response, 0, &header, &error), TCSYNC_FORKED,
              "the engine");
  CHECK_INT(tcsync_response_status(inherited->response), 404);
  tcsync_response_free(inherited->response);
  CHECK_FAILS(tcsync_listener_serve(listener, engine, &error), TCSYNC_FORKED, "the listener");
  CHECK_FAILS(tcsync_engine_open(config, &opened, &error), TCSYNC_FORKED,
              "fork before the first opening");
  CHECK(opened == NULL);
  CHECK_INT(tcsync_listener_address_count(listener), 1);
  CHECK(tcsync_listener_address(listener, 0) != NULL);
  stop_server(&inherited->started);
  /* Its parent's socket still exists. */
  CHECK(path_exists(inherited->socket_path));
}

/* The answer to a request, from a queue: its body might come in pieces. */
static tcsync_response* answer_queued(tcsync_engine* engine) {
  tcsync_queue* queue = make_queue();
  test_request filled;
  tcsync_event event;
  fill_request(&filled, "GET", "/v1/client/snapshot", CLIENT_A, NULL, NULL, 0);
  CHECK_OK(tcsync_engine_handle_queued(engine, &filled.request, queue, NULL, &error));
  event = next_event(queue, TEST_DEADLINE_MS);
  tcsync_queue_free(queue);
  return event.response;
}

static void a_child_cannot_use_the_parents_engine(void) {
  char directory[PATH_BYTES];
  char data[PATH_BYTES];
  char listen[PATH_BYTES + 8];
  parents made;
  waiting_child child;
  make_directory(directory);
  join_path(data, directory, "data");
  join_path(made.socket_path, directory, "socket");
  snprintf(listen, sizeof(listen), "unix:%s", made.socket_path);
  made.config = make_config(data);
  CHECK_OK(tcsync_config_set(made.config, "listen", listen, &error));
  made.started = serve(made.config);
  made.response = answer_queued(made.started.engine);
  child = start_waiting_child(check_refused, &made);
  /* None of it belongs to the child. */
  CHECK_INT(take_status(exchange(made.started.engine, "GET", "/v1/client/snapshot", CLIENT_A, NULL,
                                 NULL, 0)),
            404);
  tcsync_response_free(made.response);
  stop_server(&made.started);
  /* The child keeps neither the data directory nor the address. */
  made.started = serve(made.config);
  stop_server(&made.started);
  tcsync_config_free(made.config);
  end_waiting_child(&child);
  remove_directory(directory);
}

/* The log of a process before it opens an engine, so that its child can open one. */
typedef struct inherited_log {
  tcsync_config* config;
  tcsync_queue* queue;
} inherited_log;

/* With a parent's queue, a child's events would wake the parent, which could not take them. */
static void use_parents_queue(void* argument) {
  inherited_log* const inherited = (inherited_log*)argument;
  tcsync_queue* const queue = inherited->queue;
  tcsync_config* const config = inherited->config;
  tcsync_engine* engine = NULL;
  tcsync_listener* listener = NULL;
  tcsync_response* response = NULL;
  tcsync_pending* pending = NULL;
  test_request filled;
  tcsync_event event;
  fill_request(&filled, "GET", "/v1/client/snapshot", CLIENT_A, NULL, NULL, 0);
  event.struct_size = sizeof(event);
  CHECK_FAILS(tcsync_queue_next(queue, 0, &event, &error), TCSYNC_FORKED, "the queue");
  CHECK_INT(event.kind, TCSYNC_EVENT_NONE);
  CHECK_FAILS(tcsync_engine_open(config, &engine, &error), TCSYNC_FORKED, "the queue for the log");
  CHECK_FAILS(tcsync_listener_bind(config, &listener, &error), TCSYNC_FORKED,
              "the queue for the log");
  CHECK_FAILS(tcsync_administer(config, NULL, &filled.request, &response, &error), TCSYNC_FORKED,
              "the queue for the log");
  CHECK_FAILS(tcsync_config_set_log_queue(config, queue, &error), TCSYNC_FORKED, "the queue");
  CHECK_OK(tcsync_config_set_log_queue(config, NULL, &error));
  CHECK_OK(tcsync_engine_open(config, &engine, &error));
  CHECK_FAILS(tcsync_engine_handle_queued(engine, &filled.request, queue, NULL, &error),
              TCSYNC_FORKED, "the queue");
  pending = begin_version(engine, CLIENT_A, NULL, NULL);
  CHECK_FAILS(tcsync_pending_append_queued(pending, "x", 1, queue, NULL, &error), TCSYNC_FORKED,
              "the queue");
  CHECK_FAILS(tcsync_pending_finish_queued(pending, queue, NULL, &error), TCSYNC_FORKED,
              "the queue");
  tcsync_pending_free(pending);
  response = exchange(engine, "GET", "/", NULL, NULL, NULL, 0);
  CHECK_FAILS(tcsync_response_read_queued(response, queue, NULL, &error), TCSYNC_FORKED,
              "the queue");
  tcsync_response_free(response);
  tcsync_queue_wake(queue);
  tcsync_queue_free(queue);
  tcsync_engine_free(engine);
}

static void a_child_cannot_use_the_parents_queue(void) {
  inherited_log made;
  struct pollfd descriptor;
  made.config = make_config(NULL);
  made.queue = make_queue();
  CHECK_OK(tcsync_config_set_log_queue(made.config, made.queue, &error));
  check_child(fork_child(use_parents_queue, &made));
  descriptor.fd = tcsync_queue_descriptor(made.queue);
  descriptor.events = POLLIN;
  CHECK_INT(poll(&descriptor, 1, 0), 0);
  tcsync_queue_free(made.queue);
  tcsync_config_free(made.config);
}

static atomic_int records;

static void count_record(void* user_data, const tcsync_log_record* record) {
  (void)user_data;
  CHECK(tcsync_log_record_text(record) != NULL);
  atomic_fetch_add(&records, 1);
}

static void log_while_serving(void* config) {
  test_server started = serve((tcsync_config*)config);
  stop_server(&started);
  CHECK(atomic_load(&records) > 0);
}

/* The parent's listener has a thread that calls the log function; it is not in the child. */
static void a_child_does_not_call_the_parents_log_function(void) {
  tcsync_config* config = make_config(NULL);
  tcsync_listener* listener = NULL;
  CHECK_OK(tcsync_config_set_log(config, count_record, NULL, &error));
  CHECK_OK(tcsync_listener_bind(config, &listener, &error));
  check_child(fork_child(log_while_serving, config));
  tcsync_listener_free(listener);
  CHECK_INT(atomic_load(&records), 0);
  log_while_serving(config);
  tcsync_config_free(config);
}

/* A port, too, must be free for a restart while a child of the former server lives. */
static void a_child_does_not_keep_the_parents_address(void) {
  char address[64];
  tcsync_config* config = make_config(NULL);
  tcsync_listener* listener = NULL;
  waiting_child child;
  CHECK_OK(tcsync_listener_bind(config, &listener, &error));
  snprintf(address, sizeof(address), "%s",
           tcsync_listener_address(listener, 0) + strlen("http://"));
  child = start_waiting_child(NULL, NULL);
  tcsync_listener_free(listener);
  CHECK_OK(tcsync_config_set(config, "listen", address, &error));
  CHECK_OK(tcsync_listener_bind(config, &listener, &error));
  tcsync_listener_free(listener);
  tcsync_config_free(config);
  end_waiting_child(&child);
}

enum { kRounds = 200 };

/* Adds versions to the chain of both processes, and asks for each one. */
static void add_own_versions(tcsync_remote* remote, const char* process) {
  tcsync_uuid head = {NIL_VERSION};
  tcsync_uuid version_id;
  char text[32];
  int round = 0;
  while (round < kRounds) {
    int32_t outcome = 0;
    int32_t urgency = 0;
    tcsync_bytes* plaintext = NULL;
    const int size = snprintf(text, sizeof(text), "%s %d", process, round);
    CHECK_OK(tcsync_remote_add_version(remote, head.text, text, (size_t)size, &outcome, &version_id,
                                       &urgency, &error));
    if (outcome == TCSYNC_OUTCOME_ADDED) {
      tcsync_uuid added;
      added = version_id;
      CHECK_OK(tcsync_remote_get_child_version(remote, head.text, &outcome, &version_id, &plaintext,
                                               &error));
      CHECK_INT(outcome, TCSYNC_OUTCOME_FOUND);
      CHECK_TEXT(version_id.text, added.text);
      CHECK_TEXT(tcsync_bytes_data(plaintext), text);
      tcsync_bytes_free(plaintext);
      ++round;
    } else if (outcome != TCSYNC_OUTCOME_CONFLICT) {
      return; /* it has been reported */
    }
    head = version_id;
  }
}

/* A server, and a remote with a connection to it, which both processes would use. */
typedef struct connected {
  test_server started;
  tcsync_remote* remote;
} connected;

static connected connect_remote(void) {
  connected made;
  made.started = start_server(NULL, NULL);
  made.remote = open_remote(made.started.url, CLIENT_A, key);
  CHECK_OK(ask_for_snapshot(made.remote, &error));
  return made;
}

static void disconnect(connected* made) {
  tcsync_remote_free(made->remote);
  stop_server(&made->started);
}

static void add_childs_versions(void* remote) {
  add_own_versions((tcsync_remote*)remote, "child");
  tcsync_remote_free((tcsync_remote*)remote);
}

static void two_processes_with_one_remote_get_their_own_answers(void) {
  connected made = connect_remote();
  const pid_t child = fork_child(add_childs_versions, made.remote);
  add_own_versions(made.remote, "parent");
  check_child(child);
  disconnect(&made);
}

static void cancel_in_child(void* argument) {
  tcsync_remote* remote = (tcsync_remote*)argument;
  tcsync_remote_cancel(remote);
  CHECK_FAILS(ask_for_snapshot(remote, &error), TCSYNC_CANCELLED, "cancelled");
  tcsync_remote_resume(remote);
  CHECK_OK(ask_for_snapshot(remote, &error));
  tcsync_remote_cancel(remote);
  tcsync_remote_free(remote);
}

/* It differs in the child and in the parent. */
static void a_cancel_in_a_child_does_not_affect_the_parent(void) {
  connected made = connect_remote();
  check_child(fork_child(cancel_in_child, made.remote));
  CHECK_OK(ask_for_snapshot(made.remote, &error));
  disconnect(&made);
}

/* A replica of the parent's, its directory, and lists that were read from it. */
typedef struct parents_replica {
  char directory[PATH_BYTES];
  tcsync_replica* replica;
  tcsync_tasks* tasks;
  tcsync_operations* operations;
} parents_replica;

static void check_replica_refused(void* argument) {
  parents_replica* const inherited = (parents_replica*)argument;
  tcsync_replica* const replica = inherited->replica;
  const tcsync_operation operation = create_task(TASK_B);
  tcsync_tasks* tasks = NULL;
  tcsync_operations* operations = NULL;
  tcsync_replica* own = NULL;
  tcsync_replica_state state;
  tcsync_sync_report report;
  tcsync_join_report join_report;
  tcsync_operations* doubtful = NULL;
  tcsync_replica_options options;
  int32_t was_undone = 0;
  join_report.struct_size = sizeof(join_report);
  state.struct_size = sizeof(state);
  report.struct_size = sizeof(report);
  CHECK_FAILS(tcsync_replica_commit(replica, &operation, 1, &error), TCSYNC_FORKED,
              "the replica was opened before this process was forked");
  CHECK_FAILS(tcsync_replica_tasks(replica, NULL, &tasks, &error), TCSYNC_FORKED, "the replica");
  CHECK_FAILS(
      tcsync_replica_operations(replica, TCSYNC_OPERATIONS_PENDING, NULL, &operations, &error),
      TCSYNC_FORKED, "the replica");
  CHECK_FAILS(tcsync_replica_undo(replica, inherited->operations, &was_undone, &error),
              TCSYNC_FORKED, "the replica");
  CHECK_FAILS(tcsync_replica_rebuild_working_set(replica, 0, &error), TCSYNC_FORKED, "the replica");
  CHECK_FAILS(tcsync_replica_get_state(replica, &state, &error), TCSYNC_FORKED, "the replica");
  CHECK_FAILS(tcsync_replica_sync(replica, NULL, NULL, &report, &error), TCSYNC_FORKED,
              "the replica");
  CHECK_FAILS(tcsync_replica_open(inherited->directory, NULL, &own, &error), TCSYNC_FORKED,
              "while its parent had a replica open");
  CHECK(own == NULL);
  memset(&options, 0, sizeof(options));
  options.struct_size = sizeof(options);
  options.copy = 1;
  CHECK_FAILS(tcsync_replica_open(inherited->directory, &options, &own, &error), TCSYNC_FORKED,
              "while its parent had a replica open");
  own = open_replica(NULL);
  CHECK_FAILS(tcsync_replica_join(replica, own, NULL, &join_report, &doubtful, &error),
              TCSYNC_FORKED, "the replica");
  CHECK_FAILS(tcsync_replica_join(own, replica, NULL, &join_report, &doubtful, &error),
              TCSYNC_FORKED, "the replica");
  CHECK(doubtful == NULL);
  tcsync_replica_free(own);
  tcsync_replica_free(replica);
  /* Lists are memory, and each process has its own. */
  CHECK_TEXT(task_at(inherited->tasks, 0).task_id.text, TASK_A);
  CHECK_INT(operation_at(inherited->operations, 0).kind, TCSYNC_OPERATION_CREATE);
  tcsync_tasks_free(inherited->tasks);
  tcsync_operations_free(inherited->operations);
}

/* The parent's copy has no file open, so the child's own replica takes its locks. */
static void change_beside_copy(void* argument) {
  parents_replica* const inherited = (parents_replica*)argument;
  tcsync_replica_state state;
  tcsync_replica* replica = open_replica(inherited->directory);
  state.struct_size = sizeof(state);
  CHECK_FAILS(tcsync_replica_get_state(inherited->replica, &state, &error), TCSYNC_FORKED,
              "the replica");
  add_task(replica, TASK_C, "from another child");
  tcsync_replica_free(replica);
}

static void add_in_own_replica(void* argument) {
  parents_replica* const inherited = (parents_replica*)argument;
  tcsync_replica* replica = open_replica(inherited->directory);
  add_task(replica, TASK_B, "from the child");
  tcsync_replica_free(replica);
}

static void a_child_cannot_use_the_parents_replica(void) {
  parents_replica made;
  tcsync_replica_options options;
  make_directory(made.directory);
  made.replica = open_replica(made.directory);
  add_task(made.replica, TASK_A, "one");
  made.tasks = read_tasks(made.replica, NULL);
  made.operations = read_operations(made.replica, TCSYNC_OPERATIONS_PENDING, NULL);
  check_child(fork_child(check_replica_refused, &made));
  /* The end of the child is none of the parent's database. */
  commit_one(made.replica, update_task(TASK_A, "project", "home"));
  check_property(made.replica, TASK_A, "project", "home");
  tcsync_tasks_free(made.tasks);
  tcsync_operations_free(made.operations);
  tcsync_replica_free(made.replica);
  /* Once the parent has closed it, a child can open it. */
  check_child(fork_child(add_in_own_replica, &made));
  made.replica = open_replica(made.directory);
  check_task_count(made.replica, 2);
  tcsync_replica_free(made.replica);
  /* And it can open it beside a copy. */
  memset(&options, 0, sizeof(options));
  options.struct_size = sizeof(options);
  options.copy = 1;
  CHECK_OK(tcsync_replica_open(made.directory, &options, &made.replica, &error));
  check_child(fork_child(change_beside_copy, &made));
  check_task_count(made.replica, 2);
  tcsync_replica_free(made.replica);
  remove_directory(made.directory);
}

int main(void) {
  CHECK_OK(tcsync_key_derive(CLIENT_A, SECRET, strlen(SECRET), &key, &error));
  CHECK_TEXT(tcsync_code_name(TCSYNC_FORKED), "TCSYNC_FORKED");
  /* These two are first: after this process has opened an engine, no child of it can. */
  RUN(a_child_cannot_use_the_parents_queue, "an event loop of the parent spins for ever");
  RUN(a_child_does_not_call_the_parents_log_function, "a forked worker logs nothing");
  RUN(a_child_cannot_use_the_parents_engine,
      "a forked process hangs, or its parent cannot open its data again");
  RUN(a_child_does_not_keep_the_parents_address,
      "a server cannot be started again while a child of it lives");
  RUN(a_child_cannot_use_the_parents_replica, "two processes damage a person's tasks");
  RUN(two_processes_with_one_remote_get_their_own_answers,
      "a process gets 'added' for another one's version");
  RUN(a_cancel_in_a_child_does_not_affect_the_parent,
      "a worker that stops its call stops its siblings' calls");
  tcsync_key_free(key);
  return check_exit_status();
}
