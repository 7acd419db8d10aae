// Sealing and unsealing against bodies that the real Taskwarrior sent. If these fail, replicas
// cannot read each other, damaged data is accepted, or a person with the wrong secret gets a
// wrong reason.

#include "tcsync/envelope.h"

#include <sys/mman.h>

#include <algorithm>
#include <optional>
#include <ostream>
#include <set>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "gtest/gtest.h"
#include "real_blobs.h"
#include "tests/missing_prerequisite.h"

namespace tcsync::crypto {

// Names the faults in the messages of failing tests.
void PrintTo(UnsealFault fault, std::ostream* stream) { *stream << UnsealFaultMessage(fault); }

namespace {

constexpr size_t kNonceBegin = 1;
constexpr size_t kCiphertextBegin = 13;
constexpr size_t kTagBytes = 16;

// The fault of a body that must not open; nullopt, which equals no fault, if it does open.
std::optional<UnsealFault> FaultOf(const SealingKey& key, const Uuid& version_id,
                                   absl::string_view sealed) {
  const std::variant<SecretString, UnsealFault> result = Unseal(key, version_id, sealed);
  if (const UnsealFault* fault = std::get_if<UnsealFault>(&result)) return *fault;
  return std::nullopt;
}

std::optional<UnsealFault> FaultOf(const RealBlob& blob, absl::string_view sealed) {
  return FaultOf(KeyFor(blob), blob.version_id, sealed);
}

// The plaintext of a body that must open.
std::string Opened(const SealingKey& key, const Uuid& version_id, absl::string_view sealed) {
  const std::variant<SecretString, UnsealFault> result = Unseal(key, version_id, sealed);
  if (const UnsealFault* fault = std::get_if<UnsealFault>(&result)) {
    ADD_FAILURE() << "did not open: " << UnsealFaultMessage(*fault);
    return "";
  }
  return std::string(std::get<SecretString>(result).AsStringView());
}

std::string Changed(std::string sealed, size_t position, int mask) {
  sealed[position] = static_cast<char>(sealed[position] ^ mask);
  return sealed;
}

// If this fails, nothing of a Taskwarrior user's history can be read.
TEST(EnvelopeTest, RecordedBlobsAreUnsealed) {
  for (const RealBlob& blob : RealBlobs()) {
    SCOPED_TRACE(blob.name);
    EXPECT_EQ(Opened(KeyFor(blob), blob.version_id, blob.sealed), blob.plain);
    EXPECT_EQ(blob.sealed.size(), blob.plain.size() + kSealedOverheadBytes);
  }
}

// If this fails, data of some sizes cannot be opened again.
TEST(EnvelopeTest, SealedBytesAreUnsealed) {
  const SealingKey& key = KeyFor(RealVersion());
  const Uuid version_id = Uuid::Random();
  for (const size_t size : {0, 1, 13, 14, 15, 16, 17, 63, 64, 65, 65536}) {
    SCOPED_TRACE(size);
    std::string plaintext(size, '\0');
    for (size_t i = 0; i < size; ++i) plaintext[i] = static_cast<char>(i * 7);
    const absl::StatusOr<std::string> sealed = Seal(key, version_id, plaintext);
    ASSERT_TRUE(sealed.ok()) << sealed.status();
    EXPECT_EQ(sealed->size(), size + kSealedOverheadBytes);
    EXPECT_EQ((*sealed)[0], 1);
    EXPECT_EQ(Opened(key, version_id, *sealed), plaintext);
    EXPECT_TRUE(FaultOf(key, Uuid::Random(), *sealed).has_value());
    for (const size_t position : {kNonceBegin, kCiphertextBegin, sealed->size() - 1}) {
      EXPECT_TRUE(FaultOf(key, version_id, Changed(*sealed, position, 1)).has_value());
    }
  }
}

// If this fails, a repeated nonce lets a server forge versions and read differences of tasks.
TEST(EnvelopeTest, SealingTwiceNeverGivesTheSameBytes) {
  const SealingKey& key = KeyFor(RealVersion());
  std::set<std::string> nonces;
  for (int i = 0; i < 100; ++i) {
    const std::string sealed = Seal(key, Uuid(), "the same").value();
    nonces.insert(sealed.substr(kNonceBegin, kCiphertextBegin - kNonceBegin));
  }
  EXPECT_EQ(nonces.size(), 100u);
}

// If this fails, a damaged disk or a hostile server changes tasks unnoticed.
TEST(EnvelopeTest, EveryChangedByteIsNoticed) {
  for (const RealBlob& blob : RealBlobs()) {
    const size_t tag_begin = blob.sealed.size() - kTagBytes;
    for (size_t position = 0; position < blob.sealed.size(); ++position) {
      for (const int mask : {0x01, 0x80, 0xff}) {
        SCOPED_TRACE(testing::Message() << blob.name << ", byte " << position << " ^ " << mask);
        const std::optional<UnsealFault> fault =
            FaultOf(blob, Changed(blob.sealed, position, mask));
        ASSERT_TRUE(fault.has_value()) << "opened";
        if (position < kNonceBegin) {
          EXPECT_EQ(*fault, UnsealFault::kUnknownFormat);
        } else if (position < kCiphertextBegin) {
          // Another nonce gives other noise, as another key does.
          EXPECT_EQ(*fault, UnsealFault::kWrongKey);
        } else if (blob.is_snapshot && position < kCiphertextBegin + 2) {
          // The documented limit: nothing is left by which to know a snapshot.
          EXPECT_EQ(*fault, UnsealFault::kWrongKey);
        } else if (!blob.is_snapshot && position >= tag_begin - 2 && position < tag_begin) {
          // The documented limit: it could as well be a cut.
          EXPECT_EQ(*fault, UnsealFault::kTruncated);
        } else {
          EXPECT_EQ(*fault, UnsealFault::kNotAuthentic);
        }
      }
    }
  }
}

// If this fails, a truncated version is applied as a whole one.
TEST(EnvelopeTest, EveryTruncationIsNoticed) {
  for (const RealBlob& blob : RealBlobs()) {
    for (size_t size = 0; size < blob.sealed.size(); ++size) {
      SCOPED_TRACE(testing::Message() << blob.name << ", " << size << " bytes");
      // Compressed bytes have no known end, so a snapshot that lacks it can only be called changed.
      const bool diagnosable = !blob.is_snapshot || size < kSealedOverheadBytes;
      EXPECT_EQ(FaultOf(blob, blob.sealed.substr(0, size)),
                diagnosable ? UnsealFault::kTruncated : UnsealFault::kNotAuthentic);
    }
  }
}

// If this fails, a hostile server adds bytes to a version unnoticed.
TEST(EnvelopeTest, AppendedBytesAreNoticed) {
  for (const RealBlob& blob : RealBlobs()) {
    EXPECT_TRUE(FaultOf(blob, blob.sealed + '\0').has_value()) << blob.name;
    EXPECT_TRUE(FaultOf(blob, blob.sealed + blob.sealed).has_value()) << blob.name;
  }
}

// If this fails, a person with a mistyped secret reads of damaged data.
TEST(EnvelopeTest, WrongSecretIsAWrongKey) {
  for (const RealBlob& blob : RealBlobs()) {
    const SealingKey& key = KeyFor(blob.client_id, "not the secret");
    EXPECT_EQ(FaultOf(key, blob.version_id, blob.sealed), UnsealFault::kWrongKey) << blob.name;
  }
}

// If this fails, a person with a mistyped client ID reads of damaged data.
TEST(EnvelopeTest, WrongClientIdIsAWrongKey) {
  const Uuid other = *Uuid::Parse("00000000-0000-4000-8000-000000000001");
  for (const RealBlob& blob : RealBlobs()) {
    const SealingKey& key = KeyFor(other, blob.secret);
    EXPECT_EQ(FaultOf(key, blob.version_id, blob.sealed), UnsealFault::kWrongKey) << blob.name;
  }
}

// If this fails, a hostile server swaps the versions of a history unnoticed.
TEST(EnvelopeTest, WrongVersionIdIsNotAuthentic) {
  for (const RealBlob& blob : RealBlobs()) {
    EXPECT_EQ(FaultOf(KeyFor(blob), Uuid::Random(), blob.sealed), UnsealFault::kNotAuthentic)
        << blob.name;
  }
}

// If this fails, data of a newer Taskwarrior is called damaged.
TEST(EnvelopeTest, OtherFormatVersionsAreUnknown) {
  for (const RealBlob& blob : RealBlobs()) {
    for (const char format_version : {'\x00', '\x02', '\xff'}) {
      std::string sealed = blob.sealed;
      sealed[0] = format_version;
      EXPECT_EQ(FaultOf(blob, sealed), UnsealFault::kUnknownFormat) << blob.name;
    }
  }
}

// If this fails, a person with little data gets the wrong reason.
// The smallest plaintexts that TaskChampion seals give the diagnosis the fewest bytes.
TEST(EnvelopeTest, SmallestPlaintextsAreDiagnosed) {
  const SealingKey& key = KeyFor(RealVersion());
  const std::string version = Seal(key, Uuid(), "{\"operations\":[]}").value();
  EXPECT_EQ(FaultOf(key, Uuid::Random(), version), UnsealFault::kNotAuthentic);
  for (size_t size = 0; size < version.size(); ++size) {
    EXPECT_EQ(FaultOf(key, Uuid(), version.substr(0, size)), UnsealFault::kTruncated) << size;
  }
  const std::string zlib_of_empty_object("\x78\x9c\xab\xae\x05\x00\x01\x75\x00\xf9", 10);
  const std::string snapshot = Seal(key, Uuid(), zlib_of_empty_object).value();
  EXPECT_EQ(FaultOf(key, Uuid::Random(), snapshot), UnsealFault::kNotAuthentic);
}

// If this fails, a person with a swapped snapshot is sent to look for a wrong secret.
// Each compression level writes its own second byte.
TEST(EnvelopeTest, SnapshotsOfAnyCompressionLevelAreDiagnosed) {
  const SealingKey& key = KeyFor(RealVersion());
  for (const char* const header : {"\x78\x01", "\x78\x5e", "\x78\x9c", "\x78\xda"}) {
    const std::string sealed = Seal(key, Uuid(), std::string(header) + "compressed").value();
    EXPECT_EQ(FaultOf(key, Uuid::Random(), sealed), UnsealFault::kNotAuthentic);
  }
}

// If this fails, the cipher's stream repeats within one body, and a server can read it.
TEST(EnvelopeTest, LengthsOverTheCiphersLimitAreRefused) {
  // Addresses without memory behind them, but for the first: code that reads on crashes.
  constexpr size_t kReservedBytes = kPlaintextBytesMax + kSealedOverheadBytes + 1;
  constexpr size_t kReadableBytes = 65536;
  void* const reserved =
      mmap(nullptr, kReservedBytes, PROT_NONE, MAP_PRIVATE | MAP_ANON | MAP_NORESERVE, -1, 0);
  if (reserved == MAP_FAILED) TCSYNC_MISSING_PREREQUISITE("cannot reserve 256 GiB of addresses");
  ASSERT_EQ(mprotect(reserved, kReadableBytes, PROT_READ | PROT_WRITE), 0);
  char* const bytes = static_cast<char*>(reserved);
  const SealingKey& key = KeyFor(RealVersion());

  const absl::StatusOr<std::string> sealed =
      Seal(key, Uuid(), absl::string_view(bytes, kPlaintextBytesMax + 1));
  EXPECT_EQ(sealed.status().code(), absl::StatusCode::kInvalidArgument);

  bytes[0] = 1;  // the format version
  EXPECT_EQ(FaultOf(key, Uuid(), absl::string_view(bytes, kReservedBytes)),
            UnsealFault::kNotAuthentic);
  munmap(reserved, kReservedBytes);
}

// If this fails, a person cannot tell a wrong secret from damaged data.
TEST(EnvelopeTest, EachFaultHasItsOwnMessage) {
  std::set<absl::string_view> messages;
  for (const UnsealFault fault : {UnsealFault::kTruncated, UnsealFault::kUnknownFormat,
                                  UnsealFault::kWrongKey, UnsealFault::kNotAuthentic}) {
    const absl::string_view message = UnsealFaultMessage(fault);
    EXPECT_GT(message.size(), 20u);
    EXPECT_EQ(message.back(), '.');
    EXPECT_EQ(std::count(message.begin(), message.end(), '\n'), 0);
    messages.insert(message);
  }
  EXPECT_EQ(messages.size(), 4u);
}

// If this fails, a program that unseals on several threads gets wrong data or a data race.
TEST(EnvelopeTest, ThreadsShareOneKey) {
  const SealingKey& key = KeyFor(RealVersion());
  constexpr int kThreads = 4;
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&key, i] {
      const Uuid version_id = Uuid::Random();
      for (int round = 0; round < 50; ++round) {
        const std::string plaintext(static_cast<size_t>(100 * i + round), 'x');
        const std::string sealed = Seal(key, version_id, plaintext).value();
        EXPECT_EQ(Opened(key, version_id, sealed), plaintext);
        EXPECT_TRUE(FaultOf(key, Uuid(), sealed).has_value());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace tcsync::crypto
