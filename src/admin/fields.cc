#include "admin/fields.h"

#include <algorithm>
#include <filesystem>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "base/limits.h"

namespace tcsync::admin {
namespace {

// The length up to which an error shows a wrong value.
constexpr size_t kShownBytesMax = 100;

std::string Shown(const Json& value) {
  std::string text = ToText(value);
  if (text.size() > kShownBytesMax) {
    size_t end = kShownBytesMax;
    while (end > 0 && (text[end] & 0xc0) == 0x80) --end;  // not within a UTF-8 character
    text.resize(end);
    text += "...";
  }
  return text;
}

}  // namespace

std::optional<std::string> PercentDecoded(absl::string_view text) {
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += text[i];
      continue;
    }
    uint32_t code = 0;
    if (i + 2 >= text.size() || !absl::ascii_isxdigit(text[i + 1]) ||
        !absl::SimpleHexAtoi(text.substr(i + 1, 2), &code)) {
      return std::nullopt;
    }
    decoded += static_cast<char>(code);
    i += 2;
  }
  return decoded;
}

absl::Status Fields::AddQuery(absl::string_view query) {
  // In a query, a plus sign is a space.
  const auto decoded = [](absl::string_view text) {
    return PercentDecoded(absl::StrReplaceAll(text, {{"+", " "}}));
  };
  for (const absl::string_view pair : absl::StrSplit(query, '&', absl::SkipEmpty())) {
    const std::pair<absl::string_view, absl::string_view> parts =
        absl::StrSplit(pair, absl::MaxSplits('=', 1));
    const std::optional<std::string> name = decoded(parts.first);
    const std::optional<std::string> value = decoded(parts.second);
    if (!name || !value) {
      return absl::InvalidArgumentError(
          absl::StrCat("The query has '", pair, "', which is not NAME=VALUE in percent coding."));
    }
    if (const absl::Status status = AddObject(Json{{*name, *value}}); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status Fields::AddBody(absl::string_view body) {
  if (absl::StripAsciiWhitespace(body).empty()) return absl::OkStatus();
  const Json object = Json::parse(body, nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) {
    return absl::InvalidArgumentError("The request body is not one JSON object.");
  }
  return AddObject(object);
}

absl::Status Fields::AddObject(const Json& object) {
  for (const auto& [name, value] : object.items()) {
    if (values_.contains(name)) {
      return absl::InvalidArgumentError(absl::StrCat("'", name, "' is given twice."));
    }
    values_[name] = value;
  }
  return absl::OkStatus();
}

const Json* Fields::Find(absl::string_view name) {
  const std::string key(name);
  known_.insert(key);
  const auto found = values_.find(key);
  // null means absent, which saves programs a case.
  return found == values_.end() || found->is_null() ? nullptr : &*found;
}

void Fields::Refuse(absl::string_view name, const Json& value, absl::string_view expected) {
  if (!error_.ok()) return;
  error_ = absl::InvalidArgumentError(
      absl::StrCat("'", name, "' is ", Shown(value), ", which is not ", expected, "."));
}

void Fields::RefuseContent(absl::string_view sentence) {
  if (content_error_.ok()) content_error_ = absl::InvalidArgumentError(sentence);
}

std::optional<std::string> Fields::Text(absl::string_view name) {
  const Json* const value = Find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_string()) {
    Refuse(name, *value, "a text");
    return std::nullopt;
  }
  return value->get<std::string>();
}

std::optional<uint64_t> Fields::Count(absl::string_view name, uint64_t maximum) {
  const Json* const value = Find(name);
  if (value == nullptr) return std::nullopt;
  uint64_t count = 0;
  // In a query every value is text.
  const bool is_count = value->is_string()
                            ? absl::SimpleAtoi(value->get_ref<const std::string&>(), &count)
                            : value->is_number_unsigned();
  if (value->is_number_unsigned()) count = value->get<uint64_t>();
  if (!is_count || count > maximum) {
    Refuse(name, *value, absl::StrCat("a whole number from 0 to ", maximum));
    return std::nullopt;
  }
  return count;
}

bool Fields::Flag(absl::string_view name) {
  const Json* const value = Find(name);
  if (value == nullptr || *value == false || *value == "false") return false;
  if (*value == true || *value == "true") return true;
  Refuse(name, *value, "true or false");
  return false;
}

std::optional<Uuid> Fields::Id(absl::string_view name) {
  const Json* const value = Find(name);
  if (value == nullptr) return std::nullopt;
  std::optional<Uuid> id;
  if (value->is_string()) id = Uuid::Parse(value->get_ref<const std::string&>());
  if (!id) Refuse(name, *value, "a UUID like 123e4567-e89b-42d3-a456-426614174000");
  return id;
}

std::optional<std::string> Fields::Path(absl::string_view name) {
  std::optional<std::string> path = Text(name);
  if (path && !std::filesystem::path(*path).is_absolute()) {
    Refuse(name, *path, "an absolute path");
  }
  return path;
}

std::vector<Json> Fields::Objects(absl::string_view name, size_t count_max) {
  const Json* const value = Find(name);
  if (value == nullptr) return {};
  const bool is_list =
      value->is_array() && value->size() <= count_max &&
      std::all_of(value->begin(), value->end(), [](const Json& item) { return item.is_object(); });
  if (!is_list) {
    Refuse(name, *value, absl::StrCat("a list of at most ", count_max, " JSON objects"));
    return {};
  }
  return value->get<std::vector<Json>>();
}

std::string Fields::Words(absl::string_view name) {
  std::string text = Text(name).value_or("");
  const bool has_control = std::any_of(text.begin(), text.end(), [](char character) {
    return absl::ascii_iscntrl(static_cast<unsigned char>(character));
  });
  if (error_.ok() && (text.size() > base::kAdminTextBytesMax || has_control)) {
    error_ = absl::InvalidArgumentError(absl::StrCat("'", name, "' must be one line of at most ",
                                                     base::kAdminTextBytesMax,
                                                     " bytes without control characters."));
  }
  return text;
}

LogLevel Fields::RequiredLogLevel(absl::string_view name) {
  const std::string text = RequiredText(name);
  const std::optional<LogLevel> level = LogLevelNamed(text);
  if (!level) {
    RefuseContent(absl::StrCat(
        "'", text, "' is no level of the log; there are debug, info, warning and error."));
  }
  return level.value_or(LogLevel::kInfo);
}

absl::Status Fields::Check() const {
  if (!error_.ok()) return error_;
  for (const auto& [name, value] : values_.items()) {
    if (known_.contains(name)) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("There is no parameter '", name, "' here; ",
                     known_.empty() ? "there is none"
                                    : absl::StrCat("there may be ", absl::StrJoin(known_, ", ")),
                     "."));
  }
  return content_error_;
}

}  // namespace tcsync::admin
