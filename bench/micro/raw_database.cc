#include "micro/raw_database.h"

#include <vector>

#include "absl/status/statusor.h"
#include "base/limits.h"
#include "rocksdb/convenience.h"
#include "rocksdb/utilities/options_util.h"
#include "storage/rocksdb/data_directory.h"
#include "storage/rocksdb/log_file_system.h"
#include "storage/rocksdb/record_codec.h"
#include "storage/rocksdb/rocksdb_storage.h"

namespace tcsync::micro {

RawDatabase::RawDatabase(const std::string& path) {
  rocksdb_storage::RocksdbStorageOptions engine;
  engine.data_dir = path;
  if (!rocksdb_storage::OpenRocksdbStorage(engine, base::Logger()).ok()) {
    status_ = rocksdb::Status::IOError("the storage did not open");
    return;
  }
  const absl::StatusOr<rocksdb_storage::DataDirectory> data =
      rocksdb_storage::DataDirectory::Open(path);
  if (!data.ok()) {
    status_ = rocksdb::Status::IOError(std::string(data.status().message()));
    return;
  }
  rocksdb::ConfigOptions config;
  config.ignore_unknown_options = false;
  rocksdb::DBOptions options;
  std::vector<rocksdb::ColumnFamilyDescriptor> families;
  status_ = rocksdb::LoadLatestOptions(config, data->DatabasePath(), &options, &families);
  if (!status_.ok()) return;
  env_ = rocksdb_storage::EnvWithFullLengthLogs(*rocksdb::Env::Default());
  options.env = env_.get();
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* opened = nullptr;
  status_ = rocksdb::DB::Open(options, data->DatabasePath(), families, &handles, &opened);
  database_.reset(opened);
  for (rocksdb::ColumnFamilyHandle* handle : handles) {
    database_->DestroyColumnFamilyHandle(handle).PermitUncheckedError();
  }
}

void PutVersion(const Uuid& client_id, uint64_t number, const Uuid& version_id, const Uuid& parent,
                absl::string_view segment, rocksdb::WriteBatch* batch) {
  const rocksdb_storage::VersionTrailer trailer{
      .version_id = version_id,
      .parent_version_id = parent,
      .appended_unix_seconds = 1,
      .segment_is_inline = segment.size() < base::kInlineBytesMax};
  const std::string key = rocksdb_storage::VersionKey(client_id, number);
  const std::string encoded = rocksdb_storage::EncodeVersionTrailer(trailer);
  const rocksdb::Slice segment_slice(segment.data(), segment.size());
  if (trailer.segment_is_inline) {
    const rocksdb::Slice key_parts[] = {key};
    const rocksdb::Slice value_parts[] = {segment_slice, encoded};
    batch->Put(rocksdb::SliceParts(key_parts, 1), rocksdb::SliceParts(value_parts, 2));
  } else {
    batch->Put(key, encoded);
    batch->Put(rocksdb_storage::SegmentKey(client_id, number), segment_slice);
  }
}

}  // namespace tcsync::micro
