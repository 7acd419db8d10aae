// The storage suite, limits and invites: the limits of an append or a snapshot, and the creation of
// clients.
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/limits.h"
#include "gtest/gtest.h"
#include "tests/unit/storage/storage_changes.h"
#include "tests/unit/storage/storage_suite.h"

namespace tcsync {
namespace {

AppendOutcome AppendWithin(Storage& storage, const ClientLimits& limits, const Uuid& client,
                           const Uuid& parent, std::string segment) {
  AppendRequest request = AppendRequestFor(client, parent, std::move(segment));
  request.limits = limits;
  absl::StatusOr<AppendOutcome> outcome = TryAppend(storage, std::move(request));
  EXPECT_TRUE(outcome.ok()) << outcome.status();
  return outcome.ok() ? *std::move(outcome) : AppendOutcome(NoSuchClient{});
}

StoreSnapshotOutcome StoreWithin(Storage& storage, uint64_t bytes_max, const Uuid& client,
                                 const Uuid& version_id, std::string bytes) {
  StoreSnapshotRequest request = StoreSnapshotRequestFor(client, version_id, std::move(bytes));
  request.limits.bytes_max = bytes_max;
  return StoreSnapshot(storage, std::move(request));
}

// If this fails, new clients are counted wrong, and the limit on them does not hold.
TEST_P(StorageSuite, AnAppendReportsWhetherItCreatedTheClient) {
  const Uuid client = Uuid::Random();
  const Appended first = MustAppend(storage(), client, kNil);
  EXPECT_TRUE(first.created_client);
  EXPECT_FALSE(MustAppend(storage(), client, first.version_id).created_client);
}

// If this fails, one client fills the disk, or is refused below its limit.
TEST_P(StorageSuite, BytesAreLimitedOverSegmentsAndSnapshot) {
  const Uuid client = Uuid::Random();
  const ClientLimits limits{.bytes_max = 50'000, .versions_max = 0};
  // Segments of both kinds count: 10,000 inline and 20,000 apart.
  Uuid latest = MustAppend(storage(), client, kNil, Noise(10'000)).version_id;
  latest = MustAppend(storage(), client, latest, Noise(20'000)).version_id;
  const auto over = OverLimitOf(AppendWithin(storage(), limits, client, latest, Noise(20'001)));
  ASSERT_TRUE(over.has_value());
  EXPECT_EQ(over->bytes, 50'001u);
  EXPECT_EQ(over->versions, 3u);
  EXPECT_EQ(NoChildOf(GetChild(storage(), client, latest)), latest) << "it was stored";

  EXPECT_EQ(StoreWithin(storage(), 50'000, client, latest, Noise(20'001)),
            StoreSnapshotOutcome::kOverLimit);
  EXPECT_FALSE(SnapshotOf(storage(), client).has_value());
  EXPECT_EQ(StoreWithin(storage(), 50'000, client, latest, Noise(20'000)),
            StoreSnapshotOutcome::kStored);
  // Now there is no room for a single byte more, and room for exactly one with one byte more.
  EXPECT_TRUE(OverLimitOf(AppendWithin(storage(), limits, client, latest, "x")).has_value());
  const AppendOutcome outcome = AppendWithin(storage(), {.bytes_max = 50'001}, client, latest, "x");
  ASSERT_TRUE(std::holds_alternative<Appended>(outcome));
  EXPECT_EQ(std::get<Appended>(outcome).snapshot->version_id, latest);
}

// If this fails, a client at its limit cannot replace its snapshot by a newer one.
TEST_P(StorageSuite, AReplacedSnapshotDoesNotCountAgainstTheNewOne) {
  const Uuid client = Uuid::Random();
  Uuid latest = MustAppend(storage(), client, kNil, Noise(100)).version_id;
  EXPECT_EQ(StoreWithin(storage(), 1'200, client, latest, Noise(1'000)),
            StoreSnapshotOutcome::kStored);
  latest = MustAppend(storage(), client, latest, Noise(100)).version_id;
  EXPECT_EQ(StoreWithin(storage(), 1'200, client, latest, Noise(1'001)),
            StoreSnapshotOutcome::kOverLimit);
  EXPECT_EQ(StoreWithin(storage(), 1'200, client, latest, Noise(1'000, 2)),
            StoreSnapshotOutcome::kStored);
  EXPECT_TRUE(SnapshotOf(storage(), client)->bytes == Noise(1'000, 2));
}

// If this fails, a client's chain grows without an end, or the last allowed version is refused.
TEST_P(StorageSuite, VersionsAreLimited) {
  const Uuid client = Uuid::Random();
  const std::vector<Uuid> version_ids = AppendChain(storage(), client, kNil, 3);
  const auto over = OverLimitOf(
      AppendWithin(storage(), {.versions_max = 3}, client, version_ids.back(), "one too many"));
  ASSERT_TRUE(over.has_value());
  EXPECT_EQ(over->versions, 4u);
  EXPECT_EQ(VersionIdsOf(ReadChain(storage(), client, kNil)), version_ids);
  EXPECT_TRUE(std::holds_alternative<Appended>(
      AppendWithin(storage(), {.versions_max = 4}, client, version_ids.back(), "the last")));
  // A replica that is behind gets a conflict, and not the refusal for the limit.
  EXPECT_TRUE(
      ConflictOf(AppendWithin(storage(), {.versions_max = 1}, client, kNil, "late")).has_value());
}

// If this fails, an append that is over the limit leaves an empty client behind.
TEST_P(StorageSuite, AFirstVersionOverTheLimitCreatesNothing) {
  const Uuid client = Uuid::Random();
  const auto over =
      OverLimitOf(AppendWithin(storage(), {.bytes_max = 10}, client, kNil, Noise(11)));
  ASSERT_TRUE(over.has_value());
  EXPECT_EQ(over->bytes, 11u);
  EXPECT_EQ(over->versions, 1u);
  EXPECT_TRUE(std::holds_alternative<NoSuchClient>(GetChild(storage(), client, kNil)));
}

// If this fails, removed data still counts against a client's limit, and it can never write again.
TEST_P(StorageSuite, RemovedDataDoesNotCountAgainstTheLimit) {
  const Uuid client = Uuid::Random();
  Uuid latest = kNil;
  for (int i = 0; i < 5; ++i) {
    latest = MustAppend(storage(), client, latest, Noise(i % 2 == 0 ? 1'000 : 20'000)).version_id;
  }
  ASSERT_EQ(StoreSnapshot(storage(), client, latest, Noise(500)), StoreSnapshotOutcome::kStored);
  // Four of the five go: 1,000 + 20,000 + 1,000 + 20,000.
  EXPECT_EQ(RemoveBelow(storage(), client, 6), 42'000u);
  const ClientLimits limits{.bytes_max = 2'000, .versions_max = 2};
  const auto over = OverLimitOf(AppendWithin(storage(), limits, client, latest, Noise(501)));
  ASSERT_TRUE(over.has_value());
  EXPECT_EQ(over->bytes, 1'000u + 500u + 501u);
  EXPECT_EQ(over->versions, 2u);
  EXPECT_TRUE(std::holds_alternative<Appended>(
      AppendWithin(storage(), limits, client, latest, Noise(500))));
}

Invite InviteFor(char fill, uint64_t uses_max, int64_t expires_unix_seconds = 0) {
  return {.digest = DigestOf(fill),
          .label = "for a friend",
          .created_unix_seconds = 1'600'000'000,
          .expires_unix_seconds = expires_unix_seconds,
          .uses_max = uses_max};
}

AppendOutcome AppendWithInvite(Storage& storage, const Uuid& client, const Uuid& parent, char fill,
                               int64_t now = 1'700'000'000) {
  AppendRequest request = AppendRequestFor(client, parent);
  request.invite = DigestOf(fill);
  request.now_unix_seconds = now;
  const absl::StatusOr<AppendOutcome> outcome = TryAppend(storage, request);
  EXPECT_TRUE(outcome.ok()) << outcome.status();
  return outcome.value_or(Conflict{});
}

bool IsRefused(const AppendOutcome& outcome) {
  return std::holds_alternative<NoSuchClient>(outcome);
}

// If this fails, an invite admits more people than it was made for, or none.
TEST_P(StorageSuite, AnInviteCreatesNoMoreClientsThanItsUses) {
  Change(storage(), InviteFor('a', 2));
  const Uuid client = Uuid::Random();
  const AppendOutcome created = AppendWithInvite(storage(), client, kNil, 'a');
  ASSERT_TRUE(std::holds_alternative<Appended>(created));
  EXPECT_TRUE(std::get<Appended>(created).created_client);
  // An existing client uses none, even if every request carries the invite.
  const Uuid first = std::get<Appended>(created).version_id;
  EXPECT_TRUE(std::holds_alternative<Appended>(AppendWithInvite(storage(), client, first, 'a')));
  EXPECT_TRUE(ConflictOf(AppendWithInvite(storage(), client, kNil, 'a')).has_value());
  EXPECT_EQ(Access(storage()).invites.at(0).uses, 1u);

  EXPECT_FALSE(IsRefused(AppendWithInvite(storage(), Uuid::Random(), kNil, 'a')));
  const Uuid refused = Uuid::Random();
  EXPECT_TRUE(IsRefused(AppendWithInvite(storage(), refused, kNil, 'a')));
  EXPECT_TRUE(std::holds_alternative<NoSuchClient>(GetChild(storage(), refused, kNil)));
  EXPECT_EQ(Access(storage()).invites.at(0).uses, 2u);
}

// If this fails, an invite that never existed, has expired or was revoked admits people.
TEST_P(StorageSuite, OnlyAValidInviteCreatesAClient) {
  Change(storage(), InviteFor('a', 0, 1'700'000'000));
  EXPECT_FALSE(IsRefused(AppendWithInvite(storage(), Uuid::Random(), kNil, 'a', 1'699'999'999)));
  EXPECT_TRUE(IsRefused(AppendWithInvite(storage(), Uuid::Random(), kNil, 'a', 1'700'000'000)));
  EXPECT_TRUE(IsRefused(AppendWithInvite(storage(), Uuid::Random(), kNil, 'b')));
  Change(storage(), InviteFor('b', 0));
  for (int i = 0; i < 20; ++i) {
    EXPECT_FALSE(IsRefused(AppendWithInvite(storage(), Uuid::Random(), kNil, 'b')));
  }
  Change(storage(), RemoveInvite{DigestOf('b')});
  EXPECT_TRUE(IsRefused(AppendWithInvite(storage(), Uuid::Random(), kNil, 'b')));
  // An invite is no use to a server that creates no clients.
  AppendRequest request = AppendRequestFor(Uuid::Random(), kNil);
  request.create_client = false;
  request.invite = DigestOf('a');
  EXPECT_TRUE(IsRefused(*TryAppend(storage(), request)));
}

// If this fails, an invite is used up by attempts that created nothing.
TEST_P(StorageSuite, AnAppendOverTheLimitUsesNoInvite) {
  Change(storage(), InviteFor('a', 1));
  AppendRequest request = AppendRequestFor(Uuid::Random(), kNil, Noise(100));
  request.invite = DigestOf('a');
  request.limits.bytes_max = 99;
  EXPECT_TRUE(OverLimitOf(*TryAppend(storage(), request)).has_value());
  EXPECT_EQ(Access(storage()).invites.at(0).uses, 0u);
  request.limits.bytes_max = 100;
  EXPECT_FALSE(IsRefused(*TryAppend(storage(), request)));
}

// If this fails, an operator's bans, tokens and invites are lost, mixed up, or stay for ever.
TEST_P(StorageSuite, AccessRecordsAreKeptReplacedAndRemoved) {
  const Uuid one = *Uuid::Parse("11111111-1111-4111-8111-111111111110");
  // The ends of the order of keys, among which is the ID under which storage keeps its own.
  const Uuid last = *Uuid::Parse("ffffffff-ffff-ffff-ffff-ffffffffffff");
  EXPECT_TRUE(Access(storage()).bans.empty());
  Change(storage(), Ban{one, "first", 1});
  Change(storage(), Ban{kNil, "", 2});
  Change(storage(), Ban{last, std::string("\0\xff", 2), 3});
  Change(storage(), ClientToken{one, DigestOf('t'), 4});
  Change(storage(), ClientToken{last, DigestOf('\xff'), 5});
  Change(storage(), InviteFor('\0', 3));
  Change(storage(), InviteFor('\xff', 0, 7));
  Change(storage(), Ban{one, "second", 9});

  AccessRecords records = Access(storage());
  ASSERT_EQ(records.bans.size(), 3u);
  EXPECT_EQ(records.bans[0].client_id, kNil);
  EXPECT_EQ(records.bans[0].reason, "");
  EXPECT_EQ(records.bans[1].client_id, one);
  EXPECT_EQ(records.bans[1].reason, "second");
  EXPECT_EQ(records.bans[1].since_unix_seconds, 9);
  EXPECT_EQ(records.bans[2].client_id, last);
  EXPECT_EQ(records.bans[2].reason, std::string("\0\xff", 2));
  ASSERT_EQ(records.tokens.size(), 2u);
  EXPECT_EQ(records.tokens[0].client_id, one);
  EXPECT_EQ(records.tokens[0].digest, DigestOf('t'));
  EXPECT_EQ(records.tokens[1].since_unix_seconds, 5);
  ASSERT_EQ(records.invites.size(), 2u);
  EXPECT_EQ(records.invites[0].digest, DigestOf('\0'));
  EXPECT_EQ(records.invites[0].label, "for a friend");
  EXPECT_EQ(records.invites[0].created_unix_seconds, 1'600'000'000);
  EXPECT_EQ(records.invites[0].uses_max, 3u);
  EXPECT_EQ(records.invites[1].expires_unix_seconds, 7);

  Change(storage(), RemoveBan{one});
  Change(storage(), RemoveBan{one});  // it no longer exists
  Change(storage(), RemoveToken{last});
  Change(storage(), RemoveInvite{DigestOf('\0')});
  records = Access(storage());
  EXPECT_EQ(records.bans.size(), 2u);
  ASSERT_EQ(records.tokens.size(), 1u);
  EXPECT_EQ(records.tokens[0].client_id, one);
  ASSERT_EQ(records.invites.size(), 1u);
  EXPECT_EQ(records.invites[0].digest, DigestOf('\xff'));
}

// If this fails, an operator who changes an invite gives its uses back without meaning to.
TEST_P(StorageSuite, AChangedInviteKeepsItsCountedUses) {
  Change(storage(), InviteFor('a', 1));
  EXPECT_FALSE(IsRefused(AppendWithInvite(storage(), Uuid::Random(), kNil, 'a')));
  Change(storage(), InviteFor('a', 1));
  EXPECT_TRUE(IsRefused(AppendWithInvite(storage(), Uuid::Random(), kNil, 'a')));
  Change(storage(), InviteFor('a', 2));
  EXPECT_FALSE(IsRefused(AppendWithInvite(storage(), Uuid::Random(), kNil, 'a')));
  EXPECT_EQ(Access(storage()).invites.at(0).uses, 2u);
}

// If this fails, a user of the nil client ID is protected from deletion, or the deletion removes
// the operator's records.
TEST_P(StorageSuite, AClientWithTheNilIdSharesNoRecordsWithTheStorage) {
  Change(storage(), Ban{Uuid::Random(), "why", 1});
  Change(storage(), InviteFor('a', 1));
  const auto key = storage().administration().PseudonymKey();
  ASSERT_TRUE(key.ok());
  EXPECT_FALSE(Delete(storage(), kNil)) << "it is no client yet";
  EXPECT_TRUE(std::holds_alternative<NoSuchClient>(GetChild(storage(), kNil, kNil)));

  const std::vector<Uuid> version_ids = AppendChain(storage(), kNil, kNil, 3);
  ASSERT_EQ(StoreSnapshot(storage(), kNil, version_ids[2]), StoreSnapshotOutcome::kStored);
  storage().NoteReplicaSeen(kNil, version_ids[2], 1'700'000'000);
  EXPECT_EQ(VersionIdsOf(ReadChain(storage(), kNil, kNil)), version_ids);
  EXPECT_TRUE(Delete(storage(), kNil));
  EXPECT_TRUE(std::holds_alternative<NoSuchClient>(GetChild(storage(), kNil, kNil)));
  EXPECT_EQ(Access(storage()).bans.size(), 1u);
  EXPECT_EQ(Access(storage()).invites.size(), 1u);
  EXPECT_EQ(*storage().administration().PseudonymKey(), *key);
}

// If this fails, the log's pseudonyms change from line to line, or can be guessed.
TEST_P(StorageSuite, ThePseudonymKeyIsMadeOnce) {
  const auto key = storage().administration().PseudonymKey();
  ASSERT_TRUE(key.ok()) << key.status();
  EXPECT_EQ(key->size(), 32u);
  EXPECT_NE(*key, std::string(32, '\0'));
  EXPECT_EQ(*storage().administration().PseudonymKey(), *key);
}

}  // namespace
}  // namespace tcsync
