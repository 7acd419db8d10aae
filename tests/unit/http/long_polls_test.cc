// Requests that wait for their client's next version. If these fail, a change on one computer does
// not reach the others until they ask by themselves, or requests wait for ever.
#include "http/long_polls.h"

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "access/access_control.h"
#include "access/token.h"
#include "base/limits.h"
#include "gtest/gtest.h"
#include "http/router.h"
#include "http/sync_handler.h"
#include "storage/memory/memory_storage.h"
#include "sync/sync_service.h"
#include "tests/unit/access/scripted_access_records.h"
#include "tests/unit/sync/manual_clock.h"

namespace tcsync::http {
namespace {

const Uuid kClient = *Uuid::Parse("c11e4700-0000-4000-8000-000000000001");
const Uuid kOtherClient = *Uuid::Parse("c11e4700-0000-4000-8000-000000000002");
const Uuid kVersion = *Uuid::Parse("00000000-0001-8000-8000-000000000001");

// If this fails, a wait is misread: what another program means is ignored, or a server is made to
// hold what nobody asked it to hold.
TEST(PreferencesTest, AreReadAsTheStandardSays) {
  struct Case {
    std::vector<const char*> fields;
    int seconds;
  };
  const Case cases[] = {
      {{}, 0},
      {{""}, 0},
      {{"wait=50"}, 50},
      {{"WAIT=50"}, 50},
      {{" wait = 50 "}, 50},
      {{"wait=\"50\""}, 50},
      {{"wait=50; foo=bar"}, 50},
      {{"respond-async, wait=50"}, 50},
      {{"respond-async", "wait=50"}, 50},
      {{"wait=50, wait=60"}, 50},
      {{"wait=50", "wait=60"}, 50},
      {{"wait=0, wait=60"}, 0},
      {{"wait"}, 0},
      {{"wait="}, 0},
      {{"wait=\""}, 0},
      {{"wait=\"\""}, 0},
      {{"wait=-1"}, 0},
      {{"wait=5.5"}, 0},
      {{"wait=0x10"}, 0},
      {{"await=50"}, 0},
      {{"wait-for=50"}, 0},
      {{"handling=lenient; wait=50"}, 0},
  };
  for (const Case& one : cases) {
    std::vector<HeaderView> headers = {{"X-Client-Id", "x"}};
    std::string shown;
    for (const char* field : one.fields) {
      headers.push_back({"prefer", field});
      absl::StrAppend(&shown, "[", field, "]");
    }
    EXPECT_EQ(PreferencesOf({"GET", "/", headers}).wait, absl::Seconds(one.seconds)) << shown;
  }
  for (const char* many : {"wait=4294967296", "wait=99999999999999999999"}) {
    const HeaderView header = {"Prefer", many};
    EXPECT_GT(PreferencesOf({"GET", "/", {&header, 1}}).wait, absl::Hours(24)) << many;
  }
  for (const auto& [field, wants_minimum] :
       {std::pair("return=minimal", true), std::pair("wait=5, Return = \"minimal\"", true),
        std::pair("return=minimal; x=y, wait=5", true), std::pair("return=representation", false),
        std::pair("return=representation, return=minimal", false), std::pair("return", false),
        std::pair("minimal", false), std::pair("wait=5", false)}) {
    const HeaderView header = {"Prefer", field};
    EXPECT_EQ(PreferencesOf({"GET", "/", {&header, 1}}).wants_minimum, wants_minimum) << field;
  }
}

class LongPollsTest : public testing::Test {
 protected:
  std::shared_ptr<LongPolls::Poll> Begin(const Uuid& client, absl::Duration wait, int& ends) {
    return polls_.Begin(client, kVersion, wait, [&ends] { ++ends; });
  }

  ManualClock clock_;
  LongPolls polls_{clock_};
};

TEST_F(LongPollsTest, AVersionEndsThoseOfItsClientOnly) {
  int ends = 0;
  int others = 0;
  const auto first = Begin(kClient, absl::Seconds(50), ends);
  const auto second = Begin(kClient, absl::Seconds(10), ends);
  const auto other = Begin(kOtherClient, absl::Seconds(50), others);
  EXPECT_EQ(polls_.count(), 3u);
  polls_.EndOf(kClient);
  EXPECT_EQ(ends, 2);
  EXPECT_EQ(others, 0);
  EXPECT_TRUE(first->has_ended());
  EXPECT_FALSE(other->has_ended());
  polls_.EndOf(kClient);
  first->End();
  EXPECT_EQ(ends, 2) << "one has ended twice";
  EXPECT_EQ(polls_.count(), 1u);
}

// If this fails, versions that another server took are not heard of here, or a client's every poll
// is answered once a second with nothing.
TEST_F(LongPollsTest, AVersionOfAnotherServerEndsThoseThatWaitBehindIt) {
  int ends = 0;
  int others = 0;
  const auto poll = Begin(kClient, absl::Seconds(50), ends);
  const auto other = Begin(kOtherClient, absl::Seconds(50), others);
  EXPECT_EQ(polls_.clients().size(), 2u);
  polls_.EndBehind(kClient, kVersion);
  EXPECT_EQ(ends, 0) << "it waits at the latest version";
  const Uuid next = *Uuid::Parse("00000000-0002-8000-8000-000000000002");
  polls_.EndBehind(kClient, next);
  polls_.EndBehind(kClient, next);
  EXPECT_EQ(ends, 1);
  EXPECT_EQ(others, 0);
  EXPECT_EQ(polls_.clients(), std::vector<Uuid>{kOtherClient});
}

TEST_F(LongPollsTest, EachEndsAtItsOwnTime) {
  int late = 0;
  int early = 0;
  const auto first = Begin(kClient, absl::Seconds(50), late);
  const auto second = Begin(kClient, absl::Seconds(10), early);
  polls_.EndExpired();
  EXPECT_EQ(early, 0);
  clock_.Advance(absl::Seconds(10));
  polls_.EndExpired();
  EXPECT_EQ(early, 1);
  EXPECT_EQ(late, 0);
  clock_.Advance(absl::Hours(1));
  polls_.EndExpired();
  polls_.EndExpired();
  EXPECT_EQ(early, 1);
  EXPECT_EQ(late, 1);
  EXPECT_EQ(polls_.count(), 0u);
}

// If this fails, one client's requests take unbounded memory, and a version of it the time of
// others.
TEST_F(LongPollsTest, AClientHasABoundedNumberAndTheOldestGives) {
  std::vector<int> ends(base::kLongPollsPerClientMax + 3);
  std::vector<std::shared_ptr<LongPolls::Poll>> polls;
  for (int& one : ends) polls.push_back(Begin(kClient, absl::Seconds(50), one));
  for (size_t i = 0; i < ends.size(); ++i) EXPECT_EQ(ends[i], i < 3 ? 1 : 0) << i;
  EXPECT_EQ(polls_.count(), base::kLongPollsPerClientMax);
}

// If this fails, a server cannot stop while somebody waits.
TEST_F(LongPollsTest, ClosingEndsAllAndLaterOnesAtOnce) {
  int ends = 0;
  const auto first = Begin(kClient, absl::Hours(1), ends);
  const auto second = Begin(kOtherClient, absl::Hours(1), ends);
  polls_.Close();
  EXPECT_EQ(ends, 2);
  const auto third = Begin(kClient, absl::Hours(1), ends);
  EXPECT_EQ(ends, 3);
  EXPECT_TRUE(third->has_ended());
  EXPECT_EQ(polls_.count(), 0u);
}

// If this fails, a callback that begins or ends others, as an answer may, stops the server.
TEST_F(LongPollsTest, ACallbackMayUseTheRegistry) {
  int ends = 0;
  const auto poll = polls_.Begin(kClient, kVersion, absl::Seconds(1), [&] {
    polls_.EndOf(kOtherClient);
    Begin(kClient, absl::Seconds(1), ends);
  });
  const auto other = Begin(kOtherClient, absl::Seconds(1), ends);
  polls_.EndOf(kClient);
  EXPECT_EQ(ends, 1);
  EXPECT_EQ(polls_.count(), 1u);
}

// If this fails, a request is answered twice, or never, when a version comes at the moment of its
// end.
TEST_F(LongPollsTest, EachEndsOnceOnManyThreads) {
  constexpr int kPolls = 2000;
  std::vector<std::atomic<int>> ends(kPolls);
  std::atomic<bool> is_over{false};
  std::vector<std::thread> enders;
  enders.emplace_back([&] {
    while (!is_over) polls_.EndOf(kClient);
  });
  enders.emplace_back([&] {
    while (!is_over) polls_.EndExpired();
  });
  for (int i = 0; i < kPolls; ++i) {
    const auto poll = polls_.Begin(kClient, kVersion, absl::Seconds(i % 2 == 0 ? -1 : 50),
                                   [&ends, i] { ++ends[i]; });
    if (i % 3 == 0) poll->End();
  }
  is_over = true;
  for (std::thread& ender : enders) ender.join();
  polls_.Close();
  for (int i = 0; i < kPolls; ++i) EXPECT_EQ(ends[i], 1) << i;
}

// Over a real storage, in memory, and with the listener's way of calling.
class WaitingRequestTest : public testing::Test {
 protected:
  // The request's answer, if it came at once; otherwise Answer() has it later.
  std::optional<Response> Get(const Uuid& parent, const char* prefer = "wait=50",
                              bool may_wait = true, const Uuid& client = kClient) {
    const std::string client_id = client.ToString();
    const std::string target = absl::StrCat("/v1/client/get-child-version/", parent.ToString());
    const std::vector<HeaderView> headers = {{"X-Client-Id", client_id}, {"Prefer", prefer}};
    auto decision = handler_.StartRequest(
        {.method = "GET", .target = target, .headers = headers, .may_wait = may_wait});
    pending_.emplace(std::move(std::get<PendingRequest>(decision)));
    answer_.reset();
    return std::move(*pending_).Finish(
        [this](Response response) { answer_.emplace(std::move(response)); });
  }
  bool IsWaiting() const { return pending_->IsWaiting() && !answer_; }

  Uuid Add(const Uuid& parent) {
    const std::string target = absl::StrCat("/v1/client/add-version/", parent.ToString());
    const std::string client_id = kClient.ToString();
    const std::vector<HeaderView> headers = {{"X-Client-Id", client_id},
                                             {"Content-Type", kHistorySegmentMediaType}};
    const Response response =
        handler_.Handle({.method = "POST", .target = target, .headers = headers}, "segment");
    EXPECT_EQ(response.status, 200);
    return Uuid::Parse(HeaderOf(response, "X-Version-Id")).value_or(Uuid());
  }

  static std::string HeaderOf(const Response& response, absl::string_view name) {
    for (const Header& header : response.headers) {
      if (header.name == name) return header.value;
    }
    return "";
  }

  ManualClock clock_;
  memory_storage::MemoryStorage storage_;
  sync::SyncService service_{storage_, clock_, sync::SyncPolicy()};
  access::AccessTable table_;
  access::AccessControl access_{table_, access::AccessPolicy(), clock_, clock_};
  SyncHandler sync_{service_, access_,
                    SyncHandlerOptions{.body_bytes_max = 1000,
                                       .bodies_in_flight_bytes_max = 100'000,
                                       .version_wait_max = absl::Seconds(60)},
                    clock_, base::Logger()};
  Router handler_{"", access_, sync_};
  std::optional<PendingRequest> pending_;
  std::optional<Response> answer_;
};

TEST_F(WaitingRequestTest, TheNextVersionAnswers) {
  const Uuid first = Add(Uuid());
  EXPECT_FALSE(Get(first).has_value());
  ASSERT_TRUE(IsWaiting());
  const Uuid second = Add(first);
  ASSERT_TRUE(answer_);
  EXPECT_EQ(answer_->status, 200);
  EXPECT_EQ(answer_->body, "segment");
  EXPECT_EQ(HeaderOf(*answer_, "X-Version-Id"), second.ToString());
  EXPECT_EQ(HeaderOf(*answer_, "Preference-Applied"), "wait=50");
  EXPECT_FALSE(pending_->IsWaiting());
}

TEST_F(WaitingRequestTest, WhatIsKnownIsAnsweredAtOnce) {
  const Uuid first = Add(Uuid());
  const std::optional<Response> found = Get(Uuid());
  ASSERT_TRUE(found);
  EXPECT_EQ(found->status, 200);
  EXPECT_EQ(HeaderOf(*found, "Preference-Applied"), "wait=50");
  const std::optional<Response> gone = Get(Uuid::Random());
  ASSERT_TRUE(gone);
  EXPECT_EQ(gone->status, 410);
  // A client without versions has no computers that could send one.
  const std::optional<Response> unknown = Get(Uuid(), "wait=50", true, kOtherClient);
  ASSERT_TRUE(unknown);
  EXPECT_EQ(unknown->status, 404);
  EXPECT_EQ(sync_.long_polls().count(), 0u);
  // Without the wish, or a caller that can hold it, or with a wish that means nothing.
  for (const auto& [prefer, may_wait] :
       {std::pair("wait=50", false), std::pair("wait=0", true), std::pair("respond-async", true)}) {
    const std::optional<Response> at_once = Get(first, prefer, may_wait);
    ASSERT_TRUE(at_once) << prefer;
    EXPECT_EQ(at_once->status, 404);
    EXPECT_EQ(HeaderOf(*at_once, "Preference-Applied"), "");
  }
}

TEST_F(WaitingRequestTest, AWaitEndsInTimeAndIsBounded) {
  const Uuid first = Add(Uuid());
  EXPECT_FALSE(Get(first, "wait=3000").has_value());
  clock_.Advance(absl::Seconds(59));
  sync_.long_polls().EndExpired();
  EXPECT_TRUE(IsWaiting());
  clock_.Advance(absl::Seconds(1));
  sync_.long_polls().EndExpired();
  ASSERT_TRUE(answer_) << "it waits for longer than version-wait-max";
  EXPECT_EQ(answer_->status, 404);
  EXPECT_EQ(HeaderOf(*answer_, "Preference-Applied"), "wait=60");
}

// If this fails, those who only want to know of a version receive it, and keep others from it.
TEST_F(WaitingRequestTest, TheLeastAnswerHasNoBody) {
  const Uuid first = Add(Uuid());
  EXPECT_FALSE(Get(first, "wait=50, return=minimal").has_value());
  const Uuid second = Add(first);
  for (const std::optional<Response>& response :
       {std::move(answer_), Get(first, "wait=50, return=minimal")}) {
    ASSERT_TRUE(response);
    EXPECT_EQ(response->status, 200);
    EXPECT_EQ(response->body, "");
    EXPECT_EQ(HeaderOf(*response, "Content-Type"), "");
    EXPECT_EQ(HeaderOf(*response, "X-Version-Id"), second.ToString());
    EXPECT_EQ(HeaderOf(*response, "Preference-Applied"), "wait=50, return=minimal");
  }
}

// If this fails, a lost laptop whose token was replaced still receives the next change.
TEST_F(WaitingRequestTest, WhoMayNotAskAnyMoreGetsNothing) {
  const Uuid first = Add(Uuid());
  EXPECT_FALSE(Get(first).has_value());
  ScriptedAccessRecords records;
  records.records.tokens.push_back({kClient, access::DigestOf("other"), 1});
  ASSERT_TRUE(table_.Refresh(records).ok());
  pending_->EndWait();
  ASSERT_TRUE(answer_);
  EXPECT_EQ(answer_->status, 403);
}

TEST_F(WaitingRequestTest, ItsCallerCanEndIt) {
  const Uuid first = Add(Uuid());
  EXPECT_FALSE(Get(first).has_value());
  pending_->EndWait();
  ASSERT_TRUE(answer_);
  EXPECT_EQ(answer_->status, 404);
  pending_->EndWait();
  EXPECT_EQ(sync_.long_polls().count(), 0u);
}

}  // namespace
}  // namespace tcsync::http
