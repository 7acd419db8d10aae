// Certificates that are made while a test runs: an authority, and its certificates.
#ifndef TCSYNC_TESTS_UNIT_REMOTE_TEST_CERTIFICATES_H_
#define TCSYNC_TESTS_UNIT_REMOTE_TEST_CERTIFICATES_H_

#include <openssl/ssl.h>

#include <cstdint>
#include <memory>
#include <string>

namespace tcsync {

struct OpensslFree {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  void operator()(SSL* ssl) const { SSL_free(ssl); }
};
template <typename T>
using OpensslPtr = std::unique_ptr<T, OpensslFree>;

inline constexpr int64_t kDaySeconds = 86'400;

// The content of a certificate; times are relative to now.
struct CertificateSpec {
  std::string subject_alternative_names = "DNS:localhost,IP:127.0.0.1";
  int64_t valid_from_seconds = -kDaySeconds;
  int64_t valid_until_seconds = 30 * kDaySeconds;
};

struct TestCertificate {
  OpensslPtr<EVP_PKEY> key;
  OpensslPtr<X509> certificate;

  std::string Pem() const;
  // The key, under `passphrase` if that is not "".
  std::string KeyPem(const std::string& passphrase = "") const;
};

// A new self-signed authority.
TestCertificate MakeAuthority();

// A server's certificate from that authority.
TestCertificate Issue(const TestCertificate& authority, const CertificateSpec& spec);

// A server's side of TLS with that certificate.
OpensslPtr<SSL_CTX> MakeServerContext(const TestCertificate& certificate);

}  // namespace tcsync

#endif  // TCSYNC_TESTS_UNIT_REMOTE_TEST_CERTIFICATES_H_
