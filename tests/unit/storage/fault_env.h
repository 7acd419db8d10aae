// A RocksDB environment over the real file system, in which a test can make reading and writing
// fail, hold them up and count them.
#ifndef TCSYNC_TESTS_UNIT_STORAGE_FAULT_ENV_H_
#define TCSYNC_TESTS_UNIT_STORAGE_FAULT_ENV_H_

#include <memory>
#include <thread>

#include "rocksdb/env.h"
#include "rocksdb/file_system.h"

namespace tcsync {

// Must outlive the storage that uses it. Thread-safe.
class FaultEnv {
 public:
  enum class Files {
    kWriteAheadLog,  // *.log
    kAll,            // but RocksDB's own log messages
    kDatabase,       // of those, the ones in the database's folder
    kTables,         // *.sst
    kManifests,      // MANIFEST-*
    kCurrent,        // the file that becomes CURRENT
  };

  FaultEnv();
  ~FaultEnv();

  rocksdb::Env* env() const { return env_.get(); }

  // From now on appending to those files fails. With `torn`, a part is written first, as by a disk
  // that fills up in the middle.
  void FailAppends(Files files, const rocksdb::IOStatus& error, bool torn = false);
  // The same for the write-ahead log, but not before the database begins a new one.
  void FailAppendsToANewLog(const rocksdb::IOStatus& error, bool torn = false);
  // From now on syncing those files fails.
  void FailSyncs(Files files, const rocksdb::IOStatus& error);
  // From now on everything works again.
  void Heal();

  // From now on an append to the write-ahead log waits. Once for each FaultEnv.
  void HoldLogAppends();
  // Waits until an append waits.
  void AwaitHeldAppend();
  // Lets appends continue.
  void ReleaseLogAppends();

  // From now on threads that open or read a table or blob file wait.
  void HoldReads();
  // The same for compactions alone.
  void HoldCompactions();
  // Waits until `count` threads wait.
  void AwaitHeldReads(int count);
  // Lets them continue.
  void ReleaseReads();

  // From now on reading those files fails, until Heal().
  void FailReads(const rocksdb::IOStatus& error);

  // The next time that somebody opens a write-ahead log to read it, it has just been removed.
  void LoseNextLog();

  // Whether `thread` has opened or read one of those files.
  bool HasRead(std::thread::id thread) const;
  // The number of such reads, by any thread.
  int reads() const;

  // The number of syncs of the write-ahead log.
  int log_syncs() const;

 private:
  class State;
  class File;
  class ReadFile;
  class FileSystem;
  class SlowClock;
  class Environment;

  const std::shared_ptr<State> state_;
  const std::unique_ptr<rocksdb::Env> env_;
};

}  // namespace tcsync

#endif  // TCSYNC_TESTS_UNIT_STORAGE_FAULT_ENV_H_
