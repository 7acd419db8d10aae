// The JSON of operation_json.h as programs write it: without space, with its fields once each, in
// any order. That is nearly all JSON that a replica reads, and a parser for only that takes a
// fifth of the time. The texts of syncs with a long history are tens of megabytes.
//
// Each reader gives nullopt for everything else, be it valid or not: then the parser of the whole
// of JSON decides. So it must not give anything that the other would not.
#ifndef TCSYNC_SRC_REPLICA_PLAIN_JSON_H_
#define TCSYNC_SRC_REPLICA_PLAIN_JSON_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "tcsync/replica.h"

namespace tcsync::replica {

std::optional<std::vector<Operation>> ReadPlainSegment(absl::string_view json);
std::optional<Operation> ReadPlainStoredOperation(absl::string_view json);
std::optional<TaskProperties> ReadPlainProperties(absl::string_view json);

// Appends a JSON string. `text` is UTF-8.
void AppendQuoted(absl::string_view text, std::string& json);

}  // namespace tcsync::replica

#endif  // TCSYNC_SRC_REPLICA_PLAIN_JSON_H_
