/*
 * Checks for the tests of the C ABI, which are written in C because its users are. A failed check
 * prints its place, the expected and the actual value, and the test continues; a program's exit
 * status tells whether any failed.
 */
#ifndef TCSYNC_TESTS_CAPI_CHECK_H_
#define TCSYNC_TESTS_CAPI_CHECK_H_

#include <stdint.h>

#include "tcsync.h"

/* The build's sanitizers. Address and thread sanitizers replace malloc() and take memory of their
 * own; thread sanitizers delay signal handlers, too. */
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

/* ctest shows a program with this exit status as skipped. */
#define SKIPPED 77

/* Any thread may check. */
#define CHECK(condition) check_condition((condition) != 0, #condition, __FILE__, __LINE__)
#define CHECK_INT(actual, expected) \
  check_int((intmax_t)(actual), (intmax_t)(expected), #actual, __FILE__, __LINE__)
/* Texts may be NULL. */
#define CHECK_TEXT(actual, expected) check_text((actual), (expected), #actual, __FILE__, __LINE__)

/* Checks a call that must succeed. The call is written with `&error` as its last argument. */
#define CHECK_OK(call)                                        \
  do {                                                        \
    tcsync_error* error = check_poison_error();               \
    tcsync_code code_of_call = (call);                        \
    check_ok(code_of_call, error, #call, __FILE__, __LINE__); \
  } while (0)

/* Checks a call that must fail with `code`, and with an error that has the same code and whose
 * message contains `text`. The call is written with `&error` as its last argument. */
#define CHECK_FAILS(call, code, text) CHECK_CALL_FAILS(call, #call, code, text)

/* Checks a call that must fail because its argument `name` is NULL. */
#define CHECK_NEEDS(call, name) CHECK_CALL_FAILS(call, #call, TCSYNC_NULL_ARGUMENT, name)

/* For the two above. */
#define CHECK_CALL_FAILS(call, written, code, text)                                \
  do {                                                                             \
    tcsync_error* error = check_poison_error();                                    \
    tcsync_code code_of_call = (call);                                             \
    check_fails(code_of_call, error, (code), (text), written, __FILE__, __LINE__); \
  } while (0)

/* Runs `void test(void)`. `breaks` tells the damage to users when it fails. */
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

/* The result of main(): 0 when every check held. */
int check_exit_status(void);

#endif /* TCSYNC_TESTS_CAPI_CHECK_H_ */
