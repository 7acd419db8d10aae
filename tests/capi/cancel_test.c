/* Cancelled calls: from other threads, from signal handlers, and before they begin. */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "support.h"

#define SECRET "a secret"

static tcsync_key* key;

/* So long that a test which waits for it has failed. */
static tcsync_remote* open_remote_without_timeouts(const char* url) {
  tcsync_remote_options options = without_proxy();
  tcsync_remote* remote = NULL;
  options.connect_timeout_ms = 600000;
  options.timeout_ms = 600000;
  CHECK_OK(tcsync_remote_open(url, CLIENT_A, key, &options, &remote, &error));
  return remote;
}

/* Every call of a cancelled remote. */
static void check_all_cancelled(tcsync_remote* remote) {
  char poison = 0;
  tcsync_uuid version_id = {"x"};
  int32_t outcome = -1;
  int32_t urgency = -1;
  tcsync_bytes* plaintext = (tcsync_bytes*)(void*)&poison;
  tcsync_probe probe;
  memset(&probe, 0, sizeof(probe));
  probe.struct_size = sizeof(probe);
  CHECK_FAILS(tcsync_remote_probe(remote, &probe, &error), TCSYNC_CANCELLED, "cancelled");
  CHECK_INT(probe.kind, 0);
  CHECK_FAILS(tcsync_remote_get_child_version(remote, NIL_VERSION, &outcome, &version_id,
                                              &plaintext, &error),
              TCSYNC_CANCELLED, "nothing was sent");
  CHECK_INT(outcome, 0);
  CHECK_TEXT(version_id.text, "");
  CHECK(plaintext == NULL);
  plaintext = (tcsync_bytes*)(void*)&poison;
  CHECK_FAILS(tcsync_remote_add_version(remote, NIL_VERSION, "x", 1, &outcome, &version_id,
                                        &urgency, &error),
              TCSYNC_CANCELLED, "nothing was sent");
  CHECK_FAILS(tcsync_remote_get_snapshot(remote, &outcome, &version_id, &plaintext, &error),
              TCSYNC_CANCELLED, "nothing was sent");
  CHECK(plaintext == NULL);
  CHECK_FAILS(tcsync_remote_add_snapshot(remote, NIL_VERSION, "x", 1, &error), TCSYNC_CANCELLED,
              "nothing was sent");
}

static void a_cancel_lasts_until_it_is_resumed(void) {
  test_server started = start_server(NULL, NULL);
  tcsync_remote* remote = open_remote_without_timeouts(started.url);
  int i = 0;
  CHECK_TEXT(tcsync_code_name(TCSYNC_CANCELLED), "TCSYNC_CANCELLED");
  tcsync_remote_cancel(NULL);
  tcsync_remote_resume(NULL);
  tcsync_remote_resume(remote);
  for (i = 0; i < 3; ++i) {
    CHECK_OK(ask_for_snapshot(remote, &error));
    tcsync_remote_cancel(remote);
    check_all_cancelled(remote);
    tcsync_remote_cancel(remote);
    check_all_cancelled(remote);
    tcsync_remote_resume(remote);
  }
  tcsync_remote_cancel(remote);
  tcsync_remote_free(remote);
  stop_server(&started);
}

typedef struct cancel_loop {
  tcsync_remote* remote;
  atomic_int is_over;
  unsigned seed;
} cancel_loop;

/* Cancels at moments that spread over the length of a call. */
static void* cancel_again_and_again(void* argument) {
  cancel_loop* loop = (cancel_loop*)argument;
  while (!atomic_load(&loop->is_over)) {
    struct timespec pause;
    loop->seed = loop->seed * 1103515245u + 12345u;
    pause.tv_sec = 0;
    pause.tv_nsec = (long)(loop->seed >> 8) % 600000;
    nanosleep(&pause, NULL);
    tcsync_remote_cancel(loop->remote);
  }
  return NULL;
}

enum { kCalls = 1000 };

/* Each version's plaintext is its number. Another remote, which is never cancelled, compares the
 * results of calls with the chain. */
static void cancels_at_any_moment_leave_correct_results(void) {
  static tcsync_uuid ids[kCalls];
  static int was_added[kCalls];
  test_server started = start_server(NULL, NULL);
  tcsync_remote* uncancelled = open_remote_without_timeouts(started.url);
  cancel_loop loop;
  pthread_t thread;
  tcsync_uuid head = {NIL_VERSION};
  tcsync_uuid version_id;
  char text[16];
  int32_t outcome = 0;
  int32_t urgency = 0;
  tcsync_bytes* plaintext = NULL;
  int cancelled = 0;
  int stored = 0;
  int i = 0;
  memset(&loop, 0, sizeof(loop));
  loop.remote = open_remote_without_timeouts(started.url);
  loop.seed = 10;
  atomic_init(&loop.is_over, 0);
  CHECK_INT(pthread_create(&thread, NULL, cancel_again_and_again, &loop), 0);
  for (i = 0; i < kCalls; ++i) {
    tcsync_code code = TCSYNC_OK;
    const int size = snprintf(text, sizeof(text), "%d", i);
    tcsync_remote_resume(loop.remote);
    code = tcsync_remote_add_version(loop.remote, head.text, text, (size_t)size, &outcome, &ids[i],
                                     &urgency, NULL);
    was_added[i] = code == TCSYNC_OK;
    if (was_added[i]) {
      CHECK_INT(outcome, TCSYNC_OUTCOME_ADDED);
      head = ids[i];
      continue;
    }
    CHECK_INT(code, TCSYNC_CANCELLED);
    CHECK_TEXT(ids[i].text, "");
    ++cancelled;
    /* The outcome is unknown, so the test asks for it. A late request follows it, and meets another
     * head. */
    do {
      CHECK_OK(tcsync_remote_get_child_version(uncancelled, head.text, &outcome, &version_id,
                                               &plaintext, &error));
      if (outcome != TCSYNC_OUTCOME_FOUND) break;
      tcsync_bytes_free(plaintext);
      head = version_id;
    } while (1);
    /* A version that ends the doubt: all earlier requests have been decided. */
    CHECK_OK(tcsync_remote_add_version(uncancelled, head.text, "-", 1, &outcome, &version_id,
                                       &urgency, &error));
    while (outcome == TCSYNC_OUTCOME_CONFLICT) {
      head = version_id;
      CHECK_OK(tcsync_remote_add_version(uncancelled, head.text, "-", 1, &outcome, &version_id,
                                         &urgency, &error));
    }
    head = version_id;
  }
  atomic_store(&loop.is_over, 1);
  CHECK_INT(pthread_join(thread, NULL), 0);
  /* The chain has each added version, under its ID, and in order. */
  memcpy(head.text, NIL_VERSION, sizeof(head.text));
  i = 0;
  while (1) {
    CHECK_OK(tcsync_remote_get_child_version(uncancelled, head.text, &outcome, &version_id,
                                             &plaintext, &error));
    if (outcome != TCSYNC_OUTCOME_FOUND) break;
    head = version_id;
    if (strcmp(tcsync_bytes_data(plaintext), "-") != 0) {
      int number = -1;
      CHECK_INT(sscanf(tcsync_bytes_data(plaintext), "%d", &number), 1);
      CHECK(number >= i && number < kCalls);
      for (; i < number; ++i) CHECK(!was_added[i]);
      if (was_added[number]) CHECK_TEXT(ids[number].text, version_id.text);
      ++i;
      ++stored;
    }
    tcsync_bytes_free(plaintext);
  }
  for (; i < kCalls; ++i) CHECK(!was_added[i]);
  CHECK(cancelled > 0);
  CHECK(cancelled < kCalls);
  printf("%d of %d calls were cancelled; %d versions were stored\n", cancelled, kCalls, stored);
  tcsync_remote_free(loop.remote);
  tcsync_remote_free(uncancelled);
  stop_server(&started);
}

#if !defined(THREAD_SANITIZED)

static tcsync_remote* interrupted;
static volatile sig_atomic_t signals;

static void cancel_in_handler(int signal) {
  (void)signal;
  ++signals;
  tcsync_remote_cancel(interrupted);
}

/* On this thread, before, during or after the call. */
static void a_signal_handler_may_cancel_a_call(void) {
  enum { kRounds = 200 };
  raw_server silent = start_raw_server();
  struct sigaction action;
  struct sigaction before;
  int i = 0;
  interrupted = open_remote_without_timeouts(silent.url);
  memset(&action, 0, sizeof(action));
  action.sa_handler = cancel_in_handler;
  CHECK_INT(sigaction(SIGALRM, &action, &before), 0);
  for (i = 0; i < kRounds; ++i) {
    struct itimerval timer;
    memset(&timer, 0, sizeof(timer));
    timer.it_value.tv_usec = 1 + (i * 37) % 1500;
    CHECK_INT(setitimer(ITIMER_REAL, &timer, NULL), 0);
    CHECK_FAILS(ask_for_snapshot(interrupted, &error), TCSYNC_CANCELLED, "cancelled");
    CHECK_INT(signals, i + 1);
    tcsync_remote_resume(interrupted);
  }
  CHECK_INT(sigaction(SIGALRM, &before, NULL), 0);
  tcsync_remote_free(interrupted);
  close(silent.socket);
}

#endif

static void* get_snapshot(void* remote) {
  CHECK_FAILS(ask_for_snapshot((tcsync_remote*)remote, &error), TCSYNC_CANCELLED,
              "was cancelled, during");
  return NULL;
}

/* During that one call. */
static void a_call_during_another_threads_call_is_refused(void) {
  raw_server silent = start_raw_server();
  tcsync_remote* remote = open_remote_without_timeouts(silent.url);
  char byte = 0;
  int connection = -1;
  pthread_t thread;
  CHECK_INT(pthread_create(&thread, NULL, get_snapshot, remote), 0);
  connection = accept(silent.socket, NULL, NULL);
  CHECK_INT(recv(connection, &byte, 1, 0), 1);
  CHECK_FAILS(ask_for_snapshot(remote, &error), TCSYNC_INVALID_ARGUMENT, "another thread");
  tcsync_remote_cancel(remote);
  CHECK_INT(pthread_join(thread, NULL), 0);
  tcsync_remote_free(remote);
  close(connection);
  close(silent.socket);
}

int main(void) {
  CHECK_OK(tcsync_key_derive(CLIENT_A, SECRET, strlen(SECRET), &key, &error));
  RUN(a_cancel_lasts_until_it_is_resumed, "a Ctrl-C that comes just before a call is lost");
  RUN(cancels_at_any_moment_leave_correct_results,
      "a cancel loses a version, or says of one that it was added");
#if defined(THREAD_SANITIZED)
  printf(
      "skipped: a_signal_handler_may_cancel_a_call; the thread sanitizer keeps handlers waiting\n");
#else
  RUN(a_signal_handler_may_cancel_a_call, "Ctrl-C deadlocks, or does not end a call");
#endif
  RUN(a_call_during_another_threads_call_is_refused, "two threads mix their requests up");
  tcsync_key_free(key);
  return check_exit_status();
}
