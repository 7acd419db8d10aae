// The URLs of sync servers and of proxies, split into their parts.
#ifndef TCSYNC_SRC_BASE_SERVER_URL_H_
#define TCSYNC_SRC_BASE_SERVER_URL_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace tcsync::base {

struct ServerUrl {
  bool uses_tls = false;
  std::string host;  // in lower case; an IPv6 address without its brackets
  uint16_t port = 0;
  std::string base_path;  // "" or "/some/path", without a slash at its end

  bool HostIsAddress() const;
  // "host:port", an IPv6 address in brackets.
  std::string HostAndPort() const;
  // The value of the Host header: without the port when it is the scheme's default.
  std::string HostHeader() const;
  // "https://host", and the port when it is not the scheme's default.
  std::string Origin() const;
};

// A sync server: http or https, host, optionally port and base path. Otherwise InvalidArgument with
// a sentence, which does not repeat a possible password.
absl::StatusOr<ServerUrl> ParseServerUrl(absl::string_view text);

// The same, where its sentences begin with `subject` instead of "the server URL 'TEXT'".
absl::StatusOr<ServerUrl> ParseServerUrl(absl::string_view text, absl::string_view subject);

struct ProxyUrl {
  std::string host;
  uint16_t port = 0;
  std::string authorization;  // the value of Proxy-Authorization, or ""

  // "host:port", an IPv6 address in brackets. Without the password.
  std::string HostAndPort() const;
};

// An HTTP proxy: "[http://][user:password@]host[:port]", the port 80 unless given, user and
// password percent-encoded. InvalidArgument otherwise, likewise.
absl::StatusOr<ProxyUrl> ParseProxyUrl(absl::string_view text);

}  // namespace tcsync::base

#endif  // TCSYNC_SRC_BASE_SERVER_URL_H_
