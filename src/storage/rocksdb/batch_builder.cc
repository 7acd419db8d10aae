#include "storage/rocksdb/batch_builder.h"

#include <string>

#include "base/limits.h"
#include "storage/rocksdb/record_codec.h"

namespace tcsync {
namespace {

void Release(std::string& bytes) { std::string().swap(bytes); }

std::optional<SnapshotSummary> SummaryOf(const ChainHead& head) {
  const std::optional<SnapshotRecord>& snapshot = head.record.snapshot;
  if (!snapshot) return std::nullopt;
  return SnapshotSummary{.version_id = snapshot->version_id,
                         .stored_unix_seconds = snapshot->stored_unix_seconds,
                         .versions_since = head.latest_number - snapshot->number};
}

}  // namespace

absl::StatusOr<std::optional<ChainHead>> BatchBuilder::Head(const Uuid& client_id) {
  if (const auto it = changed_heads_.find(client_id); it != changed_heads_.end()) return it->second;
  return head_cache_.Get(client_id, [&] { return reader_.ReadHead(client_id); });
}

absl::StatusOr<AppendOutcome> BatchBuilder::Append(AppendRequest& request) {
  const Uuid& client_id = request.client_id;
  absl::StatusOr<std::optional<ChainHead>> found = Head(client_id);
  if (!found.ok()) return found.status();
  if (!found->has_value() && !request.create_client) return NoSuchClient{};

  ChainHead head = found->value_or(ChainHead{});
  if (head.latest_number > 0 && head.latest_version_id != request.expected_parent) {
    return Conflict{head.latest_version_id};
  }
  if (!found->has_value()) {
    head.record.created_unix_seconds = request.now_unix_seconds;
    writes_.Put(ClientKey(client_id), EncodeClientRecord(head.record));
  }

  const uint64_t number = head.latest_number + 1;
  if (number > kVersionNumberMax) return absl::ResourceExhaustedError("the chain is full");
  const VersionTrailer trailer{.version_id = Uuid::RandomWithNumber(number),
                               .parent_version_id = request.expected_parent,
                               .appended_unix_seconds = request.now_unix_seconds,
                               .segment_is_inline = request.segment.size() < kInlineBytesMax};
  if (request.expected_parent.NumberHint() + 1 != number) {
    writes_.Put(ParentKey(client_id, request.expected_parent), EncodeNumber(number));
  }
  const std::string encoded_trailer = EncodeVersionTrailer(trailer);
  if (trailer.segment_is_inline) {
    const std::string key = VersionKey(client_id, number);
    const rocksdb::Slice key_parts[] = {key};
    const rocksdb::Slice value_parts[] = {request.segment, encoded_trailer};
    writes_.Put(rocksdb::SliceParts(key_parts, 1), rocksdb::SliceParts(value_parts, 2));
  } else {
    writes_.Put(VersionKey(client_id, number), encoded_trailer);
    writes_.Put(SegmentKey(client_id, number), request.segment);
  }
  Release(request.segment);

  head.latest_number = number;
  head.latest_version_id = trailer.version_id;
  changed_heads_[client_id] = head;
  return Appended{trailer.version_id, SummaryOf(head)};
}

absl::StatusOr<StoreSnapshotOutcome> BatchBuilder::StoreSnapshot(StoreSnapshotRequest& request) {
  const Uuid& client_id = request.client_id;
  absl::StatusOr<std::optional<ChainHead>> found = Head(client_id);
  if (!found.ok()) return found.status();
  if (!found->has_value()) return StoreSnapshotOutcome::kNoSuchClient;

  ChainHead head = **found;
  const absl::StatusOr<std::optional<uint64_t>> number =
      reader_.FindRecent(client_id, head, request.version_id, request.recent_versions_max);
  if (!number.ok()) return number.status();
  if (!number->has_value()) return StoreSnapshotOutcome::kNotWanted;
  if (head.record.snapshot && head.record.snapshot->number >= **number) {
    return StoreSnapshotOutcome::kNotWanted;
  }

  head.record.snapshot = SnapshotRecord{.version_id = request.version_id,
                                        .number = **number,
                                        .stored_unix_seconds = request.now_unix_seconds};
  writes_.Put(ClientKey(client_id), EncodeClientRecord(head.record));
  writes_.Put(SnapshotKey(client_id), request.bytes);
  Release(request.bytes);
  changed_heads_[client_id] = head;
  return StoreSnapshotOutcome::kStored;
}

void BatchBuilder::PublishHeads() {
  for (const auto& [client_id, head] : changed_heads_) head_cache_.Publish(client_id, head);
}

}  // namespace tcsync
