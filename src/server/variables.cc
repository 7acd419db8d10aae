// The check of this process's own environment (environment_check.h).
#include <strings.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "server/concat.h"
#include "server/environment_check.h"
#include "server/option_table.h"
#include "server/owned_handles.h"

extern char** environ;

namespace tcsync::server {
namespace {

constexpr std::string_view kPrefix = "TCSYNC_";
// The one variable with our prefix that is not an option's: the Python package's.
constexpr std::string_view kOthers[] = {"TCSYNC_LIBRARY"};

}  // namespace

std::vector<std::string> CheckVariables() {
  std::vector<OptionVariable> known;
  for (const tcsync_option& option : AllOptions())
    known.push_back({option.environment, option.name});
  std::vector<std::string> unknown;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const std::string name(text.substr(0, text.find('=')));
    if (strncasecmp(name.c_str(), kPrefix.data(), kPrefix.size()) != 0) continue;
    const bool is_known =
        std::any_of(known.begin(), known.end(),
                    [&](const OptionVariable& variable) { return variable.variable == name; });
    if (is_known || std::find(std::begin(kOthers), std::end(kOthers), name) != std::end(kOthers)) {
      continue;
    }
    const std::string meant = MeantVariable(name, known);
    if (!meant.empty()) {
      throw Failure(kExitUsage,
                    Concat({"the environment variable ", name, " sets nothing; ", meant,
                            " is probably meant. Rename it, or unset it (unset ", name, ")"}));
    }
    unknown.push_back(name);
  }
  std::sort(unknown.begin(), unknown.end());
  return unknown;
}

std::string UnknownVariableText(const std::string& variable) {
  return Concat({"the environment variable ", variable,
                 " sets nothing: no option has it (tcsync-server --help lists them all)"});
}

}  // namespace tcsync::server
