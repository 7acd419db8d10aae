// Bytes that are not HTTP, or HTTP that two readers could understand differently. The server
// refuses each and closes the connection.
#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "http_client.h"
#include "test_server.h"

namespace tcsync::conformance {
namespace {

class HttpMalformedTest : public testing::Test {
 protected:
  // Expects that `message` is answered with one of `statuses`, or not at all if 0 is among them,
  // that nothing else is sent and that the connection is closed.
  void ExpectRefused(absl::string_view message, const std::vector<int>& statuses) {
    SCOPED_TRACE(message.substr(0, 400));
    HttpClient client = server_.Connect();
    client.Send(message);
    const HttpResponse response = client.ReadResponse();
    EXPECT_NE(std::find(statuses.begin(), statuses.end(), response.status), statuses.end())
        << response;
    if (response.status != 0) {
      EXPECT_TRUE(response.SaysClose()) << response;
    }
    const std::optional<std::string> rest = client.ReadUntilClosed();
    ASSERT_TRUE(rest.has_value()) << "the connection stayed open";
    EXPECT_EQ(*rest, "");
  }

  // An add-version for client_id_ with `fields` (lines with their ends) instead of Content-Length.
  std::string Post(absl::string_view fields, absl::string_view body = "segment") const {
    return absl::StrCat("POST /v1/client/add-version/", kNil,
                        " HTTP/1.1\r\nHost: x\r\nX-Client-Id: ", client_id_,
                        "\r\nContent-Type: ", kSegmentType, "\r\n", fields, "\r\n", body);
  }

  void ExpectNothingStored() {
    EXPECT_EQ(Replica(server_, client_id_).AddSnapshot(kNil).status, 404);
  }

  TestServer server_;
  const std::string client_id_ = RandomId();
};

// If this fails, bytes of another protocol are taken for a request.
TEST_F(HttpMalformedTest, AMalformedRequestLineIsRefused) {
  const std::string rest = "\r\nHost: x\r\n\r\n";
  for (const std::string& line :
       {std::string("GARBAGE"), std::string("GET"), std::string("GET /"),
        std::string("GET  HTTP/1.1"), std::string(" GET / HTTP/1.1"), std::string("G@T / HTTP/1.1"),
        std::string("GET /\x01 HTTP/1.1"), std::string("GET /\0 HTTP/1.1", 15),
        std::string("GET /\x7f HTTP/1.1"), std::string("GET\t/\tHTTP/1.1"),
        std::string("\0\0\0\0", 4), std::string("{\"json\": true}")}) {
    ExpectRefused(line + rest, {400});
  }
  // Any text after the target in place of a version may be called an unknown version.
  for (const char* const version :
       {"HTTP", "HTTP/1", "HTTP/x.y", "http/1.1", "HTTP /1.1", "HTTP/1.1 ", "/ HTTP/1.1", "x"}) {
    ExpectRefused(absl::StrCat("GET / ", version, rest), {400, 505});
  }
}

// If this fails, a client that speaks HTTP/2 hangs instead of failing.
TEST_F(HttpMalformedTest, OtherVersionsOfHttpAreRefused) {
  for (const char* const version : {"HTTP/0.9", "HTTP/2.0", "HTTP/3.0", "HTTP/9.9"}) {
    ExpectRefused(absl::StrCat("GET / ", version, "\r\nHost: x\r\n\r\n"), {400, 505});
  }
  // An HTTP/2 client's first bytes to a server that it believes to speak it.
  ExpectRefused(absl::StrCat("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
                             absl::string_view("\0\0\0\x04\0\0\0\0\0", 9)),
                {400, 505});
}

// If this fails, a user of https:// at a server without TLS waits instead of failing.
TEST_F(HttpMalformedTest, ATlsHandshakeIsRefused) {
  std::string hello("\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03", 11);
  hello += BinaryBytes(194).substr(32);
  ExpectRefused(hello + std::string(32, '\xaa'), {400});
}

// If this fails, a stranger hides a field, such as another user's X-Client-Id, from a proxy's
// checks.
TEST_F(HttpMalformedTest, MalformedHeaderFieldsAreRefused) {
  for (const std::string& field :
       {std::string("no colon"), std::string(": no name"), std::string("Bad Name: x"),
        std::string("X-Space : x"), std::string("X-Bad\x01: x"), std::string("X-Nul: a\0b", 10),
        std::string("(X): y"), std::string("X-Client-Id : 0123abcd-89ab-4def-8123-456789abcdef")}) {
    ExpectRefused(Post(absl::StrCat(field, "\r\nContent-Length: 7\r\n")), {400});
  }
  ExpectNothingStored();
}

// If this fails, a stranger smuggles a request through a proxy that believes the other of the two.
TEST_F(HttpMalformedTest, LengthAndTransferEncodingTogetherAreRefused) {
  const std::string chunks = "7\r\nsegment\r\n0\r\n\r\n";
  ExpectRefused(Post("Content-Length: 7\r\nTransfer-Encoding: chunked\r\n", chunks), {400});
  ExpectRefused(Post("Transfer-Encoding: chunked\r\nContent-Length: 7\r\n", chunks), {400});
  ExpectRefused(
      Post(absl::StrCat("Transfer-Encoding: chunked\r\nContent-Length: ", chunks.size(), "\r\n"),
           chunks),
      {400});
  ExpectRefused(Post("content-length: 0\r\ntransfer-encoding: CHUNKED\r\n", chunks), {400});
  ExpectNothingStored();
}

// If this fails, a stranger smuggles a request through a proxy that reads the other length.
TEST_F(HttpMalformedTest, DifferingLengthsAreRefused) {
  ExpectRefused(Post("Content-Length: 7\r\nContent-Length: 8\r\n", "segment!"), {400});
  ExpectRefused(Post("Content-Length: 7\r\nX-Between: x\r\ncontent-length: 5\r\n"), {400});
  ExpectRefused(Post("Content-Length: 7, 8\r\n", "segment!"), {400});
  ExpectRefused(Post("Content-Length: 0\r\nContent-Length: 7\r\n"), {400});
  ExpectNothingStored();
}

// If this fails, the server takes the end of a body for the next request, or stores a part of it.
TEST_F(HttpMalformedTest, MalformedLengthsAreRefused) {
  for (const char* const length :
       {"", "-1", "-0", "+7", "7.0", "0x7", "7a", "seven", "7 7", "7;7", "1e1", "'7'", "٧",
        "18446744073709551616", "18446744073709551623", "99999999999999999999999999999999"}) {
    ExpectRefused(Post(absl::StrCat("Content-Length: ", length, "\r\n")), {400});
  }
  ExpectNothingStored();
}

// If this fails, a stranger smuggles a request through a proxy that reads the coding differently.
TEST_F(HttpMalformedTest, OtherTransferCodingsAreRefused) {
  const std::string chunks = "7\r\nsegment\r\n0\r\n\r\n";
  for (const char* const coding :
       {"gzip", "gzip, chunked", "chunked, gzip", "xchunked", "chunkedx", "identity", "\"chunked\"",
        "chunked;x=y", "", "chunked, chunked", "identity, chunked"}) {
    ExpectRefused(Post(absl::StrCat("Transfer-Encoding: ", coding, "\r\n"), chunks), {400, 501});
  }
  ExpectRefused(Post("Transfer-Encoding : chunked\r\n", chunks), {400});
  ExpectRefused(Post("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", chunks),
                {400, 501});
  ExpectNothingStored();
}

// If this fails, an endless head takes all memory.
TEST_F(HttpMalformedTest, AHeadThatIsTooLargeIsRefused) {
  const std::string start = "GET / HTTP/1.1\r\nHost: x\r\n";
  std::string many_fields = start;
  for (int i = 0; i < 2000; ++i) absl::StrAppend(&many_fields, "X-", i, ": value\r\n");
  for (const std::string& message :
       {absl::StrCat(start, "X-Large: ", std::string(20'000, 'x'), "\r\n\r\n"),
        absl::StrCat(start, std::string(20'000, 'X'), ": value\r\n\r\n"), many_fields + "\r\n",
        many_fields, absl::StrCat(start, "X-Endless: ", std::string(1'000'000, 'x'))}) {
    ExpectRefused(message, {431, 400});
  }
  for (const std::string& message :
       {absl::StrCat("GET /", std::string(20'000, 'x'), " HTTP/1.1\r\nHost: x\r\n\r\n"),
        absl::StrCat("GET /", std::string(1'000'000, 'x')), std::string(1'000'000, 'G')}) {
    ExpectRefused(message, {431, 414, 400});
  }
}

// If this fails, the fields that a proxy adds make a request too large.
TEST_F(HttpMalformedTest, ALargeHeadWithinTheLimitIsServed) {
  HttpRequest request;
  request.headers.emplace_back("Cookie", std::string(4000, 'c'));
  for (int i = 0; i < 60; ++i)
    request.headers.emplace_back(absl::StrCat("X-", i), "0123456789abcdef");
  HttpClient client = server_.Connect();
  EXPECT_EQ(client.Exchange(request).status, 200);
  EXPECT_EQ(client.Exchange(request).status, 200) << "the second of a connection";
  ASSERT_TRUE(client.SendInPieces(request.Serialize(), 1));
  EXPECT_EQ(client.ReadResponse().status, 200);
}

// If this fails, a request can write header fields, or a whole response, into its own answer, and a
// cache in front of the server keeps it for others.
TEST_F(HttpMalformedTest, LineEndsInARequestDoNotReachTheResponse) {
  const std::string injections[] = {"%0d%0aX-Injected:%20yes", "%0aX-Injected:%20yes",
                                    "%0d%0a%0d%0aHTTP/1.1%20200%20OK", "\rX-Injected:yes"};
  for (const std::string& injection : injections) {
    SCOPED_TRACE(injection);
    std::vector<HttpRequest> requests = {
        AddVersionRequest(client_id_, absl::StrCat(kNil, injection)),
        AddVersionRequest(client_id_, injection),
        With(AddVersionRequest(client_id_, kNil), "X-Client-Id",
             absl::StrCat(client_id_, injection)),
        With(AddVersionRequest(client_id_, kNil), "Content-Type", injection),
        With(AddVersionRequest(client_id_, kNil), "Content-Encoding", injection),
        With(AddVersionRequest(client_id_, kNil), "Content-Encoding",
             absl::StrCat("br", injection))};
    requests.emplace_back();
    requests.back().method = "BREW";
    requests.back().target = absl::StrCat("/", injection);
    for (const HttpRequest& request : requests) {
      HttpClient client = server_.Connect();
      const HttpResponse response = client.Exchange(request);
      EXPECT_GE(response.status, 400) << response;
      EXPECT_LT(response.status, 500) << response;
      EXPECT_FALSE(response.Has("X-Injected")) << response;
      for (const auto& [name, value] : response.headers) {
        EXPECT_EQ(value.find('\r'), std::string::npos) << response;
      }
      client.ShutdownWrite();
      EXPECT_EQ(client.ReadUntilClosed(), "") << "a second response";
    }
  }
  // A line end without its CR ends nothing, or makes the request malformed; it adds no field that
  // this server sees and another does not.
  HttpClient client = server_.Connect();
  client.Send(absl::StrCat("POST /v1/client/add-version/", kNil,
                           " HTTP/1.1\r\nHost: x\r\nX-Other: y\nX-Client-Id: ", client_id_,
                           "\r\nContent-Type: ", kSegmentType,
                           "\r\nContent-Length: 7\r\n\r\nsegment"));
  const HttpResponse response = client.ReadResponse();
  EXPECT_EQ(response.status, 400) << response;
  ExpectNothingStored();
}

// If this fails, one broken client disturbs the others.
TEST_F(HttpMalformedTest, MalformedRequestsDoNotAffectOtherConnections) {
  Replica replica(server_);
  std::string latest = kNil;
  for (const std::string& garbage :
       {BinaryBytes(10'000), std::string(10'000, '\0'), std::string(10'000, '\n'),
        std::string(10'000, '\r'), std::string("\r\n\r\n\r\n\r\n"), std::string(10'000, ' ')}) {
    HttpClient client = server_.Connect();
    client.Send(garbage);
    latest = replica.Append(latest);
    client.ShutdownWrite();
    const std::optional<std::string> answer = client.ReadUntilClosed();
    EXPECT_TRUE(answer.has_value()) << "the connection stayed open";
    EXPECT_EQ(replica.GetChildVersion(latest).status, 404);
  }
}

}  // namespace
}  // namespace tcsync::conformance
