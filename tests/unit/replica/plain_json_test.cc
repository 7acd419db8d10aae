// The fast reader of JSON against the whole parser. If these fail, a text becomes other tasks or
// operations than those which every other replica makes of it.
#include "replica/plain_json.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <random>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "replica/operation_json.h"
#include "tests/unit/replica/raw_database.h"

namespace tcsync::replica {
namespace {

const absl::Time kTime = absl::FromUnixNanos(1'795'986'889'123'456'789);

std::vector<Operation> SomeOperations() {
  Operation update =
      Operation::Update(TaskId(1), "description", "say \"oat\" \\ \t\n ü \x01", kTime);
  update.old_value = "before";
  return {Operation::Create(TaskId(1)), update,
          Operation::Update(TaskId(1), "tag_a", std::nullopt, kTime),
          Operation::Update(TaskId(2), "tag_b", "", kTime), Operation::Delete(TaskId(2))};
}

std::string SegmentOf(const std::vector<Operation>& operations) {
  std::string json(kSegmentBegin);
  for (const Operation& operation : operations) {
    absl::StrAppend(&json, json.size() > kSegmentBegin.size() ? "," : "",
                    FormatSentOperation(operation));
  }
  return absl::StrCat(json, kSegmentEnd);
}

// `text` with a byte or two removed, added, replaced or repeated.
std::string Mutate(std::string text, std::mt19937_64& random) {
  constexpr absl::string_view kBytes = "\"\\{}[],:0a \n\tun\x01\x7f\xc3\xbc\xff";
  for (size_t changes = 1 + random() % 2; changes > 0 && !text.empty(); --changes) {
    const size_t place = random() % text.size();
    const size_t length = 1 + random() % 20;
    switch (random() % 4) {
      case 0:
        text.erase(place, length);
        break;
      case 1:
        text.insert(place, 1, kBytes[random() % kBytes.size()]);
        break;
      case 2:
        text[place] = kBytes[random() % kBytes.size()];
        break;
      default:
        text.insert(random() % text.size(), text.substr(place, length));
    }
  }
  return text;
}

// The space keeps the fast reader from `text`.
template <typename Parse>
void ExpectSameOfBoth(Parse parse, const std::string& text) {
  const auto fast = parse(text);
  const auto whole = parse(absl::StrCat(" ", text));
  ASSERT_EQ(fast.status(), whole.status()) << text;
  if (fast.ok()) {
    ASSERT_TRUE(*fast == *whole) << text;
  }
}

// If this fails, a damaged or forged text is accepted, or read as something else.
TEST(PlainJsonTest, ChangedTextsAreReadAsByTheWholeParser) {
  constexpr int kTexts = 20'000;
  std::mt19937_64 random(1);
  const std::string segment = SegmentOf(SomeOperations());
  const std::string stored = FormatStoredOperation(SomeOperations()[1]);
  const std::string properties =
      FormatProperties({{"a", "1"}, {"description", "\"ü\"\n"}, {"status", "pending"}});
  for (int i = 0; i < kTexts; ++i) {
    ExpectSameOfBoth(ParseSegment, Mutate(segment, random));
    ExpectSameOfBoth(ParseStoredOperation, Mutate(stored, random));
    ExpectSameOfBoth(ParseProperties, Mutate(properties, random));
    if (HasFatalFailure()) return;
  }
}

// If this fails, syncs with a long history are slow again, because the whole parser reads it.
TEST(PlainJsonTest, UsualTextsAreReadFast) {
  std::vector<Operation> usual = SomeOperations();
  usual[1].value = "say \"oat\" \\ \t\n ü";
  usual[1].old_value.reset();
  EXPECT_EQ(ReadPlainSegment(SegmentOf(usual)), usual);
  // The order of the fields is that of TaskChampion.
  EXPECT_TRUE(ReadPlainSegment(
                  absl::StrCat("{\"operations\":[{\"Update\":{\"uuid\":\"", TaskId(1).ToString(),
                               "\",\"property\":\"project\",\"value\":\"a\",\"timestamp\":"
                               "\"2026-11-29T21:14:49.123456789Z\"}}]}"))
                  .has_value());
  EXPECT_EQ(ReadPlainStoredOperation(FormatStoredOperation(usual[1])), usual[1]);
  const TaskProperties properties = {{"description", "a \"b\""}, {"status", "pending"}};
  EXPECT_EQ(ReadPlainProperties(FormatProperties(properties)), properties);
}

}  // namespace
}  // namespace tcsync::replica
