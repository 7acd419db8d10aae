// The two forms of GET /: a line of text for programs, and a page for browsers, over real sockets.
// If these fail, programs get a page that they cannot read, or a stranger changes what people see.
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "access/token.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "http_client.h"
#include "test_server.h"

namespace tcsync::conformance {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kLine[] =
    "tcsync-server " TCSYNC_VERSION ": a TaskChampion sync server is running here.\n";
constexpr char kBrowsers[] = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

Options PublicOptions() {
  Options options = OptionsFor("memory");
  options.public_url = "https://sync.example.org";
  options.operator_name = "Ada";
  options.operator_contact = "ada@example.org";
  options.terms_url = "https://example.org/terms";
  return options;
}

HttpRequest Page(const std::string& target = "/") {
  return {.target = target, .headers = {{"Accept", kBrowsers}}, .body = {}};
}

// A head without the fields of the moment.
std::set<std::pair<std::string, std::string>> LastingHeaders(const HttpResponse& response) {
  std::set<std::pair<std::string, std::string>> lasting;
  for (const auto& header : response.headers) {
    if (header.first != "Date") lasting.insert(header);
  }
  return lasting;
}

void ExpectLine(const HttpResponse& response) {
  EXPECT_EQ(response.status, 200) << response;
  EXPECT_EQ(response.body, kLine);
  const std::set<std::pair<std::string, std::string>> expected = {
      {"Cache-Control", "no-store, max-age=0"},
      {"Content-Length", absl::StrCat(response.body.size())},
      {"Content-Type", "text/plain; charset=utf-8"},
      {"Vary", "Accept"}};
  EXPECT_EQ(LastingHeaders(response), expected) << response;
}

void ExpectPage(const HttpResponse& response) {
  EXPECT_EQ(response.status, 200) << response;
  EXPECT_EQ(response.Header("Content-Type"), "text/html; charset=utf-8") << response;
  EXPECT_EQ(response.Header("Vary"), "Accept") << response;
  EXPECT_TRUE(absl::StartsWith(response.body, "<!DOCTYPE html>\n<html lang=\"en\">")) << response;
  EXPECT_TRUE(absl::EndsWith(response.body, "</html>\n")) << response;
}

// If this fails, a program that watches a server reads other bytes than before there was a page.
TEST(LandingPageTest, ProgramsGetTheLine) {
  const TestServer server(PublicOptions());
  for (const std::vector<std::string>& fields :
       std::vector<std::vector<std::string>>{{},
                                             {""},
                                             {"*/*"},
                                             {"text/plain"},
                                             {"text/*, */*;q=0.1"},
                                             {"application/json", "*/*"},
                                             {"text/html;q=0"},
                                             {"text/html;q=0.5, text/plain"}}) {
    HttpRequest request;
    for (const std::string& field : fields) request.headers.emplace_back("Accept", field);
    ExpectLine(server.Connect().Exchange(request));
  }
}

// If this fails, the browser of a person who was told the server's address shows a bare line, or
// does more on its page than show it.
TEST(LandingPageTest, BrowsersGetThePage) {
  const TestServer server(PublicOptions());
  HttpClient client = server.Connect();
  const HttpResponse response = client.Exchange(Page());
  ExpectPage(response);
  EXPECT_THAT(response.body,
              AllOf(HasSubstr("tcsync setup --server-url https://sync.example.org</pre>"),
                    HasSubstr("ada@example.org"), HasSubstr("https://example.org/terms")));
  EXPECT_TRUE(absl::StartsWith(response.Header("Content-Security-Policy"),
                               "default-src 'none'; style-src 'sha256-"))
      << response;
  EXPECT_EQ(response.Header("X-Content-Type-Options"), "nosniff") << response;
  EXPECT_EQ(response.Header("Referrer-Policy"), "no-referrer") << response;
  EXPECT_FALSE(response.Has("Set-Cookie")) << response;

  HttpRequest head = Page();
  head.method = "HEAD";
  const HttpResponse without_body = client.Exchange(head);
  EXPECT_EQ(LastingHeaders(without_body), LastingHeaders(response)) << without_body;
  EXPECT_EQ(client.Exchange(Page()).body, response.body) << "the connection is out of step";
}

// If this fails, a person who can make a victim's browser or a cache send a request decides which
// server the victim sets up.
TEST(LandingPageTest, NothingOfARequestChangesThePage) {
  Options options = OptionsFor("memory");
  options.trusted_proxies = {"127.0.0.0/8"};
  for (const char* const public_url : {"", "https://sync.example.org"}) {
    options.public_url = public_url;
    const TestServer server(options);
    const std::string page = server.Connect().Exchange(Page()).body;
    for (const auto& [name, value] : HeaderList{{"Host", "evil.example"},
                                                {"Host", "evil.example:8080"},
                                                {"Host", "[2001:db8::666]:1"},
                                                {"X-Forwarded-Host", "evil.example"},
                                                {"X-Forwarded-Proto", "evil"},
                                                {"X-Forwarded-Prefix", "/evil"},
                                                {"Forwarded", "host=evil.example;proto=http"},
                                                {"X-Original-URL", "/evil"},
                                                {"Referer", "https://evil.example/<script>"},
                                                {"User-Agent", "<script>evil</script>"},
                                                {"Accept-Language", "evil"},
                                                {"X-Client-Id", "evil"}}) {
      HttpRequest request = Page();
      request.headers.emplace_back(name, value);
      EXPECT_EQ(server.Connect().Exchange(request).body, page) << name << ": " << value;
    }
    for (const char* const target :
         {"/?evil=<script>", "http://evil.example/", "http://evil.example?evil"}) {
      EXPECT_EQ(server.Connect().Exchange(Page(target)).body, page) << target;
    }
    EXPECT_THAT(page, Not(HasSubstr("evil")));
  }
}

// If this fails, a field that no browser sends takes the server down, or gets an answer that is
// neither form.
TEST(LandingPageTest, OddAcceptFieldsGetOneOfTheTwo) {
  const TestServer server(PublicOptions());
  HttpRequest request;
  for (const std::string& accept :
       {std::string(7000, ','), std::string(7000, ';'), "text/html;q=" + std::string(7000, '9'),
        std::string("text/html;q=nan"), std::string("\"text/html\""), std::string("\xff\xfe"),
        std::string("text/plain\ttext/html")}) {
    request.headers = {{"Accept", accept}};
    ExpectLine(server.Connect().Exchange(request));
  }
  request.headers = {{"Accept", absl::StrCat("text/html,", std::string(7000, ','))}};
  ExpectPage(server.Connect().Exchange(request));
  request.headers.assign(100, {"Accept", "image/png"});
  request.headers.emplace_back("accept", "TEXT/HTML");
  ExpectPage(server.Connect().Exchange(request));
  request.headers = {{"Accept", absl::StrCat("text/html,", std::string(9000, ','))}};
  HttpClient too_long = server.Connect();
  ASSERT_TRUE(too_long.Send(request.Serialize()));
  ExpectClosed(too_long, {431});
}

// If this fails, a person who was given an invite cannot use it, or the log has it. (AccessTest
// compares the pages of valid and unknown ones.)
TEST(LandingPageTest, AnInvitesUrlHasAPageWithTheWholeUrl) {
  Options options = PublicOptions();
  options.invite_only = true;
  options.log_level = "debug";
  const TestServer server(options);
  const std::string token = access::MakeToken();
  const HttpResponse page = server.Connect().Exchange(Page(absl::StrCat("/i/", token, "/")));
  ExpectPage(page);
  EXPECT_THAT(page.body, HasSubstr(absl::StrCat("tcsync setup --server-url "
                                                "https://sync.example.org/i/",
                                                token, "/</pre>")));
  for (const std::string& target : {absl::StrCat("/i/", token), absl::StrCat("/i/", token, "/?x"),
                                    absl::StrCat("http://evil.example/i/", token, "/")}) {
    EXPECT_EQ(server.Connect().Exchange(Page(target)).body, page.body) << target;
  }
  HttpRequest program;
  program.target = absl::StrCat("/i/", token, "/");
  ExpectLine(server.Connect().Exchange(program));
  const std::string cut = token.substr(1);
  for (const std::string& target :
       {absl::StrCat("/i/", cut, "/"), absl::StrCat("/i/", token, "//"),
        absl::StrCat("/i/", token, "/i/", token, "/"), absl::StrCat("/i/<b>", cut, "/")}) {
    const HttpResponse refused = server.Connect().Exchange(Page(target));
    ExpectError(refused, 404);
    EXPECT_THAT(refused.body, AllOf(Not(HasSubstr(cut)), Not(HasSubstr("<"))));
  }
  for (const std::string& message : server.log().Messages(LogLevel::kDebug)) {
    EXPECT_THAT(message, Not(HasSubstr(cut)));
  }
}

// If this fails, the page is not where people open it, or is a way around the rates.
TEST(LandingPageTest, ThePageIsAtTheBasePathAndCountsAgainstItsAddress) {
  Options options = PublicOptions();
  options.base_path = "/some/path";
  options.address_requests_per_second = 1;
  options.address_requests_burst = 8;
  const TestServer server(options);
  ExpectPage(server.Connect().Exchange(Page("/some/path")));
  ExpectPage(server.Connect().Exchange(Page("/some/path/")));
  ExpectError(server.Connect().Exchange(Page("/")), 404);
  HttpRequest post = Page("/some/path/");
  post.method = "POST";
  ExpectError(server.Connect().Exchange(post), 405);
  HttpResponse response;
  for (int i = 0; i < 1000 && response.status != 429; ++i) {
    response = server.Connect().Exchange(Page("/some/path/"));
  }
  ExpectError(response, 429);
}

}  // namespace
}  // namespace tcsync::conformance
