// The life of a request: written at once if it fits, read until complete, sent again once if lost.
#include "load/http_connection.h"

#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <cerrno>

#include "absl/strings/str_cat.h"

namespace tcsync::load {

namespace asio = boost::asio;
using boost::system::error_code;

HttpConnection::HttpConnection(asio::io_context& io, const asio::ip::tcp::endpoint& endpoint,
                               ConnectionUse use, size_t body_bytes_max, Handler* handler)
    : socket_(io), endpoint_(endpoint), use_(use), handler_(handler), reader_(body_bytes_max) {}

void HttpConnection::Connect() { Open(); }

void HttpConnection::Send(const Request& request) {
  request_ = request;
  request_bytes_ = 0;
  for (const absl::string_view part : request_.parts) request_bytes_ += part.size();
  outstanding_ = true;
  resent_ = false;
  written_ = 0;
  reader_.Reset();
  if (socket_.is_open()) {
    Write();
  } else {
    if (use_ == ConnectionUse::kKept) ++reconnects_;
    Open();
  }
}

void HttpConnection::Abandon() {
  outstanding_ = false;
  Close();
}

void HttpConnection::Open() {
  if (use_ == ConnectionUse::kPerRequest) return OpenAndWrite();
  socket_.async_connect(endpoint_, [this](const error_code& error) { OnOpened(error); });
}

void HttpConnection::OnOpened(const error_code& error) {
  if (error == asio::error::operation_aborted) return;
  if (error) return Fail(absl::StrCat("cannot connect: ", error.message()));
  error_code ignored;  // Without these two it is slower, not wrong.
  socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
  socket_.non_blocking(true, ignored);
  if (outstanding_) {
    Write();
  } else {
    handler_->OnConnected();
  }
}

// Over loopback a connection exists when connect returns, though it says "in progress". The request
// is written at once, so that a load program that is late with its events does not look, to the
// server, like a client that connects and sends nothing.
void HttpConnection::OpenAndWrite() {
  error_code error;
  socket_.open(endpoint_.protocol(), error);
  if (!error) socket_.set_option(asio::socket_base::linger(true, 0), error);
  if (!error) socket_.non_blocking(true, error);
  if (!error && connect(socket_.native_handle(), endpoint_.data(),
                        static_cast<socklen_t>(endpoint_.size())) != 0) {
    error.assign(errno, boost::system::system_category());
  }
  if (!error || error == asio::error::in_progress) return Write();
  // Not from here: its handler may send the next request, and that one the next.
  asio::post(socket_.get_executor(), [this, error] {
    if (!outstanding_) return;
    if (error == asio::error::connection_refused) return FailLost("", error);
    Fail(absl::StrCat("cannot connect: ", error.message()));
  });
}

// Nearly every request fits into the socket's buffer, so it is written at once, and only a full
// buffer makes it wait for the event loop.
void HttpConnection::Write() {
  error_code error;
  while (written_ < request_bytes_) {
    written_ += socket_.write_some(Unwritten(), error);
    if (error == asio::error::would_block || error == asio::error::try_again ||
        error == asio::error::not_connected) {  // not yet: only for one that is being opened
      socket_.async_wait(asio::ip::tcp::socket::wait_write, [this](const error_code& wait_error) {
        if (wait_error == asio::error::operation_aborted || !outstanding_) return;
        Write();
      });
      return;
    }
    // A server that refuses a body may answer before it has read it, and close. Its answer may be
    // readable although writing fails; if it is not, Read finds that out.
    if (error) break;
  }
  Read();
}

std::array<asio::const_buffer, 3> HttpConnection::Unwritten() const {
  std::array<asio::const_buffer, 3> buffers;
  size_t skip = written_;
  for (size_t i = 0; i < buffers.size(); ++i) {
    const absl::string_view part = request_.parts[i];
    const size_t skip_here = std::min(skip, part.size());
    skip -= skip_here;
    buffers[i] = asio::const_buffer(part.data() + skip_here, part.size() - skip_here);
  }
  return buffers;
}

void HttpConnection::Read() {
  const absl::Span<char> space = reader_.Space();
  socket_.async_read_some(
      asio::mutable_buffer(space.data(), space.size()),
      HandlerWithMemory(&read_memory_,
                        [this](const error_code& error, size_t bytes) { OnRead(error, bytes); }));
}

void HttpConnection::OnRead(const error_code& error, size_t bytes) {
  if (error == asio::error::operation_aborted || !outstanding_) return;
  if (error) return FailLost(reader_.started() ? "in the middle of a response" : "", error);
  switch (reader_.Advance(bytes)) {
    case ResponseReader::State::kIncomplete:
      return Read();
    case ResponseReader::State::kMalformed:
      return Fail(absl::StrCat("not a proper HTTP response: ", reader_.fault()));
    case ResponseReader::State::kComplete:
      break;
  }
  // A server may send 408 to an idle connection before it closes it. That is not the answer to the
  // request that crossed it on the way (RFC 9110, section 15.5.9).
  if (use_ == ConnectionUse::kKept && reader_.response().status == 408 &&
      !reader_.response().keep_alive && !resent_) {
    return SendAgain();
  }
  outstanding_ = false;
  if (use_ == ConnectionUse::kPerRequest || !reader_.response().keep_alive ||
      written_ < request_bytes_) {
    Close();
  }
  handler_->OnResponse(reader_.response(), resent_);
}

void HttpConnection::Close() {
  error_code ignored;
  socket_.close(ignored);
}

void HttpConnection::FailLost(absl::string_view moment, const error_code& error) {
  // Half a response is no idle connection that timed out; sending again would hide it.
  if (resent_ || reader_.started()) {
    return Fail(absl::StrCat("connection lost ", moment, moment.empty() ? "" : " ", "(",
                             error.message(), ")", resent_ ? ", twice in a row" : ""));
  }
  if (use_ == ConnectionUse::kKept) return SendAgain();
  outstanding_ = false;
  Close();
  handler_->OnLost();
}

void HttpConnection::SendAgain() {
  Close();
  resent_ = true;
  ++reconnects_;
  written_ = 0;
  reader_.Reset();
  Open();
}

void HttpConnection::Fail(absl::string_view reason) {
  outstanding_ = false;
  Close();
  handler_->OnFailure(reason);
}

}  // namespace tcsync::load
