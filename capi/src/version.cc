// The release, and the features of this build of the library.
#include "base/version.h"

#include <cstring>

#include "tcsync.h"

namespace {

struct Feature {
  const char* name;
  int is_here;
};

// The words that tcsync.h lists.
constexpr Feature kFeatures[] = {
    {"server", TCSYNC_SERVER},
    {"listener", TCSYNC_SERVER},
    {"admin", TCSYNC_SERVER},
    {"monitor", TCSYNC_SERVER},
    {"sealing", 1},
    {"remote", 1},
    {"replica", 1},
    {"tls", 1},
};

}  // namespace

const char* tcsync_version(void) { return tcsync::base::kVersion; }

int32_t tcsync_version_number(void) { return TCSYNC_VERSION_NUMBER; }

int tcsync_has(const char* feature) {
  if (feature == nullptr) return 0;
  for (const Feature& known : kFeatures) {
    if (std::strcmp(known.name, feature) == 0) return known.is_here;
  }
  return 0;
}
