// The answer to a request, on its way to the host.
#ifndef TCSYNC_CAPI_SRC_ANSWER_H_
#define TCSYNC_CAPI_SRC_ANSWER_H_

#include <atomic>
#include <memory>
#include <optional>
#include <utility>

#include "absl/functional/function_ref.h"
#include "capi/src/delivery.h"
#include "capi/src/engine.h"
#include "capi/src/response.h"
#include "tcsync.h"
#include "tcsync/handler.h"
#include "tcsync/http_message.h"

namespace tcsync::capi {

using AnswerDelivery = Delivery<tcsync_response>;

// To a callback: on the engine's thread for callbacks, or at once for an answer within the host's
// call.
std::unique_ptr<AnswerDelivery> MakeCallbackDelivery(std::shared_ptr<EngineCore> core,
                                                     tcsync_response_function function,
                                                     void* user_data);

// Owes one delivery, and delivers NULL when memory runs out: at once in the host's call, and on
// other threads when the callback that has to keep the promise is destroyed without being called.
// So the host hears exactly once, whatever is thrown. Shared by that call and that callback.
class Promise : public std::enable_shared_from_this<Promise> {
 public:
  // Bodies that come in pieces are read later, through `streams`; without it they are collected.
  Promise(std::unique_ptr<AnswerDelivery> delivery, std::shared_ptr<EngineCore> streams);
  Promise(const Promise&) = delete;
  Promise& operator=(const Promise&) = delete;
  ~Promise();

  // Keeps it within the host's call.
  void Give(http::Response response) noexcept { Give(std::move(response), /*is_here=*/true); }

  // Keeps it with the response that `begin` returns or calls back with, as PendingRequest::Finish
  // does. Does not fail: the host learns the outcome.
  using Begin = absl::FunctionRef<std::optional<http::Response>(http::ResponseCallback)>;
  void FulfilWith(Begin begin) noexcept { FulfilWith(begin, /*is_here=*/true); }

 private:
  void Give(http::Response response, bool is_here) noexcept;
  void FulfilWith(Begin begin, bool is_here) noexcept;
  // The first time.
  void DeliverOnce(std::unique_ptr<tcsync_response> response, bool is_here) noexcept;

  std::atomic<bool> is_delivered_{false};
  const std::unique_ptr<AnswerDelivery> delivery_;
  // Allocated in advance, so that answering cannot fail.
  std::unique_ptr<tcsync_response> response_;
};

}  // namespace tcsync::capi

#endif  // TCSYNC_CAPI_SRC_ANSWER_H_
