// The server's answers to invalid requests, and its base path: statuses, headers, and a sentence
// for people. A real client turns each of these into an error message, so a wrong status sends its
// user to look in the wrong place.
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gtest/gtest.h"
#include "http_client.h"
#include "tcsync/uuid.h"
#include "test_server.h"

namespace tcsync::conformance {
namespace {

// One request of each of the four rows.
std::vector<HttpRequest> EveryRow(const std::string& client_id) {
  return {AddVersionRequest(client_id, kNil), GetChildVersionRequest(client_id, kNil),
          AddSnapshotRequest(client_id, kNil), GetSnapshotRequest(client_id)};
}

class ErrorsTest : public testing::Test {
 protected:
  HttpResponse Exchange(const HttpRequest& request) {
    // A new connection each time: the server may close one after an error.
    HttpClient client = server_.Connect();
    return client.Exchange(request);
  }

  TestServer server_;
};

// If this fails, people who open the address in a browser cannot see that the server is there.
TEST_F(ErrorsTest, TheRootNamesTheServerAndItsVersion) {
  const HttpResponse response = Exchange(HttpRequest());
  EXPECT_EQ(response.status, 200) << response;
  EXPECT_TRUE(absl::StrContains(response.body, "tcsync")) << response;
  EXPECT_TRUE(absl::StrContains(response.body, TCSYNC_VERSION)) << response;
  EXPECT_TRUE(absl::StartsWith(response.Header("Content-Type"), "text/plain")) << response;
  const absl::string_view line = absl::StripTrailingAsciiWhitespace(response.body);
  EXPECT_EQ(line.find('\n'), absl::string_view::npos) << response;
}

// If this fails, a request without a valid client ID reads or writes something, or a person with a
// mistyped ID gets another message.
TEST_F(ErrorsTest, AMissingOrMalformedClientIdIsRefused) {
  for (const HttpRequest& request : EveryRow(RandomId())) {
    SCOPED_TRACE(request.target);
    ExpectError(Exchange(Without(request, "X-Client-Id")), 400);
    for (const char* const malformed :
         {"", "x", "0", "0123abcd89ab4def8123456789abcdef",
          "{0123abcd-89ab-4def-8123-456789abcdef}", "urn:uuid:0123abcd-89ab-4def-8123-456789abcdef",
          "0123abcd-89ab-4def-8123-456789abcde", "0123abcd-89ab-4def-8123-456789abcdef0",
          "0123abcd-89ab-4def-8123-456789abcdeg", "0123abcd-89ab-4def-8123_456789abcdef",
          "0123abcd-89ab-4def-81234-56789abcdef",
          "0123abcd-89ab-4def-8123-456789abcdef, 0123abcd-89ab-4def-8123-456789abcdef"}) {
      ExpectError(Exchange(With(request, "X-Client-Id", malformed)), 400);
    }
  }
}

// If this fails, a proxy that checks one of two client IDs admits requests for the other.
// To HTTP, a field that comes twice is a list (RFC 9110, section 5.2), and a list is not a UUID.
TEST_F(ErrorsTest, TwoClientIdsAreRefused) {
  for (HttpRequest request : EveryRow(RandomId())) {
    request.headers.emplace_back("x-client-id", RandomId());
    SCOPED_TRACE(request.target);
    ExpectError(Exchange(request), 400);
  }
}

// If this fails, the server stores something other than a segment: a form, JSON, or a snapshot sent
// to the wrong place.
TEST_F(ErrorsTest, AWrongContentTypeIsRefused) {
  Replica replica(server_);
  const std::string version = replica.Append(kNil);
  const HttpRequest add_version = AddVersionRequest(replica.client_id(), version);
  const HttpRequest add_snapshot = AddSnapshotRequest(replica.client_id(), version);
  for (const char* const wrong :
       {"", "text/plain", "application/octet-stream", "application/x-www-form-urlencoded",
        "application/vnd.taskchampion", "application/vnd.taskchampion.history-segments",
        "application/vnd.taskchampion.snapshots", ";application/vnd.taskchampion.snapshot",
        "application/vnd.taskchampion.history-segment, text/plain", "*/*"}) {
    SCOPED_TRACE(wrong);
    ExpectError(Exchange(With(add_version, "Content-Type", wrong)), 400);
    ExpectError(Exchange(With(add_snapshot, "Content-Type", wrong)), 400);
  }
  ExpectError(Exchange(Without(add_version, "Content-Type")), 400);
  ExpectError(Exchange(Without(add_snapshot, "Content-Type")), 400);
  ExpectError(Exchange(With(add_version, "Content-Type", kSnapshotType)), 400);
  ExpectError(Exchange(With(add_snapshot, "Content-Type", kSegmentType)), 400);
  EXPECT_EQ(replica.Pull(kNil).size(), 1u);
  EXPECT_EQ(replica.GetSnapshot().status, 404);
}

// If this fails, clients whose HTTP library adds a parameter, or writes types in capitals, are
// locked out.
TEST_F(ErrorsTest, ContentTypesMayHaveParametersAndAnyCase) {
  Replica replica(server_);
  std::string latest = kNil;
  for (const std::string& type :
       {absl::StrCat(kSegmentType, "; charset=utf-8"), absl::StrCat(kSegmentType, ";"),
        absl::StrCat(kSegmentType, " ; a=\"b;c\"; d=e"), absl::AsciiStrToUpper(kSegmentType),
        std::string("Application/Vnd.TaskChampion.History-Segment")}) {
    const HttpResponse response =
        Exchange(With(AddVersionRequest(replica.client_id(), latest), "Content-Type", type));
    ASSERT_EQ(response.status, 200) << type << response;
    latest = response.Header("X-Version-Id");
  }
  const std::string type = absl::StrCat(absl::AsciiStrToUpper(kSnapshotType), "; x=y");
  const HttpRequest snapshot = AddSnapshotRequest(replica.client_id(), latest);
  EXPECT_EQ(Exchange(With(snapshot, "Content-Type", type)).status, 200);
  EXPECT_EQ(replica.GetSnapshot().body, "snapshot");
  // Replies have the plain type all the same.
  EXPECT_EQ(replica.GetChildVersion(kNil).Header("Content-Type"), kSegmentType);
}

// If this fails, an empty segment, which no replica can decrypt, blocks the chain of its client.
TEST_F(ErrorsTest, AnEmptyBodyIsRefused) {
  Replica replica(server_);
  ExpectError(replica.AddVersion(kNil, ""), 400);
  const std::string version = replica.Append(kNil);
  ExpectError(replica.AddVersion(version, ""), 400);
  ExpectError(replica.AddSnapshot(version, ""), 400);
  EXPECT_EQ(replica.Pull(kNil).size(), 1u);
  EXPECT_EQ(replica.GetSnapshot().status, 404);
}

// If this fails, the allow-list does not keep strangers out, or keeps the owner out.
TEST_F(ErrorsTest, OnlyAllowedClientsAreServed) {
  const std::string alice = "0123abcd-89ab-4def-8123-456789abcdef";
  const std::string bob = RandomId();
  Options options = OptionsFor("memory");
  options.allow_client_ids = {*Uuid::Parse(alice), *Uuid::Parse(bob)};
  TestServer server(options);
  for (const HttpRequest& request : EveryRow(RandomId())) {
    ExpectError(server.Connect().Exchange(request), 403);
  }
  for (const std::string& allowed : {alice, bob, absl::AsciiStrToUpper(alice)}) {
    Replica replica(server, allowed);
    EXPECT_EQ(replica.GetSnapshot().status, 404) << allowed;
  }
  const std::string version = Replica(server, alice).Append(kNil);
  EXPECT_EQ(Replica(server, alice).AddSnapshot(version).status, 200);
  EXPECT_EQ(server.Connect().Exchange(HttpRequest()).status, 200) << "the root is public";
}

// If this fails, a mistyped URL looks like an empty history, or reaches an unintended row.
TEST_F(ErrorsTest, UnknownPathsAreNotFound) {
  const std::string id = RandomId();
  for (const std::string& path :
       {std::string("/favicon.ico"),
        std::string("/v1"),
        std::string("/v1/"),
        std::string("/v1/client"),
        std::string("/v1/client/"),
        std::string("/v1/client/snapshots"),
        std::string("/v1/client/snapshot/"),
        absl::StrCat("/v1/client/snapshot/", id),
        std::string("/v2/client/snapshot"),
        std::string("/V1/client/snapshot"),
        std::string("//v1/client/snapshot"),
        std::string("/v1//client/snapshot"),
        std::string("/v1/client/get-child-version"),
        std::string("/v1/client/get-child-version/"),
        absl::StrCat("/v1/client/get-child-version/", id, "/"),
        absl::StrCat("/v1/client/get-child-version/", id, "/x"),
        absl::StrCat("/v1/client/get-child-version/x", id),
        absl::StrCat("/x/v1/client/get-child-version/", id),
        std::string("/v1/client/get-child-version/not-a-uuid"),
        std::string("/v1/client/get-child-version/0123abcd89ab4def8123456789abcdef"),
        std::string("/v1/client/get-child-version/{0123abcd-89ab-4def-8123-456789abcdef}"),
        std::string("/v1/client/../client/snapshot"),
        std::string("/%"),
        std::string("/%00"),
        std::string("/.")}) {
    HttpRequest request = GetSnapshotRequest(id);
    request.target = path;
    SCOPED_TRACE(path);
    ExpectError(Exchange(request), 404);
  }
  for (const std::string& path :
       {std::string("/v1/client/add-version"), std::string("/v1/client/add-version/"),
        std::string("/v1/client/add-version/latest"),
        absl::StrCat("/v1/client/add-version/", id, "0"),
        absl::StrCat("/v1/client/add-snapshot/", id)}) {
    HttpRequest request = AddVersionRequest(id, kNil);
    request.target = path;
    if (absl::StrContains(path, "snapshot")) request = With(request, "Content-Type", kSnapshotType);
    SCOPED_TRACE(path);
    ExpectError(Exchange(request), 404);
  }
  EXPECT_EQ(Replica(server_, id).AddSnapshot(kNil).status, 404) << "something was stored";
}

// If this fails, a tool with a wrong method does not learn the right one, or changes something with
// it.
TEST_F(ErrorsTest, UnsupportedMethodsAreNotAllowed) {
  const std::string id = RandomId();
  const struct {
    std::string path;
    const char* allowed;
  } rows[] = {{absl::StrCat("/v1/client/add-version/", kNil), "POST"},
              {absl::StrCat("/v1/client/get-child-version/", kNil), "GET"},
              {absl::StrCat("/v1/client/add-snapshot/", kNil), "POST"},
              {"/v1/client/snapshot", "GET"},
              {"/", "GET"}};
  for (const auto& row : rows) {
    for (const char* const method : {"GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "BREW"}) {
      if (absl::string_view(method) == row.allowed) continue;
      HttpRequest request = AddVersionRequest(id, kNil);
      request.method = method;
      request.target = row.path;
      SCOPED_TRACE(absl::StrCat(method, " ", row.path));
      const HttpResponse response = Exchange(request);
      ExpectError(response, 405);
      bool listed = false;
      for (const absl::string_view each : absl::StrSplit(response.Header("Allow"), ',')) {
        EXPECT_NE(absl::StripAsciiWhitespace(each), method) << response;
        listed = listed || absl::StripAsciiWhitespace(each) == row.allowed;
      }
      EXPECT_TRUE(listed) << response;
    }
  }
  EXPECT_EQ(Replica(server_, id).AddSnapshot(kNil).status, 404) << "something was stored";
}

// If this fails, a program that watches the page at / by HEAD reports a failure, or an answer to
// HEAD has a body, which the client takes for the next answer.
TEST_F(ErrorsTest, AnAnswerToHeadHasNoBody) {
  Replica replica(server_);
  replica.Append(kNil);
  const std::pair<HttpRequest, int> cases[] = {
      {HttpRequest(), 200}, {GetChildVersionRequest(replica.client_id(), kNil), 405}};
  for (auto [request, status] : cases) {
    request.method = "HEAD";
    HttpClient client = server_.Connect();
    const HttpResponse response = client.Exchange(request);
    EXPECT_EQ(response.status, status) << response;
    if (response.SaysClose()) continue;
    EXPECT_EQ(client.Exchange(HttpRequest()).status, 200) << response;
  }
}

// If this fails, the server cannot be put under a path of a larger site, or answers where another
// program should.
TEST_F(ErrorsTest, ABasePathAppliesToEveryEndpoint) {
  for (const char* const base_path : {"/some/path", "/some/path/"}) {
    SCOPED_TRACE(base_path);
    Options options = OptionsFor("memory");
    options.base_path = base_path;
    TestServer server(options);
    const std::string id = RandomId();
    const auto exchange = [&](HttpRequest request, const std::string& prefix) {
      request.target = absl::StrCat(prefix, request.target);
      return server.Connect().Exchange(request);
    };
    EXPECT_EQ(exchange(AddVersionRequest(id, kNil), "/some/path").status, 200);
    EXPECT_EQ(exchange(GetChildVersionRequest(id, kNil), "/some/path").body, "segment");
    EXPECT_EQ(exchange(GetSnapshotRequest(id), "/some/path").status, 404);
    EXPECT_EQ(exchange(HttpRequest(), "/some/path").status, 200) << "/some/path/";
    HttpRequest root;
    root.target = "/some/path";
    EXPECT_EQ(server.Connect().Exchange(root).status, 200) << "as people type it";
    for (const char* const outside :
         {"", "/some", "/some/path/more", "/some/pathological", "/SOME/PATH", "/other"}) {
      SCOPED_TRACE(outside);
      ExpectError(exchange(GetChildVersionRequest(id, kNil), outside), 404);
      ExpectError(exchange(AddVersionRequest(id, kNil), outside), 404);
      ExpectError(exchange(HttpRequest(), outside), 404);
    }
  }
}

// If this fails, one user's upload can take more memory than the server has.
TEST_F(ErrorsTest, ABodyOverTheLimitIsTooLarge) {
  Options options = OptionsFor("memory");
  options.body_bytes_max = 100'000;
  TestServer server(options);
  Replica replica(server);
  const std::string version = replica.Append(kNil, BinaryBytes(100'000));
  EXPECT_EQ(replica.AddSnapshot(version, BinaryBytes(100'000)).status, 200);
  ExpectError(Replica(server, replica.client_id()).AddVersion(version, BinaryBytes(100'001)), 413);
  ExpectError(Replica(server, replica.client_id()).AddSnapshot(version, BinaryBytes(100'001)), 413);
  EXPECT_EQ(replica.Pull(kNil).size(), 1u);
}

// If this fails, a client must upload a whole body, perhaps on a slow line, only to learn that it
// is too large.
TEST_F(ErrorsTest, ATooLargeLengthIsRefusedBeforeTheBody) {
  for (const char* const length : {"104857601", "1099511627776", "9223372036854775807"}) {
    for (const bool expects_continue : {false, true}) {
      SCOPED_TRACE(length);
      HttpRequest request = AddVersionRequest(RandomId(), kNil, "");
      request.headers.emplace_back("Content-Length", length);
      if (expects_continue) request.headers.emplace_back("Expect", "100-continue");
      HttpClient client = server_.Connect();
      ASSERT_TRUE(client.Send(request.Serialize()));
      ExpectError(client.ReadResponse(), 413);
    }
  }
}

// If this fails, a client that sends first and reads then, as the real one does, sees a broken
// connection instead of the 413: the server closed it while bytes were still on their way.
TEST_F(ErrorsTest, AClientThatSendsItsWholeBodyFirstGetsIts413) {
  Options options = OptionsFor("memory");
  options.body_bytes_max = 100'000;
  TestServer server(options);
  for (int attempt = 0; attempt < 5; ++attempt) {
    HttpClient client = server.Connect();
    const HttpRequest request = AddVersionRequest(RandomId(), kNil, BinaryBytes(1 << 20));
    client.Send(request.Serialize());
    ExpectError(client.ReadResponse(), 413);
  }
}

// If this fails, the server stores bytes that it cannot decode: no replica could read them.
TEST_F(ErrorsTest, AnUnknownContentCodingIsRefused) {
  const std::string id = RandomId();
  for (const char* const coding : {"br", "zstd", "compress", "gzip2", "xgzip", "aes128gcm"}) {
    const HttpRequest request = With(AddVersionRequest(id, kNil), "Content-Encoding", coding);
    SCOPED_TRACE(coding);
    ExpectError(Exchange(request), 415);
    // From its head alone, when it is worthwhile not to send the body.
    HttpClient client = server_.Connect();
    ASSERT_TRUE(client.Send(
        With(Without(request, "Content-Length"), "Content-Length", "10000000").Serialize()));
    ExpectError(client.ReadResponse(), 415);
  }
  EXPECT_EQ(Replica(server_, id).AddSnapshot(kNil).status, 404) << "something was stored";
}

}  // namespace
}  // namespace tcsync::conformance
