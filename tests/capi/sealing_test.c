/* Credentials, keys, sealing and unsealing; bytes that Taskwarrior 3.5.0 sealed must unseal. Usage:
 * sealing_test DIRECTORY_OF_TESTDATA */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "support.h"

#define SECRET_A "correct horse battery staple"
#define SECRET_B "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0"
#define VERSION_A "a7595bf3-1415-4efb-9513-3b5698d3ce6e"
#define VERSION_B "6ed5563c-fc18-42f0-9632-8089f2acaa5d"

static const char* testdata;
/* Derived once: a derivation takes a good part of a second. */
static tcsync_key* key_a;
static tcsync_key* key_b;

static void derive_keys(void) {
  CHECK_OK(tcsync_key_derive(CLIENT_A, SECRET_A, strlen(SECRET_A), &key_a, &error));
  CHECK_OK(tcsync_key_derive(CLIENT_B, SECRET_B, strlen(SECRET_B), &key_b, &error));
  CHECK(key_a != NULL && key_b != NULL);
}

static void recorded_blobs_are_opened(void) {
  static const struct {
    const char* stem;
    tcsync_key* const* key;
    const char* version_id;
  } kBlobs[] = {
      {"b2f16405-snapshot-0", &key_a, VERSION_A},  {"b2f16405-version-1", &key_a, NIL_VERSION},
      {"b2f16405-version-2", &key_a, VERSION_A},   {"615cbc21-snapshot-0", &key_b, VERSION_B},
      {"615cbc21-version-1", &key_b, NIL_VERSION}, {"615cbc21-version-2", &key_b, VERSION_B},
  };
  size_t i = 0;
  for (i = 0; i < sizeof(kBlobs) / sizeof(kBlobs[0]); ++i) {
    char path[PATH_BYTES];
    char name[64];
    size_t sealed_size = 0;
    size_t plain_size = 0;
    char* sealed = NULL;
    char* plain = NULL;
    tcsync_bytes* opened = NULL;
    snprintf(name, sizeof(name), "%s.sealed", kBlobs[i].stem);
    join_path(path, testdata, name);
    sealed = read_file(path, &sealed_size);
    snprintf(name, sizeof(name), "%s.plain", kBlobs[i].stem);
    join_path(path, testdata, name);
    plain = read_file(path, &plain_size);
    CHECK_OK(
        tcsync_unseal(*kBlobs[i].key, kBlobs[i].version_id, sealed, sealed_size, &opened, &error));
    CHECK_INT(tcsync_bytes_size(opened), plain_size);
    CHECK(tcsync_bytes_size(opened) == plain_size &&
          memcmp(tcsync_bytes_data(opened), plain, plain_size) == 0);
    tcsync_bytes_free(opened);
    free(sealed);
    free(plain);
  }
}

static void sealed_bytes_can_be_opened(void) {
  static const char kPlaintext[] = "{\"operations\":[]}\0 with a NUL in it";
  tcsync_bytes* sealed = NULL;
  tcsync_bytes* sealed_again = NULL;
  tcsync_bytes* opened = NULL;
  CHECK_OK(tcsync_seal(key_a, VERSION_A, kPlaintext, sizeof(kPlaintext), &sealed, &error));
  CHECK_INT(tcsync_bytes_size(sealed), sizeof(kPlaintext) + 29);
  CHECK_INT(tcsync_bytes_data(sealed)[0], 1);
  CHECK_INT(tcsync_bytes_data(sealed)[tcsync_bytes_size(sealed)], 0);
  CHECK_OK(tcsync_seal(key_a, VERSION_A, kPlaintext, sizeof(kPlaintext), &sealed_again, &error));
  CHECK(memcmp(tcsync_bytes_data(sealed), tcsync_bytes_data(sealed_again),
               tcsync_bytes_size(sealed)) != 0);
  CHECK_OK(tcsync_unseal(key_a, VERSION_A, tcsync_bytes_data(sealed), tcsync_bytes_size(sealed),
                         &opened, &error));
  CHECK_INT(tcsync_bytes_size(opened), sizeof(kPlaintext));
  CHECK(memcmp(tcsync_bytes_data(opened), kPlaintext, sizeof(kPlaintext)) == 0);
  CHECK_INT(tcsync_bytes_data(opened)[tcsync_bytes_size(opened)], 0);
  tcsync_bytes_free(sealed);
  tcsync_bytes_free(sealed_again);
  tcsync_bytes_free(opened);
}

static void an_empty_plaintext_can_be_sealed(void) {
  tcsync_bytes* sealed = NULL;
  tcsync_bytes* opened = NULL;
  CHECK_OK(tcsync_seal(key_a, VERSION_A, NULL, 0, &sealed, &error));
  CHECK_INT(tcsync_bytes_size(sealed), 29);
  CHECK_OK(tcsync_unseal(key_a, VERSION_A, tcsync_bytes_data(sealed), 29, &opened, &error));
  CHECK_INT(tcsync_bytes_size(opened), 0);
  CHECK_TEXT(tcsync_bytes_data(opened), "");
  tcsync_bytes_free(sealed);
  tcsync_bytes_free(opened);
}

/* Checks that `bytes` do not unseal, with that code, and that there is no plaintext. */
static void refused(const tcsync_key* key, const char* version_id, const char* bytes, size_t size,
                    tcsync_code code) {
  tcsync_bytes* opened = (tcsync_bytes*)(void*)&bytes;
  CHECK_FAILS(tcsync_unseal(key, version_id, bytes, size, &opened, &error), code, "");
  CHECK(opened == NULL);
}

static void every_fault_has_its_code(void) {
  static const char kPlaintext[] = "{\"operations\":[{\"Delete\":{\"uuid\":\"" CLIENT_B "\"}}]}";
  tcsync_bytes* sealed = NULL;
  char copy[512];
  size_t size = 0;
  CHECK_OK(tcsync_seal(key_a, VERSION_A, kPlaintext, strlen(kPlaintext), &sealed, &error));
  size = tcsync_bytes_size(sealed);
  CHECK(size <= sizeof(copy));
  memcpy(copy, tcsync_bytes_data(sealed), size);
  tcsync_bytes_free(sealed);

  refused(key_a, VERSION_A, NULL, 0, TCSYNC_UNSEAL_TRUNCATED);
  refused(key_a, VERSION_A, copy, 28, TCSYNC_UNSEAL_TRUNCATED);
  refused(key_a, VERSION_A, copy, size - 1, TCSYNC_UNSEAL_TRUNCATED);
  refused(key_b, VERSION_A, copy, size, TCSYNC_UNSEAL_WRONG_KEY);
  refused(key_a, VERSION_B, copy, size, TCSYNC_UNSEAL_NOT_AUTHENTIC);
  copy[40] ^= 1;
  refused(key_a, VERSION_A, copy, size, TCSYNC_UNSEAL_NOT_AUTHENTIC);
  copy[40] ^= 1;
  copy[size - 1] ^= 1;
  refused(key_a, VERSION_A, copy, size, TCSYNC_UNSEAL_NOT_AUTHENTIC);
  copy[size - 1] ^= 1;
  copy[0] = 2;
  refused(key_a, VERSION_A, copy, size, TCSYNC_UNSEAL_UNKNOWN_FORMAT);
}

static void sealing_checks_its_arguments(void) {
  char poison = 0;
  tcsync_bytes* bytes = (tcsync_bytes*)(void*)&poison;
  CHECK_FAILS(tcsync_seal(key_a, "not-a-version", "x", 1, &bytes, &error), TCSYNC_INVALID_UUID,
              "not-a-version");
  CHECK(bytes == NULL);
  bytes = (tcsync_bytes*)(void*)&poison;
  CHECK_FAILS(tcsync_seal(NULL, VERSION_A, "x", 1, &bytes, &error), TCSYNC_NULL_ARGUMENT, "key");
  CHECK(bytes == NULL);
  CHECK_FAILS(tcsync_seal(key_a, NULL, "x", 1, &bytes, &error), TCSYNC_NULL_ARGUMENT, "version_id");
  CHECK_FAILS(tcsync_seal(key_a, VERSION_A, NULL, 1, &bytes, &error), TCSYNC_NULL_ARGUMENT,
              "plaintext");
  CHECK_FAILS(tcsync_seal(key_a, VERSION_A, "x", 1, NULL, &error), TCSYNC_NULL_ARGUMENT, "sealed");

  bytes = (tcsync_bytes*)(void*)&poison;
  CHECK_FAILS(tcsync_unseal(key_a, "not-a-version", "x", 1, &bytes, &error), TCSYNC_INVALID_UUID,
              "not-a-version");
  CHECK(bytes == NULL);
  bytes = (tcsync_bytes*)(void*)&poison;
  CHECK_FAILS(tcsync_unseal(NULL, VERSION_A, "x", 1, &bytes, &error), TCSYNC_NULL_ARGUMENT, "key");
  CHECK(bytes == NULL);
  CHECK_FAILS(tcsync_unseal(key_a, NULL, "x", 1, &bytes, &error), TCSYNC_NULL_ARGUMENT,
              "version_id");
  CHECK_FAILS(tcsync_unseal(key_a, VERSION_A, NULL, 1, &bytes, &error), TCSYNC_NULL_ARGUMENT,
              "sealed");
  CHECK_FAILS(tcsync_unseal(key_a, VERSION_A, "x", 1, NULL, &error), TCSYNC_NULL_ARGUMENT,
              "plaintext");
}

static void deriving_checks_its_arguments(void) {
  char poison = 0;
  tcsync_key* key = (tcsync_key*)(void*)&poison;
  CHECK_FAILS(tcsync_key_derive(CLIENT_A, "", 0, &key, &error), TCSYNC_INVALID_ARGUMENT, "empty");
  CHECK(key == NULL);
  CHECK_FAILS(tcsync_key_derive(CLIENT_A, NULL, 0, &key, &error), TCSYNC_INVALID_ARGUMENT, "empty");
  CHECK_FAILS(tcsync_key_derive(CLIENT_A, NULL, 1, &key, &error), TCSYNC_NULL_ARGUMENT, "secret");
  CHECK_FAILS(tcsync_key_derive(NULL, "x", 1, &key, &error), TCSYNC_NULL_ARGUMENT, "client_id");
  CHECK_FAILS(tcsync_key_derive(CLIENT_A, "x", 1, NULL, &error), TCSYNC_NULL_ARGUMENT, "key");
  key = (tcsync_key*)(void*)&poison;
  CHECK_FAILS(tcsync_key_derive("b2f16405", "x", 1, &key, &error), TCSYNC_INVALID_UUID, "8 bytes");
  CHECK(key == NULL);
}

static void swapped_credentials_are_not_repeated(void) {
  tcsync_key* key = NULL;
  tcsync_error* error = NULL;
  CHECK_INT(tcsync_key_derive(SECRET_B, CLIENT_B, strlen(CLIENT_B), &key, &error),
            TCSYNC_INVALID_UUID);
  CHECK(strstr(tcsync_error_message(error), SECRET_B) == NULL);
  tcsync_error_free(error);
}

static void a_swapped_plaintext_is_not_repeated(void) {
  static const char kPlaintext[] = "{\"operations\":[{\"Create\":{\"uuid\":\"my private task\"}}]}";
  tcsync_bytes* sealed = NULL;
  tcsync_error* error = NULL;
  CHECK_INT(tcsync_seal(key_a, kPlaintext, VERSION_A, strlen(VERSION_A), &sealed, &error),
            TCSYNC_INVALID_UUID);
  CHECK(strstr(tcsync_error_message(error), "private") == NULL);
  tcsync_error_free(error);
}

static void credentials_are_generated(void) {
  tcsync_bytes* client_ids[2] = {NULL, NULL};
  tcsync_bytes* secrets[2] = {NULL, NULL};
  tcsync_bytes* unused = NULL;
  tcsync_key* key = NULL;
  int i = 0;
  for (i = 0; i < 2; ++i) {
    const char* client_id = NULL;
    const char* secret = NULL;
    CHECK_OK(tcsync_credentials_generate(&client_ids[i], &secrets[i], &error));
    client_id = tcsync_bytes_data(client_ids[i]);
    secret = tcsync_bytes_data(secrets[i]);
    CHECK_INT(tcsync_bytes_size(client_ids[i]), 36);
    CHECK_INT(strlen(client_id), 36);
    CHECK_INT(client_id[14], '4'); /* a version 4 UUID */
    CHECK_INT(tcsync_bytes_size(secrets[i]), 64);
    CHECK_INT(strlen(secret), 64);
    CHECK_INT(strspn(secret, "0123456789abcdef"), 64);
  }
  CHECK(strcmp(tcsync_bytes_data(client_ids[0]), tcsync_bytes_data(client_ids[1])) != 0);
  CHECK(strcmp(tcsync_bytes_data(secrets[0]), tcsync_bytes_data(secrets[1])) != 0);
  CHECK_OK(tcsync_key_derive(tcsync_bytes_data(client_ids[0]), tcsync_bytes_data(secrets[0]),
                             tcsync_bytes_size(secrets[0]), &key, &error));
  tcsync_key_free(key);
  CHECK_FAILS(tcsync_credentials_generate(NULL, &unused, &error), TCSYNC_NULL_ARGUMENT,
              "client_id");
  CHECK(unused == NULL);
  CHECK_FAILS(tcsync_credentials_generate(&unused, NULL, &error), TCSYNC_NULL_ARGUMENT, "secret");
  CHECK(unused == NULL);
  for (i = 0; i < 2; ++i) {
    tcsync_bytes_free(client_ids[i]);
    tcsync_bytes_free(secrets[i]);
  }
}

int main(int argc, char** argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: %s DIRECTORY_OF_TESTDATA\n", argv[0]);
    return 2;
  }
  testdata = argv[1];
  RUN(derive_keys, "no user's data opens");
  RUN(recorded_blobs_are_opened, "Taskwarrior's uploads cannot be read");
  RUN(sealed_bytes_can_be_opened, "sealed data is lost, or two seals share a nonce");
  RUN(an_empty_plaintext_can_be_sealed, "an empty plaintext crashes the caller");
  RUN(every_fault_has_its_code, "people get the wrong reason why their data does not open");
  RUN(sealing_checks_its_arguments, "a mistake in a binding crashes the program");
  RUN(deriving_checks_its_arguments, "a mistake in a binding crashes, or derives a useless key");
  RUN(swapped_credentials_are_not_repeated, "a mistake in a call writes the secret into a log");
  RUN(a_swapped_plaintext_is_not_repeated, "a mistake in a call writes a task into a log");
  RUN(credentials_are_generated, "new users get credentials that are weak or do not work");
  tcsync_key_free(key_a);
  tcsync_key_free(key_b);
  return check_exit_status();
}
