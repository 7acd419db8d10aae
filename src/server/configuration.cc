#include "server/configuration.h"

#include <cstdlib>
#include <string>
#include <string_view>

#include "server/concat.h"
#include "server/environment_check.h"
#include "server/option_table.h"
#include "server/owned_handles.h"

namespace tcsync::server {
namespace {

// Everyone on the machine can read a command line. The library shows an option without passwords,
// so a value that it shows as another one has a password.
void RefusePassword(const tcsync_config* config, const std::string& url) {
  tcsync_bytes* raw = nullptr;
  Call(tcsync_config_get, config, "postgres-url", &raw);
  const Bytes shown(raw);
  if (std::string_view(tcsync_bytes_data(shown.get()), tcsync_bytes_size(shown.get())) == url) {
    return;
  }
  throw Failure(kExitUsage,
                "--postgres-url: it has a password, which everyone on this machine can read on a "
                "command line, or it is no connection string. Change a password that was given "
                "here; have it in the environment variable TCSYNC_POSTGRES_URL, in the file that "
                "PGPASSFILE names, or in a service file");
}

}  // namespace

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
  const auto database = flags.find("postgres-url");
  if (database != flags.end()) RefusePassword(config.get(), database->second);
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
