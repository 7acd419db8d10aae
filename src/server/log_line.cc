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
    // A status of HTTP is a number in JSON, digit for digit.
    const bool is_number = name == "status" && value.size() == 3 &&
                           value.find_first_not_of("0123456789") == value.npos && value[0] != '0';
    members += Concat({json(name), ":", is_number ? std::string(value) : json(value), ","});
  }
  return Concat({members, "\"message\":", json(message)});
}

}  // namespace tcsync::server
