#include "listener/transport.h"

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>

#include "absl/strings/ascii.h"
#include "base/limits.h"
#include "listener/kernel_bytes.h"

namespace tcsync::listener {

Transport::Transport(StreamSocket socket, const TlsCredentials* credentials)
    : socket_(std::move(socket)), credentials_(credentials) {
  error_code ignored;
  socket_.non_blocking(true, ignored);
}

bool Transport::WouldBlock(const error_code& error) {
  return error == boost::asio::error::would_block || error == boost::asio::error::try_again;
}

Transport::Handshake Transport::ContinueHandshake() {
  if (tls_ == nullptr) {
    char first = 0;
    error_code error;
    socket_.receive(boost::asio::buffer(&first, 1), StreamSocket::message_peek, error);
    if (WouldBlock(error)) return Handshake::kNeedsInput;
    if (error) return Handshake::kFailed;
    // No TLS handshake begins with a letter, and every HTTP method does.
    if (absl::ascii_isupper(first)) {
      credentials_ = nullptr;
      return Handshake::kIsPlain;
    }
    tls_ = credentials_->BeginSession(socket_.native_handle());
    if (tls_ == nullptr) return Handshake::kFailed;
  }
  switch (tls_->ContinueHandshake()) {
    case TlsSession::Handshake::kDone:
      handshake_is_done_ = true;
      return Handshake::kDone;
    case TlsSession::Handshake::kNeedsInput:
      return Handshake::kNeedsInput;
    case TlsSession::Handshake::kNeedsOutput:
      return Handshake::kNeedsOutput;
    case TlsSession::Handshake::kFailed:
      break;
  }
  return Handshake::kFailed;
}

size_t Transport::Receive(char* out, size_t room, error_code& error) {
  if (tls_ == nullptr) return socket_.read_some(boost::asio::buffer(out, room), error);
  size_t received = 0;
  size_t record = 0;
  // A record that is not full is usually the last one for now.
  do {
    record = tls_->Read(out + received, room - received, error);
    received += record;
  } while (record == TlsSession::kRecordBytesMax && room - received >= TlsSession::kRecordBytesMax);
  if (received > 0) error = {};  // any error will occur again
  return received;
}

size_t Transport::Send(absl::string_view first, absl::string_view second, error_code& error) {
  if (tls_ != nullptr) return tls_->Write(first.empty() ? second : first, error);
  const std::array<boost::asio::const_buffer, 2> buffers = {
      boost::asio::buffer(first.data(), first.size()),
      boost::asio::buffer(second.data(), second.size())};
  return socket_.write_some(buffers, error);
}

bool Transport::HasUnreadInput() const {
  error_code ignored;
  return socket_.available(ignored) > 0 || HasPartialRecord();
}

size_t Transport::SessionBytes() const {
  if (tls_ == nullptr) return 0;
  return handshake_is_done_ ? base::kTlsSessionBytes : base::kTlsHandshakeBytes;
}

int64_t Transport::KernelBytes() { return BytesInKernel(socket_.native_handle()); }

void Transport::EndOutput() {
  if (tls_ != nullptr) tls_->SendCloseNotify();
  tls_.reset();
  error_code ignored;
  socket_.shutdown(StreamSocket::shutdown_send, ignored);
}

void Transport::Close(bool announces_end) {
  if (tls_ != nullptr && announces_end) tls_->SendCloseNotify();
  error_code ignored;
  socket_.close(ignored);
}

}  // namespace tcsync::listener
