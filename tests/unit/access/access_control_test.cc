// Admission. If these fail, a refused client comes in, a well-behaved one is refused, or one
// person's requests are charged to another.
#include "access/access_control.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "access/token.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "scripted_access_records.h"
#include "tests/unit/sync/manual_clock.h"

namespace tcsync::access {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const Uuid kClient = *Uuid::Parse("c11e4700-0000-4000-8000-000000000001");
const Uuid kOtherClient = *Uuid::Parse("c11e4700-0000-4000-8000-000000000002");
const TokenDigest kToken = DigestOf("token");
const TokenDigest kOtherToken = DigestOf("other token");

PeerAddress Address(absl::string_view text) { return *PeerAddress::Parse(text); }

StorageStats Usage(uint64_t disk_bytes_free, uint64_t disk_bytes_total) {
  StorageStats stats;
  stats.disk_bytes_free = disk_bytes_free;
  stats.disk_bytes_total = disk_bytes_total;
  return stats;
}

class AccessControlTest : public testing::Test {
 protected:
  AccessControlTest() { Open({}); }

  void Open(const std::vector<std::pair<std::string, std::string>>& settings) {
    Options options;
    for (const auto& [name, value] : settings) {
      EXPECT_TRUE(SetOption(name, value, options).ok()) << name;
    }
    const absl::StatusOr<AccessPolicy> policy = AccessPolicy::From(options);
    ASSERT_TRUE(policy.ok()) << policy.status();
    control_.emplace(table_, *policy, clock_, clock_);
  }

  void Refresh() { ASSERT_TRUE(table_.Refresh(records_).ok()); }

  static Visitor From(absl::string_view address, const Uuid& client_id = kClient,
                      std::optional<TokenDigest> token = std::nullopt) {
    return {.client_id = client_id, .token = token, .source = Address(address)};
  }

  std::optional<RefusalReason> ReasonFor(const Visitor& visitor, bool writes = false) {
    const std::optional<Refusal> refusal = control_->RefusalOf(visitor, writes);
    if (!refusal) return std::nullopt;
    EXPECT_FALSE(refusal->sentence.empty());
    return refusal->reason;
  }

  int Admitted(const Visitor& visitor, int tries) {
    int admitted = 0;
    for (int i = 0; i < tries; ++i) admitted += ReasonFor(visitor) ? 0 : 1;
    return admitted;
  }

  ManualClock clock_;
  ScriptedAccessRecords records_;
  AccessTable table_;
  std::optional<AccessControl> control_;
};

// If this fails, a server without options for admission serves no new user.
TEST_F(AccessControlTest, StrangersAreAdmittedByDefault) {
  EXPECT_EQ(ReasonFor(From("192.0.2.7")), std::nullopt);
  EXPECT_EQ(ReasonFor(From("192.0.2.7"), true), std::nullopt);
  EXPECT_EQ(ReasonFor(From("192.0.2.7", kClient, kToken)), std::nullopt)
      << "a URL with a token that is not needed fails";
  EXPECT_TRUE(control_->PermitCreation(From("192.0.2.7")).create_client());
}

// If this fails, a client outside the list is served, or one inside is not, or strangers use up the
// requests of an allowed client's address.
TEST_F(AccessControlTest, AnAllowListServesItsClientsOnly) {
  Open({{"allow-client-id", kClient.ToString()},
        {"address-requests-per-second", "1"},
        {"address-requests-burst", "5"}});
  records_.records.bans.push_back({kOtherClient, "", 1});
  Refresh();
  const std::optional<Refusal> refusal = control_->RefusalOf(From("192.0.2.7", Uuid()), false);
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->reason, RefusalReason::kNotAllowed);
  EXPECT_EQ(StatusOf(refusal->reason), 403);
  EXPECT_THAT(refusal->operator_note, HasSubstr("allow-client-id"));
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(ReasonFor(From("192.0.2.7", kOtherClient)), RefusalReason::kNotAllowed);
  }
  EXPECT_EQ(Admitted(From("192.0.2.7"), 10), 5);
}

// If this fails, a ban or its lifting has no effect, or a banned user reads the operator's words.
TEST_F(AccessControlTest, ABanRefusesAClientUntilItIsLifted) {
  records_.records.bans.push_back({kClient, "sells captchas", 1});
  Refresh();
  const std::optional<Refusal> refusal = control_->RefusalOf(From("192.0.2.7"), false);
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->reason, RefusalReason::kBanned);
  EXPECT_EQ(StatusOf(refusal->reason), 403);
  EXPECT_THAT(refusal->sentence, Not(HasSubstr("captchas"))) << "the operator's words get out";
  EXPECT_THAT(refusal->operator_note, HasSubstr("captchas"));
  EXPECT_EQ(ReasonFor(From("192.0.2.7", kOtherClient)), std::nullopt);
  records_.records.bans.clear();
  Refresh();
  EXPECT_EQ(ReasonFor(From("192.0.2.7")), std::nullopt);
}

// If this fails, a persistent banned client uses up the requests of its address, which other
// clients share.
TEST_F(AccessControlTest, ABannedClientUsesNoTokensOfItsAddress) {
  Open({{"address-requests-per-second", "1"}, {"address-requests-burst", "5"}});
  records_.records.bans.push_back({kClient, "", 1});
  Refresh();
  for (int i = 0; i < 100; ++i) EXPECT_EQ(ReasonFor(From("192.0.2.7")), RefusalReason::kBanned);
  EXPECT_EQ(Admitted(From("192.0.2.7", kOtherClient), 10), 5);
}

// If this fails, a leaked client ID still opens a history after its owner got a token.
TEST_F(AccessControlTest, AClientWithATokenIsRefusedWithoutIt) {
  records_.records.tokens.push_back({kClient, kToken, 1});
  records_.records.invites.push_back({.digest = kOtherToken, .label = "open"});
  Refresh();
  EXPECT_EQ(ReasonFor(From("192.0.2.7", kClient, kToken)), std::nullopt);
  EXPECT_EQ(ReasonFor(From("192.0.2.7")), RefusalReason::kToken);
  EXPECT_EQ(ReasonFor(From("192.0.2.7", kClient, kOtherToken)), RefusalReason::kToken)
      << "an invite opens another client's history";
  EXPECT_EQ(ReasonFor(From("192.0.2.7", kOtherClient)), std::nullopt);
  // Reissued: the old one is worthless.
  records_.records.tokens[0].digest = DigestOf("new");
  Refresh();
  EXPECT_EQ(ReasonFor(From("192.0.2.7", kClient, kToken)), RefusalReason::kToken);
  EXPECT_EQ(ReasonFor(From("192.0.2.7", kClient, DigestOf("new"))), std::nullopt);
}

// If this fails, one runaway replica takes the server from all others, or an operator cannot find
// it.
TEST_F(AccessControlTest, AClientIsLimitedToItsRate) {
  Open({{"client-requests-per-second", "2"}, {"client-requests-burst", "10"}});
  EXPECT_EQ(Admitted(From("192.0.2.7"), 20), 10);
  EXPECT_EQ(Admitted(From("198.51.100.4"), 20), 0) << "another address is another bucket";
  EXPECT_EQ(Admitted(From("192.0.2.7", kOtherClient), 20), 10);
  const std::optional<Refusal> refusal = control_->RefusalOf(From("192.0.2.7"), false);
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->reason, RefusalReason::kClientRate);
  EXPECT_EQ(StatusOf(refusal->reason), 429);
  EXPECT_EQ(refusal->retry_after_seconds, 1) << "half a second is rounded up to a whole one";
  EXPECT_EQ(refusal->source, "192.0.2.7") << "an operator cannot tell the source of a flood";
  clock_.Advance(absl::Seconds(3));
  EXPECT_EQ(Admitted(From("192.0.2.7"), 20), 6);
}

// If this fails, a stranger escapes the limit of an address by new client IDs.
TEST_F(AccessControlTest, AnAddressIsLimitedToItsRate) {
  Open({{"address-requests-per-second", "1"}, {"address-requests-burst", "10"}});
  int admitted = 0;
  for (int i = 0; i < 30; ++i) admitted += ReasonFor(From("192.0.2.7", Uuid::Random())) ? 0 : 1;
  EXPECT_EQ(admitted, 10) << "new client IDs make new buckets of the address";
  const std::optional<Refusal> refusal = control_->RefusalOf(From("192.0.2.7"), false);
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->reason, RefusalReason::kAddressRate);
  EXPECT_EQ(StatusOf(refusal->reason), 429);
  EXPECT_EQ(ReasonFor(From("192.0.2.8")), std::nullopt);
}

// An IPv6 customer has a /64 at least. If this fails, one machine has 2^64 buckets.
TEST_F(AccessControlTest, Ipv6AddressesOfOneNetworkShareALimit) {
  Open({{"address-requests-per-second", "1"}, {"address-requests-burst", "2"}});
  EXPECT_EQ(ReasonFor(From("2001:db8:1:2::1")), std::nullopt);
  EXPECT_EQ(ReasonFor(From("2001:db8:1:2:ffff::2")), std::nullopt);
  EXPECT_EQ(ReasonFor(From("2001:db8:1:2::3")), RefusalReason::kAddressRate);
  EXPECT_EQ(control_->RefusalOf(From("2001:db8:1:2::3"), false)->source, "2001:db8:1:2::/64");
  EXPECT_EQ(ReasonFor(From("2001:db8:1:3::1")), std::nullopt);
  EXPECT_EQ(ReasonFor(From("::ffff:192.0.2.1")), std::nullopt);
  EXPECT_EQ(ReasonFor(From("::ffff:192.0.2.2")), std::nullopt);
  EXPECT_EQ(ReasonFor(From("::ffff:192.0.2.3")), std::nullopt) << "IPv4 addresses share a bucket";
}

// If this fails, a flood from one address locks out the client whose ID it knows.
TEST_F(AccessControlTest, ARefusalOfTheAddressUsesNoTokensOfTheClient) {
  Open({{"address-requests-per-second", "1"},
        {"address-requests-burst", "5"},
        {"client-requests-per-second", "1"},
        {"client-requests-burst", "20"}});
  EXPECT_EQ(Admitted(From("192.0.2.7"), 1000), 5);
  EXPECT_EQ(Admitted(From("198.51.100.4"), 5), 5) << "the owner, elsewhere";
}

// If this fails, a leaked client ID lets anyone lock its owner out, even after a token was set.
TEST_F(AccessControlTest, AWrongTokenDoesNotCountAgainstTheClientsRate) {
  Open({{"client-requests-per-second", "1"}, {"client-requests-burst", "5"}});
  records_.records.tokens.push_back({kClient, kToken, 1});
  Refresh();
  for (int i = 0; i < 100; ++i) EXPECT_EQ(ReasonFor(From("192.0.2.7")), RefusalReason::kToken);
  EXPECT_EQ(Admitted(From("198.51.100.4", kClient, kToken), 5), 5);
}

// If this fails, all peers at a Unix socket or behind an embedding program share one bucket.
TEST_F(AccessControlTest, UnknownAndLocalPeersHaveNoAddressLimit) {
  Open({{"address-requests-per-second", "1"},
        {"address-requests-burst", "1"},
        {"new-clients-per-address-day", "1"}});
  for (const PeerAddress& source : {PeerAddress(), PeerAddress::Local()}) {
    for (int i = 0; i < 10; ++i) {
      const Visitor visitor{.client_id = kClient, .token = {}, .source = source};
      EXPECT_EQ(ReasonFor(visitor), std::nullopt);
      CreationPermit permit = control_->PermitCreation(visitor);
      EXPECT_TRUE(permit.create_client());
      permit.ClientWasCreated();
    }
  }
}

// If this fails, all users behind a proxy share one limit.
TEST_F(AccessControlTest, ASourceBehindATrustedProxyIsLimitedByItself) {
  Open({{"trusted-proxy", "192.0.2.1"}});
  ForwardedFields fields;
  fields.forwarded_for = {"203.0.113.9"};
  EXPECT_EQ(control_->SourceOf(Address("192.0.2.1"), fields), Address("203.0.113.9"));
  EXPECT_EQ(control_->SourceOf(Address("192.0.2.2"), fields), Address("192.0.2.2"));
}

// If this fails, a stranger fills the server with new clients, or a refused user does not learn
// when to come again.
TEST_F(AccessControlTest, NewClientsOfAnAddressAreLimited) {
  Open({{"new-clients-per-address-day", "2"}});
  for (int i = 0; i < 2; ++i) {
    CreationPermit permit = control_->PermitCreation(From("192.0.2.7"));
    EXPECT_TRUE(permit.create_client());
    permit.ClientWasCreated();
  }
  {
    const CreationPermit permit = control_->PermitCreation(From("192.0.2.7"));
    EXPECT_FALSE(permit.create_client());
    ASSERT_TRUE(permit.refusal());
    EXPECT_EQ(permit.refusal()->reason, RefusalReason::kNewClients);
    EXPECT_EQ(StatusOf(permit.refusal()->reason), 429);
    EXPECT_EQ(permit.refusal()->retry_after_seconds, 12 * 3600);
    EXPECT_EQ(permit.refusal()->source, "192.0.2.7");
  }
  EXPECT_TRUE(control_->PermitCreation(From("192.0.2.8")).create_client());
  clock_.Advance(absl::Hours(12));
  EXPECT_TRUE(control_->PermitCreation(From("192.0.2.7")).create_client());
}

// If this fails, every add-version of an existing client counts as a new client.
TEST_F(AccessControlTest, RequestsThatCreateNoClientAreNotCounted) {
  Open({{"new-clients-per-address-day", "1"}});
  for (int i = 0; i < 10; ++i) {
    EXPECT_TRUE(control_->PermitCreation(From("192.0.2.7")).create_client());
  }
}

// If this fails, many requests at once exceed the limit on new clients.
TEST_F(AccessControlTest, CreationsInProgressAreCounted) {
  Open({{"new-clients-per-address-day", "1"}});
  std::optional<CreationPermit> first(control_->PermitCreation(From("192.0.2.7")));
  EXPECT_TRUE(first->create_client());
  EXPECT_FALSE(control_->PermitCreation(From("192.0.2.7")).create_client());
  first.reset();
  EXPECT_TRUE(control_->PermitCreation(From("192.0.2.7")).create_client());
}

// If this fails, a server that is closed to strangers admits them, or tells them more than that
// they have no client, or counts them as new clients.
TEST_F(AccessControlTest, AServerWithoutCreationRefusesNewClients) {
  Open({{"create-clients", "off"}, {"new-clients-per-address-day", "1"}});
  records_.records.invites.push_back({.digest = kToken, .label = "friends"});
  Refresh();
  std::vector<CreationPermit> permits;
  for (const std::optional<TokenDigest>& token :
       {std::optional<TokenDigest>(), std::optional<TokenDigest>(kToken)}) {
    const Visitor visitor = From("192.0.2.7", kClient, token);
    permits.push_back(control_->PermitCreation(visitor));
    EXPECT_FALSE(permits.back().create_client());
    EXPECT_EQ(permits.back().invite(), std::nullopt);
    EXPECT_FALSE(permits.back().refusal());
    EXPECT_FALSE(control_->RefusalOfUnknown(visitor));
    EXPECT_EQ(ReasonFor(visitor, true), std::nullopt) << "a client that exists is locked out";
  }
}

// If this fails, strangers create clients on a server for invited people.
TEST_F(AccessControlTest, AnInviteOnlyServerRequiresInvites) {
  Open({{"invite-only", "on"}});
  records_.records.invites.push_back({.digest = kToken, .label = "friends", .uses_max = 2});
  Refresh();
  const CreationPermit with = control_->PermitCreation(From("192.0.2.7", kClient, kToken));
  EXPECT_TRUE(with.create_client());
  EXPECT_EQ(with.invite(), kToken);
  ASSERT_TRUE(with.refusal()) << "when storage finds the invite used up";
  EXPECT_EQ(with.refusal()->reason, RefusalReason::kInvite);

  for (const std::optional<TokenDigest>& token :
       {std::optional<TokenDigest>(), std::optional<TokenDigest>(kOtherToken)}) {
    const Visitor visitor = From("192.0.2.7", kClient, token);
    const CreationPermit without = control_->PermitCreation(visitor);
    EXPECT_FALSE(without.create_client());
    EXPECT_EQ(without.invite(), std::nullopt);
    ASSERT_TRUE(without.refusal());
    EXPECT_EQ(without.refusal()->reason, RefusalReason::kInvite);
    EXPECT_EQ(StatusOf(without.refusal()->reason), 403);
    ASSERT_TRUE(control_->RefusalOfUnknown(visitor));
    EXPECT_EQ(control_->RefusalOfUnknown(visitor)->reason, RefusalReason::kInvite);
    EXPECT_EQ(ReasonFor(visitor, true), std::nullopt) << "a client that exists is locked out";
  }
  EXPECT_FALSE(control_->RefusalOfUnknown(From("192.0.2.7", kClient, kToken)));
}

// If this fails, a used-up or expired invite still lets people in.
TEST_F(AccessControlTest, UsedUpAndExpiredInvitesAreRefused) {
  Open({{"invite-only", "on"}});
  const int64_t now = absl::ToUnixSeconds(clock_.Now());
  records_.records.invites.push_back(
      {.digest = kToken, .label = "", .expires_unix_seconds = now + 60});
  records_.records.invites.push_back(
      {.digest = kOtherToken, .label = "", .uses_max = 3, .uses = 3});
  Refresh();
  EXPECT_TRUE(control_->PermitCreation(From("192.0.2.7", kClient, kToken)).create_client());
  EXPECT_FALSE(control_->PermitCreation(From("192.0.2.7", kClient, kOtherToken)).create_client());
  EXPECT_THAT(control_->RefusalOfUnknown(From("192.0.2.7", kClient, kOtherToken))->sentence,
              HasSubstr("used up"));
  clock_.Advance(absl::Seconds(60));
  EXPECT_FALSE(control_->PermitCreation(From("192.0.2.7", kClient, kToken)).create_client());
  EXPECT_THAT(control_->RefusalOfUnknown(From("192.0.2.7", kClient, kToken))->sentence,
              HasSubstr("expired"));
}

// If this fails, an open server uses up an invite, or a wrong path keeps out a client that needs no
// invite.
TEST_F(AccessControlTest, AnOpenServerRequiresNoInvite) {
  records_.records.invites.push_back({.digest = kToken, .label = "", .uses_max = 1, .uses = 1});
  Refresh();
  const CreationPermit permit = control_->PermitCreation(From("192.0.2.7", kClient, kToken));
  EXPECT_TRUE(permit.create_client());
  EXPECT_EQ(permit.invite(), std::nullopt);
  EXPECT_FALSE(permit.refusal());
  EXPECT_FALSE(control_->RefusalOfUnknown(From("192.0.2.7")));
}

// If this fails, a full server takes more than its cap, or keeps users from their own data.
TEST_F(AccessControlTest, TheTotalCapStopsWritesAndNotReads) {
  Open({{"total-bytes-max", "1000"}});
  uint64_t live_bytes = 999;
  control_->SetLiveBytes([&live_bytes] { return live_bytes; });
  EXPECT_EQ(ReasonFor(From("192.0.2.7"), true), std::nullopt);
  live_bytes = 1000;
  EXPECT_EQ(ReasonFor(From("192.0.2.7"), true), RefusalReason::kTotalBytes);
  EXPECT_EQ(StatusOf(RefusalReason::kTotalBytes), 507);
  EXPECT_EQ(ReasonFor(From("192.0.2.7"), false), std::nullopt);
  live_bytes = 500;
  EXPECT_EQ(ReasonFor(From("192.0.2.7"), true), std::nullopt) << "a removal makes room at once";
}

// If this fails, uploads fill the disk, or users cannot read while it is short.
TEST_F(AccessControlTest, TheDiskFloorStopsWritesAndNotReads) {
  Open({{"disk-free-bytes-min", "1000"}});
  control_->UpdateUsage(Usage(1000, 5000));
  EXPECT_EQ(ReasonFor(From("192.0.2.7"), true), std::nullopt);
  control_->UpdateUsage(Usage(999, 5000));
  EXPECT_EQ(ReasonFor(From("192.0.2.7"), true), RefusalReason::kDiskFloor);
  EXPECT_EQ(StatusOf(RefusalReason::kDiskFloor), 507);
  EXPECT_EQ(ReasonFor(From("192.0.2.7"), false), std::nullopt);
  control_->UpdateUsage(Usage(0, 0));
  EXPECT_EQ(ReasonFor(From("192.0.2.7"), true), std::nullopt) << "storage in memory has no disk";
}

// If this fails, an operator who turned a limit off still meets it.
TEST_F(AccessControlTest, ZeroIsNoLimit) {
  Open({{"total-bytes-max", "0"},
        {"disk-free-bytes-min", "0"},
        {"client-requests-per-second", "0"},
        {"address-requests-per-second", "0"},
        {"new-clients-per-address-day", "0"}});
  control_->SetLiveBytes([] { return 1'000'000'000; });
  control_->UpdateUsage(Usage(0, 5000));
  for (int i = 0; i < 100'000; ++i) ASSERT_EQ(ReasonFor(From("192.0.2.7"), true), std::nullopt);
  for (int i = 0; i < 1000; ++i) {
    CreationPermit permit = control_->PermitCreation(From("192.0.2.7"));
    ASSERT_TRUE(permit.create_client());
    permit.ClientWasCreated();
  }
}

// If this fails, a server starts that can never create a client.
TEST(AccessPolicyTest, ContradictionsAreRefused) {
  Options options;
  options.invite_only = true;
  options.create_clients = false;
  const absl::Status status = AccessPolicy::From(options).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("invite-only"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("create-clients"));
  Options proxies;
  proxies.trusted_proxies = {"10.0.0.0/99"};
  EXPECT_EQ(AccessPolicy::From(proxies).status().code(), absl::StatusCode::kInvalidArgument);
}

// If this fails, two kinds of refusals are one in the metrics and the log.
TEST(RefusalReasonTest, NamesAreUnique) {
  std::vector<absl::string_view> names;
  for (size_t i = 0; i < kRefusalReasonCount; ++i) {
    const absl::string_view name = NameOf(static_cast<RefusalReason>(i));
    EXPECT_THAT(names, Not(testing::Contains(name)));
    names.push_back(name);
    EXPECT_GE(StatusOf(static_cast<RefusalReason>(i)), 400);
  }
}

// If this fails, a computer that its user has shut out is served, or the user's others are refused.
TEST_F(AccessControlTest, AfterARevocationOnlyDevicesAreServed) {
  DeviceState& state = records_.devices[kClient];
  state.devices.devices.resize(1);
  state.devices.devices[0].digest = kToken;
  Refresh();
  EXPECT_EQ(ReasonFor(From("192.0.2.1")), std::nullopt) << "an open client";
  EXPECT_EQ(ReasonFor(From("192.0.2.1", kClient, kOtherToken)), std::nullopt);
  state.devices.requires_token = true;
  // One client alone is read again.
  EXPECT_TRUE(table_
                  .UpdateGate(kClient,
                              [&]() -> absl::StatusOr<std::optional<DeviceGate>> {
                                return GateOf(kClient, state.devices);
                              })
                  .ok());
  EXPECT_EQ(ReasonFor(From("192.0.2.1")), RefusalReason::kToken);
  EXPECT_EQ(ReasonFor(From("192.0.2.1", kClient, kOtherToken)), RefusalReason::kToken);
  EXPECT_EQ(ReasonFor(From("192.0.2.1", kClient, kToken)), std::nullopt);
  EXPECT_EQ(ReasonFor(From("192.0.2.1", kOtherClient)), std::nullopt);
  Refresh();
  EXPECT_EQ(ReasonFor(From("192.0.2.1")), RefusalReason::kToken);
  // A failed reading changes nothing, and a later one opens the client.
  EXPECT_FALSE(table_
                   .UpdateGate(kClient,
                               []() -> absl::StatusOr<std::optional<DeviceGate>> {
                                 return absl::UnavailableError("away");
                               })
                   .ok());
  EXPECT_EQ(ReasonFor(From("192.0.2.1")), RefusalReason::kToken);
  records_.devices.clear();
  Refresh();
  EXPECT_EQ(ReasonFor(From("192.0.2.1")), std::nullopt);
}

// If this fails, a computer with a token of its own is refused because an operator gave out one.
TEST_F(AccessControlTest, TheOperatorsTokenOrADevicesIsServed) {
  records_.records.tokens = {{.client_id = kClient, .digest = kToken, .since_unix_seconds = 1}};
  DeviceState& state = records_.devices[kClient];
  state.token = records_.records.tokens[0];
  state.devices.devices.resize(1);
  state.devices.devices[0].digest = kOtherToken;
  Refresh();
  EXPECT_EQ(ReasonFor(From("192.0.2.1", kClient, kToken)), std::nullopt);
  EXPECT_EQ(ReasonFor(From("192.0.2.1", kClient, kOtherToken)), std::nullopt);
  EXPECT_EQ(ReasonFor(From("192.0.2.1")), RefusalReason::kToken);
}

}  // namespace
}  // namespace tcsync::access
