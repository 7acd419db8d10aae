/*
 * Checks for the tests of the C ABI, which are written in C because its users are. A check that
 * fails prints where, what was expected and what came, and the test goes on; a program's exit
 * status says whether any failed.
 */
#ifndef TCSYNC_TESTS_CAPI_CHECK_H_
#define TCSYNC_TESTS_CAPI_CHECK_H_

#include <stdint.h>

#include "tcsync.h"

/* What the program is built with. Address and thread sanitizers put themselves in the place of
 * malloc() and take memory of their own; thread sanitizers keep signal handlers waiting, too. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#if __has_feature(thread_sanitizer)
#define THREAD_SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#endif
#if defined(__SANITIZE_THREAD__)
#define THREAD_SANITIZED 1
#endif
#if defined(THREAD_SANITIZED) && !defined(SANITIZED)
#define SANITIZED 1
#endif

/* ctest shows a program that exits with this as skipped. */
#define SKIPPED 77

/* Any thread may check. */
#define CHECK(condition) check_condition((condition) != 0, #condition, __FILE__, __LINE__)
#define CHECK_INT(actual, expected) \
  check_int((intmax_t)(actual), (intmax_t)(expected), #actual, __FILE__, __LINE__)
/* Texts may be NULL. */
#define CHECK_TEXT(actual, expected) check_text((actual), (expected), #actual, __FILE__, __LINE__)

/* Checks a call that is to succeed. The call is written with `&error` as its last argument. */
#define CHECK_OK(call)                                        \
  do {                                                        \
    tcsync_error* error = check_poison_error();               \
    tcsync_code code_of_call = (call);                        \
    check_ok(code_of_call, error, #call, __FILE__, __LINE__); \
  } while (0)

/* Checks a call that is to fail with `code`, and with an error that says the same and whose message
 * contains `text`. The call is written with `&error` as its last argument. */
#define CHECK_FAILS(call, code, text) CHECK_CALL_FAILS(call, #call, code, text)

/* Checks a call that is to fail because its argument `name` is NULL. */
#define CHECK_NEEDS(call, name) CHECK_CALL_FAILS(call, #call, TCSYNC_NULL_ARGUMENT, name)

/* For the two above. */
#define CHECK_CALL_FAILS(call, written, code, text)                                \
  do {                                                                             \
    tcsync_error* error = check_poison_error();                                    \
    tcsync_code code_of_call = (call);                                             \
    check_fails(code_of_call, error, (code), (text), written, __FILE__, __LINE__); \
  } while (0)

/* Runs `void test(void)`. `breaks` says what is broken for users when it fails. */
#define RUN(test, breaks) check_run(test, #test, breaks)

void check_condition(int holds, const char* text, const char* file, int line);
void check_int(intmax_t actual, intmax_t expected, const char* text, const char* file, int line);
void check_text(const char* actual, const char* expected, const char* text, const char* file,
                int line);
void check_ok(tcsync_code code, tcsync_error* error, const char* text, const char* file, int line);
void check_fails(tcsync_code code, tcsync_error* error, tcsync_code expected_code,
                 const char* expected_text, const char* text, const char* file, int line);
void check_run(void (*test)(void), const char* name, const char* breaks);

/* A pointer to nothing: every call must overwrite it, with NULL when it succeeds. */
tcsync_error* check_poison_error(void);

/* What main() returns: 0 when every check held. */
int check_exit_status(void);

#endif /* TCSYNC_TESTS_CAPI_CHECK_H_ */
