/*
 * serve.c - a sync server inside a program in C that has no HTTP server of its own.
 *
 * The library's listener serves on threads of the library, and the program continues meanwhile.
 * Here it only waits for a signal. embed.c is for a program that has an HTTP server.
 *
 * Run: serve_c DATA_DIR PORT   Port 0 is any free one. Further options come from the environment
 * (docs/options.md).
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <tcsync.h>

static void check(tcsync_code code, tcsync_error** error) {
  if (code == TCSYNC_OK) return;
  fprintf(stderr, "%s\n", tcsync_error_message(*error));
  tcsync_error_free(*error);
  exit(1); /* a program that continues frees its handles; see the end of main */
}

/* The library's log. Called on a thread that does nothing else. */
static void on_log(void* user_data, const tcsync_log_record* record) {
  (void)user_data;
  fprintf(stderr, "%s\n", tcsync_log_record_text(record));
}

int main(int argc, char** argv) {
  tcsync_error* error = NULL;
  tcsync_config* config = NULL;
  tcsync_engine* engine = NULL;
  tcsync_listener* listener = NULL;
  char address[64];
  sigset_t signals;
  int received = 0;

  if (argc != 3) {
    fprintf(stderr, "usage: serve_c DATA_DIR PORT\n");
    return 1;
  }
  /* Before the first thread, so that no thread but this one takes them. */
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  sigprocmask(SIG_BLOCK, &signals, NULL);

  snprintf(address, sizeof address, "127.0.0.1:%s", argv[2]);
  check(tcsync_config_new(&config, &error), &error);
  check(tcsync_config_set_from_environment(config, &error), &error);
  check(tcsync_config_set(config, "data-dir", argv[1], &error), &error);
  check(tcsync_config_set(config, "listen", address, &error), &error);
  check(tcsync_config_set_log(config, on_log, NULL, &error), &error);

  /* The address first: a port in use then changes nothing on the disk. */
  check(tcsync_listener_bind(config, &listener, &error), &error);
  check(tcsync_engine_open(config, &engine, &error), &error);
  check(tcsync_listener_serve(listener, engine, &error), &error);
  printf("listening on %s\n", tcsync_listener_address(listener, 0));
  fflush(stdout);

  sigwait(&signals, &received);
  tcsync_listener_stop(listener); /* requests in flight get their answers */
  tcsync_listener_free(listener); /* before the engine that it serves */
  tcsync_engine_free(engine);
  tcsync_config_free(config);
  return 0;
}
