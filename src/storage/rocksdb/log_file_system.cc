#include "storage/rocksdb/log_file_system.h"

#include <string>
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
  explicit Environment(rocksdb::Env& base) : EnvWrapper(&base) {
    file_system_ = std::make_shared<FileSystem>(base.GetFileSystem());
    system_clock_ = base.GetSystemClock();
  }

  const char* Name() const override { return file_system_->Name(); }
};

}  // namespace

std::unique_ptr<rocksdb::Env> EnvWithFullLengthLogs(rocksdb::Env& base) {
  return std::make_unique<Environment<FullLengthLogs>>(base);
}

std::unique_ptr<rocksdb::Env> EnvWithoutLogs(rocksdb::Env& base) {
  return std::make_unique<Environment<WithoutLogs>>(base);
}

}  // namespace tcsync::rocksdb_storage
