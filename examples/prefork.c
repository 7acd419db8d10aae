/*
 * prefork.c - read this if your program forks workers.
 *
 * The parent serves an engine, and the workers are replicas that use it. A worker has a copy of its
 * parent's memory and none of its threads, so two rules:
 *
 * - The workers are forked before the engine is opened. A process that was forked after that can
 *   neither use the engine nor open another one: it gets TCSYNC_FORKED. If it cannot be avoided,
 *   such a process must end with _exit() or exec(): exit() waits for threads of the database.
 * - Keys and remotes may be made before the fork, and be used by every worker: deriving the key
 *   takes long, and each worker makes a connection of its own.
 *
 * Run: prefork_c DATA_DIR
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <tcsync.h>
#include <unistd.h>

#define NIL_VERSION "00000000-0000-0000-0000-000000000000"
#define WORKERS 3
#define VERSIONS_PER_WORKER 10

static void check(const char* step, tcsync_code code, tcsync_error** error) {
  if (code == TCSYNC_OK) return;
  fprintf(stderr, "%s: %s (%s)\n", step, tcsync_error_message(*error), tcsync_code_name(code));
  tcsync_error_free(*error);
  _exit(100);
}

/* Adds versions to the history that all workers share; returns how many. */
static int work(tcsync_remote* remote, int number) {
  tcsync_uuid head = {NIL_VERSION};
  char plaintext[32];
  int added = 0;
  sprintf(plaintext, "by worker %d", number);
  while (added < VERSIONS_PER_WORKER) {
    tcsync_uuid version_id;
    int32_t outcome = 0;
    int32_t urgency = 0;
    tcsync_error* error = NULL;
    check("add-version",
          tcsync_remote_add_version(remote, head.text, plaintext, strlen(plaintext), &outcome,
                                    &version_id, &urgency, &error),
          &error);
    if (outcome == TCSYNC_OUTCOME_ADDED) ++added;
    /* After a conflict this is the latest version. A replica would first get those before it. */
    head = version_id;
  }
  return added;
}

/* The number of versions in the history. */
static int count_versions(tcsync_remote* remote) {
  tcsync_uuid head = {NIL_VERSION};
  int count = 0;
  for (;;) {
    tcsync_uuid version_id;
    int32_t outcome = 0;
    tcsync_bytes* plaintext = NULL;
    tcsync_error* error = NULL;
    check("get-child-version",
          tcsync_remote_get_child_version(remote, head.text, &outcome, &version_id, &plaintext,
                                          &error),
          &error);
    tcsync_bytes_free(plaintext);
    if (outcome != TCSYNC_OUTCOME_FOUND) return count;
    head = version_id;
    ++count;
  }
}

int main(int argc, char** argv) {
  tcsync_error* error = NULL;
  tcsync_config* config = NULL;
  tcsync_listener* listener = NULL;
  tcsync_engine* engine = NULL;
  tcsync_bytes* client_id = NULL;
  tcsync_bytes* secret = NULL;
  tcsync_key* key = NULL;
  tcsync_remote* remote = NULL;
  tcsync_remote_options options;
  pid_t workers[WORKERS];
  int i;

  if (argc != 2) {
    fprintf(stderr, "usage: %s DATA_DIR\n", argv[0]);
    return 2;
  }
  check("config", tcsync_config_new(&config, &error), &error);
  check("data-dir", tcsync_config_set(config, "data-dir", argv[1], &error), &error);
  check("listen", tcsync_config_set(config, "listen", "127.0.0.1:0", &error), &error);

  /* Binding makes no thread. The workers' connections wait until the parent serves, and the workers
   * do not keep the address when the parent ends. */
  check("bind", tcsync_listener_bind(config, &listener, &error), &error);

  check("credentials", tcsync_credentials_generate(&client_id, &secret, &error), &error);
  check("key",
        tcsync_key_derive(tcsync_bytes_data(client_id), tcsync_bytes_data(secret),
                          tcsync_bytes_size(secret), &key, &error),
        &error);
  memset(&options, 0, sizeof options);
  options.struct_size = sizeof options;
  options.proxy = ""; /* the server is this program */
  check("remote",
        tcsync_remote_open(tcsync_listener_address(listener, 0), tcsync_bytes_data(client_id), key,
                           &options, &remote, &error),
        &error);

  for (i = 0; i < WORKERS; ++i) {
    workers[i] = fork();
    if (workers[i] < 0) return 1;
    if (workers[i] == 0) _exit(work(remote, i)); /* not exit(): the buffers are the parent's, too */
  }

  check("open", tcsync_engine_open(config, &engine, &error), &error);
  check("serve", tcsync_listener_serve(listener, engine, &error), &error);
  for (i = 0; i < WORKERS; ++i) {
    int status = 0;
    waitpid(workers[i], &status, 0);
    printf("worker %d: added %d\n", i, WIFEXITED(status) ? WEXITSTATUS(status) : -1);
  }
  printf("versions: %d\n", count_versions(remote));

  tcsync_remote_free(remote);
  tcsync_key_free(key);
  tcsync_bytes_free(secret);
  tcsync_bytes_free(client_id);
  tcsync_listener_stop(listener);
  tcsync_listener_free(listener);
  tcsync_engine_free(engine);
  tcsync_config_free(config);
  return 0;
}
