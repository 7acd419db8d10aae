// Splits the URL, and refuses every host that is not loopback.
#include "load/target.h"

#include <boost/asio/ip/address.hpp>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace tcsync::load {
namespace {

constexpr absl::string_view kOnlyLoopback =
    "only loopback addresses are accepted (127.0.0.0/8, [::1], localhost): this program makes load,"
    " and must never reach another machine";

absl::StatusOr<boost::asio::ip::address> ParseLoopback(absl::string_view host) {
  namespace ip = boost::asio::ip;
  if (absl::EqualsIgnoreCase(host, "localhost")) return ip::address(ip::address_v4::loopback());
  boost::system::error_code error;
  if (absl::StartsWith(host, "[") && absl::EndsWith(host, "]")) {
    const auto address = ip::make_address_v6(std::string(host.substr(1, host.size() - 2)), error);
    if (!error && address == ip::address_v6::loopback()) return ip::address(address);
  } else {
    const auto address = ip::make_address_v4(std::string(host), error);
    if (!error && address.is_loopback()) return ip::address(address);
  }
  return absl::InvalidArgumentError(absl::StrCat("'", host, "' is refused: ", kOnlyLoopback));
}

}  // namespace

absl::StatusOr<Target> ParseTarget(absl::string_view url) {
  absl::string_view rest = url;
  if (!absl::ConsumePrefix(&rest, "http://")) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", url, "' is not a URL that starts with http://"));
  }
  const size_t path_start = rest.find('/');
  const absl::string_view authority = rest.substr(0, path_start);
  absl::string_view path = path_start == absl::string_view::npos ? "" : rest.substr(path_start);
  while (absl::ConsumeSuffix(&path, "/")) {
  }
  for (const char c : path) {
    // Characters that need escaping, or would end the path, are not allowed in a base path.
    if (!absl::ascii_isgraph(static_cast<unsigned char>(c)) || c == '?' || c == '#') {
      return absl::InvalidArgumentError(
          absl::StrCat("the path '", path, "' has a character that does not belong in a base URL"));
    }
  }

  absl::string_view host = authority;
  int port = 80;
  const size_t colon = authority.rfind(':');
  const size_t bracket = authority.rfind(']');
  // A colon inside brackets belongs to an IPv6 address.
  if (colon != absl::string_view::npos && (bracket == absl::string_view::npos || colon > bracket)) {
    host = authority.substr(0, colon);
    if (!absl::SimpleAtoi(authority.substr(colon + 1), &port) || port < 1 || port > 65535) {
      return absl::InvalidArgumentError(
          absl::StrCat("'", authority.substr(colon + 1), "' is not a port"));
    }
  }
  auto address = ParseLoopback(host);
  if (!address.ok()) return address.status();

  Target target;
  target.endpoint = boost::asio::ip::tcp::endpoint(*address, static_cast<uint16_t>(port));
  target.host_header = absl::StrCat(host, ":", port);
  target.base_path = std::string(path);
  return target;
}

}  // namespace tcsync::load
