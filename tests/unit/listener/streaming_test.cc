// Bodies that pass an event loop in pieces, both ways.
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gtest/gtest.h"
#include "http/pending_request.h"
#include "listener/event_loop.h"
#include "tcsync/handler.h"
#include "tests/unit/listener/local_connection.h"

namespace tcsync::listener {
namespace {

constexpr size_t kPieceBytes = 10'000;

// The byte at a place of every body here.
char ByteAt(uint64_t position) { return static_cast<char>(position * 7 + position / 251); }

std::string BodyOf(uint64_t bytes) {
  std::string body(bytes, '\0');
  for (uint64_t i = 0; i < bytes; ++i) body[i] = ByteAt(i);
  return body;
}

// How the pieces of a body come.
enum class Delivery {
  kImmediate,
  kOnThread,
  kHeld,            // when the test calls TakeHeld
  kError,           // an error in the place of the third piece
  kOversizedPiece,  // the third piece has more bytes than are left
  kEmptyPiece,      // the third piece is empty
};

// Answers GET with a body of `body_bytes` in pieces; takes POST in pieces, and answers with their
// number of bytes. Thread-safe.
class StreamingHandler final : public http::Handler {
 public:
  explicit StreamingHandler(uint64_t body_bytes = 100'000, Delivery delivery = Delivery::kImmediate)
      : body_bytes_(body_bytes), delivery_(delivery) {}
  ~StreamingHandler() override {
    for (std::thread& thread : threads_) thread.join();
  }

  std::variant<http::Response, http::PendingRequest> StartRequest(
      const http::RequestHead& head) override {
    if (head.method == "POST") return http::PendingRequest(std::make_unique<Upload>(*this));
    http::Response response = http::EmptyResponse(200);
    response.body_source = std::make_unique<Source>(*this);
    return response;
  }

  // Waits for a held callback.
  std::function<void()> TakeHeld() {
    for (;;) {
      {
        const std::lock_guard lock(mutex_);
        if (!held_.empty()) {
          std::function<void()> first = std::move(held_.front());
          held_.erase(held_.begin());
          return first;
        }
      }
      std::this_thread::yield();
    }
  }
  size_t held_count() {
    const std::lock_guard lock(mutex_);
    return held_.size();
  }

  std::atomic<uint64_t> reads{0};
  std::atomic<int> sources{0};  // that are there
  std::atomic<uint64_t> appended{0};
  std::atomic<int> pauses{0};
  std::atomic<bool> uploads_pause{true};
  std::atomic<bool> resumes_at_once{false};
  std::atomic<bool> appended_while_paused{false};
  std::atomic<bool> uploads_are_right{true};

 private:
  class Source final : public http::BodySource {
   public:
    explicit Source(StreamingHandler& handler) : handler_(handler) { ++handler_.sources; }
    ~Source() override { --handler_.sources; }
    uint64_t bytes() const override { return handler_.body_bytes_; }
    std::optional<Piece> Read(PieceCallback done) override {
      ++handler_.reads;
      const bool is_third = ++pieces_ == 3;
      Piece piece = Next();
      if (is_third && handler_.delivery_ == Delivery::kError)
        piece = absl::DataLossError("damaged");
      if (is_third && handler_.delivery_ == Delivery::kOversizedPiece) {
        piece = std::string(handler_.body_bytes_ - 2 * kPieceBytes + 1, 'x');
      }
      if (is_third && handler_.delivery_ == Delivery::kEmptyPiece) piece = std::string();
      if (handler_.delivery_ != Delivery::kOnThread && handler_.delivery_ != Delivery::kHeld)
        return piece;
      auto shared = std::make_shared<PieceCallback>(std::move(done));
      std::function<void()> deliver = [shared, piece = std::move(piece)] { (*shared)(piece); };
      const std::lock_guard lock(handler_.mutex_);
      if (handler_.delivery_ == Delivery::kHeld) {
        handler_.held_.push_back(std::move(deliver));
      } else {
        handler_.threads_.emplace_back(std::move(deliver));
      }
      return std::nullopt;
    }

   private:
    std::string Next() {
      std::string piece;
      while (piece.size() < kPieceBytes && position_ < handler_.body_bytes_) {
        piece.push_back(ByteAt(position_++));
      }
      return piece;
    }

    StreamingHandler& handler_;
    int pieces_ = 0;
    uint64_t position_ = 0;
  };

  class Upload final : public http::PendingRequest::Implementation {
   public:
    explicit Upload(StreamingHandler& handler) : handler_(handler) {}
    std::optional<http::Response> Append(absl::string_view bytes) override {
      if (*paused_) handler_.appended_while_paused = true;
      for (const char byte : bytes) {
        if (byte != ByteAt(position_++)) handler_.uploads_are_right = false;
      }
      handler_.appended += bytes.size();
      return std::nullopt;
    }
    bool PauseUntil(absl::AnyInvocable<void()> resume) override {
      if (!handler_.uploads_pause) return false;
      *paused_ = true;
      ++handler_.pauses;
      auto shared = std::make_shared<absl::AnyInvocable<void()>>(std::move(resume));
      std::function<void()> resume_upload = [shared, paused = paused_] {
        *paused = false;
        (*shared)();
      };
      if (handler_.resumes_at_once) {
        resume_upload();
        return true;
      }
      const std::lock_guard lock(handler_.mutex_);
      handler_.held_.push_back(std::move(resume_upload));
      return true;
    }
    std::optional<http::Response> Finish(http::ResponseCallback) override {
      http::Response response = http::EmptyResponse(200);
      response.body = absl::StrCat(position_);
      return response;
    }

   private:
    StreamingHandler& handler_;
    std::shared_ptr<std::atomic<bool>> paused_ = std::make_shared<std::atomic<bool>>(false);
    uint64_t position_ = 0;
  };

  const uint64_t body_bytes_;
  const Delivery delivery_;
  std::mutex mutex_;  // of the members below
  std::vector<std::function<void()>> held_;
  std::vector<std::thread> threads_;
};

// A loop that serves one connection.
class ServedConnection {
 public:
  explicit ServedConnection(http::Handler& handler)
      : loop_({.idle = kHour, .header = kHour, .body = kHour, .request = kHour}, count_) {
    const LocalConnection connection = ConnectLocally(8192);
    client_ = connection.client;
    count_.AddServed();
    loop_.Adopt({.socket = ServerSocket(loop_, connection), .peer = PeerAddress::Local()});
    loop_.Start(handler, "test-loop");
  }
  ~ServedConnection() {
    Stop();
    CloseClient();
  }

  void Stop() { loop_.Stop(); }
  void CloseClient() {
    if (client_ >= 0) close(client_);
    client_ = -1;
  }

  void Send(absl::string_view bytes) const { SendAll(client_, bytes); }
  std::string Read(size_t bytes) const { return Receive(client_, bytes); }
  std::string ReadHead() const { return ReceiveHead(client_); }

 private:
  static constexpr std::chrono::hours kHour{1};
  ConnectionCount count_{10, 10};
  EventLoop loop_;
  int client_ = -1;
};

std::string Get(absl::string_view fields = "", absl::string_view method = "GET") {
  return absl::StrCat(method, " / HTTP/1.1\r\nHost: h\r\n", fields, "\r\n");
}

// If this fails, a snapshot arrives damaged, or with another length than the head says.
TEST(StreamingTest, ABodyIsCompleteHoweverItsPiecesArrive) {
  for (const Delivery delivery : {Delivery::kImmediate, Delivery::kOnThread}) {
    for (const uint64_t bytes :
         {uint64_t{1}, uint64_t{kPieceBytes}, uint64_t{kPieceBytes + 1}, uint64_t{1'000'000}}) {
      StreamingHandler handler(bytes, delivery);
      const ServedConnection connection(handler);
      // Pipelined, and the connection stays open.
      connection.Send(Get() + Get() + Get("Connection: close\r\n"));
      for (int i = 0; i < 3; ++i) {
        const std::string head = connection.ReadHead();
        EXPECT_TRUE(absl::StartsWith(head, "HTTP/1.1 200 OK\r\n")) << head;
        EXPECT_TRUE(absl::StrContains(head, absl::StrCat("\r\nContent-Length: ", bytes, "\r\n")));
        EXPECT_TRUE(connection.Read(bytes) == BodyOf(bytes));
      }
      EXPECT_EQ(connection.Read(1), "");
      EXPECT_TRUE(Eventually([&] { return handler.sources == 0; }));
    }
  }
}

// If this fails, a client that does not read makes the server keep its whole answer in memory.
TEST(StreamingTest, TheNextPieceIsReadAfterTheLastOneIsSent) {
  StreamingHandler handler(10'000'000, Delivery::kOnThread);
  ServedConnection connection(handler);
  connection.Send(Get());
  ASSERT_FALSE(connection.Read(100'000).empty());
  const uint64_t reads = handler.reads;
  connection.Stop();
  EXPECT_GE(reads, 100'000 / kPieceBytes);
  // Beside the pieces read there are those that the socket holds, and one more.
  EXPECT_LE(handler.reads, 60u);
  EXPECT_EQ(handler.sources, 0);
}

// If this fails, HEAD costs a read of the whole body, or its answer has one.
TEST(StreamingTest, AnAnswerToHeadHasNoBody) {
  StreamingHandler handler(1'000'000);
  const ServedConnection connection(handler);
  connection.Send(Get("", "HEAD") + Get("", "HEAD"));
  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(absl::StrContains(connection.ReadHead(), "\r\nContent-Length: 1000000\r\n"));
  }
  EXPECT_EQ(handler.reads, 0u);
}

// If this fails, a client takes a body for whole that is not, or gets bytes that are not its own.
TEST(StreamingTest, AFailedSourceCutsTheConnection) {
  for (const Delivery delivery :
       {Delivery::kError, Delivery::kOversizedPiece, Delivery::kEmptyPiece}) {
    StreamingHandler handler(100'000, delivery);
    const ServedConnection connection(handler);
    connection.Send(Get() + Get());
    connection.ReadHead();
    EXPECT_TRUE(connection.Read(100'000) == BodyOf(2 * kPieceBytes));
    EXPECT_EQ(handler.sources, 0);
  }
}

// If this fails, a client that gives up while the disk is slow takes the server with it.
TEST(StreamingTest, AConnectionMayEndWhileAPieceIsRead) {
  for (const bool loop_stops : {false, true}) {
    StreamingHandler handler(100'000, Delivery::kHeld);
    ServedConnection connection(handler);
    connection.Send(Get());
    handler.TakeHeld()();
    std::function<void()> late = handler.TakeHeld();
    connection.CloseClient();
    if (loop_stops) connection.Stop();
    late();
    EXPECT_TRUE(Eventually([&] { return handler.sources == 0; }));
  }
}

// If this fails, uploads come faster than the disk takes them, and memory fills.
TEST(StreamingTest, APausedRequestIsGivenNothingUntilItResumes) {
  for (const bool chunked : {false, true}) {
    StreamingHandler handler;
    const ServedConnection connection(handler);
    constexpr size_t kBytes = 400'000;
    std::string message = absl::StrCat(
        "POST / HTTP/1.1\r\nHost: h\r\n",
        chunked ? "Transfer-Encoding: chunked" : absl::StrCat("Content-Length: ", kBytes),
        "\r\n\r\n");
    const std::string body = BodyOf(kBytes);
    for (size_t at = 0; at < kBytes; at += 1000) {
      if (chunked) absl::StrAppend(&message, "3e8\r\n");
      absl::StrAppend(&message, body.substr(at, 1000), chunked ? "\r\n" : "");
    }
    if (chunked) absl::StrAppend(&message, "0\r\n\r\n");
    message += Get("Connection: close\r\n", "HEAD");
    std::thread sender([&] { connection.Send(message); });
    std::function<void()> resume = handler.TakeHeld();
    const uint64_t appended = handler.appended;
    EXPECT_LE(appended, uint64_t{64 * 1024});
    for (;;) {
      resume();
      if (!Eventually([&] { return handler.appended == kBytes || handler.held_count() > 0; }))
        break;
      if (handler.held_count() == 0) break;
      resume = handler.TakeHeld();
    }
    // The last one may have paused before the end of the message was there.
    while (handler.held_count() > 0) handler.TakeHeld()();
    EXPECT_TRUE(absl::StartsWith(connection.ReadHead(), "HTTP/1.1 200 "));
    EXPECT_EQ(connection.Read(6), "400000");
    EXPECT_TRUE(absl::StartsWith(connection.ReadHead(), "HTTP/1.1 200 "));
    sender.join();
    EXPECT_FALSE(handler.appended_while_paused);
    EXPECT_TRUE(handler.uploads_are_right);
    EXPECT_GE(handler.pauses, 3);
  }
}

// If this fails, a request hangs when backpressure ends at once, as when memory has room again.
TEST(StreamingTest, ARequestMayResumeWithinItsPause) {
  StreamingHandler handler;
  handler.resumes_at_once = true;
  const ServedConnection connection(handler);
  const std::string body = BodyOf(300'000);
  for (int i = 0; i < 2; ++i) {
    std::thread sender([&] {
      connection.Send(
          absl::StrCat("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 300000\r\n\r\n", body));
    });
    EXPECT_TRUE(absl::StartsWith(connection.ReadHead(), "HTTP/1.1 200 "));
    EXPECT_EQ(connection.Read(6), "300000");
    sender.join();
  }
  EXPECT_GE(handler.pauses, 4);
}

// If this fails, a connection that ends while its request is paused is used afterwards.
TEST(StreamingTest, AConnectionMayEndWhilePaused) {
  StreamingHandler handler;
  ServedConnection connection(handler);
  connection.Send(
      absl::StrCat("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 300000\r\n\r\n", BodyOf(1000)));
  std::function<void()> resume = handler.TakeHeld();
  connection.Stop();
  resume();
  EXPECT_EQ(handler.appended, 1000u);
}

}  // namespace
}  // namespace tcsync::listener
