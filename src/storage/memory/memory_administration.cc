#include "storage/memory/memory_storage.h"

namespace tcsync {

absl::StatusOr<std::vector<ClientSummary>> MemoryStorage::ListClients(const std::optional<Uuid>&,
                                                                      size_t) {
  return absl::UnimplementedError("ListClients");
}

absl::StatusOr<std::optional<ClientSummary>> MemoryStorage::FindClient(const Uuid&) {
  return absl::UnimplementedError("FindClient");
}

absl::StatusOr<std::vector<StoredVersion>> MemoryStorage::ReadVersions(const Uuid&, uint64_t,
                                                                       uint64_t) {
  return absl::UnimplementedError("ReadVersions");
}

absl::StatusOr<std::vector<ReplicaPosition>> MemoryStorage::ReadPositions(const Uuid&, int64_t) {
  return absl::UnimplementedError("ReadPositions");
}

absl::StatusOr<StorageStats> MemoryStorage::ReadStats() {
  return absl::UnimplementedError("ReadStats");
}

absl::StatusOr<ChainReport> MemoryStorage::VerifyChain(const Uuid&) {
  return absl::UnimplementedError("VerifyChain");
}

absl::Status MemoryStorage::VerifyFiles() { return absl::UnimplementedError("VerifyFiles"); }

absl::StatusOr<BackupInfo> MemoryStorage::Backup(const BackupRequest&, Progress) {
  return absl::UnimplementedError("Backup");
}

}  // namespace tcsync
