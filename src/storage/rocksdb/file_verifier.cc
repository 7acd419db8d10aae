#include "storage/rocksdb/file_verifier.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "rocksdb/file_checksum.h"
#include "storage/rocksdb/file_deletions.h"
#include "storage/rocksdb/rocksdb_status.h"

namespace tcsync::rocksdb_storage {
namespace {

using File = rocksdb::LiveFileStorageInfo;

constexpr size_t kReadBytes = size_t{1} << 20;

class FileVerifier {
 public:
  FileVerifier(rocksdb::DB& database, Progress progress)
      : database_(database), progress_(progress), buffer_(kReadBytes) {}

  absl::Status Run() {
    const DeletionPause pause(database_);
    rocksdb::LiveFilesStorageInfoOptions options;
    options.include_checksum_info = true;
    options.wal_size_for_flush = UINT64_MAX;  // do not flush for this
    std::vector<File> files;
    const rocksdb::Status listed = database_.GetLiveFilesStorageInfo(options, &files);
    if (!listed.ok()) return FromRocksdb(listed, "list the files of the database");
    bool has_files_without_checksum = false;
    for (const File& file : files) {
      if (HasChecksum(file)) {
        bytes_total_ += file.size;
      } else if (IsData(file)) {
        has_files_without_checksum = true;
      }
    }
    for (const File& file : files) {
      if (!HasChecksum(file)) continue;
      if (const absl::Status status = Compare(file); !status.ok()) return status;
    }
    return has_files_without_checksum ? ReadEverything() : absl::OkStatus();
  }

 private:
  static bool IsData(const File& file) {
    return file.file_type == rocksdb::kTableFile || file.file_type == rocksdb::kBlobFile;
  }
  static bool HasChecksum(const File& file) {
    return IsData(file) && file.file_checksum_func_name != rocksdb::kUnknownFileChecksumFuncName;
  }

  absl::Status Compare(const File& file) {
    const std::string path = absl::StrCat(file.directory, "/", file.relative_filename);
    const std::string action = absl::StrCat("verify the file ", path);
    const std::unique_ptr<rocksdb::FileChecksumGenerator> checksum =
        database_.GetDBOptions().file_checksum_gen_factory->CreateFileChecksumGenerator(
            {.file_name = path, .requested_checksum_func_name = file.file_checksum_func_name});
    if (checksum == nullptr) {
      return absl::InternalError(absl::StrCat("cannot ", action, ": this release cannot compute ",
                                              file.file_checksum_func_name));
    }
    std::unique_ptr<rocksdb::SequentialFile> reader;
    rocksdb::Status status =
        database_.GetEnv()->NewSequentialFile(path, &reader, rocksdb::EnvOptions());
    while (status.ok()) {
      rocksdb::Slice bytes;
      status = reader->Read(buffer_.size(), &bytes, buffer_.data());
      if (!status.ok() || bytes.empty()) break;
      checksum->Update(bytes.data(), bytes.size());
      if (const absl::Status going_on = Report(bytes.size()); !going_on.ok()) return going_on;
    }
    if (!status.ok()) return FromRocksdb(status, action);
    checksum->Finalize();
    if (checksum->GetChecksum() == file.file_checksum) return absl::OkStatus();
    return absl::DataLossError(
        absl::StrCat("cannot ", action, ": its content has changed; its checksum differs"));
  }

  // For files of a database without checksums of whole files: each block of a table has its own,
  // and so has each record of a blob file.
  absl::Status ReadEverything() {
    constexpr char kAction[] = "verify the files of the database";
    const rocksdb::Status tables = database_.VerifyChecksum();
    if (!tables.ok()) return FromRocksdb(tables, kAction);
    rocksdb::ReadOptions options;
    options.total_order_seek = true;
    options.fill_cache = false;
    const std::unique_ptr<rocksdb::Iterator> iterator(database_.NewIterator(options));
    for (iterator->SeekToFirst(); iterator->Valid(); iterator->Next()) {
      if (const absl::Status going_on = Report(0); !going_on.ok()) return going_on;
    }
    const rocksdb::Status records = iterator->status();
    return records.ok() ? absl::OkStatus() : FromRocksdb(records, kAction);
  }

  absl::Status Report(uint64_t more_bytes) {
    bytes_done_ += more_bytes;
    if (progress_(bytes_done_, bytes_total_)) return absl::OkStatus();
    return absl::CancelledError("the comparison of the files was stopped");
  }

  rocksdb::DB& database_;
  const Progress progress_;
  std::vector<char> buffer_;
  uint64_t bytes_done_ = 0;
  uint64_t bytes_total_ = 0;
};

}  // namespace

absl::Status VerifyFiles(rocksdb::DB& database, Progress progress) {
  return FileVerifier(database, progress).Run();
}

}  // namespace tcsync::rocksdb_storage
