// Requests that wait for the next version of their client (docs/protocol.md, "Waiting for the next
// version").
#ifndef TCSYNC_SRC_HTTP_LONG_POLLS_H_
#define TCSYNC_SRC_HTTP_LONG_POLLS_H_

#include <atomic>
#include <cstddef>
#include <memory>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "tcsync/http_message.h"
#include "tcsync/uuid.h"

namespace tcsync::http {

// The preferences of a request's sender, from the fields Prefer (RFC 7240).
struct Preferences {
  // How long it would wait for an answer: "wait". Zero when there is no usable one.
  absl::Duration wait = absl::ZeroDuration();
  // Whether it has no use for a version's bytes: "return=minimal".
  bool wants_minimum = false;
};
Preferences PreferencesOf(const RequestHead& head);

// Thread-safe. Functions that end polls call back on their caller's thread, after their own work.
class LongPolls {
 public:
  using EndCallback = absl::AnyInvocable<void()>;

  // One request. The registry must outlive it.
  class Poll {
   public:
    Poll(LongPolls& owner, const Uuid& client_id, const Uuid& version_id, absl::Time deadline,
         EndCallback on_end)
        : owner_(owner),
          client_id_(client_id),
          version_id_(version_id),
          deadline_(deadline),
          on_end_(std::move(on_end)) {}

    // Calls back, unless the poll has ended before.
    void End() { owner_.End(*this); }
    bool has_ended() const { return has_ended_.load(std::memory_order_acquire); }

   private:
    friend class LongPolls;

    LongPolls& owner_;
    const Uuid client_id_;
    const Uuid version_id_;  // whose child it waits for
    const absl::Time deadline_;
    EndCallback on_end_;  // guarded by the owner's mutex
    std::atomic<bool> has_ended_{false};
  };

  // Borrows the clock, which must never step.
  explicit LongPolls(const base::Clock& clock) : clock_(clock) {}

  // Calls `on_end` exactly once: from one of the functions below, from End(), or from here when
  // this is closed. Where the client has too many polls already, its oldest one ends.
  std::shared_ptr<Poll> Begin(const Uuid& client_id, const Uuid& version_id, absl::Duration wait,
                              EndCallback on_end);

  // Ends those of a client: it has a new version.
  void EndOf(const Uuid& client_id);
  // Ends those of a client that wait at another version than its latest: another server has added
  // one.
  void EndBehind(const Uuid& client_id, const Uuid& latest_version_id);
  // Ends those whose time is over. To be called about once a second.
  void EndExpired();
  // Ends all, also those that begin later.
  void Close();

  // The clients of those that have not ended.
  std::vector<Uuid> clients() const;
  // The number of those that have not ended.
  size_t count() const { return count_; }

 private:
  using PollPointer = std::shared_ptr<Poll>;

  void End(Poll& poll);
  // Removes it from the tables, if it is there. Under the mutex.
  PollPointer Remove(Poll& poll);
  static void CallBack(const std::vector<PollPointer>& ended);

  const base::Clock& clock_;
  std::atomic<size_t> count_{0};
  mutable std::mutex mutex_;  // guards the members below
  bool is_closed_ = false;
  // A client's are in the order in which they began.
  absl::flat_hash_map<Uuid, std::vector<PollPointer>> by_client_;
  std::set<std::pair<absl::Time, Poll*>> by_deadline_;
};

}  // namespace tcsync::http

#endif  // TCSYNC_SRC_HTTP_LONG_POLLS_H_
