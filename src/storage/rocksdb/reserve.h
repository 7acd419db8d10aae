// Reserved disk space: a file of no use, which is given up when the disk is full. Without it no
// operation could shrink the database then: removing a client writes tombstones, and its bytes go
// only when files are rewritten.
//
// While it is given up, no new data is stored, so that the next upload cannot take its space. The
// file is empty then, and gets its length again as soon as there is room.
//
// It always belongs to the directory that was first at the path: nothing is created in another one
// that takes its place.
#ifndef TCSYNC_SRC_STORAGE_ROCKSDB_RESERVE_H_
#define TCSYNC_SRC_STORAGE_ROCKSDB_RESERVE_H_

#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "base/logger.h"
#include "rocksdb/env.h"

namespace tcsync::rocksdb_storage {

// Thread-safe.
class Reserve {
 public:
  // `path` is its file, in an existing directory. `bytes_wanted`: on a small disk the file has at
  // most kReserveDiskShare of the disk.
  Reserve(const std::string& path, uint64_t bytes_wanted, const base::Logger& logger);
  Reserve(const Reserve&) = delete;
  Reserve& operator=(const Reserve&) = delete;
  ~Reserve();

  // Finds the file, or creates it if there is room for it and as much again. An empty file was
  // given up, and stays so until there is that room. To be called now and then.
  void Maintain();

  // Whether no new data may be stored. Tries to create the file again.
  bool IsGivenUp();

  // The result of the last check, for compactions, which then leave some space to the log.
  bool is_given_up() const { return is_given_up_; }

  // Gives the space up, also before the first Maintain(). True also when another thread has done
  // it, whose space the caller may use as well. False: there was none to give up.
  bool GiveUp();

  // Whether the disk has less free than the reserve's size, so that making room needs it.
  bool IsNeeded() const;

 private:
  uint64_t Bytes() const;
  bool MakeFile();
  std::optional<uint64_t> FileBytes() const;

  const std::string path_;
  const std::string name_;
  const int directory_;  // -1: there is no reserve
  const uint64_t bytes_wanted_;
  const base::Logger logger_;
  std::atomic<bool> is_given_up_{false};
  std::mutex mutex_;  // guards the file
};

}  // namespace tcsync::rocksdb_storage

#endif  // TCSYNC_SRC_STORAGE_ROCKSDB_RESERVE_H_
