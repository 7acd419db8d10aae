#include "server/log_line.h"

#include "nlohmann/json.hpp"
#include "server/concat.h"

namespace tcsync::server {

std::string JsonMembers(const LogFields& fields, std::string_view message) {
  const auto json = [](std::string_view text) {
    return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  };
  std::string members;
  for (const auto& [name, value] : fields) {
    // The digits of a status are a number in JSON as they are.
    const std::string text = name == "status" ? std::string(value) : json(value);
    members += Concat({json(name), ":", text, ","});
  }
  return Concat({members, "\"message\":", json(message)});
}

}  // namespace tcsync::server
