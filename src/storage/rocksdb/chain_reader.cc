#include "storage/rocksdb/chain_reader.h"

#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/limits.h"
#include "storage/rocksdb/record_codec.h"
#include "storage/rocksdb/rocksdb_status.h"

namespace tcsync {
namespace {

absl::Status Contradiction(const Uuid& client_id, absl::string_view what) {
  return absl::DataLossError(absl::StrCat("the records of client ", client_id.ToString(),
                                          " contradict each other: ", what));
}

absl::string_view ToView(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }

}  // namespace

ChainReader::ChainReader(rocksdb::DB& db, ReadTier tier) : db_(db) {
  if (tier == ReadTier::kMemory) options_.read_tier = rocksdb::kBlockCacheTier;
  iterator_options_ = options_;
  iterator_options_.prefix_same_as_start = true;  // lets filters skip every file without the client
}

absl::StatusOr<std::optional<std::string>> ChainReader::Read(
    const std::string& key, const rocksdb::ReadOptions& options) const {
  rocksdb::PinnableSlice pinned;
  rocksdb::Status status = db_.Get(options, db_.DefaultColumnFamily(), key, &pinned);
  if (status.IsNotFound()) return std::nullopt;
  // Without the disk, RocksDB takes a table file that is not open for one that has the key, with an
  // empty value (TableCache::Get).
  if (status.ok() && pinned.empty() && options.read_tier == rocksdb::kBlockCacheTier) {
    status = rocksdb::Status::Incomplete();
  }
  if (!status.ok()) return FromRocksdb(status, "read from the database");
  // A large value comes in a buffer of its own, which can be had without copying it.
  if (!pinned.IsPinned()) return std::move(*pinned.GetSelf());
  return pinned.ToString();
}

absl::StatusOr<std::optional<ChainHead>> ChainReader::ReadHead(const Uuid& client_id) const {
  absl::StatusOr<std::optional<std::string>> value = Read(ClientKey(client_id), options_);
  if (!value.ok()) return value.status();
  if (!value->has_value()) return std::nullopt;
  const std::optional<ClientRecord> record = DecodeClientRecord(**value);
  if (!record) return Contradiction(client_id, "the client record is malformed");

  const std::unique_ptr<rocksdb::Iterator> iterator(db_.NewIterator(iterator_options_));
  iterator->SeekForPrev(VersionKey(client_id, kVersionNumberMax));
  if (!iterator->Valid()) {
    if (!iterator->status().ok()) return FromRocksdb(iterator->status(), "read from the database");
    return Contradiction(client_id, "it has no version");
  }
  const std::optional<uint64_t> number = ParseVersionKey(client_id, ToView(iterator->key()));
  if (!number) return Contradiction(client_id, "it has no version");
  const std::optional<VersionTrailer> trailer = DecodeVersionTrailer(ToView(iterator->value()));
  if (!trailer) return Contradiction(client_id, absl::StrCat("version ", *number, " is malformed"));
  return ChainHead{
      .record = *record, .latest_version_id = trailer->version_id, .latest_number = *number};
}

absl::StatusOr<std::optional<Version>> ChainReader::ReadVersionAfter(
    const Uuid& client_id, uint64_t number, const Uuid& parent_version_id) const {
  absl::StatusOr<std::optional<std::string>> value = Read(VersionKey(client_id, number), options_);
  if (!value.ok()) return value.status();
  if (!value->has_value()) return std::nullopt;
  const std::optional<VersionTrailer> trailer = DecodeVersionTrailer(**value);
  if (!trailer) return Contradiction(client_id, absl::StrCat("version ", number, " is malformed"));
  if (trailer->parent_version_id != parent_version_id) return std::nullopt;

  Version version{.version_id = trailer->version_id,
                  .parent_version_id = parent_version_id,
                  .segment = std::move(**value)};
  version.segment.resize(version.segment.size() - trailer->encoded_bytes);
  if (trailer->segment_is_inline) return version;

  absl::StatusOr<std::optional<std::string>> segment =
      Read(SegmentKey(client_id, number), options_);
  if (!segment.ok()) return segment.status();
  if (!segment->has_value()) {
    return Contradiction(client_id, absl::StrCat("version ", number, " lacks its segment"));
  }
  version.segment = std::move(**segment);
  return version;
}

absl::StatusOr<std::optional<Version>> ChainReader::FindChild(const Uuid& client_id,
                                                              const ChainHead& head,
                                                              const Uuid& parent_version_id) const {
  // The ID's hint first; what it leads to counts only if it names this parent.
  const uint64_t number = parent_version_id.NumberHint() + 1;
  if (number <= head.latest_number) {
    absl::StatusOr<std::optional<Version>> child =
        ReadVersionAfter(client_id, number, parent_version_id);
    if (!child.ok() || child->has_value()) return child;
  }
  absl::StatusOr<std::optional<std::string>> indexed =
      Read(ParentKey(client_id, parent_version_id), options_);
  if (!indexed.ok()) return indexed.status();
  if (!indexed->has_value()) return std::nullopt;
  const std::optional<uint64_t> indexed_number = DecodeNumber(**indexed);
  if (!indexed_number) return Contradiction(client_id, "an index entry is malformed");
  return ReadVersionAfter(client_id, *indexed_number, parent_version_id);
}

absl::StatusOr<std::optional<uint64_t>> ChainReader::FindRecent(
    const Uuid& client_id, const ChainHead& head, const Uuid& version_id,
    uint64_t recent_versions_max) const {
  if (recent_versions_max == 0) return std::nullopt;
  if (version_id == head.latest_version_id) return head.latest_number;
  for (uint64_t back = 1; back < recent_versions_max && back < head.latest_number; ++back) {
    const uint64_t number = head.latest_number - back;
    absl::StatusOr<std::optional<std::string>> value =
        Read(VersionKey(client_id, number), options_);
    if (!value.ok()) return value.status();
    // Not there: it was removed, or it is part of the batch that is being committed, and then no
    // replica can know its ID yet.
    if (!value->has_value()) continue;
    const std::optional<VersionTrailer> trailer = DecodeVersionTrailer(**value);
    if (trailer && trailer->version_id == version_id) return number;
  }
  return std::nullopt;
}

absl::StatusOr<std::optional<Snapshot>> ChainReader::ReadSnapshot(const Uuid& client_id) const {
  // The record and the bytes are two keys, and a newer snapshot may replace both in between.
  rocksdb::ManagedSnapshot moment(&db_);
  rocksdb::ReadOptions options = options_;
  options.snapshot = moment.snapshot();
  absl::StatusOr<std::optional<std::string>> value = Read(ClientKey(client_id), options);
  if (!value.ok()) return value.status();
  if (!value->has_value()) return std::nullopt;
  const std::optional<ClientRecord> record = DecodeClientRecord(**value);
  if (!record) return Contradiction(client_id, "the client record is malformed");
  if (!record->snapshot) return std::nullopt;

  absl::StatusOr<std::optional<std::string>> bytes = Read(SnapshotKey(client_id), options);
  if (!bytes.ok()) return bytes.status();
  if (!bytes->has_value()) return Contradiction(client_id, "the snapshot's bytes are missing");
  return Snapshot{.version_id = record->snapshot->version_id, .bytes = std::move(**bytes)};
}

}  // namespace tcsync
