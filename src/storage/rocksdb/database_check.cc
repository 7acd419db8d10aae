#include "storage/rocksdb/database_check.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "base/signal_block.h"
#include "rocksdb/db.h"
#include "rocksdb/metadata.h"
#include "storage/rocksdb/info_log.h"
#include "storage/rocksdb/log_file_system.h"
#include "storage/rocksdb/manifest.h"
#include "storage/rocksdb/record_codec.h"
#include "storage/rocksdb/rocksdb_status.h"

namespace tcsync::rocksdb_storage {
namespace {

constexpr absl::string_view kDatabaseName = "rocksdb";
// RocksDB's minimum. It opens a quarter of this number in advance.
constexpr int kOpenFilesMax = 20;
// The number of missing files that a message names.
constexpr size_t kNamedMax = 5;

// One examination.
class Examiner {
 public:
  Examiner(rocksdb::Env& env, const std::string& data_dir, const DatabaseFile* file)
      : env_(env),
        path_(absl::StrCat(data_dir, "/", kDatabaseName)),
        file_(file),
        logless_(EnvWithoutLogs(env)) {}

  absl::StatusOr<DatabaseFindings> Run() {
    absl::Status status = ExamineManifest();
    if (status.ok() && findings_.problems.empty()) status = ExamineFiles();
    if (status.ok() && findings_.problems.empty()) status = ReadOwnRecords();
    if (status.ok() && findings_.problems.empty()) {
      absl::StatusOr<std::optional<LogDamage>> damage =
          CheckLogs(env_, path_, min_log_number_, file_ != nullptr ? file_->mark() : std::nullopt);
      status = damage.status();
      if (damage.ok()) findings_.log_damage = *std::move(damage);
    }
    if (!status.ok()) return status;
    return std::move(findings_);
  }

 private:
  static std::string NameOf(absl::string_view name) {
    return absl::StrCat(kDatabaseName, "/", name);
  }

  template <typename... Parts>
  absl::Status Add(const Parts&... parts) {
    findings_.problems.push_back(absl::StrCat(parts...));
    return absl::OkStatus();
  }

  // The length of a file in the database's folder; nullopt when it does not exist.
  absl::StatusOr<std::optional<uint64_t>> LengthOf(const std::string& name) {
    uint64_t bytes = 0;
    const std::string path = absl::StrCat(path_, "/", name);
    const rocksdb::Status status = env_.GetFileSize(path, &bytes);
    if (status.ok()) return bytes;
    if (env_.FileExists(path).IsNotFound()) return std::nullopt;
    return FromRocksdb(status, absl::StrCat("examine ", path));
  }

  // Checks CURRENT, and the list of files that it names.
  absl::Status ExamineManifest() {
    if (env_.FileExists(path_).IsNotFound()) return Add(NameOf(""), " is missing");
    const absl::StatusOr<std::optional<uint64_t>> current = LengthOf("CURRENT");
    if (!current.ok()) return current.status();
    if (!current->has_value()) return Add(NameOf("CURRENT"), " is missing");
    std::string text;
    const std::string current_path = absl::StrCat(path_, "/CURRENT");
    const rocksdb::Status read = rocksdb::ReadFileToString(&env_, current_path, &text);
    if (!read.ok()) return FromRocksdb(read, absl::StrCat("read ", current_path));
    const std::optional<uint64_t> number = ManifestNumberInCurrent(text);
    if (!number) return Add(NameOf("CURRENT"), text.empty() ? " is empty" : " is damaged");
    const std::string name(absl::StripSuffix(text, "\n"));
    const absl::StatusOr<std::optional<uint64_t>> length = LengthOf(name);
    if (!length.ok()) return length.status();
    if (!length->has_value()) return Add(NameOf(name), ", which CURRENT names, is missing");
    if (**length == 0) return Add(NameOf(name), " is empty");
    if (file_ == nullptr || !file_->mark()) return absl::OkStatus();

    const LogMark& mark = *file_->mark();
    std::string problem;
    if (*number < mark.manifest_number) {
      problem =
          absl::StrCat(NameOf("CURRENT"), " names ", name, ", which is older than the list in use");
    } else if (*number == mark.manifest_number) {
      const absl::StatusOr<uint64_t> intact = IntactBytesOf(env_, absl::StrCat(path_, "/", name));
      if (!intact.ok()) return intact.status();
      if (**length < mark.manifest_bytes) {
        problem =
            absl::StrCat(NameOf(name), " has ", **length, " of ", mark.manifest_bytes, " bytes");
      } else if (*intact < mark.manifest_bytes) {
        problem = absl::StrCat(NameOf(name), " is damaged at byte ", *intact);
      }
    }
    if (problem.empty()) return absl::OkStatus();
    // The list may be another database's.
    const rocksdb::Status opened = Open();
    if (opened.ok() && IsAnother()) return AddAnother();
    return Add(problem);
  }

  // Opens the database read-only and without its logs: no file is created or changed, nothing is
  // replayed, and a missing file is no error.
  rocksdb::Status Open() {
    rocksdb::Options options;
    options.env = logless_.get();
    options.info_log = NoInfoLog();
    options.max_open_files = kOpenFilesMax;
    options.max_file_opening_threads = 1;
    options.stats_dump_period_sec = 0;
    options.stats_persist_period_sec = 0;
    options.skip_stats_update_on_db_open = true;
    options.paranoid_checks = false;
    // RocksDB starts threads.
    const base::SignalBlock block;
    rocksdb::DB* opened = nullptr;
    const rocksdb::Status status = rocksdb::DB::OpenForReadOnly(options, path_, &opened);
    database_.reset(opened);
    if (status.ok()) database_->GetDbIdentity(findings_.database_id).PermitUncheckedError();
    return status;
  }

  bool IsAnother() const { return findings_.database_id != file_->database_id(); }
  absl::Status AddAnother() {
    return Add(NameOf(""), " is another database, ", findings_.database_id, ": it belongs to ",
               file_->database_id());
  }

  // The files that the list names.
  absl::Status ExamineFiles() {
    const rocksdb::Status status = Open();
    if (!status.ok()) {
      if (status.IsIOError()) return FromRocksdb(status, absl::StrCat("read ", path_));
      return Add("the list of the files in ", NameOf(""), " cannot be read: ", status.ToString());
    }
    if (file_ != nullptr && IsAnother()) return AddAnother();
    database_->GetIntProperty(rocksdb::DB::Properties::kMinLogNumberToKeep, &min_log_number_);
    rocksdb::ColumnFamilyMetaData listed;
    database_->GetColumnFamilyMetaData(&listed);
    for (const rocksdb::LevelMetaData& level : listed.levels) {
      for (const rocksdb::SstFileMetaData& table : level.files) {
        if (const absl::Status done = Compare(table.name, table.size); !done.ok()) return done;
      }
    }
    for (const rocksdb::BlobMetaData& blob : listed.blob_files) {
      const absl::Status done = Compare(blob.blob_file_name, blob.blob_file_size);
      if (!done.ok()) return done;
    }
    return absl::OkStatus();
  }

  // A start reads those of the storage's own records, such as bans and counts, that it cannot do
  // without.
  absl::Status ReadOwnRecords() {
    const std::string begin = EndOfClientKinds(Uuid());
    const rocksdb::Slice owner(begin.data(), Uuid::kBytes);
    rocksdb::ReadOptions options;
    options.fill_cache = false;
    const std::unique_ptr<rocksdb::Iterator> records(database_->NewIterator(options));
    records->Seek(begin);
    while (records->Valid() && records->key().starts_with(owner)) records->Next();
    const rocksdb::Status status = records->status();
    if (status.ok()) return absl::OkStatus();
    return Add("the storage's own records cannot be read: ", status.ToString());
  }

  absl::Status Compare(absl::string_view listed_name, uint64_t bytes) {
    const std::string name(absl::StripPrefix(listed_name, "/"));
    const absl::StatusOr<std::optional<uint64_t>> length = LengthOf(name);
    if (!length.ok()) return length.status();
    if (!length->has_value()) return Add(NameOf(name), " is missing");
    if (**length == bytes) return absl::OkStatus();
    return Add(NameOf(name), " has ", **length, " bytes and not ", bytes);
  }

  rocksdb::Env& env_;
  const std::string path_;
  const DatabaseFile* const file_;
  // The logs are checked without RocksDB, and must not be replayed.
  const std::unique_ptr<rocksdb::Env> logless_;
  std::unique_ptr<rocksdb::DB> database_;
  uint64_t min_log_number_ = 0;
  DatabaseFindings findings_;
};

}  // namespace

absl::StatusOr<DatabaseFindings> ExamineDatabase(rocksdb::Env& env, const std::string& data_dir,
                                                 const DatabaseFile* file) {
  return Examiner(env, data_dir, file).Run();
}

absl::Status IncompleteError(const std::string& data_dir, absl::string_view what_is_wrong) {
  return absl::DataLossError(absl::StrCat(
      "data directory ", data_dir, " is not whole: ", what_is_wrong,
      ". Nothing was changed. Put the missing or damaged files back, or restore a backup into "
      "another directory ('tcsync-server restore'); 'tcsync-server salvage' extracts the readable "
      "part; docs/recovery.md has the details"));
}

absl::Status RefusalOf(const std::string& data_dir, const DatabaseFindings& findings) {
  if (!findings.problems.empty()) {
    const size_t named = std::min(findings.problems.size(), kNamedMax);
    std::string what = absl::StrJoin(
        findings.problems.begin(), findings.problems.begin() + static_cast<ptrdiff_t>(named), ", ");
    if (findings.problems.size() > named) {
      absl::StrAppend(&what, " and ", findings.problems.size() - named, " more");
    }
    return IncompleteError(data_dir, what);
  }
  if (!findings.log_damage) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(
      "the log of data directory ", data_dir, " is damaged: ", findings.log_damage->description,
      "; this loses ", findings.log_damage->Loss(),
      " that were acknowledged. Nothing was changed. Put the file back from a copy, or accept the "
      "loss with 'tcsync-server repair-log', which keeps the damaged log aside; docs/recovery.md "
      "has the details"));
}

absl::Status CheckHasNoDatabase(rocksdb::Env& env, const std::string& data_dir) {
  const std::string path = absl::StrCat(data_dir, "/", kDatabaseName);
  std::vector<std::string> names;
  const rocksdb::Status status = env.GetChildren(path, &names);
  if (status.IsNotFound() || env.FileExists(path).IsNotFound()) return absl::OkStatus();
  if (!status.ok()) return FromRocksdb(status, absl::StrCat("look into ", path));
  std::sort(names.begin(), names.end());
  for (const std::string& name : names) {
    const bool is_log = absl::EndsWith(name, ".log");
    if (!is_log && !absl::EndsWith(name, ".sst") && !absl::EndsWith(name, ".blob")) continue;
    if (is_log && !FirstSequenceOf(env, absl::StrCat(path, "/", name))) continue;
    return IncompleteError(
        data_dir, absl::StrCat("it looks as if it had just been created, but has ", kDatabaseName,
                               "/", name));
  }
  return absl::OkStatus();
}

}  // namespace tcsync::rocksdb_storage
