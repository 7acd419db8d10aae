#include "storage/rocksdb/administration.h"

namespace tcsync {

absl::StatusOr<std::vector<ClientSummary>> RocksdbAdministration::ListClients(
    const std::optional<Uuid>&, size_t) {
  return absl::UnimplementedError("ListClients");
}

absl::StatusOr<std::optional<ClientSummary>> RocksdbAdministration::FindClient(const Uuid&) {
  return absl::UnimplementedError("FindClient");
}

absl::StatusOr<std::vector<StoredVersion>> RocksdbAdministration::ReadVersions(const Uuid&,
                                                                               uint64_t, uint64_t) {
  return absl::UnimplementedError("ReadVersions");
}

absl::StatusOr<std::vector<ReplicaPosition>> RocksdbAdministration::ReadPositions(const Uuid&,
                                                                                  int64_t) {
  return absl::UnimplementedError("ReadPositions");
}

absl::StatusOr<StorageStats> RocksdbAdministration::ReadStats() {
  return absl::UnimplementedError("ReadStats");
}

absl::StatusOr<ChainReport> RocksdbAdministration::VerifyChain(const Uuid&) {
  return absl::UnimplementedError("VerifyChain");
}

absl::Status RocksdbAdministration::VerifyFiles() {
  return absl::UnimplementedError("VerifyFiles");
}

absl::StatusOr<BackupInfo> RocksdbAdministration::Backup(const BackupRequest&, Progress) {
  return absl::UnimplementedError("Backup");
}

}  // namespace tcsync
