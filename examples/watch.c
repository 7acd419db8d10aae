/*
 * watch.c - tells when another computer has sent something, by a request that waits at the server.
 *
 * It has no secret and downloads nothing: a program that syncs would do so for each line.
 *
 * Run: watch_c URL CLIENT_ID [VERSION_ID]   The version that one knows; without it, the beginning.
 *      It ends with Ctrl-C, or when the server does not have that version any more.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <tcsync.h>
#include <time.h>
#include <unistd.h>

enum {
  WAIT_SECONDS = 50,  /* the longest that proxies on the way leave alone */
  EARLY_SECONDS = 45, /* a server that ends a wait before wants to be asked less often */
  PAUSE_SECONDS = 10, /* after that, and after a failure */
  POLL_SECONDS = 240  /* for a server that lets nobody wait */
};

static tcsync_remote* remote; /* opened before the handler is set, and freed after it is reset */
static volatile sig_atomic_t is_over = 0;

static void on_interrupt(int signal) {
  (void)signal;
  is_over = 1;
  tcsync_remote_cancel(remote);
}

/* In short steps, because a signal just before a long sleep would not end it. */
static void pause_for(int seconds) {
  for (; seconds > 0 && !is_over; --seconds) sleep(1);
}

/* Waits once for the version after *known. Returns 0 when there is no use in further waits. */
static int wait_once(tcsync_uuid* known) {
  tcsync_error* error = NULL;
  tcsync_uuid version;
  int32_t outcome = 0;
  time_t begun = time(NULL);
  tcsync_code code =
      tcsync_remote_await_version(remote, known->text, WAIT_SECONDS, &outcome, &version, &error);

  if (code == TCSYNC_CANCELLED) {
    tcsync_error_free(error);
    return 0;
  }
  if (code != TCSYNC_OK) {
    fprintf(stderr, "%s\n", tcsync_error_message(error));
    tcsync_error_free(error);
    pause_for(PAUSE_SECONDS);
    return !is_over;
  }
  if (outcome == TCSYNC_OUTCOME_FOUND) {
    printf("new: %s\n", version.text);
    fflush(stdout);
    *known = version; /* a program that syncs takes the version up to which it has synced */
  } else if (outcome == TCSYNC_OUTCOME_NO_WAITS) {
    pause_for(POLL_SECONDS);
  } else if (outcome == TCSYNC_OUTCOME_GONE) {
    fprintf(stderr, "the server does not have %s any more\n", known->text);
    return 0;
  } else if (time(NULL) - begun < EARLY_SECONDS) {
    pause_for(PAUSE_SECONDS);
  }
  return !is_over;
}

int main(int argc, char** argv) {
  tcsync_error* error = NULL;
  tcsync_uuid known;

  if (argc < 3 || argc > 4 || (argc == 4 && strlen(argv[3]) >= sizeof known.text)) {
    fprintf(stderr, "usage: watch_c URL CLIENT_ID [VERSION_ID]\n");
    return 2;
  }
  strcpy(known.text, argc == 4 ? argv[3] : "00000000-0000-0000-0000-000000000000");
  if (tcsync_remote_open(argv[1], argv[2], NULL, NULL, &remote, &error) != TCSYNC_OK) {
    fprintf(stderr, "%s\n", tcsync_error_message(error));
    tcsync_error_free(error);
    return 1;
  }
  signal(SIGINT, on_interrupt);
  signal(SIGTERM, on_interrupt);
  while (wait_once(&known)) {
  }
  signal(SIGINT, SIG_DFL);
  signal(SIGTERM, SIG_DFL);
  tcsync_remote_free(remote);
  return is_over ? 0 : 1;
}
