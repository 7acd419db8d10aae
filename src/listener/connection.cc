#include "listener/connection.h"

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/limits.h"
#include "listener/event_loop.h"

namespace tcsync {
namespace {

using boost::system::error_code;

// A buffer that a usual response fits in is kept for the next one.
constexpr size_t kKeptOutputBytesMax = 1024;

constexpr Connection::Instant kNever = Connection::Instant::max();

Connection::Instant Now() { return std::chrono::steady_clock::now(); }

bool WouldBlock(const error_code& error) {
  return error == boost::asio::error::would_block || error == boost::asio::error::try_again;
}

}  // namespace

Connection::Connection(EventLoop& loop, uint64_t id, StreamSocket socket)
    : loop_(loop),
      id_(id),
      socket_(std::move(socket)),
      state_deadline_(kNever),
      request_deadline_(kNever),
      send_deadline_(kNever) {
  error_code ignored;
  socket_.non_blocking(true, ignored);
  state_deadline_ =
      Now() + std::min(std::chrono::milliseconds(kFirstRequestWaitMs), loop_.timeouts().idle);
}

void Connection::SetState(State state) {
  if (state == state_) return;
  if (state_ == State::kIdle) loop_.LeaveIdle(*this);
  state_ = state;
  switch (state) {
    case State::kIdle:
      loop_.EnterIdle(*this);
      state_deadline_ = Now() + loop_.timeouts().idle;
      break;
    case State::kHead:
      state_deadline_ = Now() + loop_.timeouts().header;
      break;
    case State::kBody:
      state_deadline_ = Now() + loop_.timeouts().body;
      break;
    case State::kLingering:
      state_deadline_ = Now() + std::chrono::milliseconds(kLingerTimeoutMs);
      request_deadline_ = kNever;
      break;
    case State::kNew:
    case State::kAnswering:
    case State::kSending:
    case State::kClosed:
      state_deadline_ = kNever;
      break;
  }
}

void Connection::Start() { WaitForInput(); }

void Connection::TurnAway(http::Response response) {
  turned_away_ = true;
  SetState(State::kAnswering);
  QueueResponse(std::move(response), false);
  lingers_after_send_ = true;
  Flush();
}

bool Connection::HasUnreadInput() const {
  error_code ignored;
  return socket_.available(ignored) > 0;
}

// Input

void Connection::WaitForInput() {
  if (ends_after_request_ && IsBetweenRequests() && !HasUnreadInput()) return Close();
  if (input_waits_) return;
  input_waits_ = true;
  socket_.async_wait(StreamSocket::wait_read, [self = shared_from_this()](error_code error) {
    self->input_waits_ = false;
    if (self->state_ == State::kClosed) return;
    if (error) return self->Close();
    self->OnReadable();
  });
}

void Connection::OnReadable() {
  std::vector<char>& buffer = loop_.read_buffer();
  error_code error;
  const size_t size = socket_.read_some(boost::asio::buffer(buffer), error);
  if (WouldBlock(error)) return WaitForInput();
  if (error) return Close();  // also at the end of what the client sends: nothing is in flight here
  if (state_ == State::kLingering) return WaitForInput();
  OnInput({buffer.data(), size});
}

void Connection::OnInput(absl::string_view bytes) {
  if (input_.empty()) {
    const size_t used = ParseRequests(bytes);
    input_.assign(bytes.data() + used, bytes.size() - used);
  } else {
    input_.append(bytes.data(), bytes.size());
    input_.erase(0, ParseRequests(input_));
  }
  if (input_.empty()) std::string().swap(input_);
  if (!Flush()) return;
  if (IsReceiving()) WaitForInput();
}

void Connection::Continue() {
  if (!input_.empty() && IsReceiving()) {
    input_.erase(0, ParseRequests(input_));
    if (input_.empty()) std::string().swap(input_);
    if (!Flush()) return;
  }
  if (IsReceiving()) WaitForInput();
}

size_t Connection::ParseRequests(absl::string_view bytes) {
  size_t used = 0;
  while (IsReceiving() && !ends_after_send_ && !send_waits_) {
    if (!parser_) {
      // Empty lines before a request are to be ignored (RFC 9112, section 2.2).
      while (used < bytes.size() && (bytes[used] == '\r' || bytes[used] == '\n')) ++used;
      if (used == bytes.size()) break;
      BeginRequest();
    }
    const size_t step = parser_->Parse(bytes.substr(used));
    used += step;
    if (!parser_->Ready()) {
      if (step > 0 && state_ == State::kBody) state_deadline_ = Now() + loop_.timeouts().body;
      OnPartialRequest();
      break;
    }
    FinishRequest();
  }
  return used;
}

void Connection::BeginRequest() {
  SetState(State::kHead);
  request_deadline_ = Now() + loop_.timeouts().request;
  parser_.emplace(loop_.handler(), loop_.head_scratch());
}

void Connection::OnPartialRequest() {
  if (parser_->HeadDone()) SetState(State::kBody);
  if (parser_->TakeExpectContinue()) absl::StrAppend(&output_, "HTTP/1.1 100 Continue\r\n\r\n");
}

void Connection::FinishRequest() {
  SetState(State::kAnswering);
  finishing_request_ = true;
  parser_->Finish(loop_.ResponseCallbackFor(id_));
  finishing_request_ = false;
  if (!immediate_response_) return;
  http::Response response = std::move(*immediate_response_);
  immediate_response_.reset();
  QueueResponse(std::move(response), parser_->CanKeepAlive());
}

void Connection::OnResponse(http::Response response) {
  if (state_ != State::kAnswering) return;
  if (finishing_request_) {
    // FinishRequest goes on with it, and ParseRequests with the next request, without recursion.
    immediate_response_ = std::move(response);
    return;
  }
  QueueResponse(std::move(response), parser_->CanKeepAlive());
  if (Flush()) Continue();
}

// Output

void Connection::QueueResponse(http::Response response, bool keep_alive) {
  keep_alive = keep_alive && !ends_after_request_;
  const bool is_http10 = parser_ && parser_->IsHttp10();
  const ConnectionHeader connection = !keep_alive ? ConnectionHeader::kClose
                                      : is_http10 ? ConnectionHeader::kKeepAlive
                                                  : ConnectionHeader::kNone;
  AppendResponseHead(response, loop_.date(), connection, output_);
  if (parser_ && parser_->IsHeadMethod()) response.body.clear();
  if (response.body.size() < kSeparateBodyBytesMin) {
    output_.append(response.body);
  } else {
    separate_body_ = std::move(response);
  }
  if (!keep_alive) {
    ends_after_send_ = true;
    // The client may still be sending what was not read.
    lingers_after_send_ = !parser_ || !parser_->CanKeepAlive();
  }
  parser_.reset();
  // The client's next request may be in the input already; a large body goes out before it.
  if (!ends_after_send_) SetState(State::kIdle);
  if (!separate_body_.body.empty() || output_.size() >= kGatheredResponseBytesMax) Flush();
}

bool Connection::Flush() {
  if (state_ == State::kClosed || send_waits_) return false;
  while (output_sent_ < output_.size() || separate_body_sent_ < separate_body_.body.size()) {
    const std::array<boost::asio::const_buffer, 2> buffers = {
        boost::asio::buffer(output_) + output_sent_,
        boost::asio::buffer(separate_body_.body) + separate_body_sent_};
    error_code error;
    const size_t sent = socket_.write_some(buffers, error);
    if (WouldBlock(error)) {
      send_waits_ = true;
      send_deadline_ = Now() + loop_.timeouts().body;
      if (state_ == State::kIdle) SetState(State::kSending);
      socket_.async_wait(StreamSocket::wait_write, [self = shared_from_this()](error_code failed) {
        self->send_waits_ = false;
        self->send_deadline_ = kNever;
        if (self->state_ == State::kClosed) return;
        if (failed) return self->Close();
        if (self->Flush()) self->Continue();
      });
      return false;
    }
    if (error) {
      Close();
      return false;
    }
    const size_t of_output = std::min(sent, output_.size() - output_sent_);
    output_sent_ += of_output;
    separate_body_sent_ += sent - of_output;
  }
  OnAllSent();
  return state_ != State::kClosed && state_ != State::kLingering;
}

void Connection::OnAllSent() {
  output_.clear();
  output_sent_ = 0;
  if (output_.capacity() > kKeptOutputBytesMax) std::string().swap(output_);
  if (separate_body_sent_ > 0) separate_body_ = http::Response();
  separate_body_sent_ = 0;
  if (state_ == State::kSending) SetState(State::kIdle);
  if (!ends_after_send_) return;
  if (lingers_after_send_) return Linger();
  Close();
}

void Connection::Linger() {
  if (state_ == State::kLingering) return;
  SetState(State::kLingering);
  std::string().swap(input_);
  error_code ignored;
  socket_.shutdown(StreamSocket::shutdown_send, ignored);
  WaitForInput();
}

// The end

void Connection::CheckDeadlines(Instant now) {
  const Instant request_deadline = state_ == State::kIdle ? kNever : request_deadline_;
  if (now < std::min({state_deadline_, request_deadline, send_deadline_})) return;
  if (state_ == State::kNew) return SetState(State::kIdle);
  if ((state_ != State::kHead && state_ != State::kBody) || send_waits_) return Close();
  SetState(State::kAnswering);
  QueueResponse(http::TextResponse(408, "The request did not arrive in time."), false);
  lingers_after_send_ = true;
  Flush();
}

void Connection::EndAfterRequest() {
  ends_after_request_ = true;
  // A request that has arrived is read and answered, even if the loop has not come to it yet.
  if (IsBetweenRequests() && !HasUnreadInput()) Close();
}

void Connection::Close() {
  if (state_ == State::kClosed) return;
  SetState(State::kClosed);
  parser_.reset();
  error_code ignored;
  socket_.close(ignored);
  loop_.Forget(*this);
}

}  // namespace tcsync
