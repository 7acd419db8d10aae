// The bytes of one connection: its socket, with TLS over it where that is in use.
#ifndef TCSYNC_SRC_LISTENER_TRANSPORT_H_
#define TCSYNC_SRC_LISTENER_TRANSPORT_H_

#include <boost/system/error_code.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "absl/strings/string_view.h"
#include "listener/accepted.h"
#include "listener/tls_credentials.h"
#include "listener/tls_session.h"

namespace tcsync::listener {

// One thread. Nothing blocks. A client that has sent nothing has no TLS session yet.
class Transport {
 public:
  using error_code = boost::system::error_code;

  // `credentials`: nullptr for plain HTTP; borrowed.
  Transport(StreamSocket socket, const TlsCredentials* credentials);

  enum class Handshake { kDone, kNeedsInput, kNeedsOutput, kIsPlain, kFailed };

  bool NeedsHandshake() const { return credentials_ != nullptr && !handshake_is_done_; }
  // Continues the handshake as far as the socket allows. kIsPlain: the client does not speak TLS,
  // and neither does the transport from then on.
  Handshake ContinueHandshake();
  bool HasSession() const { return tls_ != nullptr; }

  // As a socket's read_some and write_some. A write sends the beginning of `first` and `second`
  // together; one that would block must be repeated with bytes that begin with the same ones.
  size_t Receive(char* out, size_t room, error_code& error);
  size_t Send(absl::string_view first, absl::string_view second, error_code& error);
  static bool WouldBlock(const error_code& error);

  // Calls handler(error_code) once there is input, or room for output.
  template <typename Handler>
  void AwaitInput(Handler handler) {
    socket_.async_wait(StreamSocket::wait_read, std::move(handler));
  }
  template <typename Handler>
  void AwaitRoom(Handler handler) {
    socket_.async_wait(StreamSocket::wait_write, std::move(handler));
  }

  // Whether the client has sent bytes that Receive has not returned.
  bool HasUnreadInput() const;
  // Whether these are the beginning of a TLS record, which cannot be read before its rest.
  bool HasPartialRecord() const { return tls_ != nullptr && tls_->HasPartialInput(); }

  // The memory of the TLS session, and of the kernel.
  size_t SessionBytes() const;
  int64_t KernelBytes();

  // Tells the client that nothing follows, and ends TLS: what it still sends is received as it is.
  void EndOutput();

  // `announces_end`: tells a client with TLS that nothing follows. Not after a part of an answer,
  // which would then look complete.
  void Close(bool announces_end);

 private:
  StreamSocket socket_;
  const TlsCredentials* credentials_;
  std::unique_ptr<TlsSession> tls_;  // from the client's first byte on
  bool handshake_is_done_ = false;
};

}  // namespace tcsync::listener

#endif  // TCSYNC_SRC_LISTENER_TRANSPORT_H_
