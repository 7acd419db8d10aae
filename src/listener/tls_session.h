// The server's side of TLS on one connection, over a non-blocking socket.
#ifndef TCSYNC_SRC_LISTENER_TLS_SESSION_H_
#define TCSYNC_SRC_LISTENER_TLS_SESSION_H_

#include <openssl/ssl.h>

#include <boost/system/error_code.hpp>
#include <cstddef>
#include <memory>

#include "absl/strings/string_view.h"

namespace tcsync::listener {

struct OpensslFree {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  void operator()(BIO* bio) const { BIO_free_all(bio); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
template <typename T>
using OpensslPtr = std::unique_ptr<T, OpensslFree>;

// One thread. Reads and writes the socket itself, without a buffer of its own in between: between
// requests it owns none.
class TlsSession {
 public:
  using error_code = boost::system::error_code;

  enum class Handshake { kDone, kNeedsInput, kNeedsOutput, kFailed };

  // nullptr when memory ran out. `socket` is borrowed.
  static std::unique_ptr<TlsSession> Begin(SSL_CTX* context, int socket);

  // Continues the handshake as far as the socket allows.
  Handshake ContinueHandshake();

  // As a socket's read_some and write_some, after the handshake: the number of bytes, or an error,
  // which is would_block if the socket must first become readable (Read) or writable (Write). A
  // write that would block must be repeated with bytes that begin with the same ones. Read should
  // have room for at least kRecordBytesMax: then no decrypted bytes stay behind.
  size_t Read(char* out, size_t room, error_code& error);
  size_t Write(absl::string_view bytes, error_code& error);

  // Whether a part of a record was received and the rest is missing.
  bool HasPartialInput() const { return SSL_has_pending(ssl_.get()) == 1; }

  // Tells the client that nothing follows, if the socket takes that at once. Not while a write must
  // be repeated.
  void SendCloseNotify();

  static constexpr size_t kRecordBytesMax = SSL3_RT_MAX_PLAIN_LENGTH;

 private:
  explicit TlsSession(OpensslPtr<SSL> ssl) : ssl_(std::move(ssl)) {}

  OpensslPtr<SSL> ssl_;
  bool is_broken_ = false;  // after an error, OpenSSL may not be used any more
};

}  // namespace tcsync::listener

#endif  // TCSYNC_SRC_LISTENER_TLS_SESSION_H_
