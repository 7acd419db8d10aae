#include "storage/rocksdb/log_file_system.h"

#include "rocksdb/file_system.h"

namespace tcsync {
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

class Environment final : public rocksdb::EnvWrapper {
 public:
  explicit Environment(rocksdb::Env& base) : EnvWrapper(&base) {
    file_system_ = std::make_shared<FullLengthLogs>(base.GetFileSystem());
    system_clock_ = base.GetSystemClock();
  }

  const char* Name() const override { return "EnvWithFullLengthLogs"; }
};

}  // namespace

std::unique_ptr<rocksdb::Env> EnvWithFullLengthLogs(rocksdb::Env& base) {
  return std::make_unique<Environment>(base);
}

}  // namespace tcsync
