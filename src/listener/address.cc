#include "listener/address.h"

#include <sys/un.h>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/foreign_text.h"

namespace tcsync::listener {
namespace {

absl::Status Invalid(absl::string_view why) { return absl::InvalidArgumentError(why); }

absl::StatusOr<ListenAddress> Parse(absl::string_view text) {
  absl::string_view rest = text;
  if (absl::ConsumePrefix(&rest, "unix:")) {
    if (rest.empty()) return Invalid("names no path");
    // The system keeps the path in a small array, with a NUL behind it.
    constexpr size_t kPathBytesMax = sizeof(sockaddr_un::sun_path) - 1;
    if (rest.size() > kPathBytesMax) {
      return Invalid(absl::StrCat("has a path of ", rest.size(), " bytes, longer than the ",
                                  kPathBytesMax,
                                  " that the system takes: a symbolic link to its directory, with "
                                  "a shorter name, helps"));
    }
    return UnixAddress{std::string(rest)};
  }
  if (const size_t scheme = text.find("://"); scheme != absl::string_view::npos) {
    // A URL is for clients; the message names the address that it probably stands for.
    absl::string_view authority = text.substr(scheme + 3);
    const bool has_user = absl::StrContains(authority, "@");
    authority = authority.substr(0, authority.find_first_of("/?#"));
    const absl::string_view name = text.substr(0, scheme);
    if (has_user || authority.empty()) return Invalid("is a URL, and not an address");
    const bool has_port = absl::StrContains(authority.substr(authority.rfind(']') + 1), ":");
    return Invalid(
        absl::StrCat("is a URL, and not an address; ", authority,
                     has_port ? "" : (name == "https" ? ":443" : ":80"), " is probably meant",
                     name == "https" ? " (TLS is served with tls-cert and tls-key)" : ""));
  }
  if (absl::StrContains(text, "/")) {
    if (absl::StartsWith(text, "/") || absl::StartsWith(text, ".")) {
      return Invalid(absl::StrCat("is a path; unix:", text, " is probably meant"));
    }
    return Invalid("has a path behind it: the option base-path is for that");
  }
  const size_t colon = text.rfind(':');
  if (colon == absl::string_view::npos) {
    int number = 0;
    if (absl::SimpleAtoi(text, &number)) {
      return Invalid(absl::StrCat("has no host; for all addresses of this machine it is 0.0.0.0:",
                                  text, " or [::]:", text));
    }
    return Invalid("has no port");
  }
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
  return absl::InvalidArgumentError(absl::StrCat(
      "option ", option, ": '", base::ShowForeign(text), "' ", address.status().message(),
      "; use HOST:PORT, [IPV6]:PORT or unix:PATH, such as 127.0.0.1:8080"));
}

}  // namespace tcsync::listener
