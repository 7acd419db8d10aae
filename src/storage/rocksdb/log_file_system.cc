#include "storage/rocksdb/log_file_system.h"

#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "rocksdb/file_system.h"

namespace tcsync::rocksdb_storage {
namespace {

class FullLengthLogs final : public rocksdb::FileSystemWrapper {
 public:
  explicit FullLengthLogs(const std::shared_ptr<rocksdb::FileSystem>& base)
      : FileSystemWrapper(base) {}

  const char* Name() const override { return "FullLengthLogs"; }

  rocksdb::FileOptions OptimizeForLogWrite(const rocksdb::FileOptions& file_options,
                                           const rocksdb::DBOptions& options) const override {
    rocksdb::FileOptions log_options =
        FileSystemWrapper::OptimizeForLogWrite(file_options, options);
    log_options.fallocate_with_keep_size = false;
    return log_options;
  }
};

// The longest piece in which RocksDB writes a table (its writable_file_max_buffer_size).
constexpr uint64_t kWriteBytes = uint64_t{1} << 20;

thread_local bool may_take_log_room = false;

// The space that is left for logs on the disk of one database. Thread-safe.
class LogRoom {
 public:
  LogRoom(std::shared_ptr<rocksdb::FileSystem> file_system, uint64_t bytes,
          std::function<bool()> is_short)
      : file_system_(std::move(file_system)), bytes_(bytes), is_short_(std::move(is_short)) {}

  // Whether the space remains if `bytes` more are written to the file at `path`; true when the free
  // space is unknown.
  bool IsLeftBy(const std::string& path, uint64_t bytes) const {
    if (!is_short_()) return true;
    uint64_t free_bytes = 0;
    const rocksdb::IOStatus known =
        file_system_->GetFreeSpace(path, rocksdb::IOOptions(), &free_bytes, nullptr);
    return !known.ok() || free_bytes >= bytes_ + bytes + bytes_being_written_;
  }

  // The space that must be left now.
  uint64_t bytes() const { return is_short_() ? bytes_ : 0; }

  // Calls `write`, which takes `bytes`, if the space remains.
  template <typename Function>
  rocksdb::IOStatus Write(const std::string& path, uint64_t bytes, Function write) {
    if (may_take_log_room) return write();
    // Counted before the check: two threads must not both find the same space.
    bytes_being_written_ += bytes;
    rocksdb::IOStatus written =
        IsLeftBy(path, 0)
            ? write()
            : rocksdb::IOStatus::NoSpace("the room that is left is kept for the log", path);
    bytes_being_written_ -= bytes;
    return written;
  }

 private:
  const std::shared_ptr<rocksdb::FileSystem> file_system_;
  const uint64_t bytes_;
  const std::function<bool()> is_short_;
  std::atomic<uint64_t> bytes_being_written_{0};
};

class FileWithRoomForLogs final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  FileWithRoomForLogs(std::unique_ptr<rocksdb::FSWritableFile> file, std::string path,
                      std::shared_ptr<LogRoom> room)
      : FSWritableFileOwnerWrapper(std::move(file)),
        path_(std::move(path)),
        room_(std::move(room)) {}

  rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                           rocksdb::IODebugContext* context) override {
    return room_->Write(path_, data.size(),
                        [&] { return target()->Append(data, options, context); });
  }
  rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                           const rocksdb::DataVerificationInfo& verification,
                           rocksdb::IODebugContext* context) override {
    return room_->Write(path_, data.size(),
                        [&] { return target()->Append(data, options, verification, context); });
  }
  rocksdb::IOStatus PositionedAppend(const rocksdb::Slice& data, uint64_t offset,
                                     const rocksdb::IOOptions& options,
                                     rocksdb::IODebugContext* context) override {
    return room_->Write(path_, data.size(),
                        [&] { return target()->PositionedAppend(data, offset, options, context); });
  }
  rocksdb::IOStatus PositionedAppend(const rocksdb::Slice& data, uint64_t offset,
                                     const rocksdb::IOOptions& options,
                                     const rocksdb::DataVerificationInfo& verification,
                                     rocksdb::IODebugContext* context) override {
    return room_->Write(path_, data.size(), [&] {
      return target()->PositionedAppend(data, offset, options, verification, context);
    });
  }

  // Allocates space before a write, with a write's length to spare, so that the write itself takes
  // no space and is not refused for lack of the space that was allocated for it.
  void PrepareWrite(size_t offset, size_t bytes, const rocksdb::IOOptions& options,
                    rocksdb::IODebugContext* context) override {
    size_t block_bytes = 0;
    size_t last_block = 0;
    target()->GetPreallocationStatus(&block_bytes, &last_block);
    if (may_take_log_room || room_->IsLeftBy(path_, block_bytes + bytes + kWriteBytes)) {
      target()->PrepareWrite(offset, bytes, options, context);
    }
  }

 private:
  const std::string path_;
  const std::shared_ptr<LogRoom> room_;
};

class RoomForLogs final : public rocksdb::FileSystemWrapper {
 public:
  RoomForLogs(const std::shared_ptr<rocksdb::FileSystem>& base, uint64_t room_bytes,
              std::function<bool()> is_short)
      : FileSystemWrapper(base),
        room_(std::make_shared<LogRoom>(base, room_bytes, std::move(is_short))) {}

  const char* Name() const override { return "RoomForLogs"; }

  rocksdb::IOStatus NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* file,
                                    rocksdb::IODebugContext* context) override {
    rocksdb::IOStatus made = FileSystemWrapper::NewWritableFile(path, options, file, context);
    if (made.ok() && (absl::EndsWith(path, ".sst") || absl::EndsWith(path, ".blob"))) {
      *file = std::make_unique<FileWithRoomForLogs>(std::move(*file), path, room_);
    }
    return made;
  }

  rocksdb::IOStatus GetFreeSpace(const std::string& path, const rocksdb::IOOptions& options,
                                 uint64_t* free_bytes, rocksdb::IODebugContext* context) override {
    const rocksdb::IOStatus known =
        FileSystemWrapper::GetFreeSpace(path, options, free_bytes, context);
    if (known.ok()) *free_bytes -= std::min(*free_bytes, room_->bytes());
    return known;
  }

 private:
  const std::shared_ptr<LogRoom> room_;
};

class WithoutLogs final : public rocksdb::FileSystemWrapper {
 public:
  explicit WithoutLogs(const std::shared_ptr<rocksdb::FileSystem>& base)
      : FileSystemWrapper(base) {}

  const char* Name() const override { return "WithoutLogs"; }

  rocksdb::IOStatus GetChildren(const std::string& directory, const rocksdb::IOOptions& options,
                                std::vector<std::string>* names,
                                rocksdb::IODebugContext* context) override {
    rocksdb::IOStatus status = FileSystemWrapper::GetChildren(directory, options, names, context);
    std::erase_if(*names, [](const std::string& name) { return absl::EndsWith(name, ".log"); });
    return status;
  }
};

// `base` with a `FileSystem` around its own.
template <typename FileSystem>
class Environment final : public rocksdb::EnvWrapper {
 public:
  template <typename... Arguments>
  explicit Environment(rocksdb::Env& base, const Arguments&... arguments) : EnvWrapper(&base) {
    file_system_ = std::make_shared<FileSystem>(base.GetFileSystem(), arguments...);
    system_clock_ = base.GetSystemClock();
  }

  const char* Name() const override { return file_system_->Name(); }
};

}  // namespace

std::unique_ptr<rocksdb::Env> EnvWithFullLengthLogs(rocksdb::Env& base) {
  return std::make_unique<Environment<FullLengthLogs>>(base);
}

std::unique_ptr<rocksdb::Env> EnvWithRoomForLogs(rocksdb::Env& base, uint64_t room_bytes,
                                                 std::function<bool()> is_short) {
  return std::make_unique<Environment<RoomForLogs>>(base, room_bytes, std::move(is_short));
}

void SetMayTakeLogRoom(bool may_take) { may_take_log_room = may_take; }

std::unique_ptr<rocksdb::Env> EnvWithoutLogs(rocksdb::Env& base) {
  return std::make_unique<Environment<WithoutLogs>>(base);
}

}  // namespace tcsync::rocksdb_storage
