#include "storage/rocksdb/chain_reader.h"

#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/limits.h"
#include "base/numbered_uuid.h"
#include "storage/rocksdb/record_codec.h"
#include "storage/rocksdb/rocksdb_status.h"

namespace tcsync::rocksdb_storage {
namespace {

// For an iterator over the keys from `begin` to before `end`, of one client. The filters let it
// skip every file without the client. The iterator is limited by bounds and not by
// prefix_same_as_start, because RocksDB would then ask for the prefix of any key, and a foreign one
// may be too short to have it.
class Range {
 public:
  Range(const rocksdb::ReadOptions& options, const std::string& begin, const std::string& end)
      : begin_(begin), end_(end), options_(options) {
    options_.iterate_lower_bound = &begin_;
    options_.iterate_upper_bound = &end_;
  }
  Range(const Range&) = delete;
  Range& operator=(const Range&) = delete;

  const rocksdb::ReadOptions& options() const { return options_; }

 private:
  const rocksdb::Slice begin_;
  const rocksdb::Slice end_;
  rocksdb::ReadOptions options_;
};

}  // namespace

ChainReader::ChainReader(rocksdb::DB& db, ReadTier tier) : db_(db) {
  if (tier == ReadTier::kMemory) options_.read_tier = rocksdb::kBlockCacheTier;
}

absl::StatusOr<std::optional<std::string>> ChainReader::Read(
    const std::string& key, const rocksdb::ReadOptions& options) const {
  rocksdb::PinnableSlice pinned;
  rocksdb::Status status = db_.Get(options, db_.DefaultColumnFamily(), key, &pinned);
  if (status.IsNotFound()) return std::nullopt;
  // Without the disk, RocksDB reports a key in a table file that is not open as found, with an
  // empty value (TableCache::Get).
  if (status.ok() && pinned.empty() && options.read_tier == rocksdb::kBlockCacheTier) {
    status = rocksdb::Status::Incomplete();
  }
  if (!status.ok()) return FromRocksdb(status, "read from the database");
  // A large value has a buffer of its own, which can be moved without a copy.
  if (!pinned.IsPinned()) return std::move(*pinned.GetSelf());
  return pinned.ToString();
}

absl::Status Contradiction(absl::string_view problem) {
  return absl::DataLossError(absl::StrCat("the client's records contradict each other: ", problem));
}

absl::Status VisitKeys(rocksdb::DB& database, rocksdb::ReadOptions options,
                       const std::string& first, const std::string& end, VisitKey visit,
                       absl::string_view action) {
  const Range range(options, first, end);
  const std::unique_ptr<rocksdb::Iterator> iterator(database.NewIterator(range.options()));
  for (iterator->Seek(first); iterator->Valid(); iterator->Next()) {
    const absl::StatusOr<bool> more = visit(ToView(iterator->key()), ToView(iterator->value()));
    if (!more.ok() || !*more) return more.status();
  }
  return iterator->status().ok() ? absl::OkStatus() : FromRocksdb(iterator->status(), action);
}

absl::StatusOr<std::optional<ChainHead>> ChainReader::ReadHead(const Uuid& client_id) const {
  // Most clients without a record are strangers; a read by key recognises them by its filters.
  absl::StatusOr<std::optional<std::string>> value = Read(ClientKey(client_id), options_);
  if (!value.ok()) return value.status();
  if (!value->has_value()) return std::nullopt;

  // An iterator sees the database as of one moment, so a client that is removed or created again
  // meanwhile is seen either before or after that.
  const std::string begin = ClientKey(client_id);
  const std::string end = SegmentKey(client_id, 0);
  const Range range(options_, begin, end);
  const std::unique_ptr<rocksdb::Iterator> iterator(db_.NewIterator(range.options()));
  iterator->SeekForPrev(VersionKey(client_id, base::kVersionNumberMax));
  std::optional<ChainHead> head;
  if (iterator->Valid()) {
    if (const auto number = ParseVersionKey(client_id, ToView(iterator->key()))) {
      const std::optional<VersionTrailer> trailer = DecodeVersionTrailer(ToView(iterator->value()));
      if (!trailer) {
        return Contradiction(absl::StrCat("version ", *number, " is malformed"));
      }
      head = ChainHead{.record = {},
                       .latest_version_id = trailer->version_id,
                       .latest_number = *number,
                       .history_bytes = trailer->history_bytes};
    }
  }
  if (iterator->status().ok()) iterator->Seek(ClientKey(client_id));
  if (!iterator->status().ok()) return FromRocksdb(iterator->status(), "read from the database");
  if (!iterator->Valid() || ParseClientKey(ToView(iterator->key())) != client_id) {
    if (head) return Contradiction("it has versions and no client record");
    return std::nullopt;
  }
  if (!head) return Contradiction("it has no version");
  const std::optional<ClientRecord> record = DecodeClientRecord(ToView(iterator->value()));
  if (!record) return Contradiction("the client record is malformed");
  head->record = *record;
  return head;
}

absl::StatusOr<std::optional<FoundVersion>> ChainReader::ReadVersionAfter(
    const Uuid& client_id, uint64_t number, const Uuid& parent_version_id) const {
  absl::StatusOr<std::optional<std::string>> value = Read(VersionKey(client_id, number), options_);
  if (!value.ok()) return value.status();
  if (!value->has_value()) return std::nullopt;
  const std::optional<VersionTrailer> trailer = DecodeVersionTrailer(**value);
  if (!trailer) return Contradiction(absl::StrCat("version ", number, " is malformed"));
  if (trailer->parent_version_id != parent_version_id) return std::nullopt;

  FoundVersion found{.version = {.version_id = trailer->version_id,
                                 .parent_version_id = parent_version_id,
                                 .segment = std::move(**value)},
                     .number = number,
                     .pieces = trailer->pieces};
  found.version.segment.resize(found.version.segment.size() - trailer->encoded_bytes);
  if (!trailer->segment_is_apart()) return found;

  absl::StatusOr<std::optional<std::string>> segment =
      Read(SegmentKey(client_id, number), options_);
  if (!segment.ok()) return segment.status();
  // The two are read at different moments. If the version was removed in between, another version
  // may have the same number by now, and the bytes are not this version's segment.
  const absl::StatusOr<std::optional<VersionTrailer>> again = ReadTrailer(client_id, number);
  if (!again.ok()) return again.status();
  if (!again->has_value() || (*again)->version_id != trailer->version_id) return std::nullopt;
  if (!segment->has_value()) {
    return Contradiction(absl::StrCat("version ", number, " lacks its segment"));
  }
  found.version.segment = std::move(**segment);
  return found;
}

absl::StatusOr<std::optional<VersionTrailer>> ChainReader::ReadTrailer(const Uuid& client_id,
                                                                       uint64_t number) const {
  absl::StatusOr<std::optional<std::string>> value = Read(VersionKey(client_id, number), options_);
  if (!value.ok()) return value.status();
  if (!value->has_value()) return std::nullopt;
  const std::optional<VersionTrailer> trailer = DecodeVersionTrailer(**value);
  if (!trailer) return Contradiction(absl::StrCat("version ", number, " is malformed"));
  return trailer;
}

absl::StatusOr<std::optional<uint64_t>> ChainReader::FindNumber(const Uuid& client_id,
                                                                const ChainHead& head,
                                                                const Uuid& version_id) const {
  if (version_id == head.latest_version_id) return head.latest_number;
  // The hint in the ID first; the version there counts only if it has this ID.
  const uint64_t hint = base::NumberHint(version_id);
  if (hint >= head.record.first_number && hint <= head.latest_number) {
    const absl::StatusOr<std::optional<VersionTrailer>> trailer = ReadTrailer(client_id, hint);
    if (!trailer.ok()) return trailer.status();
    if (trailer->has_value() && (*trailer)->version_id == version_id) return hint;
  }
  // Otherwise the version's child has an index entry, and the version precedes its child.
  const absl::StatusOr<std::optional<std::string>> indexed =
      Read(ParentKey(client_id, version_id), options_);
  if (!indexed.ok()) return indexed.status();
  if (!indexed->has_value()) return std::nullopt;
  const std::optional<uint64_t> child = DecodeNumber(**indexed);
  if (!child) return Contradiction("an index entry is malformed");
  if (*child <= head.record.first_number || *child > head.latest_number) return std::nullopt;
  return *child - 1;
}

absl::StatusOr<std::vector<std::string>> ChainReader::ReadKeysOfVersions(
    const Uuid& client_id, uint64_t first_number, uint64_t end_number) const {
  rocksdb::ReadOptions options = options_;
  options.fill_cache = false;  // a large read that is not repeated
  std::vector<std::string> keys;
  const auto add = [&](absl::string_view key, absl::string_view value) -> absl::StatusOr<bool> {
    const std::optional<uint64_t> number = ParseVersionKey(client_id, key);
    if (!number) return false;
    const std::optional<VersionTrailer> trailer = DecodeVersionTrailer(value);
    if (!trailer) return Contradiction(absl::StrCat("version ", *number, " is malformed"));
    keys.push_back(VersionKey(client_id, *number));
    if (trailer->segment_is_apart()) keys.push_back(SegmentKey(client_id, *number));
    if (trailer->pieces) {
      for (std::string& key : KeysOfPieces(client_id, *trailer->pieces)) {
        keys.push_back(std::move(key));
      }
    }
    if (!LeadsTo(trailer->parent_version_id, *number)) {
      keys.push_back(ParentKey(client_id, trailer->parent_version_id));
    }
    return true;
  };
  const absl::Status status = VisitKeys(db_, options, VersionKey(client_id, first_number),
                                        VersionKey(client_id, end_number), add);
  if (!status.ok()) return status;
  return keys;
}

std::vector<std::string> ChainReader::KeysOfPieces(const Uuid& client_id,
                                                   const PiecesRecord& pieces) {
  std::vector<std::string> keys;
  keys.reserve(pieces.pieces);
  for (uint32_t piece = 0; piece < pieces.pieces; ++piece) {
    keys.push_back(PieceKey(client_id, pieces.upload_id, piece));
  }
  return keys;
}

absl::StatusOr<std::vector<std::string>> ChainReader::ReadKeysOfReplicas(
    const Uuid& client_id) const {
  std::vector<std::string> keys;
  const absl::Status status =
      VisitKeys(db_, options_, PositionKey(client_id, 0), EndOfClientKinds(client_id),
                [&keys](absl::string_view key, absl::string_view) {
                  keys.emplace_back(key);
                  return true;
                });
  if (!status.ok()) return status;
  return keys;
}

absl::StatusOr<std::optional<FoundVersion>> ChainReader::FindChild(
    const Uuid& client_id, const ChainHead& head, const Uuid& parent_version_id) const {
  // The hint in the ID first; the version there counts only if it names this parent.
  const uint64_t number = base::NumberHint(parent_version_id) + 1;
  if (number <= head.latest_number) {
    absl::StatusOr<std::optional<FoundVersion>> child =
        ReadVersionAfter(client_id, number, parent_version_id);
    if (!child.ok() || child->has_value()) return child;
  }
  absl::StatusOr<std::optional<std::string>> indexed =
      Read(ParentKey(client_id, parent_version_id), options_);
  if (!indexed.ok()) return indexed.status();
  if (!indexed->has_value()) return std::nullopt;
  const std::optional<uint64_t> indexed_number = DecodeNumber(**indexed);
  if (!indexed_number) return Contradiction("an index entry is malformed");
  return ReadVersionAfter(client_id, *indexed_number, parent_version_id);
}

absl::StatusOr<std::optional<uint64_t>> ChainReader::FindRecent(
    const Uuid& client_id, const ChainHead& head, const Uuid& version_id,
    uint64_t recent_versions_max) const {
  if (recent_versions_max == 0) return std::nullopt;
  if (version_id == head.latest_version_id) return head.latest_number;
  for (uint64_t back = 1; back < recent_versions_max; ++back) {
    if (back > head.latest_number - head.record.first_number) break;
    const uint64_t number = head.latest_number - back;
    absl::StatusOr<std::optional<std::string>> value =
        Read(VersionKey(client_id, number), options_);
    if (!value.ok()) return value.status();
    // The version does not exist: it was removed, or it is part of the batch being committed, and
    // then no replica can know its ID yet.
    if (!value->has_value()) continue;
    const std::optional<VersionTrailer> trailer = DecodeVersionTrailer(**value);
    if (trailer && trailer->version_id == version_id) return number;
  }
  return std::nullopt;
}

absl::StatusOr<std::optional<FoundSnapshot>> ChainReader::ReadSnapshot(
    const Uuid& client_id) const {
  // The record and the bytes are two keys, and a newer snapshot may replace both in between.
  rocksdb::ManagedSnapshot moment(&db_);
  rocksdb::ReadOptions options = options_;
  options.snapshot = moment.snapshot();
  absl::StatusOr<std::optional<std::string>> value = Read(ClientKey(client_id), options);
  if (!value.ok()) return value.status();
  if (!value->has_value()) return std::nullopt;
  const std::optional<ClientRecord> record = DecodeClientRecord(**value);
  if (!record) return Contradiction("the client record is malformed");
  if (!record->snapshot) return std::nullopt;
  FoundSnapshot found{.snapshot = {.version_id = record->snapshot->version_id, .bytes = {}},
                      .pieces = record->snapshot->pieces};
  if (found.pieces) return found;

  absl::StatusOr<std::optional<std::string>> bytes = Read(SnapshotKey(client_id), options);
  if (!bytes.ok()) return bytes.status();
  if (!bytes->has_value()) return Contradiction("the snapshot's bytes are missing");
  found.snapshot.bytes = std::move(**bytes);
  return found;
}

}  // namespace tcsync::rocksdb_storage
