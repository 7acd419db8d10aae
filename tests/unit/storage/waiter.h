// Waits for the result of a callback, and detects a second call.
#ifndef TCSYNC_TESTS_UNIT_STORAGE_WAITER_H_
#define TCSYNC_TESTS_UNIT_STORAGE_WAITER_H_

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "gtest/gtest.h"

namespace tcsync {

// Waits for one result. A callback that never runs ends in ctest's time limit. Thread-safe.
template <typename T>
class Waiter {
 public:
  // A callback that may outlive this object. Ask for it once.
  auto Callback() {
    return [state = state_](T result) {
      const std::lock_guard<std::mutex> lock(state->mutex);
      EXPECT_FALSE(state->called) << "the callback was called twice";
      state->called = true;
      state->result.emplace(std::move(result));
      state->changed.notify_all();
    };
  }

  T Wait() {
    std::unique_lock<std::mutex> lock(state_->mutex);
    state_->changed.wait(lock, [this] { return state_->called; });
    return *std::move(state_->result);
  }

  bool WasCalled() const {
    const std::lock_guard<std::mutex> lock(state_->mutex);
    return state_->called;
  }

 private:
  struct State {
    std::mutex mutex;
    std::condition_variable changed;
    bool called = false;
    std::optional<T> result;
  };

  std::shared_ptr<State> state_ = std::make_shared<State>();
};

}  // namespace tcsync

#endif  // TCSYNC_TESTS_UNIT_STORAGE_WAITER_H_
