// The page for browsers, and the operator's details on it. If these fail, people learn the wrong
// command, or a text that is not the page's own acts in their browser.
#include "http/landing_page.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "access/token.h"
#include "base/limits.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "http/operator_details.h"

namespace tcsync::http {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kToken[] = "0123456789abcdef0123456789abcdef";

using Newcomers = OperatorDetails::Newcomers;
using Settings = std::vector<std::pair<std::string, std::string>>;

// By the options' names.
absl::StatusOr<OperatorDetails> DetailsOf(const Settings& settings,
                                          Newcomers newcomers = Newcomers::kWelcome) {
  OperatorTexts texts;
  for (const auto& [name, value] : settings) {
    if (name == "public-url") texts.public_url = value;
    if (name == "operator-name") texts.name = value;
    if (name == "operator-contact") texts.contact = value;
    if (name == "terms-url") texts.terms_url = value;
  }
  return OperatorDetails::From(texts, newcomers);
}

std::string PageOf(const Settings& settings, absl::string_view token = "",
                   Newcomers newcomers = Newcomers::kWelcome) {
  const absl::StatusOr<OperatorDetails> details = DetailsOf(settings, newcomers);
  EXPECT_TRUE(details.ok()) << details.status();
  return details.ok() ? LandingPage(*details).Answer(token).body : "";
}

std::string HeaderOf(const Response& response, absl::string_view name) {
  for (const Header& header : response.headers) {
    if (header.name == name) return header.value;
  }
  return "";
}

// The text between the first `begin` and the `end` after it.
std::string Between(absl::string_view text, absl::string_view begin, absl::string_view end) {
  const size_t start = text.find(begin);
  if (start == absl::string_view::npos) return "";
  text.remove_prefix(start + begin.size());
  return std::string(text.substr(0, text.find(end)));
}

// If this fails, the page names a person who is none, or leaves a hole in a sentence.
TEST(LandingPageTest, WithoutDetailsTheirLinesAreAbsent) {
  const std::string page = PageOf({});
  EXPECT_THAT(page, Not(HasSubstr("run by")));
  EXPECT_THAT(page, Not(HasSubstr("terms of use")));
  EXPECT_THAT(page, Not(HasSubstr("invite")));
  EXPECT_THAT(page, Not(HasSubstr("<p></p>")));
  EXPECT_THAT(page, HasSubstr("tcsync setup --server-url URL</pre>"));
  EXPECT_THAT(page, HasSubstr("put the address of this page"));
}

// If this fails, users do not learn by whom the server is run and where to find the rules.
TEST(LandingPageTest, ShowsTheOperatorAndTheTerms) {
  const std::string all = PageOf({{"public-url", "HTTPS://Sync.Example.org:443/"},
                                  {"operator-name", "Ada Lovelace"},
                                  {"operator-contact", "ada@example.org"},
                                  {"terms-url", "https://example.org/terms?lang=en#top"}});
  EXPECT_THAT(all, HasSubstr("It is run by Ada Lovelace (<a href=\"mailto:ada@example.org\">"
                             "ada@example.org</a>)."));
  EXPECT_THAT(all, HasSubstr("<a href=\"https://example.org/terms?lang=en#top\">terms of use</a>"));
  EXPECT_THAT(all, HasSubstr("tcsync setup --server-url https://sync.example.org</pre>"));
  EXPECT_THAT(all, HasSubstr("sync.server.url=https://sync.example.org\n"));
  EXPECT_THAT(all, Not(HasSubstr("URL</code>")));

  EXPECT_THAT(PageOf({{"operator-name", "Ada"}}), HasSubstr("<p>It is run by Ada.</p>"));
  EXPECT_THAT(PageOf({{"operator-contact", "https://example.org/@ada"}}),
              HasSubstr("<p>Its operator can be reached at <a href=\"https://example.org/@ada\">"
                        "https://example.org/@ada</a>.</p>"));
  EXPECT_THAT(PageOf({{"terms-url", "http://example.org"}}),
              HasSubstr("<p>These are the <a href=\"http://example.org\">terms of use</a>.</p>"));
}

// If this fails, newcomers fail at the end of a setup that could not succeed.
TEST(LandingPageTest, SaysByWhomANewUserIsAdmitted) {
  const Settings operator_settings = {{"operator-name", "Ada"},
                                      {"operator-contact", "ada@example.org"}};
  const auto invited = [](const Settings& settings) {
    return PageOf(settings, "", Newcomers::kInvited);
  };
  EXPECT_THAT(invited(operator_settings),
              AllOf(HasSubstr("New users need an <strong>invite</strong>"),
                    HasSubstr("Ask Ada for one."), HasSubstr("--server-url URL</pre>"),
                    HasSubstr("For <code>URL</code>, put your invite.")));
  EXPECT_THAT(invited({{"public-url", "https://sync.example.org"}}),
              AllOf(HasSubstr("tcsync setup --server-url https://sync.example.org/i/INVITE/</pre>"),
                    HasSubstr("The whole URL is the invite"),
                    HasSubstr("Ask the person who told you about this server for one.")));
  EXPECT_THAT(invited({{"operator-contact", "ada@example.org"}}),
              HasSubstr("Ask its operator for one."));
  EXPECT_THAT(PageOf(operator_settings, "", Newcomers::kRefused),
              AllOf(HasSubstr("closed circle"), HasSubstr("ask Ada.</p>")));
}

// If this fails, a person who opens an invite in a browser cannot use it, or the page tells
// strangers which tokens are valid.
TEST(LandingPageTest, ThePageOfATokenHasTheWholeUrl) {
  const Settings settings = {{"public-url", "https://example.org/tasks/"}};
  const std::string page = PageOf(settings, kToken, Newcomers::kInvited);
  const std::string url = absl::StrCat("https://example.org/tasks/i/", kToken, "/");
  EXPECT_THAT(page, HasSubstr(absl::StrCat("tcsync setup --server-url ", url, "</pre>")));
  EXPECT_THAT(page, HasSubstr(absl::StrCat("sync.server.url=", url, "\n")));
  EXPECT_THAT(page, HasSubstr("do not publish it"));
  EXPECT_THAT(page, Not(HasSubstr("New users need")));
  const std::string other(access::kTokenLength, 'f');
  EXPECT_EQ(PageOf(settings, other, Newcomers::kInvited),
            absl::StrReplaceAll(page, {{kToken, other}}));
  // Without a public URL, the token is not repeated either.
  EXPECT_THAT(PageOf({}, kToken), AllOf(HasSubstr("put the address of this page"),
                                        HasSubstr("do not publish it"), Not(HasSubstr(kToken))));
}

// If this fails, an operator's text becomes markup, or a part of a shell's command.
TEST(LandingPageTest, NoTextBecomesMarkupOrCommand) {
  const std::string page =
      PageOf({{"public-url", "https://example.org/a'$(reboot)<b>&\"`"},
              {"operator-name", "<script>alert('x')</script> & \"Söhne\""},
              {"operator-contact", "a&b'c?subject=x%0a@example.org"},
              {"terms-url", "https://example.org/\"><script>alert(1)</script>"}});
  EXPECT_THAT(page, Not(HasSubstr("<script")));
  EXPECT_THAT(page, HasSubstr("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; "
                              "&quot;Söhne&quot;"));
  EXPECT_THAT(page, HasSubstr("href=\"https://example.org/&quot;&gt;&lt;script&gt;alert(1)"));
  EXPECT_THAT(page, HasSubstr("href=\"mailto:a%26b%27c%3Fsubject%3Dx%250a@example.org\""));
  EXPECT_THAT(page, HasSubstr("--server-url &#39;https://example.org/a&#39;\\&#39;&#39;$(reboot)"
                              "&lt;b&gt;&amp;&quot;`&#39;</pre>"));
  EXPECT_THAT(PageOf({{"public-url", "http://[2001:db8::1]:8080"}}),
              HasSubstr("--server-url &#39;http://[2001:db8::1]:8080&#39;</pre>"));
}

// If this fails, the page can run a script, be framed, tell another site its address, or has no
// style: the policy's digest is not that of the style.
TEST(LandingPageTest, ThePageLoadsNothingAndItsPolicyAllowsOnlyItsStyle) {
  const Response response = LandingPage(OperatorDetails()).Answer(kToken);
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(HeaderOf(response, "Cache-Control"), "no-store, max-age=0");
  EXPECT_EQ(HeaderOf(response, "Content-Type"), "text/html; charset=utf-8");
  EXPECT_EQ(HeaderOf(response, "X-Content-Type-Options"), "nosniff");
  EXPECT_EQ(HeaderOf(response, "Referrer-Policy"), "no-referrer");
  const TokenDigest digest = access::DigestOf(Between(response.body, "<style>", "</style>"));
  const std::string expected = absl::Base64Escape(
      absl::string_view(reinterpret_cast<const char*>(digest.data()), digest.size()));
  EXPECT_EQ(HeaderOf(response, "Content-Security-Policy"),
            absl::StrCat("default-src 'none'; style-src 'sha256-", expected,
                         "'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"));
  for (const char* const part : {"<script", "<link", "<img", "<iframe", "<form", " src=", " style=",
                                 "url(", "@import", "onclick", "onload", "javascript:"}) {
    EXPECT_THAT(response.body, Not(HasSubstr(part)));
  }
}

// If this fails, the page grows beyond what a small server should send to anybody who asks.
TEST(LandingPageTest, ThePageIsSmallWithTheLongestDetails) {
  const auto page_with = [](char filler) {
    const size_t longest = base::kPageTextBytesMax;
    const std::string begin = "https://example.org/";
    const std::string url = begin + std::string(longest - begin.size(), filler);
    return PageOf({{"public-url", url},
                   {"operator-name", std::string(longest, filler)},
                   {"operator-contact", url},
                   {"terms-url", url}},
                  "", Newcomers::kInvited);
  };
  EXPECT_LT(page_with('x').size(), size_t{8} * 1024);
  EXPECT_LT(page_with('"').size(), size_t{12} * 1024);
}

void ExpectRefused(const std::string& option, const std::string& value,
                   const std::string& problem) {
  const absl::StatusOr<OperatorDetails> details = DetailsOf({{option, value}});
  EXPECT_EQ(details.status().code(), absl::StatusCode::kInvalidArgument) << option << " " << value;
  EXPECT_THAT(std::string(details.status().message()),
              AllOf(HasSubstr(absl::StrCat("option ", option, ": ")), HasSubstr(problem)));
}

// If this fails, a mistake of the operator shows to the users first.
TEST(OperatorDetailsTest, RefusesTextsThatCannotBeShown) {
  const std::string too_long(base::kPageTextBytesMax + 1, 'a');
  ExpectRefused("operator-name", too_long, "is longer than 150 bytes");
  ExpectRefused("operator-contact", absl::StrCat(too_long, "@example.org"), "is longer");
  ExpectRefused("operator-contact", absl::StrCat("https://example.org/", too_long), "is longer");
  ExpectRefused("terms-url", absl::StrCat("https://example.org/", too_long), "is longer");
  ExpectRefused("public-url", absl::StrCat("https://example.org/", too_long), "is longer");
  for (const std::string& name :
       {std::string("a\nb"), std::string("a\0b", 3), std::string("a\x1b[2J"), std::string("\xff"),
        std::string("a\xe2\x80\xae"
                    "b"),
        std::string("a\xc2\x85"), std::string("\t")}) {
    ExpectRefused("operator-name", name, "control characters");
  }
  for (const char* const contact : {"ada",
                                    "@example.org",
                                    "ada@",
                                    "ada@@example.org",
                                    "ada@exa mple.org",
                                    "ada@-a.org",
                                    "ada@a..org",
                                    "a..b@example.org",
                                    ".a@example.org",
                                    "mailto:ada@example.org",
                                    "http://example.org",
                                    "javascript:alert(1)",
                                    "https://",
                                    "https:/example.org",
                                    "https://a b",
                                    "https://ada:secret@example.org/",
                                    "https://ex\xc3\xa4mple.org",
                                    "Ada <a@b>",
                                    "+44 20 7946 0000",
                                    "ada@ex\xc3\xa4mple.org"}) {
    ExpectRefused("operator-contact", contact, "is neither a mail address like");
  }
  for (const char* const terms :
       {"javascript:alert(1)", "JavaScript://example.org/%0aalert(1)", "data:text/html,x",
        "ftp://example.org", "//example.org", "example.org/terms", "https://", "https://?terms",
        "https:example.org", "https://example.org:0/", "https://example.org/a b",
        "https://ada:secret@example.org/terms", "mailto:ada@example.org"}) {
    ExpectRefused("terms-url", terms, "is not a URL like");
  }
  ExpectRefused("public-url", "sync.example.org", "does not begin with https:// or http://");
  ExpectRefused("public-url", "javascript://x", "begins with neither https:// nor http://");
  ExpectRefused("public-url", "https://sync.example.org/?a", "has a '?' or '#'");
  ExpectRefused("public-url", "https://ada:secret@sync.example.org", "has a '@' in it");
  ExpectRefused("public-url", "https://[::1/", "has a '['");
  ExpectRefused("public-url", absl::StrCat("https://sync.example.org/i/", kToken, "/"),
                "has a token in it");
}

// If this fails, the log of a failed start has a password or an invite.
TEST(OperatorDetailsTest, RefusalsRepeatNoSecret) {
  for (const auto& [option, value] :
       Settings{{"public-url", "https://ada:hunter2@sync.example.org"},
                {"public-url", "ada:hunter2@sync.example.org"},
                {"public-url", absl::StrCat("https://sync.example.org/i/", kToken, "/?x")},
                {"public-url", absl::StrCat("https://sync.example.org/i/", kToken)},
                {"terms-url", "https://ada:hunter2@example.org/terms"},
                {"operator-contact", "https://ada:hunter2@example.org/"}}) {
    const std::string message(DetailsOf({{option, value}}).status().message());
    EXPECT_THAT(message, AllOf(Not(HasSubstr("hunter2")), Not(HasSubstr(kToken)))) << message;
    EXPECT_THAT(message, HasSubstr(option));
  }
}

// If this fails, an operator's real address is refused.
TEST(OperatorDetailsTest, TakesUsualAddresses) {
  for (const char* const contact :
       {"ada@example.org", "ada.l+sync@mail.example.org", "root@localhost", "o'neil@example.org",
        "https://example.org/contact", "HTTPS://example.org", "https://social.example/@ada",
        "https://example.org:8443/a?b=c@d#e", "https://[2001:db8::1]/"}) {
    EXPECT_TRUE(DetailsOf({{"operator-contact", contact}}).ok()) << contact;
  }
  for (const char* const name : {"Ada", "Gesellschaft für Aufgaben e. V.", "株式会社"}) {
    EXPECT_TRUE(DetailsOf({{"operator-name", name}}).ok()) << name;
  }
  for (const char* const url : {"http://127.0.0.1:8080", "https://example.org/tasks/",
                                "https://example.org/i/tasks", "http://[::1]"}) {
    EXPECT_TRUE(DetailsOf({{"public-url", url}}).ok()) << url;
  }
}

}  // namespace
}  // namespace tcsync::http
