#include "replicas/connect.h"

#include <utility>
#include <variant>

#include "absl/status/status.h"

namespace tcsync::bench {

absl::StatusOr<std::unique_ptr<Connected>> Connect(const std::string& url, const Uuid& client_id,
                                                   const std::string& secret) {
  absl::StatusOr<SealingKey> key = SealingKey::Derive(client_id, secret);
  if (!key.ok()) return key.status();
  std::unique_ptr<Connected> connected(new Connected{*std::move(key), nullptr});
  RemoteServerOptions options;
  options.proxy = "";  // It is on this machine.
  auto opened = RemoteServer::Open(url, client_id, &connected->key, options);
  if (const auto* error = std::get_if<RemoteError>(&opened)) {
    return absl::InvalidArgumentError(error->message);
  }
  connected->server = std::get<std::unique_ptr<RemoteServer>>(std::move(opened));
  return connected;
}

}  // namespace tcsync::bench
