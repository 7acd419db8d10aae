// Stored records: bytes from a damaged disk are decoded or refused, and what was decoded says the
// same after it was written and read again.
#include <string>

#include "storage/rocksdb/record_codec.h"
#include "tests/fuzz/target.h"

namespace tcsync::fuzz {
namespace {

// `decode` reads what `encode` writes.
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
  if (const std::optional<Uuid> owner = ParseClientOfKey(key)) {
    Expect(key.substr(0, kKeyPrefixBytes) == ClientKey(*owner).substr(0, kKeyPrefixBytes),
           "a key belongs to the client that it begins with");
    Expect(key < EndOfClient(*owner) || owner->IsNil(), "a client's keys end at its end");
  }
  if (const std::optional<Uuid> owner = ParseClientKey(key)) {
    Expect(ClientKey(*owner) == key, "the key of a client record is written as it was read");
  }
  if (const std::optional<uint64_t> number = ParseVersionKey(client_id, key)) {
    Expect(VersionKey(client_id, *number) == key, "a version key is written as it was read");
  }
  if (const std::optional<uint32_t> day = ParsePositionKey(client_id, key)) {
    Expect(PositionKey(client_id, *day) == key, "a position key is written as it was read");
  }
  if (const std::optional<ParsedPieceKey> piece = ParsePieceKey(client_id, key)) {
    Expect(PieceKey(client_id, piece->upload_id, piece->piece) == key,
           "a piece's key is written as it was read");
  }
  if (const std::optional<ParsedUploadKey> upload = ParseUploadKey(key)) {
    Expect(UploadKey(upload->client_id, upload->upload_id) == key,
           "an upload's key is written as it was read");
  }
  if (const std::optional<RemovalKey> removal = ParseRemovalKey(key)) {
    Expect((removal->is_erased ? ErasedKey : ShortenedKey)(removal->client_id) == key,
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
      fuzz::RoundTrip(value, DecodeClientRecord, EncodeClientRecord,
                      "a client record is the same after a round trip");
      break;
    case 1:
      fuzz::RoundTrip(value, DecodeVersionTrailer, EncodeVersionTrailer,
                      "a version trailer is the same after a round trip");
      if (const auto trailer = DecodeVersionTrailer(value)) {
        fuzz::Expect(trailer->encoded_bytes <= value.size(), "a trailer is within its value");
      }
      break;
    case 2:
      fuzz::RoundTrip(value, DecodeNumber, EncodeNumber, "a number is the same after a round trip");
      break;
    case 3:
      fuzz::RoundTrip(value, DecodeReplicasAhead, EncodeReplicasAhead,
                      "replicas ahead are the same after a round trip");
      break;
    case 4:
      fuzz::RoundTripUnder(BanKey(client_id), value, DecodeBan, EncodeBan,
                           "a ban is the same after a round trip");
      break;
    case 5:
      fuzz::RoundTripUnder(TokenKey(client_id), value, DecodeToken, EncodeToken,
                           "a token is the same after a round trip");
      break;
    case 6:
      fuzz::RoundTripUnder(InviteKey(digest), value, DecodeInvite, EncodeInvite,
                           "an invite is the same after a round trip");
      break;
    case 7:
      fuzz::ReadKeys(value, client_id);
      break;
    default:
      static_cast<void>(DecodeBan(value, place));
      static_cast<void>(DecodeToken(value, place));
      static_cast<void>(DecodeInvite(value, place));
      if (const auto backups = DecodeBackupsMade(value, place)) {
        fuzz::Expect(BackupsMadeKey(backups->directory) == value,
                     "the key of backups that were made is written as it was read");
        const std::string written = EncodeBackupsMade(*backups);
        const auto again = DecodeBackupsMade(value, written);
        fuzz::Expect(again.has_value() && EncodeBackupsMade(*again) == written,
                     "backups that were made are the same after a round trip");
      }
      break;
  }
  return 0;
}
