// The storage suite, devices: the tokens of a client's computers.
#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/device_codec.h"
#include "tests/unit/storage/storage_changes.h"
#include "tests/unit/storage/storage_suite.h"

namespace tcsync {
namespace {

using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;

Device DeviceFor(char fill, std::string label = "label") {
  return {.digest = DigestOf(fill),
          .minted_by = std::nullopt,
          .since_unix_seconds = 1'700'000'000,
          .last_seen_unix_seconds = 0,
          .label = std::move(label)};
}

DeviceState DevicesOf(Storage& storage, const Uuid& client_id) {
  auto state = storage.administration().ReadDevices(client_id);
  EXPECT_TRUE(state.ok()) << state.status();
  return state.ok() ? *std::move(state) : DeviceState();
}

std::vector<DeviceGate> GatesOf(Storage& storage) {
  auto gates = storage.administration().ReadDeviceGates();
  EXPECT_TRUE(gates.ok()) << gates.status();
  return gates.ok() ? *std::move(gates) : std::vector<DeviceGate>();
}

void AddDevice(Storage& storage, const Uuid& client_id, const Device& device,
               bool requires_token = false) {
  const absl::Status changed = storage.administration().ChangeDevices(
      client_id, /*may_use_reserve=*/false, [&](DeviceState& state) -> absl::StatusOr<bool> {
        if (state.devices.FindByDigest(device.digest) == nullptr) {
          state.devices.devices.push_back(device);
        }
        state.devices.requires_token |= requires_token;
        return true;
      });
  EXPECT_TRUE(changed.ok()) << changed;
}

// If this fails, a computer's token or its name is lost, or another client has it.
TEST_P(StorageSuite, DevicesAreKeptAsTheyWereGiven) {
  const Uuid last = *Uuid::Parse("ffffffff-ffff-ffff-ffff-ffffffffffff");
  const Uuid client = Uuid::Random();
  MustAppend(storage(), client, kNil);
  EXPECT_TRUE(DevicesOf(storage(), client).client_exists);
  EXPECT_TRUE(DevicesOf(storage(), client).devices.is_empty());
  Device first = DeviceFor('\0', std::string("\0\xff sealed", 9));
  Device second = DeviceFor('\xff', std::string(512, '\x80'));
  second.minted_by = first.id();
  second.last_seen_unix_seconds = 86'400 * 20'000;
  AddDevice(storage(), client, first);
  AddDevice(storage(), client, second);
  AddDevice(storage(), last, DeviceFor('l'));
  AddDevice(storage(), kNil, DeviceFor('n'));

  const DeviceState state = DevicesOf(storage(), client);
  ASSERT_EQ(state.devices.devices.size(), 2u);
  EXPECT_EQ(state.devices.devices[0].digest, first.digest);
  EXPECT_EQ(state.devices.devices[0].label, first.label);
  EXPECT_EQ(state.devices.devices[0].minted_by, std::nullopt);
  EXPECT_EQ(state.devices.devices[0].since_unix_seconds, 1'700'000'000);
  EXPECT_EQ(state.devices.devices[0].last_seen_unix_seconds, 0);
  EXPECT_EQ(state.devices.devices[1].label, second.label);
  EXPECT_EQ(state.devices.devices[1].minted_by, first.id());
  EXPECT_EQ(state.devices.devices[1].last_seen_unix_seconds, second.last_seen_unix_seconds);
  EXPECT_FALSE(state.devices.requires_token);
  EXPECT_EQ(DevicesOf(storage(), last).devices.devices.front().digest, DigestOf('l'));
  EXPECT_FALSE(DevicesOf(storage(), last).client_exists);
  EXPECT_EQ(DevicesOf(storage(), kNil).devices.devices.size(), 1u);
  EXPECT_TRUE(GatesOf(storage()).empty()) << "an open client is in memory";
  EXPECT_TRUE(Access(storage()).tokens.empty());
}

// If this fails, a refused request changes who is admitted.
TEST_P(StorageSuite, ARefusedChangeOfDevicesChangesNothing) {
  const Uuid client = Uuid::Random();
  AddDevice(storage(), client, DeviceFor('a'));
  const auto change = [&](const absl::StatusOr<bool>& result) {
    return storage().administration().ChangeDevices(client, /*may_use_reserve=*/true,
                                                    [&](DeviceState& state) {
                                                      state.devices.Clear();
                                                      state.devices.requires_token = true;
                                                      return result;
                                                    });
  };
  EXPECT_EQ(change(absl::NotFoundError("no")).code(), absl::StatusCode::kNotFound);
  EXPECT_TRUE(change(false).ok());
  EXPECT_EQ(DevicesOf(storage(), client).devices.devices.size(), 1u);
  EXPECT_TRUE(GatesOf(storage()).empty());
}

// If this fails, a server that starts again admits a computer that was shut out, or shuts others
// out.
TEST_P(StorageSuite, GatesAreThoseOfClientsWhoseRequestsNeedAToken) {
  const Uuid open = Uuid::Random();
  const Uuid gated = Uuid::Random();
  const Uuid with_token = Uuid::Random();
  AddDevice(storage(), open, DeviceFor('o'));
  AddDevice(storage(), gated, DeviceFor('g'));
  AddDevice(storage(), gated, DeviceFor('h'), /*requires_token=*/true);
  Change(storage(), ClientToken{with_token, DigestOf('t'), 4});
  EXPECT_EQ(GatesOf(storage()).size(), 1u);
  AddDevice(storage(), with_token, DeviceFor('w'));
  const std::vector<DeviceGate> gates = GatesOf(storage());
  ASSERT_EQ(gates.size(), 2u);
  for (const DeviceGate& gate : gates) {
    if (gate.client_id == gated) {
      EXPECT_TRUE(gate.requires_token);
      EXPECT_THAT(gate.digests, ElementsAre(DigestOf('g'), DigestOf('h')));
    } else {
      EXPECT_EQ(gate.client_id, with_token);
      EXPECT_FALSE(gate.requires_token);
      EXPECT_THAT(gate.digests, ElementsAre(DigestOf('w')));
    }
  }
}

// If this fails, an operator who shuts everybody out, or lets everybody in, does not.
TEST_P(StorageSuite, AnOperatorsTokenAndItsRemovalRemoveDevices) {
  const Uuid client = Uuid::Random();
  AddDevice(storage(), client, DeviceFor('a'), /*requires_token=*/true);
  Change(storage(), ClientToken{client, DigestOf('t'), 4});
  DeviceState state = DevicesOf(storage(), client);
  EXPECT_TRUE(state.devices.devices.empty());
  EXPECT_FALSE(state.devices.requires_token);
  EXPECT_THAT(state.devices.revoked, ElementsAre(DeviceFor('a').id()));
  ASSERT_TRUE(state.token.has_value());
  EXPECT_EQ(state.token->digest, DigestOf('t'));
  EXPECT_FALSE(state.Admits(std::nullopt));
  EXPECT_TRUE(state.Admits(DigestOf('t')));
  // The same token once more, as from a repeated import, keeps what came after it.
  AddDevice(storage(), client, DeviceFor('b'));
  Change(storage(), ClientToken{client, DigestOf('t'), 4});
  EXPECT_EQ(DevicesOf(storage(), client).devices.devices.size(), 1u);
  Change(storage(), RemoveToken{client});
  state = DevicesOf(storage(), client);
  EXPECT_TRUE(state.devices.devices.empty());
  EXPECT_TRUE(state.Admits(std::nullopt));
  EXPECT_FALSE(state.token.has_value());
  EXPECT_TRUE(GatesOf(storage()).empty());
}

// If this fails, the computer that revokes shuts out no one who knows the operator's token.
TEST_P(StorageSuite, AChangeOfDevicesCanEndTheOperatorsToken) {
  const Uuid client = Uuid::Random();
  Change(storage(), ClientToken{client, DigestOf('t'), 4});
  const absl::Status changed = storage().administration().ChangeDevices(
      client, /*may_use_reserve=*/true, [&](DeviceState& state) -> absl::StatusOr<bool> {
        EXPECT_TRUE(state.token.has_value());
        state.token.reset();
        state.devices.devices.push_back(DeviceFor('a'));
        state.devices.requires_token = true;
        return true;
      });
  EXPECT_TRUE(changed.ok()) << changed;
  EXPECT_TRUE(Access(storage()).tokens.empty());
  EXPECT_EQ(GatesOf(storage()).size(), 1u);
}

// If this fails, a client that comes again after its removal is refused by tokens of the first one.
TEST_P(StorageSuite, DevicesGoWithTheirClient) {
  const Uuid client = Uuid::Random();
  const Uuid other = Uuid::Random();
  for (const Uuid& each : {client, other}) {
    MustAppend(storage(), each, kNil);
    AddDevice(storage(), each, DeviceFor('a'), /*requires_token=*/true);
  }
  EXPECT_TRUE(Delete(storage(), client));
  EXPECT_TRUE(DevicesOf(storage(), client).devices.is_empty());
  ASSERT_EQ(GatesOf(storage()).size(), 1u);
  EXPECT_EQ(GatesOf(storage()).front().client_id, other);
  // Of a client without a history as well, as a partial import leaves it.
  AddDevice(storage(), client, DeviceFor('b'));
  EXPECT_FALSE(Delete(storage(), client));
  EXPECT_TRUE(DevicesOf(storage(), client).devices.is_empty());
}

// If this fails, of two computers that are paired at once one is refused from the beginning.
TEST_P(StorageSuite, ChangesOfDevicesAtOnceLoseNothing) {
  constexpr int kThreads = 6;
  constexpr int kDevices = 5;
  const Uuid client = Uuid::Random();
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      for (int i = 0; i < kDevices; ++i) {
        AddDevice(storage(), client, DeviceFor(static_cast<char>(thread * kDevices + i)),
                  /*requires_token=*/i == 3);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const DeviceState state = DevicesOf(storage(), client);
  EXPECT_EQ(state.devices.devices.size(), static_cast<size_t>(kThreads * kDevices));
  EXPECT_TRUE(state.devices.requires_token);
  EXPECT_EQ(GatesOf(storage()).front().digests.size(), static_cast<size_t>(kThreads * kDevices));
}

// If this fails, a computer that is shut out comes back by a token that it mints at that moment.
TEST_P(StorageSuite, AMintThatRacesARevocationOrAnOperatorLeavesNoToken) {
  for (int round = 0; round < 10; ++round) {
    const Uuid client = Uuid::Random();
    AddDevice(storage(), client, DeviceFor('o'));
    AddDevice(storage(), client, DeviceFor('t'));
    std::thread thief([&] {
      for (char fill = '0'; fill <= '9'; ++fill) {
        const absl::Status minted = storage().administration().ChangeDevices(
            client, /*may_use_reserve=*/false, [&](DeviceState& state) -> absl::StatusOr<bool> {
              if (state.is_gated() && !state.Admits(DigestOf('t'))) return false;
              Device device = DeviceFor(fill);
              device.minted_by = DeviceFor('t').id();
              state.devices.devices.push_back(device);
              return true;
            });
        EXPECT_TRUE(minted.ok()) << minted;
      }
    });
    const bool is_operator = round % 2 == 0;
    if (is_operator) {
      Change(storage(), ClientToken{client, DigestOf('x'), 4});
    } else {
      const absl::Status revoked = storage().administration().ChangeDevices(
          client, /*may_use_reserve=*/true, [&](DeviceState& state) -> absl::StatusOr<bool> {
            state.devices.Clear();
            state.devices.devices.push_back(DeviceFor('o'));
            state.devices.requires_token = true;
            return true;
          });
      EXPECT_TRUE(revoked.ok()) << revoked;
    }
    thief.join();
    EXPECT_EQ(DevicesOf(storage(), client).devices.devices.size(), is_operator ? 0u : 1u);
  }
}

// If this fails, damaged or foreign bytes are taken for a client's devices.
TEST(DeviceCodecTest, OtherBytesAreRefused) {
  ClientDevices devices;
  devices.requires_token = true;
  devices.tokenless_last_seen_unix_seconds = 86'400;
  devices.devices = {DeviceFor('a'), DeviceFor('b', "")};
  devices.devices[1].minted_by = devices.devices[0].id();
  devices.revoked = {DeviceFor('c').id()};
  const std::string bytes = storage::EncodeDevices(devices);
  const auto decoded = storage::DecodeDevices(bytes);
  ASSERT_TRUE(decoded.has_value());
  EXPECT_EQ(storage::EncodeDevices(*decoded), bytes);
  EXPECT_EQ(decoded->tokenless_last_seen_unix_seconds, 86'400);
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(storage::DecodeDevices(bytes.substr(0, size)).has_value()) << size;
  }
  EXPECT_FALSE(storage::DecodeDevices(bytes + "x").has_value());
  EXPECT_FALSE(storage::DecodeDevices("\2" + bytes.substr(1)).has_value());
  EXPECT_FALSE(storage::DecodeDevices("\1\2" + bytes.substr(2)).has_value());
}

}  // namespace
}  // namespace tcsync
