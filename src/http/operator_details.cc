#include "http/operator_details.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "access/token.h"
#include "base/foreign_text.h"
#include "base/limits.h"
#include "base/one_line.h"
#include "base/server_url.h"

namespace tcsync::http {
namespace {

std::string SubjectOf(absl::string_view option, absl::string_view value) {
  return absl::StrCat("option ", option, ": '", base::ShowForeign(value), "'");
}

absl::Status Invalid(absl::string_view option, absl::string_view value, absl::string_view problem) {
  return absl::InvalidArgumentError(absl::StrCat(SubjectOf(option, value), " ", problem));
}

// A text of one line that is not too long.
absl::Status CheckText(absl::string_view option, absl::string_view value) {
  if (value.size() > base::kPageTextBytesMax) {
    return Invalid(option, value,
                   absl::StrCat("is longer than ", base::kPageTextBytesMax, " bytes"));
  }
  std::string one_line(value);
  base::MakeOneLine(one_line);
  if (one_line != value) {
    return Invalid(option, value, "is not UTF-8 text without control characters and line breaks");
  }
  return absl::OkStatus();
}

bool HasToken(absl::string_view path) {
  for (const absl::string_view segment : absl::StrSplit(path, '/')) {
    if (access::IsToken(segment)) return true;
  }
  return false;
}

absl::StatusOr<std::string> CheckPublicUrl(const std::string& value) {
  constexpr absl::string_view kOption = "public-url";
  if (value.empty()) return "";
  if (absl::Status status = CheckText(kOption, value); !status.ok()) return status;
  // The parser says that it does not repeat a text with a possible password.
  const absl::StatusOr<base::ServerUrl> url =
      base::ParseServerUrl(value, absl::StrContains(value, '@') ? "option public-url: the value"
                                                                : SubjectOf(kOption, value));
  if (!url.ok()) return url.status();
  if (HasToken(url->base_path)) {
    return Invalid(kOption, value,
                   "has a token in it, which the page would show to everybody; give the URL "
                   "without /i/ and the token");
  }
  return absl::StrCat(url->Origin(), url->base_path);
}

// A URL for people to open: of https, or of http as well.
bool IsLink(absl::string_view text, bool takes_http) {
  constexpr absl::string_view kBeforeHost = "://";
  const size_t scheme_end = std::min(text.find(kBeforeHost), text.size());
  const std::string scheme = absl::AsciiStrToLower(text.substr(0, scheme_end));
  if (scheme != "https" && (!takes_http || scheme != "http")) return false;
  if (!std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c <= '~'; })) {
    return false;
  }
  // Up to the path it is like a server's URL; behind that, it may have more than one of these.
  return base::ParseServerUrl(
             text.substr(0, text.find_first_of("/?#", scheme_end + kBeforeHost.size())))
      .ok();
}

// An address of the usual form, of ASCII, without quotes and comments (RFC 5321, section 4.1.2).
bool IsMailAddress(absl::string_view text) {
  const size_t at = text.find('@');
  if (at == absl::string_view::npos || at == 0) return false;
  const absl::string_view local = text.substr(0, at);
  const absl::string_view domain = text.substr(at + 1);
  const auto is_local = [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
           absl::StrContains("!#$%&'*+-/=?^_`{|}~.", absl::string_view(&c, 1));
  };
  if (!std::all_of(local.begin(), local.end(), is_local) || absl::StrContains(local, "..") ||
      local.front() == '.' || local.back() == '.') {
    return false;
  }
  const auto is_label = [](absl::string_view label) {
    return !label.empty() && label.front() != '-' && label.back() != '-' &&
           std::all_of(label.begin(), label.end(), [](char c) {
             return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-';
           });
  };
  const std::vector<absl::string_view> labels = absl::StrSplit(domain, '.');
  return std::all_of(labels.begin(), labels.end(), is_label);
}

absl::Status CheckContact(absl::string_view value) {
  constexpr absl::string_view kOption = "operator-contact";
  if (!value.empty() && !IsMailAddress(value) && !IsLink(value, /*takes_http=*/false)) {
    return Invalid(kOption, value,
                   "is neither a mail address like ada@example.org nor a URL like "
                   "https://example.org/contact");
  }
  return CheckText(kOption, value);
}

// Percent-encoded, so that no character of the address begins a header of the mail (RFC 6068).
std::string MailLink(absl::string_view address) {
  std::string link = "mailto:";
  for (const char c : address) {
    if (absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
        absl::StrContains("@.+-_", absl::string_view(&c, 1))) {
      link.push_back(c);
    } else {
      absl::StrAppend(&link, absl::StrFormat("%%%02X", static_cast<unsigned char>(c)));
    }
  }
  return link;
}

}  // namespace

absl::StatusOr<OperatorDetails> OperatorDetails::From(const OperatorTexts& texts,
                                                      Newcomers newcomers) {
  OperatorDetails details;
  details.contact = details.contact_link = texts.contact;
  details.terms_url = texts.terms_url;
  details.newcomers = newcomers;
  absl::StatusOr<std::string> public_url = CheckPublicUrl(texts.public_url);
  if (!public_url.ok()) return public_url.status();
  details.public_url = *std::move(public_url);
  if (absl::Status status = CheckText("operator-name", texts.name); !status.ok()) return status;
  details.name = std::string(absl::StripAsciiWhitespace(texts.name));
  if (absl::Status status = CheckContact(texts.contact); !status.ok()) return status;
  if (IsMailAddress(texts.contact)) details.contact_link = MailLink(texts.contact);
  if (!texts.terms_url.empty() && !IsLink(texts.terms_url, /*takes_http=*/true)) {
    return Invalid("terms-url", texts.terms_url,
                   "is not a URL like https://sync.example.org/terms");
  }
  if (absl::Status status = CheckText("terms-url", texts.terms_url); !status.ok()) return status;
  return details;
}

}  // namespace tcsync::http
