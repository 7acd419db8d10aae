// Many versions in one answer, over real sockets and against each storage backend: the extension as
// docs/protocol.md has it. If these fail, a replica that is far behind gets another history than
// with one version at a time, or others pay for it.
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "backend_test.h"
#include "base/limits.h"
#include "gtest/gtest.h"
#include "http_client.h"
#include "tcsync/uuid.h"
#include "test_server.h"

namespace tcsync::conformance {
namespace {

constexpr char kVersionsType[] = "application/vnd.tcsync.versions";
constexpr size_t kFrameHeadBytes = 20;

// As a replica asks: for many versions, or one.
HttpRequest ManyRequest(absl::string_view client_id, absl::string_view parent) {
  return With(GetChildVersionRequest(client_id, parent), "Accept",
              absl::StrCat(kVersionsType, ", ", kSegmentType));
}

HttpResponse GetMany(Replica& replica, absl::string_view parent) {
  return replica.client().Exchange(ManyRequest(replica.client_id(), parent));
}

using Versions = std::vector<std::pair<std::string, std::string>>;  // ID, segment

// The versions of an answer, one or many, by the letter of the documentation and not by the
// library's reader.
Versions VersionsOf(const HttpResponse& response) {
  EXPECT_EQ(response.status, 200) << response;
  if (response.Header("Content-Type") == kSegmentType) {
    return {{response.Header("X-Version-Id"), response.body}};
  }
  EXPECT_EQ(response.Header("Content-Type"), kVersionsType) << response;
  Versions versions;
  absl::string_view rest = response.body;
  while (rest.size() > kFrameHeadBytes) {
    size_t bytes = 0;
    for (const char c : rest.substr(16, 4)) bytes = bytes << 8 | static_cast<uint8_t>(c);
    const std::string id = Uuid::FromBytes(rest.data()).ToString();
    rest.remove_prefix(kFrameHeadBytes);
    if (bytes > rest.size()) break;
    versions.emplace_back(id, rest.substr(0, bytes));
    rest.remove_prefix(bytes);
  }
  EXPECT_EQ(rest.size(), 0u) << "bytes behind the last frame";
  return versions;
}

class ManyVersionsTest : public BackendTest {};

INSTANTIATE_TEST_SUITE_P(Backends, ManyVersionsTest, Backends(),
                         [](const auto& info) { return std::string(info.param); });

// If this fails, the versions of an answer are not those of the chain, byte for byte.
TEST_P(ManyVersionsTest, GivesTheVersionsThatFollow) {
  Replica replica(server());
  Versions expected;
  std::string parent = kNil;
  for (const size_t bytes : {1, 300, 20'000, 2, 17'000}) {
    const std::string segment = BinaryBytes(bytes, static_cast<uint32_t>(bytes));
    parent = replica.Append(parent, segment);
    expected.emplace_back(parent, segment);
  }
  const HttpResponse response = GetMany(replica, kNil);
  EXPECT_EQ(VersionsOf(response), expected);
  EXPECT_EQ(response.Header("Content-Type"), kVersionsType);
  EXPECT_EQ(response.HeaderCount("X-Parent-Version-Id"), 1) << response;
  EXPECT_EQ(response.Header("X-Parent-Version-Id"), kNil) << response;
  EXPECT_FALSE(response.Has("X-Version-Id")) << response;
  const HttpResponse rest = GetMany(replica, expected[1].first);
  EXPECT_EQ(VersionsOf(rest), Versions(expected.begin() + 2, expected.end()));
  EXPECT_EQ(rest.Header("X-Parent-Version-Id"), expected[1].first) << rest;
}

// If this fails, one request makes an event loop read a whole history while others wait.
TEST_P(ManyVersionsTest, AnAnswerHasABoundedNumberOfVersions) {
  Replica replica(server());
  const std::vector<std::string> chain =
      replica.AppendChain(kNil, static_cast<int>(base::kVersionsPerAnswerMax) + 3);
  const Versions first = VersionsOf(GetMany(replica, kNil));
  ASSERT_EQ(first.size(), base::kVersionsPerAnswerMax);
  const Versions rest = VersionsOf(GetMany(replica, first.back().first));
  ASSERT_EQ(rest.size(), 3u);
  EXPECT_EQ(GetMany(replica, rest.back().first).status, 404);
  std::vector<std::string> got;
  for (const Versions& versions : {first, rest}) {
    for (const auto& [id, segment] : versions) got.push_back(id);
  }
  EXPECT_EQ(got, chain);
}

// If this fails, answers to replicas that are far behind take the memory that others need.
TEST_P(ManyVersionsTest, AnAnswerHasABoundedNumberOfBytes) {
  Replica replica(server());
  const size_t bytes = base::kPieceBytesMax / 3 - kFrameHeadBytes;
  std::string parent = kNil;
  for (uint32_t i = 0; i < 4; ++i) parent = replica.Append(parent, BinaryBytes(bytes, i));
  const HttpResponse response = GetMany(replica, kNil);
  EXPECT_EQ(VersionsOf(response).size(), 3u);
  EXPECT_LE(response.body.size(), base::kPieceBytesMax);
}

// If this fails, a large version stops every replica that is behind it.
TEST_P(ManyVersionsTest, ALargeVersionComesByItselfAsOneVersion) {
  Replica replica(server());
  std::string parent = kNil;
  std::vector<std::string> segments;
  for (const size_t bytes : {size_t{10}, base::kPieceBytesMax - kFrameHeadBytes + 1,
                             base::kPieceBytesMax, 3 * base::kPieceBytesMax + 7, size_t{20}}) {
    segments.push_back(BinaryBytes(bytes, static_cast<uint32_t>(bytes)));
    parent = replica.Append(parent, segments.back());
  }
  parent = kNil;
  for (const std::string& segment : segments) {
    const HttpResponse response = GetMany(replica, parent);
    EXPECT_EQ(response.Header("Content-Type"), kSegmentType) << response;
    EXPECT_EQ(response.Header("X-Parent-Version-Id"), parent) << response;
    EXPECT_TRUE(response.body == segment) << segment.size() << " bytes";
    parent = response.Header("X-Version-Id");
  }
  EXPECT_EQ(GetMany(replica, parent).status, 404);
}

// If this fails, a replica that accepts many versions does not learn that it is up to date, or has
// diverged, or has no history here.
TEST_P(ManyVersionsTest, OtherAnswersAreThoseOfTheProtocol) {
  Replica replica(server());
  EXPECT_EQ(GetMany(replica, kNil).status, 404);
  const std::vector<std::string> chain = replica.AppendChain(RandomId(), 3);
  EXPECT_EQ(GetMany(replica, chain[2]).status, 404);
  EXPECT_EQ(GetMany(replica, kNil).status, 410);
  EXPECT_EQ(GetMany(replica, RandomId()).status, 410);
  for (const char* method : {"HEAD", "POST", "PUT"}) {
    HttpRequest request = ManyRequest(replica.client_id(), chain[0]);
    request.method = method;
    HttpClient client = server().Connect();
    ASSERT_TRUE(client.Send(request.Serialize()));
    EXPECT_EQ(client.ReadResponse(method).status, 405) << method;
  }
  const HttpResponse last = GetMany(replica, chain[1]);
  EXPECT_EQ(last.Header("Content-Type"), kSegmentType) << "there is one version";
  EXPECT_EQ(last.Header("X-Version-Id"), chain[2]);
}

// If this fails, Taskwarrior, curl or a browser gets an answer that it cannot read.
TEST_P(ManyVersionsTest, OnlyAClientThatNamesTheTypeGetsMany) {
  Replica replica(server());
  const std::vector<std::string> chain = replica.AppendChain(kNil, 3);
  const HttpRequest plain = GetChildVersionRequest(replica.client_id(), kNil);
  EXPECT_EQ(replica.client().Exchange(plain).body, "segment 0");
  const std::string one[] = {"",
                             "*/*",
                             "application/*",
                             kSegmentType,
                             absl::StrCat(kVersionsType, "-2"),
                             "text/html, */*;q=0.8"};
  for (const std::string& accept : one) {
    const HttpResponse response = replica.client().Exchange(With(plain, "Accept", accept));
    EXPECT_EQ(response.Header("Content-Type"), kSegmentType) << accept;
    EXPECT_EQ(response.body, "segment 0") << accept;
  }
  const std::string many[] = {kVersionsType, absl::AsciiStrToUpper(kVersionsType),
                              absl::StrCat("*/* ,\t", kVersionsType, " ;q=1")};
  for (const std::string& accept : many) {
    EXPECT_EQ(VersionsOf(replica.client().Exchange(With(plain, "Accept", accept))).size(), 3u)
        << accept;
  }
  HttpRequest twice = With(plain, "Accept", "*/*");
  twice.headers.emplace_back("accept", kVersionsType);
  EXPECT_EQ(VersionsOf(replica.client().Exchange(twice)).size(), 3u) << "fields are one list";
}

// If this fails, an answer goes on in another user's history.
TEST_P(ManyVersionsTest, AnAnswerStaysWithinItsClient) {
  Replica alice(server());
  Replica bob(server());
  // The same parent for both: a chain that was copied for two users.
  const std::string parent = RandomId();
  const std::vector<std::string> alices = alice.AppendChain(parent, 4);
  const std::string bobs = bob.Append(parent, "Bob's first");
  bob.Append(bobs, "Bob's second");
  const Versions got = VersionsOf(GetMany(bob, parent));
  ASSERT_EQ(got.size(), 2u);
  EXPECT_EQ(got[0], std::pair(bobs, std::string("Bob's first")));
  EXPECT_EQ(got[1].second, "Bob's second");
  EXPECT_EQ(GetMany(bob, alices[0]).status, 410);
  EXPECT_EQ(VersionsOf(GetMany(alice, parent)).size(), 4u);
}

// If this fails, the rate of a client is exceeded by a sync that makes fewer requests than before.
TEST(ManyVersionsLimitsTest, AnAnswerCountsAsOneRequest) {
  Options options = OptionsFor("memory");
  ASSERT_TRUE(SetOption("client-requests-per-second", "1", options).ok());
  ASSERT_TRUE(SetOption("client-requests-burst", "24", options).ok());
  const TestServer server(options);
  Replica replica(server);
  replica.AppendChain(kNil, 20);
  EXPECT_EQ(VersionsOf(GetMany(replica, kNil)).size(), 20u);
  EXPECT_EQ(VersionsOf(GetMany(replica, kNil)).size(), 20u);
  std::vector<int> statuses;
  // A slow machine gives some tokens back meanwhile.
  for (int i = 0; i < 200 && (statuses.empty() || statuses.back() != 429); ++i) {
    statuses.push_back(GetMany(replica, kNil).status);
  }
  EXPECT_EQ(statuses.back(), 429) << "the client's bucket does not apply";
}

}  // namespace
}  // namespace tcsync::conformance
