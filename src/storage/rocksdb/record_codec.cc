#include "storage/rocksdb/record_codec.h"

#include <algorithm>
#include <limits>
#include <tuple>

namespace tcsync::rocksdb_storage {
namespace {

enum Kind : char {
  kClient = 0x10,
  kVersion = 0x20,
  kSegment = 0x21,
  kPiece = 0x22,
  kParent = 0x30,
  kSnapshot = 0x40,
  kPosition = 0x50,
  kReplicasAhead = 0x51,
  kBan = 0x60,  // kinds from here on are the storage's own, under the nil client ID
  kToken = 0x61,
  kInvite = 0x62,
  kClientCount = 0x63,
  kPseudonymKey = 0x64,
  kProbe = 0x65,
  kUpload = 0x66,
  kOpenDevices = 0x67,
  kGatedDevices = 0x68,
  kLiveBytes = 0x70,
  kErased = 0x71,
  kShortened = 0x72,
  kBackupsMade = 0x73,
};

// The last byte of a version's trailer.
enum TrailerForm : char {
  kApart = 2,
  kInline = 3,
  kInPieces = 4,
};

constexpr size_t kNumberBytes = 8;
constexpr size_t kShortBytes = 4;  // of a day or a piece's number
constexpr size_t kDigestBytes = std::tuple_size_v<TokenDigest>;
constexpr int64_t kSecondsOfDay = 86'400;

constexpr char kClientRecordForm = 2;
constexpr uint8_t kHasSnapshot = 1;
constexpr uint8_t kAcceptsDiverged = 2;
constexpr uint8_t kSnapshotIsInPieces = 4;
constexpr size_t kClientRecordBytes = 1 + 1 + 8 + 8 + 8;
constexpr size_t kSnapshotRecordBytes = 16 + 8 + 8 + 8;
constexpr size_t kSnapshotPiecesBytes = 16 + kShortBytes;
constexpr size_t kPiecesRecordBytes = 16 + 8 + kShortBytes;
constexpr size_t kReplicaAheadBytes = 16 + 8;

void AppendNumber(uint64_t number, std::string& out) {
  for (int shift = 56; shift >= 0; shift -= 8) out.push_back(static_cast<char>(number >> shift));
}

// A day, or the number of a piece.
void AppendShort(uint32_t number, std::string& out) {
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<char>(number >> shift));
}

void AppendTime(int64_t unix_seconds, std::string& out) {
  AppendNumber(static_cast<uint64_t>(unix_seconds), out);
}

void AppendDigest(const TokenDigest& digest, std::string& out) {
  out.append(reinterpret_cast<const char*>(digest.data()), digest.size());
}

void AppendUuid(const Uuid& uuid, std::string& out) {
  out.append(uuid.AsStringView().data(), Uuid::kBytes);
}

std::string Key(const Uuid& client_id, Kind kind, size_t more_bytes = 0) {
  std::string key;
  key.reserve(Uuid::kBytes + 1 + more_bytes);
  AppendUuid(client_id, key);
  key.push_back(kind);
  return key;
}

// A key of the storage's own, for one client.
std::string OwnKey(Kind kind, const Uuid& client_id, size_t more_bytes = 0) {
  std::string key = Key(Uuid(), kind, Uuid::kBytes + more_bytes);
  AppendUuid(client_id, key);
  return key;
}

std::string NumberedKey(const Uuid& client_id, Kind kind, uint64_t number) {
  std::string key = Key(client_id, kind, kNumberBytes);
  AppendNumber(number, key);
  return key;
}

// Takes fields from the front of bytes whose length has been checked.
class Reader {
 public:
  explicit Reader(absl::string_view bytes) : bytes_(bytes) {}

  uint64_t Number() {
    uint64_t number = 0;
    for (const char byte : Take(kNumberBytes)) number = number << 8 | static_cast<uint8_t>(byte);
    return number;
  }
  uint32_t Short() {
    uint32_t number = 0;
    for (const char byte : Take(kShortBytes)) number = number << 8 | static_cast<uint8_t>(byte);
    return number;
  }
  int64_t Time() { return static_cast<int64_t>(Number()); }
  TokenDigest Digest() {
    TokenDigest digest;
    const absl::string_view bytes = Take(kDigestBytes);
    std::copy(bytes.begin(), bytes.end(), digest.begin());
    return digest;
  }
  absl::string_view Rest() { return bytes_; }
  Uuid ReadUuid() { return Uuid::FromBytes(Take(Uuid::kBytes).data()); }
  char Byte() { return Take(1)[0]; }

 private:
  absl::string_view Take(size_t count) {
    const absl::string_view field = bytes_.substr(0, count);
    bytes_.remove_prefix(count);
    return field;
  }

  absl::string_view bytes_;
};

// The rest of a key, behind its kind; nullopt for another client, kind or length.
std::optional<absl::string_view> RestOfKey(absl::string_view key, const Uuid& client_id, Kind kind,
                                           size_t bytes) {
  if (key.size() != Uuid::kBytes + 1 + bytes || key[Uuid::kBytes] != kind) return std::nullopt;
  if (key.substr(0, Uuid::kBytes) != client_id.AsStringView()) return std::nullopt;
  return key.substr(Uuid::kBytes + 1);
}

}  // namespace

std::string ClientKey(const Uuid& client_id) { return Key(client_id, kClient); }

std::string VersionKey(const Uuid& client_id, uint64_t number) {
  return NumberedKey(client_id, kVersion, number);
}

std::string SegmentKey(const Uuid& client_id, uint64_t number) {
  return NumberedKey(client_id, kSegment, number);
}

std::string ParentKey(const Uuid& client_id, const Uuid& parent_version_id) {
  std::string key = Key(client_id, kParent, Uuid::kBytes);
  AppendUuid(parent_version_id, key);
  return key;
}

std::string SnapshotKey(const Uuid& client_id) { return Key(client_id, kSnapshot); }

std::string PieceKey(const Uuid& client_id, const Uuid& upload_id, uint32_t piece) {
  std::string key = Key(client_id, kPiece, Uuid::kBytes + kShortBytes);
  AppendUuid(upload_id, key);
  AppendShort(piece, key);
  return key;
}

std::string PositionKey(const Uuid& client_id, uint32_t day) {
  std::string key = Key(client_id, kPosition, kShortBytes);
  AppendShort(day, key);
  return key;
}

std::string ReplicasAheadKey(const Uuid& client_id) { return Key(client_id, kReplicasAhead); }

std::string BanKey(const Uuid& client_id) { return OwnKey(kBan, client_id); }

std::string TokenKey(const Uuid& client_id) { return OwnKey(kToken, client_id); }

std::string InviteKey(const TokenDigest& digest) {
  std::string key = Key(Uuid(), kInvite, kDigestBytes);
  AppendDigest(digest, key);
  return key;
}

std::string OpenDevicesKey(const Uuid& client_id) { return OwnKey(kOpenDevices, client_id); }

std::string GatedDevicesKey(const Uuid& client_id) { return OwnKey(kGatedDevices, client_id); }

std::string EndOfGatedDevicesKeys() { return Key(Uuid(), static_cast<Kind>(kGatedDevices + 1)); }

std::optional<Uuid> ParseGatedDevicesKey(absl::string_view key) {
  const auto rest = RestOfKey(key, Uuid(), kGatedDevices, Uuid::kBytes);
  if (!rest) return std::nullopt;
  return Uuid::FromBytes(rest->data());
}

std::string ClientCountKey() { return Key(Uuid(), kClientCount); }
std::string PseudonymKeyKey() { return Key(Uuid(), kPseudonymKey); }
std::string ProbeKey() { return Key(Uuid(), kProbe); }

std::string UploadKey(const Uuid& client_id, const Uuid& upload_id) {
  std::string key = OwnKey(kUpload, client_id, Uuid::kBytes);
  AppendUuid(upload_id, key);
  return key;
}

std::string FirstUploadKey() { return Key(Uuid(), kUpload); }
std::string EndOfUploadKeys() { return Key(Uuid(), static_cast<Kind>(kUpload + 1)); }

std::string LiveBytesKey() { return Key(Uuid(), kLiveBytes); }

std::string ErasedKey(const Uuid& client_id) { return OwnKey(kErased, client_id); }

std::string ShortenedKey(const Uuid& client_id) { return OwnKey(kShortened, client_id); }

std::string EndOfRemovalKeys() { return Key(Uuid(), static_cast<Kind>(kShortened + 1)); }

std::optional<RemovalKey> ParseRemovalKey(absl::string_view key) {
  for (const Kind kind : {kErased, kShortened}) {
    if (const auto rest = RestOfKey(key, Uuid(), kind, Uuid::kBytes)) {
      return RemovalKey{.client_id = Uuid::FromBytes(rest->data()), .is_erased = kind == kErased};
    }
  }
  return std::nullopt;
}

std::optional<Uuid> ParseClientOfKey(absl::string_view key) {
  if (key.size() <= Uuid::kBytes) return std::nullopt;
  // As a number from 0: on some machines a `char` of 0x80 and above is below all kinds.
  if (static_cast<uint8_t>(key[Uuid::kBytes]) >= static_cast<uint8_t>(kBan)) return std::nullopt;
  return Uuid::FromBytes(key.data());
}

std::optional<Uuid> ParseClientKey(absl::string_view key) {
  if (key.size() != Uuid::kBytes + 1 || key[Uuid::kBytes] != kClient) return std::nullopt;
  return Uuid::FromBytes(key.data());
}

std::optional<uint64_t> ParseVersionKey(const Uuid& client_id, absl::string_view key) {
  const auto number = RestOfKey(key, client_id, kVersion, kNumberBytes);
  return number ? DecodeNumber(*number) : std::nullopt;
}

std::optional<uint32_t> ParsePositionKey(const Uuid& client_id, absl::string_view key) {
  const auto day = RestOfKey(key, client_id, kPosition, kShortBytes);
  if (!day) return std::nullopt;
  return Reader(*day).Short();
}

std::optional<ParsedPieceKey> ParsePieceKey(const Uuid& client_id, absl::string_view key) {
  const auto rest = RestOfKey(key, client_id, kPiece, Uuid::kBytes + kShortBytes);
  if (!rest) return std::nullopt;
  Reader reader(*rest);
  ParsedPieceKey parsed;
  parsed.upload_id = reader.ReadUuid();
  parsed.piece = reader.Short();
  return parsed;
}

std::optional<ParsedUploadKey> ParseUploadKey(absl::string_view key) {
  const std::optional<absl::string_view> ids = RestOfKey(key, Uuid(), kUpload, 2 * Uuid::kBytes);
  if (!ids) return std::nullopt;
  return ParsedUploadKey{.client_id = Uuid::FromBytes(ids->data()),
                         .upload_id = Uuid::FromBytes(ids->data() + Uuid::kBytes)};
}

std::string EndOfPieces(const Uuid& client_id) {
  return Key(client_id, static_cast<Kind>(kPiece + 1));
}

std::string EndOfClientKinds(const Uuid& client_id) { return Key(client_id, kBan); }

std::string EndOfClient(const Uuid& client_id) {
  std::string key(client_id.AsStringView());
  key.push_back('\xff');
  return key;
}

uint32_t DayOf(int64_t unix_seconds) {
  const int64_t day = std::max<int64_t>(unix_seconds, 0) / kSecondsOfDay;
  return static_cast<uint32_t>(std::min<int64_t>(day, std::numeric_limits<uint32_t>::max()));
}

int64_t UnixSecondsOf(uint32_t day) { return day * kSecondsOfDay; }

std::string EncodeClientRecord(const ClientRecord& record) {
  std::string value;
  value.reserve(kClientRecordBytes + kSnapshotRecordBytes + kSnapshotPiecesBytes);
  value.push_back(kClientRecordForm);
  value.push_back(static_cast<char>(
      (record.snapshot ? kHasSnapshot : 0) | (record.accepts_diverged ? kAcceptsDiverged : 0) |
      (record.snapshot && record.snapshot->pieces ? kSnapshotIsInPieces : 0)));
  AppendTime(record.created_unix_seconds, value);
  AppendNumber(record.first_number, value);
  AppendNumber(record.removed_history_bytes, value);
  if (record.snapshot) {
    AppendUuid(record.snapshot->version_id, value);
    AppendNumber(record.snapshot->number, value);
    AppendTime(record.snapshot->stored_unix_seconds, value);
    AppendNumber(record.snapshot->bytes, value);
    if (record.snapshot->pieces) {
      AppendUuid(record.snapshot->pieces->upload_id, value);
      AppendShort(record.snapshot->pieces->pieces, value);
    }
  }
  return value;
}

std::optional<ClientRecord> DecodeClientRecord(absl::string_view value) {
  if (value.size() < kClientRecordBytes || value[0] != kClientRecordForm) return std::nullopt;
  Reader reader(value.substr(1));
  const auto flags = static_cast<uint8_t>(reader.Byte());
  if ((flags & ~(kHasSnapshot | kAcceptsDiverged | kSnapshotIsInPieces)) != 0) return std::nullopt;
  const bool has_snapshot = (flags & kHasSnapshot) != 0;
  const bool is_in_pieces = (flags & kSnapshotIsInPieces) != 0;
  if (is_in_pieces && !has_snapshot) return std::nullopt;
  if (value.size() != kClientRecordBytes + (has_snapshot ? kSnapshotRecordBytes : 0) +
                          (is_in_pieces ? kSnapshotPiecesBytes : 0)) {
    return std::nullopt;
  }
  ClientRecord record;
  record.accepts_diverged = (flags & kAcceptsDiverged) != 0;
  record.created_unix_seconds = reader.Time();
  record.first_number = reader.Number();
  record.removed_history_bytes = reader.Number();
  if (has_snapshot) {
    SnapshotRecord& snapshot = record.snapshot.emplace();
    snapshot.version_id = reader.ReadUuid();
    snapshot.number = reader.Number();
    snapshot.stored_unix_seconds = reader.Time();
    snapshot.bytes = reader.Number();
    if (is_in_pieces) {
      PiecesRecord& pieces = snapshot.pieces.emplace();
      pieces.upload_id = reader.ReadUuid();
      pieces.pieces = reader.Short();
      pieces.bytes = snapshot.bytes;
    }
  }
  return record;
}

std::string EncodeVersionTrailer(const VersionTrailer& trailer) {
  std::string value;
  value.reserve(kVersionTrailerBytes + (trailer.pieces ? kPiecesRecordBytes : 0));
  if (trailer.pieces) {
    AppendUuid(trailer.pieces->upload_id, value);
    AppendNumber(trailer.pieces->bytes, value);
    AppendShort(trailer.pieces->pieces, value);
  }
  AppendUuid(trailer.version_id, value);
  AppendUuid(trailer.parent_version_id, value);
  AppendTime(trailer.appended_unix_seconds, value);
  AppendNumber(trailer.history_bytes, value);
  value.push_back(trailer.pieces ? kInPieces : trailer.segment_is_inline ? kInline : kApart);
  return value;
}

std::optional<VersionTrailer> DecodeVersionTrailer(absl::string_view value) {
  if (value.empty()) return std::nullopt;
  const char form = value.back();
  if (form < kApart || form > kInPieces) return std::nullopt;
  VersionTrailer trailer;
  trailer.encoded_bytes = kVersionTrailerBytes;
  if (form == kInPieces) {
    trailer.encoded_bytes += kPiecesRecordBytes;
    if (value.size() != trailer.encoded_bytes) return std::nullopt;
  }
  if (value.size() < trailer.encoded_bytes) return std::nullopt;
  Reader reader(value.substr(value.size() - trailer.encoded_bytes));
  if (form == kInPieces) {
    PiecesRecord& pieces = trailer.pieces.emplace();
    pieces.upload_id = reader.ReadUuid();
    pieces.bytes = reader.Number();
    pieces.pieces = reader.Short();
    if (pieces.pieces == 0 || pieces.bytes < pieces.pieces) return std::nullopt;
  }
  trailer.version_id = reader.ReadUuid();
  trailer.parent_version_id = reader.ReadUuid();
  trailer.appended_unix_seconds = reader.Time();
  trailer.history_bytes = reader.Number();
  trailer.segment_is_inline = form == kInline;
  return trailer;
}

std::string BackupsMadeKey(absl::string_view directory) {
  std::string key = Key(Uuid(), kBackupsMade, directory.size());
  key.append(directory.data(), directory.size());
  return key;
}

std::string EndOfBackupsMadeKeys() { return Key(Uuid(), static_cast<Kind>(kBackupsMade + 1)); }

std::string EncodeBackupsMade(const BackupsMade& backups) {
  std::string value;
  AppendNumber(backups.last.backup_id, value);
  AppendTime(backups.last.created_unix_seconds, value);
  AppendNumber(backups.last.bytes, value);
  AppendNumber(backups.last.files, value);
  return value;
}

std::optional<BackupsMade> DecodeBackupsMade(absl::string_view key, absl::string_view value) {
  if (key.size() <= Uuid::kBytes + 1 || value.size() != 4 * kNumberBytes) return std::nullopt;
  const auto directory = RestOfKey(key, Uuid(), kBackupsMade, key.size() - Uuid::kBytes - 1);
  if (!directory) return std::nullopt;
  Reader reader(value);
  BackupsMade backups;
  backups.directory = std::string(*directory);
  backups.last.backup_id = static_cast<uint32_t>(reader.Number());
  backups.last.created_unix_seconds = reader.Time();
  backups.last.bytes = reader.Number();
  backups.last.files = reader.Number();
  return backups;
}

std::string EncodeNumber(uint64_t number) {
  std::string value;
  AppendNumber(number, value);
  return value;
}

std::optional<uint64_t> DecodeNumber(absl::string_view value) {
  if (value.size() != kNumberBytes) return std::nullopt;
  return Reader(value).Number();
}

std::string EncodeReplicasAhead(const std::vector<ReplicaAhead>& replicas) {
  std::string value;
  value.reserve(replicas.size() * kReplicaAheadBytes);
  for (const ReplicaAhead& replica : replicas) {
    AppendUuid(replica.version_id, value);
    AppendTime(replica.last_seen_unix_seconds, value);
  }
  return value;
}

std::optional<std::vector<ReplicaAhead>> DecodeReplicasAhead(absl::string_view value) {
  if (value.size() % kReplicaAheadBytes != 0) return std::nullopt;
  std::vector<ReplicaAhead> replicas(value.size() / kReplicaAheadBytes);
  Reader reader(value);
  for (ReplicaAhead& replica : replicas) {
    replica.version_id = reader.ReadUuid();
    replica.last_seen_unix_seconds = reader.Time();
  }
  return replicas;
}

std::string EncodeBan(const Ban& ban) {
  std::string value;
  AppendTime(ban.since_unix_seconds, value);
  value += ban.reason;
  return value;
}

std::optional<Ban> DecodeBan(absl::string_view key, absl::string_view value) {
  const std::optional<absl::string_view> client_id = RestOfKey(key, Uuid(), kBan, Uuid::kBytes);
  if (!client_id || value.size() < kNumberBytes) return std::nullopt;
  Reader reader(value);
  Ban ban;
  ban.client_id = Uuid::FromBytes(client_id->data());
  ban.since_unix_seconds = reader.Time();
  ban.reason = std::string(reader.Rest());
  return ban;
}

std::string EncodeToken(const ClientToken& token) {
  std::string value;
  AppendTime(token.since_unix_seconds, value);
  AppendDigest(token.digest, value);
  return value;
}

std::optional<ClientToken> DecodeToken(absl::string_view key, absl::string_view value) {
  const std::optional<absl::string_view> client_id = RestOfKey(key, Uuid(), kToken, Uuid::kBytes);
  if (!client_id || value.size() != kNumberBytes + kDigestBytes) return std::nullopt;
  Reader reader(value);
  ClientToken token;
  token.client_id = Uuid::FromBytes(client_id->data());
  token.since_unix_seconds = reader.Time();
  token.digest = reader.Digest();
  return token;
}

std::string EncodeInvite(const Invite& invite) {
  std::string value;
  AppendTime(invite.created_unix_seconds, value);
  AppendTime(invite.expires_unix_seconds, value);
  AppendNumber(invite.uses_max, value);
  AppendNumber(invite.uses, value);
  value += invite.label;
  return value;
}

std::optional<Invite> DecodeInvite(absl::string_view key, absl::string_view value) {
  const std::optional<absl::string_view> digest = RestOfKey(key, Uuid(), kInvite, kDigestBytes);
  if (!digest || value.size() < 4 * kNumberBytes) return std::nullopt;
  Reader reader(value);
  Invite invite;
  invite.digest = Reader(*digest).Digest();
  invite.created_unix_seconds = reader.Time();
  invite.expires_unix_seconds = reader.Time();
  invite.uses_max = reader.Number();
  invite.uses = reader.Number();
  invite.label = std::string(reader.Rest());
  return invite;
}

}  // namespace tcsync::rocksdb_storage
