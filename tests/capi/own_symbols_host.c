/* A program with functions of its own that have names of libsodium's and OpenSSL's: the library
 * must not call them, because they would get its secrets. Usage: own_symbols_host [expect-calls];
 * built and run by own_symbols_test.sh and without_server_test.sh. With an argument it succeeds
 * only if one of them was called. */
#include <string.h>

#include "check.h"
#include "own_names.h"
#include "support.h"

OWN(sodium_init)
OWN(sodium_memzero)
OWN(sodium_memcmp)
OWN(sodium_mlock)
OWN(randombytes_buf)
OWN(randombytes)
OWN(crypto_aead_chacha20poly1305_ietf_encrypt)
OWN(crypto_aead_chacha20poly1305_ietf_decrypt)
OWN(crypto_auth_hmacsha256_init)
OWN(crypto_auth_hmacsha256_update)
OWN(crypto_auth_hmacsha256_final)
OWN(crypto_pwhash)
OWN(PKCS5_PBKDF2_HMAC)
OWN(RAND_bytes)
OWN(OPENSSL_cleanse)
OWN(OPENSSL_init_ssl)
OWN(SSL_CTX_new)
OWN(SSL_CTX_use_PrivateKey_file)
OWN(SSL_new)
OWN(SSL_read)
OWN(SSL_write)
OWN(SSL_do_handshake)
OWN(BIO_read)
OWN(BIO_write)
OWN(X509_STORE_add_cert)

static void the_hosts_symbols_are_not_called(void) {
  char client_id[TEST_CLIENT_BYTES];
  tcsync_key* key = make_user(client_id);
  tcsync_remote* remote = NULL;
  tcsync_probe probe;
  check_sealing(key);
  /* TLS is set up before the connection. */
  remote = open_remote("https://127.0.0.1:1", client_id, key);
  memset(&probe, 0, sizeof(probe));
  probe.struct_size = sizeof(probe);
  CHECK_FAILS(tcsync_remote_probe(remote, &probe, &error), TCSYNC_REMOTE_CONNECTION_REFUSED, "");
  tcsync_remote_free(remote);
  tcsync_key_free(key);
}

int main(int argc, char** argv) {
  (void)argv;
  must_be_called = argc > 1;
  RUN(the_hosts_symbols_are_not_called,
      "a program that has a function of such a name gets the secrets");
  return must_be_called ? 1 : check_exit_status();
}
