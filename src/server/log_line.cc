#include "server/log_line.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include "nlohmann/json.hpp"

namespace tcsync::server {
namespace {

using Json = nlohmann::ordered_json;

// Longer numbers, which no field has, stay text: they would lose digits.
constexpr size_t kNumberDigitsMax = 15;

bool IsFieldName(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(),
                                      [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; });
}

bool IsNumber(std::string_view text) {
  return !text.empty() && text.size() <= kNumberDigitsMax &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// Adds the fields to `object`; the sentence behind them. A message without fields is all sentence.
std::string_view TakeFields(std::string_view message, Json& object) {
  Json fields = Json::object();
  std::string_view rest = message;
  while (true) {
    const size_t space = rest.find(' ');
    std::string_view field = rest.substr(0, space);
    const size_t equals = field.find('=');
    if (space == std::string_view::npos || equals == std::string_view::npos ||
        !IsFieldName(field.substr(0, equals))) {
      return message;
    }
    rest.remove_prefix(space + 1);
    const bool is_last = field.back() == ':';
    if (is_last) field.remove_suffix(1);
    const std::string name(field.substr(0, equals));
    const std::string value(field.substr(equals + 1));
    if (IsNumber(value)) {
      fields[name] = std::stoll(value);
    } else {
      fields[name] = value;
    }
    if (!is_last) continue;
    object.update(fields);
    return rest;
  }
}

}  // namespace

std::string JsonMembers(std::string_view message) {
  Json object = Json::object();
  const std::string_view sentence = TakeFields(message, object);
  object["message"] = std::string(sentence);
  const std::string text = object.dump(-1, ' ', false, Json::error_handler_t::replace);
  return text.substr(1, text.size() - 2);  // without its braces
}

}  // namespace tcsync::server
