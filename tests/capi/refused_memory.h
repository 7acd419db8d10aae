/*
 * Refuses allocations, for the tests of running out of memory: a program with this file replaces
 * malloc(), and repeats each call with its first, second, third... allocation refused, once that
 * one alone and once it and all later ones, among them that of the error. It refuses only
 * allocations of the calling thread during the call.
 */
#ifndef TCSYNC_TESTS_CAPI_REFUSED_MEMORY_H_
#define TCSYNC_TESTS_CAPI_REFUSED_MEMORY_H_

#include "tcsync.h"

/* Whether this build can take the place of malloc(). Prints the reason if it cannot. */
int can_refuse_memory(void);

/* One call under test: calls begin_refusing() just before and end_refusing() just after it, checks
 * that outputs are NULL if it failed, and frees the results. */
typedef tcsync_code (*attempt_function)(tcsync_error** error);

void begin_refusing(void);
void end_refusing(void);

/* Repeats `attempt` until it makes too few allocations for a refusal. `expected` is its result
 * without one. */
void exhaust(attempt_function attempt, tcsync_code expected);

/* For an attempt outside exhaust(): nothing is refused. */
void refuse_nothing(void);

#endif /* TCSYNC_TESTS_CAPI_REFUSED_MEMORY_H_ */
