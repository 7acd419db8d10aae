// What a connection has to send.
#ifndef TCSYNC_SRC_LISTENER_SEND_QUEUE_H_
#define TCSYNC_SRC_LISTENER_SEND_QUEUE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "tcsync/http_message.h"

namespace tcsync::listener {

// Heads and small bodies, put together, and behind them at most one large body or its current
// piece. Used on the connection's thread.
class SendQueue {
 public:
  // Where heads are appended. Not behind a large body.
  std::string& text() { return text_; }
  // The body of the response whose head is the end of text().
  void AddBody(http::Response response);

  bool has_large_body() const { return !large_.body.empty() || unread_bytes_ > 0; }
  bool HasUnsent() const { return text_sent_ < text_.size() || large_sent_ < large_.body.size(); }
  // What goes out next, and what goes out behind it.
  std::array<absl::string_view, 2> Unsent() const;
  void Advance(size_t sent);

  // A large body of which pieces are still to be read: from here, each when the one before is sent.
  bool HasUnread() const { return unread_bytes_ > 0; }
  http::BodySource& source() { return *large_.body_source; }
  // False: it is not a piece of this body.
  bool TakePiece(std::string piece);

  // Lets go of the buffer of text that is sent, while a body takes its time.
  void TrimText();
  // All is sent.
  void Clear();
  // Nobody reads it any more.
  void DropBody() { large_ = http::Response(); }

  // The memory that it takes beyond what a usual answer does.
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
