// The way of an answer to the host: to a thread that waits, to a callback, or into a queue.
#ifndef TCSYNC_CAPI_SRC_ANSWER_H_
#define TCSYNC_CAPI_SRC_ANSWER_H_

#include <cstdint>
#include <memory>
#include <utility>

#include "absl/strings/string_view.h"
#include "capi/src/engine.h"
#include "capi/src/guard.h"
#include "capi/src/queue.h"
#include "capi/src/response.h"
#include "capi/src/waiter.h"
#include "tcsync.h"
#include "tcsync/handler.h"
#include "tcsync/http_message.h"

namespace tcsync::capi {

// Where one answer goes. NULL: memory ran out.
class Delivery {
 public:
  virtual ~Delivery() = default;
  virtual void Deliver(std::unique_ptr<tcsync_response> response) noexcept = 0;
};

// For a thread that waits; borrowed by the delivery that it makes.
class AnswerWaiter {
 public:
  std::unique_ptr<Delivery> MakeDelivery();
  // The answer, in *response.
  Result Wait(tcsync_response** response);

 private:
  class ToWaiter;

  Waiter<std::unique_ptr<tcsync_response>> response_;
};

// Into a queue, as TCSYNC_EVENT_RESPONSE.
std::unique_ptr<Delivery> MakeQueueDelivery(const tcsync_queue& queue, void* user_data);

// While this lives, answers that come on this thread may be given to their callback at once.
class AnswersOnThisThread;

// To a callback: on the engine's thread for callbacks, or at once where `here` allows it.
std::unique_ptr<Delivery> MakeCallbackDelivery(std::shared_ptr<EngineCore> core,
                                               tcsync_response_function function, void* user_data,
                                               const AnswersOnThisThread& here);

class AnswersOnThisThread {
 public:
  AnswersOnThisThread();
  AnswersOnThisThread(const AnswersOnThisThread&) = delete;
  AnswersOnThisThread& operator=(const AnswersOnThisThread&) = delete;
  ~AnswersOnThisThread();

  uint64_t number() const { return number_; }

 private:
  const uint64_t number_;
  const uint64_t outer_;
};

// Owes one delivery, and pays with NULL when it is destroyed without an answer, as happens when
// memory runs out anywhere on the way. So the host hears exactly once, whatever is thrown.
class Promise {
 public:
  // Bodies that come in pieces are read later, through `streams`; without it they are collected.
  Promise(std::unique_ptr<Delivery> delivery, std::shared_ptr<EngineCore> streams);
  Promise(Promise&& other) noexcept = default;
  Promise& operator=(Promise&&) = delete;
  ~Promise();

  void operator()(http::Response response) noexcept;

 private:
  std::unique_ptr<Delivery> delivery_;
  // Made beforehand, so that answering cannot fail.
  std::unique_ptr<tcsync_response> response_;
};

// Gives a whole request to the handler. Does not fail: the promise says how it went.
void HandleWhole(http::Handler& handler, const http::RequestHead& head, absl::string_view body,
                 Promise promise) noexcept;

}  // namespace tcsync::capi

#endif  // TCSYNC_CAPI_SRC_ANSWER_H_
