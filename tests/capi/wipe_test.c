/*
 * Secrets, keys and plaintexts must be wiped from memory before it is freed, anywhere in the
 * library: this program replaces free(), and searches for them in every freed block, also in those
 * of the C++ behind the C ABI.
 */
#include <stdio.h>

#include "check.h"

#if !defined(__GLIBC__) || defined(SANITIZED)

int main(void) {
  printf(
      "skipped: wipe_test takes the place of free(), which works with glibc and without "
      "address and thread sanitizers only\n");
  return SKIPPED;
}

#else

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "support.h"

#define SECRET "correct horse battery staple"
#define KEY_HEX "ea2b0fa051a199e8b005399773130244c3ba257cbfa3d195fd9129ffe433f7e4"
#define VERSION "a7595bf3-1415-4efb-9513-3b5698d3ce6e"
#define PLAINTEXT "{\"operations\":[\"something very private, and long\"]}"
#define MARKER "an-option-that-does-not-exist-and-is-not-secret"

/* The searched needle: any part of this length. Short enough to notice a partial wipe, long enough
 * never to occur by chance. */
enum { kPartBytes = 12, kNeedlesMax = 8, kNeedleBytesMax = 96, kHeldMax = 4096 };

typedef struct needle {
  const char* name;
  size_t size;
  unsigned char bytes[kNeedleBytesMax];
} needle;

/* Static: nothing here may be on the heap that is being searched. */
static needle needles[kNeedlesMax];
static size_t needle_count;
static size_t frees_searched;
static size_t finds;

/* Blocks that were freed while holding, kept unchanged to be searched later: for secrets that are
 * unknown before they have been freed. */
static int holding;
static void* held[kHeldMax];
static size_t held_count;

extern void __libc_free(void* block);
extern void* __libc_malloc(size_t size);

static void add_needle(const char* name, const void* bytes, size_t size) {
  needle* added = &needles[needle_count++];
  CHECK(needle_count <= kNeedlesMax && size <= kNeedleBytesMax && size >= kPartBytes);
  added->name = name;
  added->size = size;
  memcpy(added->bytes, bytes, size);
}

static void search_block(const unsigned char* block, size_t size) {
  size_t i = 0;
  size_t part = 0;
  size_t at = 0;
  ++frees_searched;
  for (i = 0; i < needle_count; ++i) {
    for (part = 0; part + kPartBytes <= needles[i].size; part += kPartBytes) {
      for (at = 0; at + kPartBytes <= size; ++at) {
        if (block[at] != needles[i].bytes[part]) continue;
        if (memcmp(block + at, needles[i].bytes + part, kPartBytes) != 0) continue;
        ++finds;
        fprintf(stderr, "a block of %zu bytes is freed with %s in it, at %zu\n", size,
                needles[i].name, at);
        return;
      }
    }
  }
}

void free(void* block) {
  if (block == NULL) return;
  if (holding && held_count < kHeldMax) {
    held[held_count++] = block;
    return;
  }
  if (needle_count > 0) search_block(block, malloc_usable_size(block));
  __libc_free(block);
}

/* glibc's own would free the old block unseen. */
void* realloc(void* block, size_t size) {
  void* moved = NULL;
  size_t old_size = 0;
  if (block == NULL) return __libc_malloc(size);
  old_size = malloc_usable_size(block);
  if (size != 0 && size <= old_size) return block;
  if (size != 0) {
    moved = __libc_malloc(size);
    if (moved == NULL) return NULL;
    memcpy(moved, block, old_size);
  }
  free(block);
  return moved;
}

static void hold_freed_blocks(void) {
  held_count = 0;
  holding = 1;
}

static void search_held_blocks(void) {
  size_t i = 0;
  holding = 0;
  CHECK(held_count > 0 && held_count < kHeldMax);
  for (i = 0; i < held_count; ++i) free(held[i]);
}

static void bytes_of_hex(const char* hex, size_t size, unsigned char* bytes) {
  size_t i = 0;
  for (i = 0; i < size; ++i) {
    const char digits[3] = {hex[2 * i], hex[2 * i + 1], '\0'};
    bytes[i] = (unsigned char)strtoul(digits, NULL, 16);
  }
}

/* Expects no finds since `finds_before`, and that there was something to search. */
static void check_clean(size_t finds_before, size_t frees_before) {
  CHECK_INT(finds - finds_before, 0);
  CHECK(frees_searched > frees_before);
}

/* free(), out of the compiler's sight: it would omit a write just before it. */
static void (*volatile give_back)(void* block) = free;

static void the_search_finds_unwiped_bytes(void) {
  size_t finds_before = finds;
  char* block = malloc(100);
  tcsync_config* config = NULL;
  tcsync_error* error = NULL;
  fprintf(stderr, "finds are expected here:\n");
  memset(block, 0, 100);
  memcpy(block + 50, MARKER, strlen(MARKER));
  give_back(block);
  CHECK_INT(finds - finds_before, 1);
  /* In memory that the library's C++ frees: an error's message, which may stay unwiped; and a part
   * of a needle, as an incomplete wipe would leave it. */
  CHECK_INT(tcsync_config_new(&config, &error), TCSYNC_OK);
  CHECK_INT(tcsync_config_set(config, MARKER, "1", &error), TCSYNC_UNKNOWN_OPTION);
  finds_before = finds;
  tcsync_error_free(error);
  CHECK(finds > finds_before);
  tcsync_config_free(config);
  block = malloc(64);
  memset(block, 0, 64);
  memcpy(block + 3, &MARKER[kPartBytes], kPartBytes);
  finds_before = finds;
  give_back(block);
  CHECK_INT(finds - finds_before, 1);
}

static tcsync_key* key;

/* Whether `bytes` are anywhere in a block that is in use. */
static int block_contains(const void* block, const void* bytes, size_t size) {
  const size_t block_size = malloc_usable_size((void*)block);
  size_t at = 0;
  for (at = 0; at + size <= block_size; ++at) {
    if (memcmp((const char*)block + at, bytes, size) == 0) return 1;
  }
  return 0;
}

static void deriving_leaves_no_secret(void) {
  const size_t finds_before = finds;
  const size_t frees_before = frees_searched;
  tcsync_key* second = NULL;
  CHECK_OK(tcsync_key_derive(CLIENT_A, SECRET, strlen(SECRET), &key, &error));
  CHECK_OK(tcsync_key_derive(CLIENT_A, SECRET, strlen(SECRET), &second, &error));
  tcsync_key_free(second);
  /* Swapped, which must not bring the secret into an error. */
  CHECK_INT(tcsync_key_derive(SECRET, CLIENT_A, strlen(CLIENT_A), &second, NULL),
            TCSYNC_INVALID_UUID);
  CHECK_FAILS(tcsync_key_derive(SECRET, CLIENT_A, strlen(CLIENT_A), &second, &error),
              TCSYNC_INVALID_UUID, "UUID");
  check_clean(finds_before, frees_before);
}

static void generating_leaves_no_secret(void) {
  const size_t finds_before = finds;
  const size_t frees_before = frees_searched;
  unsigned char random[32];
  tcsync_bytes* client_id = NULL;
  tcsync_bytes* secret = NULL;
  hold_freed_blocks();
  CHECK_OK(tcsync_credentials_generate(&client_id, &secret, &error));
  add_needle("a generated secret", tcsync_bytes_data(secret), tcsync_bytes_size(secret));
  bytes_of_hex(tcsync_bytes_data(secret), sizeof(random), random);
  add_needle("a generated secret's random bytes", random, sizeof(random));
  tcsync_bytes_free(secret);
  tcsync_bytes_free(client_id);
  search_held_blocks();
  check_clean(finds_before, frees_before);
}

static void sealing_leaves_no_secret(void) {
  const size_t finds_before = finds;
  const size_t frees_before = frees_searched;
  tcsync_bytes* sealed = NULL;
  CHECK_OK(tcsync_seal(key, VERSION, PLAINTEXT, strlen(PLAINTEXT), &sealed, &error));
  tcsync_bytes_free(sealed);
  check_clean(finds_before, frees_before);
}

static void unsealing_leaves_no_secret(void) {
  const size_t finds_before = finds;
  const size_t frees_before = frees_searched;
  char copy[256];
  size_t size = 0;
  tcsync_bytes* sealed = NULL;
  tcsync_bytes* opened = NULL;
  CHECK_OK(tcsync_seal(key, VERSION, PLAINTEXT, strlen(PLAINTEXT), &sealed, &error));
  size = tcsync_bytes_size(sealed);
  CHECK(size <= sizeof(copy));
  memcpy(copy, tcsync_bytes_data(sealed), size);
  tcsync_bytes_free(sealed);
  CHECK_OK(tcsync_unseal(key, VERSION, copy, size, &opened, &error));
  CHECK(tcsync_bytes_size(opened) == strlen(PLAINTEXT) &&
        memcmp(tcsync_bytes_data(opened), PLAINTEXT, strlen(PLAINTEXT)) == 0);
  tcsync_bytes_free(opened);
  /* An inauthentic message is decrypted in part, to find the reason. */
  CHECK_FAILS(tcsync_unseal(key, CLIENT_B, copy, size, &opened, &error),
              TCSYNC_UNSEAL_NOT_AUTHENTIC, "");
  CHECK_FAILS(tcsync_unseal(key, VERSION, copy, size - 1, &opened, &error), TCSYNC_UNSEAL_TRUNCATED,
              "");
  copy[40] ^= 1;
  CHECK_FAILS(tcsync_unseal(key, VERSION, copy, size, &opened, &error), TCSYNC_UNSEAL_NOT_AUTHENTIC,
              "");
  check_clean(finds_before, frees_before);
}

static void remote_calls_leave_no_secret(void) {
  const size_t finds_before = finds;
  const size_t frees_before = frees_searched;
  tcsync_uuid version_id;
  int32_t outcome = 0;
  int32_t urgency = 0;
  tcsync_bytes* opened = NULL;
  tcsync_key* other_key = NULL;
  test_server started = start_server(NULL, NULL);
  tcsync_remote* remote = open_remote(started.url, CLIENT_A, key);
  CHECK_OK(tcsync_remote_add_version(remote, NIL_VERSION, PLAINTEXT, strlen(PLAINTEXT), &outcome,
                                     &version_id, &urgency, &error));
  CHECK_OK(
      tcsync_remote_add_snapshot(remote, version_id.text, PLAINTEXT, strlen(PLAINTEXT), &error));
  CHECK_OK(
      tcsync_remote_get_child_version(remote, NIL_VERSION, &outcome, &version_id, &opened, &error));
  CHECK_TEXT(tcsync_bytes_data(opened), PLAINTEXT);
  tcsync_bytes_free(opened);
  CHECK_OK(tcsync_remote_get_snapshot(remote, &outcome, &version_id, &opened, &error));
  tcsync_bytes_free(opened);
  tcsync_remote_free(remote);
  /* The secret where the client ID belongs, and a key that opens nothing. */
  CHECK_FAILS(tcsync_remote_open(started.url, SECRET, key, NULL, &remote, &error),
              TCSYNC_INVALID_UUID, "UUID");
  CHECK_OK(tcsync_key_derive(CLIENT_A, "another secret", 14, &other_key, &error));
  remote = open_remote(started.url, CLIENT_A, other_key);
  CHECK_FAILS(tcsync_remote_get_snapshot(remote, &outcome, &version_id, &opened, &error),
              TCSYNC_UNSEAL_WRONG_KEY, "");
  tcsync_remote_free(remote);
  tcsync_key_free(other_key);
  stop_server(&started);
  check_clean(finds_before, frees_before);
}

static void freeing_the_key_leaves_no_secret(void) {
  const size_t finds_before = finds;
  const size_t frees_before = frees_searched;
  unsigned char key_bytes[32];
  /* If the key were kept elsewhere, this would test nothing. */
  bytes_of_hex(KEY_HEX, sizeof(key_bytes), key_bytes);
  CHECK(block_contains(key, key_bytes, sizeof(key_bytes)));
  tcsync_key_free(key);
  check_clean(finds_before, frees_before);
}

/* Whether this build of the library has a server. */
static int has_server(void) {
  tcsync_config* config = make_config(NULL);
  tcsync_listener* listener = NULL;
  const tcsync_code code = tcsync_listener_bind(config, &listener, NULL);
  tcsync_listener_free(listener);
  tcsync_config_free(config);
  return code != TCSYNC_UNSUPPORTED;
}

int main(void) {
  unsigned char key_bytes[32];
  bytes_of_hex(KEY_HEX, sizeof(key_bytes), key_bytes);
  add_needle("the marker", MARKER, strlen(MARKER));
  add_needle("the secret", SECRET, strlen(SECRET));
  add_needle("the key", key_bytes, sizeof(key_bytes));
  add_needle("the plaintext", PLAINTEXT, strlen(PLAINTEXT));
  RUN(the_search_finds_unwiped_bytes, "nothing: this test itself would find nothing");
  RUN(deriving_leaves_no_secret,
      "a user's secret or key can be read from a core file or a later bug");
  RUN(generating_leaves_no_secret, "a new user's secret can be read from a core file");
  RUN(sealing_leaves_no_secret, "a user's tasks can be read from a core file");
  RUN(unsealing_leaves_no_secret, "a user's tasks can be read from a core file");
  if (has_server()) {
    RUN(remote_calls_leave_no_secret, "a user's tasks can be read from a core file");
  }
  RUN(freeing_the_key_leaves_no_secret, "a user's key can be read from a core file");
  return check_exit_status();
}

#endif
