// The parameters of a request, which may be in the query of its target or in a JSON object that is
// its body. A parameter that is unknown or has another type is refused with a sentence that gives
// its name and value.
#ifndef TCSYNC_SRC_ADMIN_FIELDS_H_
#define TCSYNC_SRC_ADMIN_FIELDS_H_

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "admin/json.h"
#include "tcsync/options.h"
#include "tcsync/uuid.h"

namespace tcsync::admin {

// Decodes the percent encoding of a part of a path (RFC 3986, section 2.1); nullopt if malformed.
std::optional<std::string> PercentDecoded(absl::string_view text);

// One thread at a time. Read every possible parameter, then Check().
class Fields {
 public:
  // Adds the members of an object as parameters. `query` has the form "a=1&b=2".
  absl::Status AddQuery(absl::string_view query);
  absl::Status AddBody(absl::string_view body);
  absl::Status AddObject(const Json& object);

  // nullopt when it is absent or of another type; Check() tells the two apart.
  std::optional<std::string> Text(absl::string_view name);
  std::optional<uint64_t> Count(absl::string_view name, uint64_t maximum);
  std::optional<Uuid> Id(absl::string_view name);
  // An absolute one: a relative path has no meaning in another process.
  std::optional<std::string> Path(absl::string_view name);
  // Objects, each of which Fields of its own read and check; at most `count_max`.
  std::vector<Json> Objects(absl::string_view name, size_t count_max);
  // False if absent.
  bool Flag(absl::string_view name);
  // An operator's words, which are shown on terminals: one line, without control characters. Empty
  // if absent.
  std::string Words(absl::string_view name);

  // The same for a required parameter.
  std::string RequiredText(absl::string_view name) { return Required(name, Text(name)); }
  std::string RequiredPath(absl::string_view name) { return Required(name, Path(name)); }
  Uuid RequiredId(absl::string_view name) { return Required(name, Id(name)); }
  uint64_t RequiredCount(absl::string_view name, uint64_t maximum) {
    return Required(name, Count(name, maximum));
  }
  LogLevel RequiredLogLevel(absl::string_view name);

  // Records a mistake in the content of a parameter.
  void RefuseContent(absl::string_view sentence);

  // kInvalidArgument with the first mistake in the form of a parameter, also for one that was never
  // read, or else with the first one in the content.
  absl::Status Check() const;

 private:
  // The parameter, which then counts as read.
  const Json* Find(absl::string_view name);
  void Refuse(absl::string_view name, const Json& value, absl::string_view expected);
  template <typename Value>
  Value Required(absl::string_view name, std::optional<Value> value) {
    if (Find(name) == nullptr && error_.ok()) {
      error_ = absl::InvalidArgumentError(absl::StrCat("'", name, "' is missing."));
    }
    return std::move(value).value_or(Value());
  }

  Json values_ = Json::object();
  std::set<std::string, std::less<>> known_;
  absl::Status error_;  // the first mistake in the form
  absl::Status content_error_;
};

}  // namespace tcsync::admin

#endif  // TCSYNC_SRC_ADMIN_FIELDS_H_
