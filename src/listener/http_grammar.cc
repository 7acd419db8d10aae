#include "listener/http_grammar.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include "absl/strings/ascii.h"

namespace tcsync::listener {
namespace {

constexpr size_t kPortDigitsMax = 5;

// The classes of a character, as bits: every head has tens of characters to check.
using Classes = uint8_t;
constexpr Classes kToken = 1;
constexpr Classes kName = 2;     // of a registered name, without the escapes
constexpr Classes kAddress = 4;  // of an IPv6 address
constexpr Classes kHexDigit = 8;

constexpr std::array<Classes, 256> MakeClasses() {
  std::array<Classes, 256> classes = {};
  const auto add = [&classes](absl::string_view characters, Classes added) {
    for (const char c : characters) classes[static_cast<unsigned char>(c)] |= added;
  };
  add("0123456789ABCDEFabcdef", kToken | kName | kAddress | kHexDigit);
  add("GHIJKLMNOPQRSTUVWXYZghijklmnopqrstuvwxyz", kToken | kName);
  add("!#$%&'*+-.^_`|~", kToken);
  add("-._~!$&'()*+,;=", kName);
  add(":.", kAddress);
  return classes;
}

constexpr std::array<Classes, 256> kClasses = MakeClasses();

bool IsOf(Classes classes, char c) {
  return (kClasses[static_cast<unsigned char>(c)] & classes) != 0;
}

// A registered name, which includes IPv4 addresses.
bool IsName(absl::string_view text) {
  if (text.empty()) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (IsOf(kName, text[i])) continue;
    if (text[i] != '%' || i + 2 >= text.size() || !IsOf(kHexDigit, text[i + 1]) ||
        !IsOf(kHexDigit, text[i + 2])) {
      return false;
    }
    i += 2;
  }
  return true;
}

}  // namespace

bool IsTokenCharacter(char c) { return IsOf(kToken, c); }

bool IsFieldText(char c) { return c == '\t' || !absl::ascii_iscntrl(c); }

bool IsHost(absl::string_view text) {
  absl::string_view port;
  if (!text.empty() && text.front() == '[') {
    const size_t end = text.find(']');
    if (end == absl::string_view::npos || end == 1) return false;
    const absl::string_view address = text.substr(1, end - 1);
    if (!std::all_of(address.begin(), address.end(), [](char c) { return IsOf(kAddress, c); }))
      return false;
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
