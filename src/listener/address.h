// Addresses to listen on, as a person writes them: HOST:PORT, [IPV6]:PORT or unix:PATH.
#ifndef TCSYNC_SRC_LISTENER_ADDRESS_H_
#define TCSYNC_SRC_LISTENER_ADDRESS_H_

#include <string>
#include <variant>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace tcsync::listener {

struct TcpAddress {
  std::string host;  // a name or an address, without brackets
  std::string port;  // a number from 0 to 65535
};
struct UnixAddress {
  std::string path;
  bool owner_only = false;  // only the owner may connect
};
using ListenAddress = std::variant<TcpAddress, UnixAddress>;

// kInvalidArgument, naming `text` and the option that it comes from, for anything else. Names are
// not resolved here.
absl::StatusOr<ListenAddress> ParseListenAddress(absl::string_view text, absl::string_view option);

}  // namespace tcsync::listener

#endif  // TCSYNC_SRC_LISTENER_ADDRESS_H_
