#include "test_certificates.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <cstdlib>
#include <iostream>

namespace tcsync {
namespace {

// A failure here is the machine's, not tcsync's.
void Require(bool holds, const char* action) {
  if (holds) return;
  std::cerr << "cannot make a certificate: " << action << "\n";
  std::abort();
}

OpensslPtr<EVP_PKEY> MakeKey() {
  EVP_PKEY* key = nullptr;
  EVP_PKEY_CTX* const context = EVP_PKEY_CTX_new_id(EVP_PKEY_EC, nullptr);
  Require(context != nullptr && EVP_PKEY_keygen_init(context) == 1 &&
              EVP_PKEY_CTX_set_ec_paramgen_curve_nid(context, NID_X9_62_prime256v1) == 1 &&
              EVP_PKEY_keygen(context, &key) == 1,
          "key");
  EVP_PKEY_CTX_free(context);
  return OpensslPtr<EVP_PKEY>(key);
}

void AddExtension(X509* certificate, X509* issuer, int nid, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value);
  Require(extension != nullptr && X509_add_ext(certificate, extension, -1) == 1, value);
  X509_EXTENSION_free(extension);
}

// Without a signature and with the common name `name`.
TestCertificate Begin(const char* name, int64_t from_seconds, int64_t until_seconds) {
  TestCertificate made{MakeKey(), OpensslPtr<X509>(X509_new())};
  X509* const certificate = made.certificate.get();
  uint64_t serial = 0;
  Require(RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof(serial)) == 1, "serial");
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), serial >> 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate), from_seconds);
  X509_gmtime_adj(X509_getm_notAfter(certificate), until_seconds);
  X509_set_pubkey(certificate, made.key.get());
  Require(X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                                     reinterpret_cast<const unsigned char*>(name), -1, -1, 0) == 1,
          "name");
  return made;
}

}  // namespace

std::string TestCertificate::Pem() const {
  BIO* const memory = BIO_new(BIO_s_mem());
  Require(memory != nullptr && PEM_write_bio_X509(memory, certificate.get()) == 1, "PEM");
  char* data = nullptr;
  const long size = BIO_get_mem_data(memory, &data);
  std::string pem(data, static_cast<size_t>(size));
  BIO_free(memory);
  return pem;
}

std::string TestCertificate::KeyPem(const std::string& passphrase) const {
  BIO* const memory = BIO_new(BIO_s_mem());
  Require(memory != nullptr &&
              PEM_write_bio_PKCS8PrivateKey(
                  memory, key.get(), passphrase.empty() ? nullptr : EVP_aes_256_cbc(),
                  passphrase.data(), static_cast<int>(passphrase.size()), nullptr, nullptr) == 1,
          "PEM of a key");
  char* data = nullptr;
  const long size = BIO_get_mem_data(memory, &data);
  std::string pem(data, static_cast<size_t>(size));
  BIO_free(memory);
  return pem;
}

TestCertificate MakeAuthority() {
  TestCertificate authority = Begin("tcsync test authority", -kDaySeconds, 365 * kDaySeconds);
  X509* const certificate = authority.certificate.get();
  X509_set_issuer_name(certificate, X509_get_subject_name(certificate));
  AddExtension(certificate, certificate, NID_basic_constraints, "critical,CA:TRUE");
  AddExtension(certificate, certificate, NID_key_usage, "critical,keyCertSign,cRLSign");
  Require(X509_sign(certificate, authority.key.get(), EVP_sha256()) != 0, "signature");
  return authority;
}

TestCertificate Issue(const TestCertificate& authority, const CertificateSpec& spec) {
  TestCertificate issued =
      Begin("tcsync test server", spec.valid_from_seconds, spec.valid_until_seconds);
  X509* const certificate = issued.certificate.get();
  X509_set_issuer_name(certificate, X509_get_subject_name(authority.certificate.get()));
  AddExtension(certificate, authority.certificate.get(), NID_subject_alt_name,
               spec.subject_alternative_names.c_str());
  AddExtension(certificate, authority.certificate.get(), NID_ext_key_usage, "serverAuth");
  Require(X509_sign(certificate, authority.key.get(), EVP_sha256()) != 0, "signature");
  return issued;
}

OpensslPtr<SSL_CTX> MakeServerContext(const TestCertificate& certificate) {
  OpensslPtr<SSL_CTX> context(SSL_CTX_new(TLS_server_method()));
  Require(context != nullptr &&
              SSL_CTX_use_certificate(context.get(), certificate.certificate.get()) == 1 &&
              SSL_CTX_use_PrivateKey(context.get(), certificate.key.get()) == 1,
          "TLS context");
  return context;
}

}  // namespace tcsync
