// The keys and values of the RocksDB directory: this file owns the format. docs/storage-format.md
// explains it for people; kStorageFormatVersion changes whenever a byte here does.
//
//   key                                      value
//   client(16) 0x10                          client record
//   client(16) 0x20 number(8)                [segment] version trailer
//   client(16) 0x21 number(8)                segment, when it is too large to stand in 0x20
//   client(16) 0x30 parent version ID(16)    number(8)
//   client(16) 0x40                          the snapshot's bytes
//   "opened"                                 empty; written at each opening (rocksdb_storage.cc)
//
//   client record    created(8) has_snapshot(1) [version ID(16) number(8) stored(8)]
//   version trailer  version ID(16) parent version ID(16) appended(8) segment_is_inline(1)
//
// Integers are big-endian, so that keys sort by number; times are in seconds since 1970. A
// version's number is its place in the client's chain: 1, 2, 3 and so on.
//
// A version ID that storage makes carries its number (Uuid::RandomWithNumber), so the child of such
// a version is found by one read, at the next number; what is found there counts only if its
// trailer names the parent that was asked for. 0x30 is written only for a version whose parent's ID
// does not lead to it: for one that was made by another server.
//
// The trailer stands behind the segment so that a read value becomes the segment by cutting its end
// off, without a copy.
#ifndef TCSYNC_SRC_STORAGE_ROCKSDB_RECORD_CODEC_H_
#define TCSYNC_SRC_STORAGE_ROCKSDB_RECORD_CODEC_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "tcsync/uuid.h"

namespace tcsync {

inline constexpr int kStorageFormatVersion = 1;

// Not a client's: shorter than any key that begins with a client ID. No longer written.
inline constexpr char kOpenedKey[] = "opened";

// The part of every client's key that names the client.
inline constexpr size_t kKeyPrefixBytes = Uuid::kBytes;

std::string ClientKey(const Uuid& client_id);
std::string VersionKey(const Uuid& client_id, uint64_t number);
std::string SegmentKey(const Uuid& client_id, uint64_t number);
std::string ParentKey(const Uuid& client_id, const Uuid& parent_version_id);
std::string SnapshotKey(const Uuid& client_id);

// The number in a version key of this client; nullopt when `key` is none.
std::optional<uint64_t> ParseVersionKey(const Uuid& client_id, absl::string_view key);

// A snapshot without its bytes.
struct SnapshotRecord {
  Uuid version_id;
  uint64_t number = 0;
  int64_t stored_unix_seconds = 0;
};

struct ClientRecord {
  int64_t created_unix_seconds = 0;
  std::optional<SnapshotRecord> snapshot;
};

struct VersionTrailer {
  Uuid version_id;
  Uuid parent_version_id;
  int64_t appended_unix_seconds = 0;
  bool segment_is_inline = true;
};

std::string EncodeClientRecord(const ClientRecord& record);
std::optional<ClientRecord> DecodeClientRecord(absl::string_view value);

inline constexpr size_t kVersionTrailerBytes = 16 + 16 + 8 + 1;
std::string EncodeVersionTrailer(const VersionTrailer& trailer);
// Reads the trailer at the end of a version's value.
std::optional<VersionTrailer> DecodeVersionTrailer(absl::string_view value);

std::string EncodeNumber(uint64_t number);
std::optional<uint64_t> DecodeNumber(absl::string_view value);

}  // namespace tcsync

#endif  // TCSYNC_SRC_STORAGE_ROCKSDB_RECORD_CODEC_H_
