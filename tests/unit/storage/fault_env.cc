#include "tests/unit/storage/fault_env.h"

#include <pthread.h>

#include <condition_variable>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/match.h"
#include "rocksdb/system_clock.h"

namespace tcsync {

using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

// The test's settings; shared with the files, which RocksDB owns.
class FaultEnv::State {
 public:
  // The kind of a file.
  struct Kind {
    bool is_log = false;
    bool is_in_database = false;
    bool is_table = false;
    bool is_manifest = false;
    bool becomes_current = false;
  };
  struct Fault {
    Files files = Files::kAll;
    IOStatus error;
    bool torn = false;

    bool Hits(Kind kind) const {
      switch (files) {
        case Files::kWriteAheadLog:
          return kind.is_log;
        case Files::kDatabase:
          return kind.is_in_database;
        case Files::kTables:
          return kind.is_table;
        case Files::kManifests:
          return kind.is_manifest;
        case Files::kCurrent:
          return kind.becomes_current;
        case Files::kAll:
          break;
      }
      return true;
    }
  };

  void SetAppendFault(std::optional<Fault> fault) {
    const std::lock_guard<std::mutex> lock(mutex_);
    append_fault_ = std::move(fault);
  }
  void SetNewLogFault(std::optional<Fault> fault) {
    const std::lock_guard<std::mutex> lock(mutex_);
    new_log_fault_ = std::move(fault);
  }
  void SetSyncFault(std::optional<Fault> fault) {
    const std::lock_guard<std::mutex> lock(mutex_);
    sync_fault_ = std::move(fault);
  }
  void Hold(bool hold) {
    const std::lock_guard<std::mutex> lock(mutex_);
    hold_ = hold;
    changed_.notify_all();
  }
  void AwaitHeldAppend() {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this] { return held_ > 0; });
  }
  int log_syncs() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return log_syncs_;
  }
  void HoldReads(bool hold, bool of_compactions_only = false) {
    const std::lock_guard<std::mutex> lock(mutex_);
    hold_reads_ = hold;
    hold_compactions_only_ = of_compactions_only;
    changed_.notify_all();
  }
  void AwaitHeldReads(int count) {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [&] { return held_reads_ >= count; });
  }
  void SetReadFault(const IOStatus& error) {
    const std::lock_guard<std::mutex> lock(mutex_);
    read_fault_ = error;
  }
  void LoseNextLog() {
    const std::lock_guard<std::mutex> lock(mutex_);
    lose_next_log_ = true;
  }
  bool HasRead(std::thread::id thread) const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return reading_threads_.count(thread) > 0;
  }
  int reads() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return reads_;
  }

  // Called by files: waits if required, and returns the fault, if any.
  void OnNewFile(Kind kind) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const bool is_new_log = kind.is_log && kind.is_in_database;
    if (is_new_log && new_log_fault_) append_fault_ = std::exchange(new_log_fault_, std::nullopt);
  }
  std::optional<Fault> OnAppend(Kind kind) {
    std::unique_lock<std::mutex> lock(mutex_);
    if (kind.is_log && hold_) {
      ++held_;
      changed_.notify_all();
      changed_.wait(lock, [this] { return !hold_; });
      --held_;
    }
    return append_fault_ && append_fault_->Hits(kind) ? append_fault_ : std::nullopt;
  }
  IOStatus OnRead() {
    std::unique_lock<std::mutex> lock(mutex_);
    reading_threads_.insert(std::this_thread::get_id());
    ++reads_;
    if (hold_reads_ && (!hold_compactions_only_ || IsCompaction())) {
      ++held_reads_;
      changed_.notify_all();
      changed_.wait(lock, [this] { return !hold_reads_; });
      --held_reads_;
    }
    return read_fault_;
  }
  IOStatus OnReadLog(const std::string& name) {
    const std::lock_guard<std::mutex> lock(mutex_);
    return std::exchange(lose_next_log_, false) ? IOStatus::PathNotFound(name) : IOStatus::OK();
  }
  std::optional<Fault> OnSync(Kind kind) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (kind.is_log) ++log_syncs_;
    return sync_fault_ && sync_fault_->Hits(kind) ? sync_fault_ : std::nullopt;
  }

 private:
  // RocksDB runs compactions on its threads of low priority, and flushes on those of high priority.
  static bool IsCompaction() {
    char name[16] = "";
    pthread_getname_np(pthread_self(), name, sizeof(name));
    return absl::StartsWith(name, "rocksdb:low");
  }

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<Fault> append_fault_;
  std::optional<Fault> new_log_fault_;  // becomes append_fault_
  std::optional<Fault> sync_fault_;
  bool hold_ = false;
  int held_ = 0;
  int log_syncs_ = 0;
  IOStatus read_fault_;
  bool hold_reads_ = false;
  bool hold_compactions_only_ = false;
  int held_reads_ = 0;
  int reads_ = 0;
  bool lose_next_log_ = false;
  std::set<std::thread::id> reading_threads_;
};

class FaultEnv::File final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  File(std::unique_ptr<rocksdb::FSWritableFile> file, std::shared_ptr<State> state,
       State::Kind kind)
      : FSWritableFileOwnerWrapper(std::move(file)), state_(std::move(state)), kind_(kind) {}

  IOStatus Append(const Slice& data, const IOOptions& options, IODebugContext* debug) override {
    if (const auto fault = state_->OnAppend(kind_)) return Fail(*fault, data, options, debug);
    return FSWritableFileOwnerWrapper::Append(data, options, debug);
  }
  IOStatus Append(const Slice& data, const IOOptions& options,
                  const rocksdb::DataVerificationInfo& verification,
                  IODebugContext* debug) override {
    if (const auto fault = state_->OnAppend(kind_)) return Fail(*fault, data, options, debug);
    return FSWritableFileOwnerWrapper::Append(data, options, verification, debug);
  }
  IOStatus Sync(const IOOptions& options, IODebugContext* debug) override {
    if (const auto fault = state_->OnSync(kind_)) return fault->error;
    return FSWritableFileOwnerWrapper::Sync(options, debug);
  }
  IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override {
    if (const auto fault = state_->OnSync(kind_)) return fault->error;
    return FSWritableFileOwnerWrapper::Fsync(options, debug);
  }

 private:
  IOStatus Fail(const State::Fault& fault, const Slice& data, const IOOptions& options,
                IODebugContext* debug) {
    if (fault.torn) {
      const Slice part(data.data(), data.size() / 2);
      const IOStatus written = FSWritableFileOwnerWrapper::Append(part, options, debug);
      if (!written.ok()) return written;
    }
    return fault.error;
  }

  const std::shared_ptr<State> state_;
  const State::Kind kind_;
};

class FaultEnv::ReadFile final : public rocksdb::FSRandomAccessFileOwnerWrapper {
 public:
  ReadFile(std::unique_ptr<rocksdb::FSRandomAccessFile> file, std::shared_ptr<State> state)
      : FSRandomAccessFileOwnerWrapper(std::move(file)), state_(std::move(state)) {}

  IOStatus Read(uint64_t offset, size_t size, const IOOptions& options, Slice* result,
                char* scratch, IODebugContext* debug) const override {
    if (IOStatus fault = state_->OnRead(); !fault.ok()) return fault;
    return FSRandomAccessFileOwnerWrapper::Read(offset, size, options, result, scratch, debug);
  }
  IOStatus MultiRead(rocksdb::FSReadRequest* requests, size_t count, const IOOptions& options,
                     IODebugContext* debug) override {
    if (IOStatus fault = state_->OnRead(); !fault.ok()) return fault;
    return FSRandomAccessFileOwnerWrapper::MultiRead(requests, count, options, debug);
  }
  IOStatus Prefetch(uint64_t offset, size_t size, const IOOptions& options,
                    IODebugContext* debug) override {
    if (IOStatus fault = state_->OnRead(); !fault.ok()) return fault;
    return FSRandomAccessFileOwnerWrapper::Prefetch(offset, size, options, debug);
  }

 private:
  const std::shared_ptr<State> state_;
};

class FaultEnv::FileSystem final : public rocksdb::FileSystemWrapper {
 public:
  explicit FileSystem(std::shared_ptr<State> state)
      : FileSystemWrapper(rocksdb::FileSystem::Default()), state_(std::move(state)) {}

  const char* Name() const override { return "FaultFileSystem"; }

  IOStatus NewWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                           std::unique_ptr<rocksdb::FSWritableFile>* result,
                           IODebugContext* debug) override {
    return Wrap(FileSystemWrapper::NewWritableFile(name, options, result, debug), name, result);
  }
  IOStatus ReopenWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                              std::unique_ptr<rocksdb::FSWritableFile>* result,
                              IODebugContext* debug) override {
    return Wrap(FileSystemWrapper::ReopenWritableFile(name, options, result, debug), name, result);
  }
  IOStatus ReuseWritableFile(const std::string& name, const std::string& old_name,
                             const rocksdb::FileOptions& options,
                             std::unique_ptr<rocksdb::FSWritableFile>* result,
                             IODebugContext* debug) override {
    return Wrap(FileSystemWrapper::ReuseWritableFile(name, old_name, options, result, debug), name,
                result);
  }

  IOStatus NewSequentialFile(const std::string& name, const rocksdb::FileOptions& options,
                             std::unique_ptr<rocksdb::FSSequentialFile>* result,
                             IODebugContext* debug) override {
    if (absl::EndsWith(name, ".log")) {
      if (IOStatus fault = state_->OnReadLog(name); !fault.ok()) return fault;
    }
    return FileSystemWrapper::NewSequentialFile(name, options, result, debug);
  }
  IOStatus NewRandomAccessFile(const std::string& name, const rocksdb::FileOptions& options,
                               std::unique_ptr<rocksdb::FSRandomAccessFile>* result,
                               IODebugContext* debug) override {
    if (IOStatus fault = state_->OnRead(); !fault.ok()) return fault;
    IOStatus status = FileSystemWrapper::NewRandomAccessFile(name, options, result, debug);
    if (status.ok()) *result = std::make_unique<ReadFile>(std::move(*result), state_);
    return status;
  }

 private:
  IOStatus Wrap(IOStatus status, const std::string& name,
                std::unique_ptr<rocksdb::FSWritableFile>* file) const {
    if (status.ok()) {
      const State::Kind kind{.is_log = absl::EndsWith(name, ".log"),
                             .is_in_database = absl::StrContains(name, "/rocksdb/"),
                             .is_table = absl::EndsWith(name, ".sst"),
                             .is_manifest = absl::StrContains(name, "/MANIFEST-"),
                             .becomes_current = absl::EndsWith(name, ".dbtmp") &&
                                                !absl::StrContains(name, "/OPTIONS-")};
      state_->OnNewFile(kind);
      *file = std::make_unique<File>(std::move(*file), state_, kind);
    }
    return status;
  }

  const std::shared_ptr<State> state_;
};

// A clock that is a minute slow. If RocksDB recovered from a full disk by itself, it would look for
// room without a pause: between two looks it waits until five seconds later by this clock, a moment
// that has passed. So without our prevention, its recovery meets ours in these tests.
class FaultEnv::SlowClock final : public rocksdb::SystemClockWrapper {
 public:
  explicit SlowClock(const std::shared_ptr<rocksdb::SystemClock>& clock)
      : SystemClockWrapper(clock) {}
  const char* Name() const override { return "SlowClock"; }
  uint64_t NowMicros() override { return SystemClockWrapper::NowMicros() - 60'000'000; }
};

class FaultEnv::Environment final : public rocksdb::EnvWrapper {
 public:
  explicit Environment(std::unique_ptr<rocksdb::Env> env) : EnvWrapper(std::move(env)) {
    system_clock_ = std::make_shared<SlowClock>(system_clock_);
  }
};

FaultEnv::FaultEnv()
    : state_(std::make_shared<State>()),
      env_(std::make_unique<Environment>(
          rocksdb::NewCompositeEnv(std::make_shared<FileSystem>(state_)))) {}

FaultEnv::~FaultEnv() = default;

void FaultEnv::FailAppends(Files files, const IOStatus& error, bool torn) {
  state_->SetAppendFault(State::Fault{files, error, torn});
}

void FaultEnv::FailAppendsToANewLog(const IOStatus& error, bool torn) {
  state_->SetNewLogFault(State::Fault{Files::kWriteAheadLog, error, torn});
}

void FaultEnv::FailSyncs(Files files, const IOStatus& error) {
  state_->SetSyncFault(State::Fault{files, error, false});
}

void FaultEnv::Heal() {
  state_->SetAppendFault(std::nullopt);
  state_->SetNewLogFault(std::nullopt);
  state_->SetSyncFault(std::nullopt);
  state_->SetReadFault(IOStatus::OK());
}

void FaultEnv::HoldLogAppends() { state_->Hold(true); }
void FaultEnv::AwaitHeldAppend() { state_->AwaitHeldAppend(); }
void FaultEnv::ReleaseLogAppends() { state_->Hold(false); }
int FaultEnv::log_syncs() const { return state_->log_syncs(); }

void FaultEnv::HoldReads() { state_->HoldReads(true); }
void FaultEnv::HoldCompactions() { state_->HoldReads(true, /*of_compactions_only=*/true); }
void FaultEnv::AwaitHeldReads(int count) { state_->AwaitHeldReads(count); }
void FaultEnv::ReleaseReads() { state_->HoldReads(false); }
void FaultEnv::FailReads(const IOStatus& error) { state_->SetReadFault(error); }
void FaultEnv::LoseNextLog() { state_->LoseNextLog(); }
bool FaultEnv::HasRead(std::thread::id thread) const { return state_->HasRead(thread); }
int FaultEnv::reads() const { return state_->reads(); }

}  // namespace tcsync
