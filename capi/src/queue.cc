#include "capi/src/queue.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <utility>

#include "absl/strings/str_cat.h"
#include "capi/src/process.h"
#include "capi/src/sized_struct.h"

namespace tcsync::capi {
namespace {

// Longer than any program's life, and short enough for every clock.
constexpr int64_t kTimeoutMaxMs = int64_t{10} * 366 * 24 * 3600 * 1000;

// The struct in the first release: each resource of an event has an owner, so no field may be
// omitted.
constexpr size_t kEventBytesMin = offsetof(tcsync_event, record) + sizeof(tcsync_log_record*);

void Fill(Event from, tcsync_event& event) noexcept {
  tcsync_event filled = {};
  filled.kind = from.kind;
  filled.user_data = from.user_data;
  filled.code = from.code;
  filled.dropped = from.dropped;
  filled.response = from.response.release();
  filled.bytes = from.bytes.release();
  filled.record = from.record.release();
  WriteStruct(filled, &event);
}

}  // namespace

void EventQueue::Push(EventNode node) noexcept {
  const std::lock_guard lock(mutex_);
  // A dropped event is destroyed after the mutex is free: it belongs to the parameter.
  if (is_closed_) return;
  events_.splice(events_.end(), node);
  Show();
}

void EventQueue::PushLog(const LogRecord& record) noexcept {
  EventNode node;
  try {
    node.emplace_back();
    node.front().kind = TCSYNC_EVENT_LOG;
    node.front().record = std::make_unique<tcsync_log_record>(record);
  } catch (...) {
    node.clear();
  }
  const std::lock_guard lock(mutex_);
  if (is_closed_) return;
  if (node.empty()) {
    ++backlog_.dropped;
  } else if (backlog_.Add(node.front().record->bytes())) {
    node.front().dropped = std::exchange(backlog_.dropped, 0);
    events_.splice(events_.end(), node);
  }
  Show();
}

void EventQueue::Wake() noexcept {
  const std::lock_guard lock(mutex_);
  if (is_closed_) return;
  ++wakes_;
  Show();
}

void EventQueue::Show() noexcept {
  if (has_event() != is_readable_) {
    is_readable_ = !is_readable_;
    if (is_readable_) {
      readable_.Wake();
    } else {
      readable_.Drain();
    }
  }
  if (is_readable_) arrives_.notify_one();
}

void EventQueue::Next(int64_t timeout_ms, tcsync_event& event) {
  EventNode taken;
  Event next;
  {
    std::unique_lock lock(mutex_);
    const auto arrived = [this] { return has_event(); };
    if (timeout_ms < 0) {
      arrives_.wait(lock, arrived);
    } else if (timeout_ms > 0) {
      arrives_.wait_until(lock,
                          std::chrono::steady_clock::now() +
                              std::chrono::milliseconds(std::min(timeout_ms, kTimeoutMaxMs)),
                          arrived);
    }
    if (has_event()) {
      next = Take(taken);
      // Another thread may wait for the rest.
      Show();
    }
  }
  Fill(std::move(next), event);
}

Event EventQueue::Take(EventNode& taken) noexcept {
  Event next;
  if (wakes_ > 0) {
    --wakes_;
    next.kind = TCSYNC_EVENT_WAKE;
    return next;
  }
  int64_t& dropped = events_.empty() ? backlog_.dropped : events_.front().dropped;
  if (dropped > 0) {
    next.kind = TCSYNC_EVENT_LOG_DROPPED;
    next.dropped = std::exchange(dropped, 0);
    return next;
  }
  taken.splice(taken.end(), events_, events_.begin());
  next = std::move(taken.front());
  if (next.record != nullptr) backlog_.Remove(next.record->bytes());
  return next;
}

void EventQueue::Close() noexcept {
  // Freeing a response calls into other rooms, which must not happen under the mutex.
  EventNode dropped;
  const std::lock_guard lock(mutex_);
  is_closed_ = true;
  wakes_ = 0;
  backlog_.dropped = 0;
  dropped.swap(events_);
}

Result CheckQueue(const tcsync_queue* queue) {
  if (Result result = Needed(queue, "queue"); !result.ok()) return result;
  return CheckProcess(queue->opener, "queue");
}

}  // namespace tcsync::capi

using tcsync::capi::Checked;
using tcsync::capi::CheckQueue;
using tcsync::capi::ClearOutput;
using tcsync::capi::Guard;
using tcsync::capi::NullArgument;
using tcsync::capi::Result;

tcsync_code tcsync_queue_new(tcsync_queue** queue, tcsync_error** error) {
  ClearOutput(queue);
  return Guard(error, [&]() -> Result {
    if (queue == nullptr) return NullArgument("queue");
    auto made = std::make_unique<tcsync_queue>();
    made->events = std::make_shared<tcsync::capi::EventQueue>();
    *queue = made.release();
    return {};
  });
}

int tcsync_queue_descriptor(const tcsync_queue* queue) {
  return Checked(queue) == nullptr ? -1 : queue->events->descriptor();
}

tcsync_code tcsync_queue_next(tcsync_queue* queue, int64_t timeout_ms, tcsync_event* event,
                              tcsync_error** error) {
  tcsync::capi::ClearOutputStruct(event);
  return Guard(error, [&]() -> Result {
    if (Result result = CheckQueue(queue); !result.ok()) return result;
    if (Result result = tcsync::capi::CheckOutputStruct(event, {"event", "tcsync_event"},
                                                        tcsync::capi::kEventBytesMin);
        !result.ok()) {
      return result;
    }
    if (timeout_ms < -1) {
      return {TCSYNC_INVALID_ARGUMENT,
              absl::StrCat("timeout_ms is ", timeout_ms,
                           "; give a number of milliseconds, or -1 to wait without a limit")};
    }
    queue->events->Next(timeout_ms, *event);
    return {};
  });
}

void tcsync_queue_wake(tcsync_queue* queue) {
  if (Checked(queue) == nullptr || queue->opener.IsOfAnotherProcess()) return;
  queue->events->Wake();
}

void tcsync_queue_free(tcsync_queue* queue) {
  // As tcsync_engine_free: its events belong to an engine of the other process.
  if (Checked(queue) != nullptr && queue->opener.IsOfAnotherProcess()) return;
  const std::unique_ptr<tcsync_queue> owned(queue);
  if (owned != nullptr) owned->events->Close();
}
