/* A program with a library without the server: its functions work, and the missing ones report it.
 * Usage: without_server_test (no arguments); built and run by without_server_test.sh. */
#include <string.h>

#include "check.h"
#include "replica_support.h"
#include "support.h"

static void server_functions_are_unsupported(void) {
  char poison = 0;
  tcsync_config* config = NULL;
  tcsync_engine* engine = (tcsync_engine*)(void*)&poison;
  tcsync_listener* listener = (tcsync_listener*)(void*)&poison;
  tcsync_response* response = (tcsync_response*)(void*)&poison;
  test_request filled;
  CHECK_OK(tcsync_config_new(&config, &error));
  CHECK_FAILS(tcsync_engine_open(config, &engine, &error), TCSYNC_UNSUPPORTED, "TCSYNC_SERVER");
  CHECK(engine == NULL);
  CHECK_FAILS(tcsync_listener_bind(config, &listener, &error), TCSYNC_UNSUPPORTED, "TCSYNC_SERVER");
  CHECK(listener == NULL);
  CHECK_INT(tcsync_has("server"), 0);
  CHECK_INT(tcsync_has("listener"), 0);
  CHECK_INT(tcsync_has("admin"), 0);
  CHECK_INT(tcsync_has("remote"), 1);
  CHECK_INT(tcsync_has("replica"), 1);
  CHECK_INT(tcsync_has("tls"), 1);
  fill_request(&filled, "GET", "/v1/admin/stats", NULL, NULL, NULL, 0);
  CHECK_FAILS(tcsync_administer(config, NULL, &filled.request, &response, &error),
              TCSYNC_UNSUPPORTED, "TCSYNC_SERVER");
  CHECK(response == NULL);
  CHECK_NEEDS(tcsync_engine_open(NULL, &engine, &error), "config");
  CHECK_NEEDS(tcsync_listener_bind(config, NULL, &error), "listener");
  tcsync_config_free(config);
}

static void server_functions_accept_null(void) {
  size_t size = 7;
  test_request filled;
  tcsync_header header;
  tcsync_response* response = NULL;
  tcsync_bytes* value = NULL;
  tcsync_pending* pending = NULL;
  tcsync_bytes* bytes = NULL;
  fill_request(&filled, "GET", "/", NULL, NULL, NULL, 0);
  CHECK_NEEDS(tcsync_engine_handle(NULL, &filled.request, &response, &error), "engine");
  CHECK_NEEDS(tcsync_engine_handle_async(NULL, &filled.request, NULL, NULL, &error), "engine");
  CHECK_NEEDS(tcsync_administer(NULL, NULL, &filled.request, &response, &error), "config");
  CHECK_NEEDS(tcsync_monitor(NULL, &filled.request, &response, &error), "engine");
  CHECK_NEEDS(tcsync_engine_option(NULL, "storage", &value, &error), "engine");
  CHECK(value == NULL);
  CHECK_NEEDS(tcsync_engine_handle_queued(NULL, &filled.request, NULL, NULL, &error), "engine");
  CHECK_NEEDS(tcsync_engine_begin(NULL, &filled.request, &pending, &response, &error), "engine");
  CHECK_NEEDS(tcsync_pending_append(NULL, "x", 1, &response, &error), "pending");
  CHECK_NEEDS(tcsync_pending_append_queued(NULL, "x", 1, NULL, NULL, &error), "pending");
  CHECK_NEEDS(tcsync_pending_finish(NULL, &response, &error), "pending");
  CHECK_NEEDS(tcsync_pending_finish_queued(NULL, NULL, NULL, &error), "pending");
  CHECK_NEEDS(tcsync_response_read(NULL, &bytes, &error), "response");
  CHECK_NEEDS(tcsync_response_read_queued(NULL, NULL, NULL, &error), "response");
  CHECK_INT(tcsync_response_body_size(NULL), 0);
  tcsync_pending_free(NULL);
  CHECK_NEEDS(tcsync_response_header(NULL, 0, &header, &error), "response");
  CHECK_NEEDS(tcsync_listener_serve(NULL, NULL, &error), "listener");
  CHECK_INT(tcsync_response_status(NULL), 0);
  CHECK_INT(tcsync_response_header_count(NULL), 0);
  CHECK(tcsync_response_header_value(NULL, "X-Version-Id") == NULL);
  CHECK(tcsync_response_body(NULL, &size) == NULL);
  CHECK_INT(size, 0);
  CHECK_INT(tcsync_listener_address_count(NULL), 0);
  CHECK(tcsync_listener_address(NULL, 0) == NULL);
  tcsync_engine_free(NULL);
  tcsync_response_free(NULL);
  tcsync_listener_stop(NULL);
  tcsync_listener_free(NULL);
}

/* They need no server. */
static void queues_work_without_the_server(void) {
  tcsync_queue* queue = make_queue();
  tcsync_queue_wake(queue);
  CHECK_INT(next_event(queue, 0).kind, TCSYNC_EVENT_WAKE);
  tcsync_queue_free(queue);
}

static void sealing_works_without_the_server(void) {
  char client_id[TEST_CLIENT_BYTES];
  tcsync_key* key = make_user(client_id);
  check_sealing(key);
  tcsync_key_free(key);
}

/* With https, so that TLS and the search for certificate authorities are part of it. */
static void remote_calls_work_without_the_server(void) {
  tcsync_remote* remote = open_remote("https://127.0.0.1:1", CLIENT_A, NULL);
  tcsync_probe probe;
  memset(&probe, 0, sizeof(probe));
  probe.struct_size = sizeof(probe);
  CHECK_FAILS(tcsync_remote_probe(remote, &probe, &error), TCSYNC_REMOTE_CONNECTION_REFUSED,
              "https://127.0.0.1:1");
  tcsync_remote_free(remote);
  /* A thread looks a name up, with the parts that the C library loads for it. */
  remote = open_remote("https://tcsync.invalid", CLIENT_A, NULL);
  CHECK_FAILS(tcsync_remote_probe(remote, &probe, &error), TCSYNC_REMOTE_NAME_NOT_RESOLVED,
              "tcsync.invalid");
  tcsync_remote_free(remote);
}

static void replicas_work_without_the_server(void) {
  char directory[PATH_BYTES];
  tcsync_replica* replica = NULL;
  tcsync_remote* remote = NULL;
  tcsync_key* key = NULL;
  char client_id[TEST_CLIENT_BYTES];
  tcsync_sync_report report;
  make_directory(directory);
  replica = open_replica(directory);
  add_task(replica, TASK_A, "one");
  check_property(replica, TASK_A, "description", "one");
  key = make_user(client_id);
  remote = open_remote("http://127.0.0.1:1", client_id, key);
  report.struct_size = sizeof(report);
  CHECK_FAILS(tcsync_replica_sync(replica, remote, NULL, &report, &error),
              TCSYNC_REMOTE_CONNECTION_REFUSED, "http://127.0.0.1:1");
  tcsync_remote_free(remote);
  tcsync_key_free(key);
  tcsync_replica_free(replica);
  remove_directory(directory);
}

int main(void) {
  RUN(server_functions_are_unsupported,
      "people are not told that they installed the small library");
  RUN(server_functions_accept_null, "a binding crashes while it cleans up");
  RUN(queues_work_without_the_server, "a binding does not load where the server is not built");
  RUN(sealing_works_without_the_server,
      "the setup wizard does not work where the server is not built");
  RUN(remote_calls_work_without_the_server,
      "the setup wizard does not work where the server is not built");
  RUN(replicas_work_without_the_server,
      "the Python package cannot keep tasks where the server is not built");
  return check_exit_status();
}
