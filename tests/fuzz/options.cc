// Options as people type them: a refused value changes nothing and is named; every accepted set has
// limits that make sense.
#include "tcsync/options.h"

#include <string>

#include "absl/strings/match.h"
#include "access/access_control.h"
#include "base/limits.h"
#include "tests/fuzz/target.h"

namespace tcsync::fuzz {
namespace {

void CheckLimits(const Options& options) {
  const base::Limits limits(options);
  Expect(limits.body_bytes_max > 0, "some body is accepted");
  Expect(limits.bodies_in_flight_bytes_max >= int64_t{base::kPieceBytesMax} ||
             options.bodies_in_flight_bytes_max != 0,
         "a body that is accepted has room, piece by piece");
  Expect(limits.connections_max > 0, "some connection is served");
  Expect(limits.event_loops > 0 && limits.reader_threads > 0, "some thread serves");
  static_cast<void>(access::AccessPolicy::From(options));
}

}  // namespace
}  // namespace tcsync::fuzz

// Lines of NAME=VALUE, one after the other on one set of options.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tcsync;
  Options options;
  for (fuzz::Input input(data, size); !input.empty();) {
    const absl::string_view text = input.TakeUntil("\n");
    const size_t equals = text.find('=');
    const absl::string_view name = text.substr(0, equals);
    const absl::string_view value =
        equals == absl::string_view::npos ? absl::string_view() : text.substr(equals + 1);
    const absl::Status status = SetOption(name, value, options);
    if (status.ok()) continue;
    fuzz::Expect(!status.message().empty(), "a refusal says why");
    const auto infos = AllOptions();
    for (const OptionInfo& info : infos) {
      if (name == info.name) {
        fuzz::Expect(absl::StrContains(status.message(), name), "a refusal names its option");
      }
    }
  }
  fuzz::CheckLimits(options);
  static_cast<void>(LogLevelOf(options));
  return 0;
}
