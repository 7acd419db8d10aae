#include "storage/rocksdb/backups.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/signal_block.h"
#include "rocksdb/db.h"
#include "rocksdb/utilities/backup_engine.h"
#include "storage/rocksdb/data_directory.h"
#include "storage/rocksdb/directories.h"
#include "storage/rocksdb/readonly_storage.h"
#include "storage/rocksdb/record_codec.h"
#include "storage/rocksdb/rocksdb_status.h"

namespace tcsync::rocksdb_storage {
namespace {

constexpr absl::string_view kOwnerLine = "tcsync backups of storage ";
constexpr size_t kOwnerFileBytesMax = 256;
constexpr char kOwnerName[] = "/TCSYNC_BACKUPS";
constexpr char kNewOwnerName[] = "/.TCSYNC_BACKUPS.new";
constexpr char kMakingName[] = "/TCSYNC_BACKUPS.lock";

// The bytes that are copied between two reports of progress.
constexpr uint64_t kBytesPerProgress = uint64_t{1} << 20;

// The same, while a client is searched in a backup.
constexpr int kBackupOpenFilesMax = 32;

absl::Status NotBackups(const std::string& directory, absl::string_view why) {
  return absl::FailedPreconditionError(
      absl::StrCat("backup directory ", directory, " is not one of tcsync's backups: ", why));
}

// An open file, which may hold a lock.
class File {
 public:
  File(const std::string& path, int flags) : fd_(open(path.c_str(), flags | O_CLOEXEC, 0600)) {}
  File(File&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  File& operator=(File&&) = delete;
  ~File() {
    if (fd_ >= 0) close(fd_);  // releases the lock
  }

  bool is_open() const { return fd_ >= 0; }
  int fd() const { return fd_; }

 private:
  int fd_;
};

// A directory whose backups may be read during this object's lifetime.
class BackupDirectory {
 public:
  // For any storage.
  static absl::StatusOr<BackupDirectory> OpenForReading(const std::string& path);

  // For that storage; claims an empty directory. Excludes other backups during this object's
  // lifetime.
  static absl::StatusOr<BackupDirectory> OpenForBackup(const std::string& path,
                                                       const std::string& storage_id);

  const std::string& path() const { return path_; }
  const std::string& storage_id() const { return storage_id_; }

  // Whether there is no reader of a backup, now and during this object's lifetime.
  bool LockOutReaders() { return flock(owner_.fd(), LOCK_EX | LOCK_NB) == 0; }

 private:
  BackupDirectory(std::string path, std::string storage_id, File owner, std::optional<File> making)
      : path_(std::move(path)),
        storage_id_(std::move(storage_id)),
        owner_(std::move(owner)),
        making_(std::move(making)) {}

  std::string path_;
  std::string storage_id_;
  File owner_;                  // locked
  std::optional<File> making_;  // locked; while making a backup
};

// The storage in the owner file; an error when the file is malformed.
absl::StatusOr<std::string> ReadOwner(const File& owner, const std::string& directory) {
  char buffer[kOwnerFileBytesMax];
  const ssize_t size = pread(owner.fd(), buffer, sizeof(buffer), 0);
  if (size < 0) return SystemError(errno, "read", directory + kOwnerName);
  absl::string_view text =
      absl::StripAsciiWhitespace(absl::string_view(buffer, static_cast<size_t>(size)));
  if (!absl::ConsumePrefix(&text, kOwnerLine) || text.empty()) {
    return NotBackups(directory,
                      "its TCSYNC_BACKUPS file does not read "
                      "'tcsync backups of storage ID'");
  }
  return std::string(text);
}

// Checks that a directory without an owner may become a directory of backups.
absl::Status CheckUnclaimed(const std::string& directory) {
  const absl::StatusOr<std::vector<std::string>> names = NamesIn(directory);
  if (!names.ok()) return names.status();
  if (std::find(names->begin(), names->end(), "FORMAT") != names->end()) {
    return NotBackups(directory, "it is a data directory");
  }
  for (const std::string& name : *names) {
    if (absl::StrCat("/", name) == kMakingName) continue;
    return NotBackups(directory,
                      absl::StrCat("it has ", name, ": name one that is empty or does not exist"));
  }
  return absl::OkStatus();
}

// A backup within the data directory would be lost with it.
absl::Status CheckIsOutside(const std::string& directory, const rocksdb::DB& database) {
  std::error_code error;  // an unresolvable path is refused when it is opened
  const std::filesystem::path data_directory =
      std::filesystem::weakly_canonical(DataDirectoryOf(database), error);
  const std::filesystem::path backups = std::filesystem::weakly_canonical(directory, error);
  const auto differs =
      std::mismatch(data_directory.begin(), data_directory.end(), backups.begin(), backups.end());
  if (error || differs.first != data_directory.end()) return absl::OkStatus();
  return NotBackups(directory,
                    absl::StrCat("it is within the data directory ", data_directory.string(),
                                 ", with which it would be lost: name one elsewhere"));
}

absl::Status WriteOwner(const std::string& directory, const std::string& storage_id) {
  const std::string new_path = directory + kNewOwnerName;
  const File file(new_path, O_WRONLY | O_CREAT);
  if (!file.is_open()) return SystemError(errno, "create", new_path);
  const absl::Status written =
      WriteSynced(file.fd(), absl::StrCat(kOwnerLine, storage_id, "\n"), new_path);
  if (!written.ok()) return written;
  if (std::rename(new_path.c_str(), (directory + kOwnerName).c_str()) != 0) {
    return SystemError(errno, "rename", new_path);
  }
  return SyncDirectory(directory);
}

absl::StatusOr<BackupDirectory> BackupDirectory::OpenForReading(const std::string& path) {
  if (path.empty()) return absl::InvalidArgumentError("the backup directory's path is empty");
  const std::string directory = WithoutTrailingSlashes(path);
  File owner(directory + kOwnerName, O_RDONLY);
  if (!owner.is_open()) {
    if (errno != ENOENT) return SystemError(errno, "open backup directory", directory);
    const absl::Status unclaimed = CheckUnclaimed(directory);
    if (!unclaimed.ok()) return unclaimed;
    return absl::NotFoundError(
        absl::StrCat("there are no backups in ", directory, ": it is empty"));
  }
  // Waits for the lock, because removing old backups is quick.
  if (flock(owner.fd(), LOCK_SH) != 0) return SystemError(errno, "lock", directory + kOwnerName);
  const absl::StatusOr<std::string> storage_id = ReadOwner(owner, directory);
  if (!storage_id.ok()) return storage_id.status();
  return BackupDirectory(directory, *storage_id, std::move(owner), std::nullopt);
}

absl::StatusOr<BackupDirectory> BackupDirectory::OpenForBackup(const std::string& path,
                                                               const std::string& storage_id) {
  if (path.empty()) return absl::InvalidArgumentError("the backup directory's path is empty");
  const std::string directory = WithoutTrailingSlashes(path);
  const absl::StatusOr<bool> created = CreateDirectory(directory, "backup directory");
  if (!created.ok()) return created.status();
  const std::string owner_path = directory + kOwnerName;
  const auto is_claimed = [&] { return access(owner_path.c_str(), F_OK) == 0; };
  // Checked before the lock file is created, so that another program's directory stays unchanged.
  if (!is_claimed()) {
    if (const absl::Status status = CheckUnclaimed(directory); !status.ok() && !is_claimed()) {
      return status;
    }
  }
  File making(directory + kMakingName, O_RDWR | O_CREAT);
  if (!making.is_open()) return SystemError(errno, "write to backup directory", directory);
  if (flock(making.fd(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return SystemError(errno, "lock", directory + kMakingName);
    return absl::UnavailableError(absl::StrCat("another backup is being made in ", directory,
                                               ": try again when it has ended"));
  }
  if (!is_claimed()) {
    if (const absl::Status status = WriteOwner(directory, storage_id); !status.ok()) return status;
  }
  File owner(owner_path, O_RDONLY);
  if (!owner.is_open()) return SystemError(errno, "open", owner_path);
  const absl::StatusOr<std::string> owner_id = ReadOwner(owner, directory);
  if (!owner_id.ok()) return owner_id.status();
  if (*owner_id != storage_id) {
    return absl::FailedPreconditionError(
        absl::StrCat("backup directory ", directory, " is of another server's storage, ", *owner_id,
                     ", and this one's is ", storage_id, ": use a directory for each"));
  }
  return BackupDirectory(directory, storage_id, std::move(owner), std::move(making));
}

rocksdb::BackupEngineOptions EngineOptions(const BackupDirectory& directory) {
  rocksdb::BackupEngineOptions options(directory.path());
  options.backup_env = rocksdb::Env::Default();
  // A backup begins by flushing the memtable to a table file, so that the log is not needed.
  options.backup_log_files = false;
  // One file at a time, because requests need the disk as well.
  options.max_background_operations = 1;
  options.callback_trigger_interval_size = kBytesPerProgress;
  return options;
}

absl::Status BackupError(const rocksdb::Status& status, absl::string_view action) {
  if (status.IsIncomplete()) return absl::CancelledError("the backup was stopped");
  return FromRocksdb(status, action);
}

BackupInfo ToInfo(const rocksdb::BackupInfo& backup) {
  return {.backup_id = backup.backup_id,
          .created_unix_seconds = backup.timestamp,
          .bytes = backup.size,
          .files = backup.number_files};
}

// Reads the backups in a directory.
class BackupReader {
 public:
  static absl::StatusOr<BackupReader> Open(const std::string& path) {
    absl::StatusOr<BackupDirectory> directory = BackupDirectory::OpenForReading(path);
    if (!directory.ok()) return directory.status();
    // RocksDB starts threads whenever it opens something, here and below.
    const base::SignalBlock block;
    rocksdb::BackupEngineReadOnly* engine = nullptr;
    const rocksdb::Status status = rocksdb::BackupEngineReadOnly::Open(
        rocksdb::Env::Default(), EngineOptions(*directory), &engine);
    // The first backup was stopped before it had begun.
    if (status.IsNotFound()) return BackupReader(*std::move(directory), nullptr);
    if (!status.ok()) {
      return BackupError(status, absl::StrCat("read the backups in ", directory->path()));
    }
    return BackupReader(*std::move(directory), engine);
  }

  BackupDirectory& directory() { return directory_; }
  const std::string& path() const { return directory_.path(); }
  rocksdb::BackupEngineReadOnly& engine() { return *engine_; }

  // Waits for the end of all copies, which may continue after a failed restore.
  void Close() { engine_.reset(); }

  std::vector<BackupInfo> List() const {
    std::vector<BackupInfo> backups;
    if (engine_ == nullptr) return backups;
    std::vector<rocksdb::BackupInfo> intact;
    engine_->GetBackupInfo(&intact);
    for (const rocksdb::BackupInfo& backup : intact) backups.push_back(ToInfo(backup));
    std::vector<rocksdb::BackupID> damaged;
    engine_->GetCorruptedBackups(&damaged);
    for (const rocksdb::BackupID backup_id : damaged) {
      BackupInfo& backup = backups.emplace_back();
      backup.backup_id = backup_id;
      backup.problem = engine_->VerifyBackup(backup_id).ToString();
    }
    std::sort(backups.begin(), backups.end(), [](const BackupInfo& left, const BackupInfo& right) {
      return left.backup_id < right.backup_id;
    });
    return backups;
  }

  // That backup, or the latest one. An error when it does not exist or is damaged.
  absl::StatusOr<rocksdb::BackupInfo> Find(std::optional<uint32_t> backup_id) const {
    const std::vector<BackupInfo> backups = List();
    if (backups.empty()) {
      return absl::NotFoundError(absl::StrCat("there are no backups in ", path()));
    }
    const uint32_t wanted = backup_id.value_or(backups.back().backup_id);
    const auto found =
        std::find_if(backups.begin(), backups.end(),
                     [wanted](const BackupInfo& backup) { return backup.backup_id == wanted; });
    if (found == backups.end()) {
      return absl::NotFoundError(absl::StrCat("there is no backup ", wanted, " in ", path(),
                                              ", which has ", backups.front().backup_id, " to ",
                                              backups.back().backup_id));
    }
    if (!found->problem.empty()) {
      return absl::DataLossError(
          absl::StrCat("backup ", wanted, " in ", path(), " is damaged: ", found->problem));
    }
    rocksdb::BackupInfo info;
    const rocksdb::Status status = engine_->GetBackupInfo(wanted, &info);
    if (status.ok()) return info;
    return BackupError(status, absl::StrCat("read backup ", wanted, " in ", path()));
  }

 private:
  BackupReader(BackupDirectory directory, rocksdb::BackupEngineReadOnly* engine)
      : directory_(std::move(directory)), engine_(engine) {}

  BackupDirectory directory_;
  std::unique_ptr<rocksdb::BackupEngineReadOnly> engine_;  // null: there are no backups
};

// Whether the backup, which must be intact, has any record of the client.
absl::StatusOr<bool> HasClient(BackupReader& reader, uint32_t backup_id, const Uuid& client_id) {
  rocksdb::BackupInfo info;
  rocksdb::Status status =
      reader.engine().GetBackupInfo(backup_id, &info, /*include_file_details=*/true);
  const std::string action = absl::StrCat("look into backup ", backup_id);
  if (!status.ok()) return BackupError(status, action);
  rocksdb::Options options = ReadOnlyDatabaseOptions(*info.env_for_open);
  options.max_open_files = kBackupOpenFilesMax;
  options.skip_stats_update_on_db_open = true;
  const base::SignalBlock block;
  rocksdb::DB* opened = nullptr;
  status = rocksdb::DB::OpenForReadOnly(options, info.name_for_open, &opened);
  if (!status.ok()) return BackupError(status, action);
  const std::unique_ptr<rocksdb::DB> database(opened);
  rocksdb::ReadOptions read;
  for (const std::string& key : {ErasedKey(client_id), ShortenedKey(client_id)}) {
    std::string note;
    status = database->Get(read, key, &note);
    if (status.ok()) return true;
    if (!status.IsNotFound()) return BackupError(status, action);
  }
  const std::string end = EndOfClientKinds(client_id);
  const rocksdb::Slice end_slice(end);
  read.iterate_upper_bound = &end_slice;
  const std::unique_ptr<rocksdb::Iterator> iterator(database->NewIterator(read));
  iterator->Seek(ClientKey(client_id));
  if (!iterator->status().ok()) return BackupError(iterator->status(), action);
  return iterator->Valid();
}

// An estimate of the bytes that a backup will have to copy: those of the files that are not there
// under a name with the same number and size.
uint64_t BytesToCopy(rocksdb::DB& database, const std::string& directory) {
  std::set<std::string> numbers_and_sizes;
  std::vector<std::string> names;
  rocksdb::Env::Default()
      ->GetChildren(directory + "/shared_checksum", &names)
      .PermitUncheckedError();
  for (const std::string& name : names) {
    // NUMBER_..._SIZE.sst or .blob
    const size_t number_end = name.find('_');
    const size_t size_begin = name.rfind('_');
    const size_t size_end = name.rfind('.');
    if (number_end == std::string::npos || size_end == std::string::npos) continue;
    numbers_and_sizes.insert(absl::StrCat(name.substr(0, number_end), " ",
                                          name.substr(size_begin + 1, size_end - size_begin - 1)));
  }
  rocksdb::LiveFilesStorageInfoOptions without_flush;
  without_flush.wal_size_for_flush = UINT64_MAX;
  std::vector<rocksdb::LiveFileStorageInfo> files;
  database.GetLiveFilesStorageInfo(without_flush, &files).PermitUncheckedError();
  uint64_t bytes = 0;
  for (const rocksdb::LiveFileStorageInfo& file : files) {
    if (file.file_type == rocksdb::kWalFile) continue;
    const std::string number = file.relative_filename.substr(0, file.relative_filename.find('.'));
    if (numbers_and_sizes.count(absl::StrCat(number, " ", file.size)) == 0) bytes += file.size;
  }
  return bytes;
}

}  // namespace

absl::StatusOr<std::vector<BackupInfo>> ListBackups(const std::string& directory) {
  const absl::StatusOr<BackupReader> reader = BackupReader::Open(directory);
  if (!reader.ok()) return reader.status();
  return reader->List();
}

absl::StatusOr<std::vector<BackupInfo>> BackupsOfClient(const std::string& directory,
                                                        const Uuid& client_id) {
  absl::StatusOr<BackupReader> reader = BackupReader::Open(directory);
  if (!reader.ok()) return reader.status();
  std::vector<BackupInfo> found;
  for (BackupInfo& backup : reader->List()) {
    if (!backup.problem.empty()) {
      found.push_back(std::move(backup));
      continue;
    }
    const absl::StatusOr<bool> has_client = HasClient(*reader, backup.backup_id, client_id);
    if (!has_client.ok()) backup.problem = std::string(has_client.status().message());
    if (!has_client.ok() || *has_client) found.push_back(std::move(backup));
  }
  return found;
}

absl::Status RemoveBackup(const std::string& directory, uint32_t backup_id) {
  absl::StatusOr<BackupReader> reader = BackupReader::Open(directory);
  if (!reader.ok()) return reader.status();
  const std::vector<BackupInfo> backups = reader->List();
  const bool is_there =
      std::any_of(backups.begin(), backups.end(),
                  [backup_id](const BackupInfo& backup) { return backup.backup_id == backup_id; });
  // Also a damaged backup, which Find() would refuse.
  if (!is_there) return reader->Find(backup_id).status();
  reader->Close();
  BackupDirectory& opened = reader->directory();
  const File making(opened.path() + kMakingName, O_RDWR | O_CREAT);
  if (!making.is_open()) return SystemError(errno, "write to backup directory", opened.path());
  if (flock(making.fd(), LOCK_EX | LOCK_NB) != 0 || !opened.LockOutReaders()) {
    return absl::UnavailableError(absl::StrCat("a backup is being made or read in ", opened.path(),
                                               ": try again when that has ended"));
  }
  const std::string action = absl::StrCat("remove backup ", backup_id, " in ", opened.path());
  const base::SignalBlock block;
  rocksdb::BackupEngine* raw_engine = nullptr;
  rocksdb::Status status =
      rocksdb::BackupEngine::Open(rocksdb::Env::Default(), EngineOptions(opened), &raw_engine);
  if (!status.ok()) return BackupError(status, action);
  const std::unique_ptr<rocksdb::BackupEngine> engine(raw_engine);
  status = engine->DeleteBackup(backup_id);
  if (status.ok()) status = engine->GarbageCollect();
  return status.ok() ? absl::OkStatus() : BackupError(status, action);
}

absl::Status VerifyBackup(const std::string& directory, uint32_t backup_id) {
  absl::StatusOr<BackupReader> reader = BackupReader::Open(directory);
  if (!reader.ok()) return reader.status();
  const absl::StatusOr<rocksdb::BackupInfo> backup = reader->Find(backup_id);
  if (!backup.ok()) return backup.status();
  const rocksdb::Status status =
      reader->engine().VerifyBackup(backup->backup_id, /*verify_with_checksum=*/true);
  if (status.ok()) return absl::OkStatus();
  return BackupError(status, absl::StrCat("verify backup ", backup_id, " in ", reader->path()));
}

absl::StatusOr<BackupInfo> RestoreBackup(const std::string& directory,
                                         std::optional<uint32_t> backup_id,
                                         const std::string& data_dir) {
  absl::StatusOr<BackupReader> reader = BackupReader::Open(directory);
  if (!reader.ok()) return reader.status();
  const absl::StatusOr<rocksdb::BackupInfo> backup = reader->Find(backup_id);
  if (!backup.ok()) return backup.status();

  const std::string name = absl::StrCat("backup ", backup->backup_id, " in ", reader->path());
  const std::optional<int> format = ParseFormatLine(backup->app_metadata);
  if (!format) return absl::DataLossError(absl::StrCat(name, " does not say its storage format"));
  if (const absl::Status status = CheckFormatVersion(*format, name); !status.ok()) return status;

  absl::StatusOr<DataDirectory> restored = DataDirectory::OpenForRestore(data_dir, *format);
  if (!restored.ok()) return restored.status();
  const rocksdb::Status status =
      reader->engine().RestoreDBFromBackup(rocksdb::RestoreOptions(), backup->backup_id,
                                           restored->DatabasePath(), restored->DatabasePath());
  if (!status.ok()) {
    reader->Close();
    restored->AbandonRestore();
    return BackupError(status, absl::StrCat("restore ", name, " into ", restored->path()));
  }
  if (const absl::Status ended = restored->EndRestore(reader->directory().storage_id());
      !ended.ok()) {
    restored->AbandonRestore();
    return ended;
  }
  return ToInfo(*backup);
}

absl::StatusOr<std::unique_ptr<Storage>> OpenBackup(const std::string& directory,
                                                    std::optional<uint32_t> backup_id) {
  absl::StatusOr<BackupReader> reader = BackupReader::Open(directory);
  if (!reader.ok()) return reader.status();
  const absl::StatusOr<rocksdb::BackupInfo> found = reader->Find(backup_id);
  if (!found.ok()) return found.status();
  const std::string name = absl::StrCat("backup ", found->backup_id, " in ", directory);
  const std::optional<int> format = ParseFormatLine(found->app_metadata);
  if (!format) return absl::DataLossError(absl::StrCat(name, " does not say its storage format"));
  if (const absl::Status status = CheckFormatVersion(*format, name); !status.ok()) return status;
  rocksdb::BackupInfo backup;
  rocksdb::Status status = reader->engine().GetBackupInfo(found->backup_id, &backup,
                                                          /*include_file_details=*/true);
  if (!status.ok()) return BackupError(status, absl::StrCat("read ", name));
  const base::SignalBlock block;
  rocksdb::DB* database = nullptr;
  status = rocksdb::DB::OpenForReadOnly(ReadOnlyDatabaseOptions(*backup.env_for_open),
                                        backup.name_for_open, &database);
  if (!status.ok()) return BackupError(status, absl::StrCat("open ", name));
  const auto kept_reader = std::make_shared<BackupReader>(*std::move(reader));
  return std::make_unique<ReadOnlyStorage>(
      std::unique_ptr<rocksdb::DB>(database),
      std::vector<std::shared_ptr<const void>>{kept_reader, backup.env_for_open});
}

absl::StatusOr<BackupInfo> MakeBackup(rocksdb::DB& database, const BackupRequest& request,
                                      Progress progress) {
  if (const absl::Status status = CheckIsOutside(request.directory, database); !status.ok()) {
    return status;
  }
  std::string storage_id;
  rocksdb::Status status = database.GetDbIdentity(storage_id);
  if (!status.ok()) return BackupError(status, "read the database's identity");
  absl::StatusOr<BackupDirectory> directory =
      BackupDirectory::OpenForBackup(request.directory, storage_id);
  if (!directory.ok()) return directory.status();
  const std::string action = absl::StrCat("make a backup in ", directory->path());

  rocksdb::BackupEngine* opened = nullptr;
  {
    const base::SignalBlock block;
    status = rocksdb::BackupEngine::Open(database.GetEnv(), EngineOptions(*directory), &opened);
  }
  if (!status.ok()) return BackupError(status, action);
  const std::unique_ptr<rocksdb::BackupEngine> engine(opened);

  // The backup's own flush would wait for ever behind many level-0 files that a full disk keeps
  // from being compacted, so this one does its work: after it a short log is left to copy.
  rocksdb::FlushOptions at_once;
  at_once.allow_write_stall = true;
  status = database.Flush(at_once);
  if (!status.ok()) return BackupError(status, action);
  const uint64_t total = BytesToCopy(database, directory->path());
  if (!progress(0, total)) return BackupError(rocksdb::Status::Incomplete(), action);
  uint64_t copied = 0;
  rocksdb::CreateBackupOptions create;
  create.flush_before_backup = false;
  create.progress_callback = [&] {
    copied += kBytesPerProgress;
    if (!progress(std::min(copied, total), total)) engine->StopBackup();
  };
  rocksdb::BackupID backup_id = 0;
  status = engine->CreateNewBackupWithMetadata(create, &database, FormatLine(kStorageFormatVersion),
                                               &backup_id);
  if (!status.ok()) return BackupError(status, action);
  progress(total, total);

  // An old backup that is being restored at this moment is still needed; the next backup removes
  // it.
  if (request.keep > 0 && directory->LockOutReaders()) {
    status = engine->PurgeOldBackups(request.keep);
    if (!status.ok()) return BackupError(status, "remove old backups in " + directory->path());
  }
  rocksdb::BackupInfo made;
  status = engine->GetBackupInfo(backup_id, &made);
  if (!status.ok()) return BackupError(status, action);
  return ToInfo(made);
}

}  // namespace tcsync::rocksdb_storage
