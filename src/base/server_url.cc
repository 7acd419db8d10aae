#include "base/server_url.h"

#include <arpa/inet.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace tcsync::base {
namespace {

constexpr uint16_t kHttpPort = 80;
constexpr uint16_t kHttpsPort = 443;
constexpr size_t kHostBytesMax = 253;  // RFC 1035, written with dots

bool IsAddress(const std::string& host, int family) {
  unsigned char address[sizeof(in6_addr)];
  return inet_pton(family, host.c_str(), address) == 1;
}

bool IsNameCharacter(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '.' || c == '_';
}

std::string Bracketed(const std::string& host) {
  return host.find(':') == std::string::npos ? host : absl::StrCat("[", host, "]");
}

std::string Joined(const std::string& host, uint16_t port) {
  return absl::StrCat(Bracketed(host), ":", port);
}

struct HostAndPort {
  std::string host;
  uint16_t port;
};

absl::Status Invalid(absl::string_view subject, absl::string_view problem) {
  return absl::InvalidArgumentError(absl::StrCat(subject, " ", problem));
}

// Splits "host[:port]". A message begins with `subject`.
absl::StatusOr<HostAndPort> ParseHostAndPort(absl::string_view text, uint16_t default_port,
                                             absl::string_view subject) {
  const auto error = [subject](absl::string_view problem) { return Invalid(subject, problem); };
  HostAndPort parsed{"", default_port};
  absl::string_view port;
  bool has_port = false;
  if (!text.empty() && text.front() == '[') {
    const size_t end = text.find(']');
    if (end == absl::string_view::npos) return error("has a '[' without its ']'");
    parsed.host = std::string(text.substr(1, end - 1));
    if (!IsAddress(parsed.host, AF_INET6)) return error("has no IPv6 address in its brackets");
    port = text.substr(end + 1);
    has_port = !port.empty();
    if (has_port && port.front() != ':') return error("has something other than a port after ']'");
    if (has_port) port.remove_prefix(1);
  } else {
    const size_t colon = text.find(':');
    has_port = colon != absl::string_view::npos;
    if (has_port) port = text.substr(colon + 1);
    parsed.host = std::string(text.substr(0, colon));
    const bool has_more_colons = has_port && port.find(':') != absl::string_view::npos;
    if (parsed.host.empty() && !has_more_colons) {
      return error("has no host; give one like https://sync.example.org");
    }
    if (has_more_colons || parsed.host.size() > kHostBytesMax ||
        !std::all_of(parsed.host.begin(), parsed.host.end(), IsNameCharacter)) {
      return error(
          "has a host that is neither a name of letters, digits, '-' and '.' nor an address (an "
          "IPv6 address goes in brackets, an international name is written in its xn-- form)");
    }
  }
  absl::AsciiStrToLower(&parsed.host);
  if (has_port) {
    int number = 0;
    if (port.empty() || !std::all_of(port.begin(), port.end(), absl::ascii_isdigit) ||
        !absl::SimpleAtoi(port, &number) || number < 1 || number > 65535) {
      return error("has a port that is not a number from 1 to 65535");
    }
    parsed.port = static_cast<uint16_t>(number);
  }
  return parsed;
}

// The value of a hexadecimal digit; nullopt for anything else.
std::optional<int> DigitValue(char digit) {
  constexpr absl::string_view kDigits = "0123456789abcdef";
  const size_t value = kDigits.find(absl::ascii_tolower(static_cast<unsigned char>(digit)));
  if (value == absl::string_view::npos) return std::nullopt;
  return static_cast<int>(value);
}

std::optional<std::string> PercentDecoded(absl::string_view text) {
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded.push_back(text[i]);
      continue;
    }
    if (text.size() - i < 3) return std::nullopt;
    const std::optional<int> high = DigitValue(text[++i]);
    const std::optional<int> low = DigitValue(text[++i]);
    if (!high || !low) return std::nullopt;
    decoded.push_back(static_cast<char>(*high << 4 | *low));
  }
  return decoded;
}

}  // namespace

bool ServerUrl::HostIsAddress() const {
  return IsAddress(host, AF_INET) || IsAddress(host, AF_INET6);
}

std::string ServerUrl::HostAndPort() const { return Joined(host, port); }

std::string ServerUrl::HostHeader() const {
  return port == (uses_tls ? kHttpsPort : kHttpPort) ? Bracketed(host) : HostAndPort();
}

std::string ServerUrl::Origin() const {
  return absl::StrCat(uses_tls ? "https://" : "http://", HostHeader());
}

std::string ProxyUrl::HostAndPort() const { return Joined(host, port); }

absl::StatusOr<ServerUrl> ParseServerUrl(absl::string_view text) {
  // No message repeats a text that may contain a password.
  const bool may_have_password = text.find('@') != absl::string_view::npos;
  return ParseServerUrl(
      text, may_have_password ? "the server URL" : absl::StrCat("the server URL '", text, "'"));
}

absl::StatusOr<ServerUrl> ParseServerUrl(absl::string_view text, absl::string_view subject) {
  const auto error = [subject](absl::string_view problem) { return Invalid(subject, problem); };
  if (text.find('@') != absl::string_view::npos) {
    return error(
        "has a '@' in it (it is not repeated here, in case there is a password before it); give it "
        "without user name and password, which the sync protocol does not use, like "
        "https://sync.example.org");
  }
  for (const char c : text) {
    if (c <= ' ' || c > '~') return error("has spaces, control or non-ASCII characters in it");
  }
  ServerUrl url;
  const size_t scheme_end = text.find("://");
  if (scheme_end == absl::string_view::npos) {
    return error("does not begin with https:// or http://");
  }
  const std::string scheme = absl::AsciiStrToLower(text.substr(0, scheme_end));
  if (scheme != "http" && scheme != "https")
    return error("begins with neither https:// nor http://");
  url.uses_tls = scheme == "https";
  if (text.find_first_of("?#") != absl::string_view::npos) {
    return error("has a '?' or '#' in it; give it without what follows");
  }
  const absl::string_view rest = text.substr(scheme_end + 3);
  const size_t path_start = std::min(rest.find('/'), rest.size());
  absl::StatusOr<HostAndPort> place =
      ParseHostAndPort(rest.substr(0, path_start), url.uses_tls ? kHttpsPort : kHttpPort, subject);
  if (!place.ok()) return place.status();
  url.host = std::move(place->host);
  url.port = place->port;
  absl::string_view path = rest.substr(path_start);
  while (!path.empty() && path.back() == '/') path.remove_suffix(1);
  url.base_path = std::string(path);
  return url;
}

absl::StatusOr<ProxyUrl> ParseProxyUrl(absl::string_view text) {
  const size_t at = text.rfind('@');
  const bool has_user = at != absl::string_view::npos;
  absl::string_view place = has_user ? text.substr(at + 1) : text;
  const std::string shown = has_user ? absl::StrCat("...@", place) : std::string(text);
  const std::string subject = absl::StrCat("the proxy '", shown, "'");
  const auto error = [&subject](absl::string_view problem) { return Invalid(subject, problem); };
  absl::string_view user = has_user ? text.substr(0, at) : absl::string_view();
  absl::string_view& beginning = has_user ? user : place;
  if (const size_t scheme_end = beginning.find("://"); scheme_end != absl::string_view::npos) {
    if (absl::AsciiStrToLower(beginning.substr(0, scheme_end)) != "http") {
      return error(
          "is not an HTTP proxy, and others are not supported: give a URL like "
          "http://proxy.example.org:3128");
    }
    beginning.remove_prefix(scheme_end + 3);
  }
  while (!place.empty() && place.back() == '/') place.remove_suffix(1);
  absl::StatusOr<HostAndPort> parsed = ParseHostAndPort(place, kHttpPort, subject);
  if (!parsed.ok()) return parsed.status();
  ProxyUrl proxy{std::move(parsed->host), parsed->port, ""};
  if (has_user) {
    const std::optional<std::string> decoded = PercentDecoded(user);
    if (!decoded) return error("has a '%' without two hexadecimal digits in its user or password");
    proxy.authorization = absl::StrCat("Basic ", absl::Base64Escape(*decoded));
  }
  return proxy;
}

}  // namespace tcsync::base
