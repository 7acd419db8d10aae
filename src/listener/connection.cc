#include "listener/connection.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/limits.h"
#include "listener/event_loop.h"

namespace tcsync::listener {
namespace {

using boost::system::error_code;

constexpr Connection::Instant kNever = Connection::Instant::max();

// The extension of a deadline for so many moved bytes.
std::chrono::nanoseconds TimeBought(size_t bytes, int64_t bytes_per_second) {
  return static_cast<int64_t>(bytes) * std::chrono::nanoseconds{1'000'000'000} / bytes_per_second;
}

http::Response TooManyConnectionsResponse() {
  http::Response response = http::TextResponse(
      503, "The server has too many connections at the moment; try again shortly.");
  response.headers.push_back({"Retry-After", absl::StrCat(base::kRetryAfterSeconds)});
  return response;
}

}  // namespace

Connection::Connection(EventLoop& loop, uint64_t id, Accepted accepted)
    : loop_(loop),
      id_(id),
      transport_(std::move(accepted.socket), accepted.tls),
      peer_(accepted.peer),
      place_(this),
      touched_at_(loop.clock().now()),
      state_deadline_(FirstRequestDeadline()),
      request_deadline_(kNever),
      send_deadline_(kNever),
      peer_network_(accepted.network),
      trusted_proxies_(accepted.trusted_proxies) {}

Connection::Instant Connection::FirstRequestDeadline() const {
  return loop_.clock().now() +
         std::min(std::chrono::milliseconds(base::kFirstRequestWaitMs), loop_.timeouts().idle);
}

void Connection::SetState(State state) {
  if (state == state_) return;
  if (IsIdle()) loop_.shares().LeaveIdle(*this);
  state_ = state;
  Touch();
  if (IsIdle()) loop_.shares().EnterIdle(*this);
  switch (state) {
    case State::kIdle:
      state_deadline_ = touched_at_ + loop_.timeouts().idle;
      break;
    case State::kHandshake:
    case State::kHead:
      state_deadline_ = touched_at_ + loop_.timeouts().header;
      break;
    case State::kBody:
      state_deadline_ = touched_at_ + loop_.timeouts().body;
      break;
    case State::kLingering:
      state_deadline_ = touched_at_ + base::kLingerQuiet;
      request_deadline_ = touched_at_ + (turned_away_ ? base::kLingerQuiet : base::kLingerTimeout);
      break;
    case State::kNew:
      state_deadline_ = FirstRequestDeadline();
      break;
    case State::kAnswering:
    case State::kWaiting:  // the handler has its deadline
    case State::kSending:
    case State::kClosed:
      state_deadline_ = kNever;
      break;
  }
}

void Connection::Touch() {
  touched_at_ = loop_.clock().now();
  loop_.shares().Touch(*this);
}

bool Connection::WaitsForClient() const {
  if (place_.awaits_turn()) return false;
  switch (state_) {
    case State::kNew:
    case State::kHandshake:
    case State::kHead:
    case State::kLingering:
      return true;
    case State::kBody:
      return !is_paused_;
    default:
      return send_waits_;
  }
}

void Connection::TurnAway() {
  turned_away_ = true;
  if (transport_.NeedsHandshake()) return WaitForInput();
  AnswerAndEnd(TooManyConnectionsResponse());
}

// Memory

int64_t Connection::Bytes() const {
  const size_t bytes = base::kConnectionBytes + input_.capacity() + output_.spare_bytes() +
                       transport_.SessionBytes();
  return static_cast<int64_t>(bytes) + kernel_bytes_;
}

bool Connection::Settle() {
  const int64_t bytes = state_ == State::kClosed ? 0 : Bytes();
  if (bytes == place_.charged_bytes) return state_ != State::kClosed;
  loop_.shares().Charge(*place_.group, bytes - std::exchange(place_.charged_bytes, bytes));
  return state_ != State::kClosed;
}

// TLS

bool Connection::ContinueHandshake() {
  const Transport::Handshake step = transport_.ContinueHandshake();
  if (step == Transport::Handshake::kIsPlain) {
    AnswerAndEnd(http::TextResponse(
        400, "This port speaks TLS only: the server's URL must begin with https://."));
    return false;
  }
  if (step == Transport::Handshake::kFailed) {
    Close();
    return false;
  }
  if (step == Transport::Handshake::kDone) {
    SetState(State::kNew);
    if (!turned_away_) return Settle();
    AnswerAndEnd(TooManyConnectionsResponse());
    return false;
  }
  if (transport_.HasSession()) SetState(State::kHandshake);
  if (!Settle()) return false;
  if (step == Transport::Handshake::kNeedsInput) {
    WaitForInput();
    return false;
  }
  transport_.AwaitRoom([self = shared_from_this()](error_code failed) {
    if (self->state_ == State::kClosed) return;
    if (failed) return self->Close();
    self->OnReadable();
  });
  return false;
}

// Input

void Connection::WaitForInput() {
  if (ends_after_request_ && IsBetweenRequests() && !HasUnreadInput()) return Close();
  if (input_waits_) return;
  input_waits_ = true;
  transport_.AwaitInput([self = shared_from_this()](error_code error) {
    self->input_waits_ = false;
    if (self->state_ == State::kClosed) return;
    if (error) return self->Close();
    self->OnReadable();
  });
}

void Connection::OnReadable() {
  if (!loop_.shares().MayTakeTurn(*this)) return loop_.shares().AwaitTurn(*this);
  loop_.clock().Read();
  TakeTurn();
}

void Connection::TakeTurn() {
  if (state_ == State::kClosed) return;
  AddressGroup& group = *place_.group;
  const Instant begin = loop_.clock().now();
  requests_this_turn_ = 0;
  if (std::exchange(wants_turn_, false)) {
    Continue();
  } else {
    ReadInput();
  }
  loop_.shares().Spend(group, loop_.clock().Read() - begin);
}

void Connection::ReadInput() {
  std::vector<char>& buffer = loop_.read_buffer();
  if (state_ == State::kLingering) return Drop(buffer);
  if (transport_.NeedsHandshake() && !ContinueHandshake()) return;
  error_code error;
  // Heads are small. Input beyond a turn's requests would have to be kept.
  const size_t room = state_ == State::kBody ? buffer.size() : base::kHeadReadBytes;
  const size_t size = transport_.Receive(buffer.data(), room, error);
  if (Transport::WouldBlock(error)) {
    // A request has begun to arrive, though it cannot be read before its record is complete.
    if (IsBetweenRequests() && transport_.HasPartialRecord()) BeginHead();
    return WaitForInput();
  }
  // The client may have ended its input while its request waited, and read the answer that goes out
  // now; the next read finds the end again.
  if (error && (state_ == State::kAnswering || state_ == State::kSending)) return;
  if (error) return Close();
  OnInput({buffer.data(), size});
}

void Connection::Drop(std::vector<char>& buffer) {
  error_code error;
  transport_.Receive(buffer.data(), buffer.size(), error);
  if (error && !Transport::WouldBlock(error)) return Close();
  if (!error) state_deadline_ = loop_.clock().now() + base::kLingerQuiet;
  WaitForInput();
}

void Connection::OnInput(absl::string_view bytes) {
  if (input_.empty()) {
    const size_t used = ParseRequests(bytes);
    input_.assign(bytes.data() + used, bytes.size() - used);
  } else {
    input_.append(bytes.data(), bytes.size());
    input_.erase(0, ParseRequests(input_));
  }
  Proceed();
}

void Connection::Continue() {
  wants_turn_ = false;
  if (!input_.empty() && IsReceiving()) input_.erase(0, ParseRequests(input_));
  Proceed();
}

void Connection::Proceed() {
  if (input_.empty()) std::string().swap(input_);
  // Flush accounts for the unsent bytes when it waits.
  if (!Flush() || !Settle()) return;
  // For its end, behind which the client's next request may be, of which so much is kept meanwhile.
  if (state_ == State::kWaiting && input_.size() < base::kHeadReadBytes) return WaitForInput();
  if (!IsReceiving()) return;
  if (wants_turn_) return loop_.shares().AwaitTurn(*this);
  WaitForInput();
}

size_t Connection::ParseRequests(absl::string_view bytes) {
  const Instant begin = loop_.clock().now();
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
    if (state_ == State::kBody) {
      state_deadline_ = MovedDeadline(state_deadline_, step);
      ExtendRequest(step);
    }
    if (parser_->Ready()) {
      FinishRequest();
      // Some requests take much longer than others, such as those for many versions.
      const bool has_had_its_turn = ++requests_this_turn_ >= base::kRequestsPerTurn ||
                                    loop_.clock().Read() - begin >= base::kTurnTime;
      if (has_had_its_turn && used < bytes.size()) {
        requests_this_turn_ = 0;
        wants_turn_ = true;
        break;
      }
    } else if (!OnPartialRequest(step > 0) || used == bytes.size()) {
      break;
    }
  }
  return used;
}

void Connection::BeginHead() {
  SetState(State::kHead);
  request_deadline_ = loop_.clock().now() + loop_.timeouts().request;
}

void Connection::BeginRequest() {
  BeginHead();
  parser_.emplace(loop_.handler(), loop_.head_scratch(), peer_, trusted_proxies_);
}

bool Connection::OnPartialRequest(bool has_progress) {
  if (parser_->HeadDone() && state_ != State::kBody) {
    SetState(State::kBody);
    JoinSource();
  } else if (has_progress && state_ == State::kBody) {
    Touch();
  }
  if (parser_->TakeExpectContinue())
    absl::StrAppend(&output_.text(), "HTTP/1.1 100 Continue\r\n\r\n");
  is_paused_ =
      parser_->PauseUntil([this] { return loop_.ResumeCallbackFor(id_, ++pause_number_); });
  // The time that the server takes for the request is not charged to the client.
  if (is_paused_) state_deadline_ = kNever;
  return has_progress && !is_paused_;
}

void Connection::OnResume(uint64_t number) {
  if (!is_paused_ || number != pause_number_ || state_ == State::kClosed) return;
  is_paused_ = false;
  state_deadline_ = loop_.clock().now() + loop_.timeouts().body;
  Continue();
}

Connection::Instant Connection::MovedDeadline(Instant deadline, size_t bytes) const {
  if (bytes == 0 || deadline == kNever) return deadline;
  const Instant latest = loop_.clock().now() + loop_.timeouts().body;
  const int64_t rate = loop_.timeouts().bytes_per_second_min;
  if (rate == 0) return latest;
  return std::min(latest, deadline + TimeBought(bytes, rate));
}

void Connection::ExtendRequest(size_t bytes) {
  const int64_t rate = loop_.timeouts().bytes_per_second_min;
  if (rate == 0 || request_deadline_ == kNever) return;
  request_deadline_ += TimeBought(bytes, rate);
}

void Connection::JoinSource() {
  if (trusted_proxies_ == nullptr) return;
  loop_.shares().ChangeNetwork(*this, access::NetworkOf(parser_->source()));
}

void Connection::FinishRequest() {
  SetState(State::kAnswering);
  if (parser_->HeadDone()) JoinSource();
  if (!loop_.timeouts().bounds_answers) request_deadline_ = kNever;
  std::optional<http::Response> response = parser_->Finish(loop_.ResponseCallbackFor(id_));
  if (response) return QueueResponse(*std::move(response), parser_->CanKeepAlive());
  if (parser_->IsWaiting() && !ends_after_request_) return SetState(State::kWaiting);
  parser_->EndWait();
}

void Connection::OnResponse(http::Response response) {
  if (state_ == State::kWaiting) {
    SetState(State::kAnswering);
    // The wait is not charged to the client.
    request_deadline_ = loop_.clock().now() + loop_.timeouts().request;
  }
  if (state_ != State::kAnswering) return;
  QueueResponse(std::move(response), parser_->CanKeepAlive());
  if (Flush()) Continue();
}

// Output

void Connection::QueueResponse(http::Response response, bool keep_alive) {
  const int response_status = response.status;
  if (response_status == 429 && refused_in_a_row_ >= base::kRefusedInARowMax && keep_alive) {
    keep_alive = false;
    loop_.connection_count().CountEnd(EndReason::kOverRate);
  }
  keep_alive = keep_alive && !ends_after_request_;
  const bool is_http10 = parser_ && parser_->IsHttp10();
  const ConnectionHeader connection = !keep_alive ? ConnectionHeader::kClose
                                      : is_http10 ? ConnectionHeader::kKeepAlive
                                                  : ConnectionHeader::kNone;
  AppendResponseHead(response, loop_.date(), connection, output_.text());
  if (parser_ && parser_->IsHeadMethod()) {
    response.body.clear();
    response.body_source.reset();
  }
  output_.AddBody(std::move(response));
  // An inexpensive end for a client that ignores its refusals.
  refused_in_a_row_ = response_status == 429 && peer_network_ ? refused_in_a_row_ + 1 : 0;
  if (!keep_alive) {
    ends_after_send_ = true;
    // The client may still be sending the unread rest.
    lingers_after_send_ = !parser_ || !parser_->CanKeepAlive();
  }
  parser_.reset();
  is_paused_ = false;
  // The input may already have the client's next request; a large body is sent first.
  if (!ends_after_send_) SetState(State::kIdle);
  if (output_.has_large_body() || output_.text().size() >= base::kGatheredResponseBytesMax) Flush();
}

void Connection::AnswerAndEnd(http::Response response) {
  SetState(State::kAnswering);
  QueueResponse(std::move(response), false);
  lingers_after_send_ = true;
  Flush();
}

bool Connection::Flush() {
  if (state_ == State::kClosed || send_waits_ || awaits_piece_) return false;
  do {
    if (!SendAll()) return false;
  } while (output_.HasUnread() && ReadPiece());
  if (state_ == State::kClosed || awaits_piece_) return false;
  OnAllSent();
  return state_ != State::kClosed && state_ != State::kLingering;
}

bool Connection::SendAll() {
  while (output_.HasUnsent()) {
    error_code error;
    const auto [first, second] = output_.Unsent();
    const size_t sent = transport_.Send(first, second, error);
    if (Transport::WouldBlock(error)) {
      WaitForRoom();
      return false;
    }
    if (error) {
      Close();
      return false;
    }
    send_deadline_ = MovedDeadline(send_deadline_, sent);
    ExtendRequest(sent);
    output_.Advance(sent);
  }
  return true;
}

void Connection::WaitForRoom() {
  send_waits_ = true;
  if (send_deadline_ == kNever) send_deadline_ = loop_.clock().now() + loop_.timeouts().body;
  if (state_ == State::kIdle) SetState(State::kSending);
  // The spare buffer is freed, because nothing is parsed meanwhile.
  output_.TrimText();
  kernel_bytes_ = transport_.KernelBytes();
  transport_.AwaitRoom([self = shared_from_this()](error_code failed) {
    self->loop_.clock().Read();
    self->send_waits_ = false;
    self->kernel_bytes_ = 0;
    if (self->state_ == State::kClosed) return;
    if (failed) return self->Close();
    self->Touch();
    if (self->Flush()) self->Continue();
  });
  Settle();
}

bool Connection::ReadPiece() {
  if (state_ == State::kIdle) SetState(State::kSending);
  awaits_piece_ = true;
  piece_asked_at_ = loop_.clock().now();
  std::optional<http::BodySource::Piece> piece = output_.source().Read(loop_.PieceCallbackFor(id_));
  return piece && TakePiece(*std::move(piece));
}

bool Connection::TakePiece(http::BodySource::Piece piece) {
  awaits_piece_ = false;
  // The time of the read is not charged to the client.
  if (send_deadline_ != kNever) send_deadline_ += loop_.clock().now() - piece_asked_at_;
  // The head has announced the size. The client must see that the body is incomplete, and must not
  // see bytes that do not belong to it.
  if (piece.ok() && output_.TakePiece(*std::move(piece))) return true;
  Close();
  return false;
}

void Connection::OnPiece(http::BodySource::Piece piece) {
  if (!awaits_piece_ || state_ == State::kClosed) return;
  if (TakePiece(std::move(piece)) && Flush()) Continue();
}

void Connection::OnAllSent() {
  output_.Clear();
  send_deadline_ = kNever;
  if (state_ == State::kSending) SetState(State::kIdle);
  if (trusted_proxies_ != nullptr && state_ == State::kIdle) {
    loop_.shares().ChangeNetwork(*this, std::nullopt);
  }
  if (!ends_after_send_) return;
  if (lingers_after_send_) return Linger();
  Close();
}

void Connection::Linger() {
  if (state_ == State::kLingering) return;
  SetState(State::kLingering);
  // Nothing more is parsed, though a part of the input may have been about to be.
  std::string().swap(input_);
  wants_turn_ = false;
  transport_.EndOutput();
  WaitForInput();
}

// The end

void Connection::CheckDeadlines(Instant now) {
  if (state_ == State::kClosed) return;
  const bool is_blocked = send_waits_ || is_paused_ || state_ == State::kAnswering ||
                          (state_ == State::kWaiting && !input_waits_);
  if (is_blocked) {
    kernel_bytes_ = transport_.KernelBytes();
    if (!Settle()) return;
  } else if (kernel_bytes_ != 0) {
    kernel_bytes_ = 0;
    Settle();
  }
  const Instant request_deadline = IsIdle() ? kNever : request_deadline_;
  const Instant send_deadline = send_waits_ ? send_deadline_ : kNever;
  if (now < std::min({state_deadline_, request_deadline, send_deadline})) return;
  if (state_ == State::kNew && !turned_away_) return SetState(State::kIdle);
  if (IsBetweenRequests() || state_ == State::kLingering) return Close();
  loop_.connection_count().CountEnd(EndReason::kStalled);
  if ((state_ != State::kHead && state_ != State::kBody) || send_waits_) return Close();
  AnswerAndEnd(http::TextResponse(408, "The request did not arrive in time."));
}

void Connection::EndAfterRequest() {
  ends_after_request_ = true;
  if (state_ == State::kWaiting) return parser_->EndWait();
  // A request that has arrived is read and answered, even if the loop has not read it yet.
  if (IsBetweenRequests() && !HasUnreadInput()) Close();
}

void Connection::End(EndReason reason) {
  loop_.connection_count().CountEnd(reason);
  Close();
}

void Connection::Close() {
  if (state_ == State::kClosed) return;
  const bool is_complete = !send_waits_ && !output_.HasUnsent() && !output_.HasUnread();
  SetState(State::kClosed);
  Settle();
  if (parser_) parser_->EndWait();
  parser_.reset();
  // The rest of the body is not needed any more.
  output_.DropBody();
  transport_.Close(is_complete);
  loop_.Forget(*this);
}

}  // namespace tcsync::listener
