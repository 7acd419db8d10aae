/* A process and its forked child, which has the memory of its parent and not the threads. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "support.h"

#define SECRET "a secret"

static tcsync_key* key;

/* Waits for a child and checks that it was content. */
static void check_child(pid_t child) {
  int status = 0;
  CHECK_INT(waitpid(child, &status, 0), child);
  CHECK(WIFEXITED(status));
  CHECK_INT(WEXITSTATUS(status), 0);
}

/* A child that hangs is ended by the alarm. */
static pid_t fork_child(void) {
  pid_t child = -1;
  fflush(stdout);
  fflush(stderr);
  child = fork();
  if (child == 0) alarm(60);
  return child;
}

/* Two pipes between a parent and its child, so that each can wait for the other one. */
typedef struct turns {
  int of_child[2];
  int of_parent[2];
} turns;

static turns make_turns(void) {
  turns made;
  CHECK_INT(pipe(made.of_child), 0);
  CHECK_INT(pipe(made.of_parent), 0);
  return made;
}

/* In the child: lets the parent go on, and waits until the parent has ended its turn. */
static void wait_for_parent(turns* taken) {
  char byte = 'x';
  close(taken->of_parent[1]);
  CHECK_INT(write(taken->of_child[1], &byte, 1), 1);
  CHECK_INT(read(taken->of_parent[0], &byte, 1), 0);
}

/* In the parent: waits until the child waits. */
static void wait_for_child(turns* taken) {
  char byte = 0;
  close(taken->of_child[1]);
  close(taken->of_parent[0]);
  CHECK_INT(read(taken->of_child[0], &byte, 1), 1);
}

static void end_turn(turns* taken) {
  close(taken->of_child[0]);
  close(taken->of_parent[1]);
}

static void ignore_response(void* user_data, tcsync_response* response) {
  (void)user_data;
  tcsync_response_free(response);
}

/* All that a child can try with its parent's engine and listener. */
static void check_refused(const tcsync_config* config, tcsync_engine* engine,
                          tcsync_listener* listener) {
  test_request filled;
  tcsync_response* response = NULL;
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
  CHECK_FAILS(tcsync_listener_serve(listener, engine, &error), TCSYNC_FORKED, "the listener");
  CHECK_FAILS(tcsync_engine_open(config, &opened, &error), TCSYNC_FORKED,
              "fork before the first opening");
  CHECK(opened == NULL);
  CHECK_INT(tcsync_listener_address_count(listener), 1);
  CHECK(tcsync_listener_address(listener, 0) != NULL);
  tcsync_listener_stop(listener);
  tcsync_listener_free(listener);
  tcsync_engine_free(engine);
}

static void an_engine_in_a_child(void) {
  char directory[PATH_BYTES];
  char data[PATH_BYTES];
  char socket_path[PATH_BYTES];
  char listen[PATH_BYTES + 8];
  turns taken = make_turns();
  tcsync_config* config = NULL;
  tcsync_listener* listener = NULL;
  tcsync_engine* engine = NULL;
  tcsync_response* response = NULL;
  pid_t child = -1;
  make_directory(directory);
  join_path(data, directory, "data");
  join_path(socket_path, directory, "socket");
  snprintf(listen, sizeof(listen), "unix:%s", socket_path);
  config = make_config(data);
  CHECK_OK(tcsync_config_set(config, "listen", listen, &error));
  CHECK_OK(tcsync_listener_bind(config, &listener, &error));
  CHECK_OK(tcsync_engine_open(config, &engine, &error));
  CHECK_OK(tcsync_listener_serve(listener, engine, &error));
  child = fork_child();
  if (child == 0) {
    check_refused(config, engine, listener);
    /* Its parent's socket is still there. */
    CHECK(path_exists(socket_path));
    /* Lives on until the parent has closed and opened again. */
    wait_for_parent(&taken);
    _exit(check_exit_status());
  }
  wait_for_child(&taken);
  /* Nothing of it is the child's. */
  response = exchange(engine, "GET", "/v1/client/snapshot", CLIENT_A, NULL, NULL, 0);
  CHECK_INT(tcsync_response_status(response), 404);
  tcsync_response_free(response);
  tcsync_listener_stop(listener);
  tcsync_listener_free(listener);
  tcsync_engine_free(engine);
  /* The child keeps neither the data directory nor the address. */
  engine = NULL;
  listener = NULL;
  CHECK_OK(tcsync_engine_open(config, &engine, &error));
  CHECK_OK(tcsync_listener_bind(config, &listener, &error));
  tcsync_listener_free(listener);
  tcsync_engine_free(engine);
  tcsync_config_free(config);
  end_turn(&taken);
  check_child(child);
  remove_directory(directory);
}

/* A port, too, must be free for a restart while a child of the former server lives. */
static void an_address_in_a_child(void) {
  turns taken = make_turns();
  char address[64];
  tcsync_config* config = make_config(NULL);
  tcsync_listener* listener = NULL;
  pid_t child = -1;
  CHECK_OK(tcsync_listener_bind(config, &listener, &error));
  snprintf(address, sizeof(address), "%s",
           tcsync_listener_address(listener, 0) + strlen("http://"));
  child = fork_child();
  if (child == 0) {
    wait_for_parent(&taken);
    _exit(check_exit_status());
  }
  wait_for_child(&taken);
  tcsync_listener_free(listener);
  CHECK_OK(tcsync_config_set(config, "listen", address, &error));
  CHECK_OK(tcsync_listener_bind(config, &listener, &error));
  tcsync_listener_free(listener);
  tcsync_config_free(config);
  end_turn(&taken);
  check_child(child);
}

enum { kRounds = 200 };

/* Adds versions to the chain to which the other process adds as well, and asks for each one. */
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
      return; /* which has been reported */
    }
    head = version_id;
  }
}

static void one_remote_in_two_processes(void) {
  test_server started = start_server(NULL, NULL);
  tcsync_remote* remote = open_remote(started.url, CLIENT_A, key);
  tcsync_uuid version_id;
  int32_t outcome = 0;
  tcsync_bytes* plaintext = NULL;
  pid_t child = -1;
  /* So that there is a connection, which both would use. */
  CHECK_OK(tcsync_remote_get_snapshot(remote, &outcome, &version_id, &plaintext, &error));
  child = fork_child();
  if (child == 0) {
    add_own_versions(remote, "child");
    tcsync_remote_free(remote);
    _exit(check_exit_status());
  }
  add_own_versions(remote, "parent");
  check_child(child);
  tcsync_remote_free(remote);
  stop_server(&started);
}

/* In the child and in the parent it is another one. */
static void a_cancel_in_a_child(void) {
  test_server started = start_server(NULL, NULL);
  tcsync_remote* remote = open_remote(started.url, CLIENT_A, key);
  tcsync_uuid version_id;
  int32_t outcome = 0;
  tcsync_bytes* plaintext = NULL;
  pid_t child = -1;
  CHECK_OK(tcsync_remote_get_snapshot(remote, &outcome, &version_id, &plaintext, &error));
  child = fork_child();
  if (child == 0) {
    tcsync_remote_cancel(remote);
    CHECK_FAILS(tcsync_remote_get_snapshot(remote, &outcome, &version_id, &plaintext, &error),
                TCSYNC_CANCELLED, "cancelled");
    tcsync_remote_resume(remote);
    CHECK_OK(tcsync_remote_get_snapshot(remote, &outcome, &version_id, &plaintext, &error));
    tcsync_remote_cancel(remote);
    tcsync_remote_free(remote);
    _exit(check_exit_status());
  }
  check_child(child);
  CHECK_OK(tcsync_remote_get_snapshot(remote, &outcome, &version_id, &plaintext, &error));
  tcsync_remote_free(remote);
  stop_server(&started);
}

int main(void) {
  CHECK_OK(tcsync_key_derive(CLIENT_A, SECRET, strlen(SECRET), &key, &error));
  CHECK_TEXT(tcsync_code_name(TCSYNC_FORKED), "TCSYNC_FORKED");
  RUN(an_engine_in_a_child, "a forked process hangs, or its parent cannot open its data again");
  RUN(an_address_in_a_child, "a server cannot be started again while a child of it lives");
  RUN(one_remote_in_two_processes, "a process is told 'added' of another one's version");
  RUN(a_cancel_in_a_child, "a worker that stops its call stops everybody's");
  tcsync_key_free(key);
  return check_exit_status();
}
