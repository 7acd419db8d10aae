/* Two replicas use a real engine and listener, through nothing but the C ABI. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "check.h"
#include "support.h"

#define SECRET "the secret of both replicas"
#define FIRST "{\"operations\":[{\"Create\":{\"uuid\":\"a\"}}]}"
#define SECOND "{\"operations\":[{\"Delete\":{\"uuid\":\"a\"}}]}"
#define SNAPSHOT "\x78\x9cnot really compressed"

static tcsync_key* key;

static void check_bytes(tcsync_bytes* bytes, const char* expected) {
  CHECK_INT(tcsync_bytes_size(bytes), strlen(expected));
  CHECK_TEXT(tcsync_bytes_data(bytes), expected);
  tcsync_bytes_free(bytes);
}

static void check_probe(tcsync_remote* remote, int kind, int has_snapshot, int has_versions) {
  tcsync_probe probe;
  memset(&probe, 0, sizeof(probe));
  probe.struct_size = sizeof(probe);
  CHECK_OK(tcsync_remote_probe(remote, &probe, &error));
  CHECK_INT(probe.struct_size, sizeof(probe));
  CHECK_INT(probe.kind, kind);
  CHECK_INT(probe.has_snapshot, has_snapshot);
  CHECK_INT(probe.has_versions, has_versions);
  CHECK_INT(probe.http_status, 200);
  CHECK_INT(probe.uses_tls, 0);
  CHECK_INT(probe.certificate_expires, 0);
  CHECK(probe.server_time >= (int64_t)time(NULL) - 60);
  CHECK(probe.server_time <= (int64_t)time(NULL) + 60);
  CHECK(strstr(probe.server_name, "tcsync-server ") == probe.server_name);
}

static void two_replicas_exchange_versions(void) {
  test_server started = start_server(NULL, NULL);
  tcsync_remote* one = open_remote(started.url, CLIENT_A, key);
  tcsync_remote* other = open_remote(started.url, CLIENT_A, key);
  tcsync_uuid first;
  tcsync_uuid second;
  tcsync_uuid version_id = {"x"};
  int32_t outcome = -1;
  int32_t urgency = -1;
  tcsync_bytes* plaintext = NULL;

  check_probe(one, TCSYNC_PROBE_EMPTY_HISTORY, 0, 0);
  CHECK_OK(
      tcsync_remote_get_child_version(one, NIL_VERSION, &outcome, &version_id, &plaintext, &error));
  CHECK_INT(outcome, TCSYNC_OUTCOME_UP_TO_DATE);
  CHECK_TEXT(version_id.text, "");
  CHECK(plaintext == NULL);
  CHECK_OK(tcsync_remote_get_snapshot(one, &outcome, &version_id, &plaintext, &error));
  CHECK_INT(outcome, TCSYNC_OUTCOME_NO_SNAPSHOT);
  CHECK_TEXT(version_id.text, "");
  CHECK(plaintext == NULL);

  CHECK_OK(tcsync_remote_add_version(one, NIL_VERSION, FIRST, strlen(FIRST), &outcome, &first,
                                     &urgency, &error));
  CHECK_INT(outcome, TCSYNC_OUTCOME_ADDED);
  CHECK_INT(strlen(first.text), 36);
  CHECK_INT(urgency, TCSYNC_SNAPSHOT_URGENCY_HIGH);
  check_probe(other, TCSYNC_PROBE_HISTORY, 0, 1);

  /* The other one has not seen it. */
  CHECK_OK(tcsync_remote_add_version(other, NIL_VERSION, SECOND, strlen(SECOND), &outcome,
                                     &version_id, &urgency, &error));
  CHECK_INT(outcome, TCSYNC_OUTCOME_CONFLICT);
  CHECK_TEXT(version_id.text, first.text);
  CHECK_INT(urgency, TCSYNC_SNAPSHOT_URGENCY_NONE);
  CHECK_OK(tcsync_remote_get_child_version(other, NIL_VERSION, &outcome, &version_id, &plaintext,
                                           &error));
  CHECK_INT(outcome, TCSYNC_OUTCOME_FOUND);
  CHECK_TEXT(version_id.text, first.text);
  check_bytes(plaintext, FIRST);
  CHECK_OK(tcsync_remote_add_version(other, first.text, SECOND, strlen(SECOND), &outcome, &second,
                                     &urgency, &error));
  CHECK_INT(outcome, TCSYNC_OUTCOME_ADDED);

  CHECK_OK(tcsync_remote_add_snapshot(one, second.text, SNAPSHOT, strlen(SNAPSHOT), &error));
  CHECK_OK(tcsync_remote_get_snapshot(other, &outcome, &version_id, &plaintext, &error));
  CHECK_INT(outcome, TCSYNC_OUTCOME_FOUND);
  CHECK_TEXT(version_id.text, second.text);
  check_bytes(plaintext, SNAPSHOT);
  check_probe(one, TCSYNC_PROBE_HISTORY, 1, 1);

  CHECK_OK(
      tcsync_remote_get_child_version(one, second.text, &outcome, &version_id, &plaintext, &error));
  CHECK_INT(outcome, TCSYNC_OUTCOME_UP_TO_DATE);
  CHECK_OK(
      tcsync_remote_get_child_version(one, CLIENT_B, &outcome, &version_id, &plaintext, &error));
  CHECK_INT(outcome, TCSYNC_OUTCOME_GONE);
  CHECK_TEXT(version_id.text, "");
  CHECK(plaintext == NULL);

  CHECK_OK(tcsync_remote_await_version(one, first.text, 50, &outcome, &version_id, &error));
  CHECK_INT(outcome, TCSYNC_OUTCOME_FOUND);
  CHECK_TEXT(version_id.text, second.text);
  CHECK_OK(tcsync_remote_await_version(one, second.text, 1, &outcome, &version_id, &error));
  CHECK_INT(outcome, TCSYNC_OUTCOME_UP_TO_DATE);
  CHECK_TEXT(version_id.text, "");
  CHECK_OK(tcsync_remote_await_version(one, CLIENT_B, 50, &outcome, &version_id, &error));
  CHECK_INT(outcome, TCSYNC_OUTCOME_GONE);
  tcsync_remote_free(one);
  tcsync_remote_free(other);
  stop_server(&started);
}

static void a_wrong_secret_is_recognised(void) {
  test_server started = start_server(NULL, NULL);
  tcsync_remote* remote = open_remote(started.url, CLIENT_A, key);
  tcsync_uuid added;
  tcsync_uuid version_id = {"x"};
  char poison = 0;
  int32_t outcome = -1;
  int32_t urgency = -1;
  tcsync_bytes* plaintext = (tcsync_bytes*)(void*)&poison;
  tcsync_key* wrong_key = NULL;
  CHECK_OK(tcsync_remote_add_version(remote, NIL_VERSION, FIRST, strlen(FIRST), &outcome, &added,
                                     &urgency, &error));
  CHECK_OK(tcsync_remote_add_snapshot(remote, added.text, SNAPSHOT, strlen(SNAPSHOT), &error));
  tcsync_remote_free(remote);

  CHECK_OK(tcsync_key_derive(CLIENT_A, "a typo", 6, &wrong_key, &error));
  remote = open_remote(started.url, CLIENT_A, wrong_key);
  CHECK_FAILS(tcsync_remote_get_child_version(remote, NIL_VERSION, &outcome, &version_id,
                                              &plaintext, &error),
              TCSYNC_UNSEAL_WRONG_KEY, added.text);
  CHECK_INT(outcome, 0);
  CHECK_TEXT(version_id.text, added.text);
  CHECK(plaintext == NULL);
  plaintext = (tcsync_bytes*)(void*)&poison;
  CHECK_FAILS(tcsync_remote_get_snapshot(remote, &outcome, &version_id, &plaintext, &error),
              TCSYNC_UNSEAL_WRONG_KEY, added.text);
  CHECK_INT(outcome, 0);
  CHECK_TEXT(version_id.text, added.text);
  CHECK(plaintext == NULL);
  tcsync_remote_free(remote);
  tcsync_key_free(wrong_key);
  stop_server(&started);
}

static void a_client_that_is_not_allowed_is_refused(void) {
  test_server started = start_server("allow-client-id", CLIENT_B);
  tcsync_remote* remote = open_remote(started.url, CLIENT_A, key);
  tcsync_remote* without_client = open_remote(started.url, NULL, NULL);
  tcsync_uuid version_id;
  int32_t outcome = -1;
  int32_t urgency = -1;
  check_probe(remote, TCSYNC_PROBE_NOT_ALLOWED, 0, 0);
  check_probe(without_client, TCSYNC_PROBE_SYNC_SERVER, 0, 0);
  CHECK_FAILS(tcsync_remote_add_version(remote, NIL_VERSION, FIRST, strlen(FIRST), &outcome,
                                        &version_id, &urgency, &error),
              TCSYNC_REMOTE_NOT_ALLOWED, started.url);
  CHECK_INT(outcome, 0);
  CHECK_TEXT(version_id.text, "");
  tcsync_remote_free(remote);
  tcsync_remote_free(without_client);
  stop_server(&started);
}

static void a_stopped_server_is_reported(void) {
  test_server started = start_server(NULL, NULL);
  char url[64];
  tcsync_remote* remote = open_remote(started.url, CLIENT_A, key);
  tcsync_probe probe;
  tcsync_uuid version_id;
  int32_t outcome = -1;
  tcsync_bytes* plaintext = NULL;
  snprintf(url, sizeof(url), "%s", started.url);
  check_probe(remote, TCSYNC_PROBE_EMPTY_HISTORY, 0, 0);
  stop_server(&started);
  memset(&probe, 0, sizeof(probe));
  probe.struct_size = sizeof(probe);
  CHECK_FAILS(tcsync_remote_probe(remote, &probe, &error), TCSYNC_REMOTE_CONNECTION_REFUSED, url);
  CHECK_INT(probe.kind, 0);
  CHECK_FAILS(tcsync_remote_get_snapshot(remote, &outcome, &version_id, &plaintext, &error),
              TCSYNC_REMOTE_CONNECTION_REFUSED, url);
  tcsync_remote_free(remote);
}

static void opening_checks_its_arguments(void) {
  char poison = 0;
  tcsync_remote* remote = (tcsync_remote*)(void*)&poison;
  tcsync_remote_options options = without_proxy();
#define CHECK_OPEN_FAILS(url, client_id, with_key, code, text)                                 \
  do {                                                                                         \
    remote = (tcsync_remote*)(void*)&poison;                                                   \
    CHECK_FAILS(tcsync_remote_open((url), (client_id), (with_key), &options, &remote, &error), \
                (code), (text));                                                               \
    CHECK(remote == NULL);                                                                     \
  } while (0)
  CHECK_OPEN_FAILS(NULL, CLIENT_A, key, TCSYNC_NULL_ARGUMENT, "url");
  CHECK_OPEN_FAILS("http://host", NULL, key, TCSYNC_NULL_ARGUMENT, "client_id");
  CHECK_OPEN_FAILS("host", CLIENT_A, key, TCSYNC_INVALID_ADDRESS, "'host'");
  CHECK_OPEN_FAILS("http://host", "not-a-uuid", key, TCSYNC_INVALID_UUID, "10 bytes");
  options.timeout_ms = -5;
  CHECK_OPEN_FAILS("http://host", CLIENT_A, key, TCSYNC_INVALID_OPTION_VALUE, "-5");
  options = without_proxy();
  options.ca_file = "/no/such/file";
  CHECK_OPEN_FAILS("https://host", CLIENT_A, key, TCSYNC_INVALID_OPTION_VALUE, "/no/such/file");
  options = without_proxy();
  options.proxy = "http://proxy:none";
  CHECK_OPEN_FAILS("https://host", CLIENT_A, key, TCSYNC_INVALID_ADDRESS, "proxy:none");
  options = without_proxy();
  options.struct_size = 0;
  CHECK_OPEN_FAILS("https://host", CLIENT_A, key, TCSYNC_INVALID_ARGUMENT, "struct_size");
#undef CHECK_OPEN_FAILS
  CHECK_FAILS(tcsync_remote_open("http://host", CLIENT_A, key, NULL, NULL, &error),
              TCSYNC_NULL_ARGUMENT, "remote");
  tcsync_remote_free(NULL);
}

/* A program that was compiled with a later header: its struct is longer. */
static void options_of_a_later_header_are_accepted_or_refused(void) {
  struct {
    tcsync_remote_options options;
    char behind[8];
  } later;
  tcsync_remote* remote = NULL;
  memset(&later, 0, sizeof(later));
  later.options = without_proxy();
  later.options.struct_size = sizeof(later);
  CHECK_OK(tcsync_remote_open("http://host", CLIENT_A, key, &later.options, &remote, &error));
  tcsync_remote_free(remote);
  later.behind[7] = 1;
  CHECK_FAILS(tcsync_remote_open("http://host", CLIENT_A, key, &later.options, &remote, &error),
              TCSYNC_INVALID_ARGUMENT, "is not 0");
  later.options = without_proxy();
  /* The first release has the whole struct. */
  later.options.struct_size = sizeof(tcsync_remote_options) - 1;
  CHECK_FAILS(tcsync_remote_open("http://host", CLIENT_A, key, &later.options, &remote, &error),
              TCSYNC_INVALID_ARGUMENT, "struct_size");
}

static void calls_check_their_arguments(void) {
  tcsync_remote* remote = open_remote("http://127.0.0.1:1", CLIENT_A, key);
  tcsync_remote* without_key = open_remote("http://127.0.0.1:1", CLIENT_A, NULL);
  tcsync_uuid id;
  int32_t outcome = 0;
  int32_t urgency = 0;
  tcsync_bytes* bytes = NULL;
  tcsync_probe probe;
  memset(&probe, 0, sizeof(probe));
  CHECK_FAILS(tcsync_remote_probe(NULL, &probe, &error), TCSYNC_NULL_ARGUMENT, "remote");
  CHECK_FAILS(tcsync_remote_probe(remote, NULL, &error), TCSYNC_NULL_ARGUMENT, "probe");
  CHECK_FAILS(tcsync_remote_probe(remote, &probe, &error), TCSYNC_INVALID_ARGUMENT, "struct_size");

#define GET_CHILD(r, parent, o, v, p) tcsync_remote_get_child_version(r, parent, o, v, p, &error)
  CHECK_FAILS(GET_CHILD(NULL, NIL_VERSION, &outcome, &id, &bytes), TCSYNC_NULL_ARGUMENT, "remote");
  CHECK_FAILS(GET_CHILD(remote, NULL, &outcome, &id, &bytes), TCSYNC_NULL_ARGUMENT, "parent");
  CHECK_FAILS(GET_CHILD(remote, NIL_VERSION, NULL, &id, &bytes), TCSYNC_NULL_ARGUMENT, "outcome");
  CHECK_FAILS(GET_CHILD(remote, NIL_VERSION, &outcome, NULL, &bytes), TCSYNC_NULL_ARGUMENT,
              "version_id");
  CHECK_FAILS(GET_CHILD(remote, NIL_VERSION, &outcome, &id, NULL), TCSYNC_NULL_ARGUMENT,
              "plaintext");
  CHECK_FAILS(GET_CHILD(remote, "abc", &outcome, &id, &bytes), TCSYNC_INVALID_UUID, "'abc'");
  CHECK_FAILS(GET_CHILD(without_key, NIL_VERSION, &outcome, &id, &bytes), TCSYNC_INVALID_ARGUMENT,
              "without a key");
#undef GET_CHILD

#define AWAIT(r, parent, wait, o, v) tcsync_remote_await_version(r, parent, wait, o, v, &error)
  CHECK_FAILS(AWAIT(NULL, NIL_VERSION, 1, &outcome, &id), TCSYNC_NULL_ARGUMENT, "remote");
  CHECK_FAILS(AWAIT(remote, NULL, 1, &outcome, &id), TCSYNC_NULL_ARGUMENT, "parent");
  CHECK_FAILS(AWAIT(remote, NIL_VERSION, 1, NULL, &id), TCSYNC_NULL_ARGUMENT, "outcome");
  CHECK_FAILS(AWAIT(remote, NIL_VERSION, 1, &outcome, NULL), TCSYNC_NULL_ARGUMENT, "version_id");
  CHECK_FAILS(AWAIT(remote, "abc", 1, &outcome, &id), TCSYNC_INVALID_UUID, "'abc'");
  CHECK_FAILS(AWAIT(remote, NIL_VERSION, -1, &outcome, &id), TCSYNC_INVALID_ARGUMENT, "-1");
  CHECK_FAILS(AWAIT(remote, NIL_VERSION, 3601, &outcome, &id), TCSYNC_INVALID_ARGUMENT, "3600");
#undef AWAIT

#define ADD(r, parent, p, size, o, v, u) \
  tcsync_remote_add_version(r, parent, p, size, o, v, u, &error)
  CHECK_FAILS(ADD(NULL, NIL_VERSION, FIRST, 5, &outcome, &id, &urgency), TCSYNC_NULL_ARGUMENT,
              "remote");
  CHECK_FAILS(ADD(remote, NULL, FIRST, 5, &outcome, &id, &urgency), TCSYNC_NULL_ARGUMENT, "parent");
  CHECK_FAILS(ADD(remote, NIL_VERSION, NULL, 5, &outcome, &id, &urgency), TCSYNC_NULL_ARGUMENT,
              "plaintext");
  CHECK_FAILS(ADD(remote, NIL_VERSION, FIRST, 5, NULL, &id, &urgency), TCSYNC_NULL_ARGUMENT,
              "outcome");
  CHECK_FAILS(ADD(remote, NIL_VERSION, FIRST, 5, &outcome, NULL, &urgency), TCSYNC_NULL_ARGUMENT,
              "version_id");
  CHECK_FAILS(ADD(remote, NIL_VERSION, FIRST, 5, &outcome, &id, NULL), TCSYNC_NULL_ARGUMENT,
              "snapshot_urgency");
  CHECK_FAILS(ADD(remote, "abc", FIRST, 5, &outcome, &id, &urgency), TCSYNC_INVALID_UUID, "'abc'");
  CHECK_FAILS(ADD(remote, NIL_VERSION, NULL, 0, &outcome, &id, &urgency), TCSYNC_INVALID_ARGUMENT,
              "empty");
  CHECK_FAILS(ADD(without_key, NIL_VERSION, FIRST, 5, &outcome, &id, &urgency),
              TCSYNC_INVALID_ARGUMENT, "without a key");
#undef ADD

  CHECK_FAILS(tcsync_remote_get_snapshot(NULL, &outcome, &id, &bytes, &error), TCSYNC_NULL_ARGUMENT,
              "remote");
  CHECK_FAILS(tcsync_remote_get_snapshot(remote, NULL, &id, &bytes, &error), TCSYNC_NULL_ARGUMENT,
              "outcome");
  CHECK_FAILS(tcsync_remote_get_snapshot(remote, &outcome, NULL, &bytes, &error),
              TCSYNC_NULL_ARGUMENT, "version_id");
  CHECK_FAILS(tcsync_remote_get_snapshot(remote, &outcome, &id, NULL, &error), TCSYNC_NULL_ARGUMENT,
              "plaintext");
  CHECK_FAILS(tcsync_remote_get_snapshot(without_key, &outcome, &id, &bytes, &error),
              TCSYNC_INVALID_ARGUMENT, "without a key");

  CHECK_FAILS(tcsync_remote_add_snapshot(NULL, NIL_VERSION, FIRST, 5, &error), TCSYNC_NULL_ARGUMENT,
              "remote");
  CHECK_FAILS(tcsync_remote_add_snapshot(remote, NULL, FIRST, 5, &error), TCSYNC_NULL_ARGUMENT,
              "version_id");
  CHECK_FAILS(tcsync_remote_add_snapshot(remote, NIL_VERSION, NULL, 5, &error),
              TCSYNC_NULL_ARGUMENT, "plaintext");
  CHECK_FAILS(tcsync_remote_add_snapshot(remote, "abc", FIRST, 5, &error), TCSYNC_INVALID_UUID,
              "'abc'");
  CHECK_FAILS(tcsync_remote_add_snapshot(without_key, NIL_VERSION, FIRST, 5, &error),
              TCSYNC_INVALID_ARGUMENT, "without a key");
  tcsync_remote_free(remote);
  tcsync_remote_free(without_key);
}

static void a_probe_fills_only_the_callers_fields(void) {
  test_server started = start_server(NULL, NULL);
  tcsync_remote* remote = open_remote(started.url, CLIENT_A, NULL);
  struct {
    tcsync_probe probe;
    char behind[8];
  } later;
  tcsync_probe probe;
  memset(&later, 0x5a, sizeof(later));
  later.probe.struct_size = sizeof(tcsync_probe) + 7;
  CHECK_OK(tcsync_remote_probe(remote, &later.probe, &error));
  CHECK_INT(later.probe.struct_size, sizeof(tcsync_probe) + 7);
  CHECK_INT(later.probe.kind, TCSYNC_PROBE_EMPTY_HISTORY);
  CHECK_INT(later.behind[0], 0);
  CHECK_INT(later.behind[6], 0);
  CHECK_INT(later.behind[7], 0x5a);
  memset(&probe, 0x5a, sizeof(probe));
  CHECK_FAILS(tcsync_remote_probe(remote, &probe, &error), TCSYNC_INVALID_ARGUMENT, "struct_size");
  probe.struct_size = offsetof(tcsync_probe, http_status);
  CHECK_OK(tcsync_remote_probe(remote, &probe, &error));
  CHECK_INT(probe.kind, TCSYNC_PROBE_EMPTY_HISTORY);
  CHECK_INT(probe.http_status, 0x5a5a5a5a);
  CHECK_INT(probe.server_name[0], 0x5a);
  /* After a failure it has no findings. */
  probe.struct_size = sizeof(probe);
  tcsync_remote_cancel(remote);
  CHECK_FAILS(tcsync_remote_probe(remote, &probe, &error), TCSYNC_CANCELLED, "nothing was sent");
  CHECK_INT(probe.kind, 0);
  CHECK_INT(probe.http_status, 0);
  CHECK_INT(probe.server_name[0], 0);
  CHECK_INT(probe.struct_size, sizeof(probe));
  tcsync_remote_free(remote);
  stop_server(&started);
}

int main(void) {
  signal(SIGPIPE, SIG_DFL);
  CHECK_OK(tcsync_key_derive(CLIENT_A, SECRET, strlen(SECRET), &key, &error));
  RUN(two_replicas_exchange_versions, "the setup wizard cannot read or write a client's history");
  RUN(a_wrong_secret_is_recognised, "a mistyped secret is set up, and nothing ever syncs");
  RUN(a_client_that_is_not_allowed_is_refused, "people look for a mistake of theirs that is none");
  RUN(a_stopped_server_is_reported, "the doctor does not say that the server is down");
  RUN(opening_checks_its_arguments, "a mistake in a binding crashes the program");
  RUN(options_of_a_later_header_are_accepted_or_refused, "a program's request is silently ignored");
  RUN(calls_check_their_arguments, "a mistake in a binding crashes the program");
  RUN(a_probe_fills_only_the_callers_fields,
      "programs with an older header have memory overwritten");
  tcsync_key_free(key);
  return check_exit_status();
}
