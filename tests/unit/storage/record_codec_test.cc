// The bytes of the storage format. If one of these fails, data directories of earlier releases can
// no longer be read: raise kStorageFormatVersion and write the way from the old format to the new.
#include "storage/rocksdb/record_codec.h"

#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace tcsync {
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
std::string Bytes(absl::string_view hex) { return absl::HexStringToBytes(hex); }

// If this fails, the format was changed: say so in docs/storage-format.md, and convert.
TEST(RecordCodecTest, TheFormatVersion) { EXPECT_EQ(kStorageFormatVersion, 1); }

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
  ClientRecord record{.created_unix_seconds = 1'700'000'000, .snapshot = std::nullopt};
  EXPECT_EQ(Hex(EncodeClientRecord(record)), "000000006553f10000");
  record.snapshot =
      SnapshotRecord{.version_id = kVersion, .number = 300, .stored_unix_seconds = 1'700'000'001};
  EXPECT_EQ(Hex(EncodeClientRecord(record)), absl::StrCat("000000006553f10001", kVersionHex,
                                                          "000000000000012c", "000000006553f101"));
}

// If this fails, versions that were stored before are read with wrong IDs.
TEST(RecordCodecTest, VersionTrailerByteForByte) {
  VersionTrailer trailer{.version_id = kVersion,
                         .parent_version_id = kParent,
                         .appended_unix_seconds = 1'700'000'000,
                         .segment_is_inline = true};
  EXPECT_EQ(Hex(EncodeVersionTrailer(trailer)),
            absl::StrCat(kVersionHex, kParentHex, "000000006553f100", "01"));
  EXPECT_EQ(EncodeVersionTrailer(trailer).size(), kVersionTrailerBytes);
  trailer.segment_is_inline = false;
  trailer.appended_unix_seconds = -1;
  EXPECT_EQ(Hex(EncodeVersionTrailer(trailer)),
            absl::StrCat(kVersionHex, kParentHex, "ffffffffffffffff", "00"));
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
                                                            .segment_is_inline = is_inline})));
      ASSERT_TRUE(trailer.has_value());
      EXPECT_EQ(trailer->version_id, kVersion);
      EXPECT_EQ(trailer->parent_version_id, kParent);
      EXPECT_EQ(trailer->appended_unix_seconds, time);
      EXPECT_EQ(trailer->segment_is_inline, is_inline);
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
TEST(RecordCodecTest, OtherKeysAreNoVersionKeys) {
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
TEST(RecordCodecTest, MalformedValuesAreNothing) {
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
  for (size_t size = 0; size < trailer.size(); ++size) {
    EXPECT_FALSE(DecodeVersionTrailer(trailer.substr(0, size)).has_value()) << size;
  }
  for (const char* number : {"", "00000000000001", "000000000000000001"}) {
    EXPECT_EQ(DecodeNumber(Bytes(number)), std::nullopt) << number;
  }
}

}  // namespace
}  // namespace tcsync
