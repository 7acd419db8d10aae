// Key derivation against the keys that the real Taskwarrior uses, and the memory of a used key.

#include <new>
#include <string>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "gtest/gtest.h"
#include "real_blobs.h"
#include "tcsync/envelope.h"

namespace tcsync {

// The only way to look at a key.
class SealingKeyTestPeer {
 public:
  static std::string Hex(const SealingKey& key) {
    return absl::BytesToHexString(
        absl::string_view(reinterpret_cast<const char*>(key.bytes_.data()), SealingKey::kBytes));
  }

  static SealingKey Make(unsigned char fill) {
    SealingKey key;
    key.bytes_.fill(fill);
    return key;
  }
};

namespace crypto {
namespace {

static_assert(!std::is_copy_constructible_v<SealingKey>);
static_assert(!std::is_copy_assignable_v<SealingKey>);
static_assert(!std::is_default_constructible_v<SealingKey>);
static_assert(std::is_nothrow_move_constructible_v<SealingKey>);
static_assert(std::is_nothrow_move_assignable_v<SealingKey>);

const std::string kZeroHex(2 * SealingKey::kBytes, '0');

std::string HexOf(unsigned char fill) {
  return absl::BytesToHexString(std::string(SealingKey::kBytes, static_cast<char>(fill)));
}

// If this fails, no replica can read the data that another one wrote.
TEST(SealingKeyTest, DeriveGivesTaskwarriorsKeys) {
  for (const RealBlob& blob : RealBlobs()) {
    EXPECT_EQ(SealingKeyTestPeer::Hex(KeyFor(blob)), blob.key_hex) << blob.name;
  }
}

// If this fails, data is sealed with a key that anybody can derive.
TEST(SealingKeyTest, EmptySecretIsRefused) {
  const absl::StatusOr<SealingKey> key = SealingKey::Derive(Uuid::Random(), "");
  EXPECT_EQ(key.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(std::string(key.status().message()).find("encryption_secret"), std::string::npos)
      << "a person must learn where to look: " << key.status();
}

// If this fails, copies of a key stay in memory and reach core dumps and swap.
TEST(SealingKeyTest, MovingLeavesZeros) {
  SealingKey source = SealingKeyTestPeer::Make(0xa5);
  SealingKey target(std::move(source));
  EXPECT_EQ(SealingKeyTestPeer::Hex(target), HexOf(0xa5));
  // NOLINTNEXTLINE(bugprone-use-after-move): documented to be wiped
  EXPECT_EQ(SealingKeyTestPeer::Hex(source), kZeroHex);

  SealingKey assigned = SealingKeyTestPeer::Make(0x11);
  assigned = std::move(target);
  EXPECT_EQ(SealingKeyTestPeer::Hex(assigned), HexOf(0xa5));
  // NOLINTNEXTLINE(bugprone-use-after-move): documented to be wiped
  EXPECT_EQ(SealingKeyTestPeer::Hex(target), kZeroHex);

  SealingKey& same = assigned;
  assigned = std::move(same);
  EXPECT_EQ(SealingKeyTestPeer::Hex(assigned), HexOf(0xa5));
}

// If this fails, the key of a closed remote stays in the host's memory.
TEST(SealingKeyTest, DestructionWipes) {
  // The key lives inside an array of ours, which is still there when the key is gone.
  alignas(SealingKey) unsigned char memory[sizeof(SealingKey)];
  static_assert(sizeof(SealingKey) == SealingKey::kBytes);
  const auto hex = [&memory] {
    return absl::BytesToHexString(
        absl::string_view(reinterpret_cast<const char*>(memory), sizeof(memory)));
  };
  auto* const key = new (memory) SealingKey(SealingKeyTestPeer::Make(0xa5));
  ASSERT_EQ(hex(), HexOf(0xa5));
  key->~SealingKey();
  EXPECT_EQ(hex(), kZeroHex);
}

}  // namespace
}  // namespace crypto
}  // namespace tcsync
