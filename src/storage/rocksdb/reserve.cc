#include "storage/rocksdb/reserve.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <string>

#include "base/limits.h"
#include "storage/rocksdb/directories.h"

namespace tcsync::rocksdb_storage {
namespace {

struct DiskSpace {
  uint64_t free = 0;
  uint64_t total = 0;
};

std::optional<DiskSpace> SpaceIn(int directory) {
  struct statvfs disk {};
  if (fstatvfs(directory, &disk) != 0) return std::nullopt;
  return DiskSpace{.free = uint64_t{disk.f_bavail} * disk.f_frsize,
                   .total = uint64_t{disk.f_blocks} * disk.f_frsize};
}

// Allocates the whole length of the file; false when the system cannot.
bool Allocate(int fd, uint64_t bytes) {
  const auto length = static_cast<off_t>(bytes);
#if defined(__linux__)
  return fallocate(fd, 0, 0, length) == 0;
#elif defined(__APPLE__)
  fstore_t store = {F_ALLOCATEALL, F_PEOFPOSMODE, 0, length, 0};
  return fcntl(fd, F_PREALLOCATE, &store) == 0 && ftruncate(fd, length) == 0;
#else
  return posix_fallocate(fd, 0, length) == 0;
#endif
}

}  // namespace

Reserve::Reserve(const std::string& path, uint64_t bytes_wanted, const base::Logger& logger)
    : path_(path),
      name_(path.substr(path.rfind('/') + 1)),
      directory_(
          open(path.substr(0, path.rfind('/') + 1).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)),
      bytes_wanted_(bytes_wanted),
      logger_(logger) {}

Reserve::~Reserve() {
  if (directory_ >= 0) close(directory_);
}

std::optional<uint64_t> Reserve::FileBytes() const {
  struct stat info {};
  if (fstatat(directory_, name_.c_str(), &info, 0) != 0) return std::nullopt;
  return static_cast<uint64_t>(info.st_size);
}

uint64_t Reserve::Bytes() const {
  const std::optional<DiskSpace> space = SpaceIn(directory_);
  if (!space) return 0;
  return std::min(bytes_wanted_, space->total / base::kReserveDiskShare);
}

bool Reserve::MakeFile() {
  const uint64_t bytes = Bytes();
  const std::optional<DiskSpace> space = SpaceIn(directory_);
  if (bytes == 0 || !space || space->free < 2 * bytes) return false;
  const int fd = openat(directory_, name_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return false;
  // A quota is not part of the free space.
  const bool is_allocated = Allocate(fd, 2 * bytes);
  const int error = errno;
  static_cast<void>(ftruncate(fd, is_allocated ? static_cast<off_t>(bytes) : 0) == 0);
  close(fd);
  if (is_allocated) return true;
  if (error != EOPNOTSUPP && error != ENOSYS) return false;
  // A file system that cannot allocate space has no reserve; all else works as before.
  unlinkat(directory_, name_.c_str(), 0);
  return true;
}

void Reserve::Maintain() {
  const std::lock_guard lock(mutex_);
  const std::optional<uint64_t> bytes = FileBytes();
  const uint64_t wanted = Bytes();
  if (bytes && *bytes == wanted) return;
  const bool was_given_up = bytes == 0;
  if (bytes && !was_given_up) {
    // The size differs because the memory budget or the disk has changed. One that is too small is
    // better than none.
    const std::optional<DiskSpace> space = SpaceIn(directory_);
    if (!space || space->free + *bytes < 2 * wanted) return;
    unlinkat(directory_, name_.c_str(), 0);
  }
  // A disk without room for it at the first start is served without a reserve.
  is_given_up_ = !MakeFile() && was_given_up;
}

bool Reserve::IsGivenUp() {
  if (!is_given_up_) return false;
  const std::lock_guard lock(mutex_);
  if (!is_given_up_) return false;
  if (!MakeFile()) return true;
  is_given_up_ = false;
  logger_.Log(LogLevel::kInfo, "the disk has room again: new versions are stored");
  return false;
}

bool Reserve::GiveUp() {
  const std::lock_guard lock(mutex_);
  if (FileBytes().value_or(0) == 0) return is_given_up_;
  // First, so that no compaction takes the released space.
  is_given_up_ = true;
  const int fd = openat(directory_, name_.c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC);
  if (fd < 0) {
    is_given_up_ = false;
    return false;
  }
  close(fd);
  logger_.Log(LogLevel::kWarning, "the disk is full: the space that ", path_,
              " reserved is used now, and no new data is stored until it is free again");
  return true;
}

bool Reserve::IsNeeded() const {
  const std::optional<DiskSpace> space = SpaceIn(directory_);
  return space && space->free < Bytes();
}

}  // namespace tcsync::rocksdb_storage
