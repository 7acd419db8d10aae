// The engine's log: one function of the host receives its records.
//
// The engine opens no log file and writes to no stream by itself. A record has a sentence for
// people, which names the fault, the value and the remedy, and fields for programs. Neither ever
// contains a secret or a token. Clients appear in the field `client` alone, by their pseudonyms
// unless the option log-client-ids says otherwise.
#ifndef TCSYNC_LOG_H_
#define TCSYNC_LOG_H_

#include <functional>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace tcsync {

enum class LogLevel { kDebug = 0, kInfo = 1, kWarning = 2, kError = 3 };

struct LogField {
  absl::string_view name;   // lower-case letters and underscores
  absl::string_view value;  // printable characters without a space, at least one
};

// One record, borrowed for the call that takes it.
struct LogRecord {
  LogLevel level = LogLevel::kInfo;
  // One line of UTF-8 without control characters.
  absl::string_view message;
  // The applicable ones of these, in this order: `status` (of HTTP), `reason` (of a refusal;
  // src/access/refusal.cc lists them), `endpoint`, `client`, `version` (a version ID), `source`
  // (the network address that a limit refused, and nothing else). Later releases may add fields,
  // and keep the meaning of these.
  absl::Span<const LogField> fields = {};
};

// The record as one line, for logs of text: the fields, separated by spaces, then a colon, a space
// and the message.
//
//   status=429 reason=client-rate endpoint=add-version client=client-1a2b3c4d5e6f: This client ...
std::string ToText(const LogRecord& record);

// Receives one record. Called from any thread of the engine, from several at once; must not block
// for long and must not call the engine.
using LogFunction = std::function<void(const LogRecord& record)>;

}  // namespace tcsync

#endif  // TCSYNC_LOG_H_
