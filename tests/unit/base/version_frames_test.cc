// The frames of many versions in one answer. If these fail, a replica reads versions that the
// server never sent, or a server's bytes make it use memory without bound.
#include "base/version_frames.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/limits.h"

namespace tcsync::base {
namespace {

using Result = VersionFrameReader::Result;

const Uuid kParent = *Uuid::Parse("a7595bf3-1415-4efb-9513-3b5698d3ce6e");
const Uuid kFirst = *Uuid::Parse("00010203-0405-4607-8809-0a0b0c0d0e0f");
const Uuid kSecond = *Uuid::Parse("ffeeddcc-bbaa-4988-8776-655443322110");

std::string Frame(const Uuid& version_id, absl::string_view segment) {
  std::string frame;
  AppendVersionFrame(version_id, segment, frame);
  return frame;
}

// A frame that announces `bytes`, with nothing behind its head.
std::string HeadOnly(const Uuid& version_id, uint32_t bytes) {
  std::string head(version_id.AsStringView());
  for (int shift = 24; shift >= 0; shift -= 8) head.push_back(static_cast<char>(bytes >> shift));
  return head;
}

struct Read {
  std::vector<std::pair<Uuid, std::string>> versions;
  std::vector<Uuid> parents;
  Result end = Result::kFrame;
  std::string problem;
};

Read ReadAll(absl::string_view body) {
  Read read;
  VersionFrameReader reader(kParent, body);
  while ((read.end = reader.Next()) == Result::kFrame) {
    read.versions.emplace_back(reader.version_id(), reader.segment());
    read.parents.push_back(reader.parent_version_id());
  }
  read.problem = reader.problem();
  return read;
}

// If this fails, the server and other implementations of the protocol do not understand each other.
TEST(VersionFramesTest, AFrameHasTheDocumentedBytes) {
  EXPECT_EQ(Frame(kFirst, "ab"), std::string("\x00\x01\x02\x03\x04\x05\x46\x07\x88\x09\x0a\x0b\x0c"
                                             "\x0d\x0e\x0f\x00\x00\x00\x02"
                                             "ab",
                                             22));
  const std::string segment(0x010203, 'x');
  EXPECT_EQ(Frame(kFirst, segment).substr(16, 4), std::string("\x00\x01\x02\x03", 4));
}

// If this fails, a version is unsealed for another parent, which replicas take for damage.
TEST(VersionFramesTest, FramesFollowOneAnother) {
  const std::string segment = std::string("\0\r\n", 3) + std::string(70'000, '\xff');
  const Read read = ReadAll(Frame(kFirst, segment) + Frame(kSecond, "second"));
  EXPECT_EQ(read.end, Result::kEnd);
  ASSERT_EQ(read.versions.size(), 2u);
  EXPECT_EQ(read.versions[0], std::pair(kFirst, segment));
  EXPECT_EQ(read.versions[1], std::pair(kSecond, std::string("second")));
  EXPECT_EQ(read.parents, (std::vector<Uuid>{kParent, kFirst}));
  EXPECT_EQ(ReadAll("").end, Result::kEnd);
}

// If this fails, an answer that broke off gives a version that is not whole, or loses one that is.
TEST(VersionFramesTest, EveryCutLeavesTheWholeFrames) {
  const std::string first = Frame(kFirst, "the first");
  const std::string second = Frame(kSecond, "the second");
  const std::string body = first + second;
  for (size_t bytes = 0; bytes <= body.size(); ++bytes) {
    const Read read = ReadAll(absl::string_view(body).substr(0, bytes));
    const bool ends_between = bytes == 0 || bytes == first.size() || bytes == body.size();
    EXPECT_EQ(read.end, ends_between ? Result::kEnd : Result::kCut) << bytes;
    EXPECT_EQ(read.versions.size(), bytes == body.size()    ? 2u
                                    : bytes >= first.size() ? 1u
                                                            : 0u)
        << bytes;
  }
}

// If this fails, a length from outside makes a replica wait for, or reserve, any amount.
TEST(VersionFramesTest, LengthsThatNoVersionHasAreMalformed) {
  for (const uint32_t bytes : {uint32_t{0}, static_cast<uint32_t>(kBodyBytesCeiling) + 1,
                               uint32_t{0x7fffffff}, uint32_t{0x80000000}, uint32_t{0xffffffff}}) {
    const Read read = ReadAll(Frame(kFirst, "good") + HeadOnly(kSecond, bytes) + "rest");
    EXPECT_EQ(read.end, Result::kMalformed) << bytes;
    EXPECT_EQ(read.problem, absl::StrCat("has a history segment of ", bytes, " bytes"));
    EXPECT_EQ(read.versions.size(), 1u);
  }
  // The longest one is only incomplete.
  EXPECT_EQ(ReadAll(HeadOnly(kFirst, static_cast<uint32_t>(kBodyBytesCeiling)) + "rest").end,
            Result::kCut);
}

// If this fails, a hostile server leads a replica in a circle, or back to the beginning.
TEST(VersionFramesTest, AChainNeverReturns) {
  EXPECT_EQ(ReadAll(Frame(Uuid(), "nil")).end, Result::kMalformed);
  EXPECT_EQ(ReadAll(Frame(kParent, "its own child")).end, Result::kMalformed);
  EXPECT_EQ(ReadAll(Frame(kFirst, "one") + Frame(kFirst, "one")).end, Result::kMalformed);
  const Read circle =
      ReadAll(Frame(kFirst, "one") + Frame(kSecond, "two") + Frame(kFirst, "one again"));
  EXPECT_EQ(circle.end, Result::kMalformed);
  EXPECT_EQ(circle.problem, absl::StrCat("has the version ", kFirst.ToString(), " twice"));
  EXPECT_EQ(circle.versions.size(), 2u);
}

}  // namespace
}  // namespace tcsync::base
