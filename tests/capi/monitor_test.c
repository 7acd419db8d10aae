/* Metrics, health and effective options, for a program that has an HTTP server of its own. */
#include <string.h>

#include "check.h"
#include "support.h"

static tcsync_response* monitor(tcsync_engine* engine, const char* method, const char* target) {
  test_request filled;
  tcsync_response* response = NULL;
  fill_request(&filled, method, target, NULL, NULL, NULL, 0);
  CHECK_OK(tcsync_monitor(engine, &filled.request, &response, &error));
  CHECK(response != NULL);
  return response;
}

static void a_mounted_engine_is_monitored(void) {
  char directory[PATH_BYTES];
  tcsync_engine* engine = NULL;
  make_directory(directory);
  engine = open_engine(directory);
  tcsync_response_free(exchange(engine, "POST", "/v1/client/add-version/" NIL_VERSION, CLIENT_A,
                                SEGMENT_TYPE, "sealed", 6));
  check_answer(monitor(engine, "GET", "/health"), 200, "");
  check_answer(monitor(engine, "GET", "/health/live"), 200, "");
  /* Requests through tcsync_engine_handle are counted, without any client's ID. */
  check_answer(monitor(engine, "GET", "/metrics"), 200,
               "tcsync_http_requests_total{route=\"add-version\",status=\"200\"} 1\n");
  check_answer(monitor(engine, "GET", "/metrics"), 200, "tcsync_health_ok");
  {
    tcsync_response* response = monitor(engine, "GET", "/metrics");
    const char* body = tcsync_response_body(response, NULL);
    CHECK(strstr(body, CLIENT_A) == NULL);
    tcsync_response_free(response);
  }
  tcsync_engine_free(engine);
  remove_directory(directory);
}

static void other_paths_and_invalid_arguments_are_refused(void) {
  tcsync_engine* engine = open_engine(NULL);
  tcsync_response* response = NULL;
  test_request filled;
  check_answer(monitor(engine, "GET", "/v1/client/snapshot"), 404, "");
  check_answer(monitor(engine, "GET", "/v1/admin/jobs"), 404, "");
  /* Strangers do not get the metrics either. */
  response = exchange(engine, "GET", "/metrics", NULL, NULL, NULL, 0);
  CHECK_INT(tcsync_response_status(response), 404);
  tcsync_response_free(response);
  fill_request(&filled, "GET", "/metrics", NULL, NULL, NULL, 0);
  response = (tcsync_response*)(void*)&filled;
  CHECK_FAILS(tcsync_monitor(NULL, &filled.request, &response, &error), TCSYNC_NULL_ARGUMENT,
              "engine");
  CHECK(response == NULL);
  CHECK_FAILS(tcsync_monitor(engine, NULL, &response, &error), TCSYNC_NULL_ARGUMENT, "request");
  CHECK_FAILS(tcsync_monitor(engine, &filled.request, NULL, &error), TCSYNC_NULL_ARGUMENT,
              "response");
  tcsync_engine_free(engine);
}

static void an_engine_reports_its_options(void) {
  tcsync_config* config = make_config(NULL);
  tcsync_engine* engine = NULL;
  tcsync_bytes* value = NULL;
  CHECK_OK(tcsync_config_set(config, "memory-budget", "64M", &error));
  CHECK_OK(tcsync_engine_open(config, &engine, &error));
  /* Later changes of the configuration do not affect the engine. */
  CHECK_OK(tcsync_config_set(config, "memory-budget", "32M", &error));
  CHECK_OK(tcsync_config_set(config, "block-cache-bytes", "1M", &error));
  tcsync_config_free(config);
  CHECK_OK(tcsync_engine_option(engine, "storage", &value, &error));
  CHECK_TEXT(tcsync_bytes_data(value), "memory");
  tcsync_bytes_free(value);
  CHECK_OK(tcsync_engine_option(engine, "memory-budget", &value, &error));
  CHECK_TEXT(tcsync_bytes_data(value), "67108864");
  tcsync_bytes_free(value);
  CHECK_OK(tcsync_engine_option(engine, "block-cache-bytes", &value, &error));
  CHECK_TEXT(tcsync_bytes_data(value), "8388608");
  tcsync_bytes_free(value);
  CHECK_FAILS(tcsync_engine_option(engine, "block-cache", &value, &error), TCSYNC_UNKNOWN_OPTION,
              "'block-cache'");
  CHECK(value == NULL);
  CHECK_FAILS(tcsync_engine_option(NULL, "storage", &value, &error), TCSYNC_NULL_ARGUMENT,
              "engine");
  CHECK_FAILS(tcsync_engine_option(engine, NULL, &value, &error), TCSYNC_NULL_ARGUMENT, "name");
  CHECK_FAILS(tcsync_engine_option(engine, "storage", NULL, &error), TCSYNC_NULL_ARGUMENT, "value");
  tcsync_engine_free(engine);
}

int main(void) {
  RUN(a_mounted_engine_is_monitored, "the overload or failure of a mounted engine stays unseen");
  RUN(other_paths_and_invalid_arguments_are_refused,
      "a stranger learns how much a server is used, or does more");
  RUN(an_engine_reports_its_options, "the reason for an engine's behaviour stays unknown");
  return check_exit_status();
}
