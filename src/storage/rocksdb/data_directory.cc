#include "storage/rocksdb/data_directory.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "storage/rocksdb/record_codec.h"

namespace tcsync {
namespace {

constexpr absl::string_view kFormatLine = "tcsync storage format ";
constexpr size_t kFormatFileBytesMax = 64;

std::string FormatPath(const std::string& directory) { return directory + "/FORMAT"; }

// An error of the system about the data directory; `action` completes "cannot ...".
absl::Status SystemError(int error, absl::string_view action, const std::string& path) {
  absl::Status status = absl::ErrnoToStatus(error, absl::StrCat("cannot ", action, " ", path));
  // Among others for ENOTDIR; here that code is for directories of another format.
  if (absl::IsFailedPrecondition(status)) return absl::NotFoundError(status.message());
  return status;
}

absl::Status NotOurs(const std::string& path, absl::string_view why) {
  return absl::FailedPreconditionError(
      absl::StrCat("data directory ", path, " was not made by tcsync: ", why));
}

absl::Status CreateDirectory(const std::string& path) {
  std::error_code error;
  const std::filesystem::path parent = std::filesystem::path(path).parent_path();
  if (!parent.empty()) std::filesystem::create_directories(parent, error);
  if (error) {
    return SystemError(error.value(), "create the parent of data directory", path);
  }
  if (mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
    return SystemError(errno, "create data directory", path);
  }
  return absl::OkStatus();
}

absl::Status CheckIsDirectory(const std::string& path) {
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) return SystemError(errno, "examine data directory", path);
  if (!S_ISDIR(info.st_mode)) {
    return absl::NotFoundError(absl::StrCat("data directory ", path, " is not a directory"));
  }
  return absl::OkStatus();
}

// Makes names that were created in `directory` survive a loss of power.
absl::Status SyncDirectory(const std::string& directory) {
  const int fd = open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return SystemError(errno, "open data directory", directory);
  const int result = fsync(fd);
  const int error = errno;
  close(fd);
  return result == 0 ? absl::OkStatus() : SystemError(error, "sync data directory", directory);
}

// Writes over the line that is there. The file is not replaced by another one, because its
// descriptor holds the lock; and the line does not become shorter, so that what a loss of power
// leaves is the old line or the new one.
absl::Status WriteFormat(int fd, const std::string& path) {
  const std::string text = absl::StrCat(kFormatLine, kStorageFormatVersion, "\n");
  if (pwrite(fd, text.data(), text.size(), 0) != static_cast<ssize_t>(text.size())) {
    return SystemError(errno, "write", FormatPath(path));
  }
  if (fsync(fd) != 0) return SystemError(errno, "sync", FormatPath(path));
  return SyncDirectory(path);
}

absl::StatusOr<int> ReadFormat(int fd, const std::string& path) {
  char buffer[kFormatFileBytesMax];
  const ssize_t size = pread(fd, buffer, sizeof(buffer), 0);
  if (size < 0) return SystemError(errno, "read", FormatPath(path));
  absl::string_view text =
      absl::StripAsciiWhitespace(absl::string_view(buffer, static_cast<size_t>(size)));
  int version = 0;
  if (!absl::ConsumePrefix(&text, kFormatLine) || !absl::SimpleAtoi(text, &version) ||
      version < 1) {
    return NotOurs(path, "its FORMAT file does not read 'tcsync storage format N'");
  }
  if (version > kStorageFormatVersion) {
    return absl::FailedPreconditionError(absl::StrCat(
        "data directory ", path, " has storage format ", version, ", and this release knows up to ",
        kStorageFormatVersion, ": use the newer release of tcsync that wrote it"));
  }
  return version;
}

bool IsEmptyFile(int fd) {
  struct stat info {};
  return fstat(fd, &info) == 0 && info.st_size == 0;
}

}  // namespace

DataDirectory::DataDirectory(std::string path, int format_file)
    : path_(std::move(path)), format_file_(format_file) {}

DataDirectory::DataDirectory(DataDirectory&& other) noexcept
    : path_(std::move(other.path_)),
      format_(other.format_),
      format_file_(std::exchange(other.format_file_, -1)) {}

DataDirectory::~DataDirectory() {
  if (format_file_ >= 0) close(format_file_);  // closing gives the lock back
}

std::string DataDirectory::DatabasePath() const { return path_ + "/rocksdb"; }

absl::Status DataDirectory::Upgrade() {
  const absl::Status written = WriteFormat(format_file_, path_);
  if (written.ok()) format_ = kStorageFormatVersion;
  return written;
}

absl::StatusOr<DataDirectory> DataDirectory::Open(const std::string& path) {
  if (path.empty()) return absl::InvalidArgumentError("option data-dir: the path is empty");
  std::string directory = path;
  while (directory.size() > 1 && directory.back() == '/') directory.pop_back();
  if (const absl::Status status = CreateDirectory(directory); !status.ok()) return status;
  if (const absl::Status status = CheckIsDirectory(directory); !status.ok()) return status;

  std::error_code error;
  const bool has_database = std::filesystem::exists(directory + "/rocksdb", error);
  if (has_database && !std::filesystem::exists(FormatPath(directory), error)) {
    return NotOurs(directory, "it has a database but no FORMAT file");
  }
  const int fd = open(FormatPath(directory).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return SystemError(errno, "write to data directory", directory);
  DataDirectory result(directory, fd);

  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return SystemError(errno, "lock", FormatPath(directory));
    return absl::AlreadyExistsError(absl::StrCat(
        "data directory ", directory, " is in use by another tcsync: stop that one first, or use ",
        "another directory"));
  }
  // An empty file is a start that was cut short before the line was written.
  if (IsEmptyFile(fd) && !has_database) {
    const absl::Status written = result.Upgrade();
    if (!written.ok()) return written;
    return result;
  }
  const absl::StatusOr<int> format = ReadFormat(fd, directory);
  if (!format.ok()) return format.status();
  result.format_ = *format;
  return result;
}

}  // namespace tcsync
