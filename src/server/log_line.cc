#include "server/log_line.h"

#include <charconv>
#include <system_error>

#include "nlohmann/json.hpp"

namespace tcsync::server {

std::string JsonMembers(const LogFields& fields, std::string_view message) {
  nlohmann::ordered_json object = nlohmann::ordered_json::object();
  for (const auto& [name, value] : fields) {
    nlohmann::ordered_json& member = object[std::string(name)];
    member = value;
    if (name != "status") continue;
    int status = 0;
    const char* const end = value.data() + value.size();
    if (const auto [read, error] = std::from_chars(value.data(), end, status);
        error == std::errc() && read == end) {
      member = status;
    }
  }
  object["message"] = message;
  const std::string text =
      object.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  return text.substr(1, text.size() - 2);  // without its braces
}

}  // namespace tcsync::server
