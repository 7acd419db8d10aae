// A storage of the tests' own, which fails, waits or dates its snapshots on a test's command. With
// it a test can stop time inside a request, and see the server's answers to storage's failures.
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

// The script's commands and observations; shared by the test and the storage, which the engine
// owns. Thread-safe.
class Script {
 public:
  // From now on every operation fails with `status`, until it is OK again.
  void Fail(absl::Status status);

  // From now on an append waits, undone.
  void HoldAppends();
  // Waits until `count` appends wait; false at the deadline.
  bool WaitForHeldAppends(size_t count);
  // Carries out the waiting appends, and lets all others pass.
  void ReleaseAppends();

  // The same for reads.
  void HoldReads();
  bool WaitForHeldReads(size_t count);
  void ReleaseReads();

  // Sets whether storage refuses writes from now on.
  void RefuseWrites(bool refuse);

  // Every append reports this as the client's snapshot.
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

// Keeps its versions in `script`. Operations that are still held at its destruction fail.
class ScriptedStorage : public Storage {
 public:
  explicit ScriptedStorage(std::shared_ptr<Script> script) : script_(std::move(script)) {}
  ~ScriptedStorage() override;

  bool RefusesWrites() const override;
  void Append(AppendRequest request, AppendCallback done) override;
  void StoreSnapshot(StoreSnapshotRequest request, StoreSnapshotCallback done) override;
  void GetChild(const Uuid& client_id, const Uuid& parent_version_id, ChildCallback done) override;
  void GetSnapshot(const Uuid& client_id, SnapshotCallback done) override;
  // Of another, empty storage.
  StorageAdministration& administration() override { return administration_; }

 private:
  friend class Script;
  // Carries out the append. The script's mutex is held.
  static absl::StatusOr<AppendOutcome> AppendNow(Script& script, AppendRequest request);
  // The script's mutex is not held.
  static absl::StatusOr<ChildOutcome> ChildNow(Script& script, const Uuid& client_id,
                                               const Uuid& parent_version_id);
  static absl::StatusOr<std::optional<Snapshot>> SnapshotNow(Script& script, const Uuid& client_id);
  // Carries out the read, now or when reads are released.
  void Read(absl::AnyInvocable<void()> read);

  std::shared_ptr<Script> script_;
  memory_storage::MemoryStorage administration_;
};

}  // namespace tcsync::conformance

#endif  // TCSYNC_TESTS_CONFORMANCE_SCRIPTED_STORAGE_H_
