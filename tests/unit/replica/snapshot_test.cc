// Snapshots, unsealed. If these fail, a new computer begins without tasks or with damaged ones, or
// a snapshot takes all of its memory.
#include "replica/snapshot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/unit/replica/raw_database.h"

namespace tcsync::replica {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string Compressed(absl::string_view text, int level = Z_DEFAULT_COMPRESSION) {
  uLongf size = compressBound(text.size());
  std::string compressed(size, '\0');
  EXPECT_EQ(compress2(reinterpret_cast<Bytef*>(compressed.data()), &size,
                      reinterpret_cast<const Bytef*>(text.data()), text.size(), level),
            Z_OK);
  compressed.resize(size);
  return compressed;
}

std::vector<Task> SomeTasks() {
  return {{TaskId(1), {}},
          {TaskId(2), {{"description", "Buy \"milk\"\n\xf0\x9f\x98\x80"}, {"status", "pending"}}},
          {TaskId(3), {{"", ""}, {std::string("\0", 1), std::string("a\0b", 3)}}}};
}

void ExpectRefused(absl::string_view snapshot, absl::string_view problem) {
  const absl::Status status = DecodeSnapshot(snapshot).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr(std::string(problem)));
}

// If this fails, a new computer does not get the tasks that its owner has.
TEST(SnapshotTest, TasksSurvive) {
  std::vector<Task> many;
  for (int i = 0; i < 20'000; ++i) {
    many.push_back({TaskId(i), {{"description", absl::StrCat("task ", i * 7'919 % 20'000)}}});
  }
  for (const std::vector<Task>& tasks : {std::vector<Task>(), SomeTasks(), many}) {
    EXPECT_TRUE(DecodeSnapshot(EncodeSnapshot(tasks).value()).value() == tasks) << tasks.size();
  }
}

// If this fails, snapshots of another compression level, as other programs may make them, are
// refused.
TEST(SnapshotTest, EveryCompressionLevelIsRead) {
  const std::string json = absl::StrCat("{\"", TaskId(1).ToString(), "\":{\"a\":\"b\"}}");
  for (int level = 0; level <= 9; ++level) {
    EXPECT_THAT(DecodeSnapshot(Compressed(json, level)).value(),
                ElementsAre(Task{TaskId(1), {{"a", "b"}}}));
  }
  // What follows the end is ignored, as by TaskChampion.
  EXPECT_TRUE(DecodeSnapshot(Compressed(json) + "x").ok());
  EXPECT_TRUE(DecodeSnapshot(Compressed(json) + std::string(100'000, '\0')).ok());
}

// If this fails, an interrupted transfer leaves a new computer with a part of the tasks.
TEST(SnapshotTest, EveryTruncationIsNoticed) {
  const std::string snapshot = EncodeSnapshot(SomeTasks()).value();
  for (size_t size = 0; size < snapshot.size(); ++size) {
    SCOPED_TRACE(size);
    ExpectRefused(snapshot.substr(0, size), "is cut off");
  }
}

// If this fails, damage becomes tasks.
TEST(SnapshotTest, EveryChangedByteIsNoticed) {
  const std::string snapshot = EncodeSnapshot(SomeTasks()).value();
  for (size_t i = 0; i < snapshot.size(); ++i) {
    for (const int mask : {0x01, 0x10, 0x80, 0xff}) {
      std::string changed = snapshot;
      changed[i] = static_cast<char>(changed[i] ^ mask);
      const auto decoded = DecodeSnapshot(changed);
      // Two bytes have bits without a meaning: the compression level, and the end of the last one.
      if (decoded.ok()) {
        EXPECT_TRUE(*decoded == SomeTasks()) << "byte " << i << " ^ " << mask;
      } else {
        EXPECT_EQ(decoded.status().code(), absl::StatusCode::kInvalidArgument);
      }
    }
  }
}

// If this fails, bytes that are no snapshot end in a crash or in a wrong reason.
TEST(SnapshotTest, OtherBytesAreRefused) {
  for (const char* const garbage : {"xx", "{}", "garbage garbage", "\x1f\x8b\x08 gzip"}) {
    ExpectRefused(garbage, "is not compressed with zlib");
  }
  ExpectRefused(std::string(100'000, '\0'), "is not compressed with zlib");
  // One that needs a dictionary.
  ExpectRefused(absl::string_view("\x78\xbb\x00\x00\x00\x01\x00", 7), "is not compressed");
  const std::string id = TaskId(1).ToString();
  for (const auto& [json, problem] : std::vector<std::pair<std::string, const char*>>{
           {"", "is not JSON"},
           {"{", "is not JSON"},
           {"{}x", "is not JSON"},
           {"{\"a\":\"\xff\"}", "is not JSON"},
           {"[]", "is not an object"},
           {"null", "is not an object"},
           {"\"x\"", "is not an object"},
           {"{\"hunter2\":{}}", "malformed uuid"},
           {"{\"" + id + "0\":{}}", "malformed uuid"},
           {"{\"{" + id + "}\":{}}", "malformed uuid"},
           {"{\"" + id + "\":[]}", "not an object"},
           {"{\"" + id + "\":null}", "not an object"},
           {"{\"" + id + "\":{\"a\":1}}", "not a text"},
           {"{\"" + id + "\":{\"a\":null}}", "not a text"},
       }) {
    SCOPED_TRACE(json);
    ExpectRefused(Compressed(json), problem);
    EXPECT_THAT(std::string(DecodeSnapshot(Compressed(json)).status().message()),
                testing::Not(HasSubstr("hunter2")));
  }
}

// If this fails, an enemy's snapshot of a megabyte fills the memory of each new computer.
TEST(SnapshotTest, ABombIsRefusedAtTheBound) {
  constexpr size_t kBound = 1'000'000;
  const std::string json = "{" + std::string(kBound - 2, ' ') + "}";
  EXPECT_TRUE(DecodeSnapshot(Compressed(json), kBound).ok());
  const absl::Status status = DecodeSnapshot(Compressed(json), kBound - 1).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("more than 999999 bytes"));
  // The bound is noticed on the way, and not at the end, which is damaged here.
  const std::string bomb = Compressed(std::string(100 * kBound, ' '), Z_BEST_SPEED);
  EXPECT_THAT(
      std::string(DecodeSnapshot(bomb.substr(0, bomb.size() / 2), kBound).status().message()),
      HasSubstr("more than 1000000 bytes"));
}

}  // namespace
}  // namespace tcsync::replica
