// Clients' names in the log. If these fail, a log reveals client IDs, or cannot be understood.
#include "access/client_names.h"

#include <string>

#include "absl/container/flat_hash_set.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tcsync::access {
namespace {

using ::testing::MatchesRegex;

const Uuid kClient = *Uuid::Parse("c11e4700-0000-4000-8000-000000000001");
constexpr char kClientText[] = "c11e4700-0000-4000-8000-000000000001";
const std::string kKey(32, 'k');

// If this fails, an operator cannot follow one client through the log.
TEST(ClientNamesTest, PseudonymsHaveTheDocumentedForm) {
  const ClientNames names(ClientNames::Style::kPseudonym);
  EXPECT_THAT(names.NameOf(kClient), MatchesRegex("client-[0-9a-f]{12}"));
  EXPECT_EQ(names.NameOf(kClient), names.NameOf(kClient));
  EXPECT_EQ(names.NameOf(kClient), names.PseudonymOf(kClient));
}

// If this fails, logs of different years have different names for one client: this value must never
// change. It is Python's: the first 6 bytes of blake2b(the client ID's bytes, digest_size=16,
// key=blake2b(the key, digest_size=32)).
TEST(ClientNamesTest, TheSameKeyGivesTheSamePseudonym) {
  ClientNames names(ClientNames::Style::kPseudonym);
  ASSERT_TRUE(names.SetKey(kKey).ok());
  EXPECT_EQ(names.NameOf(kClient), "client-4e2bc889fb87");
}

// If this fails, a reader of a log with a list of client IDs can identify every client.
TEST(ClientNamesTest, AnotherKeyGivesAnotherPseudonym) {
  const ClientNames random(ClientNames::Style::kPseudonym);
  const ClientNames other_random(ClientNames::Style::kPseudonym);
  ClientNames with_key(ClientNames::Style::kPseudonym);
  ASSERT_TRUE(with_key.SetKey(kKey).ok());
  ClientNames with_other_key(ClientNames::Style::kPseudonym);
  ASSERT_TRUE(with_other_key.SetKey(std::string(31, 'k') + "l").ok());
  const absl::flat_hash_set<std::string> pseudonyms = {
      random.NameOf(kClient), other_random.NameOf(kClient), with_key.NameOf(kClient),
      with_other_key.NameOf(kClient)};
  EXPECT_EQ(pseudonyms.size(), 4u);
}

// If this fails, two clients have one name in the log, and an operator bans the wrong one.
TEST(ClientNamesTest, ClientsHaveDifferentPseudonyms) {
  const ClientNames names(ClientNames::Style::kPseudonym);
  absl::flat_hash_set<std::string> pseudonyms;
  for (int i = 0; i < 1000; ++i) pseudonyms.insert(names.NameOf(Uuid::Random()));
  EXPECT_EQ(pseudonyms.size(), 1000u);
}

// If this fails, a damaged key makes pseudonyms that a reader of the log can turn back into IDs.
TEST(ClientNamesTest, AKeyOfAnotherSizeIsDataLoss) {
  ClientNames names(ClientNames::Style::kPseudonym);
  const std::string before = names.NameOf(kClient);
  for (const size_t size : {0, 1, 15, 65}) {
    EXPECT_EQ(names.SetKey(std::string(size, 'k')).code(), absl::StatusCode::kDataLoss) << size;
  }
  EXPECT_EQ(names.NameOf(kClient), before);
  for (const size_t size : {16, 32, 64}) {
    EXPECT_TRUE(names.SetKey(std::string(size, 'k')).ok()) << size;
  }
}

// If this fails, the option log-client-ids=full does nothing, or a log with IDs cannot be compared
// with one with pseudonyms.
TEST(ClientNamesTest, FullNamesAreTheClientIds) {
  ClientNames names(ClientNames::Style::kFull);
  ASSERT_TRUE(names.SetKey(kKey).ok());
  EXPECT_EQ(names.NameOf(kClient), kClientText);
  EXPECT_EQ(names.PseudonymOf(kClient), "client-4e2bc889fb87");
}

}  // namespace
}  // namespace tcsync::access
