// Every option of the engine, by name and as a struct.
//
// One table (in src/base/options.cc) gives each option's name, type, default, range, environment
// variable and help. The server's flags and --help, the environment, tcsync_config_set of the C ABI
// and docs/options.md all come from it.
#ifndef TCSYNC_OPTIONS_H_
#define TCSYNC_OPTIONS_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "tcsync/log.h"
#include "tcsync/uuid.h"

namespace tcsync {

// The values. A default-constructed Options has every default; 0 in a field that says "derived"
// means: derive it from memory_budget_bytes or from the machine (see src/base/limits.h for the
// arithmetic). Fields are documented in the table, which docs/options.md prints.
struct Options {
  Options();

  std::string data_dir;
  std::string storage;
  std::string postgres_url;  // may have a password: see EffectiveOption
  std::string public_url;
  std::string operator_name;
  std::string operator_contact;
  std::string terms_url;
  std::vector<std::string> listen;
  std::string base_path;
  std::vector<Uuid> allow_client_ids;
  bool create_clients = false;
  bool invite_only = false;
  std::vector<std::string> trusted_proxies;
  int64_t client_requests_per_second = 0;
  int64_t client_requests_burst = 0;
  int64_t address_requests_per_second = 0;
  int64_t address_requests_burst = 0;
  int64_t new_clients_per_address_day = 0;
  int64_t client_bytes_max = 0;
  int64_t client_versions_max = 0;
  int64_t total_bytes_max = 0;
  int64_t disk_free_bytes_min = 0;
  int64_t retention_days = 0;
  int64_t retention_versions = 0;
  int64_t replica_seen_days = 0;
  int64_t idle_client_days = 0;
  int64_t snapshot_versions = 0;
  int64_t snapshot_days = 0;
  int64_t memory_budget_bytes = 0;
  int64_t body_bytes_max = 0;              // derived when 0
  int64_t bodies_in_flight_bytes_max = 0;  // derived when 0
  int64_t memtable_bytes = 0;              // derived when 0
  int64_t block_cache_bytes = 0;           // derived when 0
  int64_t head_cache_bytes = 0;            // derived when 0
  int64_t connections_max = 0;             // derived when 0
  int64_t connection_bytes_max = 0;        // derived when 0
  int64_t event_loops = 0;                 // derived when 0
  int64_t reader_threads = 0;              // derived when 0
  int64_t idle_timeout_ms = 0;
  int64_t header_timeout_ms = 0;
  int64_t body_timeout_ms = 0;
  int64_t request_timeout_ms = 0;
  int64_t transfer_bytes_per_second_min = 0;
  int64_t version_wait_max_ms = 0;
  int64_t disk_wait_max_ms = 0;
  int64_t database_wait_max_ms = 0;
  int64_t shutdown_timeout_ms = 0;
  std::string tls_certificate;
  std::string tls_key;
  std::vector<std::string> metrics_listen;
  bool admin_socket = false;
  std::string log_level;
  std::string log_format;
  std::string log_client_ids;

  // The sources of values other than the defaults, by the option's name: the environment variable,
  // or empty for a value set by SetOption. For people; nothing depends on it.
  std::map<std::string, std::string> sources;
};

enum class OptionType {
  kText,
  kTextList,  // separated by commas
  kUuidList,  // separated by commas
  kBool,      // true, false, yes, no, on, off, 1, 0
  kCount,     // a whole number
  kBytes,  // a whole number of bytes, or with a suffix K, M or G (powers of 1024; "MiB" works too)
  kMilliseconds,
  kDays,
  kChoice,  // one of the words in `choices`
};

// One row of the table. Pointers are to constants that live as long as the process.
struct OptionInfo {
  const char* name;  // words joined by dashes: "data-dir"
  char short_flag;   // the server's one-letter flag, '\0' for none
  OptionType type;
  const char* type_name;     // for people: "bytes", "milliseconds", ...
  const char* default_text;  // as SetOption accepts it
  int64_t minimum;           // for the numeric types; both inclusive
  int64_t maximum;
  const char* choices;      // for kChoice, separated by '|'; otherwise ""
  const char* environment;  // the variable's name
  const char* help;         // one sentence or more
};

// All rows, in the order in which --help shows them.
absl::Span<const OptionInfo> AllOptions();

// Sets one option from text; a list is replaced as a whole. On error `options` is unchanged and the
// InvalidArgument message gives the name, the value and the accepted values.
absl::Status SetOption(absl::string_view name, absl::string_view value, Options& options);

// Sets every option whose environment variable is set and not empty. Stops at the first error.
absl::Status SetOptionsFromEnvironment(Options& options);

// The effective value of one option.
struct EffectiveOption {
  std::string name;
  // As SetOption accepts it; for a derived option, the derived value. Passwords are replaced by
  // "***".
  std::string value;
  enum class Source { kDefault, kDerived, kEnvironment, kSet } source = Source::kDefault;
  std::string variable;  // of the environment, when that is the source
};
// All options, in the table's order. Derived values depend on the machine as well.
std::vector<EffectiveOption> EffectiveOptions(const Options& options);

// options.log_level, which SetOption has checked.
LogLevel LogLevelOf(const Options& options);
// The level that the option calls `name`; nullopt for another word.
std::optional<LogLevel> LogLevelNamed(absl::string_view name);
const char* NameOf(LogLevel level);

}  // namespace tcsync

#endif  // TCSYNC_OPTIONS_H_
