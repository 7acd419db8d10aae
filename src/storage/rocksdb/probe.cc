#include "storage/rocksdb/probe.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "storage/rocksdb/record_codec.h"
#include "storage/rocksdb/rocksdb_status.h"
#include "tcsync/uuid.h"

namespace tcsync::rocksdb_storage {

uint64_t WriteProbe(uint64_t latest, rocksdb::WriteBatch& writes) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto now_us =
      static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(now).count());
  const uint64_t number = std::max(latest + 1, now_us);
  writes.Put(ProbeKey(), EncodeNumber(number));
  return number;
}

absl::Status ReadProbe(rocksdb::DB& database, uint64_t number) {
  rocksdb::ReadOptions options;
  options.verify_checksums = true;
  std::string value;
  const rocksdb::Status status = database.Get(options, ProbeKey(), &value);
  if (!status.ok()) return FromRocksdb(status, "read a probe back");
  const std::optional<uint64_t> found = DecodeNumber(value);
  if (!found || *found < number) {
    return absl::DataLossError(
        absl::StrCat("a read returned other bytes than were written: probe ", number, " reads as ",
                     found ? absl::StrCat("probe ", *found) : std::string("no number")));
  }

  // The record behind a random client ID is a client's, and is small.
  options.total_order_seek = true;
  options.fill_cache = false;
  const std::unique_ptr<rocksdb::Iterator> iterator(database.NewIterator(options));
  iterator->Seek(ClientKey(Uuid::Random()));
  if (iterator->status().ok()) return absl::OkStatus();
  return FromRocksdb(iterator->status(), "read from the database");
}

}  // namespace tcsync::rocksdb_storage
