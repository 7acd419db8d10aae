/* Codes, errors, options, configuration and the environment: everything without an engine. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "support.h"

static void codes_keep_their_values(void) {
  /* The values are compiled into programs and written into bindings: they can never change. */
  CHECK_INT(TCSYNC_OK, 0);
  CHECK_INT(TCSYNC_INVALID_ARGUMENT, 1);
  CHECK_INT(TCSYNC_OUT_OF_MEMORY, 2);
  CHECK_INT(TCSYNC_INTERNAL, 3);
  CHECK_INT(TCSYNC_SYSTEM, 4);
  CHECK_INT(TCSYNC_IN_USE, 5);
  CHECK_INT(TCSYNC_UNAVAILABLE, 6);
  CHECK_INT(TCSYNC_WRONG_FORMAT, 7);
  CHECK_INT(TCSYNC_DATA_LOSS, 8);
  CHECK_INT(TCSYNC_UNSUPPORTED, 9);
  CHECK_INT(TCSYNC_UNSEAL_FAILED, 10);
  CHECK_INT(TCSYNC_NULL_ARGUMENT, 0x101);
  CHECK_INT(TCSYNC_UNKNOWN_OPTION, 0x201);
  CHECK_INT(TCSYNC_INVALID_OPTION_VALUE, 0x301);
  CHECK_INT(TCSYNC_INVALID_UUID, 0x401);
  CHECK_INT(TCSYNC_INVALID_ADDRESS, 0x501);
  CHECK_INT(TCSYNC_UNSEAL_TRUNCATED, 0x10a);
  CHECK_INT(TCSYNC_UNSEAL_UNKNOWN_FORMAT, 0x20a);
  CHECK_INT(TCSYNC_UNSEAL_WRONG_KEY, 0x30a);
  CHECK_INT(TCSYNC_UNSEAL_NOT_AUTHENTIC, 0x40a);
  CHECK_INT(TCSYNC_SYNC_FAILED, 13);
  CHECK_INT(TCSYNC_INVALID_OPERATION, 0x701);
  CHECK_INT(TCSYNC_REPLICA_MISSING, 0x107);
  CHECK_INT(TCSYNC_SYNC_INVALID_VERSION, 0x10d);
  CHECK_INT(TCSYNC_SYNC_INVALID_SNAPSHOT, 0x20d);
  CHECK_INT(TCSYNC_SYNC_HISTORY_GONE, 0x30d);
  CHECK_INT(TCSYNC_SYNC_DIVERGED, 0x40d);
  CHECK_INT(TCSYNC_HOST_CODE_MAX, -1);
  CHECK_INT(sizeof(tcsync_code), 4);
  CHECK_INT(TCSYNC_COARSE(TCSYNC_UNSEAL_WRONG_KEY), TCSYNC_UNSEAL_FAILED);
  CHECK_INT(TCSYNC_COARSE(TCSYNC_INVALID_UUID), TCSYNC_INVALID_ARGUMENT);
}

static void codes_have_names(void) {
  CHECK_TEXT(tcsync_code_name(TCSYNC_OK), "TCSYNC_OK");
  CHECK_TEXT(tcsync_code_name(TCSYNC_IN_USE), "TCSYNC_IN_USE");
  CHECK_TEXT(tcsync_code_name(TCSYNC_UNSEAL_FAILED), "TCSYNC_UNSEAL_FAILED");
  CHECK_TEXT(tcsync_code_name(TCSYNC_UNSEAL_WRONG_KEY), "TCSYNC_UNSEAL_WRONG_KEY");
  CHECK_TEXT(tcsync_code_name(TCSYNC_INVALID_ADDRESS), "TCSYNC_INVALID_ADDRESS");
  CHECK_TEXT(tcsync_code_name(TCSYNC_INVALID_OPERATION), "TCSYNC_INVALID_OPERATION");
  CHECK_TEXT(tcsync_code_name(TCSYNC_REPLICA_MISSING), "TCSYNC_REPLICA_MISSING");
  CHECK_TEXT(tcsync_code_name(TCSYNC_SYNC_DIVERGED), "TCSYNC_SYNC_DIVERGED");
  /* A detail of a later release. */
  CHECK_TEXT(tcsync_code_name(TCSYNC_UNSEAL_FAILED | 0x7f00), "TCSYNC_UNSEAL_FAILED");
  CHECK_TEXT(tcsync_code_name(200), "TCSYNC_UNKNOWN_CODE");
  CHECK_TEXT(tcsync_code_name(TCSYNC_HOST_CODE_MAX), "TCSYNC_UNKNOWN_CODE");
  /* A host's own, whose low byte looks like a code of the library. */
  CHECK_TEXT(tcsync_code_name(-0x100 + TCSYNC_IN_USE), "TCSYNC_UNKNOWN_CODE");
}

static void functions_accept_null(void) {
  size_t size = 7;
  CHECK_INT(tcsync_error_code(NULL), TCSYNC_OK);
  CHECK_TEXT(tcsync_error_message(NULL), "");
  tcsync_error_free(NULL);
  CHECK(tcsync_bytes_data(NULL) == NULL);
  CHECK_INT(tcsync_bytes_size(NULL), 0);
  tcsync_bytes_free(NULL);
  tcsync_config_free(NULL);
  tcsync_engine_free(NULL);
  CHECK_INT(tcsync_response_status(NULL), 0);
  CHECK_INT(tcsync_log_record_level(NULL), -1);
  CHECK(tcsync_log_record_text(NULL) == NULL && tcsync_log_record_message(NULL) == NULL);
  CHECK_INT(tcsync_log_record_field_count(NULL), 0);
  CHECK(tcsync_log_record_field_value(NULL, "client") == NULL);
  tcsync_log_record_free(NULL);
  CHECK_INT(tcsync_response_header_count(NULL), 0);
  CHECK(tcsync_response_header_value(NULL, "X-Version-Id") == NULL);
  CHECK(tcsync_response_body(NULL, &size) == NULL);
  CHECK_INT(size, 0);
  CHECK(tcsync_response_body(NULL, NULL) == NULL);
  tcsync_response_free(NULL);
  CHECK_INT(tcsync_listener_address_count(NULL), 0);
  CHECK(tcsync_listener_address(NULL, 0) == NULL);
  tcsync_listener_stop(NULL);
  tcsync_listener_free(NULL);
  tcsync_key_free(NULL);
}

static void the_header_and_the_library_are_of_one_release(void) {
  char version[32];
  snprintf(version, sizeof(version), "%d.%d.%d", TCSYNC_VERSION_MAJOR, TCSYNC_VERSION_MINOR,
           TCSYNC_VERSION_PATCH);
  CHECK_TEXT(tcsync_version(), version);
  CHECK_INT(tcsync_version_number(), TCSYNC_VERSION_NUMBER);
  CHECK_INT(TCSYNC_VERSION_NUMBER,
            TCSYNC_VERSION_MAJOR * 1000000 + TCSYNC_VERSION_MINOR * 1000 + TCSYNC_VERSION_PATCH);
}

/* tcsync_has must agree with the functions. */
static void features_are_those_of_this_build(void) {
  static const char* const kServers[] = {"server", "listener", "admin", "monitor"};
  static const char* const kAlways[] = {"sealing", "remote", "replica", "tls"};
  static const char* const kNever[] = {"", "Server", "server ", "serve", "no-such-feature"};
  tcsync_config* config = make_config(NULL);
  tcsync_engine* engine = NULL;
  const int has_server = tcsync_engine_open(config, &engine, NULL) != TCSYNC_UNSUPPORTED;
  size_t i = 0;
  for (i = 0; i < sizeof(kServers) / sizeof(kServers[0]); ++i) {
    CHECK_INT(tcsync_has(kServers[i]), has_server);
  }
  for (i = 0; i < sizeof(kAlways) / sizeof(kAlways[0]); ++i) CHECK_INT(tcsync_has(kAlways[i]), 1);
  for (i = 0; i < sizeof(kNever) / sizeof(kNever[0]); ++i) CHECK_INT(tcsync_has(kNever[i]), 0);
  CHECK_INT(tcsync_has(NULL), 0);
  tcsync_engine_free(engine);
  tcsync_config_free(config);
}

static void options_are_described(void) {
  tcsync_config* config = NULL;
  const size_t count = tcsync_option_count();
  size_t index = 0;
  int found_data_dir = 0;
  int found_log_level = 0;
  int found_snapshot_versions = 0;
  CHECK(count > 10);
  CHECK_OK(tcsync_config_new(&config, &error));
  for (index = 0; index < count; ++index) {
    static const char* const kTypes[] = {"text list",    "text",  "UUID list",
                                         "boolean",      "count", "bytes",
                                         "milliseconds", "days",  "choice"};
    tcsync_option option;
    size_t type = 0;
    memset(&option, 0, sizeof(option));
    option.struct_size = sizeof(option);
    CHECK_OK(tcsync_option_info(index, &option, &error));
    CHECK_INT(option.struct_size, sizeof(option));
    CHECK(option.name != NULL && *option.name != '\0');
    CHECK(option.environment != NULL && *option.environment != '\0');
    CHECK(option.help != NULL && *option.help != '\0');
    while (type < sizeof(kTypes) / sizeof(kTypes[0]) && strcmp(option.type, kTypes[type]) != 0) {
      ++type;
    }
    CHECK(type < sizeof(kTypes) / sizeof(kTypes[0]));
    CHECK_INT(strcmp(option.type, "choice") == 0, *option.choices != '\0');
    CHECK(option.minimum <= option.maximum);
    /* tcsync_config_set must accept every described value. */
    CHECK_OK(tcsync_config_set(config, option.name, option.default_text, &error));
    if (strcmp(option.name, "data-dir") == 0) {
      found_data_dir = 1;
      CHECK_TEXT(option.type, "text");
      CHECK_TEXT(option.environment, "DATA_DIR");
      CHECK_INT(option.short_flag, 'd');
    }
    if (strcmp(option.name, "log-level") == 0) {
      found_log_level = 1;
      CHECK_TEXT(option.choices, "debug|info|warning|error");
      CHECK_TEXT(option.default_text, "info");
      CHECK_INT(option.short_flag, 0);
    }
    if (strcmp(option.name, "snapshot-versions") == 0) {
      found_snapshot_versions = 1;
      CHECK_INT(option.minimum, 1);
      CHECK(option.maximum > 100);
    }
  }
  CHECK(found_data_dir && found_log_level && found_snapshot_versions);
  tcsync_config_free(config);
}

static void option_info_checks_its_arguments(void) {
  tcsync_option option;
  const size_t count = tcsync_option_count();
  memset(&option, 0, sizeof(option));
  CHECK_FAILS(tcsync_option_info(0, &option, &error), TCSYNC_INVALID_ARGUMENT, "struct_size");
  option.struct_size = sizeof(size_t) - 1;
  CHECK_FAILS(tcsync_option_info(0, &option, &error), TCSYNC_INVALID_ARGUMENT, "struct_size");
  option.struct_size = (size_t)-1;
  CHECK_FAILS(tcsync_option_info(0, &option, &error), TCSYNC_INVALID_ARGUMENT, "struct_size");
  option.struct_size = sizeof(option);
  CHECK_FAILS(tcsync_option_info(count, &option, &error), TCSYNC_INVALID_ARGUMENT, "no option");
  CHECK_FAILS(tcsync_option_info((size_t)-1, &option, &error), TCSYNC_INVALID_ARGUMENT,
              "no option");
  CHECK_FAILS(tcsync_option_info(0, NULL, &error), TCSYNC_NULL_ARGUMENT, "option");
  CHECK(option.name == NULL);
}

static void option_info_respects_the_callers_struct(void) {
  struct {
    tcsync_option option;
    char behind[16];
  } longer;
  size_t i = 0;
  /* A program compiled with an earlier header, whose struct ended after `name`. */
  memset(&longer, 'x', sizeof(longer));
  longer.option.struct_size = offsetof(tcsync_option, type);
  CHECK_OK(tcsync_option_info(0, &longer.option, &error));
  CHECK(longer.option.name != NULL && *longer.option.name != '\0');
  for (i = offsetof(tcsync_option, type); i < sizeof(longer); ++i) {
    CHECK(((const char*)&longer)[i] == 'x');
  }
  /* One compiled with a later header, whose struct is longer than the library's: the unknown fields
   * become zero, and nothing after them is touched. */
  memset(&longer, 'x', sizeof(longer));
  longer.option.struct_size = sizeof(longer) - 1;
  CHECK_OK(tcsync_option_info(0, &longer.option, &error));
  CHECK_INT(longer.option.struct_size, sizeof(longer) - 1);
  CHECK(longer.option.help != NULL && *longer.option.help != '\0');
  for (i = 0; i < sizeof(longer.behind) - 1; ++i) CHECK(longer.behind[i] == 0);
  CHECK(longer.behind[i] == 'x');
}

static void config_refuses_invalid_values(void) {
  tcsync_config* config = NULL;
  CHECK_OK(tcsync_config_new(&config, &error));
  CHECK_FAILS(tcsync_config_set(config, "no-such-option", "1", &error), TCSYNC_UNKNOWN_OPTION,
              "no-such-option");
  CHECK_FAILS(tcsync_config_set(config, "", "1", &error), TCSYNC_UNKNOWN_OPTION, "");
  CHECK_FAILS(tcsync_config_set(config, "snapshot-days", "soon", &error),
              TCSYNC_INVALID_OPTION_VALUE, "soon");
  CHECK_FAILS(tcsync_config_set(config, "snapshot-days", "0", &error), TCSYNC_INVALID_OPTION_VALUE,
              "snapshot-days");
  CHECK_FAILS(tcsync_config_set(config, "allow-client-id", "not-a-uuid", &error),
              TCSYNC_INVALID_OPTION_VALUE, "not-a-uuid");
  CHECK_FAILS(tcsync_config_set(config, "storage", "floppy", &error), TCSYNC_INVALID_OPTION_VALUE,
              "floppy");
  CHECK_FAILS(tcsync_config_set(config, "create-clients", "maybe", &error),
              TCSYNC_INVALID_OPTION_VALUE, "maybe");
  CHECK_FAILS(tcsync_config_set(NULL, "storage", "memory", &error), TCSYNC_NULL_ARGUMENT, "config");
  CHECK_FAILS(tcsync_config_set(config, NULL, "memory", &error), TCSYNC_NULL_ARGUMENT, "name");
  CHECK_FAILS(tcsync_config_set(config, "storage", NULL, &error), TCSYNC_NULL_ARGUMENT, "value");
  CHECK_FAILS(tcsync_config_new(NULL, &error), TCSYNC_NULL_ARGUMENT, "config");
  CHECK_FAILS(tcsync_config_set_log(NULL, NULL, NULL, &error), TCSYNC_NULL_ARGUMENT, "config");
  CHECK_FAILS(tcsync_config_set_from_environment(NULL, &error), TCSYNC_NULL_ARGUMENT, "config");
  CHECK_OK(tcsync_config_set_log(config, NULL, NULL, &error));
  tcsync_config_free(config);
}

static void check_value(const tcsync_config* config, const char* name, const char* expected) {
  tcsync_bytes* value = NULL;
  CHECK_OK(tcsync_config_get(config, name, &value, &error));
  CHECK_TEXT(tcsync_bytes_data(value), expected);
  tcsync_bytes_free(value);
}

static void options_are_read_back(void) {
  char poison = 0;
  tcsync_config* config = NULL;
  tcsync_config* copy = NULL;
  tcsync_bytes* value = (tcsync_bytes*)(void*)&poison;
  size_t index = 0;
  CHECK_OK(tcsync_config_new(&config, &error));
  CHECK_OK(tcsync_config_new(&copy, &error));
  check_value(config, "snapshot-days", "14");
  CHECK_OK(tcsync_config_set(config, "snapshot-days", "30", &error));
  CHECK_OK(tcsync_config_set(config, "memory-budget", "64M", &error));
  CHECK_OK(tcsync_config_set(config, "listen", "127.0.0.1:1, [::1]:2", &error));
  check_value(config, "snapshot-days", "30");
  check_value(config, "memory-budget", "67108864");
  check_value(config, "listen", "127.0.0.1:1,[::1]:2");
  /* Derived from the budget, unless set. */
  check_value(config, "memtable-bytes", "4194304");
  check_value(config, "connection-bytes-max", "12582912");
  CHECK_OK(tcsync_config_set(config, "memtable-bytes", "1M", &error));
  check_value(config, "memtable-bytes", "1048576");

  CHECK_FAILS(tcsync_config_get(config, "no-such-option", &value, &error), TCSYNC_UNKNOWN_OPTION,
              "no-such-option");
  CHECK(value == NULL);
  CHECK_FAILS(tcsync_config_get(NULL, "listen", &value, &error), TCSYNC_NULL_ARGUMENT, "config");
  CHECK_FAILS(tcsync_config_get(config, NULL, &value, &error), TCSYNC_NULL_ARGUMENT, "name");
  CHECK_FAILS(tcsync_config_get(config, "listen", NULL, &error), TCSYNC_NULL_ARGUMENT, "value");

  /* Every value can be set, and stays the same. */
  for (index = 0; index < tcsync_option_count(); ++index) {
    tcsync_option option;
    memset(&option, 0, sizeof(option));
    option.struct_size = sizeof(option);
    CHECK_OK(tcsync_option_info(index, &option, &error));
    CHECK_OK(tcsync_config_get(config, option.name, &value, &error));
    CHECK_OK(tcsync_config_set(copy, option.name, tcsync_bytes_data(value), &error));
    check_value(copy, option.name, tcsync_bytes_data(value));
    tcsync_bytes_free(value);
  }
  tcsync_config_free(config);
  tcsync_config_free(copy);
}

static void error_may_be_null(void) {
  tcsync_config* config = NULL;
  CHECK_INT(tcsync_config_new(&config, NULL), TCSYNC_OK);
  CHECK_INT(tcsync_config_set(config, "storage", "memory", NULL), TCSYNC_OK);
  CHECK_INT(tcsync_config_set(config, "storage", "floppy", NULL), TCSYNC_INVALID_OPTION_VALUE);
  CHECK_INT(tcsync_config_set(NULL, NULL, NULL, NULL), TCSYNC_NULL_ARGUMENT);
  tcsync_config_free(config);
}

static void message_for(tcsync_config* config, const char* value, const char* expected) {
  CHECK_FAILS(tcsync_config_set(config, "storage", value, &error), TCSYNC_INVALID_OPTION_VALUE,
              expected);
}

static void messages_are_one_line_of_utf8(void) {
  tcsync_config* config = NULL;
  CHECK_OK(tcsync_config_new(&config, &error));
  message_for(config, "one\ntwo\tthree\r\033[31m\x7f", "'one?two?three??[31m?'");
  /* Well-formed sequences of two, three and four bytes stay. */
  message_for(config, "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80",
              "'\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80'");
  message_for(config, "\xff\xfe.", "'??.'");
  message_for(config, "cut \xe2\x82.", "'cut ??.'");
  message_for(config, "overlong \xc0\xaf \xe0\x80\xaf \xf0\x80\x80\xaf.",
              "'overlong ?? ??? ????.'");
  message_for(config, "surrogate \xed\xa0\x80.", "'surrogate ???.'");
  message_for(config, "too large \xf4\x90\x80\x80 \xf5\x80\x80\x80.", "'too large ???? ????.'");
  message_for(config, "C1 control \xc2\x9b.", "'C1 control ??.'");
  message_for(config, "no-break space \xc2\xa0", "'no-break space \xc2\xa0'");
  tcsync_config_free(config);
}

static void environment_is_read(void) {
  tcsync_config* config = NULL;
  CHECK_OK(tcsync_config_new(&config, &error));
  CHECK_INT(setenv("SNAPSHOT_DAYS", "never", 1), 0);
  CHECK_FAILS(tcsync_config_set_from_environment(config, &error), TCSYNC_INVALID_OPTION_VALUE,
              "SNAPSHOT_DAYS");
  CHECK_FAILS(tcsync_config_set_from_environment(config, &error), TCSYNC_INVALID_OPTION_VALUE,
              "never");
  CHECK_INT(setenv("SNAPSHOT_DAYS", "30", 1), 0);
  CHECK_OK(tcsync_config_set_from_environment(config, &error));
  /* An empty variable counts as unset. */
  CHECK_INT(setenv("SNAPSHOT_DAYS", "", 1), 0);
  CHECK_OK(tcsync_config_set_from_environment(config, &error));
  CHECK_INT(unsetenv("SNAPSHOT_DAYS"), 0);
  tcsync_config_free(config);
}

int main(void) {
  RUN(codes_keep_their_values, "programs compiled with an earlier header misread every failure");
  RUN(codes_have_names, "bindings and logs cannot name the failure");
  RUN(functions_accept_null, "cleaning up after a failure crashes the program");
  RUN(the_header_and_the_library_are_of_one_release, "bug reports do not say which release");
  RUN(features_are_those_of_this_build, "a program uses a feature that its library lacks");
  RUN(options_are_described, "--help, the bindings and the docs show wrong options");
  RUN(option_info_checks_its_arguments, "a mistake in a binding reads past the options table");
  RUN(option_info_respects_the_callers_struct, "a later release overwrites its callers' memory");
  RUN(config_refuses_invalid_values, "a typing error in a configuration goes unnoticed");
  RUN(options_are_read_back, "the reason for an engine's behaviour stays unknown");
  RUN(error_may_be_null, "programs that only look at codes crash");
  RUN(messages_are_one_line_of_utf8, "a value from outside forges log lines or steers terminals");
  RUN(environment_is_read, "containers cannot configure the server");
  return check_exit_status();
}
