#include "remote/proxy.h"

#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/network_v4.hpp>
#include <boost/asio/ip/network_v6.hpp>
#include <cstdlib>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace tcsync::remote {
namespace {

namespace ip = boost::asio::ip;

// The value of the first of two variables that is set and not empty, and its name.
struct Variable {
  const char* name = nullptr;
  absl::string_view value;
};

Variable FirstSet(const char* name, const char* other_name) {
  for (const char* const candidate : {name, other_name}) {
    const char* const value = candidate == nullptr ? nullptr : std::getenv(candidate);
    if (value != nullptr && *value != '\0') return {candidate, value};
  }
  return {};
}

bool NetworkContains(const std::string& network, const ip::address& address) {
  boost::system::error_code error;
  if (address.is_v4()) {
    const ip::network_v4 parsed = ip::make_network_v4(network, error);
    return !error && ip::make_network_v4(address.to_v4(), parsed.prefix_length()).canonical() ==
                         parsed.canonical();
  }
  const ip::network_v6 parsed = ip::make_network_v6(network, error);
  return !error && ip::make_network_v6(address.to_v6(), parsed.prefix_length()).canonical() ==
                       parsed.canonical();
}

// Removes the port from "name:port", "1.2.3.4:port" or "[::1]:port"; not from a bare IPv6 address.
absl::string_view WithoutPort(absl::string_view item, absl::string_view& port) {
  if (!item.empty() && item.front() == '[') {
    const size_t end = item.find(']');
    if (end == absl::string_view::npos) return item;
    if (absl::StartsWith(item.substr(end), "]:")) port = item.substr(end + 2);
    return item.substr(1, end - 1);
  }
  const size_t colon = item.find(':');
  if (colon == absl::string_view::npos || item.rfind(':') != colon) return item;
  port = item.substr(colon + 1);
  return item.substr(0, colon);
}

}  // namespace

bool IsExemptFromProxy(absl::string_view no_proxy, absl::string_view host, uint16_t port) {
  boost::system::error_code not_an_address;
  const ip::address address = ip::make_address(std::string(host), not_an_address);
  for (absl::string_view item :
       absl::StrSplit(no_proxy, absl::ByAnyChar(", \t"), absl::SkipEmpty())) {
    if (item == "*") return true;
    if (absl::StrContains(item, '/')) {
      if (!not_an_address && NetworkContains(std::string(item), address)) return true;
      continue;
    }
    absl::string_view item_port;
    item = WithoutPort(item, item_port);
    if (!item_port.empty() && item_port != absl::StrCat(port)) continue;
    if (!not_an_address) {
      boost::system::error_code error;
      if (ip::make_address(std::string(item), error) == address && !error) return true;
      continue;
    }
    if (absl::StartsWith(item, ".")) item.remove_prefix(1);
    if (item.empty() || !absl::EndsWithIgnoreCase(host, item)) continue;
    if (host.size() == item.size() || host[host.size() - item.size() - 1] == '.') return true;
  }
  return false;
}

absl::StatusOr<std::optional<base::ProxyUrl>> ProxyFromEnvironment(const base::ServerUrl& server) {
  const Variable variable =
      server.uses_tls ? FirstSet("https_proxy", "HTTPS_PROXY") : FirstSet("http_proxy", nullptr);
  if (variable.name == nullptr ||
      IsExemptFromProxy(FirstSet("no_proxy", "NO_PROXY").value, server.host, server.port)) {
    return std::nullopt;
  }
  absl::StatusOr<base::ProxyUrl> proxy = base::ParseProxyUrl(variable.value);
  if (!proxy.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("from the environment variable ", variable.name,
                                                   ": ", proxy.status().message()));
  }
  return *std::move(proxy);
}

}  // namespace tcsync::remote
