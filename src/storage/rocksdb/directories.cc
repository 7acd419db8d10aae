#include "storage/rocksdb/directories.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "rocksdb/db.h"

namespace tcsync::rocksdb_storage {

std::string DataDirectoryOf(const rocksdb::DB& database) {
  return std::filesystem::path(database.GetName()).parent_path().string();
}

absl::Status SystemError(int error, absl::string_view action, const std::string& path) {
  absl::Status status = absl::ErrnoToStatus(error, absl::StrCat("cannot ", action, " ", path));
  // A limit on file sizes counts as a full disk.
  if (error == EFBIG) return absl::ResourceExhaustedError(status.message());
  // ENOTDIR, among others.
  if (absl::IsFailedPrecondition(status)) return absl::NotFoundError(status.message());
  return status;
}

std::string WithoutTrailingSlashes(absl::string_view path) {
  while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
  return std::string(path);
}

absl::StatusOr<bool> CreateDirectory(const std::string& path, absl::string_view what) {
  std::error_code error;
  const std::filesystem::path parent = std::filesystem::path(path).parent_path();
  if (!parent.empty()) std::filesystem::create_directories(parent, error);
  if (error) {
    return SystemError(error.value(), absl::StrCat("create the parent of ", what), path);
  }
  const bool created = mkdir(path.c_str(), 0700) == 0;
  if (!created && errno != EEXIST) return SystemError(errno, absl::StrCat("create ", what), path);
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) {
    return SystemError(errno, absl::StrCat("examine ", what), path);
  }
  if (!S_ISDIR(info.st_mode)) {
    return absl::NotFoundError(absl::StrCat(what, " ", path, " is not a directory"));
  }
  // Synced files below it are lost if its own name does not survive a power cut.
  if (created) {
    const absl::Status synced = SyncDirectory(parent.empty() ? "." : parent.string());
    if (!synced.ok()) return synced;
  }
  return created;
}

absl::Status SyncDirectory(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return SystemError(errno, "open directory", path);
  const int result = fsync(fd);
  const int error = errno;
  close(fd);
  return result == 0 ? absl::OkStatus() : SystemError(error, "sync directory", path);
}

absl::Status WriteSynced(int fd, absl::string_view text, const std::string& path) {
  if (pwrite(fd, text.data(), text.size(), 0) != static_cast<ssize_t>(text.size()) ||
      ftruncate(fd, static_cast<off_t>(text.size())) != 0) {
    return SystemError(errno, "write", path);
  }
  return fsync(fd) == 0 ? absl::OkStatus() : SystemError(errno, "sync", path);
}

absl::StatusOr<std::vector<std::string>> NamesIn(const std::string& path) {
  std::error_code error;
  std::vector<std::string> names;
  std::filesystem::directory_iterator entry(path, error);
  while (!error && entry != std::filesystem::directory_iterator()) {
    std::string name = entry->path().filename().string();
    if (name != "lost+found" && name.front() != '.') names.push_back(std::move(name));
    entry.increment(error);
  }
  if (error) return SystemError(error.value(), "look into directory", path);
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace tcsync::rocksdb_storage
