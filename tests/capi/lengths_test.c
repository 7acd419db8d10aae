/* Lengths that no memory can have, as a negative number becomes one: every function with a length
 * or a count refuses them before it reads the data. Usage: lengths_test TCSYNC_H */
#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "replica_support.h"
#include "support.h"

static const size_t kLengths[] = {(size_t)PTRDIFF_MAX + 1, SIZE_MAX - 1, SIZE_MAX};
#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static tcsync_config* config;
static tcsync_engine* engine;
static tcsync_key* key;
static tcsync_remote* remote;
static tcsync_queue* queue;
static tcsync_replica* replica;
/* A request that waits for its body. */
static tcsync_pending* pending;

static tcsync_code derive_key(size_t length, tcsync_error** error) {
  tcsync_key* derived = NULL;
  const tcsync_code code = tcsync_key_derive(CLIENT_A, "secret", length, &derived, error);
  CHECK(derived == NULL);
  return code;
}

static tcsync_code seal(size_t length, tcsync_error** error) {
  tcsync_bytes* sealed = NULL;
  const tcsync_code code = tcsync_seal(key, NIL_VERSION, "plaintext", length, &sealed, error);
  CHECK(sealed == NULL);
  return code;
}

static tcsync_code unseal(size_t length, tcsync_error** error) {
  tcsync_bytes* plaintext = NULL;
  const tcsync_code code = tcsync_unseal(key, NIL_VERSION, "sealed", length, &plaintext, error);
  CHECK(plaintext == NULL);
  return code;
}

static tcsync_code add_version(size_t length, tcsync_error** error) {
  int32_t outcome = 0;
  int32_t urgency = 0;
  tcsync_uuid version_id;
  return tcsync_remote_add_version(remote, NIL_VERSION, "plaintext", length, &outcome, &version_id,
                                   &urgency, error);
}

static tcsync_code add_snapshot(size_t length, tcsync_error** error) {
  return tcsync_remote_add_snapshot(remote, CLIENT_B, "plaintext", length, error);
}

static tcsync_code append(size_t length, tcsync_error** error) {
  tcsync_response* response = NULL;
  const tcsync_code code = tcsync_pending_append(pending, "sealed", length, &response, error);
  CHECK(response == NULL);
  return code;
}

static tcsync_code append_queued(size_t length, tcsync_error** error) {
  return tcsync_pending_append_queued(pending, "sealed", length, queue, NULL, error);
}

static tcsync_code handle(const tcsync_request* request, tcsync_error** error) {
  tcsync_response* response = NULL;
  const tcsync_code code = tcsync_engine_handle(engine, request, &response, error);
  CHECK(response == NULL);
  return code;
}

static void must_not_be_called(void* user_data, tcsync_response* response) {
  (void)user_data;
  tcsync_response_free(response);
  CHECK(!"called although the call failed");
}

static tcsync_code handle_async(const tcsync_request* request, tcsync_error** error) {
  return tcsync_engine_handle_async(engine, request, must_not_be_called, NULL, error);
}

static tcsync_code handle_queued(const tcsync_request* request, tcsync_error** error) {
  return tcsync_engine_handle_queued(engine, request, queue, NULL, error);
}

static tcsync_code begin(const tcsync_request* request, tcsync_error** error) {
  tcsync_pending* begun = NULL;
  tcsync_response* response = NULL;
  const tcsync_code code = tcsync_engine_begin(engine, request, &begun, &response, error);
  CHECK(begun == NULL && response == NULL);
  return code;
}

static tcsync_code administer(const tcsync_request* request, tcsync_error** error) {
  tcsync_response* response = NULL;
  const tcsync_code code = tcsync_administer(NULL, engine, request, &response, error);
  CHECK(response == NULL);
  return code;
}

static tcsync_code administer_offline(const tcsync_request* request, tcsync_error** error) {
  tcsync_response* response = NULL;
  const tcsync_code code = tcsync_administer(config, NULL, request, &response, error);
  CHECK(response == NULL);
  return code;
}

static tcsync_code monitor(const tcsync_request* request, tcsync_error** error) {
  tcsync_response* response = NULL;
  const tcsync_code code = tcsync_monitor(engine, request, &response, error);
  CHECK(response == NULL);
  return code;
}

static tcsync_code commit(size_t length, tcsync_error** error) {
  const tcsync_operation operation = create_task(TASK_A);
  return tcsync_replica_commit(replica, &operation, length, error);
}

static tcsync_code commit_property(size_t length, tcsync_error** error) {
  tcsync_operation operation = update_task(TASK_A, "property", "value");
  operation.property_size = length;
  return tcsync_replica_commit(replica, &operation, 1, error);
}

static tcsync_code commit_value(size_t length, tcsync_error** error) {
  tcsync_operation operation = update_task(TASK_A, "property", "value");
  operation.value_size = length;
  return tcsync_replica_commit(replica, &operation, 1, error);
}

/* The functions with a length... */
static const struct {
  const char* name;
  tcsync_code (*call)(size_t length, tcsync_error** error);
} kWithLength[] = {
    {"tcsync_key_derive", derive_key},
    {"tcsync_seal", seal},
    {"tcsync_unseal", unseal},
    {"tcsync_remote_add_version", add_version},
    {"tcsync_remote_add_snapshot", add_snapshot},
    {"tcsync_pending_append", append},
    {"tcsync_pending_append_queued", append_queued},
    {"tcsync_replica_commit", commit},
    {"tcsync_replica_commit", commit_property},
    {"tcsync_replica_commit", commit_value},
};

/* ...those with a request, which has lengths and a count... */
static const struct {
  const char* name;
  tcsync_code (*call)(const tcsync_request* request, tcsync_error** error);
} kWithRequest[] = {
    {"tcsync_engine_handle", handle},
    {"tcsync_engine_handle_async", handle_async},
    {"tcsync_engine_handle_queued", handle_queued},
    {"tcsync_engine_begin", begin},
    {"tcsync_administer", administer},
    {"tcsync_administer", administer_offline},
    {"tcsync_monitor", monitor},
};

/* ...and those whose size_t is an index, which they check against their range. */
static const char* const kWithIndex[] = {
    "tcsync_option_info",     "tcsync_log_record_field",
    "tcsync_response_header", "tcsync_listener_address",
    "tcsync_tasks_get",       "tcsync_tasks_property",
    "tcsync_operations_get",  "tcsync_operations_old_property",
};

static void lengths_are_refused(void) {
  size_t function = 0;
  size_t i = 0;
  for (function = 0; function < COUNT(kWithLength); ++function) {
    for (i = 0; i < COUNT(kLengths); ++i) {
      CHECK_FAILS(kWithLength[function].call(kLengths[i], &error), TCSYNC_INVALID_ARGUMENT,
                  "length");
    }
  }
}

/* `length` points into `request` or into its headers. */
static void check_request(const test_request* request, size_t* length, size_t value,
                          const char* name) {
  const size_t right = *length;
  size_t function = 0;
  *length = value;
  for (function = 0; function < COUNT(kWithRequest); ++function) {
    CHECK_FAILS(kWithRequest[function].call(&request->request, &error), TCSYNC_INVALID_ARGUMENT,
                name);
  }
  *length = right;
}

static void lengths_in_requests_are_refused(void) {
  test_request filled;
  size_t i = 0;
  fill_request(&filled, "GET", "/v1/client/snapshot", CLIENT_A, NULL, "body", 4);
  filled.request.peer_address = "192.0.2.7";
  for (i = 0; i < COUNT(kLengths); ++i) {
    check_request(&filled, &filled.request.method_size, kLengths[i], "request->method");
    check_request(&filled, &filled.request.target_size, kLengths[i], "request->target");
    check_request(&filled, &filled.request.body_size, kLengths[i], "request->body");
    check_request(&filled, &filled.request.peer_address_size, kLengths[i], "request->peer_address");
    check_request(&filled, &filled.request.header_count, kLengths[i], "request->headers");
    check_request(&filled, &filled.headers[0].name_size, kLengths[i], "request->headers[0]");
    check_request(&filled, &filled.headers[0].value_size, kLengths[i], "request->headers[0]");
  }
  /* Counts whose product with the size of a header does not fit, or wraps around to a small one. */
  check_request(&filled, &filled.request.header_count, PTRDIFF_MAX / sizeof(tcsync_header) + 1,
                "request->headers");
  check_request(&filled, &filled.request.header_count, SIZE_MAX / sizeof(tcsync_header) + 2,
                "request->headers");
}

/* A record of the refusal of one request. */
static tcsync_log_record* make_log_record(void) {
  tcsync_config* logging = make_config(NULL);
  tcsync_queue* queue = NULL;
  tcsync_engine* logged = NULL;
  tcsync_event event;
  event.struct_size = sizeof(event);
  CHECK_OK(tcsync_queue_new(&queue, &error));
  CHECK_OK(tcsync_config_set_log_queue(logging, queue, &error));
  CHECK_OK(tcsync_engine_open(logging, &logged, &error));
  tcsync_response_free(exchange(logged, "GET", "/v1/client/snapshot", NULL, NULL, NULL, 0));
  CHECK_OK(tcsync_queue_next(queue, TEST_DEADLINE_MS, &event, &error));
  CHECK_INT(event.kind, TCSYNC_EVENT_LOG);
  tcsync_engine_free(logged);
  tcsync_queue_free(queue);
  tcsync_config_free(logging);
  return event.record;
}

static void indices_are_refused(void) {
  tcsync_log_record* record = make_log_record();
  tcsync_option option;
  tcsync_header header;
  tcsync_response* response = exchange(engine, "GET", "/", NULL, NULL, NULL, 0);
  tcsync_listener* listener = NULL;
  size_t i = 0;
  CHECK_OK(tcsync_listener_bind(config, &listener, &error));
  for (i = 0; i < COUNT(kLengths); ++i) {
    memset(&option, 0x5a, sizeof(option));
    option.struct_size = sizeof(option);
    CHECK_FAILS(tcsync_option_info(kLengths[i], &option, &error), TCSYNC_INVALID_ARGUMENT,
                "option");
    CHECK(option.name == NULL && option.maximum == 0);
    CHECK_INT(option.struct_size, sizeof(option));
    memset(&header, 0x5a, sizeof(header));
    CHECK_FAILS(tcsync_response_header(response, kLengths[i], &header, &error),
                TCSYNC_INVALID_ARGUMENT, "header");
    CHECK(header.name == NULL && header.value_size == 0);
    memset(&header, 0x5a, sizeof(header));
    CHECK_FAILS(tcsync_log_record_field(record, kLengths[i], &header, &error),
                TCSYNC_INVALID_ARGUMENT, "field");
    CHECK(header.name == NULL && header.value_size == 0);
    CHECK(tcsync_listener_address(listener, kLengths[i]) == NULL);
  }
  tcsync_listener_free(listener);
  tcsync_response_free(response);
  tcsync_log_record_free(record);
}

static void indices_of_a_replica_are_refused(void) {
  tcsync_tasks* tasks = NULL;
  tcsync_operations* operations = NULL;
  tcsync_task task;
  tcsync_operation operation;
  tcsync_property property;
  size_t i = 0;
  add_task(replica, TASK_A, "one");
  tasks = read_tasks(replica, NULL);
  operations = read_operations(replica, TCSYNC_OPERATIONS_PENDING, NULL);
  for (i = 0; i < COUNT(kLengths); ++i) {
    memset(&task, 0x5a, sizeof(task));
    task.struct_size = sizeof(task);
    CHECK_FAILS(tcsync_tasks_get(tasks, kLengths[i], &task, &error), TCSYNC_INVALID_ARGUMENT,
                "task");
    CHECK(task.property_count == 0 && task.task_id.text[0] == '\0');
    memset(&property, 0x5a, sizeof(property));
    CHECK_FAILS(tcsync_tasks_property(tasks, kLengths[i], 0, &property, &error),
                TCSYNC_INVALID_ARGUMENT, "task");
    CHECK(property.name == NULL && property.value_size == 0);
    CHECK_FAILS(tcsync_tasks_property(tasks, 0, kLengths[i], &property, &error),
                TCSYNC_INVALID_ARGUMENT, "property");
    memset(&operation, 0x5a, sizeof(operation));
    operation.struct_size = sizeof(operation);
    CHECK_FAILS(tcsync_operations_get(operations, kLengths[i], &operation, &error),
                TCSYNC_INVALID_ARGUMENT, "operation");
    CHECK(operation.property == NULL && operation.kind == 0);
    CHECK_FAILS(tcsync_operations_old_property(operations, kLengths[i], 0, &property, &error),
                TCSYNC_INVALID_ARGUMENT, "operation");
    CHECK_FAILS(tcsync_operations_old_property(operations, 0, kLengths[i], &property, &error),
                TCSYNC_INVALID_ARGUMENT, "property");
  }
  tcsync_operations_free(operations);
  tcsync_tasks_free(tasks);
}

static int is_in_a_table(const char* name) {
  size_t i = 0;
  for (i = 0; i < COUNT(kWithLength); ++i) {
    if (strcmp(kWithLength[i].name, name) == 0) return 1;
  }
  for (i = 0; i < COUNT(kWithRequest); ++i) {
    if (strcmp(kWithRequest[i].name, name) == 0) return 1;
  }
  for (i = 0; i < COUNT(kWithIndex); ++i) {
    if (strcmp(kWithIndex[i], name) == 0) return 1;
  }
  return 0;
}

/* Whether the parameters, up to `end`, have a length, a count, an index or a request. */
static int takes_a_length(const char* parameters, const char* end) {
  static const char* const kTypes[] = {"size_t ", "const tcsync_request *",
                                       "const tcsync_header *"};
  size_t i = 0;
  for (i = 0; i < COUNT(kTypes); ++i) {
    const char* found = strstr(parameters, kTypes[i]);
    /* A size_t * is a result. */
    if (found != NULL && found < end && found[strlen(kTypes[i])] != '*') return 1;
  }
  return 0;
}

static const char* header_path;

static void every_function_is_in_a_table(void) {
  size_t size = 0;
  char* text = read_file(header_path, &size);
  char* declaration = text;
  size_t found = 0;
  text[size] = '\0';
  while ((declaration = strstr(declaration, "\nTCSYNC_API ")) != NULL) {
    char name[128] = "";
    char* const open = strchr(declaration, '(');
    char* const end = open == NULL ? NULL : strchr(open, ';');
    char* begin = open;
    CHECK(end != NULL);
    if (end == NULL) break;
    while (isalnum((unsigned char)begin[-1]) || begin[-1] == '_') --begin;
    snprintf(name, sizeof(name), "%.*s", (int)(open - begin), begin);
    if (takes_a_length(open, end)) {
      ++found;
      if (!is_in_a_table(name)) fprintf(stderr, "%s is in no table of this test\n", name);
      CHECK(is_in_a_table(name));
    }
    declaration = end;
  }
  CHECK(found >= COUNT(kWithLength) + COUNT(kWithIndex));
  free(text);
}

int main(int argc, char** argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: lengths_test TCSYNC_H\n");
    return 2;
  }
  header_path = argv[1];
  config = make_config(NULL);
  engine = open_engine(NULL);
  CHECK_OK(tcsync_key_derive(CLIENT_A, "secret", 6, &key, &error));
  remote = open_remote("http://127.0.0.1:1", CLIENT_A, key);
  queue = make_queue();
  replica = open_replica(NULL);
  pending = begin_version(engine, CLIENT_A, NULL, NULL);
  RUN(lengths_are_refused, "a length that went wrong in a binding ends the whole program");
  RUN(lengths_in_requests_are_refused, "a length that went wrong in a binding ends the program");
  RUN(indices_are_refused, "an index that went wrong reads past an array");
  RUN(indices_of_a_replica_are_refused, "an index that went wrong reads past an array");
  RUN(every_function_is_in_a_table, "nothing: a new function is not tested with such lengths");
  tcsync_pending_free(pending);
  tcsync_replica_free(replica);
  tcsync_queue_free(queue);
  tcsync_remote_free(remote);
  tcsync_key_free(key);
  tcsync_engine_free(engine);
  tcsync_config_free(config);
  return check_exit_status();
}
