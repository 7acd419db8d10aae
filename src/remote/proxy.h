// The selection of a connection's proxy.
#ifndef TCSYNC_SRC_REMOTE_PROXY_H_
#define TCSYNC_SRC_REMOTE_PROXY_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/server_url.h"

namespace tcsync::remote {

// The proxy for `server` in the environment: https_proxy or HTTPS_PROXY for https; http_proxy for
// http, in lower case only, because a CGI program's HTTP_PROXY is a header of its caller's; none if
// no_proxy or NO_PROXY exempts the server. nullopt: no proxy. InvalidArgument, with the name of the
// variable, for an unusable proxy.
absl::StatusOr<std::optional<base::ProxyUrl>> ProxyFromEnvironment(const base::ServerUrl& server);

// Whether `no_proxy`, items separated by commas or spaces, exempts the host: "*" all; a name itself
// and everything below it, with or without a dot in front; an address; or a network such as
// 10.0.0.0/8. A port behind a name or an address limits the item to that port.
bool IsExemptFromProxy(absl::string_view no_proxy, absl::string_view host, uint16_t port);

}  // namespace tcsync::remote

#endif  // TCSYNC_SRC_REMOTE_PROXY_H_
