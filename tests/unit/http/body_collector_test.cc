// Request bodies as they arrive: sizes, content codings and memory.
#include "http/body_collector.h"

#include <memory>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/conformance/compression.h"
#include "tests/unit/noise.h"

namespace tcsync::http {
namespace {

using ::tcsync::conformance::Deflate;
using ::tcsync::conformance::Gzip;
using Result = BodyCollector::Result;

constexpr uint64_t kKiB = 1024;
constexpr uint64_t kMiB = 1024 * kKiB;

class BodyCollectorTest : public testing::Test {
 protected:
  void Begin(ContentCoding coding, uint64_t declared_bytes = 0, uint64_t bytes_max = 4 * kMiB,
             uint64_t budget_bytes = 16 * kMiB) {
    collector_.reset();
    budget_ = std::make_shared<ByteBudget>(budget_bytes);
    collector_.emplace(coding, declared_bytes, bytes_max, budget_);
  }

  // Appends in pieces, to the end or to the first refused one.
  Result Append(absl::string_view bytes, size_t piece_bytes) {
    while (!bytes.empty()) {
      const Result result = collector_->Append(bytes.substr(0, piece_bytes));
      if (result != Result::kOk) return result;
      bytes.remove_prefix(std::min(piece_bytes, bytes.size()));
    }
    return Result::kOk;
  }

  std::shared_ptr<ByteBudget> budget_;
  std::optional<BodyCollector> collector_;
};

// If this fails, a coding that clients use is refused, or an unknown one is accepted.
TEST(ContentCodingTest, IsParsedFromItsName) {
  EXPECT_EQ(ParseContentCoding(""), ContentCoding::kIdentity);
  EXPECT_EQ(ParseContentCoding(" identity "), ContentCoding::kIdentity);
  EXPECT_EQ(ParseContentCoding("GZip"), ContentCoding::kGzip);
  EXPECT_EQ(ParseContentCoding("x-gzip"), ContentCoding::kGzip);
  EXPECT_EQ(ParseContentCoding("deflate"), ContentCoding::kDeflate);
  for (const char* name : {"br", "zstd", "compress", "gzip, gzip", "gzip,", "gzip;q=1", "*"}) {
    EXPECT_EQ(ParseContentCoding(name), std::nullopt) << name;
  }
}

// If this fails, a replica gets back other bytes than another one sent.
TEST_F(BodyCollectorTest, CollectsEveryByte) {
  std::string every_byte;
  for (int i = 0; i < 256; ++i) every_byte.push_back(static_cast<char>(i));
  for (const std::string& body : {std::string("x"), every_byte, Noise(200'000)}) {
    for (const size_t piece_bytes : {size_t{1}, size_t{7}, size_t{4096}, body.size()}) {
      Begin(ContentCoding::kIdentity, body.size());
      ASSERT_EQ(Append(body, piece_bytes), Result::kOk);
      EXPECT_EQ(collector_->Finish(), Result::kOk);
      EXPECT_EQ(collector_->TakeBody(), body);
      Begin(ContentCoding::kGzip);
      ASSERT_EQ(Append(Gzip(body), piece_bytes), Result::kOk);
      EXPECT_EQ(collector_->Finish(), Result::kOk);
      EXPECT_EQ(collector_->TakeBody(), body);
      Begin(ContentCoding::kDeflate);
      ASSERT_EQ(Append(Deflate(body), piece_bytes), Result::kOk);
      EXPECT_EQ(collector_->Finish(), Result::kOk);
      EXPECT_EQ(collector_->TakeBody(), body);
    }
  }
}

// If this fails, a body of exactly the limit is refused, or one byte more is accepted.
TEST_F(BodyCollectorTest, TheLimitIsInclusive) {
  const std::string body = Noise(100'000);
  for (const uint64_t declared : {uint64_t{0}, uint64_t{100'000}}) {
    Begin(ContentCoding::kIdentity, declared, body.size());
    EXPECT_EQ(Append(body, 4096), Result::kOk);
    EXPECT_EQ(collector_->Append("x"), Result::kTooLarge);
  }
  Begin(ContentCoding::kGzip, 0, body.size());
  EXPECT_EQ(Append(Gzip(body), 4096), Result::kOk);
  Begin(ContentCoding::kGzip, 0, body.size() - 1);
  EXPECT_EQ(Append(Gzip(body), 4096), Result::kTooLarge);
}

// If this fails, a client takes memory for a body that it only announced.
TEST_F(BodyCollectorTest, ADeclaredLengthAloneIsNotCharged) {
  Begin(ContentCoding::kIdentity, 4 * kMiB);
  EXPECT_EQ(budget_->bytes_taken(), 0u);
  ASSERT_EQ(collector_->Append("x"), Result::kOk);
  EXPECT_LE(budget_->bytes_taken(), 64 * kKiB);
}

// If this fails, a body that is longer than announced is truncated, or overruns its memory.
TEST_F(BodyCollectorTest, ABodyLongerThanDeclaredIsCollected) {
  const std::string body = Noise(300'000);
  Begin(ContentCoding::kIdentity, 1000);
  ASSERT_EQ(Append(body, 999), Result::kOk);
  EXPECT_GE(budget_->bytes_taken(), body.size());
  EXPECT_EQ(collector_->TakeBody(), body);
}

// If this fails, a body that is shorter than announced keeps unneeded memory.
TEST_F(BodyCollectorTest, ABodyShorterThanDeclaredIsChargedForItsSize) {
  Begin(ContentCoding::kIdentity, 4 * kMiB);
  ASSERT_EQ(Append(Noise(100'000), 4096), Result::kOk);
  EXPECT_LE(budget_->bytes_taken(), 200 * kKiB);
}

// If this fails, a usual body takes much more of the budget than its length.
TEST_F(BodyCollectorTest, AKnownLengthIsNotOvercharged) {
  const std::string body = Noise(1000);
  Begin(ContentCoding::kIdentity, body.size());
  ASSERT_EQ(collector_->Append(body), Result::kOk);
  EXPECT_EQ(budget_->bytes_taken(), body.size());
}

// If this fails, the budget does not count all memory.
TEST_F(BodyCollectorTest, TheChargeCoversTheBodysCapacity) {
  for (const size_t size : {size_t{100}, 64 * kKiB, 64 * kKiB + 1, 200 * kKiB, kMiB + 1}) {
    for (const uint64_t declared : {uint64_t{0}, uint64_t{size}}) {
      Begin(ContentCoding::kIdentity, declared);
      ASSERT_EQ(Append(Noise(size), 4096), Result::kOk);
      EXPECT_LE(collector_->TakeBody().capacity(), budget_->bytes_taken())
          << size << " declared " << declared;
    }
  }
}

// If this fails, a crowd of uploads exceeds the budget's memory.
TEST_F(BodyCollectorTest, AnExhaustedBudgetRefusesTheBody) {
  Begin(ContentCoding::kIdentity, 0, 4 * kMiB, 300 * kKiB);
  EXPECT_EQ(Append(Noise(kMiB), 4096), Result::kNoMemory);
  EXPECT_LE(budget_->bytes_taken(), 300 * kKiB);
  collector_.reset();
  EXPECT_EQ(budget_->bytes_taken(), 0u);
}

// If this fails, the budget shrinks with every request until the server refuses all of them.
TEST_F(BodyCollectorTest, TheBudgetIsRestoredAfterEachBody) {
  Begin(ContentCoding::kGzip);
  ASSERT_EQ(Append(Gzip(Noise(100'000)), 4096), Result::kOk);
  EXPECT_GT(budget_->bytes_taken(), 100'000u);
  collector_.reset();  // abandoned
  EXPECT_EQ(budget_->bytes_taken(), 0u);

  Begin(ContentCoding::kIdentity);
  ASSERT_EQ(Append(Noise(100'000), 4096), Result::kOk);
  {
    const ByteCharge charge = collector_->TakeCharge();
    collector_.reset();
    EXPECT_GE(budget_->bytes_taken(), 100'000u) << "the charge did not go with the body";
  }
  EXPECT_EQ(budget_->bytes_taken(), 0u);

  Begin(ContentCoding::kGzip);
  EXPECT_EQ(collector_->Append("this is not gzip"), Result::kMalformed);
  collector_.reset();
  EXPECT_EQ(budget_->bytes_taken(), 0u);
}

// If this fails, many idle uploads with a compressed body of a few bytes take 40 KiB each outside
// any limit.
TEST_F(BodyCollectorTest, DecompressionIsChargedFromItsFirstByte) {
  Begin(ContentCoding::kGzip);
  const std::string compressed = Gzip("ten bytes.");
  ASSERT_EQ(collector_->Append(compressed.substr(0, compressed.size() - 4)), Result::kOk);
  EXPECT_GE(budget_->bytes_taken(), 32 * kKiB);
}

// If this fails, a few hundred bytes on the wire fill the memory.
TEST_F(BodyCollectorTest, ADecompressionBombStopsAtTheLimit) {
  const std::string zeros(64 * kMiB, '\0');
  for (const bool gzip : {true, false}) {
    const std::string bomb = gzip ? Gzip(zeros) : Deflate(zeros);
    ASSERT_LT(bomb.size(), 100 * kKiB);
    for (const size_t piece_bytes : {bomb.size(), size_t{100}}) {
      Begin(gzip ? ContentCoding::kGzip : ContentCoding::kDeflate, bomb.size(), kMiB, 16 * kMiB);
      EXPECT_EQ(Append(bomb, piece_bytes), Result::kTooLarge);
      EXPECT_LE(budget_->bytes_taken(), kMiB + 64 * kKiB);
      // The budget itself is the other bound.
      Begin(gzip ? ContentCoding::kGzip : ContentCoding::kDeflate, bomb.size(), 64 * kMiB, kMiB);
      EXPECT_EQ(Append(bomb, piece_bytes), Result::kNoMemory);
      EXPECT_LE(budget_->bytes_taken(), kMiB);
    }
  }
}

// If this fails, gzip bodies of several members are cut after the first (RFC 1952, section 2.2).
TEST_F(BodyCollectorTest, SeveralGzipMembersAreOneBody) {
  const std::string members = absl::StrCat(Gzip("one "), Gzip(""), Gzip("two "), Gzip("three"));
  for (const size_t piece_bytes : {members.size(), size_t{1}, size_t{5}}) {
    Begin(ContentCoding::kGzip);
    ASSERT_EQ(Append(members, piece_bytes), Result::kOk);
    EXPECT_EQ(collector_->Finish(), Result::kOk);
    EXPECT_EQ(collector_->TakeBody(), "one two three");
  }
}

// If this fails, a truncated body is stored as a whole one.
TEST_F(BodyCollectorTest, ATruncatedBodyIsMalformed) {
  const std::string body = Noise(1000);
  for (const bool gzip : {true, false}) {
    const std::string compressed = gzip ? Gzip(body) : Deflate(body);
    for (size_t size = 0; size < compressed.size(); ++size) {
      Begin(gzip ? ContentCoding::kGzip : ContentCoding::kDeflate);
      ASSERT_EQ(collector_->Append(compressed.substr(0, size)), Result::kOk) << size;
      ASSERT_EQ(collector_->Finish(), Result::kMalformed) << size;
    }
  }
}

// If this fails, damage on the way, or bytes after the end, are stored.
TEST_F(BodyCollectorTest, DamagedBodiesAreMalformed) {
  const std::string body = Noise(1000);
  for (const bool gzip : {true, false}) {
    const ContentCoding coding = gzip ? ContentCoding::kGzip : ContentCoding::kDeflate;
    const std::string good = gzip ? Gzip(body) : Deflate(body);
    std::string changed = good;
    changed[changed.size() - 6] ^= 1;  // in the checksum, or in its data
    Begin(coding);
    EXPECT_EQ(Append(changed, 64), Result::kMalformed);
    for (const char* more : {"x", "trailing bytes"}) {
      Begin(coding);
      const Result appended = Append(good + more, 64);
      EXPECT_TRUE(appended == Result::kMalformed || collector_->Finish() == Result::kMalformed);
    }
    Begin(coding);
    EXPECT_EQ(Append(gzip ? Deflate(body) : Gzip(body), 64), Result::kMalformed);
    Begin(coding);
    EXPECT_EQ(Append("this was never compressed", 64), Result::kMalformed);
  }
}

// If this fails, an empty body with a coding crashes, or counts as a body.
TEST_F(BodyCollectorTest, EmptyBodiesAreDecoded) {
  Begin(ContentCoding::kIdentity);
  EXPECT_EQ(collector_->Append(""), Result::kOk);
  EXPECT_EQ(collector_->Finish(), Result::kOk);
  EXPECT_EQ(collector_->TakeBody(), "");
  Begin(ContentCoding::kGzip);
  EXPECT_EQ(collector_->Append(""), Result::kOk);
  EXPECT_EQ(collector_->Finish(), Result::kMalformed);
  Begin(ContentCoding::kGzip);
  EXPECT_EQ(collector_->Append(Gzip("")), Result::kOk);
  EXPECT_EQ(collector_->Finish(), Result::kOk);
  EXPECT_EQ(collector_->TakeBody(), "");
}

}  // namespace
}  // namespace tcsync::http
