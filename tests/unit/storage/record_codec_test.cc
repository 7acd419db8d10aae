// The bytes of the storage format. If one of these fails, data directories of earlier releases can
// no longer be read: raise kStorageFormatVersion and write the upgrade of the old format.
#include "storage/rocksdb/record_codec.h"

#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace tcsync::rocksdb_storage {
namespace {

const Uuid kClient = *Uuid::Parse("c1000000-0000-4000-8000-0000000000c1");
const Uuid kVersion = *Uuid::Parse("00000000-0001-8abc-8000-0000000000a1");
const Uuid kParent = *Uuid::Parse("12345678-9abc-4def-8000-0000000000b1");
constexpr char kClientHex[] =
    "c1000000000040008000"
    "0000000000c1";
constexpr char kVersionHex[] =
    "0000000000018abc8000"
    "0000000000a1";
constexpr char kParentHex[] =
    "123456789abc4def8000"
    "0000000000b1";

std::string Hex(absl::string_view bytes) { return absl::BytesToHexString(bytes); }
std::string Bytes(absl::string_view hex) {
  std::string bytes;
  for (size_t i = 0; i < hex.size(); i += 2) {
    bytes.push_back(static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16)));
  }
  return bytes;
}

// If this fails, the format was changed: say so in docs/storage-format.md, and convert.
TEST(RecordCodecTest, FormatVersion) { EXPECT_EQ(kStorageFormatVersion, 4); }

// If this fails, nothing that was stored before is found.
TEST(RecordCodecTest, KeysByteForByte) {
  EXPECT_EQ(Hex(ClientKey(kClient)), absl::StrCat(kClientHex, "10"));
  EXPECT_EQ(Hex(VersionKey(kClient, 1)), absl::StrCat(kClientHex, "20", "0000000000000001"));
  EXPECT_EQ(Hex(VersionKey(kClient, 0x0000123456789abc)),
            absl::StrCat(kClientHex, "20", "0000123456789abc"));
  EXPECT_EQ(Hex(SegmentKey(kClient, 258)), absl::StrCat(kClientHex, "21", "0000000000000102"));
  EXPECT_EQ(Hex(ParentKey(kClient, kParent)), absl::StrCat(kClientHex, "30", kParentHex));
  EXPECT_EQ(Hex(SnapshotKey(kClient)), absl::StrCat(kClientHex, "40"));
}

// If this fails, snapshots that were stored before are lost or misdated.
TEST(RecordCodecTest, ClientRecordByteForByte) {
  ClientRecord record{.created_unix_seconds = 1'700'000'000,
                      .first_number = 258,
                      .removed_history_bytes = 0x10203,
                      .snapshot = std::nullopt};
  EXPECT_EQ(Hex(EncodeClientRecord(record)),
            "0200000000006553f10000000000000001020000000000010203");
  record.accepts_diverged = true;
  EXPECT_EQ(Hex(EncodeClientRecord(record)),
            "0202000000006553f10000000000000001020000000000010203");
  record.snapshot = SnapshotRecord{
      .version_id = kVersion, .number = 300, .stored_unix_seconds = 1'700'000'001, .bytes = 4097};
  EXPECT_EQ(Hex(EncodeClientRecord(record)),
            absl::StrCat("0203000000006553f10000000000000001020000000000010203", kVersionHex,
                         "000000000000012c", "000000006553f101", "0000000000001001"));
}

// If this fails, versions that were stored before are read with wrong IDs.
TEST(RecordCodecTest, VersionTrailerByteForByte) {
  VersionTrailer trailer{.version_id = kVersion,
                         .parent_version_id = kParent,
                         .appended_unix_seconds = 1'700'000'000,
                         .history_bytes = 0x10203,
                         .segment_is_inline = true};
  EXPECT_EQ(Hex(EncodeVersionTrailer(trailer)),
            absl::StrCat(kVersionHex, kParentHex, "000000006553f100", "0000000000010203", "03"));
  EXPECT_EQ(EncodeVersionTrailer(trailer).size(), kVersionTrailerBytes);
  trailer.segment_is_inline = false;
  trailer.appended_unix_seconds = -1;
  EXPECT_EQ(Hex(EncodeVersionTrailer(trailer)),
            absl::StrCat(kVersionHex, kParentHex, "ffffffffffffffff", "0000000000010203", "02"));
}

// If this fails, an upgrade loses usage, admission and the replicas that were seen.
TEST(RecordCodecTest, KeysAndRecordsOfFormat2ByteForByte) {
  const std::string nil_hex(32, '0');
  const std::string digest_hex = absl::StrCat(std::string(62, '0'), "d1");
  TokenDigest digest{};
  digest.back() = 0xd1;
  EXPECT_EQ(Hex(PositionKey(kClient, 0x1234)), absl::StrCat(kClientHex, "50", "00001234"));
  EXPECT_EQ(Hex(ReplicasAheadKey(kClient)), absl::StrCat(kClientHex, "51"));
  EXPECT_EQ(Hex(BanKey(kClient)), absl::StrCat(nil_hex, "60", kClientHex));
  EXPECT_EQ(Hex(TokenKey(kClient)), absl::StrCat(nil_hex, "61", kClientHex));
  EXPECT_EQ(Hex(InviteKey(digest)), absl::StrCat(nil_hex, "62", digest_hex));
  EXPECT_EQ(Hex(ClientCountKey()), absl::StrCat(nil_hex, "63"));
  EXPECT_EQ(Hex(PseudonymKeyKey()), absl::StrCat(nil_hex, "64"));
  EXPECT_EQ(Hex(ProbeKey()), absl::StrCat(nil_hex, "65"));

  EXPECT_EQ(Hex(EncodeReplicasAhead({{kVersion, 1'700'000'000}, {kParent, 1}})),
            absl::StrCat(kVersionHex, "000000006553f100", kParentHex, "0000000000000001"));
  EXPECT_EQ(Hex(EncodeBan({kClient, "spam", 1'700'000'000})), "000000006553f1007370616d");
  EXPECT_EQ(Hex(EncodeToken({kClient, digest, 1'700'000'000})),
            absl::StrCat("000000006553f100", digest_hex));
  EXPECT_EQ(Hex(EncodeInvite({digest, "tea", 1'700'000'000, 1'700'000'001, 5, 2})),
            absl::StrCat("000000006553f100", "000000006553f101", "0000000000000005",
                         "0000000000000002", "746561"));
}

// If this fails, large segments and snapshots that were stored before are not found, or in part.
TEST(RecordCodecTest, PiecesByteForByte) {
  const PiecesRecord pieces{.upload_id = kParent, .bytes = 0x40001, .pieces = 3};
  EXPECT_EQ(Hex(PieceKey(kClient, kParent, 258)),
            absl::StrCat(kClientHex, "22", kParentHex, "00000102"));
  EXPECT_EQ(Hex(UploadKey(kClient, kParent)),
            absl::StrCat(std::string(32, '0'), "66", kClientHex, kParentHex));
  const auto key = ParsePieceKey(kClient, PieceKey(kClient, kParent, 258));
  ASSERT_TRUE(key.has_value());
  EXPECT_EQ(key->upload_id, kParent);
  EXPECT_EQ(key->piece, 258u);
  EXPECT_FALSE(ParsePieceKey(kParent, PieceKey(kClient, kParent, 258)).has_value());
  const auto upload = ParseUploadKey(UploadKey(kClient, kParent));
  ASSERT_TRUE(upload.has_value());
  EXPECT_EQ(upload->client_id, kClient);
  EXPECT_EQ(upload->upload_id, kParent);

  const std::string encoded = EncodeVersionTrailer({.version_id = kVersion,
                                                    .parent_version_id = kParent,
                                                    .appended_unix_seconds = 1'700'000'000,
                                                    .history_bytes = 0x50000,
                                                    .segment_is_inline = false,
                                                    .pieces = pieces});
  EXPECT_EQ(Hex(encoded), absl::StrCat(kParentHex, "0000000000040001", "00000003", kVersionHex,
                                       kParentHex, "000000006553f100", "0000000000050000", "04"));
  const auto trailer = DecodeVersionTrailer(encoded);
  ASSERT_TRUE(trailer.has_value() && trailer->pieces.has_value());
  EXPECT_EQ(trailer->pieces->upload_id, kParent);
  EXPECT_EQ(trailer->pieces->bytes, 0x40001u);
  EXPECT_EQ(trailer->pieces->pieces, 3u);
  EXPECT_EQ(trailer->encoded_bytes, encoded.size());
  EXPECT_FALSE(trailer->segment_is_inline || trailer->segment_is_apart());
  EXPECT_FALSE(DecodeVersionTrailer(encoded.substr(1)).has_value());
  EXPECT_FALSE(DecodeVersionTrailer("x" + encoded).has_value());

  ClientRecord record;
  record.snapshot = SnapshotRecord{.version_id = kVersion,
                                   .number = 300,
                                   .stored_unix_seconds = 1'700'000'001,
                                   .bytes = pieces.bytes,
                                   .pieces = pieces};
  const std::string encoded_record = EncodeClientRecord(record);
  EXPECT_EQ(Hex(encoded_record),
            absl::StrCat("0205000000000000000000000000000000010000000000000000", kVersionHex,
                         "000000000000012c", "000000006553f101", "0000000000040001", kParentHex,
                         "00000003"));
  const auto decoded = DecodeClientRecord(encoded_record);
  ASSERT_TRUE(decoded.has_value() && decoded->snapshot.has_value());
  ASSERT_TRUE(decoded->snapshot->pieces.has_value());
  EXPECT_EQ(decoded->snapshot->pieces->upload_id, kParent);
  EXPECT_EQ(decoded->snapshot->pieces->bytes, pieces.bytes);
  EXPECT_EQ(decoded->snapshot->pieces->pieces, 3u);
  EXPECT_FALSE(DecodeClientRecord(encoded_record.substr(0, encoded_record.size() - 1)).has_value());
}

// If this fails, an operator's decisions change when they are read back.
TEST(RecordCodecTest, RecordsOfFormat2RoundTrip) {
  TokenDigest digest;
  digest.fill(0x7a);
  const auto ahead = DecodeReplicasAhead(EncodeReplicasAhead({{kVersion, 5}, {kParent, -1}}));
  ASSERT_TRUE(ahead.has_value());
  ASSERT_EQ(ahead->size(), 2u);
  EXPECT_EQ((*ahead)[0].version_id, kVersion);
  EXPECT_EQ((*ahead)[1].last_seen_unix_seconds, -1);
  EXPECT_FALSE(DecodeReplicasAhead("x").has_value());

  const auto ban = DecodeBan(BanKey(kClient), EncodeBan({kClient, "why", 7}));
  ASSERT_TRUE(ban.has_value());
  EXPECT_EQ(ban->client_id, kClient);
  EXPECT_EQ(ban->reason, "why");
  EXPECT_EQ(ban->since_unix_seconds, 7);
  const auto token = DecodeToken(TokenKey(kClient), EncodeToken({kClient, digest, 8}));
  ASSERT_TRUE(token.has_value());
  EXPECT_EQ(token->client_id, kClient);
  EXPECT_EQ(token->digest, digest);
  EXPECT_EQ(token->since_unix_seconds, 8);
  const auto invite = DecodeInvite(InviteKey(digest), EncodeInvite({digest, "", 1, 2, 3, 4}));
  ASSERT_TRUE(invite.has_value());
  EXPECT_EQ(invite->digest, digest);
  EXPECT_EQ(invite->label, "");
  EXPECT_EQ(invite->created_unix_seconds, 1);
  EXPECT_EQ(invite->expires_unix_seconds, 2);
  EXPECT_EQ(invite->uses_max, 3u);
  EXPECT_EQ(invite->uses, 4u);

  // Of another kind, cut short, or under another client.
  EXPECT_FALSE(DecodeBan(TokenKey(kClient), EncodeBan({kClient, "why", 7})).has_value());
  EXPECT_FALSE(DecodeBan(BanKey(kClient), "short").has_value());
  EXPECT_FALSE(DecodeToken(TokenKey(kClient), "short").has_value());
  EXPECT_FALSE(DecodeInvite(InviteKey(digest), "short").has_value());
  EXPECT_EQ(ParsePositionKey(kClient, PositionKey(kClient, 0x12345678)), 0x12345678u);
  EXPECT_EQ(ParsePositionKey(kClient, ReplicasAheadKey(kClient)), std::nullopt);
  EXPECT_EQ(DayOf(86'399), 0u);
  EXPECT_EQ(DayOf(86'400), 1u);
  EXPECT_EQ(DayOf(-1), 0u);
  EXPECT_EQ(UnixSecondsOf(19'675), 1'699'920'000);
}

// If this fails, an operator's records are taken for a client's when a client has the nil ID: it is
// listed without having been there, or deleting it removes every ban.
TEST(RecordCodecTest, TheStoragesOwnKeysHaveNoClient) {
  for (const std::string& key : {BanKey(kClient), TokenKey(kClient), InviteKey({}),
                                 ClientCountKey(), PseudonymKeyKey(), ProbeKey()}) {
    EXPECT_EQ(ParseClientOfKey(key), std::nullopt) << Hex(key);
    EXPECT_EQ(ParseClientKey(key), std::nullopt) << Hex(key);
    EXPECT_GT(key, ReplicasAheadKey(Uuid())) << Hex(key);
    EXPECT_LT(key, EndOfClient(Uuid())) << Hex(key);
  }
  EXPECT_EQ(ParseClientOfKey("opened"), std::nullopt);
  EXPECT_EQ(ParseClientKey("opened"), std::nullopt);
  EXPECT_EQ(ParseClientKey(ClientKey(Uuid())), Uuid());
  EXPECT_EQ(ParseClientKey(VersionKey(kClient, 1)), std::nullopt);
  EXPECT_EQ(ParseClientOfKey(VersionKey(kClient, 1)), kClient);
  EXPECT_EQ(ParseClientOfKey(ReplicasAheadKey(kClient)), kClient);
}

// If this fails, chains that came from other servers lose their beginning.
TEST(RecordCodecTest, NumberByteForByte) {
  EXPECT_EQ(Hex(EncodeNumber(1)), "0000000000000001");
  EXPECT_EQ(Hex(EncodeNumber(0x0102030405060708)), "0102030405060708");
}

// If this fails, a value that was stored cannot be read back.
TEST(RecordCodecTest, RoundTrips) {
  for (const int64_t time :
       {int64_t{0}, int64_t{1'700'000'000}, int64_t{-1}, std::numeric_limits<int64_t>::min(),
        std::numeric_limits<int64_t>::max()}) {
    ClientRecord record{.created_unix_seconds = time, .snapshot = std::nullopt};
    const auto plain = DecodeClientRecord(EncodeClientRecord(record));
    ASSERT_TRUE(plain.has_value());
    EXPECT_EQ(plain->created_unix_seconds, time);
    EXPECT_FALSE(plain->snapshot.has_value());

    record.snapshot = SnapshotRecord{
        .version_id = kVersion, .number = (uint64_t{1} << 48) - 1, .stored_unix_seconds = time};
    const auto with_snapshot = DecodeClientRecord(EncodeClientRecord(record));
    ASSERT_TRUE(with_snapshot.has_value() && with_snapshot->snapshot.has_value());
    EXPECT_EQ(with_snapshot->snapshot->version_id, kVersion);
    EXPECT_EQ(with_snapshot->snapshot->number, (uint64_t{1} << 48) - 1);
    EXPECT_EQ(with_snapshot->snapshot->stored_unix_seconds, time);

    for (const bool is_inline : {false, true}) {
      const auto trailer = DecodeVersionTrailer(
          absl::StrCat("any segment", EncodeVersionTrailer({.version_id = kVersion,
                                                            .parent_version_id = kParent,
                                                            .appended_unix_seconds = time,
                                                            .history_bytes = 77,
                                                            .segment_is_inline = is_inline})));
      ASSERT_TRUE(trailer.has_value());
      EXPECT_EQ(trailer->version_id, kVersion);
      EXPECT_EQ(trailer->parent_version_id, kParent);
      EXPECT_EQ(trailer->appended_unix_seconds, time);
      EXPECT_EQ(trailer->history_bytes, 77u);
      EXPECT_EQ(trailer->segment_is_inline, is_inline);
      EXPECT_EQ(trailer->encoded_bytes, kVersionTrailerBytes);
    }
  }
  for (const uint64_t number :
       {uint64_t{0}, uint64_t{1}, uint64_t{1} << 48, std::numeric_limits<uint64_t>::max()}) {
    EXPECT_EQ(DecodeNumber(EncodeNumber(number)), number);
    EXPECT_EQ(ParseVersionKey(kClient, VersionKey(kClient, number)), number);
  }
}

// If this fails, the last key of a client is not its latest version, and its chain is overwritten.
TEST(RecordCodecTest, KeysSortByNumberWithinTheirKind) {
  const std::vector<uint64_t> numbers = {
      0, 1, 2, 127, 128, 255, 256, 300, 65'535, 65'536, uint64_t{1} << 32, (uint64_t{1} << 48) - 1};
  for (size_t i = 0; i + 1 < numbers.size(); ++i) {
    EXPECT_LT(VersionKey(kClient, numbers[i]), VersionKey(kClient, numbers[i + 1]));
    EXPECT_LT(SegmentKey(kClient, numbers[i]), SegmentKey(kClient, numbers[i + 1]));
  }
  const std::string last_version = VersionKey(kClient, numbers.back());
  EXPECT_LT(ClientKey(kClient), VersionKey(kClient, 0));
  EXPECT_LT(last_version, SegmentKey(kClient, 0));
  EXPECT_LT(last_version, ParentKey(kClient, Uuid()));
  EXPECT_LT(last_version, SnapshotKey(kClient));
}

// If this fails, clients' ranges overlap.
TEST(RecordCodecTest, KeysBeginWithTheirClient) {
  for (const std::string& key : {ClientKey(kClient), VersionKey(kClient, 1), SegmentKey(kClient, 1),
                                 ParentKey(kClient, kParent), SnapshotKey(kClient)}) {
    EXPECT_EQ(key.substr(0, kKeyPrefixBytes), kClient.AsStringView());
  }
}

// If this fails, a neighbour's key, or another record of the client, is taken for a version.
TEST(RecordCodecTest, OtherKeysAreNotVersionKeys) {
  const Uuid other = *Uuid::Parse("c1000000-0000-4000-8000-0000000000c2");
  const std::string key = VersionKey(kClient, 7);
  EXPECT_EQ(ParseVersionKey(other, key), std::nullopt);
  for (const std::string& no_key :
       {std::string(), std::string(kClient.AsStringView()), ClientKey(kClient),
        SegmentKey(kClient, 7), ParentKey(kClient, kParent), SnapshotKey(kClient), key + "x",
        key.substr(0, key.size() - 1)}) {
    EXPECT_EQ(ParseVersionKey(kClient, no_key), std::nullopt) << Hex(no_key);
  }
}

// If this fails, damaged records are read as something that was never stored.
TEST(RecordCodecTest, MalformedValuesAreRefused) {
  const std::string with_snapshot = EncodeClientRecord(
      {.created_unix_seconds = 1,
       .snapshot = SnapshotRecord{.version_id = kVersion, .number = 1, .stored_unix_seconds = 1}});
  for (size_t size = 0; size < with_snapshot.size(); ++size) {
    EXPECT_EQ(DecodeClientRecord(with_snapshot.substr(0, size)).has_value(), false) << size;
  }
  EXPECT_FALSE(DecodeClientRecord(with_snapshot + "x").has_value());
  EXPECT_FALSE(DecodeClientRecord(Bytes("000000006553f1000000")).has_value());

  const std::string trailer = EncodeVersionTrailer(
      {.version_id = kVersion, .parent_version_id = kParent, .appended_unix_seconds = 1});
  for (size_t size = 0; size < 41; ++size) {
    EXPECT_FALSE(DecodeVersionTrailer(trailer.substr(0, size)).has_value()) << size;
  }
  std::string unknown_form = trailer;
  unknown_form.back() = 4;
  EXPECT_FALSE(DecodeVersionTrailer(unknown_form).has_value());
  for (const char* number : {"", "00000000000001", "000000000000000001"}) {
    EXPECT_EQ(DecodeNumber(Bytes(number)), std::nullopt) << number;
  }
}

}  // namespace
}  // namespace tcsync::rocksdb_storage
