// The output of a connection.
#ifndef TCSYNC_SRC_LISTENER_SEND_QUEUE_H_
#define TCSYNC_SRC_LISTENER_SEND_QUEUE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "tcsync/http_message.h"

namespace tcsync::listener {

// Heads and small bodies, concatenated, and behind them at most one large body or its current
// piece. Used on the connection's thread.
class SendQueue {
 public:
  // Heads are appended here, except behind a large body.
  std::string& text() { return text_; }
  // The body of the response whose head is the end of text().
  void AddBody(http::Response response);

  bool has_large_body() const { return !large_.body.empty() || unread_bytes_ > 0; }
  bool HasUnsent() const { return text_sent_ < text_.size() || large_sent_ < large_.body.size(); }
  // The next bytes to send, and those behind them.
  std::array<absl::string_view, 2> Unsent() const;
  void Advance(size_t sent);

  // Whether a large body has unread pieces: each is read from here after the previous one is sent.
  bool HasUnread() const { return unread_bytes_ > 0; }
  http::BodySource& source() { return *large_.body_source; }
  // False: it is not a piece of this body.
  bool TakePiece(std::string piece);

  // Frees the buffer of sent text, while a body is being sent.
  void TrimText();
  // Called when everything is sent.
  void Clear();
  // Called when the client reads no more.
  void DropBody() { large_ = http::Response(); }

  // The memory beyond that of a usual answer.
  size_t spare_bytes() const;

 private:
  std::string text_;
  size_t text_sent_ = 0;
  http::Response large_;  // its body is the current piece
  size_t large_sent_ = 0;
  uint64_t unread_bytes_ = 0;
};

}  // namespace tcsync::listener

#endif  // TCSYNC_SRC_LISTENER_SEND_QUEUE_H_
