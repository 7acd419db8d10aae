// A database opened with RocksDB itself, for tests that read the storage's files or write behind
// its back.
#ifndef TCSYNC_TESTS_UNIT_STORAGE_BARE_DATABASE_H_
#define TCSYNC_TESTS_UNIT_STORAGE_BARE_DATABASE_H_

#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "rocksdb/db.h"

namespace tcsync {

// Null, and a failure, when it cannot be opened.
inline std::unique_ptr<rocksdb::DB> OpenBareDatabase(
    const std::string& path, const rocksdb::Options& options = rocksdb::Options()) {
  rocksdb::DB* opened = nullptr;
  const rocksdb::Status status = rocksdb::DB::Open(options, path, &opened);
  EXPECT_TRUE(status.ok()) << status.ToString();
  return std::unique_ptr<rocksdb::DB>(opened);
}

inline std::vector<std::string> KeysIn(rocksdb::DB& database) {
  std::vector<std::string> keys;
  const std::unique_ptr<rocksdb::Iterator> iterator(database.NewIterator(rocksdb::ReadOptions()));
  for (iterator->SeekToFirst(); iterator->Valid(); iterator->Next()) {
    keys.push_back(iterator->key().ToString());
  }
  EXPECT_TRUE(iterator->status().ok()) << iterator->status().ToString();
  return keys;
}

}  // namespace tcsync

#endif  // TCSYNC_TESTS_UNIT_STORAGE_BARE_DATABASE_H_
