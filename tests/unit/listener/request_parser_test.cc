// One request as it arrives: however the network cuts it into pieces, the handler gets the same.
#include "listener/request_parser.h"

#include <optional>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/limits.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/listener/fake_handler.h"

namespace tcsync::listener {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// The outcome of one request.
struct Outcome {
  bool ready = false;
  int status = 0;
  std::string body;
  std::vector<std::string> heads;
  bool keep_alive = false;
  bool http10 = false;
  bool asked_for_continue = false;
  std::string rest;  // bytes behind this request, while the connection stays open
  int finished = 0;
  int abandoned = 0;

  friend bool operator==(const Outcome&, const Outcome&) = default;
  friend std::ostream& operator<<(std::ostream& out, const Outcome& outcome) {
    out << "ready " << outcome.ready << " status " << outcome.status << " body '" << outcome.body
        << "' keep_alive " << outcome.keep_alive << " http10 " << outcome.http10 << " continue "
        << outcome.asked_for_continue << " rest '" << outcome.rest << "' finished "
        << outcome.finished << " abandoned " << outcome.abandoned << " heads";
    for (const std::string& head : outcome.heads) out << " [" << head << "]";
    return out;
  }
};

const PeerAddress kPeer = PeerAddress::Local();

// Receives `input` in pieces, as a connection does, to the end of the request.
Outcome Receive(absl::string_view input, size_t piece_bytes) {
  FakeHandler handler;
  HeadScratch scratch;
  Outcome outcome;
  {
    RequestParser parser(handler, scratch, kPeer);
    std::string waiting;
    while (!input.empty() && !parser.Ready()) {
      waiting.append(input.data(), std::min(piece_bytes, input.size()));
      input.remove_prefix(std::min(piece_bytes, input.size()));
      size_t consumed = 0;
      do {
        consumed = parser.Parse(waiting);
        waiting.erase(0, consumed);
      } while (consumed > 0 && !waiting.empty());
      if (!parser.Ready() && parser.TakeExpectContinue()) {
        EXPECT_FALSE(outcome.asked_for_continue) << "100 Continue would be sent twice";
        outcome.asked_for_continue = true;
      }
    }
    outcome.ready = parser.Ready();
    if (outcome.ready) {
      const std::optional<http::Response> response = parser.Finish(nullptr);
      outcome.status = response->status;
      outcome.body = response->body;
      outcome.keep_alive = parser.CanKeepAlive();
      outcome.http10 = parser.IsHttp10();
      if (outcome.keep_alive) outcome.rest = absl::StrCat(waiting, input);
    }
  }
  outcome.heads = handler.heads;
  outcome.finished = handler.finished;
  outcome.abandoned = handler.abandoned;
  if (outcome.status != 200 && outcome.status != 403 && outcome.status != 413) {
    outcome.body.clear();  // the parser's own words
  }
  return outcome;
}

// The outcome, which must not depend on the pieces.
Outcome ReceiveExactly(absl::string_view input) {
  const Outcome at_once = Receive(input, input.size());
  for (const size_t piece_bytes : {size_t{1}, size_t{2}, size_t{3}, size_t{7}, size_t{50}}) {
    Outcome in_pieces = Receive(input, piece_bytes);
    // A waiting client is asked to continue as soon as that is known; in one piece there is nothing
    // to wait for.
    in_pieces.asked_for_continue = at_once.asked_for_continue;
    EXPECT_EQ(in_pieces, at_once) << piece_bytes << " at a time: " << input;
  }
  return at_once;
}

constexpr absl::string_view kHost = "Host: h\r\n";

// The same of a request that gets a Host, as each must have one; not shown in `heads`.
Outcome Receive(absl::string_view input) {
  const size_t line_end = input.find("\r\n");
  if (line_end == absl::string_view::npos) return ReceiveExactly(input);
  const absl::string_view line = input.substr(0, line_end + 2);
  Outcome outcome = ReceiveExactly(absl::StrCat(line, kHost, input.substr(line.size())));
  for (std::string& head : outcome.heads) head = absl::StrReplaceAll(head, {{"\nHost=h\n", "\n"}});
  return outcome;
}

constexpr absl::string_view kNext = "GET /next HTTP/1.1\r\n\r\n";

// If this fails, plain requests do not work.
TEST(RequestParserTest, ParsesARequestWithoutABody) {
  const Outcome outcome = Receive("GET /a?b=c HTTP/1.1\r\nX-Client-Id:  spaces \r\nEmpty:\r\n\r\n");
  EXPECT_TRUE(outcome.ready);
  EXPECT_EQ(outcome.status, 200);
  EXPECT_TRUE(outcome.keep_alive);
  EXPECT_FALSE(outcome.http10);
  EXPECT_THAT(outcome.heads, ElementsAre("GET /a?b=c\nX-Client-Id=spaces\nEmpty=\n"));
}

// If this fails, uploads arrive damaged, or with the bytes behind them.
TEST(RequestParserTest, ParsesABodyOfKnownLength) {
  const Outcome outcome =
      Receive(absl::StrCat("POST /a HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", kNext));
  EXPECT_EQ(outcome.status, 200);
  EXPECT_EQ(outcome.body, "hello");
  EXPECT_EQ(outcome.rest, kNext);
  EXPECT_EQ(outcome.finished, 1);
}

// If this fails, a client that says "no body" waits for an answer.
TEST(RequestParserTest, ParsesAnEmptyBodyOfKnownLength) {
  const Outcome outcome =
      Receive(absl::StrCat("POST /a HTTP/1.1\r\nContent-Length: 0\r\n\r\n", kNext));
  EXPECT_EQ(outcome.status, 200);
  EXPECT_EQ(outcome.body, "");
  EXPECT_EQ(outcome.rest, kNext);
}

// If this fails, clients that send in chunks, as libraries do for streams, cannot upload.
TEST(RequestParserTest, ParsesAChunkedBody) {
  const Outcome outcome = Receive(absl::StrCat(
      "POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
      "5\r\nhello\r\n1;name=value\r\n \r\n00A\r\n0123456789\r\n0\r\nX-Trailer: x\r\n\r\n",
      kNext));
  EXPECT_EQ(outcome.status, 200);
  EXPECT_EQ(outcome.body, "hello 0123456789");
  EXPECT_EQ(outcome.rest, kNext);
  EXPECT_THAT(outcome.heads, ElementsAre("POST /a\nTransfer-Encoding=chunked\n"));
}

// If this fails, an incomplete request has an effect.
TEST(RequestParserTest, AnIncompleteRequestHasNoEffect) {
  for (const absl::string_view request :
       {absl::string_view("POST /a HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello"),
        absl::string_view("POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
                          "5\r\nhello\r\n0\r\n\r\n"),
        absl::string_view("GET / HTTP/1.1\r\nA: b\r\n\r\n")}) {
    for (size_t size = 1; size < request.size(); ++size) {
      const Outcome outcome = Receive(request.substr(0, size));
      EXPECT_FALSE(outcome.ready) << request.substr(0, size);
      EXPECT_EQ(outcome.finished, 0);
    }
    EXPECT_TRUE(Receive(request).ready);
  }
}

// If this fails, connections are kept that the client closes, or closed that it keeps.
TEST(RequestParserTest, KeepAliveFollowsVersionAndConnectionField) {
  EXPECT_TRUE(Receive("GET / HTTP/1.1\r\n\r\n").keep_alive);
  EXPECT_FALSE(Receive("GET / HTTP/1.1\r\nConnection: close\r\n\r\n").keep_alive);
  EXPECT_FALSE(Receive("GET / HTTP/1.1\r\nconnection: Close\r\n\r\n").keep_alive);
  const Outcome http10 = Receive("GET / HTTP/1.0\r\n\r\n");
  EXPECT_EQ(http10.status, 200);
  EXPECT_TRUE(http10.http10);
  EXPECT_FALSE(http10.keep_alive);
  EXPECT_TRUE(Receive("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").keep_alive);
}

// If this fails, a refused request's body is taken for the next request, or a connection is closed
// for nothing.
TEST(RequestParserTest, TheBodyOfARefusedRequestIsSkipped) {
  const Outcome small =
      Receive(absl::StrCat("POST /refuse HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", kNext));
  EXPECT_EQ(small.status, 403);
  EXPECT_TRUE(small.keep_alive);
  EXPECT_EQ(small.rest, kNext);

  const Outcome none = Receive(absl::StrCat("GET /refuse HTTP/1.1\r\n\r\n", kNext));
  EXPECT_EQ(none.status, 403);
  EXPECT_EQ(none.rest, kNext);

  // These are answered before their bodies, which are never received.
  for (const std::string& head : {absl::StrCat("Content-Length: ", base::kDroppedBodyBytesMax + 1),
                                  std::string("Transfer-Encoding: chunked"),
                                  std::string("Content-Length: 5\r\nExpect: 100-continue")}) {
    const Outcome large = Receive(absl::StrCat("POST /refuse HTTP/1.1\r\n", head, "\r\n\r\n"));
    EXPECT_TRUE(large.ready) << head;
    EXPECT_EQ(large.status, 403) << head;
    EXPECT_FALSE(large.keep_alive) << head;
    EXPECT_FALSE(large.asked_for_continue) << head;
  }
}

// If this fails, a body that the handler refused in the middle is received to its end, or the
// connection continues in the middle of it.
TEST(RequestParserTest, ABodyMayBeRefusedInTheMiddle) {
  const std::string body(FakeHandler::kBodyBytesMax + 1, 'x');
  for (const std::string& head :
       {absl::StrCat("Content-Length: 1000\r\n\r\n", body),
        absl::StrCat("Transfer-Encoding: chunked\r\n\r\n65\r\n", body, "\r\n")}) {
    const Outcome outcome = Receive(absl::StrCat("POST /a HTTP/1.1\r\n", head));
    EXPECT_EQ(outcome.status, 413);
    EXPECT_FALSE(outcome.keep_alive);
    EXPECT_EQ(outcome.finished, 0);
    EXPECT_EQ(outcome.abandoned, 1);
  }
}

// If this fails, clients that wait for "100 Continue" wait for ever, or get it after the fact.
TEST(RequestParserTest, Expect100ContinueIsReported) {
  constexpr absl::string_view kHead =
      "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n";
  EXPECT_TRUE(Receive(kHead, kHead.size()).asked_for_continue);
  EXPECT_TRUE(Receive(kHead, 1).asked_for_continue);
  EXPECT_FALSE(
      Receive("POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n", 1).asked_for_continue);
  // The body is there already.
  const std::string request = absl::StrCat(kHead, "hello");
  EXPECT_FALSE(Receive(request, request.size()).asked_for_continue);
  EXPECT_EQ(ReceiveExactly(request).body, "hello");
}

// If this fails, the limit on heads is not the documented one.
TEST(RequestParserTest, HeadsOverTheLimitAreRefused) {
  const auto head_of = [](size_t bytes) {
    const std::string start = "GET / HTTP/1.1\r\nHost: h\r\nX: ";
    return absl::StrCat(start, std::string(bytes - start.size() - 4, 'x'), "\r\n\r\n");
  };
  EXPECT_EQ(ReceiveExactly(head_of(base::kRequestHeadBytesMax)).status, 200);
  const Outcome larger = ReceiveExactly(head_of(base::kRequestHeadBytesMax + 1));
  EXPECT_EQ(larger.status, 431);
  EXPECT_FALSE(larger.keep_alive);
  EXPECT_THAT(larger.heads, IsEmpty());
  // Also when the end never comes, in a target and in many small fields.
  EXPECT_EQ(Receive(std::string(base::kRequestHeadBytesMax + 1, 'G')).status, 431);
  std::string long_head = "GET / HTTP/1.1\r\n";
  while (long_head.size() <= base::kRequestHeadBytesMax) long_head += "A: b\r\n";
  EXPECT_EQ(Receive(long_head).status, 431);
}

// If this fails, a browser or a TLS client that came to the wrong port waits for a timeout.
TEST(RequestParserTest, BytesThatCannotBeginARequestAreAnsweredAtOnce) {
  for (const absl::string_view start :
       {absl::string_view("\x16\x03\x01", 3), absl::string_view("\0", 1),
        absl::string_view("get / "), absl::string_view(" GET"), absl::string_view("{\"a\"")}) {
    FakeHandler handler;
    HeadScratch scratch;
    RequestParser parser(handler, scratch, kPeer);
    parser.Parse(start);
    EXPECT_TRUE(parser.Ready());
    EXPECT_FALSE(parser.CanKeepAlive());
  }
}

// If this fails, requests are understood in two ways: by a proxy in front and by this server, which
// is how requests are smuggled.
TEST(RequestParserTest, MalformedRequestsAre400) {
  for (const absl::string_view rest : {
           absl::string_view("GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n"),
           absl::string_view("GET / HTTP/1.1\r\nA: b\r\n\tc\r\n\r\n"),
           absl::string_view("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
           absl::string_view("GET\r\n\r\n"),
           absl::string_view("GET /\r\n\r\n"),
           absl::string_view("GET /\x01 HTTP/1.1\r\n\r\n"),
           absl::string_view("GET / HTTP/1.1\r\nNo colon\r\n\r\n"),
           absl::string_view("GET / HTTP/1.1\r\nSpace : x\r\n\r\n"),
           absl::string_view("GET / HTTP/1.1\r\n: x\r\n\r\n"),
           absl::string_view("GET / HTTP/1.1\r\nA: b\x01\r\n\r\n"),
           absl::string_view("POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n"),
           absl::string_view("POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n"),
           absl::string_view("POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n"),
           absl::string_view("POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n"),
           absl::string_view(
               "POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"),
           absl::string_view("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"),
           absl::string_view("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n"),
           absl::string_view("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1 \r\n"),
           absl::string_view(
               "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000000\r\n"),
           absl::string_view(
               "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n"),
       }) {
    const Outcome outcome = Receive(rest);
    EXPECT_TRUE(outcome.ready) << rest;
    EXPECT_EQ(outcome.status, 400) << rest;
    EXPECT_FALSE(outcome.keep_alive) << rest;
    EXPECT_EQ(outcome.finished, 0) << rest;
  }
}

// If this fails, a client of another version of HTTP does not learn which one to speak.
TEST(RequestParserTest, OtherVersionsAre505) {
  for (const char* version : {"HTTP/2.0", "HTTP/0.9", "HTTP/1.2", "HTTP/1.1x", "HTTQ/1.1", "x"}) {
    const Outcome outcome = Receive(absl::StrCat("GET / ", version, "\r\n\r\n"));
    EXPECT_EQ(outcome.status, 505) << version;
    EXPECT_FALSE(outcome.keep_alive);
  }
}

// If this fails, a body whose end is unknown is taken for the next request.
TEST(RequestParserTest, OtherTransferCodingsAre501) {
  for (const char* coding : {"gzip", "gzip, chunked", "identity", "chunked, chunked", "xchunked"}) {
    const Outcome outcome =
        Receive(absl::StrCat("POST / HTTP/1.1\r\nTransfer-Encoding: ", coding, "\r\n\r\n"));
    EXPECT_EQ(outcome.status, 501) << coding;
    EXPECT_FALSE(outcome.keep_alive) << coding;
    EXPECT_THAT(outcome.heads, IsEmpty());
  }
}

// If this fails, a request means one server to a proxy and another to this one, or none at all.
TEST(RequestParserTest, ExactlyOneValidHostIsRequired) {
  for (const absl::string_view value :
       {"example.org", "example.org:8080", "EXAMPLE.org:", "192.0.2.7", "[2001:db8::7]", "[::1]:80",
        "a_b", "%41", "x", "localhost:65535"}) {
    EXPECT_EQ(ReceiveExactly(absl::StrCat("GET / HTTP/1.1\r\nhOST: ", value, "\r\n\r\n")).status,
              200)
        << value;
  }
  for (const absl::string_view value :
       {"",   "a b",   "a/b",   "http://a", "a:b",    "a:80:80",   ":80", "[::1",
        "[]", "[::g]", "::1",   "a\tb",     "a,b c",  "user@host", "a?b", "a#b",
        "%4", "%zz",   "\"a\"", "a:800000", "[::1]x", "\xc3\xa4"}) {
    const Outcome outcome =
        ReceiveExactly(absl::StrCat("GET / HTTP/1.1\r\nHost: ", value, "\r\n\r\n"));
    EXPECT_EQ(outcome.status, 400) << value;
    EXPECT_FALSE(outcome.keep_alive) << value;
    EXPECT_THAT(outcome.heads, IsEmpty());
  }
  for (const absl::string_view fields :
       {"", "X-Host: a\r\n", "Host: a\r\nHost: a\r\n", "Host: a\r\nHost: b\r\n",
        "host: a\r\nX: y\r\nHOST: a\r\n", "Host: a\r\nHost:\r\n", "Host:\r\nHost: a\r\n"}) {
    EXPECT_EQ(ReceiveExactly(absl::StrCat("GET / HTTP/1.1\r\n", fields, "\r\n")).status, 400)
        << fields;
  }
  // HTTP/1.0 does not know Host, but two of them are never right.
  EXPECT_EQ(ReceiveExactly("GET / HTTP/1.0\r\n\r\n").status, 200);
  EXPECT_EQ(ReceiveExactly("GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n").status, 400);
  EXPECT_EQ(ReceiveExactly("GET / HTTP/1.0\r\nHost: a/b\r\n\r\n").status, 400);
}

// If this fails, trailers change the meaning of a request, and proxies that drop trailers do not
// see it.
TEST(RequestParserTest, TrailersAreNotFields) {
  const std::string head = "POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n";
  for (const absl::string_view trailer :
       {"Connection: close", "Connection: keep-alive", "Content-Length: 7", "Content-Length: x",
        "Transfer-Encoding: gzip", "Transfer-Encoding: chunked", "Host: b", "Upgrade: h2c",
        "Expect: 100-continue", "X-Client-Id: 1", "Proxy-Connection: close", "A:"}) {
    const Outcome outcome = Receive(absl::StrCat(head, trailer, "\r\n\r\n", kNext));
    EXPECT_EQ(outcome.status, 200) << trailer;
    EXPECT_EQ(outcome.body, "hi");
    EXPECT_TRUE(outcome.keep_alive) << trailer;
    EXPECT_EQ(outcome.rest, kNext);
    EXPECT_THAT(outcome.heads, ElementsAre("POST /a\nTransfer-Encoding=chunked\n"));
  }
  for (const absl::string_view trailer : {"no colon", ": x", "A : x", " A: x", "A: x\r\n folded",
                                          "A: \x01", "A: x\ny: z", "A: x\ry"}) {
    const Outcome outcome = Receive(absl::StrCat(head, trailer, "\r\n\r\n", kNext));
    EXPECT_EQ(outcome.status, 400) << trailer;
    EXPECT_FALSE(outcome.keep_alive) << trailer;
    EXPECT_EQ(outcome.finished, 0) << trailer;
  }
}

// If this fails, extensions or trailers take more than is documented, or how much depends on how
// the network cuts them.
TEST(RequestParserTest, ChunkExtensionsAndTrailersAreBounded) {
  const std::string head = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
  const auto status_of = [&head](absl::string_view body) {
    return Receive(absl::StrCat(head, body)).status;
  };
  const auto trailer = [](size_t bytes) {  // of so many, with the line end that ends all
    return absl::StrCat("0\r\nX: ", std::string(bytes - 7, 'x'), "\r\n\r\n");
  };
  EXPECT_EQ(status_of(trailer(base::kTrailerBytesMax + 1)), 200);
  EXPECT_EQ(status_of(trailer(base::kTrailerBytesMax + 2)), 400);
  const auto extension = [](size_t bytes) {
    return absl::StrCat("1;", std::string(bytes - 1, 'x'), "\r\na\r\n0\r\n\r\n");
  };
  EXPECT_EQ(status_of(extension(base::kChunkExtensionBytesMax)), 200);
  EXPECT_EQ(status_of(extension(base::kChunkExtensionBytesMax + 1)), 400);
  // In many small pieces as well, and without an end.
  std::string small_extensions;
  std::string small_trailers = "0\r\n";
  for (uint32_t bytes = 0; bytes <= base::kChunkExtensionBytesMax; bytes += 2) {
    small_extensions += "1;x\r\na\r\n";
    small_trailers += "A:\r\n";
  }
  EXPECT_EQ(status_of(small_extensions), 413) << "the body is larger than the handler takes";
  EXPECT_EQ(status_of(small_trailers), 400);
  const std::string endless(3 * base::kRequestHeadBytesMax, 'x');
  EXPECT_EQ(status_of(absl::StrCat("1;", endless)), 400);
  EXPECT_EQ(status_of(absl::StrCat("0\r\nX: ", endless)), 400);
  EXPECT_EQ(status_of(std::string(100, '0')), 400);
}

// If this fails, a connection that is closed in the middle of an upload leaves it half done.
TEST(RequestParserTest, ADestroyedParserAbandonsItsRequest) {
  FakeHandler handler;
  HeadScratch scratch;
  {
    RequestParser parser(handler, scratch, kPeer);
    parser.Parse("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhel");
    EXPECT_TRUE(parser.HeadDone());
    EXPECT_FALSE(parser.Ready());
  }
  EXPECT_EQ(handler.abandoned, 1);
  EXPECT_EQ(handler.finished, 0);
}

// If this fails, one request's head is seen in the next one's: another client's ID.
TEST(RequestParserTest, TheSharedScratchIsClearedBetweenRequests) {
  FakeHandler handler;
  HeadScratch scratch;
  for (const char* request : {"GET /one HTTP/1.1\r\nHost: h\r\nA: 1\r\nB: 2\r\n\r\n",
                              "GET /two HTTP/1.1\r\nHost: h\r\n\r\n"}) {
    RequestParser parser(handler, scratch, kPeer);
    parser.Parse(request);
    ASSERT_TRUE(parser.Ready());
    EXPECT_TRUE(parser.Finish(nullptr));
  }
  EXPECT_THAT(handler.heads, ElementsAre("GET /one\nHost=h\nA=1\nB=2\n", "GET /two\nHost=h\n"));
}

// Keeps the source of the last request, as its head names it.
class SourceHandler final : public http::Handler {
 public:
  std::variant<http::Response, http::PendingRequest> StartRequest(
      const http::RequestHead& head) override {
    source = head.source == nullptr ? "not named" : head.source->ToString();
    return http::EmptyResponse(200);
  }
  std::string source;
};

// If this fails, the limits of an address and the shares of its connections count different clients
// of a proxy, or a client names the address that it likes.
TEST(RequestParserTest, OnlyTheHeadOfATrustedProxyNamesASource) {
  const absl::StatusOr<access::ProxyNetworks> proxies = access::ProxyNetworks::Parse({"unix"});
  ASSERT_TRUE(proxies.ok()) << proxies.status();
  constexpr absl::string_view kRequest =
      "GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 203.0.113.9\r\n\r\n";
  SourceHandler handler;
  HeadScratch scratch;
  RequestParser trusted(handler, scratch, kPeer, &*proxies);
  EXPECT_EQ(trusted.Parse(kRequest), kRequest.size());
  EXPECT_EQ(handler.source, "203.0.113.9");
  EXPECT_EQ(trusted.source().ToString(), "203.0.113.9");
  RequestParser untrusted(handler, scratch, kPeer);
  EXPECT_EQ(untrusted.Parse(kRequest), kRequest.size());
  EXPECT_EQ(handler.source, "not named");
  EXPECT_EQ(untrusted.source(), kPeer);
}

}  // namespace
}  // namespace tcsync::listener
