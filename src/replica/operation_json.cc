#include "replica/operation_json.h"

#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "replica/instant.h"
#include "replica/plain_json.h"

namespace tcsync::replica {
namespace {

// Nothing here makes an object or an array of this type: its destructor allocates memory, and ends
// the process when there is none.
using Json = nlohmann::json;

struct Member;

// A value of JSON, as far as the forms need it.
struct Value {
  enum class Kind { kNull, kText, kObject, kArray, kOther };

  Kind kind = Kind::kOther;
  std::string text;             // of a text
  std::vector<Member> members;  // of an object or an array
};

struct Member {
  std::string name;  // in an object
  Value value;
};

// Makes a Value of what is parsed.
class Reader : public nlohmann::json_sax<Json> {
 public:
  Value& value() { return value_; }

  bool null() override { return Add(Value::Kind::kNull); }
  bool boolean(bool) override { return Add(Value::Kind::kOther); }
  bool number_integer(Json::number_integer_t) override { return Add(Value::Kind::kOther); }
  bool number_unsigned(Json::number_unsigned_t) override { return Add(Value::Kind::kOther); }
  bool number_float(Json::number_float_t, const std::string&) override {
    return Add(Value::Kind::kOther);
  }
  bool string(std::string& text) override {
    if (Value* const added = Place(Value::Kind::kText)) added->text = std::move(text);
    return true;
  }
  bool binary(Json::binary_t&) override { return Add(Value::Kind::kOther); }
  bool start_object(size_t) override { return Open(Value::Kind::kObject); }
  bool key(std::string& name) override {
    if (skipped_ == 0) name_ = std::move(name);
    return true;
  }
  bool end_object() override { return Close(); }
  bool start_array(size_t) override { return Open(Value::Kind::kArray); }
  bool end_array() override { return Close(); }
  bool parse_error(size_t, const std::string&, const nlohmann::detail::exception&) override {
    return false;
  }

 private:
  // The properties of an update are this deep in a segment. Whatever is deeper belongs to a field
  // that is unknown, or must be a text; and a value that is a million arrays deep, as an enemy with
  // the secret can send it, would overflow the stack when it is freed.
  static constexpr size_t kDepthMax = 4;

  // The new value, or null within one that is skipped.
  Value* Place(Value::Kind kind) {
    if (skipped_ > 0) return nullptr;
    Value* place = &value_;
    if (!open_.empty()) {
      place = &open_.back()->members.emplace_back().value;
      open_.back()->members.back().name = std::move(name_);
      name_.clear();
    }
    place->kind = kind;
    return place;
  }

  bool Add(Value::Kind kind) {
    Place(kind);
    return true;
  }

  bool Open(Value::Kind kind) {
    const bool is_too_deep = open_.size() == kDepthMax;
    Value* const opened = Place(is_too_deep ? Value::Kind::kOther : kind);
    if (opened == nullptr || is_too_deep) {
      ++skipped_;
    } else {
      open_.push_back(opened);
    }
    return true;
  }

  bool Close() {
    if (skipped_ > 0) {
      --skipped_;
    } else {
      open_.pop_back();
    }
    return true;
  }

  Value value_;
  std::vector<Value*> open_;  // the objects and arrays around the next value
  std::string name_;          // of the next value, in an object
  size_t skipped_ = 0;        // the objects and arrays around it that are skipped
};

// The parser skips a byte order mark, and takes a NUL for the end of the text.
constexpr absl::string_view kByteOrderMark = "\xef\xbb\xbf";

// nullopt for what is not JSON.
std::optional<Value> Parse(absl::string_view json) {
  if (absl::StartsWith(json, kByteOrderMark) || absl::StrContains(json, '\0')) return std::nullopt;
  Reader reader;
  if (!Json::sax_parse(json.begin(), json.end(), &reader)) return std::nullopt;
  return std::move(reader.value());
}

absl::Status NotJson() { return absl::InvalidArgumentError("is not JSON"); }

absl::Status Problem(absl::string_view problem) { return absl::InvalidArgumentError(problem); }

// The member of an object, the last one of several; null if there is none.
Value* Field(Value& object, absl::string_view name) {
  for (auto member = object.members.rbegin(); member != object.members.rend(); ++member) {
    if (member->name == name) return &member->value;
  }
  return nullptr;
}

// Moves the field's text to `text`, which stays nullopt when the field is null or missing. Whether
// it is one of them.
bool TakeOptionalText(Value& object, absl::string_view name, std::optional<std::string>& text) {
  Value* const field = Field(object, name);
  if (field == nullptr || field->kind == Value::Kind::kNull) return true;
  if (field->kind != Value::Kind::kText) return false;
  text = std::move(field->text);
  return true;
}

absl::StatusOr<TaskProperties> TakeProperties(Value& json) {
  if (json.kind != Value::Kind::kObject) return Problem("has a task that is not an object");
  TaskProperties properties;
  for (auto& [name, value] : json.members) {
    if (value.kind != Value::Kind::kText) {
      return Problem("has a task with a value that is not a text");
    }
    properties.insert_or_assign(std::move(name), std::move(value.text));
  }
  return properties;
}

// `is_stored`: in the form of the database.
absl::StatusOr<Operation> TakeOperation(Value& json, bool is_stored) {
  if (is_stored && json.kind == Value::Kind::kText && json.text == "UndoPoint") {
    return Operation::UndoPoint();
  }
  if (json.kind != Value::Kind::kObject || json.members.size() != 1) {
    return Problem("has an operation that is not an object with one name");
  }
  auto& [kind, fields] = json.members.front();
  if (fields.kind != Value::Kind::kObject) return Problem("has an operation without fields");
  std::optional<std::string> id_text;
  if (!TakeOptionalText(fields, "uuid", id_text) || !id_text) {
    return Problem("has an operation without a uuid");
  }
  const std::optional<Uuid> id = Uuid::Parse(*id_text);
  if (!id) return Problem("has an operation with a malformed uuid");

  if (kind == "Create") return Operation::Create(*id);
  if (kind == "Delete") {
    Operation operation = Operation::Delete(*id);
    if (is_stored) {
      Value* const old_task = Field(fields, "old_task");
      if (old_task == nullptr) return Problem("has a deletion without its old_task");
      absl::StatusOr<TaskProperties> properties = TakeProperties(*old_task);
      if (!properties.ok()) return properties.status();
      operation.old_properties = *std::move(properties);
    }
    return operation;
  }
  if (kind != "Update") return Problem("has an operation of an unknown kind");

  Operation operation = Operation::Update(*id, "", std::nullopt, absl::Time());
  std::optional<std::string> property;
  std::optional<std::string> time_text;
  if (!TakeOptionalText(fields, "property", property) || !property) {
    return Problem("has an update without a property");
  }
  if (!TakeOptionalText(fields, "value", operation.value) ||
      (is_stored && !TakeOptionalText(fields, "old_value", operation.old_value))) {
    return Problem("has an update with a value that is not a text");
  }
  if (!TakeOptionalText(fields, "timestamp", time_text) || !time_text) {
    return Problem("has an update without a timestamp");
  }
  const std::optional<absl::Time> time = ParseInstant(*time_text);
  if (!time) return Problem("has an update with a malformed timestamp");
  operation.property = *std::move(property);
  operation.time = *time;
  return operation;
}

void AppendQuotedOrNull(const std::optional<std::string>& text, std::string& json) {
  if (text) {
    AppendQuoted(*text, json);
  } else {
    json += "null";
  }
}

void Append(const TaskProperties& properties, std::string& json) {
  json += '{';
  bool is_first = true;
  for (const auto& [name, value] : properties) {
    if (!std::exchange(is_first, false)) json += ',';
    AppendQuoted(name, json);
    json += ':';
    AppendQuoted(value, json);
  }
  json += '}';
}

std::string Format(const Operation& operation, bool is_stored) {
  const std::string id = absl::StrCat("\"uuid\":\"", operation.task_id.ToString(), "\"");
  std::string json;
  switch (operation.kind) {
    case Operation::Kind::kUndoPoint:
      return "\"UndoPoint\"";
    case Operation::Kind::kCreate:
      return absl::StrCat("{\"Create\":{", id, "}}");
    case Operation::Kind::kDelete:
      if (!is_stored) return absl::StrCat("{\"Delete\":{", id, "}}");
      json = "{\"Delete\":{\"old_task\":";
      Append(operation.old_properties, json);
      absl::StrAppend(&json, ",", id, "}}");
      return json;
    case Operation::Kind::kUpdate:
      break;
  }
  json = "{\"Update\":{";
  if (is_stored) {
    json += "\"old_value\":";
    AppendQuotedOrNull(operation.old_value, json);
    json += ',';
  }
  json += "\"property\":";
  AppendQuoted(operation.property, json);
  absl::StrAppend(&json, ",\"timestamp\":\"", FormatInstant(operation.time), "\",", id,
                  ",\"value\":");
  AppendQuotedOrNull(operation.value, json);
  json += "}}";
  return json;
}

}  // namespace

absl::StatusOr<std::vector<Operation>> ParseSegment(absl::string_view json) {
  if (std::optional<std::vector<Operation>> plain = ReadPlainSegment(json))
    return *std::move(plain);
  std::optional<Value> segment = Parse(json);
  if (!segment) return NotJson();
  if (segment->kind != Value::Kind::kObject) return Problem("is not an object");
  Value* const list = Field(*segment, "operations");
  if (list == nullptr || list->kind != Value::Kind::kArray) {
    return Problem("has no list of operations");
  }
  std::vector<Operation> operations;
  operations.reserve(list->members.size());
  for (Member& item : list->members) {
    absl::StatusOr<Operation> operation = TakeOperation(item.value, /*is_stored=*/false);
    if (!operation.ok()) return operation.status();
    operations.push_back(*std::move(operation));
  }
  return operations;
}

std::string FormatSentOperation(const Operation& operation) {
  return Format(operation, /*is_stored=*/false);
}

absl::StatusOr<Operation> ParseStoredOperation(absl::string_view json) {
  if (std::optional<Operation> plain = ReadPlainStoredOperation(json)) return *std::move(plain);
  std::optional<Value> parsed = Parse(json);
  if (!parsed) return NotJson();
  return TakeOperation(*parsed, /*is_stored=*/true);
}

std::string FormatStoredOperation(const Operation& operation) {
  return Format(operation, /*is_stored=*/true);
}

absl::StatusOr<TaskProperties> ParseProperties(absl::string_view json) {
  if (std::optional<TaskProperties> plain = ReadPlainProperties(json)) return *std::move(plain);
  std::optional<Value> parsed = Parse(json);
  if (!parsed) return NotJson();
  return TakeProperties(*parsed);
}

std::string FormatProperties(const TaskProperties& properties) {
  std::string json;
  Append(properties, json);
  return json;
}

absl::StatusOr<std::vector<Task>> ParseTasks(absl::string_view json) {
  std::optional<Value> parsed = Parse(json);
  if (!parsed) return NotJson();
  if (parsed->kind != Value::Kind::kObject) return Problem("is not an object");
  std::vector<Task> tasks;
  tasks.reserve(parsed->members.size());
  for (auto& [id_text, fields] : parsed->members) {
    const std::optional<Uuid> id = Uuid::Parse(id_text);
    if (!id) return Problem("has a task with a malformed uuid");
    absl::StatusOr<TaskProperties> properties = TakeProperties(fields);
    if (!properties.ok()) return properties.status();
    tasks.push_back({*id, *std::move(properties)});
  }
  return tasks;
}

std::string FormatTasks(const std::vector<Task>& tasks) {
  std::string json = "{";
  for (const Task& task : tasks) {
    absl::StrAppend(&json, json.size() > 1 ? "," : "", "\"", task.task_id.ToString(), "\":");
    Append(task.properties, json);
  }
  json += '}';
  return json;
}

}  // namespace tcsync::replica
