#include "storage/rocksdb/upload_admission.h"

#include <algorithm>
#include <limits>

#include "storage/rocksdb/access_records.h"
#include "tcsync/storage_administration.h"

namespace tcsync::rocksdb_storage {

absl::StatusOr<UploadAdmission> AdmitUpload(const ChainReader& reader,
                                            const std::optional<ChainHead>& client,
                                            uint64_t uploading_bytes,
                                            const UploadRequest& request) {
  constexpr uint64_t kAny = std::numeric_limits<uint64_t>::max();
  if (std::holds_alternative<UploadRequest::ForImport>(request.purpose)) return kAny;
  uint64_t kept_bytes = 0;
  uint64_t versions = 0;
  if (const auto* append = std::get_if<UploadRequest::ForAppend>(&request.purpose)) {
    if (client) {
      const bool is_latest = client->latest_version_id == append->expected_parent;
      if (!is_latest && !client->AcceptsDivergedAt(append->expected_parent)) {
        return Conflict{client->latest_version_id};
      }
      if (is_latest) {
        kept_bytes = client->kept_history_bytes() + client->snapshot_bytes();
        versions = client->version_count();
      }
    } else if (!append->create_client) {
      return NoSuchClient{};
    } else if (append->invite) {
      const absl::StatusOr<std::optional<Invite>> invite = ReadInvite(reader, *append->invite);
      if (!invite.ok()) return invite.status();
      if (!invite->has_value() || !MayCreateClient(**invite, request.now_unix_seconds)) {
        return NoSuchClient{};
      }
    }
    ++versions;
  } else {
    const auto& of_snapshot = std::get<UploadRequest::ForSnapshot>(request.purpose);
    if (!client) return NoSuchClient{};
    const absl::StatusOr<std::optional<uint64_t>> number = reader.FindRecent(
        request.client_id, *client, of_snapshot.version_id, of_snapshot.recent_versions_max);
    if (!number.ok()) return number.status();
    if (!number->has_value()) return NotWanted{};
    const std::optional<SnapshotRecord>& present = client->record.snapshot;
    if (present && present->number >= **number) return NotWanted{};
    kept_bytes = client->kept_history_bytes();
  }
  const ClientLimits& limits = request.limits;
  const uint64_t announced = uploading_bytes + std::max<uint64_t>(request.announced_bytes, 1);
  if ((limits.bytes_max > 0 && kept_bytes + announced > limits.bytes_max) ||
      (limits.versions_max > 0 && versions > limits.versions_max)) {
    return OverLimit{.bytes = kept_bytes + announced, .versions = versions};
  }
  return limits.bytes_max > 0 ? limits.bytes_max - kept_bytes : kAny;
}

}  // namespace tcsync::rocksdb_storage
