// New credentials: if these fail, a new user gets a guessable or unusable client ID or secret.

#include <set>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "tcsync/envelope.h"

namespace tcsync::crypto {
namespace {

TEST(CredentialsTest, HaveTheDocumentedForm) {
  const absl::StatusOr<Credentials> credentials = GenerateCredentials();
  ASSERT_TRUE(credentials.ok()) << credentials.status();
  const std::string client_id = credentials->client_id.ToString();
  EXPECT_EQ(client_id[14], '4') << "not a version 4 UUID: " << client_id;
  EXPECT_NE(std::string("89ab").find(client_id[19]), std::string::npos) << client_id;
  const absl::string_view secret = credentials->secret.AsStringView();
  EXPECT_EQ(secret.size(), 64u);
  EXPECT_EQ(secret.find_first_not_of("0123456789abcdef"), absl::string_view::npos);
}

// Also the first use of libsodium in this program, by many threads at once.
TEST(CredentialsTest, AreUniqueOnEveryThread) {
  constexpr size_t kThreads = 8;
  std::vector<absl::StatusOr<Credentials>> credentials(kThreads);
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (size_t i = 0; i < kThreads; ++i) {
    threads.emplace_back([&credentials, i] { credentials[i] = GenerateCredentials(); });
  }
  for (std::thread& thread : threads) thread.join();
  std::set<Uuid> client_ids;
  std::set<std::string> secrets;
  for (const auto& one : credentials) {
    ASSERT_TRUE(one.ok()) << one.status();
    client_ids.insert(one->client_id);
    secrets.emplace(one->secret.AsStringView());
  }
  EXPECT_EQ(client_ids.size(), kThreads);
  EXPECT_EQ(secrets.size(), kThreads);
}

}  // namespace
}  // namespace tcsync::crypto
