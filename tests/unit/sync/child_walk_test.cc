// Versions that follow one another, read for one answer. If these fail, a replica far behind pays a
// round trip for each version, gets a chain with a gap, or is never answered.
#include "sync/child_walk.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "base/limits.h"
#include "gtest/gtest.h"
#include "storage/memory/memory_storage.h"
#include "sync/sync_service.h"
#include "tests/unit/sync/manual_clock.h"

namespace tcsync::sync {
namespace {

const Uuid kClient = *Uuid::Parse("c11e4700-0000-4000-8000-000000000001");

// Gives reads to the test, which answers them when and where it likes.
class WaitingStorage final : public Storage {
 public:
  struct Read {
    Uuid parent_version_id;
    ChildCallback done;
  };

  // Answers all reads that wait, and those that they cause, on this thread.
  void AnswerAll() {
    while (!waiting.empty()) {
      Read read = std::move(waiting.back());
      waiting.pop_back();
      below.GetChild(kClient, read.parent_version_id, std::move(read.done));
    }
  }

  void Append(AppendRequest request, AppendCallback done) override {
    below.Append(std::move(request), std::move(done));
  }
  void StoreSnapshot(StoreSnapshotRequest request, StoreSnapshotCallback done) override {
    below.StoreSnapshot(std::move(request), std::move(done));
  }
  void GetChild(const Uuid& client_id, const Uuid& parent_version_id, ChildCallback done) override {
    ++reads;
    if (reads > failing_after) return done(absl::DataLossError("a bad block"));
    if (is_waiting) return waiting.push_back({parent_version_id, std::move(done)});
    below.GetChild(client_id, parent_version_id, std::move(done));
  }
  void GetSnapshot(const Uuid& client_id, SnapshotCallback done) override {
    below.GetSnapshot(client_id, std::move(done));
  }
  void NoteReplicaSeen(const Uuid&, const Uuid& version_id, int64_t) override {
    seen.push_back(version_id);
  }
  void NoteReplicaAhead(const Uuid&, const Uuid& version_id, int64_t) override {
    ahead.push_back(version_id);
  }
  StorageAdministration& administration() override { return below.administration(); }

  memory_storage::MemoryStorage below;
  bool is_waiting = false;
  uint64_t reads = 0;
  uint64_t failing_after = UINT64_MAX;
  std::vector<Read> waiting;
  std::vector<Uuid> seen;
  std::vector<Uuid> ahead;
};

class ChildWalkTest : public testing::Test {
 protected:
  // Adds versions with these segments; their IDs.
  std::vector<Uuid> AddVersions(const std::vector<std::string>& segments) {
    std::vector<Uuid> ids;
    for (const std::string& segment : segments) {
      service_.AddVersion(
          kClient, ids.empty() ? Uuid() : ids.back(), segment, {},
          [&ids](absl::StatusOr<AddVersionResult> result) {
            ASSERT_TRUE(result.ok() && std::holds_alternative<VersionAdded>(*result));
            ids.push_back(std::get<VersionAdded>(*result).version_id);
          });
    }
    return ids;
  }

  void Ask(const Uuid& parent, const VersionsBounds& bounds) {
    result_.reset();
    service_.GetChildVersions(kClient, parent, bounds,
                              [this](absl::StatusOr<GetChildVersionsResult> result) {
                                ASSERT_FALSE(result_.has_value()) << "answered twice";
                                result_ = std::move(result);
                              });
  }

  // The answer, which must be versions that follow `parent`: their segments.
  std::vector<std::string> Segments(Uuid parent) {
    std::vector<std::string> segments;
    if (!result_ || !result_->ok() || !std::holds_alternative<std::vector<Version>>(**result_)) {
      ADD_FAILURE() << "no versions";
      return segments;
    }
    for (const Version& version : std::get<std::vector<Version>>(**result_)) {
      EXPECT_EQ(version.parent_version_id, parent) << "a gap in the chain";
      parent = version.version_id;
      segments.push_back(version.segment);
    }
    return segments;
  }
  std::vector<std::string> AskedSegments(const Uuid& parent, const VersionsBounds& bounds) {
    Ask(parent, bounds);
    return Segments(parent);
  }

  using Strings = std::vector<std::string>;

  WaitingStorage storage_;
  ManualClock clock_;
  SyncService service_{storage_, clock_, SyncPolicy()};
  std::optional<absl::StatusOr<GetChildVersionsResult>> result_;
};

// If this fails, an answer grows with the history, and with it memory and the turn of a loop.
TEST_F(ChildWalkTest, StaysWithinItsBounds) {
  const std::vector<Uuid> ids = AddVersions({"aa", "bb", "cc", "dd", "ee"});
  EXPECT_EQ(AskedSegments(Uuid(), {.versions_max = 3, .bytes_max = 100}),
            (Strings{"aa", "bb", "cc"}));
  EXPECT_EQ(storage_.reads, 3u) << "more was read than given";
  EXPECT_EQ(AskedSegments(ids[2], {.versions_max = 3, .bytes_max = 100}), (Strings{"dd", "ee"}));
  // Three of 12 bytes each, with their frames.
  const VersionsBounds three{.versions_max = 9, .bytes_max = 36, .bytes_beside_segment = 10};
  EXPECT_EQ(AskedSegments(Uuid(), three), (Strings{"aa", "bb", "cc"}));
  const VersionsBounds less{.versions_max = 9, .bytes_max = 35, .bytes_beside_segment = 10};
  EXPECT_EQ(AskedSegments(Uuid(), less), (Strings{"aa", "bb"}));
  EXPECT_EQ(AskedSegments(Uuid(), {.versions_max = 1, .bytes_max = 100}), Strings{"aa"});
}

// If this fails, a replica never gets beyond a version that is larger than an answer of many.
TEST_F(ChildWalkTest, AVersionBeyondTheBoundsComesAlone) {
  const std::string large(base::kPieceBytesMax + 1, 'x');  // stored in pieces
  const std::vector<Uuid> ids = AddVersions({"a", "long one", "b", large, "c"});
  const VersionsBounds bounds{.versions_max = 9, .bytes_max = 5};
  EXPECT_EQ(AskedSegments(Uuid(), bounds), Strings{"a"});
  EXPECT_EQ(AskedSegments(ids[0], bounds), Strings{"long one"});
  const VersionsBounds wide{.versions_max = 9, .bytes_max = 10 * large.size()};
  EXPECT_EQ(AskedSegments(ids[1], wide), Strings{"b"}) << "pieces are not whole in memory";
  Ask(ids[2], wide);
  ASSERT_TRUE(result_.has_value() && result_->ok());
  const auto& versions = std::get<std::vector<Version>>(**result_);
  ASSERT_EQ(versions.size(), 1u);
  ASSERT_NE(versions[0].pieces, nullptr);
  EXPECT_EQ(versions[0].segment_bytes(), large.size());
}

// If this fails, the ends of a chain are taken for versions, or retention takes a version that was
// only sent for one that a replica has, and removes what it still needs.
TEST_F(ChildWalkTest, AReplicaIsSeenOnlyWhereItAsks) {
  Ask(Uuid(), {});
  EXPECT_TRUE(std::holds_alternative<NoSuchClient>(**result_));
  const std::vector<Uuid> ids = AddVersions({"a", "b", "c"});
  EXPECT_EQ(AskedSegments(Uuid(), {.versions_max = 9, .bytes_max = 100}).size(), 3u);
  EXPECT_TRUE(storage_.seen.empty()) << "it has not applied them yet";
  EXPECT_TRUE(storage_.ahead.empty());
  Ask(ids[2], {.versions_max = 9, .bytes_max = 100});
  EXPECT_TRUE(std::holds_alternative<UpToDate>(**result_));
  EXPECT_EQ(storage_.seen, std::vector<Uuid>{ids[2]});
  const Uuid unknown = Uuid::Random();
  Ask(unknown, {.versions_max = 9, .bytes_max = 100});
  ASSERT_TRUE(std::holds_alternative<Gone>(**result_));
  EXPECT_EQ(std::get<Gone>(**result_).latest_version_id, ids[2]);
  EXPECT_EQ(storage_.ahead, std::vector<Uuid>{unknown});
}

// If this fails, damage in one version hides the good ones before it, or is never reported.
TEST_F(ChildWalkTest, AFailureEndsTheWalkBeforeIt) {
  AddVersions({"a", "b", "c"});
  storage_.failing_after = 2;
  EXPECT_EQ(AskedSegments(Uuid(), {.versions_max = 9, .bytes_max = 100}), (Strings{"a", "b"}));
  storage_.failing_after = 0;
  Ask(Uuid(), {.versions_max = 9, .bytes_max = 100});
  EXPECT_EQ(result_->status().code(), absl::StatusCode::kDataLoss);
}

// If this fails, a request whose versions have to be read from the disk is never answered, or a
// thread of storage is used after the answer.
TEST_F(ChildWalkTest, ContinuesWhereStorageAnswers) {
  AddVersions({"a", "b", "c", "d"});
  storage_.is_waiting = true;
  Ask(Uuid(), {.versions_max = 3, .bytes_max = 100});
  EXPECT_FALSE(result_.has_value());
  EXPECT_EQ(storage_.waiting.size(), 1u) << "one read at a time";
  std::thread reader([this] { storage_.AnswerAll(); });
  reader.join();
  EXPECT_EQ(Segments(Uuid()), (Strings{"a", "b", "c"}));
  // The first from the disk, and the others from memory.
  Ask(Uuid(), {.versions_max = 3, .bytes_max = 100});
  storage_.is_waiting = false;
  storage_.AnswerAll();
  EXPECT_EQ(Segments(Uuid()), (Strings{"a", "b", "c"}));
}

// If this fails, a long history overflows the stack of an event loop.
TEST_F(ChildWalkTest, ALongWalkDoesNotRecurse) {
  constexpr size_t kVersions = 100'000;
  AddVersions(Strings(kVersions, "x"));
  EXPECT_EQ(AskedSegments(Uuid(), {.versions_max = kVersions, .bytes_max = kVersions}).size(),
            kVersions);
}

}  // namespace
}  // namespace tcsync::sync
