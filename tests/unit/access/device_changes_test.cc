// The rules of devices. If these fail, a lost computer stays in, or its user's other computers are
// shut out with it.
#include "access/device_changes.h"

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "access/token.h"
#include "base/limits.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tcsync::access {
namespace {

using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;

constexpr int64_t kNow = 1'700'000'000;

TokenDigest D(absl::string_view name) { return DigestOf(name); }
DeviceId I(absl::string_view name) {
  Device device;
  device.digest = D(name);
  return device.id();
}

class DeviceChangesTest : public testing::Test {
 protected:
  DeviceChangesTest() { state_.client_exists = true; }

  std::optional<DeviceRefusal> MintBy(const std::optional<TokenDigest>& by,
                                      absl::string_view name) {
    return Mint(by, D(name), absl::StrCat("label of ", name), kNow, state_);
  }
  std::optional<DeviceRefusal> RevokeBy(const std::optional<TokenDigest>& by,
                                        absl::string_view name, std::vector<DeviceId> keep = {}) {
    removed_.clear();
    return Revoke(by, {.device = I(name), .keep = std::move(keep)}, state_, removed_);
  }
  std::vector<DeviceId> Left() const {
    std::vector<DeviceId> ids;
    for (const Device& device : state_.devices.devices) ids.push_back(device.id());
    return ids;
  }

  DeviceState state_;
  std::vector<DeviceId> removed_;
};

TEST_F(DeviceChangesTest, ADeviceRemembersItsMinter) {
  EXPECT_EQ(MintBy(std::nullopt, "desktop"), std::nullopt);
  EXPECT_EQ(MintBy(D("desktop"), "phone"), std::nullopt);
  EXPECT_EQ(MintBy(D("an invite"), "laptop"), std::nullopt);
  const auto& devices = state_.devices.devices;
  ASSERT_EQ(devices.size(), 3u);
  EXPECT_EQ(devices[0].minted_by, std::nullopt);
  EXPECT_EQ(devices[1].minted_by, I("desktop"));
  EXPECT_EQ(devices[2].minted_by, std::nullopt);
  EXPECT_EQ(devices[1].label, "label of phone");
  EXPECT_EQ(devices[1].since_unix_seconds, kNow);
  EXPECT_EQ(state_.devices.tokenless_last_seen_unix_seconds, DayOf(kNow));
  EXPECT_FALSE(state_.devices.requires_token);
  // Repeated, as after a lost answer.
  EXPECT_EQ(MintBy(std::nullopt, "desktop"), std::nullopt);
  EXPECT_EQ(devices.size(), 3u);
}

TEST_F(DeviceChangesTest, AClientHasAtMostSoManyDevices) {
  for (size_t i = 0; i < base::kDevicesMax; ++i) {
    EXPECT_EQ(MintBy(std::nullopt, absl::StrCat(i)), std::nullopt);
  }
  EXPECT_EQ(MintBy(std::nullopt, "one more"), DeviceRefusal::kTooMany);
  EXPECT_EQ(RevokeBy(D("0"), "1"), std::nullopt);
  EXPECT_EQ(MintBy(D("0"), "one more"), std::nullopt);
}

TEST_F(DeviceChangesTest, UnknownClientsHaveNone) {
  state_.client_exists = false;
  EXPECT_EQ(MintBy(std::nullopt, "desktop"), DeviceRefusal::kNoSuchClient);
  EXPECT_EQ(RevokeBy(std::nullopt, "desktop"), DeviceRefusal::kNoSuchClient);
}

// A computer that revokes without a token of its own would be out from then on.
TEST_F(DeviceChangesTest, NobodyShutsItselfOut) {
  MintBy(std::nullopt, "desktop");
  MintBy(std::nullopt, "laptop");
  EXPECT_EQ(RevokeBy(std::nullopt, "laptop"), DeviceRefusal::kNeedsOwnToken);
  EXPECT_EQ(RevokeBy(D("nonsense"), "laptop"), DeviceRefusal::kNeedsOwnToken);
  EXPECT_EQ(RevokeBy(D("desktop"), "desktop"), DeviceRefusal::kOwnDevice);
  EXPECT_EQ(RevokeBy(D("desktop"), "nobody's"), DeviceRefusal::kNoSuchDevice);
  EXPECT_FALSE(state_.devices.requires_token);
  EXPECT_TRUE(removed_.empty());
}

TEST_F(DeviceChangesTest, AfterARevocationOnlyDevicesAreAdmitted) {
  MintBy(std::nullopt, "desktop");
  MintBy(std::nullopt, "laptop");
  EXPECT_TRUE(state_.Admits(std::nullopt));
  EXPECT_EQ(RevokeBy(D("desktop"), "laptop"), std::nullopt);
  EXPECT_THAT(removed_, ElementsAre(I("laptop")));
  EXPECT_FALSE(state_.Admits(std::nullopt));
  EXPECT_FALSE(state_.Admits(D("laptop")));
  EXPECT_TRUE(state_.Admits(D("desktop")));
  // Nor can the revoked one, or anybody without a token, come back by a new device.
  EXPECT_EQ(MintBy(D("laptop"), "thief"), DeviceRefusal::kNotAdmitted);
  EXPECT_EQ(MintBy(std::nullopt, "thief"), DeviceRefusal::kNotAdmitted);
}

// The laptop was minted by the desktop's owner; its thief mints, and mints by that once more.
TEST_F(DeviceChangesTest, DescendantsGoWithADevice) {
  MintBy(std::nullopt, "desktop");
  MintBy(D("desktop"), "laptop");
  MintBy(D("laptop"), "child");
  MintBy(D("child"), "grandchild");
  MintBy(D("desktop"), "phone");
  EXPECT_EQ(RevokeBy(D("desktop"), "laptop"), std::nullopt);
  EXPECT_THAT(removed_, UnorderedElementsAre(I("laptop"), I("child"), I("grandchild")));
  EXPECT_THAT(Left(), ElementsAre(I("desktop"), I("phone")));
}

TEST_F(DeviceChangesTest, TheCallerAndThoseToKeepStay) {
  MintBy(std::nullopt, "laptop");
  MintBy(D("laptop"), "desktop");
  MintBy(D("desktop"), "tablet");
  MintBy(D("tablet"), "watch");
  MintBy(D("laptop"), "phone");
  EXPECT_EQ(RevokeBy(D("desktop"), "laptop", {I("phone"), I("watch"), I("unknown")}), std::nullopt);
  EXPECT_THAT(removed_, UnorderedElementsAre(I("laptop"), I("tablet")));
  EXPECT_THAT(Left(), ElementsAre(I("desktop"), I("watch"), I("phone")));
  // The device itself cannot be kept.
  EXPECT_EQ(RevokeBy(D("desktop"), "phone", {I("phone")}), std::nullopt);
  EXPECT_THAT(removed_, ElementsAre(I("phone")));
}

// The operator's token is known to every computer of the client, to the lost one as well.
TEST_F(DeviceChangesTest, ARevocationEndsTheOperatorsToken) {
  state_.token = ClientToken{.client_id = {}, .digest = D("operator")};
  EXPECT_FALSE(state_.Admits(std::nullopt));
  EXPECT_EQ(MintBy(std::nullopt, "thief"), DeviceRefusal::kNotAdmitted);
  EXPECT_EQ(MintBy(D("operator"), "desktop"), std::nullopt);
  EXPECT_EQ(MintBy(D("operator"), "laptop"), std::nullopt);
  EXPECT_TRUE(state_.Admits(D("operator")));
  EXPECT_TRUE(state_.Admits(D("laptop")));
  EXPECT_EQ(RevokeBy(D("desktop"), "laptop"), std::nullopt);
  EXPECT_FALSE(state_.Admits(D("operator")));
  EXPECT_FALSE(state_.token.has_value());
}

TEST_F(DeviceChangesTest, AMergeBringsNoRevokedDeviceBack) {
  MintBy(std::nullopt, "desktop");
  MintBy(D("desktop"), "laptop");
  const ClientDevices older = state_.devices;
  RevokeBy(D("desktop"), "laptop");
  const ClientDevices later = state_.devices;
  // An older export into the present state, twice.
  EXPECT_FALSE(Merge(older, state_.devices));
  EXPECT_THAT(Left(), ElementsAre(I("desktop")));
  EXPECT_TRUE(state_.devices.requires_token);
  // The later one over the older state, as after a backup was restored.
  state_.devices = older;
  EXPECT_TRUE(Merge(later, state_.devices));
  EXPECT_THAT(Left(), ElementsAre(I("desktop")));
  EXPECT_TRUE(state_.devices.requires_token);
  EXPECT_FALSE(Merge(later, state_.devices));
  // To a server that has nothing, and then a phone that came there.
  state_.devices = {};
  EXPECT_TRUE(Merge(later, state_.devices));
  state_.client_exists = true;
  EXPECT_EQ(MintBy(D("desktop"), "phone"), std::nullopt);
  EXPECT_FALSE(Merge(later, state_.devices));
  EXPECT_THAT(Left(), ElementsAre(I("desktop"), I("phone")));
}

TEST_F(DeviceChangesTest, OnlySoManyRevokedDevicesAreRemembered) {
  for (size_t i = 0; i < ClientDevices::kRevokedMax + 5; ++i) {
    state_.devices.NoteRevoked(I(absl::StrCat(i)));
    state_.devices.NoteRevoked(I(absl::StrCat(i)));
  }
  EXPECT_EQ(state_.devices.revoked.size(), ClientDevices::kRevokedMax);
  EXPECT_EQ(state_.devices.revoked.front(), I("5"));
}

TEST(DeviceIdTest, HasOneForm) {
  EXPECT_EQ(ParseDeviceId("0123456789ab").value_or(DeviceId{}),
            (DeviceId{0x01, 0x23, 0x45, 0x67, 0x89, 0xab}));
  EXPECT_EQ(ToText(*ParseDeviceId("0123456789ab")), "0123456789ab");
  for (const char* const text :
       {"", "0123456789a", "0123456789abc", "0123456789AB", "0123456789ag", " 123456789ab"}) {
    EXPECT_EQ(ParseDeviceId(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace tcsync::access
