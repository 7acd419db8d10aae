// The object of a tcsync_pending: a request whose body comes piece by piece.
#ifndef TCSYNC_CAPI_SRC_PENDING_H_
#define TCSYNC_CAPI_SRC_PENDING_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>

#include "absl/strings/string_view.h"
#include "capi/src/answer.h"
#include "capi/src/engine.h"
#include "capi/src/guard.h"
#include "capi/src/handle.h"
#include "capi/src/queue.h"
#include "tcsync.h"
#include "tcsync/handler.h"

namespace tcsync::capi {

// One thread at a time except for Abandon, which the engine's end calls as well.
class Pending : public std::enable_shared_from_this<Pending> {
 public:
  Pending(std::shared_ptr<EngineCore> core, http::PendingRequest request,
          const http::RequestHead& head);

  // Takes the next bytes and waits until more are wanted. *response, if it is then not null, is the
  // answer.
  Result Append(absl::string_view bytes, tcsync_response** response);

  // The same without waiting: the answer, or the demand for more, comes as an event.
  Result AppendQueued(absl::string_view bytes, const tcsync_queue& queue, void* user_data);

  // Ends the body. The answer goes to the delivery, unless this fails.
  Result Finish(std::unique_ptr<AnswerDelivery> delivery);

  // The request has no effect, unless it was finished.
  void Abandon() noexcept;

  const base::ProcessMark& opener() const { return core_->opener(); }

 private:
  class AppendOperation;

  enum class State { kOpen, kAnswered, kFinished, kEngineFreed };

  // With the mutex, all of these.
  Result Check() const;
  // The answer to the next bytes, if they cause one.
  std::optional<http::Response> Take(absl::string_view bytes);
  // The same for waiting bytes. A request that throws is unusable.
  std::optional<http::Response> TakeNoMore() { return request_->Append({}); }
  bool is_too_short() const;
  void End(State state) noexcept;

  // The first part of an append with a queue. When it fails, the operation owes nothing.
  Result BeginAppend(absl::string_view bytes, AppendOperation& operation);
  // The next step of an append with a queue: on the caller's thread, then on the engine's.
  void Proceed(const std::shared_ptr<AppendOperation>& operation) noexcept;

  const std::shared_ptr<EngineCore> core_;
  std::atomic<bool> is_appending_{false};  // an event is still to come
  mutable std::mutex mutex_;               // of the members below
  State state_ = State::kOpen;
  std::optional<http::PendingRequest> request_;  // while it is open
  const std::optional<uint64_t> declared_bytes_;
  uint64_t bytes_ = 0;
};

}  // namespace tcsync::capi

struct tcsync_pending : tcsync::capi::Handle<tcsync::capi::HandleType::kPending> {
  std::shared_ptr<tcsync::capi::Pending> request;
};

#endif  // TCSYNC_CAPI_SRC_PENDING_H_
