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

#include "absl/functional/any_invocable.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/memory/memory_storage.h"
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

  // The same for reads.
  void HoldReads();
  bool WaitForHeldReads(size_t count);
  void ReleaseReads();

  // Whether storage says from now on that it refuses writes.
  void RefuseWrites(bool refuse);

  // What every append reports as the client's snapshot.
  void ReportSnapshot(std::optional<SnapshotSummary> snapshot);

 private:
  friend class ScriptedStorage;

  // False after the deadline.
  bool WaitFor(absl::FunctionRef<bool()> condition);

  std::mutex mutex_;
  std::condition_variable changed_;
  absl::Status failure_;
  bool hold_appends_ = false;
  std::vector<std::pair<AppendRequest, AppendCallback>> held_;
  bool hold_reads_ = false;
  std::vector<absl::AnyInvocable<void()>> held_reads_;
  bool refuse_writes_ = false;
  std::optional<SnapshotSummary> snapshot_;
  std::map<Uuid, std::vector<Version>> chains_;
  std::map<Uuid, Snapshot> snapshots_;
};

// Keeps its versions in `script`. What is still held when it is destroyed fails.
class ScriptedStorage : public Storage {
 public:
  explicit ScriptedStorage(std::shared_ptr<Script> script) : script_(std::move(script)) {}
  ~ScriptedStorage() override;

  bool RefusesWrites() const override;
  void Append(AppendRequest request, AppendCallback done) override;
  void StoreSnapshot(StoreSnapshotRequest request, StoreSnapshotCallback done) override;
  void GetChild(const Uuid& client_id, const Uuid& parent_version_id, ChildCallback done) override;
  void GetSnapshot(const Uuid& client_id, SnapshotCallback done) override;
  // Of another storage, which is empty.
  StorageAdministration& administration() override { return administration_; }

 private:
  friend class Script;
  // Does the append. The script's mutex is held.
  static absl::StatusOr<AppendOutcome> AppendNow(Script& script, AppendRequest request);
  // The script's mutex is not held.
  static absl::StatusOr<ChildOutcome> ChildNow(Script& script, const Uuid& client_id,
                                               const Uuid& parent_version_id);
  static absl::StatusOr<std::optional<Snapshot>> SnapshotNow(Script& script, const Uuid& client_id);
  // Does the read, now or when reads are released.
  void Read(absl::AnyInvocable<void()> read);

  std::shared_ptr<Script> script_;
  memory_storage::MemoryStorage administration_;
};

}  // namespace tcsync::conformance

#endif  // TCSYNC_TESTS_CONFORMANCE_SCRIPTED_STORAGE_H_
