// Operations and tasks as JSON, in the three forms that TaskChampion has:
//
//   a history segment, unsealed   {"operations":[OPERATION, ...]}
//   an operation in a segment     {"Create":{"uuid":ID}}
//                                 {"Update":{"uuid":ID,"property":TEXT,"value":TEXT or
//                                 null,"timestamp":RFC 3339}}
//                                 {"Delete":{"uuid":ID}}
//   an operation in the database  the same with "old_value" in an Update and "old_task":{NAME:TEXT}
//                                 in a Delete; "UndoPoint"
//   a task in the database        {NAME:TEXT, ...}
//
// Unknown fields are ignored, and a missing value is null, as TaskChampion has it. Every text that
// is formatted must be UTF-8.
#ifndef TCSYNC_SRC_REPLICA_OPERATION_JSON_H_
#define TCSYNC_SRC_REPLICA_OPERATION_JSON_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "tcsync/replica.h"

namespace tcsync::replica {

// kInvalidArgument, with a problem that completes "the version ...", for anything else. The message
// repeats none of the text, which is the user's.
absl::StatusOr<std::vector<Operation>> ParseSegment(absl::string_view json);

// A segment is this, the operations of FormatSentOperation with commas between them, and the end.
inline constexpr absl::string_view kSegmentBegin = "{\"operations\":[";
inline constexpr absl::string_view kSegmentEnd = "]}";

// Without what only an undo needs. `operation` is no undo point.
std::string FormatSentOperation(const Operation& operation);

absl::StatusOr<Operation> ParseStoredOperation(absl::string_view json);
std::string FormatStoredOperation(const Operation& operation);

absl::StatusOr<TaskProperties> ParseProperties(absl::string_view json);
std::string FormatProperties(const TaskProperties& properties);

// The tasks of a snapshot: {ID:{NAME:TEXT, ...}, ...}
absl::StatusOr<std::vector<Task>> ParseTasks(absl::string_view json);
std::string FormatTasks(const std::vector<Task>& tasks);

}  // namespace tcsync::replica

#endif  // TCSYNC_SRC_REPLICA_OPERATION_JSON_H_
