// The paths of the administration. If these fail, an operator's request reaches the wrong endpoint,
// or an error about a mistyped path does not help.
#include "admin/route.h"

#include <string>
#include <variant>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tcsync::admin {
namespace {

using ::testing::HasSubstr;

constexpr char kClient[] = "123e4567-e89b-42d3-a456-426614174000";

http::Response RefusalOf(absl::string_view method, const std::string& target) {
  std::variant<http::Response, Route> found = FindRoute(method, target);
  if (auto* const response = std::get_if<http::Response>(&found)) return std::move(*response);
  ADD_FAILURE() << method << " " << target << " has a route";
  return {};
}

// Throws for a refusal.
Route RouteOf(absl::string_view method, const std::string& target) {
  return std::get<Route>(FindRoute(method, target));
}

// The endpoint, as its method and path in the table.
std::string EndpointOf(absl::string_view method, const std::string& target) {
  const Route route = RouteOf(method, target);
  return absl::StrCat(route.endpoint.method, " ", route.endpoint.path);
}

std::string AllowOf(const http::Response& response) {
  for (const http::Header& header : response.headers) {
    if (header.name == "Allow") return header.value;
  }
  return "";
}

// If this fails, a request acts on no client, or on another one.
TEST(AdminRouteTest, APathNamesAClientAndAQueryItsParameters) {
  Route route = RouteOf("GET", std::string("/v1/admin/clients/") + kClient + "/versions?limit=5");
  EXPECT_EQ(route.endpoint.path, "clients/CLIENT/versions");
  EXPECT_EQ(route.call.name, kClient);
  EXPECT_EQ(route.call.fields.Count("limit", 10), 5u);
  EXPECT_TRUE(route.call.fields.Check().ok());
  EXPECT_EQ(route.endpoint.body_kind, BodyKind::kFields);
}

// If this fails, a request to look at a client deletes it.
TEST(AdminRouteTest, AMethodChoosesAmongThoseOfAPath) {
  const std::string client = std::string("/v1/admin/clients/") + kClient;
  EXPECT_EQ(EndpointOf("GET", client), "GET clients/CLIENT");
  EXPECT_EQ(EndpointOf("DELETE", client), "DELETE clients/CLIENT");
  EXPECT_EQ(EndpointOf("GET", "/v1/admin/invites"), "GET invites");
  EXPECT_EQ(EndpointOf("POST", "/v1/admin/invites"), "POST invites");
  EXPECT_EQ(RouteOf("GET", "/v1/admin/invites").endpoint.success_status, 200);
  EXPECT_EQ(RouteOf("POST", "/v1/admin/invites").endpoint.success_status, 201);
  EXPECT_EQ(RouteOf("POST", "/v1/admin/import").endpoint.body_kind, BodyKind::kLines);
  const Route job = RouteOf("POST", "/v1/admin/jobs/17/cancel");
  EXPECT_EQ(job.endpoint.path, "jobs/ID/cancel");
  EXPECT_EQ(job.call.name, "17");
}

// If this fails, a program that uses the wrong method does not learn the right ones.
TEST(AdminRouteTest, AnotherMethodIs405WithThoseThatThereAre) {
  const http::Response of_client = RefusalOf("POST", std::string("/v1/admin/clients/") + kClient);
  EXPECT_EQ(of_client.status, 405);
  EXPECT_EQ(AllowOf(of_client), "GET, DELETE");
  EXPECT_THAT(of_client.body, HasSubstr("not POST"));
  // Methods are case-sensitive (RFC 9110, section 9.1).
  for (const char* const method : {"get", "HEAD", "", "DELETE"}) {
    EXPECT_EQ(RefusalOf(method, "/v1/admin/stats").status, 405) << method;
  }
}

// If this fails, a mistyped path reaches an endpoint.
TEST(AdminRouteTest, AnyOtherPathIs404) {
  for (const char* const target :
       {"", "/", "stats", "/v1/admin", "/v1/admin/", "/v1/admin/stats/", "/v1/admin//stats",
        "/v1/admin/Stats", "/v1/admin/%73tats", "/v1/client/stats", "/V1/admin/stats",
        "/v1/admin/../admin/stats", "?", "/v1/admin/jobs/1/cancel/now"}) {
    EXPECT_EQ(RefusalOf("GET", target).status, 404) << target;
  }
}

// If this fails, a client or invite whose name has an escape cannot be addressed.
TEST(AdminRouteTest, ANameInAPathIsDecoded) {
  EXPECT_EQ(RouteOf("DELETE", "/v1/admin/clients/a%2fb%20+c").call.name, "a/b +c");
  EXPECT_EQ(RouteOf("DELETE", "/v1/admin/clients/100%").call.name, "100%");
  EXPECT_EQ(RouteOf("DELETE", "/v1/admin/clients/").call.name, "");
  EXPECT_EQ(RouteOf("GET", "/v1/admin/clients").call.name, "");
  EXPECT_EQ(RouteOf("DELETE", "/v1/admin/invites/a%2Fb").call.name, "a/b");
}

// If this fails, a broken query is dropped, and the request acts on the defaults.
TEST(AdminRouteTest, ABrokenQueryIs400) {
  EXPECT_EQ(RefusalOf("GET", "/v1/admin/stats?a=%zz").status, 400);
  EXPECT_EQ(RefusalOf("GET", "/v1/admin/stats?a=1&a=2").status, 400);
}

}  // namespace
}  // namespace tcsync::admin
