// Room on the disk that is kept for making room: a file of no use, which is given up when the disk
// is full. Without it nothing that shrinks the database could be done there: removing a client
// writes tombstones, and its bytes go only when files are written anew.
//
// While it is given up nothing new is stored, so that what it left is not taken by the next upload.
// The file is empty then, and has its length again as soon as there is room.
//
// It is always of the directory that stood at the path at first: nothing is made in another one
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
  // `path` is its file, in a directory that exists. `bytes_wanted`: on a small disk it takes
  // kReserveDiskShare of that at most.
  Reserve(const std::string& path, uint64_t bytes_wanted, const base::Logger& logger);
  Reserve(const Reserve&) = delete;
  Reserve& operator=(const Reserve&) = delete;
  ~Reserve();

  // Finds the file, or makes it if there is room for it and as much again. An empty one was given
  // up, and is until there is that room. To be called now and then.
  void Maintain();

  // Whether nothing new may be stored. Looks whether the file can be made again.
  bool IsGivenUp();

  // Whether it was when that was last looked at: so that compactions leave some of it to the log.
  bool is_given_up() const { return is_given_up_; }

  // Gives the room up, also before the first Maintain(). True also when another thread has done it,
  // whose room the caller may find as well. False: there was none to give up.
  bool GiveUp();

  // Whether the disk has less left than the reserve has, so that making room needs it.
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
  std::mutex mutex_;  // of the file
};

}  // namespace tcsync::rocksdb_storage

#endif  // TCSYNC_SRC_STORAGE_ROCKSDB_RESERVE_H_
