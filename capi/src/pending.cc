#include "capi/src/pending.h"

#include <future>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/limits.h"
#include "capi/src/process.h"
#include "capi/src/response.h"

namespace tcsync::capi {
namespace {

// The length of the body, if its sender gives it and this side can detect a truncated one.
std::optional<uint64_t> DeclaredBytes(const http::RequestHead& head) {
  // A GET's body is ignored, and many servers do not read it; and a transfer coding makes the
  // length meaningless (RFC 9112, section 6.3).
  if (head.method != "POST" || head.CountOf("Transfer-Encoding") > 0) return std::nullopt;
  uint64_t bytes = 0;
  if (!absl::SimpleAtoi(head.Header("Content-Length"), &bytes)) return std::nullopt;
  return bytes;
}

http::Response WrongLength(absl::string_view how, uint64_t declared_bytes) {
  return http::TextResponse(
      400, absl::StrCat("The request body is ", how, " than its Content-Length of ", declared_bytes,
                        " bytes."));
}

}  // namespace

// Owes one event, and delivers TCSYNC_UNAVAILABLE when it is destroyed first: the pending request
// or its engine was freed.
class Pending::AppendOperation final : public WorkThread::Task,
                                       public std::enable_shared_from_this<AppendOperation> {
 public:
  AppendOperation(std::shared_ptr<Pending> pending, std::shared_ptr<EventQueue> queue,
                  void* user_data)
      : pending_(std::move(pending)),
        queue_(std::move(queue)),
        node_(1),
        response_(std::make_unique<tcsync_response>(pending_->core_)) {
    node_.front().kind = TCSYNC_EVENT_READY;
    node_.front().user_data = user_data;
  }
  AppendOperation(const AppendOperation&) = delete;
  AppendOperation& operator=(const AppendOperation&) = delete;
  ~AppendOperation() override { DeliverOnce(TCSYNC_UNAVAILABLE); }

  void Run() noexcept override { pending_->Proceed(shared_from_this()); }

  // Schedules Run on the engine's thread.
  void RunLater() noexcept { pending_->core_->bodies().Post(shared_from_this()); }

  void DeliverOnce(tcsync_code code) noexcept {
    if (node_.empty()) return;
    node_.front().code = code;
    // First: the host may continue as soon as it has the event.
    pending_->is_appending_.store(false, std::memory_order_release);
    queue_->Push(std::move(node_));
    node_.clear();
  }

  void Answer(http::Response response) noexcept {
    response_->Set(std::move(response));
    node_.front().kind = TCSYNC_EVENT_RESPONSE;
    node_.front().response.reset(response_.release());
    DeliverOnce(TCSYNC_OK);
  }

  // Cancels the debt: the call itself fails.
  void Cancel() noexcept { node_.clear(); }
  bool is_delivered() const { return node_.empty(); }

 private:
  const std::shared_ptr<Pending> pending_;
  const std::shared_ptr<EventQueue> queue_;
  EventNode node_;  // empty once it was delivered
  std::unique_ptr<tcsync_response> response_;
};

Pending::Pending(std::shared_ptr<EngineCore> core, http::PendingRequest request,
                 const http::RequestHead& head)
    : core_(std::move(core)), request_(std::move(request)), declared_bytes_(DeclaredBytes(head)) {}

Result Pending::Check() const {
  switch (state_) {
    case State::kOpen:
      break;
    case State::kAnswered:
      return {TCSYNC_INVALID_ARGUMENT,
              "this request was answered already; it takes nothing more and has to be freed"};
    case State::kFinished:
      return {TCSYNC_INVALID_ARGUMENT,
              "this request was finished already; it takes nothing more and has to be freed"};
    case State::kEngineFreed:
      return {TCSYNC_UNAVAILABLE, kEngineWasFreed};
  }
  if (is_appending_.load(std::memory_order_acquire)) {
    return {TCSYNC_INVALID_ARGUMENT,
            "this request still takes the bytes of the last call; wait for that call's event"};
  }
  return {};
}

std::optional<http::Response> Pending::Take(absl::string_view bytes) {
  bytes_ += bytes.size();
  if (declared_bytes_ && bytes_ > *declared_bytes_) return WrongLength("longer", *declared_bytes_);
  return request_->Append(bytes);
}

bool Pending::is_too_short() const { return declared_bytes_ && bytes_ < *declared_bytes_; }

void Pending::End(State state) noexcept {
  state_ = state;
  request_.reset();
  core_->Remove(*this);
}

Result Pending::Append(absl::string_view bytes, tcsync_response** response) {
  if (Result result = CheckProcess(core_->opener(), "engine"); !result.ok()) return result;
  auto made = std::make_unique<tcsync_response>(core_);
  const EngineCore::Use use(*core_);
  if (!use) return {TCSYNC_UNAVAILABLE, kEngineWasFreed};
  const std::lock_guard lock(mutex_);
  if (Result result = Check(); !result.ok()) return result;
  try {
    do {
      const absl::string_view piece = bytes.substr(0, base::kReadBufferBytes);
      bytes.remove_prefix(piece.size());
      std::optional<http::Response> answer = Take(piece);
      for (bool waits = !answer.has_value(); waits;) {
        const auto resumed = std::make_shared<std::promise<void>>();
        waits = request_->PauseUntil([resumed] { resumed->set_value(); });
        if (waits) resumed->get_future().wait();
      }
      if (!answer) answer = TakeNoMore();
      if (answer) {
        End(State::kAnswered);
        made->Set(*std::move(answer));
        *response = made.release();
        return {};
      }
    } while (!bytes.empty());
  } catch (...) {
    End(State::kAnswered);
    throw;
  }
  return {};
}

Result Pending::AppendQueued(absl::string_view bytes, const tcsync_queue& queue, void* user_data) {
  if (Result result = CheckProcess(core_->opener(), "engine"); !result.ok()) return result;
  const auto operation =
      std::make_shared<AppendOperation>(shared_from_this(), queue.events, user_data);
  Result result;
  try {
    result = BeginAppend(bytes, *operation);
  } catch (...) {
    operation->Cancel();
    throw;
  }
  if (result.ok()) {
    Proceed(operation);
  } else {
    operation->Cancel();
  }
  return result;
}

Result Pending::BeginAppend(absl::string_view bytes, AppendOperation& operation) {
  const EngineCore::Use use(*core_);
  if (!use) return {TCSYNC_UNAVAILABLE, kEngineWasFreed};
  const std::lock_guard lock(mutex_);
  if (Result result = Check(); !result.ok()) return result;
  core_->bodies().Start();
  try {
    std::optional<http::Response> answer = Take(bytes);
    is_appending_.store(true, std::memory_order_relaxed);
    if (answer) {
      End(State::kAnswered);
      operation.Answer(*std::move(answer));
    }
  } catch (...) {
    End(State::kAnswered);
    throw;
  }
  return {};
}

void Pending::Proceed(const std::shared_ptr<AppendOperation>& operation) noexcept {
  const EngineCore::Use use(*core_);
  const std::lock_guard lock(mutex_);
  // Once it is delivered, the host may have continued already.
  if (operation->is_delivered()) return;
  if (!use || state_ != State::kOpen) return operation->DeliverOnce(TCSYNC_UNAVAILABLE);
  try {
    if (request_->PauseUntil([operation] { operation->RunLater(); })) return;
    if (std::optional<http::Response> answer = TakeNoMore()) {
      End(State::kAnswered);
      return operation->Answer(*std::move(answer));
    }
    operation->DeliverOnce(TCSYNC_OK);
  } catch (...) {
    End(State::kAnswered);
    operation->DeliverOnce(TCSYNC_OUT_OF_MEMORY);
  }
}

Result Pending::Finish(std::unique_ptr<AnswerDelivery> delivery) {
  if (Result result = CheckProcess(core_->opener(), "engine"); !result.ok()) return result;
  const EngineCore::Use use(*core_);
  if (!use) return {TCSYNC_UNAVAILABLE, kEngineWasFreed};
  const std::lock_guard lock(mutex_);
  if (Result result = Check(); !result.ok()) return result;
  // Neither of these may fail once the promise exists, which then reports the outcome.
  std::optional<http::Response> refusal;
  if (is_too_short()) refusal = WrongLength("shorter", *declared_bytes_);
  const auto promise = std::make_shared<Promise>(std::move(delivery), core_);
  if (refusal) {
    End(State::kAnswered);
    promise->Give(*std::move(refusal));
    return {};
  }
  http::PendingRequest request = *std::move(request_);
  End(State::kFinished);
  promise->FulfilWith([&request](http::ResponseCallback done) {
    return std::move(request).Finish(std::move(done));
  });
  return {};
}

void Pending::Abandon() noexcept {
  const std::lock_guard lock(mutex_);
  if (state_ == State::kOpen) End(State::kEngineFreed);
}

}  // namespace tcsync::capi

using tcsync::capi::CheckData;
using tcsync::capi::Checked;
using tcsync::capi::CheckQueue;
using tcsync::capi::ClearOutput;
using tcsync::capi::Guard;
using tcsync::capi::Needed;
using tcsync::capi::NullArgument;
using tcsync::capi::Result;
using tcsync::capi::View;

tcsync_code tcsync_pending_append(tcsync_pending* pending, const char* data, size_t size,
                                  tcsync_response** response, tcsync_error** error) {
  ClearOutput(response);
  return Guard(error, [&]() -> Result {
    if (Result result = Needed(pending, "pending"); !result.ok()) return result;
    if (Result result = CheckData(data, size, "data"); !result.ok()) return result;
    if (response == nullptr) return NullArgument("response");
    return pending->request->Append(View(data, size), response);
  });
}

tcsync_code tcsync_pending_append_queued(tcsync_pending* pending, const char* data, size_t size,
                                         tcsync_queue* queue, void* user_data,
                                         tcsync_error** error) {
  return Guard(error, [&]() -> Result {
    if (Result result = Needed(pending, "pending"); !result.ok()) return result;
    if (Result result = CheckData(data, size, "data"); !result.ok()) return result;
    if (Result result = CheckQueue(queue); !result.ok()) return result;
    return pending->request->AppendQueued(View(data, size), *queue, user_data);
  });
}

tcsync_code tcsync_pending_finish(tcsync_pending* pending, tcsync_response** response,
                                  tcsync_error** error) {
  ClearOutput(response);
  return Guard(error, [&]() -> Result {
    if (Result result = Needed(pending, "pending"); !result.ok()) return result;
    if (response == nullptr) return NullArgument("response");
    tcsync::capi::DeliveryWaiter<tcsync_response> waiter;
    if (Result result = pending->request->Finish(waiter.MakeDelivery()); !result.ok()) {
      return result;
    }
    return waiter.Wait(response);
  });
}

tcsync_code tcsync_pending_finish_queued(tcsync_pending* pending, tcsync_queue* queue,
                                         void* user_data, tcsync_error** error) {
  return Guard(error, [&]() -> Result {
    if (Result result = Needed(pending, "pending"); !result.ok()) return result;
    if (Result result = CheckQueue(queue); !result.ok()) return result;
    using Delivery = tcsync::capi::QueueDelivery<tcsync_response>;
    return pending->request->Finish(std::make_unique<Delivery>(*queue, user_data));
  });
}

void tcsync_pending_free(tcsync_pending* pending) {
  // As tcsync_engine_free.
  if (Checked(pending) != nullptr && pending->request->opener().IsOfAnotherProcess()) return;
  const std::unique_ptr<tcsync_pending> owned(pending);
  if (owned != nullptr) owned->request->Abandon();
}
