// The handler's answers and log lines, over a scripted storage: cases that a real one cannot
// produce. tests/conformance tests a client's view over sockets.
#include "http/sync_handler.h"

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "access/token.h"
#include "base/numbered_uuid.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "http/router.h"
#include "tests/conformance/compression.h"
#include "tests/unit/access/scripted_access_records.h"
#include "tests/unit/sync/manual_clock.h"
#include "tests/unit/sync/scripted_storage.h"

namespace tcsync::http {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr char kClientId[] = "c11e4700-0000-4000-8000-000000000001";
const Uuid kVersionId = *Uuid::Parse("0123abcd-ef45-4678-9abc-def001020304");
constexpr char kAddVersion[] = "/v1/client/add-version/0123abcd-ef45-4678-9abc-def001020304";
constexpr char kGetChild[] = "/v1/client/get-child-version/0123abcd-ef45-4678-9abc-def001020304";
constexpr char kAddSnapshot[] = "/v1/client/add-snapshot/0123abcd-ef45-4678-9abc-def001020304";
constexpr char kGetSnapshot[] = "/v1/client/snapshot";

// The name of a client in the log.
std::string NameInTest(const Uuid& client_id) {
  return absl::StrCat("client-", client_id.ToString().substr(24));
}

class SyncHandlerTest : public testing::Test {
 protected:
  SyncHandlerTest() : SyncHandlerTest(SyncHandlerOptions{1000, 100'000}) {}
  explicit SyncHandlerTest(const SyncHandlerOptions& options)
      : sync_(service_, access_, options, clock_,
              base::Logger(
                  [this](const LogRecord& record) {
                    log_.emplace_back(record.level, ToText(record));
                  },
                  LogLevel::kDebug, &NameInTest)) {}

  Response Handle(absl::string_view method, absl::string_view target, absl::string_view body = "",
                  std::vector<HeaderView> more_headers = {}) {
    std::vector<HeaderView> headers = {{"X-Client-Id", kClientId}};
    if (method == "POST") {
      headers.push_back({"Content-Type", absl::StrContains(target, "snapshot")
                                             ? kSnapshotMediaType
                                             : kHistorySegmentMediaType});
    }
    headers.insert(headers.begin(), more_headers.begin(), more_headers.end());
    // Storage answers at once here, and a ready response is returned.
    std::optional<Response> response =
        handler_.Handle({method, target, headers}, body,
                        [](const Response&) { ADD_FAILURE() << "answered by the callback"; });
    EXPECT_TRUE(response.has_value()) << "not answered";
    return *std::move(response);
  }

  // One request of each row that reaches storage.
  std::vector<Response> EveryRow() {
    std::vector<Response> responses;
    responses.push_back(Handle("POST", kAddVersion, "segment"));
    responses.push_back(Handle("GET", kGetChild));
    responses.push_back(Handle("POST", kAddSnapshot, "snapshot"));
    responses.push_back(Handle("GET", kGetSnapshot));
    return responses;
  }

  std::vector<std::string> LinesAt(LogLevel level) const {
    std::vector<std::string> lines;
    for (const auto& [line_level, line] : log_) {
      if (line_level == level) lines.push_back(line);
    }
    return lines;
  }

  static std::string HeaderOf(const Response& response, absl::string_view name) {
    for (const Header& header : response.headers) {
      if (header.name == name) return header.value;
    }
    return "";
  }

  ScriptedStorage storage_;
  ManualClock clock_;
  sync::SyncService service_{storage_, clock_, sync::SyncPolicy()};
  access::AccessTable access_table_;
  access::AccessControl access_{access_table_, *access::AccessPolicy::From(Options()), clock_,
                                clock_};
  std::vector<std::pair<LogLevel, std::string>> log_;
  SyncHandler sync_;
  Router handler_{"", access_, sync_};
};

// If this fails, a client does not learn that trying again helps, or the operator not that the
// server is overloaded.
TEST_F(SyncHandlerTest, UnavailableIs503) {
  storage_.FailAll(absl::UnavailableError("busy"));
  for (const Response& response : EveryRow()) {
    EXPECT_EQ(response.status, 503);
    EXPECT_EQ(HeaderOf(response, "Retry-After"), "1");
    EXPECT_EQ(HeaderOf(response, "Cache-Control"), "no-store, max-age=0");
  }
  EXPECT_THAT(LinesAt(LogLevel::kWarning), testing::Contains(HasSubstr("too busy")));
}

// If this fails, an overloaded server is busy with log lines about it.
TEST_F(SyncHandlerTest, OverloadIsNotLoggedForEachRequest) {
  storage_.FailAll(absl::UnavailableError("busy"));
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(Handle("GET", kGetChild).status, 503);
  const auto seconds =
      std::chrono::ceil<std::chrono::seconds>(std::chrono::steady_clock::now() - begin);
  EXPECT_GE(LinesAt(LogLevel::kWarning).size(), 1u);
  EXPECT_LE(LinesAt(LogLevel::kWarning).size(), static_cast<size_t>(seconds.count()) + 1);
}

// If this fails, bodies that will be refused are received, and take memory meanwhile; or overload
// of writes stops reads.
TEST_F(SyncHandlerTest, WritesAreRefusedAtTheirHeadsWhileStorageIsOverloaded) {
  storage_.refuses_writes = true;
  for (const char* target : {kAddVersion, kAddSnapshot}) {
    const std::vector<HeaderView> headers = {
        {"X-Client-Id", kClientId},
        {"Content-Type", target == kAddVersion ? kHistorySegmentMediaType : kSnapshotMediaType}};
    const auto decision = handler_.StartRequest({"POST", target, headers});
    ASSERT_TRUE(std::holds_alternative<Response>(decision)) << target;
    EXPECT_EQ(std::get<Response>(decision).status, 503);
    EXPECT_EQ(HeaderOf(std::get<Response>(decision), "Retry-After"), "1");
  }
  EXPECT_EQ(Handle("GET", kGetSnapshot).status, 404);
}

// If this fails, a full disk looks like a broken one.
TEST_F(SyncHandlerTest, ResourceExhaustedIs507) {
  storage_.FailAll(absl::ResourceExhaustedError("the device /dev/vda is full"));
  for (const Response& response : EveryRow()) {
    EXPECT_EQ(response.status, 507);
    EXPECT_THAT(response.body, HasSubstr("disk is full"));
    EXPECT_THAT(response.body, Not(HasSubstr("/dev/vda"))) << "a stranger learns of the machine";
  }
  EXPECT_THAT(LinesAt(LogLevel::kError), testing::Contains(HasSubstr("/dev/vda")));
}

// If this fails, damage is hidden from the operator, or shown to strangers.
TEST_F(SyncHandlerTest, OtherStorageErrorsAre500) {
  for (const absl::Status& status :
       {absl::DataLossError("in 000017.sst"), absl::InternalError("in 000017.sst"),
        absl::UnknownError("in 000017.sst"), absl::InvalidArgumentError("in 000017.sst")}) {
    storage_.FailAll(status);
    log_.clear();
    for (const Response& response : EveryRow()) {
      EXPECT_EQ(response.status, 500) << status;
      EXPECT_THAT(response.body, Not(HasSubstr("000017")));
    }
    EXPECT_THAT(LinesAt(LogLevel::kError), testing::Contains(HasSubstr("000017.sst")).Times(4));
  }
}

// If this fails, the reason why a replica cannot sync stays unknown: it never shows the body.
TEST_F(SyncHandlerTest, GoneIsAWarningWithItsReason) {
  const Uuid latest = Uuid::Random();
  storage_.child = NoChild{latest};
  const Response response = Handle("GET", kGetChild);
  EXPECT_EQ(response.status, 410);
  ASSERT_EQ(log_.size(), 1u);
  EXPECT_EQ(log_[0].first, LogLevel::kWarning);
  EXPECT_THAT(log_[0].second, HasSubstr("410"));
  EXPECT_THAT(log_[0].second, HasSubstr(NameInTest(*Uuid::Parse(kClientId))));
  EXPECT_THAT(log_[0].second, HasSubstr(kVersionId.ToString()));
  EXPECT_THAT(log_[0].second, HasSubstr(latest.ToString()));
}

// If this fails, the log does not tell a person how to repair a replica that cannot sync: each case
// has another remedy.
TEST_F(SyncHandlerTest, TheLogExplainsEachReasonForGone) {
  const auto line_for = [this](const Uuid& parent, const Uuid& latest) {
    storage_.child = NoChild{latest};
    log_.clear();
    const Response response =
        Handle("GET", absl::StrCat("/v1/client/get-child-version/", parent.ToString()));
    EXPECT_EQ(response.status, 410);
    return log_.at(0).second;
  };
  EXPECT_THAT(
      line_for(base::RandomUuidWithNumber(12), base::RandomUuidWithNumber(9)),
      testing::AllOf(HasSubstr("status=410 reason=replica-ahead endpoint=get-child-version"),
                     HasSubstr("number 12 of 9"), HasSubstr("older backup"),
                     HasSubstr("tcsync-server clients")));
  EXPECT_THAT(line_for(base::RandomUuidWithNumber(3), base::RandomUuidWithNumber(9)),
              testing::AllOf(HasSubstr("reason=version-gone"), HasSubstr("number 3 of 9"),
                             HasSubstr("join the history")));
  EXPECT_THAT(line_for(kVersionId, base::RandomUuidWithNumber(9)),
              testing::AllOf(HasSubstr("reason=foreign-version"), HasSubstr("URL")));
  EXPECT_THAT(line_for(Uuid(), base::RandomUuidWithNumber(9)),
              testing::AllOf(HasSubstr("reason=version-gone"), HasSubstr("never synced"),
                             HasSubstr("snapshot"), testing::Not(HasSubstr("is empty"))));
}

// If this fails, the events of every sync fill the log.
TEST_F(SyncHandlerTest, SuccessfulAnswersAreLoggedForDebugging) {
  EXPECT_EQ(Handle("GET", kGetSnapshot).status, 404);
  EXPECT_EQ(Handle("GET", kGetChild).status, 404);
  storage_.append = Conflict{kVersionId};
  EXPECT_EQ(Handle("POST", kAddVersion, "segment").status, 409);
  storage_.append = Appended{kVersionId, std::nullopt};
  EXPECT_EQ(Handle("POST", kAddVersion, "segment").status, 200);
  storage_.store_snapshot = StoreSnapshotOutcome::kNotWanted;
  EXPECT_EQ(Handle("POST", kAddSnapshot, "snapshot").status, 200);
  EXPECT_EQ(LinesAt(LogLevel::kDebug).size(), log_.size());
  EXPECT_EQ(log_.size(), 5u);
}

// If this fails, a stranger writes lines into the operator's log, or colours it.
TEST_F(SyncHandlerTest, RefusalsAreOneLine) {
  const std::string evil = "/nowhere\r\n2026-01-01 [error] all is lost\x1b[31m\x7f\t\xff";
  EXPECT_EQ(Handle("GET", evil).status, 404);
  EXPECT_EQ(Handle("BREW\n", kGetSnapshot).status, 405);
  EXPECT_EQ(Handle("GET", kGetSnapshot, "", {{"X-Client-Id", "a\nb"}}).status, 400);
  EXPECT_EQ(Handle("POST", kAddVersion, "x", {{"Content-Type", "text/\nplain"}}).status, 400);
  EXPECT_EQ(Handle("POST", kAddVersion, "x", {{"Content-Encoding", "a\nb"}}).status, 415);
  ASSERT_EQ(log_.size(), 5u);
  EXPECT_THAT(log_[0].second, HasSubstr("all is lost?[31m???: check the path of the server's URL"));
  for (const auto& [level, line] : log_) {
    EXPECT_EQ(level, LogLevel::kInfo) << line;
    for (const char c : line) EXPECT_TRUE(c >= ' ' && c < 0x7f) << static_cast<int>(c);
  }
}

// If this fails, storage's errors break the rule that a message is one line.
TEST_F(SyncHandlerTest, StorageFailuresAreOneLine) {
  storage_.FailAll(absl::InternalError("one\ntwo\x1b"));
  EveryRow();
  for (const auto& [level, line] : log_) {
    for (const char c : line) EXPECT_TRUE(c >= ' ' && c < 0x7f) << line;
  }
}

// If this fails, sealed data ends up in a log file.
TEST_F(SyncHandlerTest, BodiesAreNeverLogged) {
  const std::string body = "XYZZY";
  storage_.append = Conflict{kVersionId};
  Handle("POST", kAddVersion, body);
  Handle("POST", kAddVersion, body, {{"Content-Encoding", "gzip"}});
  Handle("POST", kAddVersion, body + std::string(2000, 'x'));
  Handle("GET", kGetSnapshot, body);
  Handle("GET", kGetSnapshot, body, {{"Authorization", body}, {"Cookie", body}});
  storage_.snapshot = Snapshot{kVersionId, body};
  Handle("GET", kGetSnapshot);
  EXPECT_FALSE(log_.empty());
  for (const auto& [level, line] : log_) EXPECT_THAT(line, Not(HasSubstr(body)));
}

// If this fails, sent answers, or failed requests, keep their memory for ever.
TEST_F(SyncHandlerTest, EveryRequestReturnsItsMemoryToTheBudget) {
  storage_.append = Appended{kVersionId, std::nullopt};
  storage_.snapshot = Snapshot{kVersionId, std::string(60'000, 'x')};
  for (int i = 0; i < 200; ++i) {
    EXPECT_EQ(Handle("POST", kAddVersion, std::string(1000, 'x')).status, 200);
    EXPECT_EQ(Handle("POST", kAddVersion, std::string(1001, 'x')).status, 413);
    EXPECT_EQ(Handle("POST", kAddVersion, "not gzip", {{"Content-Encoding", "gzip"}}).status, 400);
    EXPECT_EQ(Handle("GET", kGetSnapshot).status, 200);
  }
}

// If this fails, several large answers under way take more memory than there is.
TEST_F(SyncHandlerTest, AnswersAreChargedUntilTheyAreSent) {
  storage_.snapshot = Snapshot{kVersionId, std::string(60'000, 'x')};
  {
    const Response first = Handle("GET", kGetSnapshot);
    EXPECT_EQ(first.status, 200);
    const Response second = Handle("GET", kGetSnapshot);
    EXPECT_EQ(second.status, 503);
    EXPECT_EQ(HeaderOf(second, "Retry-After"), "1");
    EXPECT_THAT(HeaderOf(second, "X-Version-Id"), IsEmpty());
  }
  EXPECT_EQ(Handle("GET", kGetSnapshot).status, 200);
}

// If this fails, an abandoned request, such as one of a client that hung up, takes effect.
TEST_F(SyncHandlerTest, AnAbandonedRequestHasNoEffect) {
  const std::vector<HeaderView> headers = {{"x-client-id", kClientId},
                                           {"content-type", kHistorySegmentMediaType}};
  {
    auto decision = handler_.StartRequest({"POST", kAddVersion, headers});
    ASSERT_TRUE(std::holds_alternative<PendingRequest>(decision));
    EXPECT_EQ(std::get<PendingRequest>(decision).Append("segment"), std::nullopt);
  }
  EXPECT_TRUE(storage_.append_requests.empty());
}

// If this fails, a body larger than the limit is received before it is refused.
TEST_F(SyncHandlerTest, ADeclaredBodyOverTheLimitIsRefusedAtItsHead) {
  const auto begin = [this](absl::string_view length) {
    const std::vector<HeaderView> headers = {{"X-Client-Id", kClientId},
                                             {"Content-Type", kHistorySegmentMediaType},
                                             {"Content-Length", length}};
    return handler_.StartRequest({"POST", kAddVersion, headers});
  };
  for (const char* length : {"1001", "18446744073709551615"}) {
    const auto decision = begin(length);
    ASSERT_TRUE(std::holds_alternative<Response>(decision)) << length;
    EXPECT_EQ(std::get<Response>(decision).status, 413);
  }
  for (const char* length : {"", "0", "1000", "nonsense", "-1", "99999999999999999999999"}) {
    EXPECT_TRUE(std::holds_alternative<PendingRequest>(begin(length))) << length;
  }
}

// If this fails, the urgency of a snapshot does not reach the client as the protocol writes it.
TEST_F(SyncHandlerTest, TheSnapshotRequestHeaderFollowsTheUrgency) {
  const auto request_for = [this](std::optional<SnapshotSummary> summary) {
    storage_.append = Appended{kVersionId, summary};
    const Response response = Handle("POST", kAddVersion, "segment");
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(HeaderOf(response, "X-Version-Id"), kVersionId.ToString());
    EXPECT_EQ(response.body, "");
    return HeaderOf(response, "X-Snapshot-Request");
  };
  const int64_t now = absl::ToUnixSeconds(clock_.Now());
  EXPECT_EQ(request_for(std::nullopt), "urgency=high");
  EXPECT_EQ(request_for(SnapshotSummary{{}, now, 99}), "");
  EXPECT_EQ(request_for(SnapshotSummary{{}, now, 100}), "urgency=low");
  EXPECT_EQ(request_for(SnapshotSummary{{}, now, 150}), "urgency=high");
}

// If this fails, a client that may not be created gets an answer outside the protocol.
TEST_F(SyncHandlerTest, NoSuchClientIs404WithAReason) {
  const Response response = Handle("POST", kAddVersion, "segment");
  EXPECT_EQ(response.status, 404);
  EXPECT_THAT(response.body, HasSubstr("no such client"));
  EXPECT_THAT(LinesAt(LogLevel::kInfo),
              ElementsAre(HasSubstr(NameInTest(*Uuid::Parse(kClientId)))));
  EXPECT_EQ(Handle("POST", kAddSnapshot, "snapshot").status, 404);
}

// If this fails, a real client's content type with parameters is refused.
TEST_F(SyncHandlerTest, ContentTypeParametersAreIgnored) {
  storage_.append = Appended{kVersionId, std::nullopt};
  for (const char* type : {"application/vnd.taskchampion.history-segment; charset=utf-8",
                           "APPLICATION/vnd.taskchampion.History-Segment ;x"}) {
    EXPECT_EQ(Handle("POST", kAddVersion, "segment", {{"Content-Type", type}}).status, 200) << type;
  }
  for (const char* type : {"", "application/vnd.taskchampion.snapshot", "text/plain",
                           "application/vnd.taskchampion.history-segmentx"}) {
    EXPECT_EQ(Handle("POST", kAddVersion, "segment", {{"Content-Type", type}}).status, 400) << type;
  }
}

// If this fails, storage gets compressed bytes, which no replica can open.
TEST_F(SyncHandlerTest, StorageGetsTheDecodedBody) {
  storage_.append = Appended{kVersionId, std::nullopt};
  Handle("POST", kAddVersion, conformance::Gzip("segment"), {{"Content-Encoding", "gzip"}});
  Handle("POST", kAddVersion, conformance::Deflate("segment"), {{"Content-Encoding", "deflate"}});
  ASSERT_EQ(storage_.append_requests.size(), 2u);
  EXPECT_EQ(storage_.append_requests[0].segment, "segment");
  EXPECT_EQ(storage_.append_requests[1].segment, "segment");
}

// If this fails, an empty body becomes a version, which replicas cannot open.
TEST_F(SyncHandlerTest, EmptyBodiesAreRefused) {
  EXPECT_EQ(Handle("POST", kAddVersion).status, 400);
  EXPECT_EQ(Handle("POST", kAddSnapshot).status, 400);
  EXPECT_EQ(
      Handle("POST", kAddVersion, conformance::Gzip(""), {{"Content-Encoding", "gzip"}}).status,
      400);
  EXPECT_TRUE(storage_.append_requests.empty());
  EXPECT_TRUE(storage_.store_snapshot_requests.empty());
}

// Has bans, tokens and invites, and a log with pseudonyms.
class GuardedHandlerTest : public testing::Test {
 protected:
  GuardedHandlerTest() { Open({}); }

  void Open(const std::vector<std::pair<std::string, std::string>>& settings) {
    Options options;
    for (const auto& [name, value] : settings) {
      EXPECT_TRUE(SetOption(name, value, options).ok()) << name;
    }
    access_.emplace(access_table_, *access::AccessPolicy::From(options), clock_, clock_);
    sync_.emplace(service_, *access_,
                  SyncHandlerOptions{
                      .body_bytes_max = 1000,
                      .bodies_in_flight_bytes_max = 100'000,
                      .refusal_observer =
                          [this](access::RefusalReason reason) { refused_.push_back(reason); }},
                  clock_,
                  base::Logger([this](const LogRecord& record) { log_.push_back(ToText(record)); },
                               LogLevel::kDebug, &NameInTest));
    handler_.emplace("", *access_, *sync_);
  }

  void Refresh() { ASSERT_TRUE(access_table_.Refresh(records_).ok()); }

  Response Handle(absl::string_view method, absl::string_view target,
                  absl::string_view client_id = kClientId) {
    std::vector<HeaderView> headers = {{"X-Client-Id", client_id}};
    if (method == "POST") {
      headers.push_back({"Content-Type", absl::StrContains(target, "snapshot")
                                             ? kSnapshotMediaType
                                             : kHistorySegmentMediaType});
    }
    return handler_->Handle({method, target, headers, *PeerAddress::Parse("192.0.2.7")},
                            method == "POST" ? "body" : "");
  }

  static std::string RetryAfter(const Response& response) {
    for (const Header& header : response.headers) {
      if (header.name == "Retry-After") return header.value;
    }
    return "";
  }

  static std::string With(absl::string_view token, absl::string_view path) {
    return absl::StrCat("/i/", token, path);
  }

  static constexpr absl::string_view kToken = "0123456789abcdef0123456789abcdef";
  static constexpr absl::string_view kOtherToken = "ffffffffffffffffffffffffffffffff";
  const Uuid client_ = *Uuid::Parse(kClientId);

  ScriptedStorage storage_;
  ManualClock clock_;
  ScriptedAccessRecords records_;
  sync::SyncService service_{storage_, clock_, sync::SyncPolicy()};
  access::AccessTable access_table_;
  std::vector<std::string> log_;
  std::vector<access::RefusalReason> refused_;
  std::optional<access::AccessControl> access_;
  std::optional<SyncHandler> sync_;
  std::optional<Router> handler_;
};

// If this fails, a ban has no effect, or the operator's reason is revealed.
TEST_F(GuardedHandlerTest, BannedIs403) {
  records_.records.bans.push_back({client_, "floods", 1});
  Refresh();
  for (const char* target : {kGetChild, kGetSnapshot}) EXPECT_EQ(Handle("GET", target).status, 403);
  for (const char* target : {kAddVersion, kAddSnapshot}) {
    EXPECT_EQ(Handle("POST", target).status, 403);
  }
  EXPECT_EQ(Handle("GET", kGetChild, "c11e4700-0000-4000-8000-000000000002").status, 404);
  EXPECT_EQ(refused_, std::vector(4, access::RefusalReason::kBanned));
  EXPECT_THAT(log_[0], testing::StartsWith(absl::StrCat(
                           "status=403 reason=banned endpoint=get-child-version client=",
                           NameInTest(client_), ": ")));
  EXPECT_THAT(log_[0], HasSubstr("floods"));
  EXPECT_THAT(Handle("GET", kGetChild).body, Not(HasSubstr("floods")));
  EXPECT_TRUE(storage_.append_requests.empty());
}

// If this fails, there is no answer to a leaked client ID.
TEST_F(GuardedHandlerTest, AClientWithATokenIsServedOnlyWithIt) {
  records_.records.tokens.push_back({client_, access::DigestOf(kToken), 1});
  Refresh();
  EXPECT_EQ(Handle("GET", kGetChild).status, 403);
  EXPECT_EQ(Handle("GET", With(kOtherToken, kGetChild)).status, 403);
  EXPECT_EQ(Handle("GET", With(kToken, kGetChild)).status, 404);
  storage_.append = Appended{kVersionId, std::nullopt};
  EXPECT_EQ(Handle("POST", kAddVersion).status, 403);
  EXPECT_EQ(Handle("POST", With(kToken, kAddVersion)).status, 200);
  EXPECT_EQ(storage_.append_requests.size(), 1u);
}

// If this fails, a flood is served, or a limited client does not learn when to try again.
TEST_F(GuardedHandlerTest, TooManyIs429) {
  Open({{"client-requests-per-second", "1"},
        {"client-requests-burst", "2"},
        {"address-requests-per-second", "1"},
        {"address-requests-burst", "3"}});
  EXPECT_EQ(Handle("GET", kGetChild).status, 404);
  EXPECT_EQ(Handle("GET", kGetChild).status, 404);
  const Response by_client = Handle("GET", kGetChild);
  EXPECT_EQ(by_client.status, 429);
  EXPECT_EQ(RetryAfter(by_client), "1");
  const Response by_address = Handle("GET", kGetChild);
  EXPECT_EQ(by_address.status, 429);
  EXPECT_EQ(RetryAfter(by_address), "1");
  EXPECT_EQ(refused_,
            (std::vector{access::RefusalReason::kClientRate, access::RefusalReason::kAddressRate}));
  EXPECT_THAT(log_, testing::Contains(testing::AllOf(HasSubstr("status=429 reason=address-rate"),
                                                     HasSubstr(" source=192.0.2.7: "))));
  clock_.Advance(absl::Seconds(1));
  EXPECT_EQ(Handle("GET", kGetChild).status, 404);
}

// If this fails, a flood from one source fills the disk with log lines.
TEST_F(GuardedHandlerTest, AFloodIsNotLoggedRequestByRequest) {
  Open({{"client-requests-per-second", "1"}, {"client-requests-burst", "1"}});
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 10'000; ++i) Handle("GET", kGetChild);
  const auto seconds =
      std::chrono::ceil<std::chrono::seconds>(std::chrono::steady_clock::now() - begin);
  EXPECT_GE(log_.size(), 2u) << "the first is served, the second refused";
  EXPECT_LE(log_.size(), static_cast<size_t>(seconds.count()) + 3);
  EXPECT_EQ(refused_.size(), 9'999u) << "a refusal is not counted";
}

// If this fails, a scanner does so.
TEST_F(GuardedHandlerTest, AScanIsNotLoggedRequestByRequest) {
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 10'000; ++i) EXPECT_EQ(Handle("GET", "/wp-login.php").status, 404);
  const auto seconds =
      std::chrono::ceil<std::chrono::seconds>(std::chrono::steady_clock::now() - begin);
  EXPECT_LE(log_.size(), static_cast<size_t>(seconds.count()) + 21);
}

// If this fails, the number of new clients is unbounded, or existing ones cannot write meanwhile.
TEST_F(GuardedHandlerTest, NewClientsBeyondTheLimitAre429) {
  Open({{"new-clients-per-address-day", "1"}});
  storage_.append = Appended{.version_id = kVersionId, .snapshot = {}, .created_client = true};
  EXPECT_EQ(Handle("POST", kAddVersion).status, 200);
  // An existing client is appended to, with any create_client.
  storage_.append = Appended{.version_id = kVersionId, .snapshot = {}, .created_client = false};
  EXPECT_EQ(Handle("POST", kAddVersion).status, 200);
  EXPECT_FALSE(storage_.append_requests.back().create_client);
  storage_.append = NoSuchClient{};
  const Response response = Handle("POST", kAddVersion);
  EXPECT_EQ(response.status, 429);
  EXPECT_EQ(RetryAfter(response), "86400");
  EXPECT_EQ(refused_, std::vector(1, access::RefusalReason::kNewClients));
}

// If this fails, a setup learns only at its end that it has no invite.
TEST_F(GuardedHandlerTest, WithoutAnInviteAnUnknownClientGets403Everywhere) {
  Open({{"invite-only", "on"}});
  records_.records.invites.push_back({.digest = access::DigestOf(kToken), .label = ""});
  Refresh();
  for (const std::string& prefix : {std::string(), With(kOtherToken, "")}) {
    for (const char* target : {kGetChild, kGetSnapshot}) {
      const Response response = Handle("GET", prefix + target);
      EXPECT_EQ(response.status, 403) << target;
      EXPECT_THAT(response.body, HasSubstr("invite"));
    }
    for (const char* target : {kAddVersion, kAddSnapshot}) {
      EXPECT_EQ(Handle("POST", prefix + target).status, 403) << target;
    }
  }
  for (const AppendRequest& request : storage_.append_requests) {
    EXPECT_FALSE(request.create_client);
  }
  EXPECT_EQ(Handle("GET", With(kToken, kGetChild)).status, 404);
  EXPECT_EQ(Handle("GET", With(kToken, kGetSnapshot)).status, 404);
  storage_.append = Appended{.version_id = kVersionId, .snapshot = {}, .created_client = true};
  EXPECT_EQ(Handle("POST", With(kToken, kAddVersion)).status, 200);
  EXPECT_TRUE(storage_.append_requests.back().create_client);
  EXPECT_EQ(storage_.append_requests.back().invite, access::DigestOf(kToken));
  // Two requests for its last use.
  storage_.append = NoSuchClient{};
  EXPECT_EQ(Handle("POST", With(kToken, kAddVersion)).status, 403);

  // An existing client needs no invite.
  storage_.child = NoChild{kVersionId};
  EXPECT_EQ(Handle("GET", kGetChild).status, 404);
  EXPECT_EQ(Handle("GET", kGetSnapshot).status, 404);
}

// If this fails, a full server accepts data that it cannot keep, or refuses to send its data.
TEST_F(GuardedHandlerTest, AFullServerRefusesWritesAtTheirHeads) {
  Open({{"total-bytes-max", "100"}});
  access_->SetLiveBytes([] { return 100; });
  for (const char* target : {kAddVersion, kAddSnapshot}) {
    const std::vector<HeaderView> headers = {{"X-Client-Id", kClientId}};
    const auto decision = handler_->StartRequest({"POST", target, headers});
    ASSERT_TRUE(std::holds_alternative<Response>(decision));
    EXPECT_EQ(std::get<Response>(decision).status, 507);
  }
  EXPECT_EQ(Handle("GET", kGetChild).status, 404);
  EXPECT_THAT(log_[0], HasSubstr("total-bytes-max"));
}

// If this fails, readers of the log, or of an answer in a bug report, get access to a client's
// history.
TEST_F(GuardedHandlerTest, TokensAndClientIdsAreNeverLogged) {
  records_.records.tokens.push_back({client_, access::DigestOf(kOtherToken), 1});
  Refresh();
  std::vector<Response> answers;
  for (const char* path :
       {kGetChild, kGetSnapshot, kAddVersion, kAddSnapshot, "/", "", "/nowhere"}) {
    for (const char* method : {"GET", "POST", "BREW"}) {
      answers.push_back(Handle(method, With(kToken, path)));
      answers.push_back(Handle(method, With(kOtherToken, path)));
      answers.push_back(Handle(method, absl::StrCat("/", kToken, path)));
      answers.push_back(Handle(method, absl::StrCat("/x/i/", kToken, "1", path, "?t=", kToken)));
      answers.push_back(Handle(method, absl::StrCat("/", kClientId, path)));
    }
  }
  storage_.FailAll(absl::DataLossError("the disk has a hole"));
  answers.push_back(Handle("GET", With(kOtherToken, kGetChild)));
  EXPECT_GE(log_.size(), 20u);
  for (const std::string& line : log_) {
    for (const absl::string_view secret : {kToken, kOtherToken, absl::string_view(kClientId)}) {
      EXPECT_THAT(line, Not(HasSubstr(std::string(secret))));
    }
  }
  for (const Response& answer : answers) {
    EXPECT_THAT(answer.body, Not(HasSubstr(std::string(kToken))));
    EXPECT_THAT(answer.body, Not(HasSubstr(std::string(kOtherToken))));
  }
}

}  // namespace
}  // namespace tcsync::http
