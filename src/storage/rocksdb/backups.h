// Backups of a RocksDB storage in a directory of their own, made by RocksDB's backup engine: each
// is complete, and files that two of them have in common are there once.
//
//   BACKUPS/TCSYNC_BACKUPS        "tcsync backups of storage ID\n": which storage they are of.
//                                 Locked (flock): shared by those who read a backup's files,
//                                 exclusively while old backups are removed
//   BACKUPS/TCSYNC_BACKUPS.lock   empty; locked while a backup is being made
//   BACKUPS/meta/N                which files backup N has, their checksums, and the storage format
//   BACKUPS/private/N/            files that are backup N's alone
//   BACKUPS/shared_checksum/      table and blob files
//
// A storage's ID is the identity that RocksDB gave its database. It comes along with a backup, so
// that a storage which was restored goes on in the same directory.
//
// Everything here blocks, and may be called from any thread. Errors name the directory:
// kInvalidArgument for an empty path; kNotFound for a directory or a backup that is not there;
// kFailedPrecondition for a directory that is not of backups, or not of this storage's;
// kUnavailable while someone else makes a backup there; kDataLoss for a damaged backup; others
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
#include "tcsync/storage_administration.h"
#include "tcsync/uuid.h"

namespace rocksdb {
class DB;
}

namespace tcsync::rocksdb_storage {

// The backups in the directory, the oldest first. One that lacks a file, or whose file has another
// size than it should, says so in BackupInfo::problem.
absl::StatusOr<std::vector<BackupInfo>> ListBackups(const std::string& directory);

// Reads all files of a backup and compares them with their checksums.
absl::Status VerifyBackup(const std::string& directory, uint32_t backup_id);

// Fills a data directory, which must not exist or be empty, from a backup, the latest when
// `backup_id` is nullopt; a storage may then be opened there. Files are compared with their
// checksums. After an error the directory is as it was; after a crash it is one that cannot be
// opened, and that can be restored into once more. Errors about `data_dir`: kAlreadyExists when it
// is in use, kFailedPrecondition when there is something in it.
absl::StatusOr<BackupInfo> RestoreBackup(const std::string& directory,
                                         std::optional<uint32_t> backup_id,
                                         const std::string& data_dir);

// Opens a backup, the latest when `backup_id` is nullopt, where it is, for reading only. Old
// backups stay for as long as the storage lives.
absl::StatusOr<std::unique_ptr<Storage>> OpenBackup(const std::string& directory,
                                                    std::optional<uint32_t> backup_id);

// The backups in the directory that have the client, or that were made between its removal and the
// compaction that made its bytes go (its note, in record_codec.h, is in them). A damaged one, of
// which nobody can tell, is among them with its `problem`.
absl::StatusOr<std::vector<BackupInfo>> BackupsOfClient(const std::string& directory,
                                                        const Uuid& client_id);

// Removes a backup, and the files that no other backup has. kUnavailable while somebody makes or
// reads one there.
absl::Status RemoveBackup(const std::string& directory, uint32_t backup_id);

// StorageAdministration::Backup of an open database, which is borrowed for the call.
absl::StatusOr<BackupInfo> MakeBackup(rocksdb::DB& database, const BackupRequest& request,
                                      Progress progress);

}  // namespace tcsync::rocksdb_storage

#endif  // TCSYNC_SRC_STORAGE_ROCKSDB_BACKUPS_H_
