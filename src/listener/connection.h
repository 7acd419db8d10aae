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
#include "listener/request_parser.h"
#include "listener/send_queue.h"
#include "listener/tls_session.h"
#include "tcsync/http_message.h"

namespace tcsync::listener {

class EventLoop;

// Lives on its event loop's thread, and is used only there. An idle connection has no buffers.
//
//   new -> head -> body -> answering -> idle -> head ...
//
// With TLS, "new -> handshake -> new" comes before that. A client of which nothing has come has no
// TLS session yet.
//
// A new connection's first request is on its way, so unlike an idle one it does not make room for
// others, until it has been silent for so long that it is idle.
//
// A request can be answered before all of it was received; the connection then may end in
// lingering. What the socket does not take at once is sent beside these states, during which
// nothing further is parsed; "sending" is idle but for that.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  using Instant = std::chrono::steady_clock::time_point;

  Connection(EventLoop& loop, uint64_t id, Accepted accepted);

  // Begins to receive.
  void Start() {
    if (Settle()) WaitForInput();
  }

  // Tells a client that is not to be served so, with 503, and ends the connection.
  void TurnAway();

  // The response to the request that is being answered, if it was not returned.
  void OnResponse(http::Response response);

  // The same of the next piece of the response's body, or why there is none.
  void OnPiece(http::BodySource::Piece piece);

  // That the request which paused as the `number`th of this connection may go on.
  void OnResume(uint64_t number);

  // Whether TurnAway was called.
  bool turned_away() const { return turned_away_; }

  // Whether the client has sent something that the loop has not come to read yet.
  bool HasUnreadInput() const;

  // Acts on deadlines that have passed, and accounts for what the kernel holds.
  void CheckDeadlines(Instant now);

  // Goes on with what waited for a turn.
  void TakeTurn();

  // Whether nothing happens before the client does something: sends more, or reads.
  bool WaitsForClient() const;
  bool IsIdle() const { return state_ == State::kIdle; }
  // When it last did something.
  Instant touched_at() const { return touched_at_; }

  // Ends the connection once the request that has begun to arrive, if there is one, is answered.
  void EndAfterRequest();

  // Ends the connection at once; the loop forgets it.
  void Close();
  // The same, and counts why.
  void End(EndReason reason);

  uint64_t id() const { return id_; }

  // For the shares of its loop.
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
    kSending,
    kLingering,
    kClosed
  };

  void SetState(State state);
  void Touch();
  // That so many bytes of a body or an answer moved: later deadlines, if that was fast enough.
  Instant MovedDeadline(Instant deadline, size_t bytes) const;
  void ExtendRequest(size_t bytes);

  // Memory
  int64_t Bytes() const;
  // Charges the connection with what it takes now; false when it had to end for it.
  bool Settle();

  // Whose share the request takes from, once its head is there.
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
  bool NeedsHandshake() const { return tls_credentials_ != nullptr && !handshake_is_done_; }
  // Goes on with the handshake; whether it is done and the connection can go on.
  bool ContinueHandshake();
  bool BeginTls();

  // Input
  void WaitForInput();
  // Reads at once, or when the address' turn has come.
  void OnReadable();
  void ReadInput();
  // After input was parsed: sends, and waits for more or for the next turn.
  void GoOn();
  // Drops what a lingering connection's client still sends.
  void Drop(std::vector<char>& buffer);
  // As the socket's read_some and write_some, through TLS if there is any.
  size_t Receive(std::vector<char>& buffer, boost::system::error_code& error);
  size_t SendQueued(boost::system::error_code& error);
  void OnInput(absl::string_view bytes);
  // Parses and answers as many requests as `bytes` hold; returns how many bytes were used.
  size_t ParseRequests(absl::string_view bytes);
  void BeginHead();
  void BeginRequest();
  // After a part of a request. Whether more of the input may be parsed now.
  bool OnPartialRequest(bool has_progress);
  void FinishRequest();
  // Goes on with input that waited while a request was answered or a response was sent.
  void Continue();

  // Output
  void QueueResponse(http::Response response, bool keep_alive);
  // Answers before, or without, a whole request, and ends the connection.
  void AnswerAndEnd(http::Response response);
  // Sends what is queued as far as the socket takes it; false when it waits for the socket, or when
  // the connection has ended.
  bool Flush();
  // Sends what is in memory, as Flush does.
  bool SendAll();
  void WaitForRoom();
  // Goes on to the next piece of the body; as Flush, also false when it waits for the piece.
  bool ReadPiece();
  bool TakePiece(http::BodySource::Piece piece);
  void OnAllSent();
  void Linger();

  EventLoop& loop_;
  const uint64_t id_;
  StreamSocket socket_;
  const PeerAddress peer_;
  const TlsCredentials* tls_credentials_;  // nullptr for plain HTTP
  std::unique_ptr<TlsSession> tls_;        // from the client's first byte on
  bool handshake_is_done_ = false;
  State state_ = State::kNew;
  SharePlace place_;

  Instant touched_at_;
  int64_t kernel_bytes_ = 0;  // as last looked at, while it waits
  Instant state_deadline_;    // of what the state waits for
  Instant request_deadline_;  // of the whole request, except while kIdle
  Instant send_deadline_;     // of the next progress in sending, while send_waits_

  const std::optional<access::Network> peer_network_;  // nullopt: no share is its own
  const bool peer_is_trusted_;                         // to name the source of a request
  int requests_this_turn_ = 0;
  int refused_in_a_row_ = 0;  // with 429
  bool wants_turn_ = false;   // there is input to parse, and others come first
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
