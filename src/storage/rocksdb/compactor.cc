#include "storage/rocksdb/compactor.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/limits.h"
#include "base/thread.h"
#include "rocksdb/file_system.h"
#include "storage/rocksdb/file_deletions.h"
#include "storage/rocksdb/record_codec.h"
#include "storage/rocksdb/rocksdb_status.h"
#include "storage/rocksdb/write_ahead_log.h"

namespace tcsync::rocksdb_storage {
namespace {

// The interval of reports, and of checks of the awaited condition.
constexpr std::chrono::milliseconds kCheckInterval{50};

// The number of compactions of one table without a change that is an error.
constexpr int kFruitlessStepsMax = 3;
// The delay after a full disk.
constexpr int kRetriesMax = 3;

bool IsDataFile(absl::string_view name) {
  return absl::EndsWith(name, ".sst") || absl::EndsWith(name, ".blob");
}

// The number in "/000123.sst" or "000123.log"; 0 when there is none.
uint64_t FileNumber(absl::string_view name) {
  if (!name.empty() && name.front() == '/') name.remove_prefix(1);
  uint64_t number = 0;
  return absl::SimpleAtoi(name.substr(0, name.find('.')), &number) ? number : 0;
}

absl::StatusOr<std::vector<std::string>> FilesIn(rocksdb::DB& database) {
  std::vector<std::string> names;
  const rocksdb::Status listed = database.GetEnv()->GetChildren(database.GetName(), &names);
  if (!listed.ok()) return FromRocksdb(listed, "list the files of the database");
  return names;
}

// The files of the database as it is now, without slashes.
absl::StatusOr<std::set<std::string>> LiveFiles(rocksdb::DB& database) {
  std::vector<std::string> names;
  uint64_t manifest_bytes = 0;
  const rocksdb::Status listed =
      database.GetLiveFiles(names, &manifest_bytes, /*flush_memtable=*/false);
  if (!listed.ok()) return FromRocksdb(listed, "list the files of the database");
  std::set<std::string> live;
  for (const std::string& name : names) live.insert(name.substr(name.rfind('/') + 1));
  return live;
}

std::vector<rocksdb::BlobMetaData> BlobFiles(rocksdb::DB& database) {
  rocksdb::ColumnFamilyMetaData metadata;
  database.GetColumnFamilyMetaData(&metadata);
  std::sort(metadata.blob_files.begin(), metadata.blob_files.end(),
            [](const rocksdb::BlobMetaData& a, const rocksdb::BlobMetaData& b) {
              return a.blob_file_number < b.blob_file_number;
            });
  return std::move(metadata.blob_files);
}

absl::StatusOr<uint64_t> BytesOnDisk(rocksdb::DB& database) {
  const absl::StatusOr<std::vector<std::string>> names = FilesIn(database);
  if (!names.ok()) return names.status();
  uint64_t sum = 0;
  for (const std::string& name : *names) {
    uint64_t bytes = 0;
    if (!IsDataFile(name) && !absl::EndsWith(name, ".log")) continue;
    const std::string path = absl::StrCat(database.GetName(), "/", name);
    // A file that has been removed since has none.
    if (database.GetEnv()->GetFileSize(path, &bytes).ok()) sum += bytes;
  }
  return sum;
}

uint64_t LiveBytesOf(const rocksdb::BlobMetaData& file) {
  return file.total_blob_bytes - std::min(file.total_blob_bytes, file.garbage_blob_bytes);
}

rocksdb::CompactRangeOptions RangeOptions() {
  rocksdb::CompactRangeOptions options;
  options.exclusive_manual_compaction = false;
  // On a full disk RocksDB's own compactions do not end, so this one would wait for ever for fewer
  // tables, although it is the one that makes them fewer.
  options.allow_write_stall = true;
  // Once for each table: tables that the same run has written have no dead values.
  options.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForceOptimized;
  options.blob_garbage_collection_policy = rocksdb::BlobGarbageCollectionPolicy::kDisable;
  return options;
}

}  // namespace

absl::StatusOr<CompactionReport> Compactor::Run() {
  CompactionReport report;
  absl::Status status = Compact(report);
  // A compaction of RocksDB's own may have had the space, which it releases when it fails.
  for (int again = 0; absl::IsResourceExhausted(status) && again < kRetriesMax; ++again) {
    status = AwaitAutomaticCompactions();
    if (status.ok()) status = Compact(report);
  }
  if (absl::IsResourceExhausted(status)) {
    return absl::ResourceExhaustedError(
        absl::StrCat(status.message(),
                     ": the removal is complete, but the erasure of its bytes needs some space "
                     "on the disk; free some, and compact again"));
  }
  if (!status.ok()) return status;
  report.removals = removals_.size();
  return report;
}

absl::Status Compactor::Compact(CompactionReport& report) {
  absl::Status status = storage_.MakeRoom();
  const auto measure = [&](uint64_t& bytes) {
    return storage_.WithDatabase([&](rocksdb::DB& database, const ChainReader&) -> absl::Status {
      const absl::StatusOr<uint64_t> on_disk = BytesOnDisk(database);
      if (on_disk.ok()) bytes = *on_disk;
      return on_disk.status();
    });
  };
  if (status.ok() && report.bytes_before == 0) status = measure(report.bytes_before);
  if (status.ok()) status = ReadRemovals();
  if (status.ok()) status = AwaitOlderReaders();
  if (status.ok()) status = Flush();
  if (status.ok()) status = CompactRanges();
  if (status.ok()) status = CollectBlobs();
  if (status.ok()) status = AwaitStaleFiles();
  if (status.ok()) status = RemoveNotes();
  if (status.ok()) status = measure(report.bytes_after);
  return status;
}

absl::Status Compactor::ReadRemovals() {
  removals_at_first_ = storage_.removals();
  removals_.clear();
  has_erased_ = false;
  files_.clear();
  return storage_.WithDatabase([&](rocksdb::DB& database, const ChainReader&) -> absl::Status {
    const auto add = [this](absl::string_view key, absl::string_view value) {
      if (const std::optional<RemovalKey> parsed = ParseRemovalKey(key)) {
        has_erased_ = has_erased_ || parsed->is_erased;
        removals_.push_back({.client_id = parsed->client_id,
                             .is_erased = parsed->is_erased,
                             .key = std::string(key),
                             .value = std::string(value)});
      }
      return removals_.size() < base::kRemovalsPerCompaction;
    };
    const absl::Status status = VisitKeys(database, {}, ErasedKey(Uuid()), EndOfRemovalKeys(), add,
                                          "read the notes of removals");
    sequence_ = database.GetLatestSequenceNumber();
    return status;
  });
}

absl::Status Compactor::Flush() {
  if (const absl::Status status = Report("flushing the log", 0, 0); !status.ok()) return status;
  return storage_.WithDatabase([&](rocksdb::DB& database, const ChainReader&) -> absl::Status {
    rocksdb::FlushOptions at_once;
    at_once.allow_write_stall = true;  // as in RangeOptions()
    const rocksdb::Status flushed = database.Flush(at_once);
    if (!flushed.ok()) return FromRocksdb(flushed, "flush the log of the database");
    std::unique_ptr<rocksdb::LogFile> log;
    if (database.GetCurrentWalFile(&log).ok() && log != nullptr) {
      oldest_needed_log_ = log->LogNumber();
    }
    const absl::StatusOr<std::vector<std::string>> names = FilesIn(database);
    if (!names.ok()) return names.status();
    for (const std::string& name : *names) {
      if (IsDataFile(name)) files_.insert(name);
    }
    return absl::OkStatus();
  });
}

absl::Status Compactor::AwaitAutomaticCompactions() {
  return Await("waiting for disk space", [&]() -> absl::StatusOr<bool> {
    uint64_t running = 0;
    const absl::Status status =
        storage_.WithDatabase([&](rocksdb::DB& database, const ChainReader&) {
          database.GetIntProperty(rocksdb::DB::Properties::kNumRunningCompactions, &running);
          return absl::OkStatus();
        });
    if (!status.ok()) return status;
    return running == 0;
  });
}

absl::Status Compactor::AwaitOlderReaders() {
  return Await("waiting for a reader that began before", [&]() -> absl::StatusOr<bool> {
    bool is_done = false;
    const absl::Status status =
        storage_.WithDatabase([&](rocksdb::DB& database, const ChainReader&) {
          uint64_t oldest = 0;
          const bool is_known =
              database.GetIntProperty(rocksdb::DB::Properties::kOldestSnapshotSequence, &oldest);
          is_done = !is_known || oldest == 0 || oldest >= sequence_;
          return absl::OkStatus();
        });
    if (!status.ok()) return status;
    return is_done;
  });
}

size_t Compactor::CountTogether(const std::vector<Uuid>& clients, size_t first,
                                const std::vector<rocksdb::LiveFileMetaData>& files) {
  const std::string begin = ClientKey(clients[first]);
  const rocksdb::LiveFileMetaData* bottommost = nullptr;
  for (const rocksdb::LiveFileMetaData& file : files) {
    if (file.level == 0 || file.smallestkey > begin || file.largestkey < begin) continue;
    if (bottommost == nullptr || file.level > bottommost->level) bottommost = &file;
  }
  size_t count = 1;
  while (bottommost != nullptr && first + count < clients.size() &&
         ClientKey(clients[first + count]) <= bottommost->largestkey) {
    ++count;
  }
  return count;
}

absl::Status Compactor::CompactRanges() {
  if (request_.everything) {
    if (const absl::Status status = Report("compacting all tables", 0, 0); !status.ok()) {
      return status;
    }
    return CompactRange(RangeOptions(), nullptr, nullptr);
  }
  std::vector<Uuid> clients;
  for (const Removal& removal : removals_) clients.push_back(removal.client_id);
  std::sort(clients.begin(), clients.end());
  clients.erase(std::unique(clients.begin(), clients.end()), clients.end());
  for (size_t i = 0; i < clients.size();) {
    const absl::Status status = Report("compacting removed data", i, clients.size());
    if (!status.ok()) return status;
    std::vector<rocksdb::LiveFileMetaData> files;
    const absl::Status read = storage_.WithDatabase([&](rocksdb::DB& database, const ChainReader&) {
      database.GetLiveFilesMetaData(&files);
      return absl::OkStatus();
    });
    if (!read.ok()) return read;
    const size_t count = CountTogether(clients, i, files);
    const std::string begin = ClientKey(clients[i]);
    const std::string end = EndOfClientKinds(clients[i + count - 1]);
    if (const absl::Status compacted = CompactRange(RangeOptions(), &begin, &end);
        !compacted.ok()) {
      return compacted;
    }
    i += count;
  }
  return absl::OkStatus();
}

std::optional<uint64_t> Compactor::NewestToCollect(rocksdb::DB& database) const {
  uint64_t total = 0;
  uint64_t garbage = 0;
  std::optional<uint64_t> newest_dirty;
  std::optional<uint64_t> newest_worth_it;
  for (const rocksdb::BlobMetaData& file : BlobFiles(database)) {
    total += file.total_blob_bytes;
    garbage += file.garbage_blob_bytes;
    if (file.garbage_blob_count == 0) continue;
    newest_dirty = file.blob_file_number;
    if (file.garbage_blob_bytes >= base::kBlobGarbageShareCollected * file.total_blob_bytes) {
      newest_worth_it = file.blob_file_number;
    }
  }
  if (has_erased_ || request_.everything) return newest_dirty;
  return garbage >= base::kBlobGarbageShareCollected * total ? newest_worth_it : std::nullopt;
}

absl::Status Compactor::CollectBlobs() {
  if (!request_.everything && removals_.empty()) return absl::OkStatus();
  std::optional<uint64_t> newest;
  uint64_t bytes_to_move = 0;
  const auto first_step_end = [&]() -> absl::StatusOr<std::optional<uint64_t>> {
    std::optional<uint64_t> end;
    bytes_to_move = 0;
    const absl::Status status =
        storage_.WithDatabase([&](rocksdb::DB& database, const ChainReader&) {
          if (!newest) newest = NewestToCollect(database);
          if (!newest) return absl::OkStatus();
          // On a full disk in smaller steps, each of which releases its space at its end.
          uint64_t step_bytes = base::kBlobBytesPerStep;
          uint64_t free_bytes = 0;
          // By the file system, because the environment subtracts the space for the log.
          if (database.GetFileSystem()
                  ->GetFreeSpace(database.GetName(), rocksdb::IOOptions(), &free_bytes, nullptr)
                  .ok()) {
            step_bytes = std::min(step_bytes, free_bytes / 2);
          }
          for (const rocksdb::BlobMetaData& file : BlobFiles(database)) {
            if (file.blob_file_number > *newest) break;
            const bool is_in_step = !end || bytes_to_move + LiveBytesOf(file) <= step_bytes;
            if (is_in_step) end = file.blob_file_number;
            bytes_to_move += LiveBytesOf(file);
          }
          return absl::OkStatus();
        });
    if (!status.ok()) return status;
    return end;
  };
  std::optional<uint64_t> bytes_at_first;
  for (;;) {
    const absl::StatusOr<std::optional<uint64_t>> end = first_step_end();
    if (!end.ok()) return end.status();
    if (!end->has_value()) return absl::OkStatus();
    if (!bytes_at_first) bytes_at_first = bytes_to_move;
    const absl::Status status =
        Report("moving live data out of files with removed parts",
               *bytes_at_first - std::min(*bytes_at_first, bytes_to_move), *bytes_at_first);
    if (!status.ok()) return status;
    if (const absl::Status collected = CollectUpTo(**end); !collected.ok()) return collected;
  }
}

absl::Status Compactor::CollectUpTo(uint64_t blob_file_number) {
  uint64_t last_table = 0;
  int fruitless_steps = 0;
  for (;;) {
    std::optional<rocksdb::LiveFileMetaData> table;
    rocksdb::CompactRangeOptions options = RangeOptions();
    // The tables of the level above may refer to the same files, so the bottommost are compacted
    // last, and again.
    options.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForce;
    options.blob_garbage_collection_policy = rocksdb::BlobGarbageCollectionPolicy::kForce;
    bool is_gone = true;
    const absl::Status read = storage_.WithDatabase([&](rocksdb::DB& database, const ChainReader&) {
      const std::vector<rocksdb::BlobMetaData> blobs = BlobFiles(database);
      const auto behind = std::find_if(blobs.begin(), blobs.end(), [&](const auto& file) {
        return file.blob_file_number > blob_file_number;
      });
      const auto count = static_cast<double>(behind - blobs.begin());
      is_gone = behind == blobs.begin();
      // RocksDB collects the files before the one at this share of their number; half a file is
      // added, so that rounding cannot exclude one.
      options.blob_garbage_collection_age_cutoff =
          behind == blobs.end() ? 1.0 : (count + 0.5) / static_cast<double>(blobs.size());
      std::vector<rocksdb::LiveFileMetaData> files;
      database.GetLiveFilesMetaData(&files);
      for (rocksdb::LiveFileMetaData& file : files) {
        const bool refers =
            file.oldest_blob_file_number != 0 && file.oldest_blob_file_number <= blob_file_number;
        if (refers && (!table || file.level < table->level)) table = std::move(file);
      }
      return absl::OkStatus();
    });
    if (!read.ok()) return read;
    if (is_gone) return absl::OkStatus();
    if (!table) {
      // A compaction of RocksDB's own may have removed the last reference between the two reads.
      if (++fruitless_steps < kFruitlessStepsMax) continue;
      return absl::InternalError(absl::StrCat("blob file ", blob_file_number,
                                              " stays, though no table refers to it any more"));
    }
    const uint64_t number = FileNumber(table->name);
    fruitless_steps = number == last_table ? fruitless_steps + 1 : 0;
    last_table = number;
    if (fruitless_steps >= kFruitlessStepsMax) {
      return absl::InternalError(absl::StrCat("table file ", number, " was compacted ",
                                              fruitless_steps, " times and stays as it is"));
    }
    const absl::Status compacted = CompactRange(options, &table->smallestkey, &table->largestkey);
    if (!compacted.ok()) return compacted;
  }
}

absl::Status Compactor::AwaitStaleFiles() {
  std::string doing = "waiting for the removal of replaced files";
  return Await(doing, [&]() -> absl::StatusOr<bool> {
    size_t stale = 0;
    const absl::Status status =
        storage_.WithDatabase([&](rocksdb::DB& database, const ChainReader&) -> absl::Status {
          // Removes unneeded files at once, which RocksDB otherwise does from time to time.
          { const DeletionPause pause(database); }
          // In this order, so that a file that is in the directory and not live afterwards is
          // stale.
          const absl::StatusOr<std::vector<std::string>> names = FilesIn(database);
          if (!names.ok()) return names.status();
          const absl::StatusOr<std::set<std::string>> live = LiveFiles(database);
          if (!live.ok()) return live.status();
          for (const std::string& name : *names) {
            const bool is_old_data = files_.count(name) > 0 && live->count(name) == 0;
            // RocksDB keeps an empty log until it has been written to.
            const bool is_old_log =
                absl::EndsWith(name, ".log") && FileNumber(name) < oldest_needed_log_ &&
                FirstSequenceOf(*database.GetEnv(), absl::StrCat(database.GetName(), "/", name));
            if (is_old_data || is_old_log) ++stale;
          }
          return absl::OkStatus();
        });
    if (!status.ok()) return status;
    if (stale > 0) {
      doing_ = absl::StrCat("waiting for a reader or a backup that still needs ", stale,
                            stale == 1 ? " file" : " files");
    }
    return stale == 0;
  });
}

absl::Status Compactor::RemoveNotes() {
  const absl::Status status = storage_.Commit(
      [&](BatchBuilder& batch) -> absl::Status {
        size_t removed = 0;
        for (const Removal& removal : removals_) {
          const absl::StatusOr<std::optional<std::string>> now = batch.reader().Read(removal.key);
          if (!now.ok()) return now.status();
          // Later removals may have changed the note, and this compaction may not cover them.
          if (*now != removal.value) continue;
          batch.Delete(removal.key);
          ++removed;
        }
        // No removal can happen at this moment, because this is the committer's thread.
        const bool is_all = removed == removals_.size() &&
                            removals_.size() < base::kRemovalsPerCompaction &&
                            storage_.removals() == removals_at_first_;
        storage_.set_has_removals(!is_all);
        return absl::OkStatus();
      },
      Room::kReserve);
  if (!status.ok()) storage_.set_has_removals(true);
  return status;
}

absl::Status Compactor::CompactRange(const rocksdb::CompactRangeOptions& options,
                                     const std::string* begin, const std::string* end) {
  std::atomic<bool> is_cancelled{false};
  std::mutex mutex;
  std::condition_variable changed;
  std::optional<absl::Status> result;
  std::thread thread;
  const auto compact = [&] {
    absl::Status status = storage_.WithDatabase([&](rocksdb::DB& database, const ChainReader&) {
      rocksdb::CompactRangeOptions cancellable = options;
      cancellable.canceled = &is_cancelled;
      const rocksdb::Slice begin_slice = begin != nullptr ? rocksdb::Slice(*begin) : "";
      const rocksdb::Slice end_slice = end != nullptr ? rocksdb::Slice(*end) : "";
      const rocksdb::Status compacted =
          database.CompactRange(cancellable, begin != nullptr ? &begin_slice : nullptr,
                                end != nullptr ? &end_slice : nullptr);
      if (compacted.IsIncomplete()) {
        return is_cancelled ? absl::CancelledError("the compaction was stopped")
                            : absl::UnavailableError("the database was opened again meanwhile");
      }
      return compacted.ok() ? absl::OkStatus() : FromRocksdb(compacted, "compact the database");
    });
    const std::lock_guard lock(mutex);
    result = std::move(status);
    changed.notify_one();
  };
  try {
    thread = base::StartThread("tcsync-compact", compact);
  } catch (const std::system_error&) {
    return absl::UnavailableError("the system has no further thread for a compaction");
  }
  std::unique_lock lock(mutex);
  while (!changed.wait_for(lock, kCheckInterval, [&] { return result.has_value(); })) {
    lock.unlock();
    if (!is_cancelled && !Report(doing_, done_, total_).ok()) is_cancelled = true;
    lock.lock();
  }
  lock.unlock();
  thread.join();
  return *std::move(result);
}

absl::Status Compactor::Await(absl::string_view doing,
                              absl::FunctionRef<absl::StatusOr<bool>()> is_done) {
  doing_ = std::string(doing);
  std::mutex mutex;
  std::condition_variable never;
  for (;;) {
    const absl::StatusOr<bool> done = is_done();
    if (!done.ok()) return done.status();
    if (*done) return absl::OkStatus();
    if (const absl::Status status = Report(std::string(doing_), 0, 0); !status.ok()) return status;
    std::unique_lock lock(mutex);
    never.wait_for(lock, kCheckInterval);
  }
}

absl::Status Compactor::Report(absl::string_view doing, uint64_t done, uint64_t total) {
  doing_ = std::string(doing);
  done_ = done;
  total_ = total;
  if (progress_(doing_, done, total)) return absl::OkStatus();
  return absl::CancelledError("the compaction was stopped");
}

}  // namespace tcsync::rocksdb_storage
