/* Every function must survive the failure of any allocation, and report it.
 * replica_out_of_memory_test has those of replicas. */
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "refused_memory.h"
#include "support.h"

static tcsync_config* config;
static tcsync_engine* engine;
static tcsync_key* key;

static tcsync_code attempt_config_new(tcsync_error** error) {
  tcsync_config* made = NULL;
  tcsync_code code = TCSYNC_OK;
  begin_refusing();
  code = tcsync_config_new(&made, error);
  end_refusing();
  CHECK_INT(made != NULL, code == TCSYNC_OK);
  tcsync_config_free(made);
  return code;
}

static tcsync_code attempt_config_set(tcsync_error** error) {
  tcsync_code code = TCSYNC_OK;
  begin_refusing();
  code =
      tcsync_config_set(config, "listen", "127.0.0.1:0, unix:/a/path/that/is/long/enough", error);
  end_refusing();
  return code;
}

static tcsync_code attempt_config_get(tcsync_error** error) {
  tcsync_bytes* value = NULL;
  tcsync_code code = TCSYNC_OK;
  begin_refusing();
  code = tcsync_config_get(config, "listen", &value, error);
  end_refusing();
  CHECK_INT(value != NULL, code == TCSYNC_OK);
  tcsync_bytes_free(value);
  return code;
}

static tcsync_code attempt_wrong_option(tcsync_error** error) {
  tcsync_code code = TCSYNC_OK;
  begin_refusing();
  code = tcsync_config_set(config, "no-such-option", "1", error);
  end_refusing();
  return code;
}

static tcsync_code attempt_null_argument(tcsync_error** error) {
  tcsync_code code = TCSYNC_OK;
  begin_refusing();
  code = tcsync_config_set(config, NULL, "1", error);
  end_refusing();
  return code;
}

static void exhaust_configuration(void) {
  config = make_config(NULL);
  exhaust(attempt_config_new, TCSYNC_OK);
  exhaust(attempt_config_set, TCSYNC_OK);
  exhaust(attempt_config_get, TCSYNC_OK);
  exhaust(attempt_wrong_option, TCSYNC_UNKNOWN_OPTION);
  exhaust(attempt_null_argument, TCSYNC_NULL_ARGUMENT);
  tcsync_config_free(config);
}

static tcsync_code attempt_generate(tcsync_error** error) {
  tcsync_bytes* client_id = NULL;
  tcsync_bytes* secret = NULL;
  tcsync_code code = TCSYNC_OK;
  begin_refusing();
  code = tcsync_credentials_generate(&client_id, &secret, error);
  end_refusing();
  CHECK_INT(client_id != NULL, code == TCSYNC_OK);
  CHECK_INT(secret != NULL, code == TCSYNC_OK);
  tcsync_bytes_free(client_id);
  tcsync_bytes_free(secret);
  return code;
}

static tcsync_code attempt_wrong_derive(tcsync_error** error) {
  tcsync_key* derived = NULL;
  tcsync_code code = TCSYNC_OK;
  begin_refusing();
  code = tcsync_key_derive("not-a-uuid", "secret", 6, &derived, error);
  end_refusing();
  CHECK(derived == NULL);
  return code;
}

static tcsync_code attempt_seal(tcsync_error** error) {
  tcsync_bytes* sealed = NULL;
  tcsync_code code = TCSYNC_OK;
  begin_refusing();
  code = tcsync_seal(key, NIL_VERSION, "plaintext", 9, &sealed, error);
  end_refusing();
  CHECK_INT(sealed != NULL, code == TCSYNC_OK);
  tcsync_bytes_free(sealed);
  return code;
}

static tcsync_bytes* sealed_before;

static tcsync_code attempt_unseal(tcsync_error** error) {
  tcsync_bytes* opened = NULL;
  tcsync_code code = TCSYNC_OK;
  begin_refusing();
  code = tcsync_unseal(key, NIL_VERSION, tcsync_bytes_data(sealed_before),
                       tcsync_bytes_size(sealed_before), &opened, error);
  end_refusing();
  CHECK_INT(opened != NULL, code == TCSYNC_OK);
  tcsync_bytes_free(opened);
  return code;
}

static tcsync_code attempt_wrong_unseal(tcsync_error** error) {
  tcsync_bytes* opened = NULL;
  tcsync_code code = TCSYNC_OK;
  begin_refusing();
  code = tcsync_unseal(key, NIL_VERSION, "short", 5, &opened, error);
  end_refusing();
  CHECK(opened == NULL);
  return code;
}

static void exhaust_sealing(void) {
  CHECK_OK(tcsync_key_derive(CLIENT_A, "secret", 6, &key, &error));
  CHECK_OK(tcsync_seal(key, NIL_VERSION, "plaintext", 9, &sealed_before, &error));
  exhaust(attempt_generate, TCSYNC_OK);
  exhaust(attempt_wrong_derive, TCSYNC_INVALID_UUID);
  exhaust(attempt_seal, TCSYNC_OK);
  exhaust(attempt_unseal, TCSYNC_OK);
  exhaust(attempt_wrong_unseal, TCSYNC_UNSEAL_TRUNCATED);
  tcsync_bytes_free(sealed_before);
  tcsync_key_free(key);
}

static int calls;

static void count_call(void* user_data, tcsync_response* response) {
  ++*(int*)user_data;
  tcsync_response_free(response);
}

static tcsync_code attempt_handle(tcsync_error** error) {
  test_request filled;
  tcsync_response* response = NULL;
  tcsync_code code = TCSYNC_OK;
  fill_request(&filled, "GET", "/v1/client/snapshot", CLIENT_A, NULL, NULL, 0);
  begin_refusing();
  code = tcsync_engine_handle(engine, &filled.request, &response, error);
  end_refusing();
  CHECK_INT(response != NULL, code == TCSYNC_OK);
  if (response != NULL) {
    CHECK(tcsync_response_status(response) == 404 || tcsync_response_status(response) >= 500);
  }
  tcsync_response_free(response);
  return code;
}

static tcsync_code attempt_handle_async(tcsync_error** error) {
  test_request filled;
  tcsync_code code = TCSYNC_OK;
  fill_request(&filled, "GET", "/", NULL, NULL, NULL, 0);
  calls = 0;
  begin_refusing();
  code = tcsync_engine_handle_async(engine, &filled.request, count_call, &calls, error);
  end_refusing();
  /* A request that needs no write is answered on this thread. */
  CHECK_INT(calls, code == TCSYNC_OK ? 1 : 0);
  return code;
}

static tcsync_queue* queue;

/* Takes the one event of a successful call. */
static tcsync_event take_event(void) {
  const tcsync_event event = next_event(queue, TEST_DEADLINE_MS);
  CHECK(event.kind != TCSYNC_EVENT_NONE);
  return event;
}

static void check_no_event(void) { CHECK_INT(next_event(queue, 0).kind, TCSYNC_EVENT_NONE); }

static tcsync_code attempt_queue_new(tcsync_error** error) {
  tcsync_queue* made = NULL;
  tcsync_code code = TCSYNC_OK;
  begin_refusing();
  code = tcsync_queue_new(&made, error);
  end_refusing();
  CHECK_INT(made != NULL, code == TCSYNC_OK);
  tcsync_queue_free(made);
  return code;
}

static tcsync_code attempt_set_log_queue(tcsync_error** error) {
  tcsync_code code = TCSYNC_OK;
  begin_refusing();
  code = tcsync_config_set_log_queue(config, queue, error);
  end_refusing();
  return code;
}

/* The event of an answer without memory reports that. */
static tcsync_code attempt_handle_queued(tcsync_error** error) {
  test_request filled;
  tcsync_code code = TCSYNC_OK;
  fill_request(&filled, "GET", "/v1/client/snapshot", CLIENT_A, NULL, NULL, 0);
  begin_refusing();
  code = tcsync_engine_handle_queued(engine, &filled.request, queue, &filled, error);
  end_refusing();
  if (code == TCSYNC_OK) {
    tcsync_event event = take_event();
    CHECK_INT(event.kind, TCSYNC_EVENT_RESPONSE);
    CHECK(event.user_data == &filled);
    CHECK_INT(event.response == NULL, event.code == TCSYNC_OUT_OF_MEMORY);
    tcsync_response_free(event.response);
  }
  check_no_event();
  return code;
}

static tcsync_code attempt_begin(tcsync_error** error) {
  test_request filled;
  tcsync_pending* pending = NULL;
  tcsync_response* response = NULL;
  tcsync_code code = TCSYNC_OK;
  fill_request(&filled, "POST", "/v1/client/add-version/" NIL_VERSION, CLIENT_A, SEGMENT_TYPE, NULL,
               0);
  begin_refusing();
  code = tcsync_engine_begin(engine, &filled.request, &pending, &response, error);
  end_refusing();
  CHECK_INT((pending != NULL) + (response != NULL), code == TCSYNC_OK);
  tcsync_pending_free(pending);
  tcsync_response_free(response);
  return code;
}

static char large[600000];
enum { kSmallBytes = 100000 };

static tcsync_code attempt_append(tcsync_error** error) {
  tcsync_pending* pending = begin_version(engine, CLIENT_A, NULL, NULL);
  tcsync_response* response = NULL;
  tcsync_code code = TCSYNC_OK;
  begin_refusing();
  code = tcsync_pending_append(pending, large, kSmallBytes, &response, error);
  end_refusing();
  if (response != NULL) CHECK(tcsync_response_status(response) >= 500);
  tcsync_response_free(response);
  tcsync_pending_free(pending);
  return code;
}

static tcsync_code attempt_append_queued(tcsync_error** error) {
  tcsync_pending* pending = begin_version(engine, CLIENT_A, NULL, NULL);
  tcsync_code code = TCSYNC_OK;
  begin_refusing();
  code = tcsync_pending_append_queued(pending, large, kSmallBytes, queue, pending, error);
  end_refusing();
  if (code == TCSYNC_OK) {
    tcsync_event event = take_event();
    CHECK(event.user_data == pending);
    tcsync_response_free(event.response);
  }
  check_no_event();
  tcsync_pending_free(pending);
  return code;
}

/* A finish either takes effect or leaves the history unchanged; a conflict is an answer like
 * others. */
static tcsync_code attempt_finish(tcsync_error** error) {
  tcsync_pending* pending = begin_version(engine, CLIENT_A, NULL, NULL);
  tcsync_response* response = NULL;
  tcsync_code code = TCSYNC_OK;
  CHECK_INT(tcsync_pending_append(pending, "sealed", 6, &response, NULL), TCSYNC_OK);
  begin_refusing();
  code = tcsync_pending_finish(pending, &response, error);
  end_refusing();
  CHECK_INT(response != NULL, code == TCSYNC_OK);
  tcsync_response_free(response);
  tcsync_pending_free(pending);
  return code;
}

static tcsync_code attempt_finish_queued(tcsync_error** error) {
  tcsync_pending* pending = begin_version(engine, CLIENT_A, NULL, NULL);
  tcsync_response* response = NULL;
  tcsync_code code = TCSYNC_OK;
  CHECK_INT(tcsync_pending_append(pending, "sealed", 6, &response, NULL), TCSYNC_OK);
  begin_refusing();
  code = tcsync_pending_finish_queued(pending, queue, NULL, error);
  end_refusing();
  tcsync_pending_free(pending);
  if (code == TCSYNC_OK) {
    tcsync_event event = take_event();
    CHECK_INT(event.kind, TCSYNC_EVENT_RESPONSE);
    tcsync_response_free(event.response);
  }
  check_no_event();
  return code;
}

static tcsync_response* get_large(void) {
  test_request filled;
  tcsync_event event;
  fill_request(&filled, "GET", "/v1/client/get-child-version/" NIL_VERSION, CLIENT_A, NULL, NULL,
               0);
  CHECK_OK(tcsync_engine_handle_queued(engine, &filled.request, queue, NULL, &error));
  event = take_event();
  CHECK_INT(tcsync_response_status(event.response), 200);
  CHECK_INT(tcsync_response_body_size(event.response), sizeof(large));
  return event.response;
}

static tcsync_code attempt_read(tcsync_error** error) {
  tcsync_response* response = get_large();
  tcsync_bytes* bytes = NULL;
  tcsync_code code = TCSYNC_OK;
  begin_refusing();
  code = tcsync_response_read(response, &bytes, error);
  end_refusing();
  CHECK_INT(bytes != NULL, code == TCSYNC_OK);
  tcsync_bytes_free(bytes);
  tcsync_response_free(response);
  return code;
}

static tcsync_code attempt_read_queued(tcsync_error** error) {
  tcsync_response* response = get_large();
  tcsync_code code = TCSYNC_OK;
  begin_refusing();
  code = tcsync_response_read_queued(response, queue, NULL, error);
  end_refusing();
  if (code == TCSYNC_OK) {
    tcsync_event event = take_event();
    CHECK_INT(event.kind, TCSYNC_EVENT_PIECE);
    CHECK_INT(event.bytes != NULL, event.code == TCSYNC_OK);
    tcsync_bytes_free(event.bytes);
  }
  check_no_event();
  tcsync_response_free(response);
  return code;
}

/* With the storage in memory, and writes that are conflicts: RocksDB and the tables of Abseil do
 * not survive the failure of an allocation themselves. */
static void exhaust_queues(void) {
  CHECK_OK(tcsync_queue_new(&queue, &error));
  config = make_config(NULL);
  exhaust(attempt_queue_new, TCSYNC_OK);
  exhaust(attempt_set_log_queue, TCSYNC_OK);
  CHECK_OK(tcsync_config_set_log_queue(config, NULL, &error));
  CHECK_OK(tcsync_config_set(config, "client-requests-per-second", "0", &error));
  CHECK_OK(tcsync_engine_open(config, &engine, &error));
  tcsync_config_free(config);
  tcsync_response_free(exchange(engine, "POST", "/v1/client/add-version/" NIL_VERSION, CLIENT_A,
                                SEGMENT_TYPE, large, sizeof(large)));
  /* Its thread starts with the first. */
  refuse_nothing();
  CHECK_INT(attempt_append_queued(NULL), TCSYNC_OK);
  exhaust(attempt_handle_queued, TCSYNC_OK);
  exhaust(attempt_begin, TCSYNC_OK);
  exhaust(attempt_append, TCSYNC_OK);
  exhaust(attempt_append_queued, TCSYNC_OK);
  exhaust(attempt_finish, TCSYNC_OK);
  exhaust(attempt_finish_queued, TCSYNC_OK);
  exhaust(attempt_read, TCSYNC_OK);
  exhaust(attempt_read_queued, TCSYNC_OK);
  tcsync_engine_free(engine);
  tcsync_queue_free(queue);
}

static void exhaust_handling(void) {
  engine = open_engine(NULL);
  /* The thread for callbacks starts with the first. */
  refuse_nothing();
  CHECK_INT(attempt_handle_async(NULL), TCSYNC_OK);
  exhaust(attempt_handle, TCSYNC_OK);
  exhaust(attempt_handle_async, TCSYNC_OK);
  tcsync_engine_free(engine);
}

static test_server server;
static tcsync_remote* remote;

static tcsync_code attempt_remote_open(tcsync_error** error) {
  const tcsync_remote_options options = without_proxy();
  tcsync_remote* opened = NULL;
  tcsync_code code = TCSYNC_OK;
  begin_refusing();
  code = tcsync_remote_open(server.url, CLIENT_A, key, &options, &opened, error);
  end_refusing();
  CHECK_INT(opened != NULL, code == TCSYNC_OK);
  tcsync_remote_free(opened);
  return code;
}

/* With a connection of its own, so that connecting is part of it. */
static tcsync_code attempt_remote_probe(tcsync_error** error) {
  tcsync_remote* fresh = open_remote(server.url, CLIENT_A, key);
  tcsync_code code = TCSYNC_OK;
  tcsync_probe probe;
  memset(&probe, 0, sizeof(probe));
  probe.struct_size = sizeof(probe);
  begin_refusing();
  code = tcsync_remote_probe(fresh, &probe, error);
  end_refusing();
  CHECK_INT(probe.kind != 0, code == TCSYNC_OK);
  tcsync_remote_free(fresh);
  return code;
}

static tcsync_code attempt_remote_get_child_version(tcsync_error** error) {
  tcsync_uuid version_id;
  int32_t outcome = -1;
  tcsync_bytes* plaintext = NULL;
  tcsync_code code = TCSYNC_OK;
  begin_refusing();
  code = tcsync_remote_get_child_version(remote, NIL_VERSION, &outcome, &version_id, &plaintext,
                                         error);
  end_refusing();
  CHECK_INT(plaintext != NULL, code == TCSYNC_OK);
  CHECK_INT(outcome, code == TCSYNC_OK ? TCSYNC_OUTCOME_FOUND : 0);
  tcsync_bytes_free(plaintext);
  return code;
}

static tcsync_code attempt_remote_conflict(tcsync_error** error) {
  tcsync_uuid version_id;
  int32_t outcome = -1;
  int32_t urgency = -1;
  tcsync_code code = TCSYNC_OK;
  begin_refusing();
  code = tcsync_remote_add_version(remote, NIL_VERSION, "plaintext", 9, &outcome, &version_id,
                                   &urgency, error);
  end_refusing();
  CHECK_INT(outcome, code == TCSYNC_OK ? TCSYNC_OUTCOME_CONFLICT : 0);
  return code;
}

static tcsync_code attempt_cancelled(tcsync_error** error) {
  tcsync_uuid version_id;
  int32_t outcome = -1;
  tcsync_bytes* plaintext = NULL;
  tcsync_code code = TCSYNC_OK;
  begin_refusing();
  tcsync_remote_cancel(remote);
  code = tcsync_remote_get_snapshot(remote, &outcome, &version_id, &plaintext, error);
  tcsync_remote_resume(remote);
  end_refusing();
  CHECK_INT(outcome, 0);
  CHECK(plaintext == NULL);
  return code;
}

static void exhaust_remote_calls(void) {
  tcsync_uuid version_id;
  int32_t outcome = 0;
  int32_t urgency = 0;
  server = start_server(NULL, NULL);
  CHECK_OK(tcsync_key_derive(CLIENT_A, "secret", 6, &key, &error));
  remote = open_remote(server.url, CLIENT_A, key);
  CHECK_OK(tcsync_remote_add_version(remote, NIL_VERSION, "plaintext", 9, &outcome, &version_id,
                                     &urgency, &error));
  exhaust(attempt_remote_open, TCSYNC_OK);
  exhaust(attempt_remote_probe, TCSYNC_OK);
  exhaust(attempt_remote_get_child_version, TCSYNC_OK);
  exhaust(attempt_remote_conflict, TCSYNC_OK);
  exhaust(attempt_cancelled, TCSYNC_CANCELLED);
  tcsync_remote_free(remote);
  tcsync_key_free(key);
  stop_server(&server);
}

int main(void) {
  if (!can_refuse_memory()) return SKIPPED;
  RUN(exhaust_configuration, "a program that runs out of memory is aborted instead of told");
  RUN(exhaust_sealing, "a program that runs out of memory is aborted instead of told");
  RUN(exhaust_handling, "a request that runs out of memory is answered twice, or never");
  RUN(exhaust_queues, "a request that runs out of memory has two events, or none");
  RUN(exhaust_remote_calls, "a wizard that runs out of memory is aborted instead of told");
  return check_exit_status();
}
