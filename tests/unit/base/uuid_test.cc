// UUIDs: if these fail, clients and versions are confused with each other, or a version ID no
// longer leads to its place in the chain.
#include "tcsync/uuid.h"

#include <set>
#include <string>

#include "absl/hash/hash_testing.h"
#include "base/numbered_uuid.h"
#include "gtest/gtest.h"

namespace tcsync::base {
namespace {

constexpr absl::string_view kText = "0123abcd-ef45-4678-9abc-def001020304";
constexpr char kBytes[] = "\x01\x23\xab\xcd\xef\x45\x46\x78\x9a\xbc\xde\xf0\x01\x02\x03\x04";

// The 4 bits that tell the version, and the 2 that tell the variant (RFC 9562, section 4).
int VersionBits(const Uuid& uuid) { return uuid.bytes()[6] >> 4; }
int VariantBits(const Uuid& uuid) { return uuid.bytes()[8] >> 6; }

// If this fails, X-Client-Id and the version IDs in paths are read as other IDs than the client's.
TEST(UuidTest, ParsesTheDashedFormInByteOrder) {
  const std::optional<Uuid> uuid = Uuid::Parse(kText);
  ASSERT_TRUE(uuid.has_value());
  EXPECT_EQ(*uuid, Uuid::FromBytes(kBytes));
  EXPECT_EQ(uuid->AsStringView(), absl::string_view(kBytes, Uuid::kBytes));
}

// If this fails, a client that writes its UUIDs in capitals is another client than it was before.
TEST(UuidTest, ParsesEitherCaseAndFormatsLowerCase) {
  EXPECT_EQ(Uuid::Parse("0123ABCD-EF45-4678-9ABC-DEF001020304"), Uuid::FromBytes(kBytes));
  EXPECT_EQ(Uuid::Parse("0123AbCd-eF45-4678-9AbC-DeF001020304"), Uuid::FromBytes(kBytes));
  EXPECT_EQ(Uuid::FromBytes(kBytes).ToString(), kText);
}

// If this fails, something that is no UUID is taken for one: a client ID out of thin air.
TEST(UuidTest, RefusesOtherTexts) {
  const std::string good(kText);
  for (const std::string& text : {
           std::string(),
           good.substr(1),
           good.substr(0, 35),
           good + "0",
           " " + good,
           good + " ",
           "{" + good + "}",
           "urn:uuid:" + good,
           std::string("0123abcdef4546789abcdef001020304"),      // no dashes
           std::string("0123abcdef45-4678-9abc-def0010203040"),  // the first dash is missing
           std::string("0123abcd-ef454-678-9abc-def001020304"),  // a dash that is out of place
           std::string("0123abcg-ef45-4678-9abc-def001020304"),
           std::string("-123abcd-ef45-4678-9abc-def001020304"),
           std::string("0x23abcd-ef45-4678-9abc-def001020304"),
           std::string("0123abcd_ef45_4678_9abc_def001020304"),
           std::string("0123abcd-ef45-4678-9abc-def00102030\0", 36),
           std::string("0123abcd-ef45-4678-9abc-def00102030\xc3", 36),
       }) {
    EXPECT_EQ(Uuid::Parse(text), std::nullopt) << "'" << text << "'";
  }
  // Every position counts.
  for (size_t i = 0; i < good.size(); ++i) {
    std::string text = good;
    text[i] = 'x';
    EXPECT_EQ(Uuid::Parse(text), std::nullopt) << text;
  }
}

// If this fails, the version before the first is not the protocol's, and no client can begin.
TEST(UuidTest, NilIsAllZero) {
  EXPECT_TRUE(Uuid().IsNil());
  EXPECT_EQ(Uuid().ToString(), "00000000-0000-0000-0000-000000000000");
  EXPECT_TRUE(Uuid::Parse("00000000-0000-0000-0000-000000000000")->IsNil());
  EXPECT_FALSE(Uuid::Parse("00000000-0000-0000-0000-000000000001")->IsNil());
  EXPECT_EQ(NumberHint(Uuid()), 0u);
}

// If this fails, new client IDs break the protocol's rule, or collide.
TEST(UuidTest, RandomIsUniqueAndOfVersion4) {
  std::set<Uuid> seen;
  for (int i = 0; i < 1000; ++i) {
    const Uuid uuid = Uuid::Random();
    EXPECT_EQ(VersionBits(uuid), 4) << uuid.ToString();
    EXPECT_EQ(VariantBits(uuid), 2) << uuid.ToString();
    EXPECT_EQ(Uuid::Parse(uuid.ToString()), uuid);
    EXPECT_TRUE(seen.insert(uuid).second) << uuid.ToString();
  }
}

// If this fails, a version is not found at the number in its ID; the largest number is the limit.
TEST(NumberedUuidTest, CarriesItsNumber) {
  for (const uint64_t number :
       {uint64_t{0}, uint64_t{1}, uint64_t{57}, uint64_t{255}, uint64_t{256}, uint64_t{65'535},
        uint64_t{0x0123456789ab}, (uint64_t{1} << 47), (uint64_t{1} << 48) - 1}) {
    const Uuid uuid = RandomUuidWithNumber(number);
    EXPECT_EQ(NumberHint(uuid), number);
    EXPECT_EQ(VersionBits(uuid), 8) << uuid.ToString();
    EXPECT_EQ(VariantBits(uuid), 2) << uuid.ToString();
  }
  EXPECT_EQ(RandomUuidWithNumber(0x0123456789ab).ToString().substr(0, 13), "01234567-89ab");
}

// If this fails, two clients' versions of the same number have the same ID, and a replica that was
// moved between them continues in the wrong chain.
TEST(NumberedUuidTest, HasRandomBitsBesidesItsNumber) {
  std::set<Uuid> seen;
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(seen.insert(RandomUuidWithNumber(1)).second);
}

// If this fails, UUIDs cannot be told apart in sorted or hashed containers.
TEST(UuidTest, OrderAndHashFollowItsBytes) {
  const Uuid low = *Uuid::Parse("00000000-0000-0000-0000-0000000000ff");
  const Uuid middle = *Uuid::Parse("00000000-0000-0000-0000-000000000100");
  const Uuid high = *Uuid::Parse("80000000-0000-0000-0000-000000000000");
  EXPECT_LT(Uuid(), low);
  EXPECT_LT(low, middle);
  EXPECT_LT(middle, high);
  EXPECT_TRUE(absl::VerifyTypeImplementsAbslHashCorrectly({Uuid(), low, middle, high}));
}

}  // namespace
}  // namespace tcsync::base
