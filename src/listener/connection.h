// One connection: receives requests, has them handled, sends the responses in order.
#ifndef TCSYNC_SRC_LISTENER_CONNECTION_H_
#define TCSYNC_SRC_LISTENER_CONNECTION_H_

#include <chrono>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "access/network.h"
#include "listener/accepted.h"
#include "listener/address_group.h"
#include "listener/connection_count.h"
#include "listener/loop_clock.h"
#include "listener/request_parser.h"
#include "listener/send_queue.h"
#include "listener/transport.h"
#include "tcsync/http_message.h"

namespace tcsync::listener {

class EventLoop;

// Lives on its event loop's thread, and is used only there. An idle connection has no buffers.
//
//   new -> head -> body -> answering -> idle -> head ...
//
// "waiting" is between answering and idle, for a request that waits for its client's next version.
// Nothing but the end of the connection is expected then, and it makes room for others as an idle
// one does.
//
// With TLS, "new -> handshake -> new" precedes that. A client that has sent nothing has no TLS
// session yet.
//
// A new connection's first request is on its way, so unlike an idle one it does not make room for
// others. After a long silence it becomes idle.
//
// A request can be answered before all of it was received; the connection then may end in
// lingering. Output that the socket does not take at once is sent beside these states, and nothing
// further is parsed meanwhile; "sending" is idle with such output.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  using Instant = LoopClock::Instant;

  Connection(EventLoop& loop, uint64_t id, Accepted accepted);

  // Begins to receive.
  void Start() {
    if (Settle()) WaitForInput();
  }

  // Answers 503 to a client that is not to be served, and ends the connection.
  void TurnAway();

  // Receives the response to the current request, if it was not returned.
  void OnResponse(http::Response response);

  // Receives the requested next piece of the response's body, or the reason that there is none, if
  // it was not returned.
  void OnPiece(http::BodySource::Piece piece);

  // Resumes the request that paused as the `number`th of this connection.
  void OnResume(uint64_t number);

  // Whether TurnAway was called.
  bool turned_away() const { return turned_away_; }

  // Whether the client has sent input that was not parsed yet.
  bool HasUnreadInput() const { return wants_turn_ || transport_.HasUnreadInput(); }

  // Acts on passed deadlines, and accounts for the bytes in the kernel.
  void CheckDeadlines(Instant now);

  // Continues with the input that waited for a turn.
  void TakeTurn();

  // Whether the connection waits for its client to send more or to read.
  bool WaitsForClient() const;
  // Whether it may be closed for others.
  bool IsIdle() const { return state_ == State::kIdle || state_ == State::kWaiting; }
  bool IsWaiting() const { return state_ == State::kWaiting; }
  // The time of the last activity.
  Instant touched_at() const { return touched_at_; }

  // Ends the connection once the request in progress, if there is one, is answered.
  void EndAfterRequest();

  // Ends the connection at once; the loop forgets it.
  void Close();
  // The same, and counts the reason.
  void End(EndReason reason);

  uint64_t id() const { return id_; }

  // The connection's place in the shares of its loop.
  SharePlace& place() { return place_; }
  const SharePlace& place() const { return place_; }

 private:
  enum class State {
    kNew,
    kHandshake,
    kIdle,
    kHead,
    kBody,
    kAnswering,
    kWaiting,
    kSending,
    kLingering,
    kClosed
  };

  void SetState(State state);
  void Touch();
  // Returns the deadline after so many bytes of a body or an answer: later, if they moved fast
  // enough.
  Instant MovedDeadline(Instant deadline, size_t bytes) const;
  void ExtendRequest(size_t bytes);

  // Memory
  int64_t Bytes() const;
  // Charges the connection with its present memory; false when it had to end for that.
  bool Settle();

  // Joins the share that the request takes from, once its head is complete.
  void JoinSource();
  Instant FirstRequestDeadline() const;
  bool IsReceiving() const {
    if (is_paused_) return false;
    return state_ == State::kNew || state_ == State::kIdle || state_ == State::kHead ||
           state_ == State::kBody;
  }

  bool IsBetweenRequests() const {
    return state_ == State::kNew || state_ == State::kHandshake || state_ == State::kIdle;
  }

  // TLS
  // Continues the handshake; true when it is done and the connection can continue.
  bool ContinueHandshake();

  // Input
  void WaitForInput();
  // Reads at once, or when the address' turn comes.
  void OnReadable();
  void ReadInput();
  // Called after input was parsed: sends, and waits for more input or for the next turn.
  void Proceed();
  // Drops the further input of a lingering connection.
  void Drop(std::vector<char>& buffer);
  void OnInput(absl::string_view bytes);
  // Parses and answers as many requests as `bytes` contain; returns the number of consumed bytes.
  size_t ParseRequests(absl::string_view bytes);
  void BeginHead();
  void BeginRequest();
  // Called after a part of a request. Returns whether more of the input may be parsed now.
  bool OnPartialRequest(bool has_progress);
  void FinishRequest();
  // Continues with input that waited while a request was answered or a response was sent.
  void Continue();

  // Output
  void QueueResponse(http::Response response, bool keep_alive);
  // Answers before, or without, a complete request, and ends the connection.
  void AnswerAndEnd(http::Response response);
  // Sends the queued output as far as the socket takes it; false when it waits for the socket, or
  // when the connection has ended.
  bool Flush();
  // Sends the output in memory, as Flush does.
  bool SendAll();
  void WaitForRoom();
  // Continues with the next piece of the body; as Flush, also false when it waits for the piece.
  bool ReadPiece();
  bool TakePiece(http::BodySource::Piece piece);
  void OnAllSent();
  void Linger();

  EventLoop& loop_;
  const uint64_t id_;
  Transport transport_;
  const PeerAddress peer_;
  State state_ = State::kNew;
  SharePlace place_;

  Instant touched_at_;
  int64_t kernel_bytes_ = 0;  // at the last look, while it waits
  Instant state_deadline_;    // of the state's wait
  Instant request_deadline_;  // of the whole request, except while it is idle
  Instant send_deadline_;     // of the next progress in sending, while send_waits_

  const std::optional<access::Network> peer_network_;   // nullopt: it has no share of its own
  const access::ProxyNetworks* const trusted_proxies_;  // nullptr: its peer is none
  int requests_this_turn_ = 0;
  int refused_in_a_row_ = 0;  // with 429
  bool wants_turn_ = false;   // there is input to parse, and others precede it
  Instant piece_asked_at_;

  bool turned_away_ = false;
  bool input_waits_ = false;      // for the socket to become readable
  bool send_waits_ = false;       // for the socket to become writable
  bool ends_after_send_ = false;  // nothing more is parsed
  bool lingers_after_send_ = false;
  bool ends_after_request_ = false;

  std::string input_;  // received and not yet parsed
  std::optional<RequestParser> parser_;
  uint64_t pause_number_ = 0;
  bool is_paused_ = false;  // until OnResume(pause_number_): nothing is read or parsed

  SendQueue output_;
  bool awaits_piece_ = false;  // of a large body, from its source
};

}  // namespace tcsync::listener

#endif  // TCSYNC_SRC_LISTENER_CONNECTION_H_
