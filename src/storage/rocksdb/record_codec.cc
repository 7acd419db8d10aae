#include "storage/rocksdb/record_codec.h"

namespace tcsync {
namespace {

enum Kind : char {
  kClient = 0x10,
  kVersion = 0x20,
  kSegment = 0x21,
  kParent = 0x30,
  kSnapshot = 0x40,
};

constexpr size_t kNumberBytes = 8;
constexpr size_t kClientRecordBytes = 8 + 1;
constexpr size_t kSnapshotRecordBytes = 16 + 8 + 8;

void AppendNumber(uint64_t number, std::string& out) {
  for (int shift = 56; shift >= 0; shift -= 8) out.push_back(static_cast<char>(number >> shift));
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

std::string NumberedKey(const Uuid& client_id, Kind kind, uint64_t number) {
  std::string key = Key(client_id, kind, kNumberBytes);
  AppendNumber(number, key);
  return key;
}

// Takes fields off the front of bytes whose length was checked before.
class Reader {
 public:
  explicit Reader(absl::string_view bytes) : bytes_(bytes) {}

  uint64_t Number() {
    uint64_t number = 0;
    for (const char byte : Take(kNumberBytes)) number = number << 8 | static_cast<uint8_t>(byte);
    return number;
  }
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

std::optional<uint64_t> ParseVersionKey(const Uuid& client_id, absl::string_view key) {
  if (key.size() != Uuid::kBytes + 1 + kNumberBytes) return std::nullopt;
  if (key.substr(0, Uuid::kBytes) != client_id.AsStringView()) return std::nullopt;
  if (key[Uuid::kBytes] != kVersion) return std::nullopt;
  return DecodeNumber(key.substr(Uuid::kBytes + 1));
}

std::string EncodeClientRecord(const ClientRecord& record) {
  std::string value;
  value.reserve(kClientRecordBytes + kSnapshotRecordBytes);
  AppendNumber(static_cast<uint64_t>(record.created_unix_seconds), value);
  value.push_back(record.snapshot ? 1 : 0);
  if (record.snapshot) {
    AppendUuid(record.snapshot->version_id, value);
    AppendNumber(record.snapshot->number, value);
    AppendNumber(static_cast<uint64_t>(record.snapshot->stored_unix_seconds), value);
  }
  return value;
}

std::optional<ClientRecord> DecodeClientRecord(absl::string_view value) {
  if (value.size() < kClientRecordBytes) return std::nullopt;
  Reader reader(value);
  ClientRecord record;
  record.created_unix_seconds = static_cast<int64_t>(reader.Number());
  const bool has_snapshot = reader.Byte() != 0;
  const size_t expected = kClientRecordBytes + (has_snapshot ? kSnapshotRecordBytes : 0);
  if (value.size() != expected) return std::nullopt;
  if (has_snapshot) {
    SnapshotRecord& snapshot = record.snapshot.emplace();
    snapshot.version_id = reader.ReadUuid();
    snapshot.number = reader.Number();
    snapshot.stored_unix_seconds = static_cast<int64_t>(reader.Number());
  }
  return record;
}

std::string EncodeVersionTrailer(const VersionTrailer& trailer) {
  std::string value;
  value.reserve(kVersionTrailerBytes);
  AppendUuid(trailer.version_id, value);
  AppendUuid(trailer.parent_version_id, value);
  AppendNumber(static_cast<uint64_t>(trailer.appended_unix_seconds), value);
  value.push_back(trailer.segment_is_inline ? 1 : 0);
  return value;
}

std::optional<VersionTrailer> DecodeVersionTrailer(absl::string_view value) {
  if (value.size() < kVersionTrailerBytes) return std::nullopt;
  Reader reader(value.substr(value.size() - kVersionTrailerBytes));
  VersionTrailer trailer;
  trailer.version_id = reader.ReadUuid();
  trailer.parent_version_id = reader.ReadUuid();
  trailer.appended_unix_seconds = static_cast<int64_t>(reader.Number());
  trailer.segment_is_inline = reader.Byte() != 0;
  return trailer;
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

}  // namespace tcsync
