// The handlers for monitoring: health, metrics, and the counts of requests.
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "access/access_control.h"
#include "access/access_table.h"
#include "access/refusal.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "http/health_handler.h"
#include "http/instrumented_handler.h"
#include "http/metrics_handler.h"
#include "http/pending_request.h"
#include "http/refusal_counters.h"
#include "http/router.h"
#include "http/sync_handler.h"
#include "nlohmann/json.hpp"
#include "tests/unit/metrics/probed_storage.h"
#include "tests/unit/sync/manual_clock.h"
#include "tests/unit/sync/scripted_storage.h"

namespace tcsync::http {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kClientId[] = "c11e4700-0000-4000-8000-000000000001";
constexpr char kVersion[] = "0123abcd-ef45-4678-9abc-def001020304";

// Answers everything with 204, which none of the handlers under test gives.
class NextHandler final : public RoutedHandler {
 public:
  std::variant<Response, PendingRequest> StartRequest(const RoutedRequest&) override {
    return EmptyResponse(204);
  }
};

Response Ask(Handler& handler, absl::string_view method, absl::string_view target,
             absl::string_view body = "", std::vector<HeaderView> headers = {}) {
  return handler.Handle({method, target, headers}, body);
}

std::string HeaderOf(const Response& response, absl::string_view name) {
  for (const Header& header : response.headers) {
    if (header.name == name) return header.value;
  }
  return "";
}

class HealthHandlerTest : public testing::Test {
 protected:
  // Each check is a new one.
  static constexpr metrics::HealthTiming kTiming{.wait_max = std::chrono::hours(1),
                                                 .shared = std::chrono::milliseconds(0)};

  ProbedStorage storage_;
  metrics::HealthMonitor monitor_{storage_, storage_.figures, kTiming};
  metrics::Registry registry_;
  metrics::HealthService health_{monitor_, {}, registry_, base::Logger()};
  ManualClock clock_;
  access::AccessTable access_table_;
  access::AccessControl access_{access_table_, *access::AccessPolicy::From(Options()), clock_,
                                clock_};
  NextHandler next_;
  HealthHandler health_handler_{health_, next_};
  Router handler_{"tasks/", access_, health_handler_};
  MetricsHandler metrics_handler_{registry_, health_};
  Router metrics_{"", access_, metrics_handler_};
};

// If this fails, a supervisor or proxy that asks at one of the two paths takes the server for dead.
TEST_F(HealthHandlerTest, AnswersAtTheRootAndUnderTheBasePath) {
  for (const char* const target :
       {"/health", "/tasks/health", "/health?verbose=1", "http://host/health"}) {
    const Response response = Ask(handler_, "GET", target);
    EXPECT_EQ(response.status, 200) << target;
    EXPECT_EQ(HeaderOf(response, "Content-Type"), "application/json");
    EXPECT_EQ(nlohmann::json::parse(response.body)["status"], "ok");
  }
  EXPECT_EQ(storage_.probes(), 4);
}

// If this fails, a container's supervisor takes a full disk for health.
TEST_F(HealthHandlerTest, AFailedCheckIs503) {
  storage_.answer = absl::ResourceExhaustedError("no space left on /var/lib/tcsync");
  const Response response = Ask(handler_, "GET", "/health");
  EXPECT_EQ(response.status, 503);
  EXPECT_EQ(nlohmann::json::parse(response.body)["checks"]["storage"], "the disk is full");
  EXPECT_THAT(response.body, Not(HasSubstr("/var"))) << "strangers read this";
}

// If this fails, a supervisor of liveness restarts the program for a full disk.
TEST_F(HealthHandlerTest, LivenessDoesNotProbeStorage) {
  storage_.answer = absl::ResourceExhaustedError("full");
  for (const char* const target : {"/health/live", "/tasks/health/live"}) {
    EXPECT_EQ(Ask(handler_, "GET", target).status, 200);
    EXPECT_EQ(Ask(handler_, "HEAD", target).status, 200);
  }
  EXPECT_EQ(storage_.probes(), 0);
}

// If this fails, a monitor that asks with HEAD reports an outage.
TEST_F(HealthHandlerTest, AcceptsHeadAndRefusesPost) {
  EXPECT_EQ(Ask(handler_, "HEAD", "/health").status, 200);
  const Response response = Ask(handler_, "POST", "/health");
  EXPECT_EQ(response.status, 405);
  EXPECT_EQ(HeaderOf(response, "Allow"), "GET, HEAD");
}

// If this fails, the health check swallows requests of replicas.
TEST_F(HealthHandlerTest, PassesOtherPathsToTheNextHandler) {
  for (const char* const target : {"/", "/tasks/", "/healthy", "/health/", "/other/health",
                                   "/tasks/health/dead", "/v1/client/snapshot"}) {
    EXPECT_EQ(Ask(handler_, "GET", target).status, 204) << target;
  }
}

// If this fails, a scrape shows the health of the last check, which may never have happened.
TEST_F(HealthHandlerTest, TheMetricsPageChecksTheHealthFirst) {
  registry_.AddCounter("tcsync_things_total", "Things.").Add(3);
  storage_.answer = absl::DataLossError("torn");
  const Response response = Ask(metrics_, "GET", "/metrics");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(HeaderOf(response, "Content-Type"), "text/plain; version=0.0.4; charset=utf-8");
  EXPECT_THAT(response.body, HasSubstr("\ntcsync_things_total 3\n"));
  EXPECT_THAT(response.body, HasSubstr("tcsync_health_ok{check=\"storage\"} 0\n"));
}

// If this fails, the address for metrics serves users' data, or people do not find the page.
TEST_F(HealthHandlerTest, TheMetricsAddressServesItsIndexOnly) {
  EXPECT_THAT(Ask(metrics_, "GET", "/").body, HasSubstr("/metrics"));
  EXPECT_EQ(Ask(metrics_, "GET", "/v1/client/snapshot").status, 404);
  EXPECT_EQ(Ask(metrics_, "POST", "/metrics").status, 405);
}

// Answers with the source of the request.
class SourceHandler final : public RoutedHandler {
 public:
  std::variant<Response, PendingRequest> StartRequest(const RoutedRequest& request) override {
    return TextResponse(200, request.source.ToString());
  }
};

// If this fails, the limits of an address do not count the client that the listener has found
// behind a proxy, or a program without a listener gets no source from its proxy.
TEST(RouterTest, ASourceThatTheCallerKnowsIsNotSearched) {
  Options options;
  options.trusted_proxies = {"192.0.2.1"};
  ManualClock clock;
  access::AccessTable table;
  access::AccessControl access(table, *access::AccessPolicy::From(options), clock, clock);
  SourceHandler next;
  Router router("", access, next);
  const std::vector<HeaderView> headers = {{"X-Forwarded-For", "203.0.113.9"}};
  const PeerAddress known = *PeerAddress::Parse("198.51.100.7");
  RequestHead head{"GET", "/", headers, *PeerAddress::Parse("192.0.2.1")};
  EXPECT_EQ(router.Handle(head, "").body, "203.0.113.9\n");
  head.source = &known;
  EXPECT_EQ(router.Handle(head, "").body, "198.51.100.7\n");
  head = {"GET", "/", headers, *PeerAddress::Parse("192.0.2.2")};
  EXPECT_EQ(router.Handle(head, "").body, "192.0.2.2\n");
}

class InstrumentedHandlerTest : public testing::Test {
 protected:
  InstrumentedHandlerTest() { storage_.snapshot = Snapshot{Uuid(), std::string(70, 's')}; }

  Response Request(absl::string_view method, absl::string_view target,
                   absl::string_view body = "") {
    return Ask(
        handler_, method, target, body,
        {{"X-Client-Id", kClientId},
         {"Content-Type",
          absl::StrContains(target, "snapshot") ? kSnapshotMediaType : kHistorySegmentMediaType}});
  }

  // The value of one series; nullopt when it is not on the page.
  std::optional<double> Value(absl::string_view series) const {
    for (const absl::string_view line : absl::StrSplit(registry_.Render(), '\n')) {
      double value = 0;
      if (absl::StartsWith(line, absl::StrCat(series, " ")) &&
          absl::SimpleAtod(line.substr(series.size() + 1), &value)) {
        return value;
      }
    }
    return std::nullopt;
  }
  std::optional<double> Requests(absl::string_view route, int status) const {
    return Value(
        absl::StrCat("tcsync_http_requests_total{route=\"", route, "\",status=\"", status, "\"}"));
  }

  ScriptedStorage storage_;
  ManualClock clock_;
  sync::SyncService service_{storage_, clock_, {}};
  metrics::Registry registry_;
  access::AccessTable access_table_;
  access::AccessControl access_{access_table_, *access::AccessPolicy::From(Options()), clock_,
                                clock_};
  SyncHandler sync_{service_,
                    access_,
                    {.body_bytes_max = 1000,
                     .bodies_in_flight_bytes_max = 100'000,
                     .refusal_observer = CountRefusals(registry_)},
                    clock_,
                    base::Logger()};
  access::TopTalkers top_talkers_{clock_};
  RequestInstruments instruments_{registry_, top_talkers_};
  InstrumentedHandler instrumented_{sync_, instruments_};
  Router handler_{"/base", access_, instrumented_};
};

// If this fails, an operator cannot tell which request fails, and the alert on errors is blind.
TEST_F(InstrumentedHandlerTest, CountsByRouteAndStatus) {
  storage_.append = Appended{};
  Request("POST", absl::StrCat("/base/v1/client/add-version/", kVersion), "segment");
  Request("POST", absl::StrCat("/base/v1/client/add-version/", kVersion), "");
  Request("GET", absl::StrCat("/base/v1/client/get-child-version/", kVersion));
  Request("GET", absl::StrCat("/base/v1/client/get-child-version/", kVersion));
  storage_.FailAll(absl::UnknownError(""));
  Request("GET", "/base/v1/client/snapshot?x=1");
  Request("POST", absl::StrCat("/base/v1/client/add-snapshot/", kVersion), "snapshot");
  Request("GET", "/base/");
  Request("GET", "/base");
  Request("GET", "/favicon.ico");
  Request("GET", "/base/v1/client/add-version/nonsense");
  EXPECT_EQ(Requests("add-version", 200), 1);
  EXPECT_EQ(Requests("add-version", 400), 1);
  EXPECT_EQ(Requests("get-child-version", 404), 2);
  EXPECT_EQ(Requests("snapshot", 500), 1);
  EXPECT_EQ(Requests("add-snapshot", 500), 1);
  EXPECT_EQ(Requests("index", 200), 2);
  EXPECT_EQ(Requests("other", 404), 1);
  EXPECT_EQ(Requests("add-version", 404), 1) << "meant as one, and counted as one";
  EXPECT_EQ(Value("tcsync_http_request_duration_seconds_count{route=\"get-child-version\"}"), 2);
}

// If this fails, the first failure after a start does not show as an increase, and no alert comes.
TEST_F(InstrumentedHandlerTest, SeriesExistBeforeTheFirstRequest) {
  EXPECT_EQ(Requests("add-version", 500), 0);
  EXPECT_EQ(Requests("health", 503), 0);
}

// If this fails, the graphs of traffic are wrong, and the cause of a large bill is not found.
TEST_F(InstrumentedHandlerTest, CountsBytes) {
  storage_.append = Appended{};
  Request("POST", absl::StrCat("/base/v1/client/add-version/", kVersion), std::string(300, 'x'));
  Request("GET", "/base/v1/client/snapshot");
  EXPECT_EQ(Value("tcsync_http_request_body_bytes_total{route=\"add-version\"}"), 300);
  EXPECT_EQ(Value("tcsync_http_response_body_bytes_total{route=\"snapshot\"}"), 70);
}

// If this fails, uploads that are refused for their size are missing in the metrics.
TEST_F(InstrumentedHandlerTest, CountsUploadsThatAreRefusedDuringTheirBody) {
  const Response response = Request("POST", absl::StrCat("/base/v1/client/add-version/", kVersion),
                                    std::string(1001, 'x'));
  EXPECT_EQ(response.status, 413);
  EXPECT_EQ(Requests("add-version", 413), 1);
}

// If this fails, an operator cannot tell attacks and mistakes of clients apart.
TEST_F(InstrumentedHandlerTest, CountsRefusalsByReason) {
  Ask(handler_, "GET", "/base/v1/client/snapshot");  // without a client ID
  Request("GET", "/nothing");
  Request("GET", "/nothing");
  Request("POST", absl::StrCat("/base/v1/client/add-version/", kVersion), std::string(1001, 'x'));
  EXPECT_EQ(Value("tcsync_refusals_total{reason=\"bad-request\"}"), 1);
  EXPECT_EQ(Value("tcsync_refusals_total{reason=\"no-such-path\"}"), 2);
  EXPECT_EQ(Value("tcsync_refusals_total{reason=\"too-large\"}"), 1);
  for (size_t i = 0; i < access::kRefusalReasonCount; ++i) {
    const auto name = std::string(access::NameOf(static_cast<access::RefusalReason>(i)));
    EXPECT_TRUE(Value("tcsync_refusals_total{reason=\"" + name + "\"}").has_value()) << name;
  }
}

// If this fails, a request that its client abandoned counts as an answered one.
TEST_F(InstrumentedHandlerTest, AnAbandonedRequestDoesNotCount) {
  const std::vector<HeaderView> headers = {{"X-Client-Id", kClientId}};
  {
    const auto begun = handler_.StartRequest(
        {"GET", absl::StrCat("/base/v1/client/get-child-version/", kVersion), headers});
    ASSERT_TRUE(std::holds_alternative<PendingRequest>(begun));
  }
  EXPECT_EQ(Value("tcsync_http_request_duration_seconds_count{route=\"get-child-version\"}"), 0);
}

}  // namespace
}  // namespace tcsync::http
