// Request bodies as HTTP/1.1 allows them: in chunks, announced with Expect, compressed. If one of
// these fails, the stored bytes differ from the replica's, or a hostile body costs too much.
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "compression.h"
#include "gtest/gtest.h"
#include "http_client.h"
#include "test_server.h"

namespace tcsync::conformance {
namespace {

// `body` in chunks of `chunk_bytes`, with the last chunk.
std::string InChunks(absl::string_view body, size_t chunk_bytes) {
  std::string chunks;
  for (size_t at = 0; at < body.size(); at += chunk_bytes) {
    const absl::string_view chunk = body.substr(at, chunk_bytes);
    absl::StrAppend(&chunks, absl::Hex(chunk.size()), "\r\n", chunk, "\r\n");
  }
  return chunks + "0\r\n\r\n";
}

class HttpBodyTest : public testing::Test {
 protected:
  HttpBodyTest() : replica_(server_) {}

  // An add-version of replica_'s whose body follows in chunks.
  std::string ChunkedHead(absl::string_view coding = "chunked") const {
    HttpRequest request = AddVersionRequest(replica_.client_id(), kNil, "");
    request.headers.emplace_back("Transfer-Encoding", std::string(coding));
    return request.Serialize();
  }

  // An add-version of replica_'s with a compressed body.
  HttpRequest Compressed(absl::string_view coding, std::string body) const {
    return With(AddVersionRequest(replica_.client_id(), kNil, body), "Content-Encoding", coding);
  }

  void ExpectStored(absl::string_view segment) {
    const HttpResponse response = replica_.GetChildVersion(kNil);
    EXPECT_EQ(response.status, 200) << response;
    EXPECT_EQ(response.body.size(), segment.size());
    EXPECT_TRUE(response.body == segment);
    EXPECT_FALSE(response.Has("Content-Encoding")) << response;
  }

  // An unknown client has stored nothing.
  void ExpectNothingStored() { EXPECT_EQ(replica_.AddSnapshot(kNil).status, 404); }

  TestServer server_;
  Replica replica_;
};

// If this fails, a replica whose HTTP library sends chunks stores a damaged segment.
TEST_F(HttpBodyTest, ChunkedBodiesAreJoined) {
  const std::string segment = BinaryBytes(100'000);
  for (const size_t chunk_bytes : {1, 7, 1000, 65'536, 100'000}) {
    replica_ = Replica(server_);
    ASSERT_TRUE(replica_.client().Send(ChunkedHead() + InChunks(segment, chunk_bytes)));
    const HttpResponse response = replica_.client().ReadResponse();
    ASSERT_EQ(response.status, 200) << chunk_bytes << response;
    ExpectStored(segment);
  }
}

// If this fails, a proxy's chunk extensions end up in a segment, or a trailer names another client.
// Chunk extensions and trailer fields must be ignored (RFC 9112, sections 7.1.1 and 7.1.2), and
// sizes may have either case and leading zeros. A trailer must not pass for a header.
TEST_F(HttpBodyTest, ChunkExtensionsAndTrailersAreIgnored) {
  const std::string body =
      "3;name=value\r\nseg\r\n"
      "00000A;a;b=\"c;d\"\r\n0123456789\r\n"
      "b ; x = y\r\n0123456789b\r\n"
      "0;last\r\nX-Client-Id: 00000000-0000-0000-0000-000000000000\r\nX-Trailer: x\r\n\r\n";
  ASSERT_TRUE(replica_.client().Send(ChunkedHead("Chunked") + body));
  const HttpResponse response = replica_.client().ReadResponse();
  ASSERT_EQ(response.status, 200) << response;
  ExpectStored("seg01234567890123456789b");
}

// If this fails, a replica on a slow line stores a damaged segment, or is refused.
TEST_F(HttpBodyTest, ChunksMayArriveByteByByte) {
  const std::string segment = BinaryBytes(300);
  const std::string chunks = InChunks(segment, 20);
  const std::string body =
      absl::StrCat(chunks.substr(0, chunks.size() - 2), "X-Trailer: x\r\n\r\n");
  ASSERT_TRUE(replica_.client().SendInPieces(ChunkedHead() + body, 1));
  const HttpResponse response = replica_.client().ReadResponse();
  ASSERT_EQ(response.status, 200) << response;
  ExpectStored(segment);
}

// If this fails, an empty version is added, which no replica can open.
TEST_F(HttpBodyTest, AnEmptyChunkedBodyIsRefused) {
  HttpClient client = server_.Connect();
  ASSERT_TRUE(client.Send(ChunkedHead() + "0\r\n\r\n"));
  ExpectError(client.ReadResponse(), 400);
  ExpectNothingStored();
}

// If this fails, the limit holds only for clients that announce a length.
TEST_F(HttpBodyTest, AChunkedBodyOverTheLimitIsTooLarge) {
  Options options = OptionsFor("memory");
  options.body_bytes_max = 100'000;
  TestServer server(options);
  Replica replica(server);
  HttpRequest request = AddVersionRequest(replica.client_id(), kNil, "");
  request.headers.emplace_back("Transfer-Encoding", "chunked");
  HttpClient client = server.Connect();
  client.Send(request.Serialize() + InChunks(BinaryBytes(100'001), 1000));
  ExpectError(client.ReadResponse(), 413);
  EXPECT_EQ(replica.AddSnapshot(kNil).status, 404) << "something was stored";
  ASSERT_TRUE(replica.client().Send(request.Serialize() + InChunks(BinaryBytes(100'000), 1000)));
  EXPECT_EQ(replica.client().ReadResponse().status, 200);
  // One endless chunk is refused by its received bytes, or by its announced size; not accepted.
  HttpClient endless = server.Connect();
  endless.Send(request.Serialize() + "7fffffff\r\n" + BinaryBytes(200'000));
  ExpectError(endless.ReadResponse(), 413);
}

// If this fails, a stranger smuggles a request through a proxy that reads the chunks differently.
TEST_F(HttpBodyTest, MalformedChunksAreRefused) {
  for (const char* const malformed :
       {"x\r\n", "-1\r\nx\r\n", "0x5\r\nhello\r\n0\r\n\r\n", "\r\nhello\r\n0\r\n\r\n",
        "5\r\nhelloX\r\n0\r\n\r\n", "5\r\nhello0\r\n\r\n", "5 5\r\nhello\r\n0\r\n\r\n",
        "g\r\n0\r\n\r\n", "10000000000000000005\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello\r\nffffffffffffffff1\r\nx"}) {
    SCOPED_TRACE(malformed);
    HttpClient client = server_.Connect();
    client.Send(ChunkedHead() + malformed);
    const HttpResponse response = client.ReadResponse();
    EXPECT_TRUE(response.status == 400 || response.status == 413) << response;
    const std::optional<std::string> rest = client.ReadUntilClosed();
    ASSERT_TRUE(rest.has_value()) << "the connection stayed open";
    EXPECT_EQ(*rest, "");
  }
  ExpectNothingStored();
}

// If this fails, curl waits a second before each larger upload, and others wait forever.
TEST_F(HttpBodyTest, ExpectContinueIsAnsweredBeforeTheBody) {
  const std::string segment = BinaryBytes(100'000);
  for (const char* const value : {"100-continue", "100-Continue"}) {
    replica_ = Replica(server_);
    const HttpRequest request =
        With(AddVersionRequest(replica_.client_id(), kNil, segment), "Expect", value);
    const std::string message = request.Serialize();
    ASSERT_TRUE(replica_.client().Send(message.substr(0, message.size() - segment.size())));
    const HttpResponse interim = replica_.client().ReadResponse();
    ASSERT_EQ(interim.status, 100) << interim;
    ASSERT_TRUE(replica_.client().Send(segment));
    const HttpResponse response = replica_.client().ReadResponse();
    EXPECT_EQ(response.status, 200) << response;
    ExpectStored(segment);
  }
  // The same in chunks, and for a body that comes without waiting.
  replica_ = Replica(server_);
  HttpRequest chunked = AddVersionRequest(replica_.client_id(), kNil, "");
  chunked.headers = With(chunked, "Expect", "100-continue").headers;
  chunked.headers.emplace_back("Transfer-Encoding", "chunked");
  ASSERT_TRUE(replica_.client().Send(chunked.Serialize()));
  ASSERT_EQ(replica_.client().ReadResponse().status, 100);
  ASSERT_TRUE(replica_.client().Send(InChunks(segment, 1000)));
  EXPECT_EQ(replica_.client().ReadResponse().status, 200);
  ExpectStored(segment);
  EXPECT_EQ(
      replica_.client()
          .Exchange(With(AddVersionRequest(replica_.client_id(), kNil), "Expect", "100-continue"))
          .status,
      409);
}

// If this fails, a client uploads a whole body after a permission, when the head alone was enough
// to refuse it.
TEST_F(HttpBodyTest, ExpectContinueIsNotAnsweredWhenTheHeadIsRefused) {
  const HttpRequest good =
      With(AddVersionRequest(replica_.client_id(), kNil), "Expect", "100-continue");
  HttpRequest wrong_path = good;
  wrong_path.target = "/v1/client/add-versions";
  HttpRequest wrong_method = good;
  wrong_method.method = "PUT";
  const std::pair<HttpRequest, int> cases[] = {{Without(good, "X-Client-Id"), 400},
                                               {With(good, "Content-Type", "text/plain"), 400},
                                               {With(good, "Content-Encoding", "br"), 415},
                                               {wrong_path, 404},
                                               {wrong_method, 405}};
  for (const auto& [request, status] : cases) {
    HttpClient client = server_.Connect();
    const std::string message = request.Serialize();
    ASSERT_TRUE(client.Send(message.substr(0, message.size() - request.body.size())));
    ExpectError(client.ReadResponse(), status);
    // Nothing else, and above all no "100 Continue", follows it.
    client.ShutdownWrite();
    EXPECT_EQ(client.ReadUntilClosed(), "");
  }
  ExpectNothingStored();
}

// If this fails, other replicas get compressed bytes that they cannot open.
TEST_F(HttpBodyTest, CompressedBodiesAreStoredUncompressed) {
  const std::string text(200'000, 'a');
  const std::string binary = BinaryBytes(200'000);
  for (const std::string& segment : {std::string("x"), text, binary}) {
    const std::pair<const char*, std::string> bodies[] = {
        {"gzip", Gzip(segment)},       {"GZip", Gzip(segment)}, {"deflate", Deflate(segment)},
        {"DEFLATE", Deflate(segment)}, {"identity", segment},   {"Identity", segment}};
    for (const auto& [coding, body] : bodies) {
      replica_ = Replica(server_);
      const HttpResponse response = replica_.client().Exchange(Compressed(coding, body));
      ASSERT_EQ(response.status, 200) << coding << response;
      ExpectStored(segment);
    }
    // Compressed and in chunks, and cut anywhere by the network.
    replica_ = Replica(server_);
    const HttpRequest request = With(Compressed("gzip", ""), "Transfer-Encoding", "chunked");
    ASSERT_TRUE(
        replica_.client().SendInPieces(request.Serialize() + InChunks(Gzip(segment), 100), 333));
    EXPECT_EQ(replica_.client().ReadResponse().status, 200);
    ExpectStored(segment);
  }
  // Snapshots as well.
  const std::string version = replica_.Append(replica_.Pull(kNil).back());
  const HttpRequest snapshot = AddSnapshotRequest(replica_.client_id(), version, Gzip(text));
  EXPECT_EQ(replica_.client().Exchange(With(snapshot, "Content-Encoding", "gzip")).status, 200);
  EXPECT_TRUE(replica_.GetSnapshot().body == text);
}

// If this fails, a compressed upload over a slow line is stored damaged, or refused.
TEST_F(HttpBodyTest, CompressedBodiesMayArriveByteByByte) {
  const std::string segment = absl::StrCat(BinaryBytes(300), std::string(1000, 'x'));
  for (const bool gzip : {true, false}) {
    replica_ = Replica(server_);
    const HttpRequest request =
        gzip ? Compressed("gzip", Gzip(segment)) : Compressed("deflate", Deflate(segment));
    ASSERT_TRUE(replica_.client().SendInPieces(request.Serialize(), 1));
    EXPECT_EQ(replica_.client().ReadResponse().status, 200);
    ExpectStored(segment);
  }
}

// If this fails, a part of a segment is stored as the whole.
TEST_F(HttpBodyTest, DamagedCompressedBodiesAreRefused) {
  const std::string segment = BinaryBytes(5000);
  std::vector<std::pair<const char*, std::string>> bodies;
  for (const auto& [coding, good] :
       {std::make_pair("gzip", Gzip(segment)), std::make_pair("deflate", Deflate(segment))}) {
    for (const size_t length :
         {size_t{1}, size_t{5}, good.size() / 2, good.size() - 8, good.size() - 1}) {
      bodies.emplace_back(coding, good.substr(0, length));
    }
    std::string wrong_checksum = good;
    wrong_checksum[good.size() - (coding == std::string("gzip") ? 6 : 2)] ^= 1;
    bodies.emplace_back(coding, wrong_checksum);
    std::string wrong_data = good;
    wrong_data[good.size() / 2] ^= 0x55;
    bodies.emplace_back(coding, wrong_data);
    bodies.emplace_back(coding, segment);
    bodies.emplace_back(coding, "not compressed at all");
    bodies.emplace_back(coding, good + "and something behind it");
  }
  // The length that gzip gives at its end.
  std::string wrong_length = Gzip(segment);
  wrong_length.back() ^= 1;
  bodies.emplace_back("gzip", wrong_length);
  for (const auto& [coding, body] : bodies) {
    SCOPED_TRACE(absl::StrCat(coding, ", ", body.size(), " bytes"));
    HttpClient client = server_.Connect();
    ExpectError(client.Exchange(Compressed(coding, body)), 400);
  }
  ExpectNothingStored();
}

// If this fails, a part of a segment is stored as the whole.
// A gzip file may have several members (RFC 1952, section 2.2). Refusing that is allowed; storing
// only the first is not.
TEST_F(HttpBodyTest, SeveralGzipMembersAreJoinedOrRefused) {
  const HttpResponse response =
      server_.Connect().Exchange(Compressed("gzip", Gzip("first ") + Gzip("second")));
  if (response.status == 200) {
    ExpectStored("first second");
  } else {
    ExpectError(response, 400);
    ExpectNothingStored();
  }
}

// If this fails, a doubly coded body is stored with one coding still on it, and no replica can
// decrypt it.
TEST_F(HttpBodyTest, SeveralCodingsAreRefused) {
  const std::string twice = Gzip(Gzip("segment"));
  ExpectError(server_.Connect().Exchange(Compressed("gzip, gzip", twice)), 415);
  ExpectError(server_.Connect().Exchange(Compressed("deflate,gzip", Gzip(Deflate("x")))), 415);
  for (const char* const second : {"gzip", "deflate", "br"}) {
    HttpRequest request = Compressed("gzip", twice);
    request.headers.emplace_back("Content-Encoding", second);
    ExpectError(server_.Connect().Exchange(request), 415);
    request = Compressed("identity", twice);
    request.headers.emplace_back("Content-Encoding", second);
    ExpectError(server_.Connect().Exchange(request), 415);
  }
  ExpectNothingStored();
}

// If this fails, compression lets an empty segment into the chain.
TEST_F(HttpBodyTest, ACompressedEmptyBodyIsRefused) {
  for (const HttpRequest& request :
       {Compressed("gzip", Gzip("")), Compressed("deflate", Deflate("")), Compressed("gzip", "")}) {
    ExpectError(server_.Connect().Exchange(request), 400);
  }
  ExpectNothingStored();
}

// If this fails, a few kilobytes from a stranger make the server take gigabytes of memory.
TEST_F(HttpBodyTest, AGzipBombIsTooLarge) {
  Options options = OptionsFor("memory");
  options.body_bytes_max = 1 << 20;
  TestServer server(options);
  replica_ = Replica(server);
  const std::string bomb(size_t{64} << 20, '\0');
  ExpectError(server.Connect().Exchange(Compressed("gzip", Gzip(bomb))), 413);
  ExpectError(server.Connect().Exchange(Compressed("deflate", Deflate(bomb))), 413);
  const std::string over_limit((size_t{1} << 20) + 1, 'x');
  ExpectError(server.Connect().Exchange(Compressed("gzip", Gzip(over_limit))), 413);
  ExpectNothingStored();
  const std::string largest = over_limit.substr(1);
  EXPECT_EQ(server.Connect().Exchange(Compressed("gzip", Gzip(largest))).status, 200);
  ExpectStored(largest);
}

// If this fails, a connection hangs that waits for a body without a length.
// Without a length there is no body (RFC 9112, section 6.3), and the server does not wait for one.
TEST_F(HttpBodyTest, APostWithoutALengthHasAnEmptyBody) {
  HttpClient client = server_.Connect();
  ASSERT_TRUE(client.Send(
      absl::StrCat("POST /v1/client/add-version/", kNil, " HTTP/1.1\r\nHost: x\r\nX-Client-Id: ",
                   replica_.client_id(), "\r\nContent-Type: ", kSegmentType, "\r\n\r\n")));
  ExpectError(client.ReadResponse(), 400);
  ExpectNothingStored();
}

// If this fails, the body of a GET is taken for the next request: with a proxy in front, one user's
// bytes become another user's request.
TEST_F(HttpBodyTest, TheBodyOfAGetIsNotParsedAsARequest) {
  const std::string smuggled = AddVersionRequest(replica_.client_id(), kNil).Serialize();
  for (const bool chunked : {false, true}) {
    HttpRequest request;
    if (chunked) {
      request.headers.emplace_back("Transfer-Encoding", "chunked");
      request.body = InChunks(smuggled, 1000);
    } else {
      request.body = smuggled;
    }
    HttpRequest next;
    next.target = "/nowhere";
    HttpClient client = server_.Connect();
    ASSERT_TRUE(client.Send(request.Serialize() + next.Serialize()));
    const HttpResponse first = client.ReadResponse();
    EXPECT_TRUE(first.status == 200 || first.status == 400) << first;
    if (!first.SaysClose()) {
      EXPECT_EQ(client.ReadResponse().status, 404);
    }
  }
  ExpectNothingStored();
}

}  // namespace
}  // namespace tcsync::conformance
