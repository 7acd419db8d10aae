#include "server/configuration.h"

#include <cstdlib>
#include <string>
#include <string_view>

#include "server/concat.h"
#include "server/environment_check.h"
#include "server/option_table.h"

namespace tcsync::server {

Config MakeConfig(const Settings& flags) {
  static_cast<void>(CheckVariables());
  tcsync_config* raw = nullptr;
  Call(tcsync_config_new, &raw);
  Config config(raw);
  for (const tcsync_option& option : AllOptions()) {
    if (flags.contains(option.name)) unsetenv(option.environment);
  }
  Call(tcsync_config_set_from_environment, config.get());
  for (const auto& [name, value] : flags) {
    Call(tcsync_config_set, config.get(), name.c_str(), value.c_str());
  }
  return config;
}

std::string EffectiveText(const Settings& flags, std::string_view name) {
  for (const tcsync_option& option : AllOptions()) {
    if (name != option.name) continue;
    const auto flag = flags.find(option.name);
    if (flag != flags.end()) return flag->second;
    const char* const variable = std::getenv(option.environment);
    if (variable != nullptr && *variable != '\0') return variable;
    return option.default_text;
  }
  throw Failure(kExitFailure, Concat({"the library has no option ", name}));
}

}  // namespace tcsync::server
