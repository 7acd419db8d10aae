#include "storage/rocksdb/probe.h"

#include <memory>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "storage/rocksdb/record_codec.h"
#include "storage/rocksdb/rocksdb_status.h"
#include "tcsync/uuid.h"

namespace tcsync {

void WriteProbe(uint64_t number, rocksdb::WriteBatch& writes) {
  writes.Put(ProbeKey(), EncodeNumber(number));
}

absl::Status ReadProbe(rocksdb::DB& database, uint64_t number) {
  rocksdb::ReadOptions options;
  options.verify_checksums = true;
  std::string value;
  const rocksdb::Status status = database.Get(options, ProbeKey(), &value);
  if (!status.ok()) return FromRocksdb(status, "read back what was written");
  const std::optional<uint64_t> found = DecodeNumber(value);
  if (!found || *found < number) {
    return absl::DataLossError(
        absl::StrCat("what was written is not what is read back: probe ", number, " reads as ",
                     found ? absl::StrCat("probe ", *found) : std::string("no number")));
  }

  // What stands behind a random client ID is a client's record, which is small.
  options.total_order_seek = true;
  options.fill_cache = false;
  const std::unique_ptr<rocksdb::Iterator> iterator(database.NewIterator(options));
  iterator->Seek(ClientKey(Uuid::Random()));
  if (iterator->status().ok()) return absl::OkStatus();
  return FromRocksdb(iterator->status(), "read from the database");
}

}  // namespace tcsync
