// A StorageAdministration that has what a test puts into it, as far as this room asks for it.
#ifndef TCSYNC_TESTS_UNIT_ACCESS_SCRIPTED_ADMINISTRATION_H_
#define TCSYNC_TESTS_UNIT_ACCESS_SCRIPTED_ADMINISTRATION_H_

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "tcsync/storage_administration.h"

namespace tcsync {

// Whatever is not scripted answers with gmock's default, an error of an uninitialized StatusOr.
class ScriptedAdministration : public StorageAdministration {
 public:
  absl::StatusOr<AccessRecords> ReadAccessRecords() override {
    if (!failure.ok()) return failure;
    return records;
  }
  absl::StatusOr<StorageStats> ReadStats() override { return stats; }
  absl::StatusOr<std::string> PseudonymKey() override { return std::string(32, 'k'); }

  MOCK_METHOD(absl::StatusOr<std::vector<ClientSummary>>, ListClients,
              (const std::optional<Uuid>&, size_t), (override));
  MOCK_METHOD(absl::StatusOr<std::optional<ClientSummary>>, FindClient, (const Uuid&), (override));
  MOCK_METHOD(absl::StatusOr<std::vector<StoredVersion>>, ReadVersions,
              (const Uuid&, uint64_t, uint64_t), (override));
  MOCK_METHOD(absl::StatusOr<std::vector<ReplicaPosition>>, ReadPositions, (const Uuid&, int64_t),
              (override));
  MOCK_METHOD(absl::StatusOr<bool>, DeleteClient, (const Uuid&), (override));
  MOCK_METHOD(absl::StatusOr<ImportOutcome>, Import, (ImportRequest), (override));
  MOCK_METHOD(absl::StatusOr<std::vector<VersionSummary>>, ListVersions,
              (const Uuid&, uint64_t, size_t), (override));
  MOCK_METHOD(absl::StatusOr<Rewound>, Rewind, (const RewindRequest&), (override));
  MOCK_METHOD(absl::StatusOr<uint64_t>, RemoveVersions, (const Uuid&, uint64_t), (override));
  MOCK_METHOD(absl::StatusOr<bool>, AcceptDiverged, (const Uuid&, bool), (override));
  MOCK_METHOD(absl::Status, ChangeAccess, (const AccessChange&), (override));
  MOCK_METHOD(absl::StatusOr<ChainReport>, VerifyChain, (const Uuid&), (override));
  MOCK_METHOD(absl::Status, VerifyFiles, (Progress), (override));
  MOCK_METHOD(absl::StatusOr<BackupInfo>, Backup, (const BackupRequest&, Progress), (override));

  AccessRecords records;
  absl::Status failure;
  StorageStats stats;
};

}  // namespace tcsync

#endif  // TCSYNC_TESTS_UNIT_ACCESS_SCRIPTED_ADMINISTRATION_H_
