// The cases of tests/testdata/hostile-http.txt, whole, byte by byte, and cut at every byte. If this
// fails, a proxy in front and this server take different requests out of the same bytes, which is
// how requests are smuggled; or how a request is understood depends on how the network cuts it.
#include <cstdlib>
#include <fstream>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "gtest/gtest.h"
#include "http/pending_request.h"
#include "listener/request_parser.h"

namespace tcsync::listener {
namespace {

struct Case {
  std::string name;
  std::string send;
  std::string direct;
};

std::string Unescape(absl::string_view text) {
  std::string with_large(text);
  for (size_t at; (at = with_large.find("{large ")) != std::string::npos;) {
    const size_t end = with_large.find('}', at);
    int count = 0;
    EXPECT_TRUE(absl::SimpleAtoi(with_large.substr(at + 7, end - at - 7), &count)) << text;
    with_large.replace(at, end + 1 - at, std::string(static_cast<size_t>(count), 'a'));
  }
  std::string bytes;
  std::string error;
  EXPECT_TRUE(absl::CUnescape(absl::StrReplaceAll(with_large, {{"{host}", "a.example:80"}}), &bytes,
                              &error))
      << text << error;
  return bytes;
}

std::vector<Case> ReadCases() {
  std::ifstream file(TCSYNC_TESTDATA_DIR "/hostile-http.txt");
  std::vector<Case> cases;
  for (std::string line; std::getline(file, line);) {
    absl::string_view rest = line;
    if (absl::ConsumePrefix(&rest, "case    ")) {
      cases.push_back({std::string(rest), "", ""});
    } else if (absl::ConsumePrefix(&rest, "send    ")) {
      cases.back().send += Unescape(rest);
    } else if (absl::ConsumePrefix(&rest, "direct  ")) {
      cases.back().direct = std::string(rest);
    }
  }
  return cases;
}

// Answers GET / with 200, another method with 405, and any other target with 404, when the body is
// there.
class IndexHandler final : public http::Handler {
 public:
  std::variant<http::Response, http::PendingRequest> StartRequest(
      const http::RequestHead& head) override {
    const bool is_index = head.target == "/" || head.target == "http://a.example:80/";
    if (is_index && head.method == "GET") {
      return http::PendingRequest(std::make_unique<Request>());
    }
    return http::EmptyResponse(is_index ? 405 : 404);
  }

 private:
  class Request final : public http::PendingRequest::Implementation {
   public:
    std::optional<http::Response> Append(absl::string_view) override { return std::nullopt; }
    std::optional<http::Response> Finish(http::ResponseCallback) override {
      return http::EmptyResponse(200);
    }
  };
};

// Serves the pieces as one connection; returns the statuses of its answers.
std::string Serve(const std::vector<absl::string_view>& pieces) {
  static const PeerAddress peer = PeerAddress::Local();
  IndexHandler handler;
  HeadScratch scratch;
  std::vector<int> statuses;
  std::optional<RequestParser> parser;
  std::string waiting;
  for (const absl::string_view piece : pieces) {
    absl::StrAppend(&waiting, piece);
    for (;;) {
      if (!parser) {
        waiting.erase(0, std::min(waiting.find_first_not_of("\r\n"), waiting.size()));
        if (waiting.empty()) break;
        parser.emplace(handler, scratch, peer);
      }
      const size_t consumed = parser->Parse(waiting);
      waiting.erase(0, consumed);
      if (parser->Ready()) {
        statuses.push_back(parser->Finish(nullptr)->status);
        const bool can_keep_alive = parser->CanKeepAlive();
        parser.reset();
        if (!can_keep_alive) return absl::StrJoin(statuses, " ");
      } else if (consumed == 0 || waiting.empty()) {
        break;
      }
    }
  }
  return statuses.empty() ? "-" : absl::StrJoin(statuses, " ");
}

TEST(HostileHttpTest, EveryCaseHasItsAnswersHoweverItIsSplit) {
  const std::vector<Case> cases = ReadCases();
  ASSERT_GE(cases.size(), 70u);
  for (const Case& it : cases) {
    const absl::string_view request = it.send;
    EXPECT_EQ(Serve({request}), it.direct) << it.name;
    std::vector<absl::string_view> bytes;
    for (size_t i = 0; i < request.size(); ++i) bytes.push_back(request.substr(i, 1));
    EXPECT_EQ(Serve(bytes), it.direct) << it.name << ", byte by byte";
    // Of the large ones every cut would be the same again.
    const size_t step = request.size() < 1000 ? 1 : 97;
    for (size_t cut = 1; cut < request.size(); cut += step) {
      EXPECT_EQ(Serve({request.substr(0, cut), request.substr(cut)}), it.direct)
          << it.name << ", cut at " << cut;
    }
  }
}

}  // namespace
}  // namespace tcsync::listener
