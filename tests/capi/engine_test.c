/* The engine over a real directory, and requests without sockets. */
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "support.h"

/* A text with a NUL in it, because segments are any bytes. */
#define SEGMENT "\x01 sealed\0segment"
#define SEGMENT_SIZE (sizeof(SEGMENT) - 1)

static void add_version_path(char* path, const char* parent) {
  snprintf(path, PATH_BYTES, "/v1/client/add-version/%s", parent);
}

/* Adds SEGMENT as a version; returns the status, and the version ID when it is 200. */
static int add_version(tcsync_engine* engine, const char* client_id, const char* parent,
                       char version_id[37]) {
  char path[PATH_BYTES];
  int status = 0;
  const char* value = NULL;
  tcsync_response* response = NULL;
  add_version_path(path, parent);
  response = exchange(engine, "POST", path, client_id, SEGMENT_TYPE, SEGMENT, SEGMENT_SIZE);
  status = tcsync_response_status(response);
  value = tcsync_response_header_value(response, "x-version-id");
  if (status == 200) {
    CHECK(value != NULL && strlen(value) == 36);
    if (value != NULL && version_id != NULL) snprintf(version_id, 37, "%.36s", value);
  }
  tcsync_response_free(response);
  return status;
}

/* Checks that the child of `parent` is SEGMENT. */
static void check_child(tcsync_engine* engine, const char* client_id, const char* parent) {
  char path[PATH_BYTES];
  size_t size = 0;
  const char* body = NULL;
  tcsync_response* response = NULL;
  snprintf(path, sizeof(path), "/v1/client/get-child-version/%s", parent);
  response = exchange(engine, "GET", path, client_id, NULL, NULL, 0);
  CHECK_INT(tcsync_response_status(response), 200);
  CHECK_TEXT(tcsync_response_header_value(response, "X-Parent-Version-Id"), parent);
  CHECK_TEXT(tcsync_response_header_value(response, "Content-Type"), SEGMENT_TYPE);
  CHECK_TEXT(tcsync_response_header_value(response, "CACHE-CONTROL"), "no-store, max-age=0");
  CHECK(tcsync_response_header_value(response, "X-No-Such-Header") == NULL);
  body = tcsync_response_body(response, &size);
  CHECK_INT(size, SEGMENT_SIZE);
  CHECK(size == SEGMENT_SIZE && memcmp(body, SEGMENT, SEGMENT_SIZE) == 0);
  tcsync_response_free(response);
}

static void data_survives_reopening(void) {
  char parent[PATH_BYTES];
  char directory[PATH_BYTES];
  char version_id[37] = "";
  struct stat status;
  tcsync_engine* engine = NULL;
  make_directory(parent);
  join_path(directory, parent, "data");
  engine = open_engine(directory);
  CHECK_INT(stat(directory, &status), 0);
  CHECK_INT(status.st_mode & 0777, 0700);
  CHECK_INT(add_version(engine, CLIENT_A, NIL_VERSION, version_id), 200);
  CHECK_INT(add_version(engine, CLIENT_A, version_id, NULL), 200);
  tcsync_engine_free(engine);

  engine = open_engine(directory);
  check_child(engine, CLIENT_A, NIL_VERSION);
  check_child(engine, CLIENT_A, version_id);
  CHECK_INT(add_version(engine, CLIENT_A, version_id, NULL), 409);
  tcsync_engine_free(engine);
  remove_directory(parent);
}

/* Checks that an engine cannot be opened over `directory`. */
static void check_open_fails(const char* directory, tcsync_code code) {
  tcsync_config* config = make_config(directory);
  tcsync_engine* engine = (tcsync_engine*)(void*)&config;
  CHECK_FAILS(tcsync_engine_open(config, &engine, &error), code, directory);
  CHECK(engine == NULL);
  tcsync_config_free(config);
}

static void a_directory_has_one_engine(void) {
  char directory[PATH_BYTES];
  tcsync_engine* engine = NULL;
  make_directory(directory);
  engine = open_engine(directory);
  check_open_fails(directory, TCSYNC_IN_USE);
  CHECK_INT(add_version(engine, CLIENT_A, NIL_VERSION, NULL), 200);
  tcsync_engine_free(engine);
  tcsync_engine_free(open_engine(directory));
  remove_directory(directory);
}

/* Checks that `directory`, in which a file FORMAT reads `format`, is refused and unchanged. */
static void check_format_refused(const char* directory, const char* format) {
  char path[PATH_BYTES];
  char* text = NULL;
  size_t size = 0;
  join_path(path, directory, "FORMAT");
  write_file(path, format, strlen(format));
  check_open_fails(directory, TCSYNC_WRONG_FORMAT);
  text = read_file(path, &size);
  CHECK(size == strlen(format) && memcmp(text, format, size) == 0);
  free(text);
  CHECK_INT(remove(path), 0);
}

static void other_formats_are_refused(void) {
  char directory[PATH_BYTES];
  char database[PATH_BYTES];
  make_directory(directory);
  check_format_refused(directory, "tcsync storage format 999999\n");
  check_format_refused(directory, "the format of something else\n");
  /* Nothing else was put there. */
  CHECK_INT(rmdir(directory), 0);
  CHECK_INT(mkdir(directory, 0700), 0);
  join_path(database, directory, "rocksdb");
  CHECK_INT(mkdir(database, 0700), 0);
  check_open_fails(directory, TCSYNC_WRONG_FORMAT);
  CHECK_INT(rmdir(database), 0);
  CHECK_INT(rmdir(directory), 0);
}

static void an_unusable_directory_is_refused(void) {
  char parent[PATH_BYTES];
  char file[PATH_BYTES];
  char directory[PATH_BYTES];
  make_directory(parent);
  join_path(file, parent, "file");
  write_file(file, "", 0);
  check_open_fails(file, TCSYNC_SYSTEM);
  join_path(directory, file, "data");
  check_open_fails(directory, TCSYNC_SYSTEM);
  if (geteuid() != 0) {
    join_path(directory, parent, "data");
    CHECK_INT(chmod(parent, 0500), 0);
    check_open_fails(directory, TCSYNC_SYSTEM);
    CHECK_INT(chmod(parent, 0700), 0);
  }
  remove_directory(parent);
}

static void contradicting_options_are_refused(void) {
  tcsync_config* config = make_config(NULL);
  tcsync_engine* engine = NULL;
  CHECK_OK(tcsync_config_set(config, "body-bytes-max", "20M", &error));
  CHECK_OK(tcsync_config_set(config, "bodies-in-flight-bytes-max", "512K", &error));
  CHECK_FAILS(tcsync_engine_open(config, &engine, &error), TCSYNC_INVALID_ARGUMENT,
              "body-bytes-max");
  tcsync_config_free(config);
}

static void opening_checks_its_arguments(void) {
  char poison = 0;
  tcsync_config* config = make_config(NULL);
  tcsync_engine* engine = (tcsync_engine*)(void*)&poison;
  CHECK_FAILS(tcsync_engine_open(NULL, &engine, &error), TCSYNC_NULL_ARGUMENT, "config");
  CHECK(engine == NULL);
  CHECK_FAILS(tcsync_engine_open(config, NULL, &error), TCSYNC_NULL_ARGUMENT, "engine");
  tcsync_config_free(config);
}

static void http_answers_are_not_failures(void) {
  tcsync_engine* engine = open_engine(NULL);
  static const struct {
    const char* method;
    const char* target;
    const char* client_id;
    int status;
  } kRequests[] = {
      {"GET", "/", NULL, 200},
      {"GET", "/v1/client/snapshot", NULL, 400},
      {"GET", "/v1/client/snapshot", "not-a-uuid", 400},
      {"GET", "/v1/client/snapshot", CLIENT_A, 404},
      {"GET", "/v1/client/no-such-thing", CLIENT_A, 404},
      {"DELETE", "/v1/client/snapshot", CLIENT_A, 405},
      {"", "", NULL, 0},
  };
  size_t i = 0;
  for (i = 0; i < sizeof(kRequests) / sizeof(kRequests[0]); ++i) {
    size_t size = 0;
    tcsync_response* response = exchange(engine, kRequests[i].method, kRequests[i].target,
                                         kRequests[i].client_id, NULL, NULL, 0);
    if (kRequests[i].status != 0) {
      CHECK_INT(tcsync_response_status(response), kRequests[i].status);
    } else {
      /* Nonsense: any refusal will do. */
      CHECK(tcsync_response_status(response) >= 400);
    }
    CHECK(tcsync_response_body(response, &size) != NULL);
    CHECK(tcsync_response_body(response, NULL) != NULL);
    CHECK_INT(tcsync_response_body(response, NULL)[size], 0);
    tcsync_response_free(response);
  }
  tcsync_engine_free(engine);
}

static void compressed_bodies_are_decompressed(void) {
  /* gzip of "sealed" */
  static const char kCompressed[] =
      "\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff\x2b\x4e\x4d\xcc\x49\x4d\x01\x00\x70\xbe\xa4\xfd\x06"
      "\x00\x00\x00";
  tcsync_engine* engine = open_engine(NULL);
  test_request filled;
  tcsync_response* response = NULL;
  char path[PATH_BYTES];
  add_version_path(path, NIL_VERSION);
  fill_request(&filled, "POST", path, CLIENT_A, SEGMENT_TYPE, kCompressed, sizeof(kCompressed) - 1);
  filled.headers[2].name = "content-encoding";
  filled.headers[2].name_size = strlen("content-encoding");
  filled.headers[2].value = "gzip";
  filled.headers[2].value_size = 4;
  filled.request.header_count = 3;
  CHECK_OK(tcsync_engine_handle(engine, &filled.request, &response, &error));
  CHECK_INT(tcsync_response_status(response), 200);
  tcsync_response_free(response);
  response =
      exchange(engine, "GET", "/v1/client/get-child-version/" NIL_VERSION, CLIENT_A, NULL, NULL, 0);
  CHECK_TEXT(tcsync_response_body(response, NULL), "sealed");
  tcsync_response_free(response);
  tcsync_engine_free(engine);
}

static void headers_can_be_listed(void) {
  tcsync_engine* engine = open_engine(NULL);
  tcsync_response* response = exchange(engine, "GET", "/", NULL, NULL, NULL, 0);
  const size_t count = tcsync_response_header_count(response);
  tcsync_header header;
  size_t i = 0;
  CHECK(count > 0);
  for (i = 0; i < count; ++i) {
    CHECK_OK(tcsync_response_header(response, i, &header, &error));
    CHECK(header.name_size > 0 && header.value_size > 0);
    /* Both are NUL-terminated too, for callers that need C strings. */
    CHECK_INT(strlen(header.name), header.name_size);
    CHECK_INT(strlen(header.value), header.value_size);
    CHECK(tcsync_response_header_value(response, header.name) != NULL);
    CHECK(strcmp(header.name, "Content-Length") != 0);
  }
  CHECK_FAILS(tcsync_response_header(response, count, &header, &error), TCSYNC_INVALID_ARGUMENT,
              "no header");
  CHECK_FAILS(tcsync_response_header(NULL, 0, &header, &error), TCSYNC_NULL_ARGUMENT, "response");
  CHECK_FAILS(tcsync_response_header(response, 0, NULL, &error), TCSYNC_NULL_ARGUMENT, "header");
  CHECK(tcsync_response_header_value(response, NULL) == NULL);
  tcsync_engine_free(engine);
  /* A response may outlive its engine. */
  CHECK_INT(tcsync_response_status(response), 200);
  tcsync_response_free(response);
}

static void count_call(void* user_data, tcsync_response* response) {
  atomic_fetch_add((atomic_int*)user_data, 1);
  tcsync_response_free(response);
}

/* Checks that both functions refuse a request, and call no callback for it. */
static void check_refused(tcsync_engine* engine, const tcsync_request* request, tcsync_code code,
                          const char* text) {
  atomic_int calls = 0;
  tcsync_response* response = (tcsync_response*)(void*)&calls;
  CHECK_FAILS(tcsync_engine_handle(engine, request, &response, &error), code, text);
  CHECK(response == NULL);
  CHECK_FAILS(tcsync_engine_handle_async(engine, request, count_call, &calls, &error), code, text);
  CHECK_INT(atomic_load(&calls), 0);
}

static void malformed_requests_are_refused(void) {
  static const char* const invalid_peers[] = {"192.0.2", "192.0.2.7:80", "[2001:db8::7]",
                                              "localhost"};
  static const char* const valid_peers[] = {"192.0.2.7", "2001:db8::7", "::ffff:192.0.2.7"};
  tcsync_engine* engine = open_engine(NULL);
  tcsync_response* response = NULL;
  atomic_int calls = 0;
  test_request good;
  test_request bad;
  fill_request(&good, "GET", "/", CLIENT_A, NULL, NULL, 0);

  check_refused(NULL, &good.request, TCSYNC_NULL_ARGUMENT, "engine");
  check_refused(engine, NULL, TCSYNC_NULL_ARGUMENT, "request");
  CHECK_FAILS(tcsync_engine_handle(engine, &good.request, NULL, &error), TCSYNC_NULL_ARGUMENT,
              "response");
  CHECK_FAILS(tcsync_engine_handle_async(engine, &good.request, NULL, &calls, &error),
              TCSYNC_NULL_ARGUMENT, "function");

  bad = good;
  bad.request.struct_size = 0;
  check_refused(engine, &bad.request, TCSYNC_INVALID_ARGUMENT, "struct_size is 0");
  /* The struct of the first release is complete. */
  bad.request.struct_size = sizeof(tcsync_request) - 1;
  check_refused(engine, &bad.request, TCSYNC_INVALID_ARGUMENT, "struct_size");

  bad = good;
  bad.request.method = NULL;
  check_refused(engine, &bad.request, TCSYNC_NULL_ARGUMENT, "method");
  bad = good;
  bad.request.target = NULL;
  check_refused(engine, &bad.request, TCSYNC_NULL_ARGUMENT, "target");
  bad = good;
  bad.request.headers = NULL;
  check_refused(engine, &bad.request, TCSYNC_NULL_ARGUMENT, "headers");
  bad = good;
  bad.request.body_size = 1;
  check_refused(engine, &bad.request, TCSYNC_NULL_ARGUMENT, "body");
  bad = good;
  bad.headers[0].name = NULL;
  bad.request.headers = bad.headers;
  check_refused(engine, &bad.request, TCSYNC_NULL_ARGUMENT, "headers[0]");
  bad = good;
  bad.headers[0].value = NULL;
  bad.request.headers = bad.headers;
  check_refused(engine, &bad.request, TCSYNC_NULL_ARGUMENT, "headers[0]");

  /* An invalid address must not be taken for "unknown", to which no limit applies. */
  bad = good;
  bad.request.peer_address_size = 1;
  check_refused(engine, &bad.request, TCSYNC_NULL_ARGUMENT, "peer_address");
  for (size_t i = 0; i < sizeof(invalid_peers) / sizeof(invalid_peers[0]); ++i) {
    bad.request.peer_address = invalid_peers[i];
    bad.request.peer_address_size = strlen(invalid_peers[i]);
    check_refused(engine, &bad.request, TCSYNC_INVALID_ARGUMENT, "peer_address");
    check_refused(engine, &bad.request, TCSYNC_INVALID_ARGUMENT, invalid_peers[i]);
  }
  for (size_t i = 0; i < sizeof(valid_peers) / sizeof(valid_peers[0]); ++i) {
    good.request.peer_address = valid_peers[i];
    good.request.peer_address_size = strlen(valid_peers[i]);
    CHECK_OK(tcsync_engine_handle(engine, &good.request, &response, &error));
    CHECK_INT(tcsync_response_status(response), 200);
    tcsync_response_free(response);
  }
  tcsync_engine_free(engine);
}

/* A program that was compiled with a later header: its struct is longer. */
static void a_request_of_a_later_header_is_answered_or_refused(void) {
  static const size_t kPlaces[] = {sizeof(tcsync_request), sizeof(tcsync_request) + 63};
  tcsync_engine* engine = open_engine(NULL);
  tcsync_response* response = NULL;
  struct {
    tcsync_request request;
    char behind[64];
  } later;
  test_request filled;
  size_t i = 0;
  fill_request(&filled, "GET", "/", CLIENT_A, NULL, NULL, 0);
  memset(&later, 0, sizeof(later));
  later.request = filled.request;
  later.request.struct_size = sizeof(later);
  CHECK_OK(tcsync_engine_handle(engine, &later.request, &response, &error));
  CHECK_INT(tcsync_response_status(response), 200);
  tcsync_response_free(response);
  for (i = 0; i < sizeof(kPlaces) / sizeof(kPlaces[0]); ++i) {
    ((char*)&later)[kPlaces[i]] = 1;
    check_refused(engine, &later.request, TCSYNC_INVALID_ARGUMENT, "is not 0");
    ((char*)&later)[kPlaces[i]] = 0;
  }
  /* Defaults. */
  later.request.struct_size = (size_t)-1;
  check_refused(engine, &later.request, TCSYNC_INVALID_ARGUMENT, "struct_size");
  later.request.struct_size = 5000;
  check_refused(engine, &later.request, TCSYNC_INVALID_ARGUMENT, "struct_size is 5000");
  tcsync_engine_free(engine);
}

/* One of many concurrent requests, and its result. */
typedef struct async_call {
  struct shared_state* shared_state;
  atomic_int calls;
  atomic_int status;
} async_call;

enum { kThreads = 4, kCallsPerThread = 100 };

typedef struct shared_state {
  tcsync_engine* engine;
  atomic_int threads_started;
  async_call async_calls[kThreads * kCallsPerThread];
  pthread_mutex_t mutex;
  pthread_cond_t answered;
  int answered_count;
} shared_state;

static void receive_answer(void* user_data, tcsync_response* response) {
  async_call* async = (async_call*)user_data;
  shared_state* all = async->shared_state;
  atomic_fetch_add(&async->calls, 1);
  atomic_store(&async->status, tcsync_response_status(response));
  tcsync_response_free(response);
  pthread_mutex_lock(&all->mutex);
  ++all->answered_count;
  pthread_cond_signal(&all->answered);
  pthread_mutex_unlock(&all->mutex);
}

/* Every thread sends add-version after the nil version, for the client that all share. */
static void* send_async(void* argument) {
  shared_state* all = (shared_state*)argument;
  const int thread = atomic_fetch_add(&all->threads_started, 1);
  char path[PATH_BYTES];
  int i = 0;
  add_version_path(path, NIL_VERSION);
  for (i = 0; i < kCallsPerThread; ++i) {
    test_request filled;
    fill_request(&filled, "POST", path, CLIENT_A, SEGMENT_TYPE, SEGMENT, SEGMENT_SIZE);
    CHECK_OK(tcsync_engine_handle_async(all->engine, &filled.request, receive_answer,
                                        &all->async_calls[thread * kCallsPerThread + i], &error));
  }
  return NULL;
}

static void run_threads(void* (*function)(void*), shared_state* all) {
  pthread_t threads[kThreads];
  int i = 0;
  for (i = 0; i < kThreads; ++i) CHECK_INT(pthread_create(&threads[i], NULL, function, all), 0);
  for (i = 0; i < kThreads; ++i) CHECK_INT(pthread_join(threads[i], NULL), 0);
}

static void every_callback_is_called_once(void) {
  char directory[PATH_BYTES];
  static shared_state all;
  int winners = 0;
  int conflicts = 0;
  int i = 0;
  make_directory(directory);
  all.engine = open_engine(directory);
  pthread_mutex_init(&all.mutex, NULL);
  pthread_cond_init(&all.answered, NULL);
  for (i = 0; i < kThreads * kCallsPerThread; ++i) all.async_calls[i].shared_state = &all;
  run_threads(send_async, &all);
  pthread_mutex_lock(&all.mutex);
  while (all.answered_count < kThreads * kCallsPerThread) {
    pthread_cond_wait(&all.answered, &all.mutex);
  }
  pthread_mutex_unlock(&all.mutex);
  tcsync_engine_free(all.engine);
  for (i = 0; i < kThreads * kCallsPerThread; ++i) {
    CHECK_INT(atomic_load(&all.async_calls[i].calls), 1);
    if (atomic_load(&all.async_calls[i].status) == 200) ++winners;
    if (atomic_load(&all.async_calls[i].status) == 409) ++conflicts;
  }
  CHECK_INT(winners, 1);
  CHECK_INT(conflicts, kThreads * kCallsPerThread - 1);
  pthread_cond_destroy(&all.answered);
  pthread_mutex_destroy(&all.mutex);
  remove_directory(directory);
}

/* Every thread builds a chain of its own client, waiting for each answer. */
static void* send_blocking(void* argument) {
  shared_state* all = (shared_state*)argument;
  const int thread = atomic_fetch_add(&all->threads_started, 1);
  char client_id[37];
  char version_id[37] = NIL_VERSION;
  int i = 0;
  snprintf(client_id, sizeof(client_id), "00000000-0000-4000-8000-%012d", thread);
  for (i = 0; i < 25; ++i) {
    char parent[37];
    memcpy(parent, version_id, sizeof(parent));
    CHECK_INT(add_version(all->engine, client_id, parent, version_id), 200);
    check_child(all->engine, client_id, parent);
  }
  return NULL;
}

static void threads_can_wait_simultaneously(void) {
  char directory[PATH_BYTES];
  static shared_state all;
  make_directory(directory);
  all.engine = open_engine(directory);
  run_threads(send_blocking, &all);
  tcsync_engine_free(all.engine);
  remove_directory(directory);
}

/* The records that a log function received. */
typedef struct log_counts {
  atomic_int records;
  atomic_int bad_records;
  atomic_int refusals;
} log_counts;

/* Whether the text consists of the fields and the message. */
static int is_consistent(const tcsync_log_record* record) {
  char text[4096] = "";
  size_t i = 0;
  const size_t count = tcsync_log_record_field_count(record);
  for (i = 0; i < count; ++i) {
    tcsync_header field;
    CHECK_OK(tcsync_log_record_field(record, i, &field, &error));
    if (strlen(field.name) != field.name_size || strlen(field.value) != field.value_size) return 0;
    if (tcsync_log_record_field_value(record, field.name) != field.value) return 0;
    if (strchr(field.value, ' ') != NULL || field.value_size == 0) return 0;
    snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s=%s", i == 0 ? "" : " ",
             field.name, field.value);
  }
  snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s", count == 0 ? "" : ": ",
           tcsync_log_record_message(record));
  return strcmp(text, tcsync_log_record_text(record)) == 0;
}

static void count_record(void* user_data, const tcsync_log_record* record) {
  log_counts* counts = (log_counts*)user_data;
  const int level = tcsync_log_record_level(record);
  const char* const status = tcsync_log_record_field_value(record, "status");
  const char* const reason = tcsync_log_record_field_value(record, "reason");
  tcsync_header field;
  atomic_fetch_add(&counts->records, 1);
  if (level < TCSYNC_LOG_DEBUG || level > TCSYNC_LOG_ERROR || !is_consistent(record) ||
      strchr(tcsync_log_record_text(record), '\n') != NULL) {
    atomic_fetch_add(&counts->bad_records, 1);
  }
  CHECK_FAILS(
      tcsync_log_record_field(record, tcsync_log_record_field_count(record), &field, &error),
      TCSYNC_INVALID_ARGUMENT, "no field");
  CHECK_FAILS(tcsync_log_record_field(record, 0, NULL, &error), TCSYNC_NULL_ARGUMENT, "field");
  CHECK(tcsync_log_record_field_value(record, "nothing") == NULL);
  CHECK(tcsync_log_record_field_value(record, NULL) == NULL);
  if (status == NULL || reason == NULL) return;
  CHECK_TEXT(status, "400");
  CHECK_TEXT(reason, "bad-request");
  CHECK(strstr(tcsync_log_record_message(record), "status=") == NULL);
  atomic_fetch_add(&counts->refusals, 1);
}

static void records_reach_the_host(void) {
  log_counts counts = {0, 0, 0};
  char directory[PATH_BYTES];
  tcsync_engine* engine = NULL;
  tcsync_config* config = NULL;
  make_directory(directory);
  config = make_config(directory);
  CHECK_OK(tcsync_config_set(config, "log-level", "debug", &error));
  CHECK_OK(tcsync_config_set_log(config, count_record, &counts, &error));
  CHECK_OK(tcsync_engine_open(config, &engine, &error));
  tcsync_config_free(config);
  tcsync_response_free(exchange(engine, "GET", "/", "a bad\nclient ID", NULL, NULL, 0));
  tcsync_response_free(
      exchange(engine, "GET", "/v1/client/snapshot", "a bad\nclient ID", NULL, NULL, 0));
  tcsync_engine_free(engine);
  CHECK(atomic_load(&counts.records) > 0);
  CHECK_INT(atomic_load(&counts.bad_records), 0);
  CHECK_INT(atomic_load(&counts.refusals), 1);
  remove_directory(directory);
}

int main(void) {
  RUN(data_survives_reopening, "acknowledged data is lost at a restart");
  RUN(a_directory_has_one_engine, "two servers write into one directory and destroy it");
  RUN(other_formats_are_refused, "an older release damages the data of a newer one");
  RUN(an_unusable_directory_is_refused, "a server starts that cannot keep anything");
  RUN(contradicting_options_are_refused, "a server starts that refuses every body");
  RUN(opening_checks_its_arguments, "a mistake in a binding crashes the program");
  RUN(http_answers_are_not_failures, "programs with their own HTTP server cannot pass answers on");
  RUN(compressed_bodies_are_decompressed,
      "clients behind compressing proxies store unreadable bytes");
  RUN(headers_can_be_listed, "programs with their own HTTP server lose headers");
  RUN(a_request_of_a_later_header_is_answered_or_refused,
      "a program's request is silently ignored");
  RUN(malformed_requests_are_refused, "a mistake in a binding crashes the program");
  RUN(every_callback_is_called_once,
      "embedding programs hang, free twice, or two replicas both win");
  RUN(threads_can_wait_simultaneously, "a threaded HTTP server cannot embed the engine");
  RUN(records_reach_the_host, "operators see nothing, or forged lines, in their log");
  return check_exit_status();
}
