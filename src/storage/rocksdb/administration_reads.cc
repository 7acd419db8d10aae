#include <sys/statvfs.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/limits.h"
#include "rocksdb/db.h"
#include "storage/rocksdb/administration.h"
#include "storage/rocksdb/backups.h"
#include "storage/rocksdb/chain_verifier.h"
#include "storage/rocksdb/compactor.h"
#include "storage/rocksdb/directories.h"
#include "storage/rocksdb/file_verifier.h"
#include "storage/rocksdb/log_repair.h"
#include "storage/rocksdb/record_codec.h"
#include "storage/rocksdb/rocksdb_status.h"

namespace tcsync::rocksdb_storage {
namespace {

absl::Status ReadError(const rocksdb::Status& status) {
  return FromRocksdb(status, "read from the database");
}

// Reads as of one moment. An operator's single look must not push data that replicas need out of
// the cache.
class MomentReader {
 public:
  explicit MomentReader(rocksdb::DB& database) : database_(database), moment_(&database) {
    options_.snapshot = moment_.snapshot();
    options_.fill_cache = false;
  }

  // Over the keys of all clients.
  std::unique_ptr<rocksdb::Iterator> NewIterator() const {
    rocksdb::ReadOptions options = options_;
    options.total_order_seek = true;
    return std::unique_ptr<rocksdb::Iterator>(database_.NewIterator(options));
  }

  // Over the keys of one client from `begin` up to and without `end`. Both must outlive the
  // iterator. (Without the bound, a large value behind the end would be read together with its
  // key.)
  std::unique_ptr<rocksdb::Iterator> NewIterator(const rocksdb::Slice& begin,
                                                 const rocksdb::Slice& end) const {
    rocksdb::ReadOptions options = options_;
    options.prefix_same_as_start = true;
    options.iterate_lower_bound = &begin;
    options.iterate_upper_bound = &end;
    return std::unique_ptr<rocksdb::Iterator>(database_.NewIterator(options));
  }

  // The value of a key; nullopt when it does not exist.
  absl::StatusOr<std::optional<std::string>> Read(const std::string& key) const {
    std::string value;
    const rocksdb::Status status = database_.Get(options_, key, &value);
    if (status.IsNotFound()) return std::nullopt;
    if (!status.ok()) return ReadError(status);
    return value;
  }

  // Visits keys of one client. Without the bound, a large value behind the end would be read
  // together with its key.
  absl::Status Visit(const std::string& first, const std::string& end, VisitKey visit) const {
    rocksdb::ReadOptions options = options_;
    options.prefix_same_as_start = true;
    return VisitKeys(database_, options, first, end, visit);
  }

  // Visits the client's versions after a number. `value` is that of the version's key.
  using VisitVersion = absl::FunctionRef<absl::StatusOr<bool>(
      uint64_t number, const VersionTrailer& trailer, absl::string_view value)>;
  absl::Status VisitVersions(const Uuid& client_id, uint64_t after_number,
                             VisitVersion visit) const {
    return Visit(VersionKey(client_id, after_number + 1),
                 VersionKey(client_id, base::kVersionNumberMax + 1),
                 [&](absl::string_view key, absl::string_view value) -> absl::StatusOr<bool> {
                   const std::optional<uint64_t> number = ParseVersionKey(client_id, key);
                   if (!number) return Contradiction("a version's key is malformed");
                   const std::optional<VersionTrailer> trailer = DecodeVersionTrailer(value);
                   if (trailer) return visit(*number, *trailer, value);
                   return Contradiction(absl::StrCat("version ", *number, " is malformed"));
                 });
  }

 private:
  rocksdb::DB& database_;
  rocksdb::ManagedSnapshot moment_;
  rocksdb::ReadOptions options_;
};

// The result that `read` fills in, from the open database.
template <typename Result>
absl::StatusOr<Result> ReadDatabase(AdministeredStorage& storage,
                                    absl::FunctionRef<absl::Status(rocksdb::DB&, Result&)> read) {
  Result result{};
  const absl::Status status =
      storage.WithDatabase([&](rocksdb::DB& database, const ChainReader&) -> absl::Status {
        return read(database, result);
      });
  if (!status.ok()) return status;
  return result;
}

std::string FirstVersionKey(const Uuid& client_id) { return VersionKey(client_id, 0); }

// A summary of the client's records. Its `problem` is set when they are damaged.
absl::StatusOr<ClientSummary> Summarize(const MomentReader& reader, const Uuid& client_id,
                                        absl::string_view encoded_record) {
  ClientSummary summary;
  summary.client_id = client_id;
  const auto without = [&summary](absl::string_view problem) {
    ClientSummary damaged;
    damaged.client_id = summary.client_id;
    damaged.problem = std::string(problem);
    return damaged;
  };
  const std::optional<ClientRecord> record = DecodeClientRecord(encoded_record);
  if (!record) return without("the client record is malformed");

  const std::string first_key = FirstVersionKey(client_id);
  const std::string last_key = VersionKey(client_id, base::kVersionNumberMax + 1);
  {
    const rocksdb::Slice begin(first_key);
    const rocksdb::Slice end(last_key);
    const auto iterator = reader.NewIterator(begin, end);
    iterator->SeekForPrev(last_key);
    if (!iterator->status().ok()) return ReadError(iterator->status());
    if (!iterator->Valid()) return without("it has no version");
    const std::optional<uint64_t> number = ParseVersionKey(client_id, ToView(iterator->key()));
    const std::optional<VersionTrailer> trailer = DecodeVersionTrailer(ToView(iterator->value()));
    if (!number || !trailer) return without("its latest version is malformed");
    summary.latest_number = *number;
    summary.latest_version_id = trailer->version_id;
    summary.latest_appended_unix_seconds = trailer->appended_unix_seconds;
    if (*number < record->first_number || trailer->history_bytes < record->removed_history_bytes) {
      return without("its latest version is older than the first one that is kept");
    }
    summary.history_bytes = trailer->history_bytes - record->removed_history_bytes;
  }
  summary.created_unix_seconds = record->created_unix_seconds;
  summary.first_number = record->first_number;
  summary.accepts_diverged = record->accepts_diverged;
  if (const std::optional<SnapshotRecord>& snapshot = record->snapshot) {
    summary.snapshot =
        SnapshotSummary{.version_id = snapshot->version_id,
                        .stored_unix_seconds = snapshot->stored_unix_seconds,
                        .versions_since = summary.latest_number < snapshot->number
                                              ? 0
                                              : summary.latest_number - snapshot->number};
    summary.snapshot_number = snapshot->number;
    summary.snapshot_bytes = snapshot->bytes;
  }

  const std::string first_position = PositionKey(client_id, 0);
  const std::string ahead_key = ReplicasAheadKey(client_id);
  {
    const rocksdb::Slice begin(first_position);
    const rocksdb::Slice end(ahead_key);
    const auto iterator = reader.NewIterator(begin, end);
    iterator->SeekForPrev(ahead_key);
    if (!iterator->status().ok()) return ReadError(iterator->status());
    if (iterator->Valid()) {
      const std::optional<uint32_t> day = ParsePositionKey(client_id, ToView(iterator->key()));
      if (day) summary.last_seen_unix_seconds = UnixSecondsOf(*day);
    }
  }
  const absl::StatusOr<std::optional<std::string>> ahead = reader.Read(ahead_key);
  if (!ahead.ok()) return ahead.status();
  if (ahead->has_value()) {
    summary.replicas_ahead = DecodeReplicasAhead(**ahead).value_or(std::vector<ReplicaAhead>());
  }
  return summary;
}

// Whether the client has only pieces from here on.
bool OnlyUploads(rocksdb::Iterator& iterator, const Uuid& client_id) {
  iterator.Seek(EndOfPieces(client_id));
  if (!iterator.Valid()) return iterator.status().ok();
  const absl::string_view key = ToView(iterator.key());
  return key.substr(0, Uuid::kBytes) != client_id.AsStringView() || !ParseClientOfKey(key);
}

uint64_t Property(rocksdb::DB& database, const std::string& name) {
  uint64_t value = 0;
  database.GetIntProperty(name, &value);
  return value;
}

// The number of files that no compaction has sorted yet, and that every read has to search.
uint64_t Level0Files(rocksdb::DB& database) {
  std::string text;
  uint64_t count = 0;
  const bool known =
      database.GetProperty(rocksdb::DB::Properties::kNumFilesAtLevelPrefix + "0", &text);
  return known && absl::SimpleAtoi(text, &count) ? count : 0;
}

uint64_t LogBytes(rocksdb::DB& database) {
  rocksdb::VectorLogPtr logs;
  database.GetSortedWalFiles(logs).PermitUncheckedError();
  uint64_t bytes = 0;
  for (const auto& log : logs) bytes += log->SizeFileBytes();
  return bytes;
}

}  // namespace

void RocksdbAdministration::FlushNotesIfPossible() {
  // A failure is ignored: on a full disk an operator must still see the clients.
  storage_.FlushNotes(Room::kOrdinary).IgnoreError();
}

absl::StatusOr<std::vector<ClientSummary>> RocksdbAdministration::ListClients(
    const std::optional<Uuid>& after, size_t limit) {
  FlushNotesIfPossible();
  using Clients = std::vector<ClientSummary>;
  return ReadDatabase<Clients>(
      storage_, [&](rocksdb::DB& database, Clients& clients) -> absl::Status {
        const MomentReader reader(database);
        const auto iterator = reader.NewIterator();
        // One seek leads from a client to the next one, over all of its versions.
        iterator->Seek(after ? EndOfClient(*after) : std::string());
        while (iterator->Valid() && clients.size() < limit) {
          const absl::string_view key = ToView(iterator->key());
          if (key.size() <= Uuid::kBytes) {  // one of the storage's own
            iterator->Next();
            continue;
          }
          const Uuid client_id = Uuid::FromBytes(key.data());
          if (key == ClientKey(client_id)) {
            absl::StatusOr<ClientSummary> summary =
                Summarize(reader, client_id, ToView(iterator->value()));
            if (absl::IsDataLoss(summary.status())) {
              // One client's damage must not hide those that come after it.
              ClientSummary& damaged = clients.emplace_back();
              damaged.client_id = client_id;
              damaged.problem = std::string(summary.status().message());
            } else if (!summary.ok()) {
              return summary.status();
            } else {
              clients.push_back(*std::move(summary));
            }
          } else if (ParseClientOfKey(key)) {
            // A client that does not exist yet may have uploads in progress.
            const bool has_pieces = ParsePieceKey(client_id, key).has_value();
            if (!has_pieces || !OnlyUploads(*iterator, client_id)) {
              ClientSummary& damaged = clients.emplace_back();
              damaged.client_id = client_id;
              damaged.problem = "there is no client record";
            }
          }
          iterator->Seek(EndOfClient(client_id));
        }
        return iterator->status().ok() ? absl::OkStatus() : ReadError(iterator->status());
      });
}

absl::StatusOr<std::optional<ClientSummary>> RocksdbAdministration::FindClient(
    const Uuid& client_id) {
  FlushNotesIfPossible();
  using Client = std::optional<ClientSummary>;
  return ReadDatabase<Client>(storage_, [&](rocksdb::DB& database, Client& client) -> absl::Status {
    const MomentReader reader(database);
    const absl::StatusOr<std::optional<std::string>> record = reader.Read(ClientKey(client_id));
    if (!record.ok() || !record->has_value()) return record.status();
    absl::StatusOr<ClientSummary> summary = Summarize(reader, client_id, **record);
    if (summary.ok()) client = *std::move(summary);
    return summary.status();
  });
}

absl::StatusOr<std::vector<StoredVersion>> RocksdbAdministration::ReadVersions(
    const Uuid& client_id, uint64_t after_number, uint64_t bytes_max) {
  using Versions = std::vector<StoredVersion>;
  if (after_number >= base::kVersionNumberMax) return Versions();
  return ReadDatabase<Versions>(storage_, [&](rocksdb::DB& database, Versions& versions) {
    const MomentReader reader(database);
    uint64_t bytes = 0;
    const auto add = [&](uint64_t number, const VersionTrailer& trailer,
                         absl::string_view value) -> absl::StatusOr<bool> {
      if (!versions.empty() && number != versions.back().number + 1) {
        return Contradiction(absl::StrCat("version ", versions.back().number + 1, " is missing"));
      }
      StoredVersion stored{.number = number,
                           .appended_unix_seconds = trailer.appended_unix_seconds,
                           .version = {.version_id = trailer.version_id,
                                       .parent_version_id = trailer.parent_version_id,
                                       .segment = {}}};
      Version& version = stored.version;
      if (trailer.segment_is_inline) {
        version.segment = std::string(value.substr(0, value.size() - trailer.encoded_bytes));
      } else if (trailer.pieces) {
        version.pieces = storage_.OpenPieces({client_id, number}, *trailer.pieces);
      } else {
        absl::StatusOr<std::optional<std::string>> segment =
            reader.Read(SegmentKey(client_id, number));
        if (!segment.ok()) return segment.status();
        if (!segment->has_value()) {
          return Contradiction(absl::StrCat("version ", number, " lacks its segment"));
        }
        version.segment = std::move(**segment);
      }
      bytes += version.segment_bytes();
      if (!versions.empty() && bytes > bytes_max) return false;
      versions.push_back(std::move(stored));
      return true;
    };
    return reader.VisitVersions(client_id, after_number, add);
  });
}

absl::StatusOr<std::vector<VersionSummary>> RocksdbAdministration::ListVersions(
    const Uuid& client_id, uint64_t after_number, size_t limit) {
  using Versions = std::vector<VersionSummary>;
  if (after_number >= base::kVersionNumberMax || limit == 0) return Versions();
  return ReadDatabase<Versions>(storage_, [&](rocksdb::DB& database, Versions& versions) {
    const MomentReader reader(database);
    const auto encoded_record = reader.Read(ClientKey(client_id));
    if (!encoded_record.ok()) return encoded_record.status();
    const std::optional<ClientRecord> record =
        encoded_record->has_value() ? DecodeClientRecord(**encoded_record) : std::nullopt;
    // Each trailer has the bytes up to its version: those of one are the difference.
    std::optional<uint64_t> bytes_before;
    if (record && after_number < record->first_number) {
      bytes_before = record->removed_history_bytes;
    } else if (after_number > 0) {
      const auto before = reader.Read(VersionKey(client_id, after_number));
      if (!before.ok()) return before.status();
      const auto trailer = before->has_value() ? DecodeVersionTrailer(**before) : std::nullopt;
      if (trailer) bytes_before = trailer->history_bytes;
    }
    const auto add = [&](uint64_t number, const VersionTrailer& trailer, absl::string_view) {
      const bool is_known = bytes_before && trailer.history_bytes >= *bytes_before;
      versions.push_back({.number = number,
                          .version_id = trailer.version_id,
                          .parent_version_id = trailer.parent_version_id,
                          .appended_unix_seconds = trailer.appended_unix_seconds,
                          .bytes = is_known ? trailer.history_bytes - *bytes_before : 0});
      bytes_before = trailer.history_bytes;
      return versions.size() < limit;
    };
    return reader.VisitVersions(client_id, after_number, add);
  });
}

absl::StatusOr<std::vector<ReplicaPosition>> RocksdbAdministration::ReadPositions(
    const Uuid& client_id, int64_t since_unix_seconds) {
  // Retention decides by the positions, also on a full disk.
  if (const absl::Status status = storage_.FlushNotes(Room::kReserve); !status.ok()) return status;
  using Positions = std::vector<ReplicaPosition>;
  return ReadDatabase<Positions>(storage_, [&](rocksdb::DB& database, Positions& positions) {
    const auto add = [&](absl::string_view key, absl::string_view value) -> absl::StatusOr<bool> {
      const std::optional<uint32_t> day = ParsePositionKey(client_id, key);
      const std::optional<uint64_t> number = DecodeNumber(value);
      if (!day || !number) return Contradiction("a position of replicas is malformed");
      positions.push_back({.day_unix_seconds = UnixSecondsOf(*day), .oldest_number = *number});
      return true;
    };
    return MomentReader(database).Visit(PositionKey(client_id, DayOf(since_unix_seconds)),
                                        ReplicasAheadKey(client_id), add);
  });
}

uint64_t RocksdbAdministration::LiveBytes() {
  // Bytes of uploads are on the disk, though they belong to no client yet.
  return storage_.totals().live_bytes + storage_.uploads().totals().bytes;
}

absl::StatusOr<StorageStats> RocksdbAdministration::ReadStats() {
  using Properties = rocksdb::DB::Properties;
  StorageStats stats;
  const StorageTotals totals = storage_.totals();
  stats.clients = totals.clients;
  stats.live_bytes = LiveBytes();
  const CommitterQueue queue = storage_.queue();
  stats.queued_writes = queue.writes;
  stats.queued_bytes = queue.bytes;
  const UploadTable::Totals uploads = storage_.uploads().totals();
  const absl::Status status =
      storage_.WithDatabase([&](rocksdb::DB& database, const ChainReader&) -> absl::Status {
        struct statvfs disk {};
        if (statvfs(database.GetName().c_str(), &disk) != 0) {
          return SystemError(errno, "learn the free space of", database.GetName());
        }
        stats.disk_bytes_free = uint64_t{disk.f_bavail} * disk.f_frsize;
        stats.disk_bytes_total = uint64_t{disk.f_blocks} * disk.f_frsize;

        const auto add = [&](absl::string_view name, uint64_t value) {
          stats.backend.emplace_back(absl::StrCat("rocksdb_", name), static_cast<double>(value));
          return value;
        };
        const auto add_property = [&](absl::string_view name, const std::string& property) {
          return add(name, Property(database, property));
        };
        // The files of the database as it is now, without the files that it does not need any more
        // and that a reader or a backup still holds.
        stats.bytes_on_disk = add_property("table_file_bytes", Properties::kLiveSstFilesSize);
        stats.bytes_on_disk += add_property("blob_file_bytes", Properties::kLiveBlobFileSize);
        stats.bytes_on_disk += add("log_bytes", LogBytes(database));
        add_property("blob_garbage_bytes", Properties::kLiveBlobFileGarbageSize);
        add("uploads", uploads.uploads);
        add("upload_bytes", uploads.bytes);
        add_property("memtable_bytes", Properties::kCurSizeAllMemTables);
        add_property("block_cache_bytes", Properties::kBlockCacheUsage);
        add("head_cache_bytes", storage_.head_cache_bytes());
        add_property("table_readers_bytes", Properties::kEstimateTableReadersMem);
        add("level0_files", Level0Files(database));
        add_property("blob_files", Properties::kNumBlobFiles);
        add_property("pending_compaction_bytes", Properties::kEstimatePendingCompactionBytes);
        add_property("compaction_pending", Properties::kCompactionPending);
        add_property("compactions_running", Properties::kNumRunningCompactions);
        add_property("flush_pending", Properties::kMemTableFlushPending);
        add_property("flushes_running", Properties::kNumRunningFlushes);
        add_property("background_errors", Properties::kBackgroundErrors);
        add_property("writes_stopped", Properties::kIsWriteStopped);
        add_property("delayed_write_bytes_per_second", Properties::kActualDelayedWriteRate);
        stats.log_losses = LogLossesIn(DataDirectoryOf(database));
        return absl::OkStatus();
      });
  if (!status.ok()) return status;
  const absl::StatusOr<std::vector<BackupsMade>> made = ReadBackupsMade();
  if (made.ok() && !made->empty()) {
    stats.last_backup_unix_seconds = made->front().last.created_unix_seconds;
  }
  return stats;
}

absl::StatusOr<ChainReport> RocksdbAdministration::VerifyChain(const Uuid& client_id) {
  FlushNotesIfPossible();
  return ReadDatabase<ChainReport>(storage_, [&](rocksdb::DB& database, ChainReport& report) {
    absl::StatusOr<ChainReport> verified = rocksdb_storage::VerifyChain(database, client_id);
    if (verified.ok()) report = *std::move(verified);
    return verified.status();
  });
}

absl::Status RocksdbAdministration::VerifyFiles(Progress progress) {
  return storage_.WithDatabase([progress](rocksdb::DB& database, const ChainReader&) {
    return rocksdb_storage::VerifyFiles(database, progress);
  });
}

absl::Status RocksdbAdministration::AcknowledgeLogLosses() {
  return storage_.WithDatabase([](rocksdb::DB& database, const ChainReader&) {
    return AcknowledgeLogLossesIn(DataDirectoryOf(database));
  });
}

absl::StatusOr<CompactionReport> RocksdbAdministration::Compact(const CompactionRequest& request,
                                                                CompactionProgress progress) {
  const std::lock_guard one_at_a_time(compaction_mutex_);
  return Compactor(storage_, request, progress).Run();
}

absl::StatusOr<BackupInfo> RocksdbAdministration::Backup(const BackupRequest& request,
                                                         Progress progress) {
  if (const absl::Status room = storage_.MakeRoom(); !room.ok()) return room;
  absl::StatusOr<BackupInfo> made = absl::UnknownError("not made");
  const absl::Status status = storage_.WithDatabase([&](rocksdb::DB& database, const ChainReader&) {
    made = MakeBackup(database, request, progress);
    return made.status();
  });
  if (!status.ok()) return status;
  RememberBackup(request.directory, *made);
  return made;
}

absl::StatusOr<std::vector<BackupsMade>> RocksdbAdministration::ReadBackupsMade() {
  std::vector<BackupsMade> made;
  // A record that cannot be read is no reason to hide the others.
  const auto add = [&made](absl::string_view key, absl::string_view value) {
    if (auto backups = DecodeBackupsMade(key, value)) made.push_back(*std::move(backups));
    return true;
  };
  const absl::Status status = storage_.WithDatabase([&](rocksdb::DB& database, const ChainReader&) {
    return VisitKeys(database, {}, BackupsMadeKey(""), EndOfBackupsMadeKeys(), add);
  });
  if (!status.ok()) return status;
  std::sort(made.begin(), made.end(), [](const BackupsMade& a, const BackupsMade& b) {
    return a.last.created_unix_seconds > b.last.created_unix_seconds;
  });
  return made;
}

void RocksdbAdministration::RememberBackup(const std::string& directory, const BackupInfo& backup) {
  const absl::StatusOr<std::vector<BackupsMade>> made = ReadBackupsMade();
  const std::string path = WithoutTrailingSlashes(directory);
  // The backup is complete, even if this note of it cannot be written.
  storage_
      .Commit(
          [&](BatchBuilder& batch) {
            batch.Put(BackupsMadeKey(path), EncodeBackupsMade({path, backup}));
            size_t kept = 1;
            for (const BackupsMade& other : made.value_or(std::vector<BackupsMade>())) {
              if (other.directory == path) continue;
              if (++kept > base::kBackupDirectoriesMax)
                batch.Delete(BackupsMadeKey(other.directory));
            }
            return absl::OkStatus();
          },
          Room::kReserve)
      .IgnoreError();
}

}  // namespace tcsync::rocksdb_storage
