// A raw-socket HTTP/1.1 client for the protocol suite, with TLS where a test wants it. It sends
// exactly a test's bytes, whole or in pieces, valid or not, and reads answers one at a time, so
// that a test sees the facts that a library's client would hide: the time of an answer, its
// framing, and the end of the connection.
//
// Nothing here waits without a deadline, and the deadline (kDeadlineSeconds) only makes a hanging
// server fail a test instead of hanging it.
#ifndef TCSYNC_TESTS_CONFORMANCE_HTTP_CLIENT_H_
#define TCSYNC_TESTS_CONFORMANCE_HTTP_CLIENT_H_

#include <openssl/ssl.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace tcsync::conformance {

// For one operation of the client. Generous: a sanitizer on a loaded machine is slow.
inline constexpr int kDeadlineSeconds = 30;

using HeaderList = std::vector<std::pair<std::string, std::string>>;

struct HttpRequest {
  std::string method = "GET";
  std::string target = "/";
  HeaderList headers;
  std::string body;

  // The message as it goes over the wire: with Host, and with Content-Length if there is a body or
  // the method is one that has one, unless `headers` say otherwise (Content-Length or
  // Transfer-Encoding).
  std::string Serialize() const;
};

struct HttpResponse {
  // 0 without a response; `problem` then gives the reason.
  int status = 0;
  std::string problem;

  std::string version;  // "HTTP/1.1"
  HeaderList headers;   // names as received
  std::string body;

  // The value of the first field with that name, in any case; empty when there is none.
  std::string Header(absl::string_view name) const;
  int HeaderCount(absl::string_view name) const;
  bool Has(absl::string_view name) const { return HeaderCount(name) > 0; }
  // Whether the server announced that it closes the connection after this response.
  bool SaysClose() const;
};

// For the messages of failed tests: the head, and the beginning of the body.
std::ostream& operator<<(std::ostream& out, const HttpResponse& response);

// The client's start of TLS. It accepts any certificate: clients' own tests cover their
// verification.
struct TlsStart {
  int version_max = TLS1_3_VERSION;
  std::string protocols = "\x08http/1.1";  // in ALPN's form; empty for none
  size_t piece_bytes = SIZE_MAX;           // the size of the pieces in which it sends
};

// One connection. Move-only; one thread at a time.
class HttpClient {
 public:
  // Not connected.
  HttpClient() = default;
  // Connects to `address`, one of Listener::addresses(): "http://127.0.0.1:8080/some/path", the
  // same with https, or "unix:/some/path". connected() says whether that worked, and the TLS
  // handshake after it. `receive_buffer_bytes`, if not 0, makes the kernel keep so little for a
  // client that does not read.
  explicit HttpClient(absl::string_view address, int receive_buffer_bytes = 0);
  HttpClient(HttpClient&& other) noexcept;
  HttpClient& operator=(HttpClient&& other) noexcept;
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;
  ~HttpClient();

  bool connected() const { return socket_ >= 0; }

  // Starts TLS on a connection to an http:// address; false when the server refuses or hangs up.
  bool StartTls(const TlsStart& start = {});
  // Its first step alone, which sends the ClientHello, and the rest.
  bool SendClientHello(const TlsStart& start = {});
  bool FinishHandshake();
  // Beneath TLS: bytes outside its records, and whether the connection is closed.
  bool SendUnencrypted(absl::string_view bytes) { return SendRaw(bytes); }
  bool ClosedRawWithin(absl::Duration wait);

  // After the handshake: "TLSv1.3", the protocol by ALPN, and the server's certificate.
  std::string tls_version() const { return SSL_get_version(ssl_.get()); }
  std::string tls_protocol() const;
  const X509* certificate() const { return certificate_.get(); }
  // Whether the server has announced, within TLS, that nothing follows.
  bool got_close_notify() const { return got_close_notify_; }

  // Sends all of `bytes`, reading nothing. False when the server closed the connection or, while it
  // takes no more bytes, has already answered.
  bool Send(absl::string_view bytes);

  // The same in pieces of `piece_bytes`, each given to the network by itself.
  bool SendInPieces(absl::string_view bytes, size_t piece_bytes);

  // Sends all of `bytes` without a look at what the server has sent, as a client does that writes
  // to the end before it reads. Not with TLS. False when the connection is reset, or at the
  // deadline.
  bool SendBlindly(absl::string_view bytes);

  // Sends all of `bytes` and reads meanwhile; ReadResponse finds the input.
  bool SendWhileReading(absl::string_view bytes);

  // Reads one response, an interim one (1xx) as well, and checks the rules for every response:
  // one Cache-Control: no-store, max-age=0 and one Content-Length; a violation is added to the
  // test's failures. `method` is that of the request: an answer to HEAD has no body.
  HttpResponse ReadResponse(absl::string_view method = "GET");

  // Sends the request and reads its final response. The server may answer before it has all.
  HttpResponse Exchange(const HttpRequest& request);

  // Waits until there is something to read, and does not read it.
  bool WaitForAnswer();

  // Reads until the server closes the connection, orderly or not: the bytes before that. nullopt
  // when it did not close it by the deadline.
  std::optional<std::string> ReadUntilClosed();

  // Whether the server has closed the connection, or does within `wait`. Reads the input.
  bool ClosedWithin(absl::Duration wait);

  // Announces the end of the input, as a half-closed TCP connection does.
  void ShutdownWrite();
  // Closes the connection; `abort`: with a reset, as a process that crashes may.
  void Close(bool abort = false);

 private:
  enum class ReadResult { kData, kClosed, kReset, kDeadline };
  ReadResult ReadMore(absl::Time deadline);
  ReadResult ReadMoreRaw(absl::Time deadline, std::string& buffer);
  bool SendRaw(absl::string_view bytes);
  // Until one of poll's `events` other than POLLOUT happens.
  bool SendRaw(absl::string_view bytes, short events);
  // TLS's messages to the server.
  std::string TakeTlsOutput();
  bool SendTlsOutput();
  HttpResponse TakeResponse(absl::string_view method);
  // Received, but not yet taken by ReadResponse.
  absl::string_view Unread() const { return absl::string_view(buffer_).substr(taken_); }

  struct OpensslFree {
    void operator()(SSL* ssl) const { SSL_free(ssl); }
    void operator()(X509* certificate) const { X509_free(certificate); }
  };

  int socket_ = -1;
  std::unique_ptr<SSL, OpensslFree> ssl_;  // over memory; nullptr without TLS
  std::unique_ptr<X509, OpensslFree> certificate_;
  size_t tls_piece_bytes_ = SIZE_MAX;
  bool got_close_notify_ = false;
  std::string buffer_;
  size_t taken_ = 0;
};

}  // namespace tcsync::conformance

#endif  // TCSYNC_TESTS_CONFORMANCE_HTTP_CLIENT_H_
