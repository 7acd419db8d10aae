/*
 * Queues, and the threads on which the library calls its host: no answer is lost, the descriptor is
 * right, and a host that blocks in a callback or in its log function delays no other work.
 *
 * Where a thread waits for another one, a mistake makes the program hang, and the test run ends it.
 */
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "check.h"
#include "support.h"

static void free_event(tcsync_event* event) {
  tcsync_response_free(event->response);
  tcsync_bytes_free(event->bytes);
  tcsync_log_record_free(event->record);
}

/* Checks that an answer of that status comes for `user_data`. */
static void take_answer(tcsync_queue* queue, void* user_data, int status) {
  tcsync_event event = next_event(queue, TEST_DEADLINE_MS);
  CHECK_INT(event.kind, TCSYNC_EVENT_RESPONSE);
  CHECK_INT(event.code, TCSYNC_OK);
  CHECK(event.user_data == user_data);
  CHECK_INT(tcsync_response_status(event.response), status);
  free_event(&event);
}

static int is_readable(const tcsync_queue* queue, int timeout_ms) {
  struct pollfd polled;
  polled.fd = tcsync_queue_descriptor(queue);
  polled.events = POLLIN;
  polled.revents = 0;
  return poll(&polled, 1, timeout_ms) == 1 && (polled.revents & POLLIN) != 0;
}

/* The status of the client's first version, which is 404 while it has none. */
static int status_of_first_child(tcsync_engine* engine, const char* client_id) {
  return take_status(exchange(engine, "GET", FIRST_CHILD, client_id, NULL, NULL, 0));
}

/* Answers. */

enum { kThreads = 4, kRequestsPerThread = 100, kRequests = kThreads * kRequestsPerThread };

static struct {
  tcsync_engine* engine;
  tcsync_queue* queue;
  atomic_int senders;
  atomic_int taken;
  atomic_int events[kRequests];
  atomic_int statuses[kRequests];
} shared;

static void* send_queued(void* unused) {
  const int thread = atomic_fetch_add(&shared.senders, 1);
  test_request filled;
  int i = 0;
  (void)unused;
  fill_first_version(&filled, CLIENT_A);
  for (i = 0; i < kRequestsPerThread; ++i) {
    atomic_int* own_event = &shared.events[thread * kRequestsPerThread + i];
    CHECK_OK(tcsync_engine_handle_queued(shared.engine, &filled.request, shared.queue, own_event,
                                         &error));
  }
  return NULL;
}

/* Takes events until it is woken. */
static void* take_all(void* unused) {
  (void)unused;
  for (;;) {
    tcsync_event event = next_event(shared.queue, -1);
    atomic_int* own_event = (atomic_int*)event.user_data;
    if (event.kind == TCSYNC_EVENT_WAKE) return NULL;
    CHECK_INT(event.kind, TCSYNC_EVENT_RESPONSE);
    atomic_fetch_add(own_event, 1);
    atomic_store(&shared.statuses[own_event - shared.events],
                 tcsync_response_status(event.response));
    free_event(&event);
    if (atomic_fetch_add(&shared.taken, 1) + 1 == kRequests) {
      int i = 0;
      for (i = 0; i < kThreads; ++i) tcsync_queue_wake(shared.queue);
    }
  }
}

static void every_answer_is_delivered_once(void) {
  pthread_t threads[2 * kThreads];
  /* On a slow machine none is refused for the wait. */
  test_store store = open_store("disk-wait-max", "60000");
  int winners = 0;
  int conflicts = 0;
  int i = 0;
  shared.engine = store.engine;
  shared.queue = store.queue;
  for (i = 0; i < 2 * kThreads; ++i) {
    CHECK_INT(pthread_create(&threads[i], NULL, i < kThreads ? take_all : send_queued, NULL), 0);
  }
  for (i = 0; i < 2 * kThreads; ++i) CHECK_INT(pthread_join(threads[i], NULL), 0);
  CHECK(!is_readable(shared.queue, 0));
  for (i = 0; i < kRequests; ++i) {
    CHECK_INT(atomic_load(&shared.events[i]), 1);
    if (atomic_load(&shared.statuses[i]) == 200) ++winners;
    if (atomic_load(&shared.statuses[i]) == 409) ++conflicts;
  }
  CHECK_INT(winners, 1);
  CHECK_INT(conflicts, kRequests - 1);
  remove_store(&store);
}

static void the_descriptor_is_readable_while_an_event_waits(void) {
  tcsync_engine* engine = open_engine(NULL);
  tcsync_queue* queue = make_queue();
  const int descriptor = tcsync_queue_descriptor(queue);
  test_request filled;
  tcsync_event event;
  int round = 0;
  CHECK((fcntl(descriptor, F_GETFD) & FD_CLOEXEC) != 0);
  CHECK((fcntl(descriptor, F_GETFL) & O_NONBLOCK) != 0);
  fill_request(&filled, "GET", "/v1/client/snapshot", CLIENT_A, NULL, NULL, 0);
  for (round = 0; round < 3; ++round) {
    CHECK(!is_readable(queue, 0));
    CHECK_INT(next_event(queue, 0).kind, TCSYNC_EVENT_NONE);
    CHECK_OK(tcsync_engine_handle_queued(engine, &filled.request, queue, &round, &error));
    CHECK(is_readable(queue, TEST_DEADLINE_MS));
    tcsync_queue_wake(queue);
    tcsync_queue_wake(queue);
    CHECK(is_readable(queue, 0));
    /* It comes before the waiting events. */
    event = next_event(queue, 0);
    CHECK_INT(event.kind, TCSYNC_EVENT_WAKE);
    CHECK(event.user_data == NULL && event.response == NULL && event.bytes == NULL);
    CHECK_INT(next_event(queue, -1).kind, TCSYNC_EVENT_WAKE);
    CHECK(is_readable(queue, 0));
    take_answer(queue, &round, 404);
  }
  CHECK(!is_readable(queue, 0));
  tcsync_queue_free(queue);
  tcsync_engine_free(engine);
}

static void a_wait_ends_at_its_timeout_and_at_a_wake(void) {
  tcsync_queue* queue = make_queue();
  CHECK_INT(next_event(queue, 20).kind, TCSYNC_EVENT_NONE);
  tcsync_queue_wake(queue);
  /* Beyond the range of any clock. */
  CHECK_INT(next_event(queue, INT64_MAX).kind, TCSYNC_EVENT_WAKE);
  tcsync_queue_free(queue);
}

static void queues_check_their_arguments(void) {
  char poison = 0;
  tcsync_queue* queue = make_queue();
  tcsync_config* config = make_config(NULL);
  tcsync_engine* engine = open_engine(NULL);
  test_request filled;
  tcsync_event event;
  memset(&event, 0, sizeof(event));
  fill_first_version(&filled, CLIENT_A);
  CHECK_NEEDS(tcsync_queue_new(NULL, &error), "queue");
  CHECK_NEEDS(tcsync_queue_next(queue, 0, NULL, &error), "event");
  tcsync_queue_wake(queue);
  CHECK_FAILS(tcsync_queue_next(queue, 0, &event, &error), TCSYNC_INVALID_ARGUMENT, "struct_size");
  event.struct_size = sizeof(event) - 1;
  CHECK_FAILS(tcsync_queue_next(queue, 0, &event, &error), TCSYNC_INVALID_ARGUMENT, "struct_size");
  event.struct_size = sizeof(event);
  CHECK_FAILS(tcsync_queue_next(queue, -2, &event, &error), TCSYNC_INVALID_ARGUMENT, "timeout_ms");
  CHECK_NEEDS(tcsync_queue_next(NULL, 0, &event, &error), "queue");
  /* None of them took it. */
  CHECK_INT(next_event(queue, 0).kind, TCSYNC_EVENT_WAKE);
  CHECK_NEEDS(tcsync_engine_handle_queued(NULL, &filled.request, queue, NULL, &error), "engine");
  CHECK_NEEDS(tcsync_engine_handle_queued(engine, NULL, queue, NULL, &error), "request");
  CHECK_NEEDS(tcsync_engine_handle_queued(engine, &filled.request, NULL, &poison, &error), "queue");
  filled.request.struct_size = 0;
  CHECK_FAILS(tcsync_engine_handle_queued(engine, &filled.request, queue, NULL, &error),
              TCSYNC_INVALID_ARGUMENT, "struct_size");
  CHECK_NEEDS(tcsync_config_set_log_queue(NULL, queue, &error), "config");
  CHECK_OK(tcsync_config_set_log_queue(config, NULL, &error));
  CHECK_INT(next_event(queue, 0).kind, TCSYNC_EVENT_NONE);
  CHECK_INT(tcsync_queue_descriptor(NULL), -1);
  tcsync_queue_wake(NULL);
  tcsync_queue_free(NULL);
  tcsync_engine_free(engine);
  tcsync_config_free(config);
  tcsync_queue_free(queue);
}

/* The undefined-behaviour sanitizer inspects objects through a pipe of its own, and needs
 * descriptors. */
#if !defined(SANITIZED)
static void descriptors_may_be_exhausted(void) {
  char poison = 0;
  struct rlimit before;
  struct rlimit none;
  tcsync_queue* queue = (tcsync_queue*)(void*)&poison;
  CHECK_INT(getrlimit(RLIMIT_NOFILE, &before), 0);
  none = before;
  none.rlim_cur = 3;
  CHECK_INT(setrlimit(RLIMIT_NOFILE, &none), 0);
  CHECK_FAILS(tcsync_queue_new(&queue, &error), TCSYNC_SYSTEM, "descriptor");
  CHECK(queue == NULL);
  CHECK_INT(setrlimit(RLIMIT_NOFILE, &before), 0);
  tcsync_queue_free(make_queue());
}
#endif

static void a_queue_may_be_freed_before_its_engine(void) {
  test_store store = open_store(NULL, NULL);
  char client_id[TEST_CLIENT_BYTES];
  test_request filled;
  int i = 0;
  for (i = 0; i < 100; ++i) {
    number_client(client_id, i);
    fill_first_version(&filled, client_id);
    CHECK_OK(tcsync_engine_handle_queued(store.engine, &filled.request, store.queue, NULL, &error));
  }
  /* Some are answered, and some are not. */
  tcsync_queue_free(store.queue);
  store.queue = NULL;
  reopen_engine(&store);
  for (i = 0; i < 100; ++i) {
    number_client(client_id, i);
    CHECK_INT(status_of_first_child(store.engine, client_id), 200);
  }
  remove_store(&store);
}

static void answers_outlive_the_engine(void) {
  test_store store = open_store(NULL, NULL);
  test_request filled;
  fill_first_version(&filled, CLIENT_A);
  CHECK_OK(
      tcsync_engine_handle_queued(store.engine, &filled.request, store.queue, &filled, &error));
  close_engine(&store);
  CHECK(is_readable(store.queue, 0));
  take_answer(store.queue, &filled, 200);
  remove_store(&store);
}

/* Callbacks. */

/* A gate at which threads wait until a host opens it. */
typedef struct gate {
  pthread_mutex_t mutex;
  pthread_cond_t changed;
  int is_open;
  int entered;
  int left;
} gate;

static void make_gate(gate* made) {
  memset(made, 0, sizeof(*made));
  pthread_mutex_init(&made->mutex, NULL);
  pthread_cond_init(&made->changed, NULL);
}

static void pass_gate(gate* at) {
  pthread_mutex_lock(&at->mutex);
  ++at->entered;
  pthread_cond_broadcast(&at->changed);
  while (!at->is_open) pthread_cond_wait(&at->changed, &at->mutex);
  ++at->left;
  pthread_cond_broadcast(&at->changed);
  pthread_mutex_unlock(&at->mutex);
}

/* `counter` is one of the gate's. */
static void wait_until(gate* at, const int* counter, int count) {
  pthread_mutex_lock(&at->mutex);
  while (*counter < count) pthread_cond_wait(&at->changed, &at->mutex);
  pthread_mutex_unlock(&at->mutex);
}

static void wait_until_entered(gate* at, int count) { wait_until(at, &at->entered, count); }

static void wait_until_left(gate* at, int count) { wait_until(at, &at->left, count); }

static void open_gate(gate* at) {
  pthread_mutex_lock(&at->mutex);
  at->is_open = 1;
  pthread_cond_broadcast(&at->changed);
  pthread_mutex_unlock(&at->mutex);
}

/* A request whose callback waits at a gate. Sent by a thread of its own: an answer that is ready
 * within the call comes on the caller's thread, which would wait there for ever. */
typedef struct sender {
  tcsync_engine* engine;
  tcsync_response_function receive;
  void* user_data;
  pthread_t thread;
} sender;

static void* send_first_version(void* argument) {
  const sender* const sent = (const sender*)argument;
  test_request filled;
  fill_first_version(&filled, CLIENT_A);
  CHECK_OK(tcsync_engine_handle_async(sent->engine, &filled.request, sent->receive, sent->user_data,
                                      &error));
  return NULL;
}

static void start_sender(sender* started) {
  CHECK_INT(pthread_create(&started->thread, NULL, send_first_version, started), 0);
}

static void end_sender(const sender* ended) { CHECK_INT(pthread_join(ended->thread, NULL), 0); }

static void receive_at_gate(void* user_data, tcsync_response* response) {
  CHECK_INT(take_status(response), 200);
  pass_gate((gate*)user_data);
}

static void a_callback_delays_no_other_client(void) {
  test_store store = open_store(NULL, NULL);
  gate blocked;
  sender sent = {store.engine, receive_at_gate, &blocked, 0};
  make_gate(&blocked);
  start_sender(&sent);
  wait_until_entered(&blocked, 1);
  CHECK_INT(add_first_version(store.engine, CLIENT_B), 200);
  CHECK_INT(status_of_first_child(store.engine, CLIENT_A), 200);
  open_gate(&blocked);
  end_sender(&sent);
  close_engine(&store);
  /* The engine waited for it. */
  CHECK_INT(blocked.left, 1);
  remove_store(&store);
}

static void count_answer(void* user_data, tcsync_response* response) {
  atomic_fetch_add((atomic_int*)user_data, 1);
  tcsync_response_free(response);
}

static void an_engine_waits_for_its_callbacks(void) {
  test_store store = open_store(NULL, NULL);
  test_request filled;
  atomic_int answers = 0;
  int i = 0;
  fill_first_version(&filled, CLIENT_A);
  for (i = 0; i < 100; ++i) {
    CHECK_OK(
        tcsync_engine_handle_async(store.engine, &filled.request, count_answer, &answers, &error));
  }
  close_engine(&store);
  CHECK_INT(atomic_load(&answers), 100);
  remove_store(&store);
}

static struct {
  test_store store;
  gate gate;
} freed;

static void free_engine_in_callback(void* unused, tcsync_response* response) {
  (void)unused;
  tcsync_response_free(response);
  pass_gate(&freed.gate);
  close_engine(&freed.store);
  pass_gate(&freed.gate);
}

static void a_callback_may_free_the_engine(void) {
  sender sent = {NULL, free_engine_in_callback, NULL, 0};
  make_gate(&freed.gate);
  freed.store = open_store(NULL, NULL);
  sent.engine = freed.store.engine;
  start_sender(&sent);
  wait_until_entered(&freed.gate, 1);
  open_gate(&freed.gate);
  wait_until_left(&freed.gate, 2);
  end_sender(&sent);
  reopen_engine(&freed.store);
  remove_store(&freed.store);
}

/* Log records. */

/* A configuration with which any number of requests may be logged. */
static tcsync_config* make_debug_config(const char* directory) {
  tcsync_config* config = make_config(directory);
  CHECK_OK(tcsync_config_set(config, "log-level", "debug", &error));
  CHECK_OK(tcsync_config_set(config, "client-requests-per-second", "0", &error));
  return config;
}

/* Causes one record, of the debug level. */
static void log_something(tcsync_engine* engine) {
  CHECK_INT(status_of_first_child(engine, CLIENT_A), 404);
}

/* Takes log records until there are none. Returns their number, and adds up the dropped ones. */
static int drain_log(tcsync_queue* queue, int64_t* dropped) {
  int records = 0;
  for (;;) {
    tcsync_event event = next_event(queue, 0);
    if (event.kind == TCSYNC_EVENT_NONE) return records;
    if (event.kind == TCSYNC_EVENT_LOG_DROPPED) {
      CHECK(event.dropped > 0 && event.record == NULL);
      /* They would have followed the others. */
      CHECK_INT(records, 1024);
      *dropped += event.dropped;
      continue;
    }
    CHECK_INT(event.kind, TCSYNC_EVENT_LOG);
    CHECK(tcsync_log_record_level(event.record) >= TCSYNC_LOG_DEBUG);
    CHECK(tcsync_log_record_level(event.record) <= TCSYNC_LOG_ERROR);
    CHECK(event.user_data == NULL && event.dropped == 0 && event.bytes == NULL);
    CHECK(tcsync_log_record_message(event.record)[0] != '\0');
    CHECK(strchr(tcsync_log_record_text(event.record), '\n') == NULL);
    free_event(&event);
    ++records;
  }
}

static void a_queue_receives_the_log(void) {
  enum { kRecords = 1500 };
  tcsync_queue* queue = make_queue();
  tcsync_config* config = make_debug_config(NULL);
  tcsync_engine* engine = NULL;
  test_request filled;
  int64_t dropped = 0;
  int i = 0;
  CHECK_OK(tcsync_config_set_log_queue(config, queue, &error));
  CHECK_OK(tcsync_engine_open(config, &engine, &error));
  tcsync_config_free(config);
  drain_log(queue, &dropped);
  CHECK_INT(dropped, 0);
  for (i = 0; i < kRecords; ++i) log_something(engine);
  CHECK_INT(drain_log(queue, &dropped), 1024);
  CHECK_INT(dropped, kRecords - 1024);
  /* There is room again, and the dropped ones are reported once. */
  log_something(engine);
  CHECK_INT(drain_log(queue, &dropped), 1);
  CHECK_INT(dropped, kRecords - 1024);
  /* An answer has its place behind any number of records. */
  for (i = 0; i < kRecords; ++i) log_something(engine);
  fill_request(&filled, "GET", "/", NULL, NULL, NULL, 0);
  CHECK_OK(tcsync_engine_handle_queued(engine, &filled.request, queue, &filled, &error));
  for (i = 0; i < 1024; ++i) {
    tcsync_event event = next_event(queue, 0);
    CHECK_INT(event.kind, TCSYNC_EVENT_LOG);
    free_event(&event);
  }
  take_answer(queue, &filled, 200);
  tcsync_engine_free(engine);
  CHECK_INT(next_event(queue, 0).kind, TCSYNC_EVENT_LOG_DROPPED);
  tcsync_queue_free(queue);
}

static void an_engine_and_its_log_queue_may_be_freed_in_either_order(void) {
  tcsync_queue* queue = make_queue();
  tcsync_config* config = make_debug_config(NULL);
  tcsync_engine* engine = NULL;
  int64_t dropped = 0;
  CHECK_OK(tcsync_config_set_log_queue(config, queue, &error));
  CHECK_OK(tcsync_engine_open(config, &engine, &error));
  log_something(engine);
  tcsync_engine_free(engine);
  CHECK(drain_log(queue, &dropped) > 0);
  CHECK_OK(tcsync_engine_open(config, &engine, &error));
  tcsync_config_free(config);
  tcsync_queue_free(queue);
  log_something(engine);
  tcsync_engine_free(engine);
}

/* The records that a log function received while it waits at a gate. */
static struct {
  gate gate;
  atomic_int records;
  atomic_int reported_dropped;
  atomic_int told_address;
} logged;

static void log_at_gate(void* user_data, const tcsync_log_record* record) {
  const char* const message = tcsync_log_record_message(record);
  (void)user_data;
  pass_gate(&logged.gate);
  if (strstr(message, "listening on") != NULL) atomic_fetch_add(&logged.told_address, 1);
  if (strstr(message, "log records were dropped") != NULL) {
    CHECK_INT(tcsync_log_record_level(record), TCSYNC_LOG_WARNING);
    CHECK_TEXT(message, tcsync_log_record_text(record));
    atomic_fetch_add(&logged.reported_dropped, 1);
  } else {
    atomic_fetch_add(&logged.records, 1);
  }
}

static tcsync_config* make_gated_config(const char* directory) {
  tcsync_config* config = make_debug_config(directory);
  make_gate(&logged.gate);
  atomic_store(&logged.records, 0);
  atomic_store(&logged.reported_dropped, 0);
  atomic_store(&logged.told_address, 0);
  CHECK_OK(tcsync_config_set_log(config, log_at_gate, NULL, &error));
  return config;
}

static void a_log_function_delays_no_request(void) {
  char directory[PATH_BYTES];
  tcsync_config* config = NULL;
  test_server started;
  int i = 0;
  make_directory(directory);
  config = make_gated_config(directory);
  started = serve(config);
  tcsync_config_free(config);
  wait_until_entered(&logged.gate, 1);
  CHECK_INT(add_first_version(started.engine, CLIENT_B), 200);
  for (i = 0; i < 1500; ++i) log_something(started.engine);
  tcsync_listener_stop(started.listener);
  CHECK_INT(atomic_load(&logged.records), 0);
  open_gate(&logged.gate);
  stop_server(&started);
  /* Freeing waited for the remaining records. */
  CHECK(atomic_load(&logged.records) >= 1024);
  CHECK(atomic_load(&logged.reported_dropped) >= 1);
  CHECK_INT(atomic_load(&logged.told_address), 1);
  CHECK_INT(logged.gate.entered, logged.gate.left);
  remove_directory(directory);
}

static void closing_does_not_wait_for_a_stuck_log_function(void) {
  tcsync_config* config = make_gated_config(NULL);
  tcsync_engine* engine = NULL;
  int entered = 0;
  CHECK_OK(tcsync_engine_open(config, &engine, &error));
  log_something(engine);
  log_something(engine);
  wait_until_entered(&logged.gate, 1);
  tcsync_engine_free(engine);
  open_gate(&logged.gate);
  wait_until_left(&logged.gate, 1);
  /* The rest was dropped; and engines that are opened from the same configuration log again. */
  CHECK_OK(tcsync_engine_open(config, &engine, &error));
  tcsync_config_free(config);
  log_something(engine);
  tcsync_engine_free(engine);
  pthread_mutex_lock(&logged.gate.mutex);
  entered = logged.gate.entered;
  pthread_mutex_unlock(&logged.gate.mutex);
  CHECK(entered >= 2);
}

int main(void) {
  RUN(every_answer_is_delivered_once, "an event loop hangs, or frees twice");
  RUN(the_descriptor_is_readable_while_an_event_waits,
      "an event loop sleeps over an answer, or never sleeps");
  RUN(a_wait_ends_at_its_timeout_and_at_a_wake, "a host's thread cannot be stopped");
  RUN(queues_check_their_arguments,
      "a mistake in a binding crashes the program, or loses an event");
#if !defined(SANITIZED)
  RUN(descriptors_may_be_exhausted, "a program under load is aborted instead of told");
#endif
  RUN(a_queue_may_be_freed_before_its_engine, "a host that stops crashes, or loses writes");
  RUN(answers_outlive_the_engine, "a host that stops loses answers to writes that happened");
  RUN(a_callback_delays_no_other_client, "a busy host stalls the writes of every client");
  RUN(an_engine_waits_for_its_callbacks, "a callback runs after its engine was freed");
  RUN(a_callback_may_free_the_engine, "a program that ends from a callback hangs");
  RUN(a_queue_receives_the_log, "a host that does not look fills the memory with log records");
  RUN(an_engine_and_its_log_queue_may_be_freed_in_either_order, "a host that stops crashes");
  RUN(a_log_function_delays_no_request, "a blocking log stops the server, or its end");
  RUN(closing_does_not_wait_for_a_stuck_log_function, "a program cannot end");
  return check_exit_status();
}
