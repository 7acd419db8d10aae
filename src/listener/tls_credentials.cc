#include "listener/tls_credentials.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <cerrno>
#include <cstring>
#include <ctime>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace tcsync::listener {
namespace {

// A PEM file, and the option that names it.
struct PemFile {
  const char* option;
  const std::string& path;
};

absl::Status Unusable(const PemFile& file, absl::string_view why) {
  ERR_clear_error();
  return absl::FailedPreconditionError(
      absl::StrCat("option ", file.option, ": '", file.path, "' ", why));
}

// OpenSSL's reason for its latest failure.
std::string OpensslReason() {
  const char* const reason = ERR_reason_error_string(ERR_peek_last_error());
  return reason == nullptr ? "OpenSSL gives no reason" : reason;
}

absl::StatusOr<OpensslPtr<BIO>> Open(const PemFile& file) {
  errno = 0;
  OpensslPtr<BIO> bio(BIO_new_file(file.path.c_str(), "r"));
  if (bio != nullptr) return bio;
  const int error = errno;
  return Unusable(file, absl::StrCat("cannot be read: ", std::strerror(error)));
}

// Without this, OpenSSL would ask for the passphrase on the terminal, and the server would not
// start until a person typed it.
int RefusePassphrase(char*, int, int, void* was_asked) {
  *static_cast<bool*>(was_asked) = true;
  return -1;
}

absl::StatusOr<absl::Time> TimeOf(const ASN1_TIME* time, const PemFile& file) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return Unusable(file, "has a malformed date");
  return absl::FromTM(parts, absl::UTCTimeZone());
}

std::string Text(absl::Time time) {
  return absl::FormatTime("%Y-%m-%d %H:%M:%S UTC", time, absl::UTCTimeZone());
}

// The time at which the certificate expires; an error when it is not valid now.
absl::StatusOr<absl::Time> CheckValidity(const X509* certificate, const PemFile& file) {
  const absl::StatusOr<absl::Time> begin = TimeOf(X509_get0_notBefore(certificate), file);
  if (!begin.ok()) return begin.status();
  absl::StatusOr<absl::Time> end = TimeOf(X509_get0_notAfter(certificate), file);
  if (!end.ok()) return end.status();
  const absl::Time now = absl::Now();
  if (now >= *end) {
    return Unusable(file, absl::StrCat("expired on ", Text(*end), ": it must be renewed"));
  }
  if (now < *begin) {
    return Unusable(file, absl::StrCat("is not valid before ", Text(*begin),
                                       ", and this machine's clock says ", Text(now)));
  }
  return end;
}

// Loads the server's own certificate, then those between it and the client's authority. Returns the
// time at which the first one expires.
absl::StatusOr<absl::Time> UseCertificates(SSL_CTX* context, const PemFile& file) {
  const absl::StatusOr<OpensslPtr<BIO>> bio = Open(file);
  if (!bio.ok()) return bio.status();
  const OpensslPtr<X509> own(PEM_read_bio_X509_AUX(bio->get(), nullptr, nullptr, nullptr));
  if (own == nullptr) {
    return Unusable(file,
                    "holds no certificate in PEM form, with a line -----BEGIN CERTIFICATE-----");
  }
  absl::StatusOr<absl::Time> expiry = CheckValidity(own.get(), file);
  if (!expiry.ok()) return expiry;
  if (SSL_CTX_use_certificate(context, own.get()) != 1) {
    return Unusable(file, absl::StrCat("cannot be used: ", OpensslReason()));
  }
  while (true) {
    ERR_clear_error();
    const OpensslPtr<X509> next(PEM_read_bio_X509(bio->get(), nullptr, nullptr, nullptr));
    if (next == nullptr) break;
    if (SSL_CTX_add1_chain_cert(context, next.get()) != 1) {
      return Unusable(file, absl::StrCat("cannot be used: ", OpensslReason()));
    }
  }
  // At the end of the file, no further certificate begins.
  if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE) {
    return Unusable(
        file, absl::StrCat("has a damaged certificate behind its first one: ", OpensslReason()));
  }
  ERR_clear_error();
  return expiry;
}

absl::Status UseKey(SSL_CTX* context, const PemFile& file, const PemFile& certificate) {
  const absl::StatusOr<OpensslPtr<BIO>> bio = Open(file);
  if (!bio.ok()) return bio.status();
  bool has_passphrase = false;
  const OpensslPtr<EVP_PKEY> key(
      PEM_read_bio_PrivateKey(bio->get(), nullptr, RefusePassphrase, &has_passphrase));
  if (has_passphrase) {
    return Unusable(file,
                    "is protected by a passphrase, which the server cannot ask for: store it "
                    "without one, readable for the server only");
  }
  if (key == nullptr) {
    return Unusable(file,
                    "holds no private key in PEM form, with a line -----BEGIN PRIVATE KEY-----");
  }
  if (SSL_CTX_use_PrivateKey(context, key.get()) != 1 || SSL_CTX_check_private_key(context) != 1) {
    return Unusable(file, absl::StrCat("is not the key of the certificate in '", certificate.path,
                                       "' (option ", certificate.option, "): ", OpensslReason()));
  }
  return absl::OkStatus();
}

// The only supported protocol. A client that offers only others learns so at once.
int ChooseProtocol(SSL*, const unsigned char** chosen, unsigned char* chosen_size,
                   const unsigned char* offered, unsigned int offered_size, void*) {
  static constexpr unsigned char kProtocols[] = "\x08http/1.1";
  unsigned char* match = nullptr;
  if (SSL_select_next_proto(&match, chosen_size, kProtocols, sizeof(kProtocols) - 1, offered,
                            offered_size) != OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  }
  *chosen = match;
  return SSL_TLSEXT_ERR_OK;
}

}  // namespace

absl::StatusOr<std::unique_ptr<TlsCredentials>> TlsCredentials::Load(std::string certificate_path,
                                                                     std::string key_path) {
  std::unique_ptr<TlsCredentials> credentials(
      new TlsCredentials(std::move(certificate_path), std::move(key_path)));
  if (const absl::Status status = credentials->Reload(); !status.ok()) return status;
  return credentials;
}

absl::StatusOr<TlsCredentials::Loaded> TlsCredentials::ReadFiles() const {
  Loaded loaded{OpensslPtr<SSL_CTX>(SSL_CTX_new(TLS_server_method())), absl::Time()};
  SSL_CTX* const context = loaded.context.get();
  if (context == nullptr || SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1) {
    return absl::ResourceExhaustedError(absl::StrCat("cannot prepare TLS: ", OpensslReason()));
  }
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  // A repeated write continues where the last one stopped, at any address of its bytes; a
  // connection without pending bytes has no buffers.
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                SSL_MODE_RELEASE_BUFFERS);
  // Clients resume sessions by tickets, which they keep; the server keeps none.
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_alpn_select_cb(context, ChooseProtocol, nullptr);

  const PemFile certificate{"tls-cert", certificate_path_};
  const PemFile key{"tls-key", key_path_};
  const absl::StatusOr<absl::Time> expiry = UseCertificates(context, certificate);
  if (!expiry.ok()) return expiry.status();
  if (const absl::Status status = UseKey(context, key, certificate); !status.ok()) return status;
  loaded.expiry = *expiry;
  return loaded;
}

absl::Status TlsCredentials::Reload() {
  absl::StatusOr<Loaded> loaded = ReadFiles();
  if (!loaded.ok()) return loaded.status();
  const std::lock_guard lock(mutex_);
  std::swap(loaded_, *loaded);
  return absl::OkStatus();
}

std::unique_ptr<TlsSession> TlsCredentials::BeginSession(int socket) const {
  const std::lock_guard lock(mutex_);
  return TlsSession::Begin(loaded_.context.get(), socket);
}

absl::Time TlsCredentials::expiry() const {
  const std::lock_guard lock(mutex_);
  return loaded_.expiry;
}

}  // namespace tcsync::listener
