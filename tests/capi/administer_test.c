/* Administration through the C ABI: with an engine, and without one. */
#include <string.h>

#include "check.h"
#include "support.h"

/* Sends it and returns the response; NULL after a failure, which has then been reported. */
static tcsync_response* administer(const tcsync_config* config, tcsync_engine* engine,
                                   const char* method, const char* target, const char* body) {
  test_request filled;
  tcsync_response* response = NULL;
  fill_request(&filled, method, target, NULL, NULL, body, body == NULL ? 0 : strlen(body));
  CHECK_OK(tcsync_administer(config, engine, &filled.request, &response, &error));
  return response;
}

static void check_json(tcsync_response* response, int status, const char* text) {
  CHECK_TEXT(tcsync_response_header_value(response, "content-type"), "application/json");
  check_answer(response, status, text);
}

static void an_engine_is_administered(void) {
  char directory[PATH_BYTES];
  tcsync_engine* engine = NULL;
  make_directory(directory);
  engine = open_engine(directory);
  check_json(administer(NULL, engine, "GET", "/v1/admin/jobs", NULL), 200, "\"jobs\":[]");
  check_json(administer(NULL, engine, "GET", "/v1/admin/jobs/7", NULL), 404, "no job 7");
  check_json(administer(NULL, engine, "DELETE", "/v1/admin/jobs", NULL), 405, "GET");
  check_json(administer(NULL, engine, "POST", "/v1/admin/reload", "{}"), 200, "\"reloaded\":true");
  check_json(administer(NULL, engine, "POST", "/v1/admin/reload", "{\"x\":1}"), 400, "'x'");
  check_json(administer(NULL, engine, "POST", "/v1/admin/reload", "{"), 400, "JSON object");
  tcsync_engine_free(engine);
  remove_directory(directory);
}

static void clients_cannot_administer(void) {
  tcsync_engine* engine = open_engine(NULL);
  tcsync_response* response = exchange(engine, "GET", "/v1/admin/jobs", CLIENT_A, NULL, NULL, 0);
  CHECK_INT(tcsync_response_status(response), 404);
  tcsync_response_free(response);
  /* The protocol is not reachable through the administration either. */
  check_json(administer(NULL, engine, "GET", "/v1/client/snapshot", NULL), 404, "/v1/admin/");
  tcsync_engine_free(engine);
}

static void administering_a_missing_directory_is_refused(void) {
  char parent[PATH_BYTES];
  char directory[PATH_BYTES];
  tcsync_config* config = NULL;
  make_directory(parent);
  join_path(directory, parent, "data");
  config = make_config(directory);
  check_json(administer(config, NULL, "GET", "/v1/admin/stats", NULL), 409, "data directory");
  CHECK(!path_exists(directory));
  tcsync_config_free(config);
  remove_directory(parent);
}

static void administering_checks_its_arguments(void) {
  test_request filled;
  tcsync_engine* engine = open_engine(NULL);
  tcsync_response* response = (tcsync_response*)(void*)&filled;
  fill_request(&filled, "GET", "/v1/admin/jobs", NULL, NULL, NULL, 0);
  CHECK_FAILS(tcsync_administer(NULL, NULL, &filled.request, &response, &error),
              TCSYNC_NULL_ARGUMENT, "config");
  CHECK(response == NULL);
  CHECK_FAILS(tcsync_administer(NULL, engine, NULL, &response, &error), TCSYNC_NULL_ARGUMENT,
              "request");
  CHECK_FAILS(tcsync_administer(NULL, engine, &filled.request, NULL, &error), TCSYNC_NULL_ARGUMENT,
              "response");
  filled.request.struct_size = 0;
  CHECK_FAILS(tcsync_administer(NULL, engine, &filled.request, &response, &error),
              TCSYNC_INVALID_ARGUMENT, "struct_size");
  tcsync_engine_free(engine);
}

int main(void) {
  RUN(an_engine_is_administered, "an operator cannot reach the data from a program");
  RUN(clients_cannot_administer, "a stranger can do everything with all data");
  RUN(administering_a_missing_directory_is_refused,
      "a question about backups creates a data directory");
  RUN(administering_checks_its_arguments, "a mistake of the caller's crashes it");
  return check_exit_status();
}
