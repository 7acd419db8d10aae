// The table of bans, tokens and invites. If these fail, a ban or a new token has no effect, or a
// revoked one stays.
#include "access/access_table.h"

#include <atomic>
#include <thread>
#include <vector>

#include "access/token.h"
#include "gtest/gtest.h"
#include "scripted_access_records.h"

namespace tcsync::access {
namespace {

// If this fails, a server refuses clients before it has read the records.
TEST(AccessTableTest, IsEmptyBeforeTheFirstRefresh) {
  const AccessTable table;
  EXPECT_FALSE(table.BanOf(Uuid::Random()));
  EXPECT_FALSE(table.TokenOf(Uuid::Random()));
  EXPECT_FALSE(table.InviteOf(DigestOf("token")));
}

// If this fails, a ban, a token or an invite has no effect.
TEST(AccessTableTest, FindsTheRecordsOfStorage) {
  const Uuid banned = Uuid::Random();
  const Uuid with_token = Uuid::Random();
  ScriptedAccessRecords storage;
  storage.records.bans.push_back({banned, "floods", 7});
  storage.records.tokens.push_back({with_token, DigestOf("its token"), 8});
  storage.records.invites.push_back(
      {.digest = DigestOf("invite"), .label = "friends", .uses_max = 3, .uses = 1});
  AccessTable table;
  ASSERT_TRUE(table.Refresh(storage).ok());

  ASSERT_TRUE(table.BanOf(banned));
  EXPECT_EQ(table.BanOf(banned)->reason, "floods");
  EXPECT_FALSE(table.BanOf(with_token));
  ASSERT_TRUE(table.TokenOf(with_token));
  EXPECT_EQ(table.TokenOf(with_token)->digest, DigestOf("its token"));
  EXPECT_FALSE(table.TokenOf(banned));
  ASSERT_TRUE(table.InviteOf(DigestOf("invite")));
  EXPECT_EQ(table.InviteOf(DigestOf("invite"))->label, "friends");
  EXPECT_FALSE(table.InviteOf(DigestOf("its token")));
  EXPECT_EQ(table.counts().bans, 1u);
  EXPECT_EQ(table.counts().tokens, 1u);
  EXPECT_EQ(table.counts().invites, 1u);
}

// If this fails, a lifted ban stays in force until a restart.
TEST(AccessTableTest, ForgetsRecordsThatWereRemovedFromStorage) {
  const Uuid banned = Uuid::Random();
  ScriptedAccessRecords storage;
  storage.records.bans.push_back({banned, "", 7});
  AccessTable table;
  ASSERT_TRUE(table.Refresh(storage).ok());
  storage.records.bans.clear();
  ASSERT_TRUE(table.Refresh(storage).ok());
  EXPECT_FALSE(table.BanOf(banned));
}

// If this fails, a disk that is unreadable for a moment admits every banned client.
TEST(AccessTableTest, AFailedRefreshChangesNothing) {
  const Uuid banned = Uuid::Random();
  ScriptedAccessRecords storage;
  storage.records.bans.push_back({banned, "", 7});
  AccessTable table;
  ASSERT_TRUE(table.Refresh(storage).ok());
  storage.failure = absl::DataLossError("unreadable");
  EXPECT_EQ(table.Refresh(storage).code(), absl::StatusCode::kDataLoss);
  EXPECT_TRUE(table.BanOf(banned));
}

// If this fails, a banned client gets in while another record changes.
// Mostly for the thread sanitizer: lookups run while the table is rebuilt.
TEST(AccessTableTest, MayBeReadDuringARefresh) {
  const Uuid banned = Uuid::Random();
  ScriptedAccessRecords storage;
  storage.records.bans.push_back({banned, "always", 7});
  AccessTable table;
  ASSERT_TRUE(table.Refresh(storage).ok());
  std::atomic<bool> refreshing{true};
  std::atomic<int> missed{0};
  std::vector<std::thread> readers;
  for (int i = 0; i < 2; ++i) {
    readers.emplace_back([&] {
      while (refreshing) missed += table.BanOf(banned) ? 0 : 1;
    });
  }
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(table.Refresh(storage).ok());
  refreshing = false;
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(missed, 0);
}

}  // namespace
}  // namespace tcsync::access
