#include "check.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

static atomic_int failures;

static void fail_at(const char* file, int line) {
  atomic_fetch_add(&failures, 1);
  fprintf(stderr, "%s:%d: ", file, line);
}

void check_condition(int holds, const char* text, const char* file, int line) {
  if (holds) return;
  fail_at(file, line);
  fprintf(stderr, "does not hold: %s\n", text);
}

void check_int(intmax_t actual, intmax_t expected, const char* text, const char* file, int line) {
  if (actual == expected) return;
  fail_at(file, line);
  fprintf(stderr, "%s is %jd, not %jd\n", text, actual, expected);
}

void check_text(const char* actual, const char* expected, const char* text, const char* file,
                int line) {
  if (actual == expected || (actual && expected && strcmp(actual, expected) == 0)) return;
  fail_at(file, line);
  fprintf(stderr, "%s is \"%s\", not \"%s\"\n", text, actual ? actual : "(NULL)",
          expected ? expected : "(NULL)");
}

tcsync_error* check_poison_error(void) {
  static char poison;
  return (tcsync_error*)(void*)&poison;
}

void check_ok(tcsync_code code, tcsync_error* error, const char* text, const char* file, int line) {
  if (error == check_poison_error()) {
    fail_at(file, line);
    fprintf(stderr, "did not set the error: %s\n", text);
    return;
  }
  if (code == TCSYNC_OK && error == NULL) return;
  fail_at(file, line);
  fprintf(stderr, "gave %s, %s: %s\n", tcsync_code_name(code),
          error ? tcsync_error_message(error) : "without an error", text);
  tcsync_error_free(error);
}

void check_fails(tcsync_code code, tcsync_error* error, tcsync_code expected_code,
                 const char* expected_text, const char* text, const char* file, int line) {
  const char* message = NULL;
  const char* byte = NULL;
  if (code != expected_code) {
    fail_at(file, line);
    fprintf(stderr, "gave %s, not %s: %s\n", tcsync_code_name(code),
            tcsync_code_name(expected_code), text);
  }
  if (error == NULL || error == check_poison_error()) {
    fail_at(file, line);
    fprintf(stderr, "gave no error: %s\n", text);
    return;
  }
  check_int(tcsync_error_code(error), code, "the code of the error", file, line);
  message = tcsync_error_message(error);
  if (strstr(message, expected_text) == NULL) {
    fail_at(file, line);
    fprintf(stderr, "the message \"%s\" does not contain \"%s\": %s\n", message, expected_text,
            text);
  }
  if (*message == '\0') {
    fail_at(file, line);
    fprintf(stderr, "the message is empty: %s\n", text);
  }
  for (byte = message; *byte != '\0'; ++byte) {
    if ((unsigned char)*byte >= 0x20 && *byte != 0x7f) continue;
    fail_at(file, line);
    fprintf(stderr, "the message has a control character: %s\n", text);
    break;
  }
  tcsync_error_free(error);
}

void check_run(void (*test)(void), const char* name, const char* breaks) {
  const int failures_before = atomic_load(&failures);
  test();
  if (atomic_load(&failures) == failures_before) {
    printf("passed: %s\n", name);
  } else {
    printf("FAILED: %s. If this fails, %s\n", name, breaks);
  }
  fflush(stdout);
}

int check_exit_status(void) { return atomic_load(&failures) == 0 ? 0 : 1; }
