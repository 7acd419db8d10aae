// Request targets and their endpoints. If these fail, clients with a right URL get 404.
#include "http/route.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "access/token.h"
#include "gtest/gtest.h"

namespace tcsync::http {
namespace {

constexpr absl::string_view kId = "0123abcd-ef45-4678-9abc-def001020304";

std::optional<Endpoint> EndpointOf(absl::string_view base_path, absl::string_view target) {
  const Route route = RouteOf(base_path, PathOf(target));
  if (!route.is_valid) return std::nullopt;
  return route.endpoint;
}

// If this fails, a row of the protocol is not served.
TEST(RouteTest, ParsesEveryPathOfTheProtocol) {
  const auto version_id_of = [](absl::string_view target) {
    return RouteOf("", PathOf(target)).version_id.ToString();
  };
  EXPECT_EQ(EndpointOf("", "/"), Endpoint::kIndex);
  EXPECT_EQ(EndpointOf("", "/v1/client/snapshot"), Endpoint::kGetSnapshot);
  const std::string add_version = absl::StrCat("/v1/client/add-version/", kId);
  EXPECT_EQ(EndpointOf("", add_version), Endpoint::kAddVersion);
  EXPECT_EQ(version_id_of(add_version), kId);
  const std::string get_child = absl::StrCat("/v1/client/get-child-version/", kId);
  EXPECT_EQ(EndpointOf("", get_child), Endpoint::kGetChildVersion);
  EXPECT_EQ(version_id_of(get_child), kId);
  const std::string add_snapshot = absl::StrCat("/v1/client/add-snapshot/", kId);
  EXPECT_EQ(EndpointOf("", add_snapshot), Endpoint::kAddSnapshot);
  EXPECT_EQ(version_id_of(add_snapshot), kId);
}

TEST(RouteTest, ParsesThePathsOfDevices) {
  const Route all =
      RouteOf("/base", PathOf("/base/i/0123456789abcdef0123456789abcdef/v1/client/devices"));
  EXPECT_TRUE(all.is_valid);
  EXPECT_EQ(all.endpoint, Endpoint::kDevices);
  EXPECT_TRUE(all.token.has_value());
  const Route one = RouteOf("", PathOf("/v1/client/devices/0123456789ab"));
  EXPECT_TRUE(one.is_valid);
  EXPECT_EQ(one.endpoint, Endpoint::kDevice);
  EXPECT_EQ(one.device, (DeviceId{0x01, 0x23, 0x45, 0x67, 0x89, 0xab}));
  for (const char* const id : {"", "0123456789a", "0123456789abc", "0123456789AB", "../snapshot"}) {
    EXPECT_FALSE(RouteOf("", absl::StrCat("/v1/client/devices/", id)).is_valid) << id;
  }
  EXPECT_TRUE(MethodsOf(Endpoint::kDevices).Contain("POST"));
  EXPECT_TRUE(MethodsOf(Endpoint::kDevices).Contain("GET"));
  EXPECT_FALSE(MethodsOf(Endpoint::kDevices).Contain(""));
  EXPECT_TRUE(MethodsOf(Endpoint::kDevice).Contain("DELETE"));
  EXPECT_FALSE(MethodsOf(Endpoint::kGetSnapshot).Contain(""));
}

// If this fails, a UUID in capitals is another version, or none.
TEST(RouteTest, AcceptsUuidsInEitherCase) {
  const auto route =
      RouteOf("", PathOf("/v1/client/add-version/0123ABCD-EF45-4678-9ABC-DEF001020304"));
  EXPECT_TRUE(route.is_valid);
  EXPECT_EQ(route.version_id.ToString(), kId);
}

// If this fails, a path outside the protocol is answered as a part of it.
TEST(RouteTest, OtherPathsHaveNoRoute) {
  for (const std::string& target : {
           std::string("/v1"),
           std::string("/v1/"),
           std::string("/v1/client"),
           std::string("/v1/client/"),
           std::string("/index.html"),
           std::string("//"),
           std::string("*"),
           std::string("/v1/client/snapshot/"),
           absl::StrCat("/v1/client/snapshot/", kId),
           std::string("/v1/client/snapshots"),
           std::string("/v1/client/add-version"),
           std::string("/v1/client/add-version/"),
           std::string("/v1/client/add-version/nonsense"),
           absl::StrCat("/v1/client/add-version/", kId, "/"),
           absl::StrCat("/v1/client/add-version//", kId),
           absl::StrCat("/v1/client/add-version/", kId, kId),
           absl::StrCat("/v1/client/add-version/", kId.substr(1)),
           absl::StrCat("/v1/client/add-version/{", kId, "}"),
           absl::StrCat("/v1/client/ADD-VERSION/", kId),
           absl::StrCat("/V1/client/add-version/", kId),
           absl::StrCat("/v2/client/add-version/", kId),
           absl::StrCat("/v1/client/add-version%2F", kId),
           absl::StrCat("v1/client/add-version/", kId),
           absl::StrCat("/tasks/v1/client/add-version/", kId),
       }) {
    EXPECT_FALSE(RouteOf("", PathOf(target)).is_valid) << target;
  }
}

constexpr absl::string_view kToken = "0123456789abcdef0123456789abcdef";

// If this fails, an invite's URL, or that of a client with a token, does not work in Taskwarrior.
TEST(RouteTest, APathMayBeginWithAToken) {
  for (const absl::string_view base_path : {"", "/tasks"}) {
    const std::string prefix = absl::StrCat(base_path, "/i/", kToken);
    EXPECT_EQ(EndpointOf(base_path, prefix), Endpoint::kIndex);
    EXPECT_EQ(EndpointOf(base_path, absl::StrCat(prefix, "/")), Endpoint::kIndex);
    EXPECT_EQ(EndpointOf(base_path, absl::StrCat(prefix, "/?x")), Endpoint::kIndex);
    const auto route =
        RouteOf(base_path, PathOf(absl::StrCat(prefix, "/v1/client/get-child-version/", kId)));
    EXPECT_TRUE(route.is_valid);
    EXPECT_EQ(route.endpoint, Endpoint::kGetChildVersion);
    EXPECT_EQ(route.version_id.ToString(), kId);
    EXPECT_EQ(route.token, access::DigestOf(kToken));
    EXPECT_EQ(EndpointOf(base_path, absl::StrCat(prefix, "/v1/client/snapshot")),
              Endpoint::kGetSnapshot);
    EXPECT_EQ(EndpointOf(base_path, absl::StrCat("http://example.org", prefix, "/")),
              Endpoint::kIndex);
  }
  EXPECT_EQ(RouteOf("", PathOf("/v1/client/snapshot")).token, std::nullopt);
}

// If this fails, a token with a mistake is taken for another one, or for none.
TEST(RouteTest, MalformedTokensHaveNoRoute) {
  for (const std::string& target : {
           std::string("/i"),
           std::string("/i/"),
           std::string("/i//v1/client/snapshot"),
           absl::StrCat("/i/", kToken.substr(1), "/v1/client/snapshot"),
           absl::StrCat("/i/", kToken, "0/v1/client/snapshot"),
           absl::StrCat("/i/0123456789ABCDEF0123456789abcdef/v1/client/snapshot"),
           absl::StrCat("/i/0123456789abcdef0123456789abcde%66/v1/client/snapshot"),
           absl::StrCat("/i/", kId, "/v1/client/snapshot"),
           absl::StrCat("/I/", kToken, "/v1/client/snapshot"),
           absl::StrCat("//i/", kToken, "/v1/client/snapshot"),
           absl::StrCat("/i/", kToken, "//v1/client/snapshot"),
           absl::StrCat("/i/", kToken, "/i/", kToken, "/v1/client/snapshot"),
           absl::StrCat("/", kToken, "/v1/client/snapshot"),
           absl::StrCat("/v1/client/snapshot/i/", kToken),
       }) {
    EXPECT_FALSE(RouteOf("", PathOf(target)).is_valid) << target;
  }
}

// If this fails, a client's mistake at an endpoint is not counted for that endpoint.
TEST(RouteTest, AMalformedPathNamesItsIntendedEndpoint) {
  const auto meant = [](absl::string_view target) {
    return RouteOf("/tasks", PathOf(target)).endpoint;
  };
  EXPECT_EQ(meant("/tasks/v1/client/add-version/nonsense"), Endpoint::kAddVersion);
  EXPECT_EQ(meant("/tasks/i/nonsense/v1/client/snapshot"), Endpoint::kGetSnapshot);
  EXPECT_EQ(meant("/tasks/i/nonsense/"), Endpoint::kIndex);
  EXPECT_EQ(meant("/tasks/v1/client/snapshots"), Endpoint::kNone);
  EXPECT_EQ(meant("/v1/client/snapshot"), Endpoint::kNone);
}

// If this fails, a monitoring program does not find the health.
TEST(RouteTest, HealthIsAtTheRootAndUnderTheBasePath) {
  for (const char* const target :
       {"/health", "/tasks/health", "/health?verbose=1", "http://host/health"}) {
    EXPECT_EQ(EndpointOf("/tasks", target), Endpoint::kHealth) << target;
  }
  EXPECT_EQ(EndpointOf("/tasks", "/health/live"), Endpoint::kHealthLive);
  EXPECT_EQ(EndpointOf("/tasks", "/tasks/health/live"), Endpoint::kHealthLive);
  EXPECT_EQ(EndpointOf("", "/health"), Endpoint::kHealth);
  for (const char* const target :
       {"/healthy", "/health/", "/other/health", "/tasks/health/dead", "/tasks//health",
        "/tasks/i/0123456789abcdef0123456789abcdef/health"}) {
    EXPECT_EQ(EndpointOf("/tasks", target), std::nullopt) << target;
  }
}

// If this fails, readers of a log or an answer see the key to a client's history.
TEST(RouteTest, ShownPathsHaveNoTokensAndNoIds) {
  const std::string half(kToken.substr(0, 16));
  const std::pair<std::string, std::string> cases[] = {
      {"/nowhere", "/nowhere"},
      {"/v1/client/snapshots?token=secret#x", "/v1/client/snapshots"},
      {absl::StrCat("/i/", kToken, "/v2/x"), "/i/(token)/v2/x"},
      {"/i/short/v1", "/i/(token)/v1"},
      {"/tasks/I/UPPER/v1", "/tasks/I/(token)/v1"},
      {"i/short", "i/(token)"},
      {absl::StrCat("/", kToken, "/v1"), "/(token)/v1"},
      {absl::StrCat("/%69/", kToken, "%20/v1"), "/%69/(token)/v1"},
      {absl::StrCat("/", half), "/(token)"},
      {absl::StrCat("/x/", kId, "/y"), "/x/(UUID)/y"},
      {absl::StrCat("https://", kToken, "@example.org/x"), "/x"},
      {"/v1/client/add-version/0123abcd-ef45-4678-9abc", "/v1/client/add-version/(23 bytes)"},
      {"//", "//"},
      {"*", "*"},
      {"", ""},
  };
  for (const auto& [target, expected] : cases) EXPECT_EQ(PathForPeople(PathOf(target)), expected);
}

// If this fails, a link with a query, as some proxies and checkers add, does not work.
TEST(RouteTest, AQueryIsIgnored) {
  EXPECT_EQ(EndpointOf("", "/?"), Endpoint::kIndex);
  EXPECT_EQ(EndpointOf("", "/?a=b/c?d"), Endpoint::kIndex);
  EXPECT_EQ(EndpointOf("", absl::StrCat("/v1/client/add-version/", kId, "?x=http://y/")),
            Endpoint::kAddVersion);
  EXPECT_EQ(EndpointOf("", absl::StrCat("/v1/client/add-version/?", kId)), std::nullopt);
}

// If this fails, clients behind a forward proxy get 404 (RFC 9112, section 3.2.2).
TEST(RouteTest, AcceptsAbsoluteUrls) {
  EXPECT_EQ(EndpointOf("", "http://example.org"), Endpoint::kIndex);
  EXPECT_EQ(EndpointOf("", "http://example.org?query"), Endpoint::kIndex);
  EXPECT_EQ(EndpointOf("", "http://example.org/"), Endpoint::kIndex);
  EXPECT_EQ(EndpointOf("", "https://user@example.org:8080/v1/client/snapshot?x"),
            Endpoint::kGetSnapshot);
  EXPECT_EQ(EndpointOf("", absl::StrCat("http://[::1]:80/v1/client/add-version/", kId)),
            Endpoint::kAddVersion);
  EXPECT_EQ(EndpointOf("/tasks", "http://example.org/tasks/v1/client/snapshot"),
            Endpoint::kGetSnapshot);
  EXPECT_EQ(EndpointOf("/tasks", "http://example.org/v1/client/snapshot"), std::nullopt);
}

// If this fails, the same base path works or not depending on how it is written.
TEST(RouteTest, BasePathsAreNormalized) {
  EXPECT_EQ(NormalizeBasePath(""), "");
  EXPECT_EQ(NormalizeBasePath("/"), "");
  EXPECT_EQ(NormalizeBasePath("//"), "");
  EXPECT_EQ(NormalizeBasePath("tasks"), "/tasks");
  EXPECT_EQ(NormalizeBasePath("/tasks"), "/tasks");
  EXPECT_EQ(NormalizeBasePath("/tasks/"), "/tasks");
  EXPECT_EQ(NormalizeBasePath("some/path//"), "/some/path");
}

// If this fails, a server under a path is not found there, or is found elsewhere too.
TEST(RouteTest, RoutesBeginWithTheBasePath) {
  const std::string base = "/some/path";
  EXPECT_EQ(EndpointOf(base, "/some/path"), Endpoint::kIndex);
  EXPECT_EQ(EndpointOf(base, "/some/path/"), Endpoint::kIndex);
  EXPECT_EQ(EndpointOf(base, "/some/path?query"), Endpoint::kIndex);
  EXPECT_EQ(EndpointOf(base, "/some/path/v1/client/snapshot"), Endpoint::kGetSnapshot);
  for (const char* target : {"/", "/some", "/some/pathology", "/some/pathv1/client/snapshot",
                             "/v1/client/snapshot", "/SOME/path/", "/some/path//"}) {
    EXPECT_EQ(EndpointOf(base, target), std::nullopt) << target;
  }
}

// If this fails, 405 and its Allow, or the check of the content type, is about another endpoint.
TEST(RouteTest, EndpointsHaveTheirMethodsAndMediaTypes) {
  EXPECT_EQ(MethodsOf(Endpoint::kIndex).first, "GET");
  EXPECT_EQ(MethodsOf(Endpoint::kAddVersion).first, "POST");
  EXPECT_EQ(MethodsOf(Endpoint::kGetChildVersion).first, "GET");
  EXPECT_EQ(MethodsOf(Endpoint::kAddSnapshot).first, "POST");
  EXPECT_EQ(MethodsOf(Endpoint::kGetSnapshot).first, "GET");
  EXPECT_EQ(RequestMediaTypeOf(Endpoint::kAddVersion),
            "application/vnd.taskchampion.history-segment");
  EXPECT_EQ(RequestMediaTypeOf(Endpoint::kAddSnapshot), "application/vnd.taskchampion.snapshot");
  for (const Endpoint endpoint :
       {Endpoint::kIndex, Endpoint::kGetChildVersion, Endpoint::kGetSnapshot}) {
    EXPECT_EQ(RequestMediaTypeOf(endpoint), "");
  }
  EXPECT_EQ(NameOf(Endpoint::kGetChildVersion), "get-child-version");
}

}  // namespace
}  // namespace tcsync::http
