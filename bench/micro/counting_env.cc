#include "micro/counting_env.h"

#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "rocksdb/file_system.h"

namespace tcsync::micro {

using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

class CountingEnv::File final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  File(std::unique_ptr<rocksdb::FSWritableFile> file, std::shared_ptr<Counts> counts, Syncs syncs)
      : FSWritableFileOwnerWrapper(std::move(file)), counts_(std::move(counts)), syncs_(syncs) {}

  IOStatus Append(const Slice& data, const IOOptions& options, IODebugContext* debug) override {
    counts_->bytes.fetch_add(data.size(), std::memory_order_relaxed);
    return FSWritableFileOwnerWrapper::Append(data, options, debug);
  }
  IOStatus Append(const Slice& data, const IOOptions& options,
                  const rocksdb::DataVerificationInfo& verification,
                  IODebugContext* debug) override {
    counts_->bytes.fetch_add(data.size(), std::memory_order_relaxed);
    return FSWritableFileOwnerWrapper::Append(data, options, verification, debug);
  }
  IOStatus Sync(const IOOptions& options, IODebugContext* debug) override {
    counts_->syncs.fetch_add(1, std::memory_order_relaxed);
    if (syncs_ == Syncs::kSkipped) return IOStatus::OK();
    return FSWritableFileOwnerWrapper::Sync(options, debug);
  }
  IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override {
    counts_->syncs.fetch_add(1, std::memory_order_relaxed);
    if (syncs_ == Syncs::kSkipped) return IOStatus::OK();
    return FSWritableFileOwnerWrapper::Fsync(options, debug);
  }

 private:
  const std::shared_ptr<Counts> counts_;
  const Syncs syncs_;
};

class CountingEnv::FileSystem final : public rocksdb::FileSystemWrapper {
 public:
  FileSystem(std::shared_ptr<Counts> counts, Syncs syncs)
      : FileSystemWrapper(rocksdb::FileSystem::Default()),
        counts_(std::move(counts)),
        syncs_(syncs) {}

  const char* Name() const override { return "CountingFileSystem"; }

  IOStatus NewWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                           std::unique_ptr<rocksdb::FSWritableFile>* file,
                           IODebugContext* debug) override {
    return Wrap(FileSystemWrapper::NewWritableFile(name, options, file, debug), name, file);
  }
  IOStatus ReopenWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                              std::unique_ptr<rocksdb::FSWritableFile>* file,
                              IODebugContext* debug) override {
    return Wrap(FileSystemWrapper::ReopenWritableFile(name, options, file, debug), name, file);
  }
  IOStatus ReuseWritableFile(const std::string& name, const std::string& old_name,
                             const rocksdb::FileOptions& options,
                             std::unique_ptr<rocksdb::FSWritableFile>* file,
                             IODebugContext* debug) override {
    return Wrap(FileSystemWrapper::ReuseWritableFile(name, old_name, options, file, debug), name,
                file);
  }

 private:
  IOStatus Wrap(IOStatus status, const std::string& name,
                std::unique_ptr<rocksdb::FSWritableFile>* file) const {
    if (status.ok() && absl::EndsWith(name, ".log")) {
      *file = std::make_unique<File>(std::move(*file), counts_, syncs_);
    }
    return status;
  }

  const std::shared_ptr<Counts> counts_;
  const Syncs syncs_;
};

CountingEnv::CountingEnv(Syncs syncs)
    : counts_(std::make_shared<Counts>()),
      env_(rocksdb::NewCompositeEnv(std::make_shared<FileSystem>(counts_, syncs))) {}

}  // namespace tcsync::micro
