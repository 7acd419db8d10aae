#include "storage/rocksdb/data_directory.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "storage/rocksdb/database_check.h"
#include "storage/rocksdb/database_file.h"
#include "storage/rocksdb/directories.h"
#include "storage/rocksdb/record_codec.h"

namespace tcsync::rocksdb_storage {
namespace {

constexpr absl::string_view kFormatLine = "tcsync storage format ";
constexpr size_t kFormatFileBytesMax = 64;
constexpr char kFormatName[] = "FORMAT";
constexpr char kDatabaseName[] = "rocksdb";
constexpr char kDatabaseFileName[] = "DATABASE";
constexpr char kCreatingName[] = "CREATING";
constexpr absl::string_view kCreatingText =
    "A database is being created in this directory, or its creation was cut short.\n";
constexpr char kRestoringName[] = "RESTORING";
constexpr char kReserveName[] = "reserve";
constexpr absl::string_view kRestoringText =
    "A backup is being restored into this directory, or the restore was cut short.\n";
// The database file of the reference server.
constexpr char kReferenceName[] = "taskchampion-sync-server.sqlite3";

std::string PathOf(const std::string& directory, const char* name) {
  return absl::StrCat(directory, "/", name);
}

absl::Status NotOurs(const std::string& path, absl::string_view why) {
  return absl::FailedPreconditionError(
      absl::StrCat("data directory ", path, " was not made by tcsync: ", why));
}

// For a directory of unknown format.
absl::Status WithoutFormat(const std::string& path, absl::string_view what_is_wrong) {
  return absl::FailedPreconditionError(IncompleteError(path, what_is_wrong).message());
}

bool Contains(const std::vector<std::string>& names, absl::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// Checks that a directory without a FORMAT may become a data directory.
absl::Status CheckUnclaimed(const std::string& path, const std::vector<std::string>& names) {
  // The mark of an interrupted restore is reported elsewhere.
  if (names.empty() || Contains(names, kRestoringName)) return absl::OkStatus();
  if (Contains(names, kDatabaseName) || Contains(names, kDatabaseFileName)) {
    return WithoutFormat(path, "FORMAT is missing");
  }
  // A first start that was interrupted by a loss of power.
  if (names.size() == 1 && names.front() == kCreatingName) return absl::OkStatus();
  if (Contains(names, kReferenceName)) {
    return NotOurs(path, absl::StrCat("it has ", kReferenceName,
                                      ", the reference server's database, which "
                                      "'tcsync-server import-reference' reads; use another "
                                      "directory for tcsync's own data"));
  }
  return NotOurs(path, absl::StrCat("it has ", names.front(), ": use a directory that is empty"));
}

absl::Status CutShort(const std::string& path) {
  return absl::FailedPreconditionError(
      absl::StrCat("restoring a backup into data directory ", path,
                   " was cut short: restore into it once more, or remove its content"));
}

// Overwrites the present line. The file is not replaced, because its descriptor holds the lock. The
// line does not become shorter, so that a loss of power leaves either the old line or the new one.
absl::Status WriteFormat(int fd, const std::string& path, int version) {
  const absl::Status written =
      WriteSynced(fd, absl::StrCat(FormatLine(version), "\n"), PathOf(path, kFormatName));
  return written.ok() ? SyncDirectory(path) : written;
}

absl::StatusOr<int> ReadFormat(int fd, const std::string& path) {
  char buffer[kFormatFileBytesMax];
  const ssize_t size = pread(fd, buffer, sizeof(buffer), 0);
  if (size < 0) return SystemError(errno, "read", PathOf(path, kFormatName));
  const std::optional<int> version = ParseFormatLine(
      absl::StripAsciiWhitespace(absl::string_view(buffer, static_cast<size_t>(size))));
  if (!version) return NotOurs(path, "its FORMAT file does not read 'tcsync storage format N'");
  const absl::Status status = CheckFormatVersion(*version, absl::StrCat("data directory ", path));
  if (!status.ok()) return status;
  return *version;
}

bool IsEmptyFile(int fd) {
  struct stat info {};
  return fstat(fd, &info) == 0 && info.st_size == 0;
}

bool Exists(const std::string& path) {
  std::error_code error;
  return std::filesystem::exists(path, error);
}

// Creates a file that marks the operation in progress in the directory.
absl::Status Mark(const std::string& path, const char* name, absl::string_view text) {
  const std::string mark = PathOf(path, name);
  const int fd = open(mark.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return SystemError(errno, "create", mark);
  const absl::Status written = WriteSynced(fd, text, mark);
  close(fd);
  return written.ok() ? SyncDirectory(path) : written;
}

absl::Status RemoveMark(const std::string& path, const char* name) {
  const std::string mark = PathOf(path, name);
  if (unlink(mark.c_str()) != 0) return SystemError(errno, "remove", mark);
  return SyncDirectory(path);
}

}  // namespace

std::string FormatLine(int version) { return absl::StrCat(kFormatLine, version); }

std::optional<int> ParseFormatLine(absl::string_view line) {
  int version = 0;
  if (!absl::ConsumePrefix(&line, kFormatLine) || !absl::SimpleAtoi(line, &version) ||
      version < 1) {
    return std::nullopt;
  }
  return version;
}

absl::Status CheckFormatVersion(int version, absl::string_view what) {
  if (version >= kOldestStorageFormatVersion && version <= kStorageFormatVersion) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(
      absl::StrCat(what, " has storage format ", version, ", and this release knows ",
                   kOldestStorageFormatVersion, " to ", kStorageFormatVersion, ": use the ",
                   version > kStorageFormatVersion ? "newer release" : "earlier state",
                   " of tcsync that wrote it"));
}

DataDirectory::DataDirectory(std::string path, int format_file, bool was_created)
    : path_(std::move(path)), format_file_(format_file), was_created_(was_created) {}

DataDirectory::DataDirectory(DataDirectory&& other) noexcept
    : path_(std::move(other.path_)),
      format_(other.format_),
      is_new_(other.is_new_),
      format_file_(std::exchange(other.format_file_, -1)),
      closed_in_child_(std::move(other.closed_in_child_)),
      was_created_(other.was_created_) {}

DataDirectory::~DataDirectory() {
  closed_in_child_.reset();
  if (format_file_ >= 0) close(format_file_);  // releases the lock
}

std::string DataDirectory::DatabasePath() const { return PathOf(path_, kDatabaseName); }

std::string DataDirectory::DatabaseFilePath() const { return PathOf(path_, kDatabaseFileName); }

std::string DataDirectory::FormatPath() const { return PathOf(path_, kFormatName); }

std::string DataDirectory::RoomPath() const { return path_ + "/room.log"; }

std::string DataDirectory::ReservePath() const { return PathOf(path_, kReserveName); }

absl::StatusOr<DataDirectory> DataDirectory::Lock(const std::string& path) {
  if (path.empty()) return absl::InvalidArgumentError("option data-dir: the path is empty");
  const std::string directory = WithoutTrailingSlashes(path);
  const absl::StatusOr<bool> created = CreateDirectory(directory, "data directory");
  if (!created.ok()) return created.status();

  const std::string format_path = PathOf(directory, kFormatName);
  if (!Exists(format_path)) {
    const absl::StatusOr<std::vector<std::string>> names = NamesIn(directory);
    if (!names.ok()) return names.status();
    // Another process may have created it just now, and has then checked the directory.
    const absl::Status unclaimed =
        Contains(*names, kFormatName) ? absl::OkStatus() : CheckUnclaimed(directory, *names);
    if (!unclaimed.ok()) return unclaimed;
  }
  const int fd = open(format_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return SystemError(errno, "write to data directory", directory);
  DataDirectory result(directory, fd, *created);
  result.closed_in_child_ = std::make_unique<base::ClosedInChild>(fd);

  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return SystemError(errno, "lock", format_path);
    return absl::AlreadyExistsError(absl::StrCat(
        "data directory ", directory, " is in use by another tcsync: stop that one first, or use ",
        "another directory"));
  }
  return result;
}

absl::StatusOr<DataDirectory> DataDirectory::Open(const std::string& path) {
  absl::StatusOr<DataDirectory> locked = Lock(path);
  if (!locked.ok()) return locked;
  const int fd = locked->format_file_;
  const std::string& directory = locked->path_;
  if (Exists(PathOf(directory, kRestoringName))) return CutShort(directory);
  if (IsEmptyFile(fd)) {
    // An earlier start was interrupted before the line was written; then the directory has nothing
    // else.
    for (const char* const name : {kDatabaseName, kDatabaseFileName}) {
      if (Exists(PathOf(directory, name))) return WithoutFormat(directory, "FORMAT is empty");
    }
    absl::Status status = Mark(directory, kCreatingName, kCreatingText);
    if (status.ok()) status = locked->Upgrade();
    if (!status.ok()) return status;
  } else {
    const absl::StatusOr<int> format = ReadFormat(fd, directory);
    if (!format.ok()) return format.status();
    locked->format_ = *format;
  }
  locked->is_new_ = Exists(PathOf(directory, kCreatingName));
  return locked;
}

absl::Status DataDirectory::EndCreation() {
  if (!is_new_) return absl::OkStatus();
  const absl::Status removed = RemoveMark(path_, kCreatingName);
  if (removed.ok()) is_new_ = false;
  return removed;
}

absl::Status DataDirectory::Upgrade() {
  const absl::Status written = WriteFormat(format_file_, path_, kStorageFormatVersion);
  if (written.ok()) format_ = kStorageFormatVersion;
  return written;
}

absl::StatusOr<DataDirectory> DataDirectory::OpenForRestore(const std::string& path,
                                                            int format_version) {
  absl::StatusOr<DataDirectory> locked = Lock(path);
  if (!locked.ok()) return locked;
  const std::string& directory = locked->path_;
  const absl::StatusOr<std::vector<std::string>> names = NamesIn(directory);
  if (!names.ok()) return names.status();
  const bool was_cut_short = Contains(*names, kRestoringName);
  for (const std::string& name : *names) {
    if (name == kFormatName || name == kRestoringName || name == kReserveName) continue;
    if (was_cut_short && (name == kDatabaseName || name == kDatabaseFileName)) continue;
    return absl::FailedPreconditionError(absl::StrCat(
        "data directory ", directory, " has data in it (", name,
        "): restore into one that does not exist or is empty, or move its content away first"));
  }
  if (!IsEmptyFile(locked->format_file_)) {
    const absl::StatusOr<int> format = ReadFormat(locked->format_file_, directory);
    if (!format.ok()) return format.status();
  }
  // The mark first: without it a half-restored directory would open as a complete one.
  absl::Status status = Mark(directory, kRestoringName, kRestoringText);
  if (status.ok()) status = WriteFormat(locked->format_file_, directory, format_version);
  std::error_code error;
  std::filesystem::remove_all(locked->DatabasePath(), error);
  if (status.ok() && error) {
    status = SystemError(error.value(), "remove", locked->DatabasePath());
  }
  if (status.ok()) return locked;
  locked->AbandonRestore();
  return status;
}

absl::Status DataDirectory::EndRestore(const std::string& database_id) {
  // This also syncs the database's own name, before the file that makes it valid.
  const absl::Status created = DatabaseFile::Create(DatabaseFilePath(), database_id).status();
  return created.ok() ? RemoveMark(path_, kRestoringName) : created;
}

void DataDirectory::AbandonRestore() {
  std::error_code ignored;
  std::filesystem::remove_all(DatabasePath(), ignored);
  if (ignored) return;  // the mark stays with the files that could not be removed
  std::filesystem::remove(DatabaseFilePath(), ignored);
  std::filesystem::remove(PathOf(path_, kRestoringName), ignored);
  std::filesystem::remove(PathOf(path_, kFormatName), ignored);
  if (was_created_) std::filesystem::remove(path_, ignored);
}

}  // namespace tcsync::rocksdb_storage
