#include "listener/address.h"

#include <sys/un.h>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace tcsync {
namespace {

absl::Status Invalid(absl::string_view why) { return absl::InvalidArgumentError(why); }

absl::StatusOr<ListenAddress> Parse(absl::string_view text) {
  absl::string_view rest = text;
  if (absl::ConsumePrefix(&rest, "unix:")) {
    if (rest.empty()) return Invalid("names no path");
    // The system keeps the path in a small array, and a NUL behind it.
    constexpr size_t kPathBytesMax = sizeof(sockaddr_un::sun_path) - 1;
    if (rest.size() > kPathBytesMax) {
      return Invalid(absl::StrCat("has a path longer than ", kPathBytesMax, " bytes"));
    }
    return UnixAddress{std::string(rest)};
  }
  const size_t colon = text.rfind(':');
  if (colon == absl::string_view::npos) return Invalid("has no port");
  absl::string_view host = text.substr(0, colon);
  const absl::string_view port = text.substr(colon + 1);
  int port_number = 0;
  if (!absl::SimpleAtoi(port, &port_number) || port_number < 0 || port_number > 65535) {
    return Invalid("has a port that is not a number from 0 to 65535");
  }
  if (absl::ConsumePrefix(&host, "[")) {
    if (!absl::ConsumeSuffix(&host, "]")) return Invalid("has an unbalanced bracket");
  } else if (absl::StrContains(host, ":")) {
    return Invalid("has an IPv6 address without brackets");
  }
  if (host.empty()) return Invalid("names no host");
  return TcpAddress{std::string(host), std::string(port)};
}

}  // namespace

absl::StatusOr<ListenAddress> ParseListenAddress(absl::string_view text, absl::string_view option) {
  absl::StatusOr<ListenAddress> address = Parse(text);
  if (address.ok()) return address;
  return absl::InvalidArgumentError(
      absl::StrCat("option ", option, ": '", text, "' ", address.status().message(),
                   "; use HOST:PORT, [IPV6]:PORT or unix:PATH, such as 127.0.0.1:8080"));
}

}  // namespace tcsync
