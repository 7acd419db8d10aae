// The delivery of a result to the host, to a waiting thread or into a queue: of an answer
// (tcsync_response), or of the next piece of its body (tcsync_bytes, NULL at the end).
#ifndef TCSYNC_CAPI_SRC_DELIVERY_H_
#define TCSYNC_CAPI_SRC_DELIVERY_H_

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <type_traits>
#include <utility>

#include "capi/src/guard.h"
#include "capi/src/queue.h"
#include "tcsync.h"

namespace tcsync::capi {

inline constexpr char kBodyIsIncomplete[] =
    "the body of this response cannot be read to its end, for a reason that the log has: close the "
    "connection";

// The destination of one result. `code`: TCSYNC_OK, or the reason that there is none. `is_here`,
// for callbacks: within the host's call that it answers, on its thread.
template <typename T>
class Delivery {
 public:
  virtual ~Delivery() = default;
  virtual void Deliver(tcsync_code code, std::unique_ptr<T> result, bool is_here) noexcept = 0;
};

// For a thread that waits; borrowed by the delivery that it makes. May be destroyed once Wait has
// returned, which needs no memory.
template <typename T>
class DeliveryWaiter {
 public:
  std::unique_ptr<Delivery<T>> MakeDelivery() { return std::make_unique<ToWaiter>(*this); }

  // The result, in *result.
  Result Wait(T** result) {
    std::unique_lock lock(mutex_);
    is_delivered_.wait(lock, [this] { return code_.has_value(); });
    if (*code_ == TCSYNC_OUT_OF_MEMORY) return {*code_, "out of memory"};
    if (*code_ != TCSYNC_OK) return {*code_, kBodyIsIncomplete};
    *result = result_.release();
    return {};
  }

 private:
  class ToWaiter final : public Delivery<T> {
   public:
    explicit ToWaiter(DeliveryWaiter& waiter) : waiter_(waiter) {}
    void Deliver(tcsync_code code, std::unique_ptr<T> result, bool) noexcept override {
      const std::lock_guard lock(waiter_.mutex_);
      waiter_.code_ = code;
      waiter_.result_ = std::move(result);
      // Under the lock: after its release the waiter may be destroyed.
      waiter_.is_delivered_.notify_one();
    }

   private:
    DeliveryWaiter& waiter_;
  };

  std::mutex mutex_;  // of the members below
  std::condition_variable is_delivered_;
  std::optional<tcsync_code> code_;
  std::unique_ptr<T> result_;
};

// Into a queue, as TCSYNC_EVENT_RESPONSE or TCSYNC_EVENT_PIECE.
template <typename T>
class QueueDelivery final : public Delivery<T> {
 public:
  QueueDelivery(const tcsync_queue& queue, void* user_data) : queue_(queue.events), node_(1) {
    node_.front().kind = kIsAnswer ? TCSYNC_EVENT_RESPONSE : TCSYNC_EVENT_PIECE;
    node_.front().user_data = user_data;
  }

  void Deliver(tcsync_code code, std::unique_ptr<T> result, bool) noexcept override {
    node_.front().code = code;
    if constexpr (kIsAnswer) {
      node_.front().response.reset(result.release());
    } else {
      node_.front().bytes = std::move(result);
    }
    queue_->Push(std::move(node_));
  }

 private:
  static constexpr bool kIsAnswer = std::is_same_v<T, tcsync_response>;

  const std::shared_ptr<EventQueue> queue_;
  EventNode node_;
};

}  // namespace tcsync::capi

#endif  // TCSYNC_CAPI_SRC_DELIVERY_H_
