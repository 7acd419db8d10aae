// A storage whose probes and figures give the test's answers at the test's time.
#ifndef TCSYNC_TESTS_UNIT_METRICS_PROBED_STORAGE_H_
#define TCSYNC_TESTS_UNIT_METRICS_PROBED_STORAGE_H_

#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "tcsync/storage.h"
#include "tcsync/storage_figures.h"

namespace tcsync {

class ScriptedFigures final : public StorageFigures {
 public:
  StorageStats stats;
  absl::Status status;
  bool hold = false;  // keep readers waiting until Release
  std::atomic<int> reads = 0;

  void Release() {
    const std::lock_guard lock(mutex_);
    hold = false;
    released_.notify_all();
  }
  absl::StatusOr<StorageStats> ReadStats() override {
    ++reads;
    std::unique_lock lock(mutex_);
    released_.wait(lock, [this] { return !hold; });
    if (!status.ok()) return status;
    return stats;
  }
  uint64_t LiveBytes() override { return stats.live_bytes; }

 private:
  std::mutex mutex_;
  std::condition_variable released_;
};

class ProbedStorage final : public Storage {
 public:
  ScriptedFigures figures;

  // The result of a probe, once `refusals` others were refused as too busy.
  absl::Status answer;
  std::atomic<int> refusals = 0;
  std::atomic<bool> hold = false;  // keep probes until Release

  int probes() const { return probes_; }

  void AwaitHeld() {
    std::unique_lock lock(mutex_);
    has_held_.wait(lock, [this] { return !held_.empty(); });
  }
  void Release(const absl::Status& status) {
    std::vector<ProbeCallback> held;
    {
      const std::lock_guard lock(mutex_);
      held.swap(held_);
    }
    for (ProbeCallback& done : held) done(status);
  }

  void Probe(ProbeCallback done) override {
    ++probes_;
    if (hold) {
      const std::lock_guard lock(mutex_);
      held_.push_back(std::move(done));
      has_held_.notify_all();
      return;
    }
    if (refusals > 0) {
      --refusals;
      return done(absl::UnavailableError("busy"));
    }
    done(answer);
  }

  void Append(AppendRequest, AppendCallback done) override { done(NoSuchClient{}); }
  void StoreSnapshot(StoreSnapshotRequest, StoreSnapshotCallback done) override {
    done(StoreSnapshotOutcome::kNoSuchClient);
  }
  void GetChild(const Uuid&, const Uuid&, ChildCallback done) override { done(NoSuchClient{}); }
  void GetSnapshot(const Uuid&, SnapshotCallback done) override { done(std::optional<Snapshot>()); }
  // These rooms only take figures.
  StorageAdministration& administration() override { std::abort(); }

 private:
  std::atomic<int> probes_ = 0;
  std::mutex mutex_;
  std::condition_variable has_held_;
  std::vector<ProbeCallback> held_;
};

}  // namespace tcsync

#endif  // TCSYNC_TESTS_UNIT_METRICS_PROBED_STORAGE_H_
