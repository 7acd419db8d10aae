// A storage of the tests' own, which fails, waits or dates its snapshots as a test wants. With it a
// test can stop time inside a request, and see how the server tells what storage cannot do.
#ifndef TCSYNC_TESTS_CONFORMANCE_SCRIPTED_STORAGE_H_
#define TCSYNC_TESTS_CONFORMANCE_SCRIPTED_STORAGE_H_

#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tcsync/storage.h"

namespace tcsync::conformance {

// What the script says, and what it has seen; shared by the test and the storage, which the engine
// owns. Thread-safe.
class Script {
 public:
  // From now on every operation fails with `status`, until it is OK again.
  void Fail(absl::Status status);

  // From now on an append is kept waiting, undone.
  void HoldAppends();
  // Waits until `count` appends are kept waiting; false when that did not come about.
  bool WaitForHeldAppends(size_t count);
  // Carries out the appends that wait, and lets all others pass.
  void ReleaseAppends();

  // What every append reports as the client's snapshot.
  void ReportSnapshot(std::optional<SnapshotSummary> snapshot);

 private:
  friend class ScriptedStorage;

  std::mutex mutex_;
  std::condition_variable changed_;
  absl::Status failure_;
  bool hold_appends_ = false;
  std::vector<std::pair<AppendRequest, AppendCallback>> held_;
  std::optional<SnapshotSummary> snapshot_;
  std::map<Uuid, std::vector<Version>> chains_;
  std::map<Uuid, Snapshot> snapshots_;
};

// Keeps its versions in `script`. Appends that are still held when it is destroyed fail.
class ScriptedStorage : public Storage {
 public:
  explicit ScriptedStorage(std::shared_ptr<Script> script) : script_(std::move(script)) {}
  ~ScriptedStorage() override;

  void Append(AppendRequest request, AppendCallback done) override;
  void StoreSnapshot(StoreSnapshotRequest request, StoreSnapshotCallback done) override;
  absl::StatusOr<ChildOutcome> GetChild(const Uuid& client_id,
                                        const Uuid& parent_version_id) override;
  absl::StatusOr<std::optional<Snapshot>> GetSnapshot(const Uuid& client_id) override;

 private:
  friend class Script;
  // Does the append. The script's mutex is held.
  static absl::StatusOr<AppendOutcome> AppendNow(Script& script, AppendRequest request);

  std::shared_ptr<Script> script_;
};

}  // namespace tcsync::conformance

#endif  // TCSYNC_TESTS_CONFORMANCE_SCRIPTED_STORAGE_H_
