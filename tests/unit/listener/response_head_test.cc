// The head of a response as it is sent. If these fail, clients cannot read any response.
#include "listener/response_head.h"

#include <string>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"

namespace tcsync::listener {
namespace {

constexpr absl::string_view kDate = "Sun, 06 Nov 1994 08:49:37 GMT";

std::string HeadOf(const http::Response& response,
                   ConnectionHeader connection = ConnectionHeader::kNone) {
  std::string head;
  AppendResponseHead(response, kDate, connection, head);
  return head;
}

// If this fails, the head is not HTTP/1.1, or lacks fields that the handler set.
TEST(ResponseHeadTest, IsWrittenByteForByte) {
  http::Response response;
  response.status = 200;
  response.headers.push_back({"Cache-Control", "no-store, max-age=0"});
  response.headers.push_back({"X-Version-Id", "0123"});
  response.body = "twelve bytes";
  EXPECT_EQ(HeadOf(response),
            "HTTP/1.1 200 OK\r\n"
            "Content-Length: 12\r\n"
            "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
            "Cache-Control: no-store, max-age=0\r\n"
            "X-Version-Id: 0123\r\n"
            "\r\n");
}

// If this fails, a client waits for a body that does not come, or for a connection to be closed.
TEST(ResponseHeadTest, HasLengthZeroWithoutABody) {
  http::Response response;
  response.status = 409;
  EXPECT_EQ(HeadOf(response, ConnectionHeader::kClose),
            "HTTP/1.1 409 Conflict\r\n"
            "Content-Length: 0\r\n"
            "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
            "Connection: close\r\n"
            "\r\n");
  EXPECT_EQ(HeadOf(response, ConnectionHeader::kKeepAlive),
            "HTTP/1.1 409 Conflict\r\n"
            "Content-Length: 0\r\n"
            "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
            "Connection: keep-alive\r\n"
            "\r\n");
}

// If this fails, pipelined responses overwrite each other.
TEST(ResponseHeadTest, IsAppendedToTheOutput) {
  std::string out = "what was there";
  AppendResponseHead(http::Response(), kDate, ConnectionHeader::kNone, out);
  EXPECT_EQ(out, "what was there" + HeadOf(http::Response()));
}

// If this fails, a person with curl reads "Unknown" where the protocol has a word.
TEST(ResponseHeadTest, EveryStatusHasAReason) {
  for (const int status :
       {200, 400, 403, 404, 405, 408, 409, 410, 413, 415, 429, 431, 500, 501, 503, 505, 507}) {
    EXPECT_NE(http::ReasonPhrase(status), "Unknown") << status;
  }
  EXPECT_EQ(http::ReasonPhrase(299), "Unknown");
}

// If this fails, the Date header breaks RFC 9110, section 5.6.7, or is not the time.
TEST(DateClockTest, FormatsTheTimeForHttp) {
  DateClock clock;
  const absl::Time before = absl::FromUnixSeconds(absl::ToUnixSeconds(absl::Now()));
  const std::string text(clock.Now());
  const absl::Time after = absl::Now();
  ASSERT_EQ(text.size(), kDate.size()) << text;
  absl::Time parsed;
  std::string error;
  ASSERT_TRUE(absl::ParseTime("%a, %d %b %Y %H:%M:%S GMT", text, &parsed, &error)) << error;
  EXPECT_GE(parsed, before);
  EXPECT_LE(parsed, after);
  EXPECT_EQ(absl::FormatTime("%a, %d %b %Y %H:%M:%S GMT", parsed, absl::UTCTimeZone()), text);
}

}  // namespace
}  // namespace tcsync::listener
