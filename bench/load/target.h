// The server under load, from the URL on the command line.
//
// Only loopback addresses are accepted. A load program pointed at a machine across a network is an
// attack on it. So names are not resolved, and there is no switch to allow it.
#ifndef TCSYNC_BENCH_LOAD_TARGET_H_
#define TCSYNC_BENCH_LOAD_TARGET_H_

#include <boost/asio/ip/tcp.hpp>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace tcsync::load {

struct Target {
  boost::asio::ip::tcp::endpoint endpoint;
  std::string host_header;  // as written in the URL, with the port
  std::string base_path;    // starts with '/' and does not end with it, or is empty
};

// Reads http://HOST[:PORT][/BASE/PATH]. HOST is an address in 127.0.0.0/8, [::1], or localhost,
// which means 127.0.0.1 whatever the machine's resolver says. InvalidArgument, with a message for
// the person who typed the URL, for anything else.
absl::StatusOr<Target> ParseTarget(absl::string_view url);

}  // namespace tcsync::load

#endif  // TCSYNC_BENCH_LOAD_TARGET_H_
