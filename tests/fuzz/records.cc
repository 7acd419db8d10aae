// Stored records: bytes from a damaged disk are decoded or refused, and a decoded record is the
// same after it was written and read again.
#include <string>

#include "storage/device_codec.h"
#include "storage/rocksdb/record_codec.h"
#include "tests/fuzz/target.h"

namespace tcsync::fuzz {
namespace {

// `decode` reads the bytes of `encode`.
template <typename Decode, typename Encode>
void RoundTrip(absl::string_view value, Decode decode, Encode encode, absl::string_view promise) {
  const auto record = decode(value);
  if (!record) return;
  const std::string written = encode(*record);
  const auto again = decode(written);
  Expect(again.has_value(), promise);
  Expect(encode(*again) == written, promise);
}

// The same for a value of which the key has a part.
template <typename Decode, typename Encode>
void RoundTripUnder(const std::string& key, absl::string_view value, Decode decode, Encode encode,
                    absl::string_view promise) {
  RoundTrip(
      value, [&](absl::string_view bytes) { return decode(key, bytes); }, encode, promise);
}

void ReadKeys(absl::string_view key, const Uuid& client_id) {
  if (const std::optional<Uuid> owner = rocksdb_storage::ParseClientOfKey(key)) {
    Expect(key.substr(0, rocksdb_storage::kKeyPrefixBytes) ==
               rocksdb_storage::ClientKey(*owner).substr(0, rocksdb_storage::kKeyPrefixBytes),
           "a key belongs to the client that it begins with");
    Expect(key < rocksdb_storage::EndOfClient(*owner) || owner->IsNil(),
           "a client's keys end at its end");
  }
  if (const std::optional<Uuid> owner = rocksdb_storage::ParseClientKey(key)) {
    Expect(rocksdb_storage::ClientKey(*owner) == key,
           "the key of a client record is written as it was read");
  }
  if (const std::optional<uint64_t> number = rocksdb_storage::ParseVersionKey(client_id, key)) {
    Expect(rocksdb_storage::VersionKey(client_id, *number) == key,
           "a version key is written as it was read");
  }
  if (const std::optional<uint32_t> day = rocksdb_storage::ParsePositionKey(client_id, key)) {
    Expect(rocksdb_storage::PositionKey(client_id, *day) == key,
           "a position key is written as it was read");
  }
  if (const std::optional<rocksdb_storage::ParsedPieceKey> piece =
          rocksdb_storage::ParsePieceKey(client_id, key)) {
    Expect(rocksdb_storage::PieceKey(client_id, piece->upload_id, piece->piece) == key,
           "a piece's key is written as it was read");
  }
  if (const std::optional<rocksdb_storage::ParsedUploadKey> upload =
          rocksdb_storage::ParseUploadKey(key)) {
    Expect(rocksdb_storage::UploadKey(upload->client_id, upload->upload_id) == key,
           "an upload's key is written as it was read");
  }
  if (const std::optional<rocksdb_storage::RemovalKey> removal =
          rocksdb_storage::ParseRemovalKey(key)) {
    Expect((removal->is_erased ? rocksdb_storage::ErasedKey
                               : rocksdb_storage::ShortenedKey)(removal->client_id) == key,
           "a removal's key is written as it was read");
  }
}

}  // namespace
}  // namespace tcsync::fuzz

// The kind of record, 32 bytes for a key and a client ID, the value.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tcsync;
  fuzz::Input input(data, size);
  const uint8_t kind = input.TakeByte();
  const std::string place(input.Take(32));
  if (place.size() < 32) return 0;
  const Uuid client_id = Uuid::FromBytes(place.data());
  TokenDigest digest;
  std::copy(place.begin(), place.end(), digest.begin());
  const absl::string_view value = input.rest();
  switch (kind % 9) {
    case 0:
      fuzz::RoundTrip(value, rocksdb_storage::DecodeClientRecord,
                      rocksdb_storage::EncodeClientRecord,
                      "a client record is the same after a round trip");
      break;
    case 1:
      fuzz::RoundTrip(value, rocksdb_storage::DecodeVersionTrailer,
                      rocksdb_storage::EncodeVersionTrailer,
                      "a version trailer is the same after a round trip");
      if (const auto trailer = rocksdb_storage::DecodeVersionTrailer(value)) {
        fuzz::Expect(trailer->encoded_bytes <= value.size(), "a trailer is within its value");
      }
      break;
    case 2:
      fuzz::RoundTrip(value, rocksdb_storage::DecodeNumber, rocksdb_storage::EncodeNumber,
                      "a number is the same after a round trip");
      break;
    case 3:
      fuzz::RoundTrip(value, rocksdb_storage::DecodeReplicasAhead,
                      rocksdb_storage::EncodeReplicasAhead,
                      "replicas ahead are the same after a round trip");
      break;
    case 4:
      fuzz::RoundTripUnder(rocksdb_storage::BanKey(client_id), value, rocksdb_storage::DecodeBan,
                           rocksdb_storage::EncodeBan, "a ban is the same after a round trip");
      break;
    case 5:
      fuzz::RoundTripUnder(rocksdb_storage::TokenKey(client_id), value,
                           rocksdb_storage::DecodeToken, rocksdb_storage::EncodeToken,
                           "a token is the same after a round trip");
      break;
    case 6:
      fuzz::RoundTripUnder(rocksdb_storage::InviteKey(digest), value, rocksdb_storage::DecodeInvite,
                           rocksdb_storage::EncodeInvite,
                           "an invite is the same after a round trip");
      break;
    case 7:
      fuzz::ReadKeys(value, client_id);
      break;
    default:
      fuzz::RoundTrip(value, storage::DecodeDevices, storage::EncodeDevices,
                      "the devices of a client are the same after a round trip");
      static_cast<void>(rocksdb_storage::DecodeBan(value, place));
      static_cast<void>(rocksdb_storage::DecodeToken(value, place));
      static_cast<void>(rocksdb_storage::DecodeInvite(value, place));
      if (const auto backups = rocksdb_storage::DecodeBackupsMade(value, place)) {
        fuzz::Expect(rocksdb_storage::BackupsMadeKey(backups->directory) == value,
                     "the key of backups that were made is written as it was read");
        const std::string written = rocksdb_storage::EncodeBackupsMade(*backups);
        const auto again = rocksdb_storage::DecodeBackupsMade(value, written);
        fuzz::Expect(again.has_value() && rocksdb_storage::EncodeBackupsMade(*again) == written,
                     "backups that were made are the same after a round trip");
      }
      break;
  }
  return 0;
}
