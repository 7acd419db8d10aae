// Request bodies on their way to storage: which ones pass in pieces, their memory meanwhile, and
// the causes of their end.
#include "http/upload_body.h"

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/limits.h"
#include "gtest/gtest.h"
#include "tests/conformance/compression.h"
#include "tests/unit/noise.h"

namespace tcsync::http {
namespace {

using ::tcsync::conformance::Gzip;

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr size_t kReadBytes = base::kReadBufferBytes;  // the listener's bytes at a time
const Uuid kClient = *Uuid::Parse("c11e4700-0000-4000-8000-000000000001");

// The state of an upload of the test's storage.
struct Taken {
  std::vector<std::string> pieces;
  std::deque<Upload::AddedCallback> held;  // while `holds`
  bool holds = false;
  bool is_in_memory = false;
  absl::Status added = absl::OkStatus();  // the result of an Add
  bool has_ended = false;

  std::string bytes() const {
    std::string all;
    for (const std::string& piece : pieces) all += piece;
    return all;
  }
  void ReleaseOne() {
    ASSERT_FALSE(held.empty());
    Upload::AddedCallback done = std::move(held.front());
    held.pop_front();
    done(added);
  }
};

class TakingUpload final : public Upload {
 public:
  explicit TakingUpload(std::shared_ptr<Taken> taken) : taken_(std::move(taken)) {}
  ~TakingUpload() override { taken_->has_ended = true; }
  uint64_t bytes() const override { return taken_->bytes().size(); }
  bool is_in_memory() const override { return taken_->is_in_memory; }
  void Add(std::string piece, AddedCallback done) override {
    EXPECT_FALSE(piece.empty());
    EXPECT_LE(piece.size(), base::kPieceBytesMax);
    if (taken_->added.ok()) taken_->pieces.push_back(std::move(piece));
    if (!taken_->holds) return done(taken_->added);
    taken_->held.push_back(std::move(done));
  }

 private:
  const std::shared_ptr<Taken> taken_;
};

class UploadBodyTest : public testing::Test {
 protected:
  void Begin(ContentCoding coding, uint64_t declared_bytes = 0, uint64_t bytes_max = 100 * kMiB) {
    body_ = std::make_shared<UploadBody>(
        UploadBody::Options{.client_id = kClient,
                            .source = source_,
                            .coding = coding,
                            .declared_bytes = declared_bytes,
                            .bytes_max = bytes_max,
                            .begin =
                                [this](uint64_t announced_bytes, BeginUploadCallback done) {
                                  announced_bytes_ = announced_bytes;
                                  if (!holds_begin_) return done(BeginOutcome());
                                  held_begin_ = std::move(done);
                                },
                            .has_room = [this] { return has_room_; }},
        shares_);
    begun_ = body_->Begin();
  }

  absl::StatusOr<UploadOutcome> BeginOutcome() {
    if (refusal_) return *std::exchange(refusal_, std::nullopt);
    return UploadOutcome(std::make_unique<TakingUpload>(taken_));
  }

  // Appends as the listener does, to the end or until the body pauses or ends.
  BodyResult Append(absl::string_view& bytes, size_t at_a_time = kReadBytes) {
    while (!bytes.empty()) {
      const BodyResult result = body_->Append(bytes.substr(0, at_a_time));
      bytes.remove_prefix(std::min(at_a_time, bytes.size()));
      if (result != BodyResult::kOk) return result;
      largest_charge_ = std::max(largest_charge_, shares_->small()->bytes_taken());
      if (body_->PauseUntil([this] { ++resumed_; })) return BodyResult::kOk;
    }
    return BodyResult::kOk;
  }
  BodyResult AppendAll(absl::string_view bytes, size_t at_a_time = kReadBytes) {
    const BodyResult result = Append(bytes, at_a_time);
    EXPECT_TRUE(bytes.empty() || result != BodyResult::kOk) << "it pauses though nothing waits";
    return result;
  }

  std::optional<UploadBody::Received> Finish() {
    received_.reset();
    body_->Finish([this](UploadBody::Received received) {
      EXPECT_FALSE(received_.has_value()) << "finished twice";
      received_.emplace(std::move(received));
    });
    return std::move(received_);
  }

  PeerAddress source_;
  const std::shared_ptr<TransferShares> shares_ = std::make_shared<TransferShares>(8 * kMiB);
  const std::shared_ptr<Taken> taken_ = std::make_shared<Taken>();
  std::shared_ptr<UploadBody> body_;
  BodyResult begun_ = BodyResult::kOk;
  uint64_t announced_bytes_ = 0;
  std::optional<absl::StatusOr<UploadOutcome>> refusal_;
  bool holds_begin_ = false;
  BeginUploadCallback held_begin_;
  bool has_room_ = true;
  int resumed_ = 0;
  uint64_t largest_charge_ = 0;
  std::optional<UploadBody::Received> received_;
};

// If this fails, storage gets other bytes than a replica sent.
TEST_F(UploadBodyTest, UploadsEveryByteHoweverItArrives) {
  for (const size_t size :
       {size_t{1}, base::kPieceBytesMax, base::kPieceBytesMax + 1, size_t{700'000}}) {
    const std::string body = Noise(size);
    for (const size_t at_a_time : {size_t{1000}, kReadBytes, size}) {
      for (const ContentCoding coding : {ContentCoding::kIdentity, ContentCoding::kGzip}) {
        *taken_ = Taken();
        Begin(coding);
        ASSERT_EQ(AppendAll(coding == ContentCoding::kGzip ? Gzip(body) : body, at_a_time),
                  BodyResult::kOk);
        const auto received = Finish();
        ASSERT_TRUE(received.has_value());
        ASSERT_EQ(received->result, BodyResult::kOk);
        const auto* const collected = std::get_if<std::string>(&received->bytes);
        EXPECT_EQ(collected != nullptr, size <= base::kPieceBytesMax) << size;
        EXPECT_TRUE((collected != nullptr ? *collected : taken_->bytes()) == body) << size;
      }
    }
  }
  body_.reset();
  EXPECT_EQ(shares_->small()->bytes_taken(), 0u);
  EXPECT_EQ(shares_->large()->bytes_taken(), 0u);
}

// If this fails, a slow disk lets large bodies pile up in memory.
TEST_F(UploadBodyTest, PausesWhileStorageTakesAPiece) {
  const std::string body = Noise(10 * kMiB);
  taken_->holds = true;
  Begin(ContentCoding::kIdentity, body.size());
  EXPECT_EQ(announced_bytes_, body.size());
  absl::string_view rest = body;
  while (!rest.empty()) {
    ASSERT_EQ(Append(rest), BodyResult::kOk);
    const size_t given = body.size() - rest.size();
    // One under way, one being filled, and further the bytes of one read.
    EXPECT_LE(given - taken_->bytes().size() + base::kPieceBytesMax,
              2 * base::kPieceBytesMax + kReadBytes);
    if (rest.empty()) break;
    const int resumed = resumed_;
    taken_->ReleaseOne();
    EXPECT_EQ(resumed_, resumed + 1);
  }
  EXPECT_FALSE(Finish().has_value());
  while (!taken_->held.empty()) taken_->ReleaseOne();
  ASSERT_TRUE(received_.has_value());
  EXPECT_EQ(received_->result, BodyResult::kOk);
  EXPECT_TRUE(taken_->bytes() == body);
  EXPECT_LT(largest_charge_, kMiB / 2);
}

// If this fails, a few kilobytes take all memory, or are taken for an upload of any size.
TEST_F(UploadBodyTest, ADecompressionBombStopsAtTheLimitInBoundedMemory) {
  const std::string bomb = Gzip(std::string(64 * kMiB, '\0'));
  ASSERT_LT(bomb.size(), 80'000u);
  Begin(ContentCoding::kGzip, bomb.size(), 20 * kMiB);
  absl::string_view rest = bomb;
  BodyResult result = BodyResult::kOk;
  while (result == BodyResult::kOk && !rest.empty()) result = Append(rest);
  EXPECT_EQ(result, BodyResult::kTooLarge);
  EXPECT_LE(taken_->bytes().size(), 20 * kMiB);
  EXPECT_LT(largest_charge_, kMiB / 2);
  body_.reset();
  EXPECT_TRUE(taken_->has_ended);
}

// If this fails, the decoded rest of the last bytes of a body is lost, or blocks a thread.
TEST_F(UploadBodyTest, UploadsAllThatTheLastBytesDecodeTo) {
  const std::string body(5 * kMiB, 'x');
  const std::string compressed = Gzip(body);
  ASSERT_LT(compressed.size(), kReadBytes);
  taken_->holds = true;
  Begin(ContentCoding::kGzip);
  ASSERT_EQ(body_->Append(compressed), BodyResult::kOk);
  EXPECT_FALSE(Finish().has_value());
  while (!taken_->held.empty()) taken_->ReleaseOne();
  ASSERT_TRUE(received_.has_value());
  EXPECT_EQ(received_->result, BodyResult::kOk);
  EXPECT_TRUE(taken_->bytes() == body);
}

// If this fails, a body that contradicts its coding or length is stored.
TEST_F(UploadBodyTest, ADamagedBodyIsMalformed) {
  const std::string body = Gzip(Noise(500'000));
  for (const std::string& damaged : {body.substr(0, body.size() - 1), body + "x"}) {
    *taken_ = Taken();
    Begin(ContentCoding::kGzip);
    BodyResult result = AppendAll(damaged);
    if (result == BodyResult::kOk) result = Finish()->result;
    EXPECT_EQ(result, BodyResult::kMalformed);
    body_.reset();
    EXPECT_TRUE(taken_->has_ended);
  }
}

// If this fails, 100 MiB are received for an answer that was known from the head.
TEST_F(UploadBodyTest, StopsWhenStorageRefusesTheUpload) {
  const std::string body = Noise(500'000);
  const Uuid latest = Uuid::Random();
  refusal_ = UploadOutcome(Conflict{latest});
  Begin(ContentCoding::kIdentity, body.size());
  EXPECT_EQ(begun_, BodyResult::kStopped);
  const auto refusal = body_->TakeRefusal();
  ASSERT_TRUE(refusal.ok());
  EXPECT_EQ(std::get<Conflict>(*refusal).latest_version_id, latest);

  // For one of unknown size, as soon as it is a large one.
  refusal_ = UploadOutcome(NoSuchClient{});
  Begin(ContentCoding::kIdentity);
  EXPECT_EQ(begun_, BodyResult::kOk);
  EXPECT_EQ(AppendAll(body), BodyResult::kStopped);
  EXPECT_TRUE(std::holds_alternative<NoSuchClient>(*body_->TakeRefusal()));

  // When the answer comes late, the next bytes get it.
  holds_begin_ = true;
  Begin(ContentCoding::kIdentity, body.size());
  EXPECT_EQ(begun_, BodyResult::kOk);
  absl::string_view rest = body;
  ASSERT_EQ(Append(rest), BodyResult::kOk);
  ASSERT_FALSE(rest.empty()) << "it does not pause";
  std::exchange(held_begin_, nullptr)(absl::UnavailableError("busy"));
  EXPECT_EQ(resumed_, 1);
  EXPECT_EQ(Append(rest), BodyResult::kStopped);
  EXPECT_EQ(body_->TakeRefusal().status().code(), absl::StatusCode::kUnavailable);
  body_.reset();
  EXPECT_EQ(shares_->small()->bytes_taken(), 0u);
}

// If this fails, a replica with an unwanted snapshot reports its sync as failed, or the bytes of
// such a snapshot are kept.
TEST_F(UploadBodyTest, AnUnwantedBodyIsReceivedAndDropped) {
  const std::string body = Noise(2 * kMiB);
  refusal_ = UploadOutcome(NotWanted{});
  Begin(ContentCoding::kIdentity, body.size());
  EXPECT_EQ(begun_, BodyResult::kOk);
  EXPECT_EQ(AppendAll(body), BodyResult::kOk);
  const auto received = Finish();
  ASSERT_TRUE(received.has_value());
  EXPECT_EQ(received->result, BodyResult::kStopped);
  EXPECT_TRUE(std::holds_alternative<NotWanted>(*body_->TakeRefusal()));
  EXPECT_TRUE(taken_->pieces.empty());
}

// If this fails, an upload continues although its disk is full or its client is deleted.
TEST_F(UploadBodyTest, StopsWhenStorageRefusesAPiece) {
  const std::string body = Noise(2 * kMiB);
  Begin(ContentCoding::kIdentity, body.size());
  absl::string_view rest = body;
  absl::string_view half = rest.substr(0, kMiB);
  ASSERT_EQ(Append(half), BodyResult::kOk);
  taken_->added = absl::ResourceExhaustedError("full");
  rest.remove_prefix(kMiB);
  EXPECT_EQ(Append(rest), BodyResult::kStopped);
  EXPECT_EQ(body_->TakeRefusal().status().code(), absl::StatusCode::kResourceExhausted);

  *taken_ = Taken();
  Begin(ContentCoding::kIdentity, body.size());
  half = absl::string_view(body).substr(0, kMiB);
  ASSERT_EQ(Append(half), BodyResult::kOk);
  const size_t pieces = taken_->pieces.size();
  has_room_ = false;
  rest = absl::string_view(body).substr(kMiB);
  EXPECT_EQ(Append(rest), BodyResult::kStopped);
  EXPECT_EQ(body_->TakeRefusal().status().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(taken_->pieces.size(), pieces);
}

// If this fails, a broken connection leaves its bytes on the disk, or is called after its end.
TEST_F(UploadBodyTest, AnAbandonedBodyEndsItsUploadWithoutACallback) {
  const std::string body = Noise(kMiB);
  for (const bool holds : {false, true}) {
    *taken_ = Taken();
    taken_->holds = holds;
    Begin(ContentCoding::kIdentity, body.size());
    absl::string_view rest = body;
    ASSERT_EQ(Append(rest), BodyResult::kOk);
    const int resumed = resumed_;
    body_->Abandon();
    body_.reset();
    while (!taken_->held.empty()) taken_->ReleaseOne();
    EXPECT_TRUE(taken_->has_ended);
    EXPECT_EQ(resumed_, resumed);
    EXPECT_EQ(shares_->small()->bytes_taken(), 0u);
  }
  EXPECT_TRUE(shares_->TryBegin(kClient).has_value());
}

// If this fails, large bodies take the memory of small ones, or one client takes all places.
TEST_F(UploadBodyTest, LargeBodiesLeaveAReserveAndAreLimitedByClient) {
  std::vector<TransferShares::Place> places;
  for (int i = 0; i < base::kLargeTransfersPerClientMax; ++i) {
    places.push_back(*shares_->TryBegin(kClient));
  }
  EXPECT_FALSE(shares_->TryBegin(kClient).has_value());
  EXPECT_TRUE(shares_->TryBegin(Uuid::Random()).has_value());
  Begin(ContentCoding::kIdentity, kMiB);
  EXPECT_EQ(begun_, BodyResult::kNoMemory);
  places.pop_back();
  Begin(ContentCoding::kIdentity, kMiB);
  EXPECT_EQ(begun_, BodyResult::kOk);
  body_.reset();
  places.clear();

  ByteCharge others(shares_->large());
  ASSERT_TRUE(others.TryResize(6 * kMiB));
  Begin(ContentCoding::kIdentity, kMiB);
  EXPECT_EQ(begun_, BodyResult::kNoMemory);
  Begin(ContentCoding::kIdentity, 1000);
  EXPECT_EQ(AppendAll(Noise(1000)), BodyResult::kOk);
  EXPECT_EQ(Finish()->result, BodyResult::kOk);
  ByteCharge small(shares_->small());
  EXPECT_TRUE(small.TryResize(2 * kMiB)) << "the reserve is not whole";
}

// If this fails, a storage that cannot take pieces takes more memory than there is.
// If this fails, one address takes the memory from all others, with a few bytes on each connection.
TEST_F(UploadBodyTest, AnAddressMayTakeHalfOfTheMemory) {
  source_ = *PeerAddress::Parse("192.0.2.1");
  std::vector<std::shared_ptr<UploadBody>> bodies;
  const std::string small_part(100, 'x');
  absl::string_view rest;
  do {
    Begin(ContentCoding::kIdentity, base::kPieceBytesMax);
    bodies.push_back(body_);
    rest = small_part;
  } while (Append(rest) == BodyResult::kOk && bodies.size() < 10'000);
  EXPECT_LT(bodies.size(), 10'000u);
  EXPECT_LE(shares_->small()->bytes_taken(), 4 * kMiB);
  source_ = *PeerAddress::Parse("192.0.2.2");
  Begin(ContentCoding::kIdentity, base::kPieceBytesMax);
  rest = small_part;
  EXPECT_EQ(Append(rest), BodyResult::kOk);
  // Returned memory is available again, also when no body of that address is left.
  bodies.clear();
  source_ = *PeerAddress::Parse("192.0.2.1");
  Begin(ContentCoding::kIdentity, base::kPieceBytesMax);
  rest = small_part;
  EXPECT_EQ(Append(rest), BodyResult::kOk);
}

// If this fails, uploads to storage in memory take more memory than the budget allows.
TEST_F(UploadBodyTest, AWholeBodyForMemoryStorageIsCharged) {
  taken_->is_in_memory = true;
  const std::string body = Noise(4 * kMiB);
  Begin(ContentCoding::kIdentity, body.size());
  ASSERT_EQ(AppendAll(body), BodyResult::kOk);
  EXPECT_GT(shares_->large()->bytes_taken(), body.size() - base::kPieceBytesMax);
  EXPECT_EQ(Finish()->result, BodyResult::kOk);
  body_.reset();
  *taken_ = Taken();
  taken_->is_in_memory = true;
  Begin(ContentCoding::kIdentity, 7 * kMiB);
  EXPECT_EQ(AppendAll(Noise(7 * kMiB)), BodyResult::kTooLarge);
  EXPECT_LT(body_->bytes_max(), 6 * kMiB);
}

}  // namespace
}  // namespace tcsync::http
