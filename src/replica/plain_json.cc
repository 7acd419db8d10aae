#include "replica/plain_json.h"

#include <cstddef>
#include <utility>

#include "absl/strings/match.h"
#include "base/utf8.h"
#include "replica/instant.h"

namespace tcsync::replica {
namespace {

// Whether the character stands for itself in a JSON string.
bool IsPlain(char character) {
  return static_cast<unsigned char>(character) >= 0x20 && character != '"' && character != '\\';
}

// Takes one piece after the other from the front of a text, which is UTF-8. Whatever is not there
// gives false, and leaves the text anywhere.
class Taker {
 public:
  explicit Taker(absl::string_view text) : text_(text) {}

  bool is_at_end() const { return text_.empty(); }

  bool Take(absl::string_view piece) {
    if (!absl::StartsWith(text_, piece)) return false;
    text_.remove_prefix(piece.size());
    return true;
  }

  // A string without escapes, borrowed from the text.
  bool TakeName(absl::string_view& name) {
    if (!Take("\"")) return false;
    name = text_.substr(0, PlainLength());
    text_.remove_prefix(name.size());
    return Take("\"");
  }

  bool TakeString(std::string& value) {
    value.clear();
    if (!Take("\"")) return false;
    while (true) {
      const size_t length = PlainLength();
      value.append(text_.data(), length);
      text_.remove_prefix(length);
      if (Take("\"")) return true;
      if (text_.size() < 2 || text_[0] != '\\' || !AppendEscaped(text_[1], value)) return false;
      text_.remove_prefix(2);
    }
  }

  bool TakeStringOrNull(std::optional<std::string>& value) {
    if (Take("null")) {
      value.reset();
      return true;
    }
    return TakeString(value.emplace());
  }

 private:
  size_t PlainLength() const {
    size_t length = 0;
    while (length < text_.size() && IsPlain(text_[length])) ++length;
    return length;
  }

  // False for a character by its number, too.
  static bool AppendEscaped(char escape, std::string& value) {
    switch (escape) {
      case '"':
      case '\\':
      case '/':
        value += escape;
        return true;
      case 'n':
        value += '\n';
        return true;
      case 't':
        value += '\t';
        return true;
      default:
        return false;
    }
  }

  absl::string_view text_;
};

// The fields of an operation, up to and with the brace that closes them.
bool TakeFields(Taker& taker, bool is_stored, Operation& operation) {
  bool has_id = false;
  bool has_property = false;
  bool has_value = false;
  bool has_old_value = false;
  bool has_time = false;
  const bool is_update = operation.kind == Operation::Kind::kUpdate;
  absl::string_view name;
  do {
    if (!taker.TakeName(name) || !taker.Take(":")) return false;
    if (name == "uuid" && !std::exchange(has_id, true)) {
      absl::string_view text;
      if (!taker.TakeName(text)) return false;
      const std::optional<Uuid> id = Uuid::Parse(text);
      if (!id) return false;
      operation.task_id = *id;
    } else if (!is_update) {
      return false;
    } else if (name == "property" && !std::exchange(has_property, true)) {
      if (!taker.TakeString(operation.property)) return false;
    } else if (name == "value" && !std::exchange(has_value, true)) {
      if (!taker.TakeStringOrNull(operation.value)) return false;
    } else if (name == "old_value" && is_stored && !std::exchange(has_old_value, true)) {
      if (!taker.TakeStringOrNull(operation.old_value)) return false;
    } else if (name == "timestamp" && !std::exchange(has_time, true)) {
      absl::string_view text;
      if (!taker.TakeName(text)) return false;
      const std::optional<absl::Time> time = ParseInstant(text);
      if (!time) return false;
      operation.time = *time;
    } else {
      return false;
    }
  } while (taker.Take(","));
  return taker.Take("}") && has_id && (!is_update || (has_property && has_time));
}

bool TakeOperation(Taker& taker, bool is_stored, Operation& operation) {
  if (taker.Take("{\"Update\":{")) {
    operation.kind = Operation::Kind::kUpdate;
  } else if (taker.Take("{\"Create\":{")) {
    operation.kind = Operation::Kind::kCreate;
  } else if (!is_stored && taker.Take("{\"Delete\":{")) {
    operation.kind = Operation::Kind::kDelete;
  } else {
    return false;
  }
  return TakeFields(taker, is_stored, operation) && taker.Take("}");
}

}  // namespace

std::optional<std::vector<Operation>> ReadPlainSegment(absl::string_view json) {
  if (!base::IsUtf8(json)) return std::nullopt;
  Taker taker(json);
  if (!taker.Take("{\"operations\":[")) return std::nullopt;
  std::vector<Operation> operations;
  do {
    if (!TakeOperation(taker, /*is_stored=*/false, operations.emplace_back())) return std::nullopt;
  } while (taker.Take(","));
  if (!taker.Take("]}") || !taker.is_at_end()) return std::nullopt;
  return operations;
}

std::optional<Operation> ReadPlainStoredOperation(absl::string_view json) {
  if (!base::IsUtf8(json)) return std::nullopt;
  Taker taker(json);
  Operation operation;
  if (!TakeOperation(taker, /*is_stored=*/true, operation) || !taker.is_at_end()) {
    return std::nullopt;
  }
  return operation;
}

std::optional<TaskProperties> ReadPlainProperties(absl::string_view json) {
  if (!base::IsUtf8(json)) return std::nullopt;
  Taker taker(json);
  TaskProperties properties;
  if (!taker.Take("{")) return std::nullopt;
  std::string name;
  do {
    std::string value;
    if (!taker.TakeString(name) || !taker.Take(":") || !taker.TakeString(value)) {
      return std::nullopt;
    }
    // They are nearly always in order; of a name that is there twice, the last counts.
    properties.insert_or_assign(properties.end(), std::move(name), std::move(value));
  } while (taker.Take(","));
  if (!taker.Take("}") || !taker.is_at_end()) return std::nullopt;
  return properties;
}

void AppendQuoted(absl::string_view text, std::string& json) {
  constexpr char kHexDigits[] = "0123456789abcdef";
  json += '"';
  size_t begin = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const char character = text[i];
    if (IsPlain(character)) continue;
    json.append(text.data() + begin, i - begin);
    begin = i + 1;
    switch (character) {
      case '"':
      case '\\':
        json += {'\\', character};
        break;
      case '\b':
        json += "\\b";
        break;
      case '\f':
        json += "\\f";
        break;
      case '\n':
        json += "\\n";
        break;
      case '\r':
        json += "\\r";
        break;
      case '\t':
        json += "\\t";
        break;
      default: {
        const auto code = static_cast<unsigned char>(character);
        json += {'\\', 'u', '0', '0', kHexDigits[code >> 4], kHexDigits[code & 0xf]};
      }
    }
  }
  json.append(text.data() + begin, text.size() - begin);
  json += '"';
}

}  // namespace tcsync::replica
