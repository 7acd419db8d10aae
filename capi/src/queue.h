// The object of a tcsync_queue: events that wait for the host to take them.
//
// An operation that ends in a queue allocates its event before it begins, so that its end needs no
// memory and no event is lost. Only log records may be dropped: they are bounded, and drops are
// counted.
#ifndef TCSYNC_CAPI_SRC_QUEUE_H_
#define TCSYNC_CAPI_SRC_QUEUE_H_

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>

#include "base/process_mark.h"
#include "base/wake_descriptor.h"
#include "capi/src/bytes.h"
#include "capi/src/guard.h"
#include "capi/src/handle.h"
#include "capi/src/log_backlog.h"
#include "capi/src/log_record.h"
#include "tcsync.h"

namespace tcsync::capi {

struct FreeResponse {
  void operator()(tcsync_response* response) const { tcsync_response_free(response); }
};
using OwnedResponse = std::unique_ptr<tcsync_response, FreeResponse>;

struct Event {
  int32_t kind = TCSYNC_EVENT_NONE;
  void* user_data = nullptr;
  tcsync_code code = TCSYNC_OK;
  OwnedResponse response = nullptr;
  std::unique_ptr<tcsync_bytes> bytes = nullptr;
  std::unique_ptr<tcsync_log_record> record = nullptr;
  int64_t dropped = 0;  // of log records, just before this one
};

// A list of one event, or of none: it enters a queue without an allocation.
using EventNode = std::list<Event>;

// Thread-safe. Outlives its tcsync_queue while operations that will end in it are under way.
class EventQueue {
 public:
  int descriptor() const { return readable_.fd(); }

  // Adds an event, unless the queue was closed: then it is dropped.
  void Push(EventNode node) noexcept;
  void PushLog(const LogRecord& record) noexcept;
  void Wake() noexcept;

  // Waits up to `timeout_ms`, for ever if that is negative, and moves the next event to *event.
  void Next(int64_t timeout_ms, tcsync_event& event);

  // Drops its events and all later ones.
  void Close() noexcept;

 private:
  // With the mutex.
  bool has_event() const { return wakes_ > 0 || !events_.empty() || backlog_.dropped > 0; }
  void Show() noexcept;
  Event Take(EventNode& taken) noexcept;

  std::mutex mutex_;  // of the members below
  std::condition_variable arrives_;
  base::WakeDescriptor readable_;
  bool is_readable_ = false;
  EventNode events_;
  uint64_t wakes_ = 0;
  LogBacklog backlog_;  // of the log records among the events
  bool is_closed_ = false;
};

}  // namespace tcsync::capi

struct tcsync_queue : tcsync::capi::Handle<tcsync::capi::HandleType::kQueue> {
  std::shared_ptr<tcsync::capi::EventQueue> events;
  const tcsync::base::ProcessMark opener = tcsync::base::ProcessMark::Current();
};

namespace tcsync::capi {

// Whether this process can use the queue. A parent's is refused: its descriptor is that of the
// parent, and would show there the events of this process.
Result CheckQueue(const tcsync_queue* queue);

}  // namespace tcsync::capi

#endif  // TCSYNC_CAPI_SRC_QUEUE_H_
