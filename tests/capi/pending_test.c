/*
 * Requests and responses piece by piece: a body in pieces arrives whole or not at all, for any
 * order of a host's calls, and many large bodies at once take little memory.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "support.h"

enum { kLargeBytes = 1 << 20 };

static char large[kLargeBytes + 12345];

static void fill_large(void) {
  size_t i = 0;
  for (i = 0; i < sizeof(large); ++i) large[i] = (char)(i * 2654435761U >> 13);
}

/* Sends all of it, in pieces of that size. Returns the status of an answer, or 0. */
static int append_all(tcsync_pending* pending, const char* data, size_t size, size_t piece) {
  while (size > 0) {
    const size_t now = size < piece ? size : piece;
    tcsync_response* response = NULL;
    CHECK_OK(tcsync_pending_append(pending, data, now, &response, &error));
    if (response != NULL) return take_status(response);
    data += now;
    size -= now;
  }
  return 0;
}

static int finish(tcsync_pending* pending) {
  tcsync_response* response = NULL;
  CHECK_OK(tcsync_pending_finish(pending, &response, &error));
  CHECK(response != NULL);
  tcsync_pending_free(pending);
  return take_status(response);
}

/* Adds the first `size` bytes of `large` as the first version of a client, in pieces of that size.
 */
static void add_version(tcsync_engine* engine, const char* client_id, size_t size, size_t piece) {
  tcsync_pending* pending = begin_version(engine, client_id, NULL, NULL);
  CHECK_INT(append_all(pending, large, size, piece), 0);
  CHECK_INT(finish(pending), 200);
}

/* A request without a body. */
static tcsync_response* get(tcsync_engine* engine, const char* target, const char* client_id) {
  test_request filled;
  tcsync_pending* pending = NULL;
  tcsync_response* response = NULL;
  fill_request(&filled, "GET", target, client_id, NULL, NULL, 0);
  CHECK_OK(tcsync_engine_begin(engine, &filled.request, &pending, &response, &error));
  if (pending != NULL) CHECK_OK(tcsync_pending_finish(pending, &response, &error));
  tcsync_pending_free(pending);
  return response;
}

static int status_of_first_child(tcsync_engine* engine, const char* client_id) {
  return take_status(get(engine, FIRST_CHILD, client_id));
}

/* Checks that the client's first version is `size` bytes of `expected`. */
static void check_first_child(tcsync_engine* engine, const char* client_id, const char* expected,
                              size_t size) {
  tcsync_response* response = get(engine, FIRST_CHILD, client_id);
  size_t offset = 0;
  CHECK_INT(tcsync_response_status(response), 200);
  CHECK_INT(tcsync_response_body_size(response), size);
  CHECK_TEXT(tcsync_response_header_value(response, "Content-Type"), SEGMENT_TYPE);
  for (;;) {
    tcsync_bytes* bytes = NULL;
    size_t piece = 0;
    CHECK_OK(tcsync_response_read(response, &bytes, &error));
    if (bytes == NULL) break;
    piece = tcsync_bytes_size(bytes);
    CHECK(piece > 0 && piece <= 128 * 1024);
    CHECK(offset + piece <= size &&
          memcmp(tcsync_bytes_data(bytes), expected + offset, piece) == 0);
    offset += piece;
    tcsync_bytes_free(bytes);
  }
  CHECK_INT(offset, size);
  /* The end stays the end. */
  {
    tcsync_bytes* bytes = (tcsync_bytes*)(void*)&offset;
    CHECK_OK(tcsync_response_read(response, &bytes, &error));
    CHECK(bytes == NULL);
  }
  tcsync_response_free(response);
}

static void check_pieces(tcsync_engine* engine, int is_persistent) {
  static const struct {
    const char* client_id;
    size_t size;
    size_t piece;
  } kBodies[] = {
      {"00000000-0000-4000-8000-000000000001", 1, 1},
      {"00000000-0000-4000-8000-000000000002", 5000, 7},
      {"00000000-0000-4000-8000-000000000003", 128 * 1024, 64 * 1024},
      {"00000000-0000-4000-8000-000000000004", 128 * 1024 + 1, 64 * 1024},
      {"00000000-0000-4000-8000-000000000005", sizeof(large), 9999},
      {"00000000-0000-4000-8000-000000000006", sizeof(large), sizeof(large)},
  };
  const char* const last = kBodies[5].client_id;
  tcsync_response* response = NULL;
  size_t size = 0;
  size_t i = 0;
  for (i = 0; i < sizeof(kBodies) / sizeof(kBodies[0]); ++i) {
    add_version(engine, kBodies[i].client_id, kBodies[i].size, kBodies[i].piece);
    check_first_child(engine, kBodies[i].client_id, large, kBodies[i].size);
  }
  /* A body in pieces is not in memory, and must not be taken for an empty one. */
  response = get(engine, FIRST_CHILD, last);
  if (is_persistent) CHECK(tcsync_response_body(response, &size) == NULL);
  if (is_persistent) CHECK_INT(size, 0);
  tcsync_response_free(response);
  /* The call that waits for the whole still has it. */
  response = exchange(engine, "GET", FIRST_CHILD, last, NULL, NULL, 0);
  CHECK(tcsync_response_body(response, &size) != NULL);
  CHECK_INT(size, sizeof(large));
  CHECK_INT(tcsync_response_body_size(response), sizeof(large));
  tcsync_response_free(response);
}

static void bodies_pass_in_pieces(void) {
  test_store store = open_store(NULL, NULL);
  tcsync_engine* in_memory = open_engine(NULL);
  check_pieces(in_memory, 0);
  tcsync_engine_free(in_memory);
  check_pieces(store.engine, 1);
  remove_store(&store);
}

static tcsync_event take_event(tcsync_queue* queue, int kind) {
  const tcsync_event event = next_event(queue, TEST_DEADLINE_MS);
  CHECK_INT(event.kind, kind);
  return event;
}

static void bodies_pass_in_pieces_through_a_queue(void) {
  test_store store = open_store(NULL, NULL);
  tcsync_queue* const queue = store.queue;
  tcsync_pending* pending = begin_version(store.engine, CLIENT_A, NULL, NULL);
  tcsync_response* response = NULL;
  tcsync_event event;
  size_t offset = 0;
  while (offset < sizeof(large)) {
    const size_t rest = sizeof(large) - offset;
    const size_t piece = rest < 65536 ? rest : 65536;
    CHECK_OK(tcsync_pending_append_queued(pending, large + offset, piece, queue, &offset, &error));
    event = take_event(queue, TCSYNC_EVENT_READY);
    CHECK(event.user_data == &offset);
    CHECK_INT(event.code, TCSYNC_OK);
    offset += piece;
  }
  CHECK_OK(tcsync_pending_finish_queued(pending, queue, &pending, &error));
  tcsync_pending_free(pending);
  event = take_event(queue, TCSYNC_EVENT_RESPONSE);
  CHECK(event.user_data == &pending);
  CHECK_INT(take_status(event.response), 200);

  response = get(store.engine, FIRST_CHILD, CLIENT_A);
  for (offset = 0;;) {
    CHECK_OK(tcsync_response_read_queued(response, queue, &response, &error));
    event = take_event(queue, TCSYNC_EVENT_PIECE);
    CHECK(event.user_data == &response);
    CHECK_INT(event.code, TCSYNC_OK);
    if (event.bytes == NULL) break;
    CHECK(memcmp(tcsync_bytes_data(event.bytes), large + offset, tcsync_bytes_size(event.bytes)) ==
          0);
    offset += tcsync_bytes_size(event.bytes);
    tcsync_bytes_free(event.bytes);
  }
  CHECK_INT(offset, sizeof(large));
  tcsync_response_free(response);
  /* The last piece comes although the response was freed. */
  response = get(store.engine, FIRST_CHILD, CLIENT_A);
  CHECK_OK(tcsync_response_read_queued(response, queue, NULL, &error));
  tcsync_response_free(response);
  event = take_event(queue, TCSYNC_EVENT_PIECE);
  CHECK_INT(tcsync_bytes_size(event.bytes), 128 * 1024);
  tcsync_bytes_free(event.bytes);
  remove_store(&store);
}

static void a_head_can_be_answered_at_once(void) {
  static const struct {
    const char* method;
    const char* target;
    const char* client_id;
    const char* content_length;
    int status;
  } kHeads[] = {
      {"DELETE", FIRST_VERSION, CLIENT_A, NULL, 405},
      {"POST", "/v1/client/no-such-thing", CLIENT_A, NULL, 404},
      {"POST", FIRST_VERSION, NULL, NULL, 400},
      {"POST", FIRST_VERSION, "not-a-uuid", NULL, 400},
      {"POST", FIRST_VERSION, CLIENT_A, "999999999999", 413},
      {"", "", NULL, NULL, 405},
  };
  tcsync_engine* engine = open_engine(NULL);
  size_t i = 0;
  for (i = 0; i < sizeof(kHeads) / sizeof(kHeads[0]); ++i) {
    test_request filled;
    tcsync_pending* pending = (tcsync_pending*)(void*)&filled;
    tcsync_response* response = NULL;
    fill_request(&filled, kHeads[i].method, kHeads[i].target, kHeads[i].client_id, SEGMENT_TYPE,
                 NULL, 0);
    if (kHeads[i].content_length != NULL) {
      add_header(&filled, "Content-Length", kHeads[i].content_length);
    }
    CHECK_OK(tcsync_engine_begin(engine, &filled.request, &pending, &response, &error));
    CHECK(pending == NULL);
    CHECK_INT(take_status(response), kHeads[i].status);
  }
  tcsync_engine_free(engine);
}

static void bodies_must_have_their_declared_length(void) {
  static const struct {
    const char* field;
    const char* value;
    size_t size;
    int append_status;
    int finish_status;
  } kBodies[] = {
      {"Content-Length", "1000", 999, 0, 400},
      {"Content-Length", "1000", 1001, 400, 0},
      {"Content-Length", "1000", 0, 0, 400},
      {"Content-Length", "0", 1, 400, 0},
      {"Content-Length", "300000", 299999, 0, 400},
      {"Content-Length", "300000", 300001, 400, 0},
      /* No length is known. */
      {NULL, NULL, 0, 0, 400}, /* an empty body is no body */
      {"Content-Length", "nonsense", 1000, 0, 200},
  };
  size_t i = 0;
  for (i = 0; i < sizeof(kBodies) / sizeof(kBodies[0]); ++i) {
    tcsync_engine* engine = open_engine(NULL);
    tcsync_pending* pending = begin_version(engine, CLIENT_A, kBodies[i].field, kBodies[i].value);
    CHECK_INT(append_all(pending, large, kBodies[i].size, 64 * 1024), kBodies[i].append_status);
    if (kBodies[i].append_status == 0) {
      CHECK_INT(finish(pending), kBodies[i].finish_status);
    } else {
      tcsync_pending_free(pending);
    }
    CHECK_INT(status_of_first_child(engine, CLIENT_A), kBodies[i].finish_status == 200 ? 200 : 404);
    tcsync_engine_free(engine);
  }
}

static void a_body_over_the_limit_is_answered_early(void) {
  tcsync_engine* engine = open_engine_with(NULL, "body-bytes-max", "200000");
  tcsync_pending* pending = begin_version(engine, CLIENT_A, NULL, NULL);
  tcsync_response* response = NULL;
  CHECK_INT(append_all(pending, large, 200000, 10000), 0);
  CHECK_INT(append_all(pending, large, 1, 1), 413);
  CHECK_FAILS(tcsync_pending_append(pending, "x", 1, &response, &error), TCSYNC_INVALID_ARGUMENT,
              "answered already");
  CHECK_FAILS(tcsync_pending_finish(pending, &response, &error), TCSYNC_INVALID_ARGUMENT,
              "answered already");
  CHECK(response == NULL);
  tcsync_pending_free(pending);
  CHECK_INT(status_of_first_child(engine, CLIENT_A), 404);
  tcsync_engine_free(engine);
}

static void compressed_bodies_may_arrive_byte_by_byte(void) {
  /* gzip of "sealed" */
  static const char kCompressed[] =
      "\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff\x2b\x4e\x4d\xcc\x49\x4d\x01\x00\x70\xbe\xa4\xfd\x06"
      "\x00\x00\x00";
  tcsync_engine* engine = open_engine(NULL);
  tcsync_pending* pending = begin_version(engine, CLIENT_A, "Content-Encoding", "gzip");
  CHECK_INT(append_all(pending, kCompressed, sizeof(kCompressed) - 1, 1), 0);
  CHECK_INT(finish(pending), 200);
  check_first_child(engine, CLIENT_A, "sealed", 6);
  /* Truncated. */
  pending = begin_version(engine, CLIENT_B, "Content-Encoding", "gzip");
  CHECK_INT(append_all(pending, kCompressed, sizeof(kCompressed) - 2, 1), 0);
  CHECK_INT(finish(pending), 400);
  CHECK_INT(status_of_first_child(engine, CLIENT_B), 404);
  tcsync_engine_free(engine);
}

static void calls_out_of_order_are_refused(void) {
  test_store store = open_store(NULL, NULL);
  tcsync_queue* const queue = store.queue;
  tcsync_pending* pending = begin_version(store.engine, CLIENT_A, NULL, NULL);
  tcsync_response* response = NULL;
  tcsync_event event;
  tcsync_bytes* bytes = NULL;
  CHECK_INT(append_all(pending, large, sizeof(large), 65536), 0);
  CHECK_OK(tcsync_pending_finish(pending, &response, &error));
  CHECK_INT(take_status(response), 200);
  response = NULL;
  CHECK_FAILS(tcsync_pending_append(pending, "x", 1, &response, &error), TCSYNC_INVALID_ARGUMENT,
              "finished already");
  CHECK_FAILS(tcsync_pending_append_queued(pending, "x", 1, queue, NULL, &error),
              TCSYNC_INVALID_ARGUMENT, "finished already");
  CHECK_FAILS(tcsync_pending_finish(pending, &response, &error), TCSYNC_INVALID_ARGUMENT,
              "finished already");
  CHECK_FAILS(tcsync_pending_finish_queued(pending, queue, NULL, &error), TCSYNC_INVALID_ARGUMENT,
              "finished already");
  tcsync_pending_free(pending);
  /* None of them has an event. */
  CHECK_INT(next_event(queue, 0).kind, TCSYNC_EVENT_NONE);

  /* With more than storage takes at once, the event is still to come; if not, it is a READY. */
  pending = begin_version(store.engine, CLIENT_B, NULL, NULL);
  CHECK_OK(tcsync_pending_append_queued(pending, large, sizeof(large), queue, NULL, &error));
  event = next_event(queue, 0);
  if (event.kind == TCSYNC_EVENT_NONE) {
    tcsync_error* error = NULL;
    tcsync_code code = tcsync_pending_append(pending, "x", 1, &response, &error);
    /* The event may have come by now. */
    if (code != TCSYNC_OK) CHECK_INT(code, TCSYNC_INVALID_ARGUMENT);
    tcsync_error_free(error);
    event = take_event(queue, TCSYNC_EVENT_READY);
  }
  CHECK_INT(event.kind, TCSYNC_EVENT_READY);
  tcsync_pending_free(pending);
  CHECK_INT(status_of_first_child(store.engine, CLIENT_B), 404);

  response = get(store.engine, FIRST_CHILD, CLIENT_A);
  CHECK_NEEDS(tcsync_response_read(NULL, &bytes, &error), "response");
  CHECK_NEEDS(tcsync_response_read(response, NULL, &error), "bytes");
  CHECK_NEEDS(tcsync_response_read_queued(response, NULL, NULL, &error), "queue");
  CHECK_NEEDS(tcsync_response_read_queued(NULL, queue, NULL, &error), "response");
  tcsync_response_free(response);
  remove_store(&store);
}

static void calls_check_their_arguments(void) {
  tcsync_engine* engine = open_engine(NULL);
  tcsync_pending* pending = NULL;
  tcsync_response* response = NULL;
  tcsync_queue* queue = make_queue();
  test_request filled;
  fill_request(&filled, "POST", FIRST_VERSION, CLIENT_A, SEGMENT_TYPE, NULL, 0);
  CHECK_NEEDS(tcsync_engine_begin(NULL, &filled.request, &pending, &response, &error), "engine");
  CHECK_NEEDS(tcsync_engine_begin(engine, NULL, &pending, &response, &error), "request");
  CHECK_NEEDS(tcsync_engine_begin(engine, &filled.request, NULL, &response, &error), "pending");
  CHECK_NEEDS(tcsync_engine_begin(engine, &filled.request, &pending, NULL, &error), "response");
  filled.request.body = "x";
  filled.request.body_size = 1;
  CHECK_FAILS(tcsync_engine_begin(engine, &filled.request, &pending, &response, &error),
              TCSYNC_INVALID_ARGUMENT, "body");
  filled.request.struct_size = 0;
  CHECK_FAILS(tcsync_engine_begin(engine, &filled.request, &pending, &response, &error),
              TCSYNC_INVALID_ARGUMENT, "struct_size");
  CHECK(pending == NULL && response == NULL);

  pending = begin_version(engine, CLIENT_A, NULL, NULL);
  CHECK_NEEDS(tcsync_pending_append(NULL, "x", 1, &response, &error), "pending");
  CHECK_NEEDS(tcsync_pending_append(pending, NULL, 1, &response, &error), "data");
  CHECK_NEEDS(tcsync_pending_append(pending, "x", 1, NULL, &error), "response");
  CHECK_NEEDS(tcsync_pending_append_queued(NULL, "x", 1, queue, NULL, &error), "pending");
  CHECK_NEEDS(tcsync_pending_append_queued(pending, NULL, 1, queue, NULL, &error), "data");
  CHECK_NEEDS(tcsync_pending_append_queued(pending, "x", 1, NULL, NULL, &error), "queue");
  CHECK_NEEDS(tcsync_pending_finish(NULL, &response, &error), "pending");
  CHECK_NEEDS(tcsync_pending_finish(pending, NULL, &error), "response");
  CHECK_NEEDS(tcsync_pending_finish_queued(NULL, queue, NULL, &error), "pending");
  CHECK_NEEDS(tcsync_pending_finish_queued(pending, NULL, NULL, &error), "queue");
  /* None of that has changed it, and an empty append is no mistake. */
  CHECK_OK(tcsync_pending_append(pending, NULL, 0, &response, &error));
  CHECK_INT(append_all(pending, "sealed", 6, 6), 0);
  CHECK_INT(finish(pending), 200);
  CHECK_INT(tcsync_response_body_size(NULL), 0);
  tcsync_pending_free(NULL);
  tcsync_queue_free(queue);
  tcsync_engine_free(engine);
}

static void an_abandoned_request_has_no_effect(void) {
  /* Room for six large bodies, so that leaked ones would be missed. */
  test_store store = open_store("bodies-in-flight-bytes-max", "4M");
  tcsync_pending* pending = NULL;
  int i = 0;
  for (i = 0; i < 20; ++i) {
    tcsync_event event;
    pending = begin_version(store.engine, CLIENT_A, NULL, NULL);
    CHECK_INT(append_all(pending, large, 400000, 65536), 0);
    tcsync_pending_free(pending);
    /* Even if storage has not taken all bytes yet, the event comes. */
    pending = begin_version(store.engine, CLIENT_A, NULL, NULL);
    CHECK_INT(append_all(pending, large, 131072, 65536), 0);
    CHECK_OK(tcsync_pending_append_queued(pending, large, 65536, store.queue, &event, &error));
    tcsync_pending_free(pending);
    event = take_event(store.queue, TCSYNC_EVENT_READY);
    CHECK(event.code == TCSYNC_OK || event.code == TCSYNC_UNAVAILABLE);
    CHECK_INT(status_of_first_child(store.engine, CLIENT_A), 404);
  }
  add_version(store.engine, CLIENT_A, sizeof(large), 65536);
  check_first_child(store.engine, CLIENT_A, large, sizeof(large));
  remove_store(&store);
}

static void handles_may_outlive_their_engine(void) {
  test_store store = open_store(NULL, NULL);
  tcsync_queue* const queue = store.queue;
  tcsync_pending* small = NULL;
  tcsync_pending* halfway = NULL;
  tcsync_pending* waiting = NULL;
  tcsync_response* stored = NULL;
  tcsync_response* response = NULL;
  tcsync_bytes* bytes = NULL;
  tcsync_event event;
  int events = 0;
  add_version(store.engine, CLIENT_A, sizeof(large), 65536);
  stored = get(store.engine, FIRST_CHILD, CLIENT_A);
  CHECK_OK(tcsync_response_read(stored, &bytes, &error));
  tcsync_bytes_free(bytes);
  small = begin_version(store.engine, CLIENT_B, NULL, NULL);
  halfway = begin_version(store.engine, CLIENT_B, NULL, NULL);
  CHECK_INT(append_all(halfway, large, 500000, 65536), 0);
  waiting = begin_version(store.engine, CLIENT_B, NULL, NULL);
  CHECK_OK(tcsync_pending_append_queued(waiting, large, 400000, queue, NULL, &error));
  close_engine(&store);

  CHECK_FAILS(tcsync_pending_append(small, "x", 1, &response, &error), TCSYNC_UNAVAILABLE, "freed");
  CHECK_FAILS(tcsync_pending_append_queued(small, "x", 1, queue, NULL, &error), TCSYNC_UNAVAILABLE,
              "freed");
  CHECK_FAILS(tcsync_pending_finish(halfway, &response, &error), TCSYNC_UNAVAILABLE, "freed");
  CHECK_FAILS(tcsync_pending_finish_queued(halfway, queue, NULL, &error), TCSYNC_UNAVAILABLE,
              "freed");
  CHECK_FAILS(tcsync_response_read(stored, &bytes, &error), TCSYNC_RESPONSE_INCOMPLETE, "freed");
  CHECK_FAILS(tcsync_response_read_queued(stored, queue, NULL, &error), TCSYNC_RESPONSE_INCOMPLETE,
              "close the connection");
  CHECK(bytes == NULL);
  CHECK_INT(tcsync_response_status(stored), 200);
  CHECK_INT(tcsync_response_body_size(stored), sizeof(large));
  for (;;) {
    event = next_event(queue, 0);
    if (event.kind == TCSYNC_EVENT_NONE) break;
    CHECK_INT(event.kind, TCSYNC_EVENT_READY);
    ++events;
  }
  CHECK_INT(events, 1);
  tcsync_pending_free(small);
  tcsync_pending_free(halfway);
  tcsync_pending_free(waiting);
  tcsync_response_free(stored);
  reopen_engine(&store);
  CHECK_INT(status_of_first_child(store.engine, CLIENT_B), 404);
  remove_store(&store);
}

static void a_body_removed_while_it_is_read_is_reported(void) {
  test_store store = open_store(NULL, NULL);
  tcsync_response* response = NULL;
  tcsync_response* removed = NULL;
  tcsync_bytes* bytes = NULL;
  test_request filled;
  add_version(store.engine, CLIENT_A, sizeof(large), 65536);
  response = get(store.engine, FIRST_CHILD, CLIENT_A);
  CHECK_OK(tcsync_response_read(response, &bytes, &error));
  tcsync_bytes_free(bytes);
  fill_request(&filled, "DELETE", "/v1/admin/clients/" CLIENT_A, NULL, NULL, NULL, 0);
  CHECK_OK(tcsync_administer(NULL, store.engine, &filled.request, &removed, &error));
  CHECK_INT(take_status(removed) / 100, 2);
  CHECK_FAILS(tcsync_response_read(response, &bytes, &error), TCSYNC_RESPONSE_INCOMPLETE,
              "close the connection");
  CHECK(bytes == NULL);
  /* It stays so. */
  CHECK_FAILS(tcsync_response_read(response, &bytes, &error), TCSYNC_RESPONSE_INCOMPLETE, "");
  tcsync_response_free(response);
  remove_store(&store);
}

#if defined(__linux__) && !defined(SANITIZED)

static long resident_bytes(void) {
  long size = 0;
  long pages = 0;
  FILE* file = fopen("/proc/self/statm", "r");
  if (file == NULL || fscanf(file, "%ld %ld", &size, &pages) != 2) pages = 0;
  if (file != NULL) fclose(file);
  return pages * sysconf(_SC_PAGESIZE);
}

/* Each of many senders has sent 8 MiB of 20 MB, and stalls. The host holds none of it, so the
 * engine's budget is the only bound. */
static void stalled_senders_take_little_memory(void) {
  enum { kSenders = 30 };
  test_store store = open_store(NULL, NULL);
  tcsync_pending* senders[kSenders];
  long before = 0;
  long taken = 0;
  int round = 0;
  int i = 0;
  before = resident_bytes();
  for (i = 0; i < kSenders; ++i) {
    char client_id[TEST_CLIENT_BYTES];
    number_client(client_id, i);
    senders[i] = begin_version(store.engine, client_id, "Content-Length", "20000000");
  }
  for (round = 0; round < 8; ++round) {
    for (i = 0; i < kSenders; ++i) {
      CHECK_INT(append_all(senders[i], large, kLargeBytes, 65536), 0);
    }
  }
  taken = resident_bytes() - before;
  printf("%d stalled senders took %ld MiB\n", kSenders, taken >> 20);
  CHECK(taken < 64L << 20);
  for (i = 0; i < kSenders; ++i) tcsync_pending_free(senders[i]);
  remove_store(&store);
}

#endif

int main(void) {
  fill_large();
  RUN(bodies_pass_in_pieces, "a streamed body is stored or sent with bytes missing");
  RUN(bodies_pass_in_pieces_through_a_queue, "an event loop hangs, or loses bytes");
  RUN(a_head_can_be_answered_at_once, "a host receives bodies that are refused anyway");
  RUN(bodies_must_have_their_declared_length, "a truncated upload is stored as a whole one");
  RUN(a_body_over_the_limit_is_answered_early, "a stranger sends without an end");
  RUN(compressed_bodies_may_arrive_byte_by_byte, "compressed bodies are stored damaged");
  RUN(calls_out_of_order_are_refused, "a mistake in a host crashes it, or stores a request twice");
  RUN(calls_check_their_arguments, "a mistake in a binding crashes the program");
  RUN(an_abandoned_request_has_no_effect, "truncated uploads fill the memory, or are stored");
  RUN(handles_may_outlive_their_engine, "a host that stops crashes");
  RUN(a_body_removed_while_it_is_read_is_reported, "a client takes half an answer for a whole one");
#if defined(__linux__) && !defined(SANITIZED)
  RUN(stalled_senders_take_little_memory, "thirty slow clients take all of the memory");
#endif
  return check_exit_status();
}
