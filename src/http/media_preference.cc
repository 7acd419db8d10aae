#include "http/media_preference.h"

#include <algorithm>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "http/list_field.h"

namespace tcsync::http {
namespace {

constexpr int kFullQuality = 1000;

// In thousandths; nullopt for a malformed one (RFC 9110, section 12.4.2).
std::optional<int> ParseQuality(absl::string_view text) {
  if (text.empty() || text.size() > 5 || (text[0] != '0' && text[0] != '1')) return std::nullopt;
  int quality = text[0] == '1' ? kFullQuality : 0;
  text.remove_prefix(1);
  if (!text.empty() && !absl::ConsumePrefix(&text, ".")) return std::nullopt;
  int unit = kFullQuality / 10;
  for (const char digit : text) {
    if (!absl::ascii_isdigit(static_cast<unsigned char>(digit))) return std::nullopt;
    quality += (digit - '0') * unit;
    unit /= 10;
  }
  if (quality > kFullQuality) return std::nullopt;
  return quality;
}

// Of an item with these parameters. The others do not matter: both forms are UTF-8.
std::optional<int> QualityOf(absl::string_view parameters) {
  for (const absl::string_view parameter : absl::StrSplit(parameters, ';')) {
    const size_t equals = parameter.find('=');
    if (equals == absl::string_view::npos) continue;
    if (!absl::EqualsIgnoreCase(absl::StripAsciiWhitespace(parameter.substr(0, equals)), "q")) {
      continue;
    }
    return ParseQuality(absl::StripAsciiWhitespace(parameter.substr(equals + 1)));
  }
  return kFullQuality;
}

}  // namespace

bool PrefersHtml(const RequestHead& head) {
  std::optional<int> html;
  std::optional<int> plain;
  std::optional<int> any_text;
  std::optional<int> anything;
  bool has_quotes = false;
  ForEachListItemWithParameters(
      head, "Accept", [&](absl::string_view range, absl::string_view parameters) {
        has_quotes |= absl::StrContains(parameters, '"');
        // A malformed item counts as absent.
        const std::optional<int> quality = QualityOf(parameters);
        if (!quality) return;
        for (auto& [name, known] : {std::pair("text/html", &html), std::pair("text/plain", &plain),
                                    std::pair("text/*", &any_text), std::pair("*/*", &anything)}) {
          if (absl::EqualsIgnoreCase(range, name)) *known = std::max(known->value_or(0), *quality);
        }
      });
  // Commas within quotes would split an item, and no browser quotes anything here.
  if (has_quotes || !html || *html == 0) return false;
  // The most specific range counts.
  const int quality_of_plain = plain ? *plain : any_text ? *any_text : anything ? *anything : 0;
  return *html >= quality_of_plain;
}

}  // namespace tcsync::http
