// The keys and values of the RocksDB directory: this file owns the format. docs/storage-format.md
// explains it for people; kStorageFormatVersion changes whenever a byte here does.
//
//   key                                      value
//   client(16) 0x10                          client record
//   client(16) 0x20 number(8)                [segment or pieces record] version trailer
//   client(16) 0x21 number(8)                segment, when it is too large for 0x20
//   client(16) 0x22 upload ID(16) piece(4)   a piece of a segment or snapshot that was uploaded
//   client(16) 0x30 parent version ID(16)    number(8)
//   client(16) 0x40                          the snapshot's bytes, unless they are in pieces
//   client(16) 0x50 day(4)                   number(8): the oldest at which a replica ended a sync
//   client(16) 0x51                          replicas ahead: a few, the latest seen first
//   nil(16) 0x60 client(16)                  ban
//   nil(16) 0x61 client(16)                  token of a client
//   nil(16) 0x62 digest(32)                  invite
//   nil(16) 0x63                             number(8): the number of clients
//   nil(16) 0x64                             the key of the log's pseudonyms, 32 random bytes
//   nil(16) 0x65                             the record that Probe() writes
//   nil(16) 0x66 client(16) upload ID(16)    begun(8): an upload that belongs to no version or
//                                            snapshot yet
//   nil(16) 0x67 client(16)                  devices of a client whose requests need no token
//   nil(16) 0x68 client(16)                  devices of a client whose requests need one
//   nil(16) 0x70                             number(8): the live bytes of all clients
//   nil(16) 0x71 client(16)                  number(8): its history was removed, and its bytes may
//                                            still be in files
//   nil(16) 0x72 client(16)                  the same for some of its versions, for a snapshot
//                                            removed with them, or for an upload
//   nil(16) 0x73 path                        a directory of backups: number(8) created(8) bytes(8)
//                                            files(8) of the last one
//
//   client record    2(1) flags(1) created(8) first number(8) removed history bytes(8)
//                    [version ID(16) number(8) stored(8) snapshot bytes(8)
//                    [upload ID(16) pieces(4)]]
//                    flags: 1 has a snapshot, 2 accepts a diverged replica, 4 the snapshot is in
//                    pieces
//   version trailer  version ID(16) parent version ID(16) appended(8) history bytes(8) form(1)
//                    form: 2 the segment is in 0x21, 3 it stands before the trailer, 4 it is in
//                    pieces, and the pieces record stands before the trailer
//   pieces record    upload ID(16) bytes(8) pieces(4)
//   replicas ahead   [version ID(16) last seen(8)] for each
//   ban              since(8) reason
//   token            since(8) digest(32)
//   invite           created(8) expires(8) uses_max(8) uses(8) label
//   devices          storage/device_codec.h
//
// Integers are big-endian, so that keys sort by number; times are in seconds since 1970, days are
// those times / 86400. A version's number is its place in the client's chain: 1, 2, 3 and so on; a
// number is used again only after a history was rewound. The versions from `first number` to the
// last 0x20 are present without a gap.
//
// Kinds below 0x60 are a client's, kinds from there on are the storage's own. The latter are under
// the nil client ID, which a client may have as well: the kinds keep the two apart.
//
// A version ID that storage makes contains its number (base::RandomUuidWithNumber), so the child of
// such a version is found by one read, at the next number; the record there counts only if its
// trailer names the requested parent. 0x30 is written only for a version whose parent's ID does not
// lead to it, because another server made that ID.
//
// History bytes are those of all segments of the chain up to and including the version, removed
// ones included. A client has the latest version's less the `removed history bytes`, and the bytes
// of one segment are the difference to the previous version.
//
// A large segment or snapshot is written in pieces, numbered from 0, as they arrive, under the
// random ID of their upload; the record that refers to them is written last. Until then 0x66
// exists, from the first piece on, so that a start finds interrupted uploads and removes their
// pieces.
//
// The trailer follows the segment, so that truncating a read value leaves the segment, without a
// copy.
//
// Format 2 had no pieces (0x22, 0x66, form 4 and flag 4) and no kinds from 0x70 on, which an
// upgrade derives from the others. Its directory had no DATABASE (data_directory.h), and releases
// that know that format would create a database where one is missing. Format 3 was between the two,
// and format 1 had other records; neither was in a release.
#ifndef TCSYNC_SRC_STORAGE_ROCKSDB_RECORD_CODEC_H_
#define TCSYNC_SRC_STORAGE_ROCKSDB_RECORD_CODEC_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "base/numbered_uuid.h"
#include "tcsync/storage_administration.h"
#include "tcsync/uuid.h"

namespace tcsync::rocksdb_storage {

inline constexpr int kStorageFormatVersion = 4;
inline constexpr int kOldestStorageFormatVersion = 2;  // of those that can be upgraded

// The part of a client's keys that names the client.
inline constexpr size_t kKeyPrefixBytes = Uuid::kBytes;

std::string ClientKey(const Uuid& client_id);
std::string VersionKey(const Uuid& client_id, uint64_t number);
std::string SegmentKey(const Uuid& client_id, uint64_t number);
std::string ParentKey(const Uuid& client_id, const Uuid& parent_version_id);
std::string SnapshotKey(const Uuid& client_id);
std::string PieceKey(const Uuid& client_id, const Uuid& upload_id, uint32_t piece);
std::string PositionKey(const Uuid& client_id, uint32_t day);
std::string ReplicasAheadKey(const Uuid& client_id);

std::string BanKey(const Uuid& client_id);
std::string TokenKey(const Uuid& client_id);
std::string InviteKey(const TokenDigest& digest);
// A client's devices are at one of the two keys.
std::string OpenDevicesKey(const Uuid& client_id);
std::string GatedDevicesKey(const Uuid& client_id);
std::string EndOfGatedDevicesKeys();
// The client in a GatedDevicesKey; nullopt for any other key.
std::optional<Uuid> ParseGatedDevicesKey(absl::string_view key);
std::string ClientCountKey();
std::string PseudonymKeyKey();
std::string ProbeKey();
std::string UploadKey(const Uuid& client_id, const Uuid& upload_id);
// The first key of uploads, and the first key behind them.
std::string FirstUploadKey();
std::string EndOfUploadKeys();
std::string LiveBytesKey();
// Notes of removed data that may still be in files: of a client's whole history, or of parts of it.
// All keys of the first kind precede those of the second.
std::string ErasedKey(const Uuid& client_id);
std::string ShortenedKey(const Uuid& client_id);
std::string EndOfRemovalKeys();
// The client in such a key of either kind; nullopt for another key.
struct RemovalKey {
  Uuid client_id;
  bool is_erased = false;
};
std::optional<RemovalKey> ParseRemovalKey(absl::string_view key);

// The client of a client's key of any kind; nullopt for the storage's own keys.
std::optional<Uuid> ParseClientOfKey(absl::string_view key);
// The client whose record is at `key`; nullopt for any other key.
std::optional<Uuid> ParseClientKey(absl::string_view key);
// The number in a version key of this client; nullopt for any other key.
std::optional<uint64_t> ParseVersionKey(const Uuid& client_id, absl::string_view key);
// The day in a position key of this client; nullopt for any other key.
std::optional<uint32_t> ParsePositionKey(const Uuid& client_id, absl::string_view key);

// The upload and the number in the key of a piece of this client; nullopt for any other key.
struct ParsedPieceKey {
  Uuid upload_id;
  uint32_t piece = 0;
};
std::optional<ParsedPieceKey> ParsePieceKey(const Uuid& client_id, absl::string_view key);
// The client and the upload in the key of an upload; nullopt for any other key.
struct ParsedUploadKey {
  Uuid client_id;
  Uuid upload_id;
};
std::optional<ParsedUploadKey> ParseUploadKey(absl::string_view key);

// The first key behind all of a client's pieces.
std::string EndOfPieces(const Uuid& client_id);
// The first key behind all of a client's kinds.
std::string EndOfClientKinds(const Uuid& client_id);
// The first key behind all that begin with a client ID, for a seek to the next client. For the nil
// client ID it is behind the storage's own keys as well, which such a seek skips.
std::string EndOfClient(const Uuid& client_id);

// The day of a time; 0 for times before 1970.
uint32_t DayOf(int64_t unix_seconds);
int64_t UnixSecondsOf(uint32_t day);

// Whether a parent's ID leads to its child at `number`, so that no 0x30 is needed for it.
inline bool LeadsTo(const Uuid& parent_version_id, uint64_t number) {
  return base::NumberHint(parent_version_id) + 1 == number;
}

// The place of the bytes of a segment or snapshot that came in pieces.
struct PiecesRecord {
  Uuid upload_id;
  uint64_t bytes = 0;  // of all pieces
  uint32_t pieces = 0;
};

// A snapshot without its bytes.
struct SnapshotRecord {
  Uuid version_id;
  uint64_t number = 0;
  int64_t stored_unix_seconds = 0;
  uint64_t bytes = 0;
  std::optional<PiecesRecord> pieces = std::nullopt;  // of as many bytes
};

struct ClientRecord {
  int64_t created_unix_seconds = 0;
  uint64_t first_number = 1;           // of the oldest version that is kept
  uint64_t removed_history_bytes = 0;  // of the segments before it
  bool accepts_diverged = false;
  std::optional<SnapshotRecord> snapshot;
};

struct VersionTrailer {
  Uuid version_id;
  Uuid parent_version_id;
  int64_t appended_unix_seconds = 0;
  uint64_t history_bytes = 0;  // of the chain's segments up to and with this version's
  bool segment_is_inline = true;
  std::optional<PiecesRecord> pieces = std::nullopt;  // the segment is in these; then not inline
  // Set by decoding: the length of the trailer, pieces record included, to be truncated.
  size_t encoded_bytes = 0;

  // Whether the segment is at SegmentKey.
  bool segment_is_apart() const { return !segment_is_inline && !pieces; }
};

std::string EncodeClientRecord(const ClientRecord& record);
std::optional<ClientRecord> DecodeClientRecord(absl::string_view value);

inline constexpr size_t kVersionTrailerBytes = 16 + 16 + 8 + 8 + 1;
// Includes the pieces record, if there is one.
std::string EncodeVersionTrailer(const VersionTrailer& trailer);
// Reads the trailer at the end of a version's value.
std::optional<VersionTrailer> DecodeVersionTrailer(absl::string_view value);

std::string BackupsMadeKey(absl::string_view directory);
std::string EndOfBackupsMadeKeys();
std::string EncodeBackupsMade(const BackupsMade& backups);
// nullopt when the key is of another kind, or the value is malformed.
std::optional<BackupsMade> DecodeBackupsMade(absl::string_view key, absl::string_view value);

std::string EncodeNumber(uint64_t number);
std::optional<uint64_t> DecodeNumber(absl::string_view value);

std::string EncodeReplicasAhead(const std::vector<ReplicaAhead>& replicas);
std::optional<std::vector<ReplicaAhead>> DecodeReplicasAhead(absl::string_view value);

// Fields that the key contains are taken from there, not from the value.
std::string EncodeBan(const Ban& ban);
std::optional<Ban> DecodeBan(absl::string_view key, absl::string_view value);
std::string EncodeToken(const ClientToken& token);
std::optional<ClientToken> DecodeToken(absl::string_view key, absl::string_view value);
std::string EncodeInvite(const Invite& invite);
std::optional<Invite> DecodeInvite(absl::string_view key, absl::string_view value);

}  // namespace tcsync::rocksdb_storage

#endif  // TCSYNC_SRC_STORAGE_ROCKSDB_RECORD_CODEC_H_
