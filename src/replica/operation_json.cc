#include "replica/operation_json.h"

#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "replica/instant.h"

namespace tcsync::replica {
namespace {

// The plain form and not ordered_json: freeing one of the latter that is a million arrays deep
// overflows the stack.
using Json = nlohmann::json;

Json Parse(absl::string_view json) {
  return Json::parse(json.begin(), json.end(), nullptr, /*allow_exceptions=*/false);
}

absl::Status NotJson() { return absl::InvalidArgumentError("is not JSON"); }

absl::Status Problem(absl::string_view problem) { return absl::InvalidArgumentError(problem); }

const Json* Field(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found == object.end() ? nullptr : &*found;
}

// Sets `value` to the field's text, or to nullopt when it is null or missing. Whether it is one of
// them.
bool ReadOptionalText(const Json& object, const char* name, std::optional<std::string>& value) {
  const Json* field = Field(object, name);
  if (field == nullptr || field->is_null()) return true;
  if (!field->is_string()) return false;
  value = field->get_ref<const std::string&>();
  return true;
}

absl::StatusOr<TaskProperties> PropertiesOf(const Json& json) {
  if (!json.is_object()) return Problem("has a task that is not an object");
  TaskProperties properties;
  for (const auto& [name, value] : json.items()) {
    if (!value.is_string()) return Problem("has a task with a value that is not a text");
    properties.emplace(name, value.get_ref<const std::string&>());
  }
  return properties;
}

// `is_stored`: in the form of the database.
absl::StatusOr<Operation> OperationOf(const Json& json, bool is_stored) {
  if (is_stored && json.is_string() && json.get_ref<const std::string&>() == "UndoPoint") {
    return Operation::UndoPoint();
  }
  if (!json.is_object() || json.size() != 1) {
    return Problem("has an operation that is not an object with one name");
  }
  const std::string& kind = json.begin().key();
  const Json& fields = *json.begin();
  if (!fields.is_object()) return Problem("has an operation without fields");
  std::optional<std::string> id_text;
  if (!ReadOptionalText(fields, "uuid", id_text) || !id_text) {
    return Problem("has an operation without a uuid");
  }
  const std::optional<Uuid> id = Uuid::Parse(*id_text);
  if (!id) return Problem("has an operation with a malformed uuid");

  if (kind == "Create") return Operation::Create(*id);
  if (kind == "Delete") {
    Operation operation = Operation::Delete(*id);
    if (is_stored) {
      const Json* old_task = Field(fields, "old_task");
      if (old_task == nullptr) return Problem("has a deletion without its old_task");
      absl::StatusOr<TaskProperties> properties = PropertiesOf(*old_task);
      if (!properties.ok()) return properties.status();
      operation.old_properties = *std::move(properties);
    }
    return operation;
  }
  if (kind != "Update") return Problem("has an operation of an unknown kind");

  Operation operation = Operation::Update(*id, "", std::nullopt, absl::Time());
  std::optional<std::string> property;
  std::optional<std::string> time_text;
  if (!ReadOptionalText(fields, "property", property) || !property) {
    return Problem("has an update without a property");
  }
  if (!ReadOptionalText(fields, "value", operation.value) ||
      (is_stored && !ReadOptionalText(fields, "old_value", operation.old_value))) {
    return Problem("has an update with a value that is not a text");
  }
  if (!ReadOptionalText(fields, "timestamp", time_text) || !time_text) {
    return Problem("has an update without a timestamp");
  }
  const std::optional<absl::Time> time = ParseInstant(*time_text);
  if (!time) return Problem("has an update with a malformed timestamp");
  operation.property = *std::move(property);
  operation.time = *time;
  return operation;
}

Json ToJson(const std::optional<std::string>& text) { return text ? Json(*text) : Json(nullptr); }

Json ToJson(const Operation& operation, bool is_stored) {
  Json fields = {{"uuid", operation.task_id.ToString()}};
  switch (operation.kind) {
    case Operation::Kind::kUndoPoint:
      return "UndoPoint";
    case Operation::Kind::kCreate:
      return {{"Create", std::move(fields)}};
    case Operation::Kind::kDelete:
      if (is_stored) {
        Json& old_task = fields["old_task"] = Json::object();
        for (const auto& [name, value] : operation.old_properties) old_task[name] = value;
      }
      return {{"Delete", std::move(fields)}};
    case Operation::Kind::kUpdate:
      break;
  }
  fields["property"] = operation.property;
  fields["value"] = ToJson(operation.value);
  fields["timestamp"] = FormatInstant(operation.time);
  if (is_stored) fields["old_value"] = ToJson(operation.old_value);
  return {{"Update", std::move(fields)}};
}

Json ToJson(const TaskProperties& properties) {
  Json object = Json::object();
  for (const auto& [name, value] : properties) object[name] = value;
  return object;
}

}  // namespace

absl::StatusOr<std::vector<Operation>> ParseSegment(absl::string_view json) {
  const Json segment = Parse(json);
  if (segment.is_discarded()) return NotJson();
  if (!segment.is_object()) return Problem("is not an object");
  const Json* list = Field(segment, "operations");
  if (list == nullptr || !list->is_array()) return Problem("has no list of operations");
  std::vector<Operation> operations;
  operations.reserve(list->size());
  for (const Json& item : *list) {
    absl::StatusOr<Operation> operation = OperationOf(item, /*is_stored=*/false);
    if (!operation.ok()) return operation.status();
    operations.push_back(*std::move(operation));
  }
  return operations;
}

std::string FormatSentOperation(const Operation& operation) {
  return ToJson(operation, /*is_stored=*/false).dump();
}

absl::StatusOr<Operation> ParseStoredOperation(absl::string_view json) {
  const Json parsed = Parse(json);
  if (parsed.is_discarded()) return NotJson();
  return OperationOf(parsed, /*is_stored=*/true);
}

std::string FormatStoredOperation(const Operation& operation) {
  return ToJson(operation, /*is_stored=*/true).dump();
}

absl::StatusOr<TaskProperties> ParseProperties(absl::string_view json) {
  const Json parsed = Parse(json);
  if (parsed.is_discarded()) return NotJson();
  return PropertiesOf(parsed);
}

std::string FormatProperties(const TaskProperties& properties) { return ToJson(properties).dump(); }

absl::StatusOr<std::vector<Task>> ParseTasks(absl::string_view json) {
  const Json parsed = Parse(json);
  if (parsed.is_discarded()) return NotJson();
  if (!parsed.is_object()) return Problem("is not an object");
  std::vector<Task> tasks;
  tasks.reserve(parsed.size());
  for (const auto& [id_text, fields] : parsed.items()) {
    const std::optional<Uuid> id = Uuid::Parse(id_text);
    if (!id) return Problem("has a task with a malformed uuid");
    absl::StatusOr<TaskProperties> properties = PropertiesOf(fields);
    if (!properties.ok()) return properties.status();
    tasks.push_back({*id, *std::move(properties)});
  }
  return tasks;
}

std::string FormatTasks(const std::vector<Task>& tasks) {
  std::string json = "{";
  for (const Task& task : tasks) {
    absl::StrAppend(&json, json.size() > 1 ? "," : "", "\"", task.task_id.ToString(),
                    "\":", FormatProperties(task.properties));
  }
  json += '}';
  return json;
}

}  // namespace tcsync::replica
