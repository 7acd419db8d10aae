// Which proxy a connection goes through.
#ifndef TCSYNC_SRC_REMOTE_PROXY_H_
#define TCSYNC_SRC_REMOTE_PROXY_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "remote/server_url.h"

namespace tcsync::remote {

// What the environment says for `server`: https_proxy or HTTPS_PROXY for https; http_proxy for
// http, in lower case only, because a CGI program's HTTP_PROXY is a header of its caller's; nothing
// where no_proxy or NO_PROXY exempts the server. nullopt: no proxy. InvalidArgument, naming the
// variable, for a proxy that cannot be used.
absl::StatusOr<std::optional<ProxyUrl>> ProxyFromEnvironment(const ServerUrl& server);

// Whether `no_proxy`, items separated by commas or spaces, exempts the host: "*" all; a name itself
// and everything below it, with or without a dot in front; an address; or a network such as
// 10.0.0.0/8. A name or address may have a port behind it, and then counts for that port only.
bool IsExemptFromProxy(absl::string_view no_proxy, absl::string_view host, uint16_t port);

}  // namespace tcsync::remote

#endif  // TCSYNC_SRC_REMOTE_PROXY_H_
