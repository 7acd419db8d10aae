#include "listener/tls_session.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/error.hpp>
#include <cerrno>
#include <climits>
#include <cstdint>
#include <utility>

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0  // macOS has SO_NOSIGPIPE instead, which Asio sets
#endif

namespace tcsync::listener {
namespace {

// A socket like OpenSSL's own socket BIO, except that writing to a connection that the client has
// closed is an error, not a signal that ends the program.

int SocketOf(BIO* bio) {
  return static_cast<int>(reinterpret_cast<std::intptr_t>(BIO_get_data(bio)));
}

bool IsTemporary(int error) { return error == EAGAIN || error == EWOULDBLOCK || error == EINTR; }

int WriteToSocket(BIO* bio, const char* bytes, int size) {
  BIO_clear_retry_flags(bio);
  const ssize_t sent = send(SocketOf(bio), bytes, static_cast<size_t>(size), MSG_NOSIGNAL);
  if (sent < 0 && IsTemporary(errno)) BIO_set_retry_write(bio);
  return static_cast<int>(sent);
}

int ReadFromSocket(BIO* bio, char* out, int room) {
  BIO_clear_retry_flags(bio);
  const ssize_t received = recv(SocketOf(bio), out, static_cast<size_t>(room), 0);
  if (received < 0 && IsTemporary(errno)) BIO_set_retry_read(bio);
  return static_cast<int>(received);
}

long Control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

const BIO_METHOD* SocketMethod() {
  static const BIO_METHOD* const method = [] {
    BIO_METHOD* const made =
        BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "tcsync socket");
    if (made == nullptr) return made;
    BIO_meth_set_write(made, WriteToSocket);
    BIO_meth_set_read(made, ReadFromSocket);
    BIO_meth_set_ctrl(made, Control);
    return made;
  }();
  return method;
}

}  // namespace

std::unique_ptr<TlsSession> TlsSession::Begin(SSL_CTX* context, int socket) {
  OpensslPtr<SSL> ssl(SSL_new(context));
  OpensslPtr<BIO> bio(SocketMethod() == nullptr ? nullptr : BIO_new(SocketMethod()));
  if (ssl == nullptr || bio == nullptr) {
    ERR_clear_error();
    return nullptr;
  }
  BIO_set_data(bio.get(), reinterpret_cast<void*>(static_cast<std::intptr_t>(socket)));
  BIO_set_init(bio.get(), 1);
  BIO* const owned = bio.release();
  SSL_set_bio(ssl.get(), owned, owned);
  SSL_set_accept_state(ssl.get());
  return std::unique_ptr<TlsSession>(new TlsSession(std::move(ssl)));
}

TlsSession::Handshake TlsSession::ContinueHandshake() {
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl_.get());
  if (result == 1) return Handshake::kDone;
  const int reason = SSL_get_error(ssl_.get(), result);
  ERR_clear_error();
  if (reason == SSL_ERROR_WANT_READ) return Handshake::kNeedsInput;
  if (reason == SSL_ERROR_WANT_WRITE) return Handshake::kNeedsOutput;
  is_broken_ = true;
  return Handshake::kFailed;
}

size_t TlsSession::Read(char* out, size_t room, error_code& error) {
  if (is_broken_) {
    error = boost::asio::error::connection_aborted;
    return 0;
  }
  error = {};
  ERR_clear_error();
  size_t received = 0;
  const int result = SSL_read_ex(ssl_.get(), out, room, &received);
  if (result == 1) return received;
  const int reason = SSL_get_error(ssl_.get(), result);
  ERR_clear_error();
  if (reason == SSL_ERROR_WANT_READ) {
    error = boost::asio::error::would_block;
  } else if (reason == SSL_ERROR_ZERO_RETURN) {
    error = boost::asio::error::eof;
  } else {
    // Also if OpenSSL has to answer and the socket is full: a client that causes answers and does
    // not read them is hostile.
    is_broken_ = true;
    error = boost::asio::error::connection_aborted;
  }
  return 0;
}

size_t TlsSession::Write(absl::string_view bytes, error_code& error) {
  error = {};
  ERR_clear_error();
  size_t sent = 0;
  const int result = SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &sent);
  if (result == 1) return sent;
  const int reason = SSL_get_error(ssl_.get(), result);
  ERR_clear_error();
  if (reason == SSL_ERROR_WANT_WRITE) {
    error = boost::asio::error::would_block;
  } else {
    is_broken_ = true;
    error = boost::asio::error::connection_aborted;
  }
  return 0;
}

void TlsSession::SendCloseNotify() {
  if (is_broken_ || SSL_is_init_finished(ssl_.get()) == 0) return;
  ERR_clear_error();
  SSL_shutdown(ssl_.get());
  ERR_clear_error();
}

}  // namespace tcsync::listener
