// The object of a tcsync_response: an answer with its body in memory, or read while it is sent.
#ifndef TCSYNC_CAPI_SRC_RESPONSE_H_
#define TCSYNC_CAPI_SRC_RESPONSE_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "capi/src/handle.h"
#include "tcsync.h"
#include "tcsync/http_message.h"

namespace tcsync::capi {

class EngineCore;

// The progress of reading a body. Shared with the piece that is under way, which may arrive after
// the response was freed. All but is_reading belong to the reader, or to that piece.
struct BodyProgress {
  std::atomic<bool> is_reading{false};
  bool is_broken = false;
  uint64_t bytes = 0;
};

}  // namespace tcsync::capi

struct tcsync_response : tcsync::capi::Handle<tcsync::capi::HandleType::kResponse> {
  // Bodies in pieces are read through that engine; without one there are none.
  explicit tcsync_response(std::shared_ptr<tcsync::capi::EngineCore> streams_through);

  void Set(tcsync::http::Response answer) noexcept { response = std::move(answer); }
  bool streams() const { return core != nullptr; }
  bool has_whole_body() const { return response.body_source == nullptr; }

  tcsync::http::Response response;
  const std::shared_ptr<tcsync::capi::EngineCore> core;
  const std::shared_ptr<tcsync::capi::BodyProgress> progress;
};

#endif  // TCSYNC_CAPI_SRC_RESPONSE_H_
