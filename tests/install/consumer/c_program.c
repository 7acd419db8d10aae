/* Seals and unseals through the installed C ABI, which works in every build of the library. */
#include <stdio.h>
#include <string.h>
#include <tcsync.h>

int main(void) {
  static const char version_id[] = "00000000-0000-0000-0000-000000000000";
  static const char plaintext[] = "{\"operations\":[]}";
  tcsync_bytes* client_id = NULL;
  tcsync_bytes* secret = NULL;
  tcsync_key* key = NULL;
  tcsync_bytes* sealed = NULL;
  tcsync_bytes* unsealed = NULL;
  int same;

  if (tcsync_credentials_generate(&client_id, &secret, NULL) != TCSYNC_OK ||
      tcsync_key_derive(tcsync_bytes_data(client_id), tcsync_bytes_data(secret),
                        tcsync_bytes_size(secret), &key, NULL) != TCSYNC_OK ||
      tcsync_seal(key, version_id, plaintext, strlen(plaintext), &sealed, NULL) != TCSYNC_OK ||
      tcsync_unseal(key, version_id, tcsync_bytes_data(sealed), tcsync_bytes_size(sealed),
                    &unsealed, NULL) != TCSYNC_OK) {
    return 1;
  }
  same = strcmp(tcsync_bytes_data(unsealed), plaintext) == 0;
  if (tcsync_version_number() != TCSYNC_VERSION_NUMBER) {
    fprintf(stderr, "the header is of another release\n");
    return 1;
  }
  printf("tcsync %s: %u bytes more\n", tcsync_version(),
         (unsigned)(tcsync_bytes_size(sealed) - tcsync_bytes_size(unsealed)));
  tcsync_bytes_free(unsealed);
  tcsync_bytes_free(sealed);
  tcsync_key_free(key);
  tcsync_bytes_free(secret);
  tcsync_bytes_free(client_id);
  return same ? 0 : 1;
}
