#include "listener/send_queue.h"

#include <algorithm>
#include <utility>

#include "base/limits.h"

namespace tcsync::listener {
namespace {

// A buffer of the size of a usual response is kept for the next one.
constexpr size_t kKeptTextBytesMax = 1024;

}  // namespace

void SendQueue::AddBody(http::Response response) {
  if (response.body_source == nullptr && response.body.size() < base::kSeparateBodyBytesMin) {
    text_.append(response.body);
    return;
  }
  large_ = std::move(response);
  unread_bytes_ = large_.body_source == nullptr ? 0 : large_.body_bytes();
}

std::array<absl::string_view, 2> SendQueue::Unsent() const {
  return {absl::string_view(text_).substr(text_sent_),
          absl::string_view(large_.body).substr(large_sent_)};
}

void SendQueue::Advance(size_t sent) {
  const size_t of_text = std::min(sent, text_.size() - text_sent_);
  text_sent_ += of_text;
  large_sent_ += sent - of_text;
}

bool SendQueue::TakePiece(std::string piece) {
  if (piece.empty() || piece.size() > unread_bytes_) return false;
  unread_bytes_ -= piece.size();
  large_.body = std::move(piece);
  large_sent_ = 0;
  return true;
}

void SendQueue::TrimText() {
  if (text_sent_ < text_.size() || text_.capacity() <= kKeptTextBytesMax) return;
  std::string().swap(text_);
  text_sent_ = 0;
}

void SendQueue::Clear() {
  text_.clear();
  text_sent_ = 0;
  TrimText();
  if (!large_.body.empty() || large_.body_source != nullptr) DropBody();
  large_sent_ = 0;
}

size_t SendQueue::spare_bytes() const {
  return large_.body.capacity() + (text_.capacity() > kKeptTextBytesMax ? text_.capacity() : 0);
}

}  // namespace tcsync::listener
