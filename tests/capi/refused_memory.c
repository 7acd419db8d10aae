#include "refused_memory.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "check.h"

enum { kUnlimited = -1 };
static _Thread_local long allocations_left = kUnlimited;
static _Thread_local int refuse_all_after;
static _Thread_local int refused;

#if !defined(__GLIBC__) || defined(SANITIZED)

int can_refuse_memory(void) {
  printf(
      "skipped: this test takes the place of malloc(), which works with glibc and without address "
      "and thread sanitizers only\n");
  return 0;
}

#else

int can_refuse_memory(void) { return 1; }

extern void* __libc_malloc(size_t size);
extern void* __libc_calloc(size_t count, size_t size);
extern void* __libc_realloc(void* block, size_t size);
extern void* __libc_memalign(size_t alignment, size_t size);

static int is_refused(void) {
  if (allocations_left == kUnlimited) return 0;
  if (allocations_left > 0) {
    --allocations_left;
    return 0;
  }
  refused = 1;
  if (!refuse_all_after) allocations_left = kUnlimited;
  errno = ENOMEM;
  return 1;
}

void* malloc(size_t size) { return is_refused() ? NULL : __libc_malloc(size); }
void* calloc(size_t count, size_t size) { return is_refused() ? NULL : __libc_calloc(count, size); }
void* realloc(void* block, size_t size) {
  return is_refused() ? NULL : __libc_realloc(block, size);
}
void* aligned_alloc(size_t alignment, size_t size) {
  return is_refused() ? NULL : __libc_memalign(alignment, size);
}
int posix_memalign(void** block, size_t alignment, size_t size) {
  if (is_refused()) return ENOMEM;
  *block = __libc_memalign(alignment, size);
  return *block == NULL ? ENOMEM : 0;
}

#endif

static long next_refusal;
static int next_refuses_all_after;

void begin_refusing(void) {
  refuse_all_after = next_refuses_all_after;
  allocations_left = next_refusal;
}

void end_refusing(void) { allocations_left = kUnlimited; }

void refuse_nothing(void) { next_refusal = kUnlimited; }

void exhaust(attempt_function attempt, tcsync_code expected) {
  enum { kRefusalsMax = 2000 };
  for (next_refuses_all_after = 0; next_refuses_all_after <= 1; ++next_refuses_all_after) {
    for (next_refusal = 0; next_refusal < kRefusalsMax; ++next_refusal) {
      tcsync_error* error = check_poison_error();
      tcsync_code code = TCSYNC_OK;
      refused = 0;
      code = attempt(&error);
      CHECK(error != check_poison_error());
      if (!refused) CHECK_INT(code, expected);
      /* The library may not need that allocation. */
      if (code != expected) CHECK_INT(code, TCSYNC_OUT_OF_MEMORY);
      if (code == TCSYNC_OK) CHECK(error == NULL);
      if (error != NULL) CHECK_INT(tcsync_error_code(error), code);
      tcsync_error_free(error);
      if (!refused) break;
    }
    CHECK(next_refusal > 0 && next_refusal < kRefusalsMax);
  }
}
