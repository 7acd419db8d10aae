// Backups of a RocksDB storage in a directory of their own, made by RocksDB's backup engine. Each
// one is complete, and a file that several backups share is stored once.
//
//   BACKUPS/TCSYNC_BACKUPS        "tcsync backups of storage ID\n": the storage that they are of.
//                                 Locked (flock): shared while a backup's files are read,
//                                 exclusively while old backups are removed
//   BACKUPS/TCSYNC_BACKUPS.lock   empty; locked while a backup is being made
//   BACKUPS/meta/N                the files of backup N, their checksums, and the storage format
//   BACKUPS/private/N/            files of backup N alone
//   BACKUPS/shared_checksum/      table and blob files
//
// A storage's ID is the identity that RocksDB gave its database. A backup includes it, so a
// restored storage continues with the same directory of backups.
//
// Every function here blocks, and may be called on any thread. Errors name the directory:
// kInvalidArgument for an empty path; kNotFound for a directory or a backup that does not exist;
// kFailedPrecondition for a directory without backups, or with those of another storage;
// kUnavailable while another process makes a backup there; kDataLoss for a damaged backup; others
// when the system refuses.
#ifndef TCSYNC_SRC_STORAGE_ROCKSDB_BACKUPS_H_
#define TCSYNC_SRC_STORAGE_ROCKSDB_BACKUPS_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tcsync/storage.h"
#include "tcsync/storage_upkeep.h"
#include "tcsync/uuid.h"

namespace rocksdb {
class DB;
}

namespace tcsync::rocksdb_storage {

// The backups in the directory, the oldest first. BackupInfo::problem names a missing file, or one
// of the wrong size.
absl::StatusOr<std::vector<BackupInfo>> ListBackups(const std::string& directory);

// Reads all files of a backup and compares them with their checksums.
absl::Status VerifyBackup(const std::string& directory, uint32_t backup_id);

// Fills a data directory, which must be absent or empty, from a backup; nullopt is the latest one.
// A storage can then be opened there. Files are compared with their checksums. After an error the
// directory is as it was before. After a crash it cannot be opened, but a restore into it can be
// repeated. Errors about `data_dir`: kAlreadyExists when it is in use, kFailedPrecondition when it
// is not empty.
absl::StatusOr<BackupInfo> RestoreBackup(const std::string& directory,
                                         std::optional<uint32_t> backup_id,
                                         const std::string& data_dir);

// Opens a backup in place, for reading only; nullopt is the latest one. Old backups stay as long as
// the storage lives.
absl::StatusOr<std::unique_ptr<Storage>> OpenBackup(const std::string& directory,
                                                    std::optional<uint32_t> backup_id);

// The backups in the directory that contain the client, or that were made between its removal and
// the compaction that erased its bytes (they contain its note, see record_codec.h). A damaged
// backup, of which this is unknown, is included with its `problem`.
absl::StatusOr<std::vector<BackupInfo>> BackupsOfClient(const std::string& directory,
                                                        const Uuid& client_id);

// Removes a backup, and the files that no other backup has. kUnavailable while another process
// makes or reads a backup there.
absl::Status RemoveBackup(const std::string& directory, uint32_t backup_id);

// StorageAdministration::Backup of an open database, which is borrowed for the call.
absl::StatusOr<BackupInfo> MakeBackup(rocksdb::DB& database, const BackupRequest& request,
                                      Progress progress);

}  // namespace tcsync::rocksdb_storage

#endif  // TCSYNC_SRC_STORAGE_ROCKSDB_BACKUPS_H_
