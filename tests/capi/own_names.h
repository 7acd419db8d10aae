/* For programs with functions of their own that have names of another library's: OWN(name) defines
 * one, whose call ends the program. That is a failure, unless must_be_called is set. */
#ifndef TCSYNC_TESTS_CAPI_OWN_NAMES_H_
#define TCSYNC_TESTS_CAPI_OWN_NAMES_H_

#include <stdio.h>
#include <stdlib.h>

static int must_be_called;

static void fail_as_called(const char* name) {
  fprintf(stderr, "%s of the program was called\n", name);
  /* Nothing in the program works any more. */
  _Exit(must_be_called ? 0 : 1);
}

#define OWN(name)  \
  void name(void); \
  void name(void) { fail_as_called(#name); }

#endif /* TCSYNC_TESTS_CAPI_OWN_NAMES_H_ */
