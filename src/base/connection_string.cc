#include "base/connection_string.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace tcsync::base {
namespace {

constexpr absl::string_view kHidden = "***";
constexpr absl::string_view kSpaces = " \t\n\v\f\r";

// Also keywords of later releases of libpq, and misspelt ones.
bool IsSecret(absl::string_view keyword) {
  const std::string lower = absl::AsciiStrToLower(keyword);
  return absl::StrContains(lower, "passw") || absl::StrContains(lower, "secret") ||
         absl::StrContains(lower, "scram");
}

bool IsKeyword(absl::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char character) {
    return absl::ascii_isalnum(static_cast<unsigned char>(character)) || character == '_';
  });
}

// A value that is a connection string of its own, or was meant for several values.
bool HasOwnPassword(absl::string_view value) {
  return (absl::StrContains(value, "://") && absl::StrContains(value, '@')) ||
         (IsSecret(value) && absl::StrContains(value, '='));
}

std::optional<std::string> PercentDecoded(absl::string_view text) {
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += text[i];
      continue;
    }
    const absl::string_view digits = text.substr(i + 1, 2);
    if (digits.size() < 2 || !absl::ascii_isxdigit(static_cast<unsigned char>(digits[0])) ||
        !absl::ascii_isxdigit(static_cast<unsigned char>(digits[1]))) {
      return std::nullopt;
    }
    decoded += static_cast<char>(std::stoi(std::string(digits), nullptr, 16));
    i += 2;
  }
  return decoded;
}

// HOST, HOST:PORT, [ADDRESS]:PORT, with commas between several.
bool AreHosts(absl::string_view text) {
  for (absl::string_view host : absl::StrSplit(text, ',')) {
    if (absl::ConsumePrefix(&host, "[")) {
      const size_t end = host.find(']');
      if (end == absl::string_view::npos) return false;
      host.remove_prefix(end + 1);
      if (!host.empty() && host[0] != ':') return false;
    }
    const std::vector<absl::string_view> parts = absl::StrSplit(host, ':');
    if (parts.size() > 2 || absl::StrContains(parts[0], '@')) return false;
    if (parts.size() == 2 && !std::all_of(parts[1].begin(), parts[1].end(), [](char character) {
          return absl::ascii_isdigit(static_cast<unsigned char>(character));
        })) {
      return false;
    }
  }
  return true;
}

// Of the part after the scheme; nullopt for one that must not be shown.
std::optional<std::string> ShownUri(absl::string_view rest) {
  std::string shown;
  const size_t first_end = std::min(rest.find_first_of("@/"), rest.size());
  if (first_end < rest.size() && rest[first_end] == '@') {
    // libpq ends the password here, its author perhaps at a later one.
    const size_t hosts_end = std::min(rest.find_first_of("/?", first_end), rest.size());
    const size_t at = rest.rfind('@', hosts_end);
    const size_t colon = std::min(rest.find(':'), at);
    absl::StrAppend(&shown, rest.substr(0, colon), colon + 1 < at ? ":***" : "",
                    colon + 1 == at ? ":" : "", "@");
    rest.remove_prefix(at + 1);
  }
  const size_t hosts_end = std::min(rest.find_first_of("/?"), rest.size());
  if (!AreHosts(rest.substr(0, hosts_end))) return std::nullopt;
  const size_t query = std::min(rest.find('?'), rest.size());
  if (absl::StrContains(rest.substr(hosts_end, query - hosts_end), '@')) return std::nullopt;
  absl::StrAppend(&shown, rest.substr(0, query));
  if (query == rest.size()) return shown;
  absl::string_view separator = "?";
  for (const absl::string_view parameter : absl::StrSplit(rest.substr(query + 1), '&')) {
    const std::vector<absl::string_view> parts = absl::StrSplit(parameter, '=');
    if (parts.size() != 2) return std::nullopt;
    const std::optional<std::string> keyword = PercentDecoded(parts[0]);
    const std::optional<std::string> value = PercentDecoded(parts[1]);
    if (!keyword || !IsKeyword(*keyword) || !value) return std::nullopt;
    const bool is_hidden = IsSecret(*keyword) && !value->empty();
    if (!is_hidden && HasOwnPassword(*value)) return std::nullopt;
    absl::StrAppend(&shown, separator, parts[0], "=", is_hidden ? kHidden : parts[1]);
    separator = "&";
  }
  return shown;
}

// The end of a value in a text of keywords; nullopt for a quoted one without an end.
std::optional<size_t> EndOfValue(absl::string_view text, size_t begin) {
  const bool is_quoted = begin < text.size() && text[begin] == '\'';
  for (size_t i = is_quoted ? begin + 1 : begin; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (is_quoted && text[i] == '\'') {
      return i + 1;
    } else if (!is_quoted && absl::StrContains(kSpaces, text[i])) {
      return i;
    }
  }
  if (is_quoted) return std::nullopt;
  return text.size();
}

// NAME = VALUE, with spaces between several.
std::optional<std::string> ShownKeywords(absl::string_view text) {
  std::string shown;
  size_t copied = 0;
  size_t place = 0;
  while ((place = text.find_first_not_of(kSpaces, place)) != absl::string_view::npos) {
    const size_t name_end = std::min(text.find_first_of(" \t\n\v\f\r=", place), text.size());
    const absl::string_view keyword = text.substr(place, name_end - place);
    const size_t equals = text.find_first_not_of(kSpaces, name_end);
    if (equals == absl::string_view::npos || text[equals] != '=' || !IsKeyword(keyword)) {
      return std::nullopt;
    }
    const size_t begin = std::min(text.find_first_not_of(kSpaces, equals + 1), text.size());
    const std::optional<size_t> end = EndOfValue(text, begin);
    if (!end) return std::nullopt;
    const absl::string_view value = text.substr(begin, *end - begin);
    if (IsSecret(keyword) && !value.empty() && value != "''") {
      absl::StrAppend(&shown, text.substr(copied, begin - copied), kHidden);
      copied = *end;
    } else if (HasOwnPassword(value)) {
      return std::nullopt;
    }
    place = *end;
  }
  return absl::StrCat(shown, text.substr(copied));
}

}  // namespace

std::string WithoutPassword(absl::string_view text) {
  if (text.empty()) return "";
  for (const absl::string_view scheme : {"postgresql://", "postgres://"}) {
    if (!absl::StartsWith(text, scheme)) continue;
    const std::optional<std::string> shown = ShownUri(text.substr(scheme.size()));
    return shown ? absl::StrCat(scheme, *shown) : std::string(kHidden);
  }
  return ShownKeywords(text).value_or(std::string(kHidden));
}

}  // namespace tcsync::base
