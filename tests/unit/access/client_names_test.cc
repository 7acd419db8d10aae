// What clients are called in the log. If these fail, a log gives away client IDs, or cannot be
// understood.
#include "access/client_names.h"

#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tcsync::access {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;

const Uuid kClient = *Uuid::Parse("c11e4700-0000-4000-8000-000000000001");
constexpr char kClientText[] = "c11e4700-0000-4000-8000-000000000001";
constexpr char kVersionText[] = "0123abcd-ef45-4678-9abc-def001020304";
const std::string kKey(32, 'k');

TEST(ClientNamesTest, PseudonymsHaveOneForm) {
  const ClientNames names(ClientNames::Style::kPseudonym);
  EXPECT_THAT(names.NameOf(kClient), MatchesRegex("client-[0-9a-f]{12}"));
  EXPECT_EQ(names.NameOf(kClient), names.NameOf(kClient));
  EXPECT_EQ(names.NameOf(kClient), names.PseudonymOf(kClient));
}

// If this fails, the log of today and the log of the last year name one client in two ways: this
// value must never change. It is what Python says: the first 6 bytes of blake2b(the client ID's
// bytes, digest_size=16, key=blake2b(the key, digest_size=32)).
TEST(ClientNamesTest, OneKeyGivesOnePseudonymForEver) {
  ClientNames names(ClientNames::Style::kPseudonym);
  ASSERT_TRUE(names.SetKey(kKey).ok());
  EXPECT_EQ(names.NameOf(kClient), "client-4e2bc889fb87");
}

// If this fails, whoever has a log and a list of client IDs can tell who is who.
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

TEST(ClientNamesTest, ClientsAreToldApart) {
  const ClientNames names(ClientNames::Style::kPseudonym);
  absl::flat_hash_set<std::string> pseudonyms;
  for (int i = 0; i < 1000; ++i) pseudonyms.insert(names.NameOf(Uuid::Random()));
  EXPECT_EQ(pseudonyms.size(), 1000u);
}

TEST(ClientNamesTest, KeysOfAnotherSizeAreDamaged) {
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
TEST(ClientNamesTest, FullNamesAreTheIdsThemselves) {
  ClientNames names(ClientNames::Style::kFull);
  ASSERT_TRUE(names.SetKey(kKey).ok());
  EXPECT_EQ(names.NameOf(kClient), kClientText);
  EXPECT_EQ(names.PseudonymOf(kClient), "client-4e2bc889fb87");
  const std::string message = absl::StrCat("the records of client ", kClientText, " contradict");
  EXPECT_EQ(names.WithoutClientIds(message), message);
}

TEST(ClientNamesTest, IdsInMessagesBecomeNames) {
  ClientNames names(ClientNames::Style::kPseudonym);
  const std::string name = names.NameOf(kClient);
  for (const char* before : {"the records of client ", "client=", "client-id=",
                             "status=410 client=", "(client ID ", "clients: client "}) {
    EXPECT_EQ(names.WithoutClientIds(absl::StrCat(before, kClientText, ": more")),
              absl::StrCat(before, name, ": more"));
  }
  EXPECT_EQ(names.WithoutClientIds("client C11E4700-0000-4000-8000-000000000001"),
            absl::StrCat("client ", name));
  EXPECT_EQ(
      names.WithoutClientIds(absl::StrCat("client ", kClientText, " and client ", kClientText)),
      absl::StrCat("client ", name, " and client ", name));
}

// If this fails, a log says less than it should, such as at which version a replica is.
TEST(ClientNamesTest, EverythingElseStays) {
  const ClientNames names(ClientNames::Style::kPseudonym);
  for (const std::string& message : std::vector<std::string>{
           "", "client", "client ", "clientclient", "the client has no version",
           absl::StrCat("version ", kVersionText), absl::StrCat("clients ", kVersionText),
           absl::StrCat("client ID of ", kVersionText), "client c11e4700-0000-4000-8000-00000000",
           "client client-1a2b3c4d5e6f"}) {
    EXPECT_EQ(names.WithoutClientIds(message), message);
  }
}

TEST(ClientNamesTest, TheLogFunctionPassesNamesOn) {
  const auto names = std::make_shared<ClientNames>(ClientNames::Style::kPseudonym);
  std::vector<std::pair<LogLevel, std::string>> lines;
  const LogFunction log = WithClientNames(
      [&lines](LogLevel level, absl::string_view message) { lines.emplace_back(level, message); },
      names);
  log(LogLevel::kError, absl::StrCat("the records of client ", kClientText, " are damaged"));
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0].first, LogLevel::kError);
  EXPECT_THAT(lines[0].second, Not(HasSubstr(kClientText)));
  EXPECT_THAT(lines[0].second, HasSubstr(names->NameOf(kClient)));
  EXPECT_FALSE(WithClientNames(nullptr, names)) << "a log that drops everything costs something";
}

}  // namespace
}  // namespace tcsync::access
