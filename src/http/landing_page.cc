#include "http/landing_page.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace tcsync::http {
namespace {

using Newcomers = OperatorDetails::Newcomers;

// The only style that the policy below allows; a test has its digest.
constexpr absl::string_view kStyle =
    ":root{color-scheme:light dark;--text:#1d2127;--back:#fff;--faint:#4d5561;--code:#eff1f4;"
    "--line:#c9ced6;--link:#0b57b7;--mark:#b45309}"
    "@media(prefers-color-scheme:dark){:root{--text:#e4e7eb;--back:#15181c;--faint:#a9b1bc;"
    "--code:#23282f;--line:#3d444e;--link:#8cb8ff;--mark:#f0b35a}}"
    "*{box-sizing:border-box}"
    "body{margin:0;background:var(--back);color:var(--text);font:1rem/1.6 system-ui,sans-serif}"
    "main{max-width:44rem;margin:0 auto;padding:2rem 1.25rem 3rem;overflow-wrap:anywhere}"
    "h1{font-size:1.75rem;line-height:1.25;margin:0 0 1rem}"
    "h2{font-size:1.25rem;line-height:1.3;margin:2.25rem 0 .75rem}"
    "p,pre,ul{margin:.75rem 0}"
    "ol{padding-left:1.5rem}li{margin:.75rem 0}ul li{margin:.25rem 0}"
    "a{color:var(--link)}"
    "code,pre{font:.875rem/1.6 ui-monospace,monospace;background:var(--code);border-radius:.25rem}"
    "code{padding:.1rem .3rem}"
    "pre{padding:.75rem 1rem;border:1px solid var(--line);white-space:pre-wrap;user-select:all;"
    "-webkit-user-select:all}"
    ".lines{white-space:pre;overflow-x:auto}"
    ".note{border-left:.25rem solid var(--mark);padding-left:1rem}"
    ".small{color:var(--faint);font-size:.9375rem}";

constexpr absl::string_view kContentSecurityPolicy =
    "default-src 'none'; style-src 'sha256-HTbJVZJRPUZpMx2L7Z2MBxrxVDSveCEBiuD6RmnhZJ4='; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

std::string HtmlEscaped(absl::string_view text) {
  std::string escaped;
  for (const char c : text) {
    switch (c) {
      case '&':
        absl::StrAppend(&escaped, "&amp;");
        break;
      case '<':
        absl::StrAppend(&escaped, "&lt;");
        break;
      case '>':
        absl::StrAppend(&escaped, "&gt;");
        break;
      case '"':
        absl::StrAppend(&escaped, "&quot;");
        break;
      case '\'':
        absl::StrAppend(&escaped, "&#39;");
        break;
      default:
        escaped.push_back(c);
    }
  }
  return escaped;
}

// As one word of a shell's command line, whatever the URL has in it: zsh, for one, would look for
// files by the brackets of an IPv6 address.
std::string ShellQuoted(absl::string_view text) {
  const bool is_plain = std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
           absl::string_view(":/.-_%").find(c) != absl::string_view::npos;
  });
  if (is_plain) return std::string(text);
  std::string quoted = "'";
  for (const char c : text) absl::StrAppend(&quoted, c == '\'' ? "'\\''" : std::string(1, c));
  return absl::StrCat(quoted, "'");
}

std::string Link(absl::string_view url, absl::string_view text) {
  return absl::StrCat("<a href=\"", HtmlEscaped(url), "\">", HtmlEscaped(text), "</a>");
}

std::string AboutOperator(const OperatorDetails& details) {
  const std::string contact =
      details.contact.empty() ? "" : Link(details.contact_link, details.contact);
  std::string about;
  if (!details.name.empty()) {
    about = absl::StrCat("It is run by ", HtmlEscaped(details.name),
                         contact.empty() ? "" : absl::StrCat(" (", contact, ")"), ".");
  } else if (!contact.empty()) {
    about = absl::StrCat("Its operator can be reached at ", contact, ".");
  }
  if (!details.terms_url.empty()) {
    absl::StrAppend(&about, about.empty() ? "" : " ", "These are the ",
                    Link(details.terms_url, "terms of use"), ".");
  }
  return about.empty() ? "" : absl::StrCat("<p>", about, "</p>\n");
}

// The person to ask, whose contact is in the paragraph above if there is one.
std::string PersonToAsk(const OperatorDetails& details) {
  if (!details.name.empty()) return HtmlEscaped(details.name);
  return details.contact.empty() ? "the person who told you about this server" : "its operator";
}

std::string AboutAdmission(const OperatorDetails& details, bool has_token) {
  if (has_token) {
    return "<p class=\"note\">The address of this page has an <strong>invite</strong> or an access "
           "token in it, so do not publish it. Whether it is still valid shows in the "
           "setup.</p>\n";
  }
  switch (details.newcomers) {
    case Newcomers::kWelcome:
      break;
    case Newcomers::kInvited:
      return absl::StrCat(
          "<p class=\"note\">New users need an <strong>invite</strong>: the address of this server "
          "with <code>/i/</code> and 32 letters and digits behind it. Ask ",
          PersonToAsk(details), " for one.</p>\n");
    case Newcomers::kRefused:
      return absl::StrCat(
          "<p class=\"note\">This server has a <strong>closed circle</strong> of users. To become "
          "one of them, ask ",
          PersonToAsk(details), ".</p>\n");
  }
  return "";
}

// The server's URL in the commands, and the sentence for a reader who has to complete it.
struct ShownUrl {
  std::string text;
  absl::string_view note;
};

ShownUrl UrlFor(const OperatorDetails& details, absl::string_view token) {
  const bool needs_invite = token.empty() && details.newcomers == Newcomers::kInvited;
  if (details.public_url.empty()) {
    return {"URL", needs_invite ? "<p>For <code>URL</code>, put your invite.</p>\n"
                                : "<p>For <code>URL</code>, put the address of this page as your "
                                  "browser shows it, from <code>http</code> on.</p>\n"};
  }
  if (needs_invite) {
    return {absl::StrCat(details.public_url, "/i/INVITE/"),
            "<p>The whole URL is the invite that you were given.</p>\n"};
  }
  // The slash at the end is for Taskwarrior before 3.5, which drops what follows the last one.
  return {token.empty() ? details.public_url : absl::StrCat(details.public_url, "/i/", token, "/"),
          ""};
}

std::string Render(const OperatorDetails& details, absl::string_view token) {
  const ShownUrl url = UrlFor(details, token);
  return absl::StrCat(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta name=\"robots\" content=\"noindex\">\n"
      "<title>A sync server for Taskwarrior</title>\n<style>",
      kStyle,
      "</style>\n</head>\n<body>\n<main>\n<h1>A sync server for Taskwarrior</h1>\n"
      "<p>With this server, all of your computers have the same tasks. Each computer encrypts them "
      "before it sends them, with a secret that the server never has, so the server and its "
      "operator cannot read them. The server sees when your computers sync, and how much they "
      "send.</p>\n",
      AboutOperator(details), AboutAdmission(details, !token.empty()),
      "<h2>The first computer</h2>\n<ol>\n"
      "<li>Install <strong>Taskwarrior 3.1 or later</strong>; <code>task --version</code> shows "
      "the "
      "one that you have.\n<ul>\n"
      "<li>macOS, or Linux with Homebrew: <code>brew install task</code></li>\n"
      "<li>Arch: <code>pacman -S task</code></li>\n"
      "<li>Alpine: <code>apk add task3</code></li>\n"
      "<li>Debian testing: <code>apt-get install taskwarrior</code></li>\n</ul>\n"
      "<p class=\"small\">Debian 12 and 13 and Ubuntu 24.04 have only 2.6.2: build <a "
      "href=\"https://github.com/GothenburgBitFactory/taskwarrior/releases\">a release</a> there. "
      "<a href=\"https://repology.org/project/taskwarrior/versions\">Repology</a> lists other "
      "systems.</p></li>\n"
      "<li>Install <strong>tcsync</strong>, the program that sets up Taskwarrior, with Python 3.10 "
      "or later. There is no published package yet; ask ",
      PersonToAsk(details),
      " for its source. There, on Debian or Ubuntu:\n"
      "<pre class=\"lines\" tabindex=\"0\">sudo src/cmake/install-packages.sh build\n"
      "sudo apt-get install python3-venv\n"
      "python3 -m venv ~/tcsync\n"
      "~/tcsync/bin/pip install ./capi/python\n"
      "export PATH=\"$HOME/tcsync/bin:$PATH\"</pre>\n"
      "<p class=\"small\">The page <code>docs/multi-computer-setup.md</code> of the source has "
      "the details.</p></li>\n"
      "<li>Run the <strong>setup</strong>. It checks everything with the server before it changes "
      "a file.\n<pre>tcsync setup --server-url ",
      HtmlEscaped(ShellQuoted(url.text)), "</pre>\n", url.note,
      "</li>\n</ol>\n"
      "<p>At its end, the setup shows a <strong>pairing code</strong> for your other computers. "
      "Keep it in a safe place: it gives access to all of your tasks, and nobody can recover it "
      "for you.</p>\n"
      "<h2>Your other computers</h2>\n"
      "<p>Install both programs, run <code>tcsync setup</code>, answer that you have credentials "
      "from another computer, and paste the pairing code",
      details.newcomers == Newcomers::kInvited || !token.empty() ? "; no further invite is needed"
                                                                 : "",
      ".</p>\n"
      "<h2>Without tcsync</h2>\n"
      "<p>Taskwarrior itself needs three lines in <code>~/.taskrc</code>, the same ones on every "
      "computer, and then <code>task sync</code>:</p>\n"
      "<pre>sync.server.url=",
      HtmlEscaped(url.text),
      "\nsync.server.client_id=CLIENT-ID\nsync.encryption_secret=SECRET</pre>\n",
      "<p>On the first computer, <code>uuidgen</code> makes a client ID, and <code>openssl rand "
      "-hex 32</code> a secret.</p>\n"
      "</main>\n</body>\n</html>\n");
}

}  // namespace

LandingPage::LandingPage(const OperatorDetails& details)
    : details_(details), without_token_(Render(details, "")) {}

Response LandingPage::Answer(absl::string_view token) const {
  Response response = EmptyResponse(200);
  response.headers.push_back({"Content-Type", "text/html; charset=utf-8"});
  response.headers.push_back({"Content-Security-Policy", std::string(kContentSecurityPolicy)});
  response.headers.push_back({"X-Content-Type-Options", "nosniff"});
  // The address may have a token in it.
  response.headers.push_back({"Referrer-Policy", "no-referrer"});
  response.body = token.empty() ? without_token_ : Render(details_, token);
  return response;
}

}  // namespace tcsync::http
