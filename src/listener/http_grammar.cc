#include "listener/http_grammar.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"

namespace tcsync::listener {
namespace {

constexpr size_t kPortDigitsMax = 5;

bool IsAddressCharacter(char c) { return absl::ascii_isxdigit(c) || c == ':' || c == '.'; }

// A registered name, which includes IPv4 addresses.
bool IsName(absl::string_view text) {
  if (text.empty()) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%') {
      if (i + 2 >= text.size() || !absl::ascii_isxdigit(text[i + 1]) ||
          !absl::ascii_isxdigit(text[i + 2])) {
        return false;
      }
      i += 2;
    } else if (!absl::ascii_isalnum(text[i]) &&
               !absl::StrContains("-._~!$&'()*+,;=", text.substr(i, 1))) {
      return false;
    }
  }
  return true;
}

}  // namespace

bool IsTokenCharacter(char c) {
  return absl::ascii_isalnum(c) ||
         (c != '\0' && absl::StrContains("!#$%&'*+-.^_`|~", absl::string_view(&c, 1)));
}

bool IsFieldText(char c) { return c == '\t' || !absl::ascii_iscntrl(c); }

bool IsHost(absl::string_view text) {
  absl::string_view port;
  if (!text.empty() && text.front() == '[') {
    const size_t end = text.find(']');
    if (end == absl::string_view::npos || end == 1) return false;
    const absl::string_view address = text.substr(1, end - 1);
    if (!std::all_of(address.begin(), address.end(), IsAddressCharacter)) return false;
    port = text.substr(end + 1);
  } else {
    const size_t end = std::min(text.find(':'), text.size());
    if (!IsName(text.substr(0, end))) return false;
    port = text.substr(end);
  }
  if (port.empty()) return true;
  return port.front() == ':' && port.size() <= kPortDigitsMax + 1 &&
         std::all_of(port.begin() + 1, port.end(), absl::ascii_isdigit);
}

}  // namespace tcsync::listener
