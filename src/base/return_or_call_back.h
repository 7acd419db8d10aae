// Connects operations that call back, possibly at once, with callers that want a ready result
// returned.
#ifndef TCSYNC_SRC_BASE_RETURN_OR_CALL_BACK_H_
#define TCSYNC_SRC_BASE_RETURN_OR_CALL_BACK_H_

#include <atomic>
#include <future>
#include <memory>
#include <optional>
#include <utility>

#include "absl/functional/any_invocable.h"

namespace tcsync::base {

// Passes `start` a callback that is to be called once, at once or later on any thread. A result
// that is there by the time `start` returns is returned, and `done` is not called; otherwise `done`
// gets it.
template <typename Result, typename Start>
std::optional<Result> ReturnOrCallBack(absl::AnyInvocable<void(Result)> done, Start&& start) {
  struct HandOver {
    explicit HandOver(absl::AnyInvocable<void(Result)> callback) : done(std::move(callback)) {}
    // Whether the other side was here before: the second of the two passes the result on.
    bool IsSecond() { return is_visited.exchange(true, std::memory_order_acq_rel); }

    absl::AnyInvocable<void(Result)> done;
    std::optional<Result> result;
    std::atomic<bool> is_visited{false};
  };
  const auto hand_over = std::make_shared<HandOver>(std::move(done));
  std::forward<Start>(start)([hand_over](Result&& result) {
    hand_over->result.emplace(std::move(result));
    if (hand_over->IsSecond()) hand_over->done(*std::move(hand_over->result));
  });
  if (!hand_over->IsSecond()) return std::nullopt;
  return std::move(hand_over->result);
}

// Waits for the result of `begin`, which returns it or calls back.
template <typename Result, typename Begin>
Result WaitFor(Begin&& begin) {
  std::promise<Result> promise;
  std::future<Result> later = promise.get_future();
  std::optional<Result> ready =
      std::forward<Begin>(begin)([promise = std::move(promise)](Result result) mutable {
        promise.set_value(std::move(result));
      });
  return ready ? *std::move(ready) : later.get();
}

}  // namespace tcsync::base

#endif  // TCSYNC_SRC_BASE_RETURN_OR_CALL_BACK_H_
