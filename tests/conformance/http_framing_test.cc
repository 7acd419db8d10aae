// HTTP/1.1 connections: keep-alive, closing, pipelining, requests that arrive in pieces, and the
// forms of a request that are allowed though rare. If one of these fails, some HTTP library or
// proxy in front of the server does not work with it.
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "http_client.h"
#include "test_server.h"

namespace tcsync::conformance {
namespace {

class HttpFramingTest : public testing::Test {
 protected:
  HttpFramingTest() : client_(server_.Connect()) {}

  TestServer server_;
  HttpClient client_;
};

// If this fails, every request of a sync pays for a new connection, and with TLS in front for more.
TEST_F(HttpFramingTest, AConnectionServesSeveralRequests) {
  Replica replica(server_);
  const std::vector<std::string> versions = replica.AppendChain(kNil, 20);
  EXPECT_EQ(replica.Pull(kNil), versions);
  // After answers that are not 200 as well.
  EXPECT_EQ(replica.AddVersion(kNil).status, 409);
  EXPECT_EQ(replica.GetChildVersion(RandomId()).status, 410);
  const HttpResponse response = replica.GetSnapshot();
  EXPECT_EQ(response.status, 404);
  EXPECT_FALSE(response.SaysClose()) << response;
}

// If this fails, an error after a request's head and whole body costs the connection; or, worse,
// the server loses its place in the stream and reads a body as a request.
TEST_F(HttpFramingTest, ARequestAfterAnErrorIsServed) {
  const std::string id = RandomId();
  const HttpRequest good = AddVersionRequest(id, kNil);
  for (const HttpRequest& bad :
       {Without(good, "X-Client-Id"), With(good, "Content-Type", "text/plain"),
        AddVersionRequest(id, "not-a-uuid", "GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
        AddVersionRequest(id, kNil, "")}) {
    HttpClient client = server_.Connect();
    const HttpResponse first = client.Exchange(bad);
    EXPECT_GE(first.status, 400) << first;
    EXPECT_LT(first.status, 500) << first;
    if (first.SaysClose()) {
      EXPECT_EQ(client.ReadUntilClosed(), "");
      continue;
    }
    HttpRequest next;
    next.target = "/nowhere";
    EXPECT_EQ(client.Exchange(next).status, 404);
  }
}

// If this fails, a client that announces its end waits for the end of a connection that stays open.
TEST_F(HttpFramingTest, ConnectionCloseIsHonoured) {
  for (const char* const value : {"close", "Close", "foo, close"}) {
    HttpClient client = server_.Connect();
    const HttpResponse response = client.Exchange(With(HttpRequest(), "Connection", value));
    EXPECT_EQ(response.status, 200) << response;
    EXPECT_TRUE(response.SaysClose()) << response;
    EXPECT_EQ(client.ReadUntilClosed(), "");
  }
}

// If this fails, requests after a "close" are carried out though their client was told otherwise.
TEST_F(HttpFramingTest, RequestsAfterConnectionCloseAreIgnored) {
  const std::string id = RandomId();
  ASSERT_TRUE(client_.Send(With(HttpRequest(), "Connection", "close").Serialize() +
                           AddVersionRequest(id, kNil).Serialize()));
  EXPECT_EQ(client_.ReadResponse().status, 200);
  EXPECT_EQ(client_.ReadUntilClosed(), "");
  EXPECT_EQ(Replica(server_, id).AddSnapshot(kNil).status, 404) << "something was stored";
}

// If this fails, health checks of old load balancers, which speak HTTP/1.0, wait forever.
TEST_F(HttpFramingTest, Http10ClosesWithoutKeepAlive) {
  ASSERT_TRUE(client_.Send("GET / HTTP/1.0\r\n\r\n"));
  EXPECT_EQ(client_.ReadResponse().status, 200);
  EXPECT_EQ(client_.ReadUntilClosed(), "");

  HttpClient keeping = server_.Connect();
  const std::string request = "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
  ASSERT_TRUE(keeping.Send(request));
  const HttpResponse response = keeping.ReadResponse();
  EXPECT_EQ(response.status, 200) << response;
  if (absl::EqualsIgnoreCase(response.Header("Connection"), "keep-alive")) {
    ASSERT_TRUE(keeping.Send(request));
    EXPECT_EQ(keeping.ReadResponse().status, 200);
  } else {
    EXPECT_EQ(keeping.ReadUntilClosed(), "");
  }
}

// If this fails, pipelined requests are lost, or their answers come in another order, and a client
// takes one version for another.
TEST_F(HttpFramingTest, PipelinedGetsAreAnsweredInOrder) {
  Replica replica(server_);
  const std::vector<std::string> versions = replica.AppendChain(kNil, 20);
  std::string requests;
  for (int round = 0; round < 5; ++round) {
    for (const std::string& version : versions) {
      absl::StrAppend(&requests, GetChildVersionRequest(replica.client_id(), version).Serialize());
    }
  }
  ASSERT_TRUE(client_.Send(requests));
  for (int round = 0; round < 5; ++round) {
    for (size_t i = 0; i + 1 < versions.size(); ++i) {
      const HttpResponse response = client_.ReadResponse();
      ASSERT_EQ(response.status, 200) << response;
      ASSERT_EQ(response.Header("X-Version-Id"), versions[i + 1]) << response;
    }
    ASSERT_EQ(client_.ReadResponse().status, 404);
  }
}

// If this fails, a pipelined request overtakes an upload before it.
TEST_F(HttpFramingTest, PipelinedRequestsAreCarriedOutInOrder) {
  for (int round = 0; round < 20; ++round) {
    const std::string id = RandomId();
    HttpRequest chunked = AddVersionRequest(id, kNil, "");
    chunked.headers.emplace_back("Transfer-Encoding", "chunked");
    ASSERT_TRUE(client_.Send(absl::StrCat(
        GetChildVersionRequest(id, kNil).Serialize(), AddVersionRequest(id, kNil).Serialize(),
        chunked.Serialize(), "5\r\nstale\r\n0\r\n\r\n", AddVersionRequest(id, kNil).Serialize(),
        GetChildVersionRequest(id, kNil).Serialize(),
        AddSnapshotRequest(id, RandomId()).Serialize(), GetSnapshotRequest(id).Serialize(),
        HttpRequest().Serialize())));
    EXPECT_EQ(client_.ReadResponse().status, 404);
    const HttpResponse added = client_.ReadResponse();
    EXPECT_EQ(added.status, 200) << added;
    for (int refused = 0; refused < 2; ++refused) {
      const HttpResponse conflict = client_.ReadResponse();
      EXPECT_EQ(conflict.status, 409) << conflict;
      EXPECT_EQ(conflict.Header("X-Parent-Version-Id"), added.Header("X-Version-Id"));
    }
    EXPECT_EQ(client_.ReadResponse().body, "segment");
    EXPECT_EQ(client_.ReadResponse().status, 200);
    EXPECT_EQ(client_.ReadResponse().status, 404);
    ASSERT_EQ(client_.ReadResponse().status, 200);
  }
}

// If this fails, a long pipeline overflows a buffer or stalls: more requests than any buffer holds,
// and more answers than the client has room for while it sends.
TEST_F(HttpFramingTest, EveryRequestOfALongPipelineIsAnswered) {
  constexpr int kRequests = 5000;
  std::string requests;
  for (int i = 0; i < kRequests; ++i) {
    HttpRequest request;
    request.target = i % 2 == 0 ? "/" : "/nowhere";
    absl::StrAppend(&requests, request.Serialize());
  }
  ASSERT_TRUE(client_.SendWhileReading(requests));
  for (int i = 0; i < kRequests; ++i) {
    ASSERT_EQ(client_.ReadResponse().status, i % 2 == 0 ? 200 : 404) << i;
  }
}

// If this fails, large answers are mixed up with those that follow them on the same connection.
TEST_F(HttpFramingTest, PipelinedRequestsMayHaveLargeAnswers) {
  Replica replica(server_);
  const std::string segment = BinaryBytes(3'000'000);
  replica.Append(kNil, segment);
  std::string requests;
  for (int i = 0; i < 4; ++i) {
    absl::StrAppend(&requests, GetChildVersionRequest(replica.client_id(), kNil).Serialize(),
                    HttpRequest().Serialize());
  }
  ASSERT_TRUE(client_.Send(requests));
  for (int i = 0; i < 4; ++i) {
    EXPECT_TRUE(client_.ReadResponse().body == segment) << i;
    EXPECT_EQ(client_.ReadResponse().status, 200) << i;
  }
}

// If this fails, a request is misread when the network divides it at an unlucky place.
TEST_F(HttpFramingTest, ARequestMayArriveInTwoPieces) {
  const std::string request =
      AddVersionRequest(RandomId(), kNil).Serialize() + HttpRequest().Serialize();
  EXPECT_TRUE(client_.Send(request));
  EXPECT_EQ(client_.ReadResponse().status, 200);
  EXPECT_EQ(client_.ReadResponse().status, 200);
  for (size_t cut = 1; cut < request.size(); ++cut) {
    ASSERT_TRUE(client_.Send(request.substr(0, cut)));
    ASSERT_TRUE(client_.Send(request.substr(cut)));
    // The client has a version by now, so this is a conflict.
    ASSERT_EQ(client_.ReadResponse().status, 409) << "cut at " << cut;
    ASSERT_EQ(client_.ReadResponse().status, 200) << "cut at " << cut;
  }
}

// If this fails, a client on a slow line, whose bytes come one at a time, is misread.
TEST_F(HttpFramingTest, ARequestMayArriveByteByByte) {
  Replica replica(server_);
  const std::string segment = BinaryBytes(700);
  const std::string message = AddVersionRequest(replica.client_id(), kNil, segment).Serialize();
  ASSERT_TRUE(client_.SendInPieces(message, 1));
  EXPECT_EQ(client_.ReadResponse().status, 200);
  EXPECT_TRUE(replica.GetChildVersion(kNil).body == segment);
}

// If this fails, clients whose library writes header names in another case, or leaves out or adds
// the optional space, are locked out.
TEST_F(HttpFramingTest, HeaderCaseAndSurroundingSpaceDoNotMatter) {
  const std::string id = RandomId();
  const std::string heads[] = {
      absl::StrCat("host: x\r\nx-client-id: ", id, "\r\ncontent-type: ", kSegmentType,
                   "\r\ncontent-length: 7\r\n"),
      absl::StrCat("HOST: x\r\nX-CLIENT-ID: ", id, "\r\nCONTENT-TYPE: ", kSegmentType,
                   "\r\nCONTENT-LENGTH: 7\r\n"),
      absl::StrCat("hOsT:x\r\nX-cLIENT-iD:", id, "\r\ncOnTeNt-TyPe:", kSegmentType,
                   "\r\nContent-length:7\r\n"),
      absl::StrCat("Host:   x  \r\nX-Client-Id: \t ", id, " \t\r\nContent-Type:\t", kSegmentType,
                   "\t\r\nContent-Length:  7  \r\nX-Empty:\r\n")};
  int served = 0;
  for (const std::string& head : heads) {
    ASSERT_TRUE(client_.Send(
        absl::StrCat("POST /v1/client/add-version/", kNil, " HTTP/1.1\r\n", head, "\r\nsegment")));
    const HttpResponse response = client_.ReadResponse();
    ASSERT_EQ(response.status, served == 0 ? 200 : 409) << head << response;
    ++served;
  }
}

// If this fails, requests through a proxy that passes the whole URL on are not understood (RFC
// 9112, section 3.2.2: a server must accept it).
TEST_F(HttpFramingTest, TheTargetMayBeAnAbsoluteUrl) {
  Replica replica(server_);
  replica.Append(kNil);
  for (const char* const origin :
       {"http://host", "http://host:8080", "HTTP://host", "https://host", "http://[::1]:80"}) {
    for (const auto& [path, status] : std::vector<std::pair<std::string, int>>{
             {"/", 200},
             {"", 200},
             {"/nowhere", 404},
             {absl::StrCat("/v1/client/get-child-version/", kNil, "?x=http://y/"), 200}}) {
      HttpRequest request = GetSnapshotRequest(replica.client_id());
      request.target = absl::StrCat(origin, path);
      HttpClient client = server_.Connect();
      EXPECT_EQ(client.Exchange(request).status, status) << request.target;
    }
  }
}

// If this fails, a query, which caches and tracking tools like to append, makes a path unknown.
TEST_F(HttpFramingTest, AQueryIsIgnored) {
  Replica replica(server_);
  const std::string version = replica.Append(kNil);
  for (const char* const query : {"?", "?x=1", "?/v1/client/snapshot", "?a?b", "?x=%00%zz"}) {
    HttpRequest root;
    root.target = absl::StrCat("/", query);
    EXPECT_EQ(client_.Exchange(root).status, 200) << query;
    HttpRequest child = GetChildVersionRequest(replica.client_id(), kNil);
    child.target += query;
    EXPECT_EQ(client_.Exchange(child).Header("X-Version-Id"), version) << query;
    HttpRequest snapshot = AddSnapshotRequest(replica.client_id(), version);
    snapshot.target += query;
    EXPECT_EQ(client_.Exchange(snapshot).status, 200) << query;
  }
}

// If this fails, a client that closes its sending side does not get its answer: nc and some old
// libraries do that.
TEST_F(HttpFramingTest, AHalfClosedConnectionGetsItsAnswers) {
  Replica replica(server_);
  const std::string segment = BinaryBytes(1'000'000);
  HttpClient client = server_.Connect();
  ASSERT_TRUE(client.Send(AddVersionRequest(replica.client_id(), kNil, segment).Serialize() +
                          GetChildVersionRequest(replica.client_id(), kNil).Serialize()));
  client.ShutdownWrite();
  const HttpResponse added = client.ReadResponse();
  EXPECT_EQ(added.status, 200) << added;
  EXPECT_TRUE(client.ReadResponse().body == segment);
  EXPECT_EQ(client.ReadUntilClosed(), "");
}

// If this fails, a broken connection leaves half of a body's segment in the chain, and no replica
// can ever sync again.
TEST_F(HttpFramingTest, AConnectionCutInABodyStoresNothing) {
  const std::string id = RandomId();
  const std::string request = AddVersionRequest(id, kNil, BinaryBytes(100'000)).Serialize();
  HttpRequest chunked = AddVersionRequest(id, kNil, "");
  chunked.headers.emplace_back("Transfer-Encoding", "chunked");
  const std::string chunks = chunked.Serialize() + "7\r\nsegment\r\n";
  for (const std::string& cut :
       {request.substr(0, request.size() - 1), request.substr(0, request.size() / 2),
        request.substr(0, request.find("\r\n\r\n") + 5), chunks, chunks + "0\r\n",
        chunks.substr(0, chunks.size() - 2)}) {
    for (const int how : {0, 1, 2}) {
      HttpClient client = server_.Connect();
      ASSERT_TRUE(client.Send(cut));
      if (how == 0) client.Close();
      if (how == 1) client.Close(/*abort=*/true);
      if (how == 2) {
        // It can still read; no answer may be a success.
        client.ShutdownWrite();
        const HttpResponse response = client.ReadResponse();
        EXPECT_TRUE(response.status == 0 || response.status == 400 || response.status == 408)
            << response;
      }
    }
  }
  // A stopped listener has dealt with all received bytes.
  server_.RestartListener();
  EXPECT_EQ(Replica(server_, id).AddSnapshot(kNil).status, 404) << "something was stored";
}

}  // namespace
}  // namespace tcsync::conformance
