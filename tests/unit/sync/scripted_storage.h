// A storage that gives a test's answers and records its requests. Callbacks run at once.
#ifndef TCSYNC_TESTS_UNIT_SYNC_SCRIPTED_STORAGE_H_
#define TCSYNC_TESTS_UNIT_SYNC_SCRIPTED_STORAGE_H_

#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/memory/memory_storage.h"
#include "tcsync/storage.h"

namespace tcsync {

// One thread.
class ScriptedStorage final : public Storage {
 public:
  // The answers.
  absl::StatusOr<AppendOutcome> append = NoSuchClient{};
  absl::StatusOr<StoreSnapshotOutcome> store_snapshot = StoreSnapshotOutcome::kNoSuchClient;
  absl::StatusOr<ChildOutcome> child = NoSuchClient{};
  absl::StatusOr<std::optional<Snapshot>> snapshot = std::optional<Snapshot>();
  bool refuses_writes = false;

  // The recorded requests.
  struct ChildRequest {
    Uuid client_id;
    Uuid parent_version_id;
  };
  std::vector<AppendRequest> append_requests;
  std::vector<StoreSnapshotRequest> store_snapshot_requests;
  std::vector<ChildRequest> child_requests;
  std::vector<Uuid> snapshot_requests;

  // Makes every operation fail with `status`.
  void FailAll(const absl::Status& status) {
    append = status;
    store_snapshot = status;
    child = status;
    snapshot = status;
  }

  bool RefusesWrites() const override { return refuses_writes; }
  void Append(AppendRequest request, AppendCallback done) override {
    append_requests.push_back(std::move(request));
    done(append);
  }
  void StoreSnapshot(StoreSnapshotRequest request, StoreSnapshotCallback done) override {
    store_snapshot_requests.push_back(std::move(request));
    done(store_snapshot);
  }
  void GetChild(const Uuid& client_id, const Uuid& parent_version_id, ChildCallback done) override {
    child_requests.push_back({client_id, parent_version_id});
    done(child);
  }
  void GetSnapshot(const Uuid& client_id, SnapshotCallback done) override {
    snapshot_requests.push_back(client_id);
    done(snapshot);
  }
  StorageAdministration& administration() override { return administration_; }

 private:
  memory_storage::MemoryStorage administration_;
};

}  // namespace tcsync

#endif  // TCSYNC_TESTS_UNIT_SYNC_SCRIPTED_STORAGE_H_
