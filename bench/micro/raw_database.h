// The engine's database without the engine: to measure RocksDB alone under the same options, and to
// fill a data directory with more than appends can in a reasonable time.
#ifndef TCSYNC_BENCH_MICRO_RAW_DATABASE_H_
#define TCSYNC_BENCH_MICRO_RAW_DATABASE_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "base/numbered_uuid.h"
#include "rocksdb/db.h"
#include "rocksdb/env.h"
#include "rocksdb/write_batch.h"
#include "tcsync/uuid.h"

namespace tcsync::micro {

// Has the engine create a data directory at `path`, and opens its database with the options that
// RocksDB recorded for it, which cannot differ from the engine's, and logs made alike. Must be
// destroyed before the engine opens the directory again.
class RawDatabase {
 public:
  explicit RawDatabase(const std::string& path);

  // The fault, if there is one; then there is no database.
  const rocksdb::Status& status() const { return status_; }
  rocksdb::DB* operator->() const { return database_.get(); }

 private:
  rocksdb::Status status_;
  std::unique_ptr<rocksdb::Env> env_;
  std::unique_ptr<rocksdb::DB> database_;
};

// One version's records as the engine writes them (storage/rocksdb/batch_builder.cc). `version_id`
// is from base::RandomUuidWithNumber(number).
void PutVersion(const Uuid& client_id, uint64_t number, const Uuid& version_id, const Uuid& parent,
                absl::string_view segment, rocksdb::WriteBatch* batch);

}  // namespace tcsync::micro

#endif  // TCSYNC_BENCH_MICRO_RAW_DATABASE_H_
