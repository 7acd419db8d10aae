// include/tcsync/httplib_adapter.h, with a real cpp-httplib server and real sockets. The
// handler's answers are tested elsewhere; here, that cpp-httplib lets requests through to it
// unchanged.
#include "tcsync/httplib_adapter.h"

#include <httplib.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gtest/gtest.h"
#include "tcsync/engine.h"
#include "tcsync/handler.h"
#include "tcsync/http_message.h"
#include "tcsync/options.h"

namespace tcsync {
namespace {

constexpr char kClientId[] = "123e4567-e89b-42d3-a456-426614174000";
constexpr char kNilVersion[] = "00000000-0000-0000-0000-000000000000";
constexpr char kSegmentType[] = "application/vnd.taskchampion.history-segment";
constexpr size_t kBodyBytesMax = 1 << 20;

std::string Gzip(absl::string_view plain) {
  z_stream stream{};
  deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  std::string packed(deflateBound(&stream, plain.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(plain.data()));
  stream.avail_in = plain.size();
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = packed.size();
  deflate(&stream, Z_FINISH);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

class HttplibAdapterTest : public testing::Test {
 protected:
  HttplibAdapterTest() {
    Options options;
    options.storage = "memory";
    options.base_path = "/my.tasks";
    options.body_bytes_max = kBodyBytesMax;
    engine_ = std::move(Engine::Open(options).value());
    server_.set_read_timeout(600);  // a read that waits fails by the time limit of the test
    server_.set_payload_max_length(2 * kBodyBytesMax);
    server_.Get("/", [](const httplib::Request&, httplib::Response& response) {
      response.set_content("own page", "text/plain");
    });
    MountOnHttplib(server_, engine_->handler(), "/my.tasks");
    port_ = server_.bind_to_any_port("127.0.0.1");
    thread_ = std::thread([this] { server_.listen_after_bind(); });
    // A stop() before the server runs does nothing, and the thread would never end.
    while (!server_.is_running()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    client_ = std::make_unique<httplib::Client>("127.0.0.1", port_);
    client_->set_keep_alive(true);
    client_->set_read_timeout(60);
  }

  ~HttplibAdapterTest() override {
    client_.reset();
    server_.stop();
    thread_.join();
  }

  static std::string Target(absl::string_view endpoint) {
    return absl::StrCat("/my.tasks/v1/client/", endpoint, "/", kNilVersion);
  }

  httplib::Result AddVersion(const std::string& body, httplib::Headers headers = {},
                             const std::string& content_type = kSegmentType) {
    headers.emplace("X-Client-Id", kClientId);
    return client_->Post(Target("add-version"), headers, body, content_type);
  }

  httplib::Result GetChildVersion(httplib::Headers headers = {}) {
    headers.emplace("X-Client-Id", kClientId);
    return client_->Get(Target("get-child-version"), headers);
  }

  // Sends `request` as it is, and returns the first `size` bytes of the answer.
  std::string SendRaw(absl::string_view request, size_t size) const {
    const int descriptor = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port_));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    std::string received;
    if (connect(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 &&
        send(descriptor, request.data(), request.size(), 0) ==
            static_cast<ssize_t>(request.size())) {
      char byte = 0;
      while (received.size() < size && recv(descriptor, &byte, 1, 0) == 1) received += byte;
    }
    close(descriptor);
    return received;
  }

  // The connection is still in step: the next bytes are answered as a request of their own.
  void ExpectInStep() {
    const httplib::Result page = client_->Get("/");
    ASSERT_TRUE(page);
    EXPECT_EQ(page->status, 200);
    EXPECT_EQ(page->body, "own page");
  }

  std::unique_ptr<Engine> engine_;
  httplib::Server server_;
  int port_ = 0;
  std::thread thread_;
  std::unique_ptr<httplib::Client> client_;
};

// If this fails, nothing of the protocol works through cpp-httplib.
TEST_F(HttplibAdapterTest, AddsAndGetsAVersion) {
  const httplib::Result added = AddVersion("sealed");
  ASSERT_TRUE(added);
  EXPECT_EQ(added->status, 200);
  EXPECT_EQ(added->body, "");
  EXPECT_EQ(added->get_header_value("Cache-Control"), "no-store, max-age=0");
  const httplib::Result child = GetChildVersion();
  ASSERT_TRUE(child);
  EXPECT_EQ(child->status, 200);
  EXPECT_EQ(child->body, "sealed");
  EXPECT_EQ(child->get_header_value_count("Content-Type"), 1u);
  EXPECT_EQ(child->get_header_value("Content-Type"), kSegmentType);
  EXPECT_EQ(child->get_header_value("X-Version-Id"), added->get_header_value("X-Version-Id"));
}

// Answers with the peer's address.
class PeerHandler final : public http::Handler {
 public:
  std::variant<http::Response, http::PendingRequest> StartRequest(
      const http::RequestHead& head) override {
    return http::TextResponse(200, head.peer.ToString());
  }
};

// If this fails, limits by address take all clients for one.
TEST_F(HttplibAdapterTest, HandlerGetsThePeerAddress) {
  PeerHandler handler;
  httplib::Server server;
  MountOnHttplib(server, handler, "");
  const int port = server.bind_to_any_port("127.0.0.1");
  std::thread serving([&server] { server.listen_after_bind(); });
  httplib::Client client("127.0.0.1", port);
  const httplib::Result answer = client.Get("/");
  server.stop();
  serving.join();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->body, "127.0.0.1\n");
}

// If this fails, segments are stored with a changed byte, or cut at some size.
TEST_F(HttplibAdapterTest, BodiesPassUnchanged) {
  std::string body(kBodyBytesMax, '\0');
  for (size_t index = 0; index < body.size(); ++index) {
    body[index] = static_cast<char>(index * index >> 3);
  }
  ASSERT_EQ(AddVersion(body)->status, 200);
  EXPECT_TRUE(GetChildVersion()->body == body);
}

// If this fails, clients that send in chunks cannot sync.
TEST_F(HttplibAdapterTest, ChunkedBodiesAreAccepted) {
  const httplib::Result added = client_->Post(
      Target("add-version"), {{"X-Client-Id", kClientId}},
      [](size_t offset, httplib::DataSink& sink) {
        if (offset == 0) return sink.write("sea", 3);
        sink.write("led", 3);
        sink.done();
        return true;
      },
      kSegmentType);
  ASSERT_TRUE(added);
  EXPECT_EQ(added->status, 200);
  EXPECT_EQ(GetChildVersion()->body, "sealed");
}

// If this fails, tcsync's bound on an inflated body is not in force.
TEST_F(HttplibAdapterTest, TheHandlerDecompressesBodies) {
  EXPECT_EQ(
      AddVersion(Gzip(std::string(2 * kBodyBytesMax, 'x')), {{"Content-Encoding", "gzip"}})->status,
      413);
  ExpectInStep();
  ASSERT_EQ(AddVersion(Gzip("sealed"), {{"Content-Encoding", "gzip"}})->status, 200);
  EXPECT_EQ(GetChildVersion()->body, "sealed");
}

// If this fails, a compressed body that was cut short is stored as a whole one.
TEST_F(HttplibAdapterTest, TruncatedGzipIsRefused) {
  std::string packed = Gzip("a history segment");
  packed.resize(packed.size() - 10);
  EXPECT_EQ(AddVersion(packed, {{"Content-Encoding", "gzip"}})->status, 400);
  ExpectInStep();
  EXPECT_EQ(GetChildVersion()->status, 404);
}

// If this fails, a form sent here by mistake is taken apart, or ends in a 500.
TEST_F(HttplibAdapterTest, AMultipartFormIsRefused) {
  const httplib::Result result =
      AddVersion("--x\r\n\r\n\r\n--x--\r\n", {}, "multipart/form-data; boundary=x");
  ASSERT_TRUE(result);
  EXPECT_EQ(result->status, 400);
  EXPECT_NE(result->body.find("Content-Type"), std::string::npos) << result->body;
  ExpectInStep();
}

// If this fails, the rest of a refused body is taken for the next request of the connection.
TEST_F(HttplibAdapterTest, ARequestAfterARefusedBodyIsServed) {
  EXPECT_EQ(AddVersion(std::string(kBodyBytesMax + 1, 'x'))->status, 413);
  ExpectInStep();
  EXPECT_EQ(AddVersion("x", {}, "text/plain")->status, 400);
  ExpectInStep();
}

// If this fails, the answer that cpp-httplib gives itself may be kept by a cache.
TEST_F(HttplibAdapterTest, ABodyOverHttplibsMaximumIsRefused) {
  const httplib::Result result = AddVersion(std::string(2 * kBodyBytesMax + 1, 'x'));
  ASSERT_TRUE(result);
  EXPECT_EQ(result->status, 413);
  EXPECT_EQ(result->get_header_value("Cache-Control"), "no-store, max-age=0");
}

// If this fails, a client that forgets the length holds a thread until the read timeout.
TEST_F(HttplibAdapterTest, APostWithoutALengthHasNoBody) {
  const std::string request =
      absl::StrCat("POST ", Target("add-version"), " HTTP/1.1\r\nX-Client-Id: ", kClientId,
                   "\r\nContent-Type: ", kSegmentType, "\r\n\r\n");
  EXPECT_EQ(SendRaw(request, 12), "HTTP/1.1 400");
}

// If this fails, a person who uses the wrong method gets an answer that does not help.
TEST_F(HttplibAdapterTest, EveryMethodIsRouted) {
  const httplib::Headers headers{{"X-Client-Id", kClientId}};
  const std::string target = Target("add-version");
  for (const httplib::Result& result : {
           client_->Put(target, headers, "x", kSegmentType),
           client_->Patch(target, headers, "x", kSegmentType),
           client_->Delete(target, headers, "x", kSegmentType),
           client_->Get(target, headers),
           client_->Head(target, headers),
           client_->Options(target, headers),
       }) {
    ASSERT_TRUE(result);
    EXPECT_EQ(result->status, 405);
    EXPECT_EQ(result->get_header_value("Allow"), "POST");
  }
  ExpectInStep();
}

// If this fails, half of a segment can be had with status 200.
TEST_F(HttplibAdapterTest, RangesAreIgnored) {
  ASSERT_EQ(AddVersion("sealed")->status, 200);
  for (const char* const range : {"bytes=0-2", "bytes=0-0,2-3", "bytes=100-200"}) {
    const httplib::Result child = GetChildVersion({{"Range", range}});
    ASSERT_TRUE(child);
    EXPECT_EQ(child->status, 200);
    EXPECT_EQ(child->body, "sealed");
    EXPECT_FALSE(child->has_header("Content-Range"));
  }
}

// If this fails, tcsync answers for the pages of the program, or not for all of its own.
TEST_F(HttplibAdapterTest, OnlyTheBasePathIsRouted) {
  EXPECT_EQ(client_->Get("/my.tasks")->status, 200);
  EXPECT_EQ(client_->Get("/my.tasks/")->status, 200);
  for (const char* const target : {"/my.tasksx", "/myxtasks/", "/v1/client/snapshot", "/x"}) {
    const httplib::Result result = client_->Get(target);
    ASSERT_TRUE(result);
    EXPECT_EQ(result->status, 404);
    EXPECT_FALSE(result->has_header("Cache-Control")) << target;
  }
}

// If this fails, one long or strange path stops the whole program.
TEST_F(HttplibAdapterTest, LongAndUnusualPathsAreNotFound) {
  for (const std::string& target :
       {"/my.tasks/" + std::string(8000, 'x'), std::string("/my.tasks/%0A%00%FF")}) {
    const httplib::Result result = client_->Get(target);
    ASSERT_TRUE(result);
    EXPECT_EQ(result->status, 404);
    EXPECT_TRUE(result->has_header("Cache-Control"));
  }
}

}  // namespace
}  // namespace tcsync
