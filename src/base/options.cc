// The one table of every option, and the parsing of values by type.
#include "tcsync/options.h"

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/connection_string.h"
#include "base/foreign_text.h"
#include "base/limits.h"

namespace tcsync {
namespace {

// The place of a row's value.
using Field = std::variant<std::string Options::*, std::vector<std::string> Options::*,
                           std::vector<Uuid> Options::*, bool Options::*, int64_t Options::*>;

struct Row {
  OptionInfo info;
  Field field;
};

constexpr int64_t kNoLimit = std::numeric_limits<int64_t>::max();

// clang-format off
constexpr Row kRows[] = {
    {{"listen", 'l', OptionType::kTextList, "addresses", "127.0.0.1:8080", 0, 0, "", "LISTEN",
      "Addresses to serve: HOST:PORT, [IPV6]:PORT or unix:PATH. Port 0 picks a free one."},
     &Options::listen},
    {{"data-dir", 'd', OptionType::kText, "path", "data", 0, 0, "", "DATA_DIR",
      "The directory that holds all data; with storage=postgres it has only admin.sock. Created if it does not exist, for its owner only."},
     &Options::data_dir},
    {{"allow-client-id", 'C', OptionType::kUuidList, "UUIDs", "", 0, 0, "", "CLIENT_ID",
      "Serve only these client IDs; any other gets 403. Without this option, every client is served."},
     &Options::allow_client_ids},
    {{"create-clients", '\0', OptionType::kBool, "boolean", "true", 0, 0, "", "CREATE_CLIENTS",
      "Create a client at its first add-version. When off, an unknown client gets 404."},
     &Options::create_clients},
    {{"invite-only", '\0', OptionType::kBool, "boolean", "false", 0, 0, "", "TCSYNC_INVITE_ONLY",
      "Create a client only for an invite: a path in the server's URL, which tcsync-server invites create prints."},
     &Options::invite_only},
    {{"trusted-proxy", '\0', OptionType::kTextList, "networks", "", 0, 0, "", "TCSYNC_TRUSTED_PROXY",
      "Networks of proxies, such as 10.0.0.0/8 or fd00::/8, or unix, whose X-Forwarded-For names the source of a request; or fly, for Fly's proxy and its Fly-Client-IP. From any other peer these headers are ignored."},
     &Options::trusted_proxies},
    {{"client-requests-per-second", '\0', OptionType::kCount, "count", "100", 0, 1'000'000, "", "TCSYNC_CLIENT_REQUESTS_PER_SECOND",
      "Sustained rate of requests per client; beyond its burst a client gets 429. 0: no limit."},
     &Options::client_requests_per_second},
    {{"client-requests-burst", '\0', OptionType::kCount, "count", "20000", 1, 100'000'000, "", "TCSYNC_CLIENT_REQUESTS_BURST",
      "Requests that a client may make at once, as a new computer does when it fetches a long history."},
     &Options::client_requests_burst},
    {{"address-requests-per-second", '\0', OptionType::kCount, "count", "200", 0, 1'000'000, "", "TCSYNC_ADDRESS_REQUESTS_PER_SECOND",
      "Sustained rate of requests per source address (IPv6: per /64); beyond its burst an address gets 429. 0: no limit."},
     &Options::address_requests_per_second},
    {{"address-requests-burst", '\0', OptionType::kCount, "count", "40000", 1, 100'000'000, "", "TCSYNC_ADDRESS_REQUESTS_BURST",
      "Requests that a source address may make at once."},
     &Options::address_requests_burst},
    {{"new-clients-per-address-day", '\0', OptionType::kCount, "count", "50", 0, 1'000'000, "", "TCSYNC_NEW_CLIENTS_PER_ADDRESS_DAY",
      "New clients per source address (IPv6: per /64): a burst of this many, refilled over each day; beyond it a new client gets 429. 0: no limit."},
     &Options::new_clients_per_address_day},
    {{"client-bytes-max", '\0', OptionType::kBytes, "bytes", "256M", 0, kNoLimit, "", "TCSYNC_CLIENT_BYTES_MAX",
      "Stored bytes per client, history and snapshot; beyond it the client's writes get 507. 0: no limit."},
     &Options::client_bytes_max},
    {{"client-versions-max", '\0', OptionType::kCount, "count", "1000000", 0, kNoLimit, "", "TCSYNC_CLIENT_VERSIONS_MAX",
      "Stored versions per client; beyond it a further one gets 507. 0: no limit."},
     &Options::client_versions_max},
    {{"total-bytes-max", '\0', OptionType::kBytes, "bytes", "0", 0, kNoLimit, "", "TCSYNC_TOTAL_BYTES_MAX",
      "Stored bytes of all clients together: histories, snapshots and an allowance for each record, whatever their size on the disk. Beyond it writes get 507, and reads continue. 0: no limit."},
     &Options::total_bytes_max},
    {{"disk-free-bytes-min", '\0', OptionType::kBytes, "bytes", "64M", 0, kNoLimit, "", "TCSYNC_DISK_FREE_BYTES_MIN",
      "Free disk space below which writes get 507, and reads continue, so that the database has room for compaction. 0: no minimum."},
     &Options::disk_free_bytes_min},
    {{"retention-days", '\0', OptionType::kDays, "days", "180", 0, 36'500, "", "TCSYNC_RETENTION_DAYS",
      "Remove a version once it is this many days older than its client's snapshot. 0: never."},
     &Options::retention_days},
    {{"retention-versions", '\0', OptionType::kCount, "count", "100", 0, kNoLimit, "", "TCSYNC_RETENTION_VERSIONS",
      "Versions before the snapshot that are kept regardless of their age."},
     &Options::retention_versions},
    {{"replica-seen-days", '\0', OptionType::kDays, "days", "180", 1, 36'500, "", "TCSYNC_REPLICA_SEEN_DAYS",
      "Keep every version from the position of any replica seen within this many days."},
     &Options::replica_seen_days},
    {{"idle-client-days", '\0', OptionType::kDays, "days", "0", 0, 36'500, "", "TCSYNC_IDLE_CLIENT_DAYS",
      "Remove a client with all its data once no replica of it has been seen for this many days. 0: never."},
     &Options::idle_client_days},
    {{"snapshot-versions", '\0', OptionType::kCount, "count", "100", 1, 1'000'000, "", "SNAPSHOT_VERSIONS",
      "Request a snapshot after this many versions without one; urgently after 1.5 times as many."},
     &Options::snapshot_versions},
    {{"snapshot-days", '\0', OptionType::kDays, "days", "14", 1, 36'500, "", "SNAPSHOT_DAYS",
      "Request a snapshot when the last one is this many days old; urgently at 1.5 times the age."},
     &Options::snapshot_days},
    {{"base-path", '\0', OptionType::kText, "path", "", 0, 0, "", "TCSYNC_BASE_PATH",
      "Serve under this path, such as /tasks, instead of at the root."},
     &Options::base_path},
    {{"storage", '\0', OptionType::kChoice, "choice", "rocksdb", 0, 0, "rocksdb|postgres|memory", "TCSYNC_STORAGE",
      "The storage backend: rocksdb keeps all data in data-dir; postgres in the database of postgres-url; memory loses all data at the end of the process, for trials and tests."},
     &Options::storage},
    {{"postgres-url", '\0', OptionType::kText, "text", "", 0, 0, "", "TCSYNC_POSTGRES_URL",
      "The database for storage=postgres: a URI or keywords as PostgreSQL's libpq takes them, with all hosts of a cluster. Missing parts come from libpq's variables, such as PGSERVICE and PGPASSFILE. A password belongs into this variable or PGPASSFILE, not on a command line."},
     &Options::postgres_url},
    {{"public-url", '\0', OptionType::kText, "text", "", 0, 0, "", "TCSYNC_PUBLIC_URL",
      "The URL by which users reach this server, such as https://sync.example.org, for the setup command on the page that browsers get at /. Without it the page asks its reader to copy the address."},
     &Options::public_url},
    {{"operator-name", '\0', OptionType::kText, "text", "", 0, 0, "", "TCSYNC_OPERATOR_NAME",
      "The name of the person or the group that runs this server, for that page."},
     &Options::operator_name},
    {{"operator-contact", '\0', OptionType::kText, "text", "", 0, 0, "", "TCSYNC_OPERATOR_CONTACT",
      "A mail address, or an https:// URL, at which the operator can be reached, for that page."},
     &Options::operator_contact},
    {{"terms-url", '\0', OptionType::kText, "text", "", 0, 0, "", "TCSYNC_TERMS_URL",
      "The http:// or https:// URL of the terms of use, for that page."},
     &Options::terms_url},
    {{"memory-budget", '\0', OptionType::kBytes, "bytes", "128M", base::kMemoryBudgetBytesMin, kNoLimit, "", "TCSYNC_MEMORY_BUDGET",
      "Approximate memory of the engine. The limits below are derived from it; each can be set separately."},
     &Options::memory_budget_bytes},
    {{"body-bytes-max", '\0', OptionType::kBytes, "bytes", "0", 0, base::kBodyBytesCeiling, "", "TCSYNC_BODY_BYTES_MAX",
      "The largest request body, after decompression; a larger one gets 413. Large bodies pass in pieces, so the memory budget does not bound them. 0: 100M."},
     &Options::body_bytes_max},
    {{"bodies-in-flight-bytes-max", '\0', OptionType::kBytes, "bytes", "0", 0, kNoLimit, "", "TCSYNC_BODIES_IN_FLIGHT_BYTES_MAX",
      "All request and response bodies in memory at one time; beyond it requests get 503. 0: three eighths of the memory budget."},
     &Options::bodies_in_flight_bytes_max},
    {{"memtable-bytes", '\0', OptionType::kBytes, "bytes", "0", 0, kNoLimit, "", "TCSYNC_MEMTABLE_BYTES",
      "The size at which RocksDB writes a memtable to disk. 0: a sixteenth of the memory budget."},
     &Options::memtable_bytes},
    {{"block-cache-bytes", '\0', OptionType::kBytes, "bytes", "0", 0, kNoLimit, "", "TCSYNC_BLOCK_CACHE_BYTES",
      "RocksDB's cache of blocks, indexes and filters. 0: an eighth of the memory budget."},
     &Options::block_cache_bytes},
    {{"head-cache-bytes", '\0', OptionType::kBytes, "bytes", "0", 0, kNoLimit, "", "TCSYNC_HEAD_CACHE_BYTES",
      "The cache of clients' latest versions. 0: a sixteenth of the memory budget."},
     &Options::head_cache_bytes},
    {{"connections-max", '\0', OptionType::kCount, "count", "0", 0, 1'000'000, "", "TCSYNC_CONNECTIONS_MAX",
      "Concurrent connections. At the limit the address with the most connections loses one to a new connection, the longest idle one first; if none can go, the new one gets 503. 0: one for each 32K of the memory budget, within the limit on open files."},
     &Options::connections_max},
    {{"connection-bytes-max", '\0', OptionType::kBytes, "bytes", "0", 0, kNoLimit, "", "TCSYNC_CONNECTION_BYTES_MAX",
      "Memory of all connections, here and in the kernel, for buffers, TLS and unread responses; beyond it the address with the most loses connections. 0: three sixteenths of the memory budget."},
     &Options::connection_bytes_max},
    {{"event-loops", '\0', OptionType::kCount, "count", "0", 0, 64, "", "TCSYNC_EVENT_LOOPS",
      "Threads that serve connections. 0: one for each core, at most 4."},
     &Options::event_loops},
    {{"reader-threads", '\0', OptionType::kCount, "count", "0", 0, 256, "", "TCSYNC_READER_THREADS",
      "Threads for reads that memory cannot answer. 0: 4."},
     &Options::reader_threads},
    {{"idle-timeout", '\0', OptionType::kMilliseconds, "milliseconds", "75000", 1, base::kTimeoutMsMax, "", "TCSYNC_IDLE_TIMEOUT",
      "Time limit for a connection between requests."},
     &Options::idle_timeout_ms},
    {{"header-timeout", '\0', OptionType::kMilliseconds, "milliseconds", "10000", 1, base::kTimeoutMsMax, "", "TCSYNC_HEADER_TIMEOUT",
      "Time limit for a request's head, from its first byte."},
     &Options::header_timeout_ms},
    {{"body-timeout", '\0', OptionType::kMilliseconds, "milliseconds", "30000", 1, base::kTimeoutMsMax, "", "TCSYNC_BODY_TIMEOUT",
      "Time limit for a body being received, or a response being sent, to make progress."},
     &Options::body_timeout_ms},
    {{"request-timeout", '\0', OptionType::kMilliseconds, "milliseconds", "300000", 1, base::kTimeoutMsMax, "", "TCSYNC_REQUEST_TIMEOUT",
      "Time limit for a whole request, from its first byte to the last byte of the response, in addition to the time that its bytes take at transfer-bytes-per-second-min."},
     &Options::request_timeout_ms},
    {{"transfer-bytes-per-second-min", '\0', OptionType::kBytes, "bytes", "2K", 0, 1 << 30, "", "TCSYNC_TRANSFER_BYTES_PER_SECOND_MIN",
      "Minimum rate of a body being received or a response being sent. A slower one is ended once it is body-timeout behind; one that keeps the rate may exceed request-timeout. 0: no minimum."},
     &Options::transfer_bytes_per_second_min},
    {{"version-wait-max", '\0', OptionType::kMilliseconds, "milliseconds", "300000", 0, base::kTimeoutMsMax, "", "TCSYNC_VERSION_WAIT_MAX",
      "Longest time for which a client's request may wait for the client's next version, if it asks for that (Prefer: wait). Each such request keeps its connection, which makes room for others as an idle one does. 0: none waits."},
     &Options::version_wait_max_ms},
    {{"disk-wait-max", '\0', OptionType::kMilliseconds, "milliseconds", "1000", 1, base::kTimeoutMsMax, "", "TCSYNC_DISK_WAIT_MAX",
      "Longest wait for the disk, of queued writes or of reads that memory cannot answer. Beyond it a new one gets 503 at once, and queued ones are still served."},
     &Options::disk_wait_max_ms},
    {{"database-wait-max", '\0', OptionType::kMilliseconds, "milliseconds", "5000", 100, base::kTimeoutMsMax, "", "TCSYNC_DATABASE_WAIT_MAX",
      "Longest wait of a request for PostgreSQL, while another of its servers takes over for example. Beyond it the request gets 503."},
     &Options::database_wait_max_ms},
    {{"shutdown-timeout", '\0', OptionType::kMilliseconds, "milliseconds", "10000", 0, base::kTimeoutMsMax, "", "TCSYNC_SHUTDOWN_TIMEOUT",
      "Time limit at shutdown for the requests in flight."},
     &Options::shutdown_timeout_ms},
    {{"tls-cert", '\0', OptionType::kText, "path", "", 0, 0, "", "TCSYNC_TLS_CERT",
      "PEM file with the certificate and its chain: serve TLS with it on every TCP address of listen. Reloaded on SIGHUP."},
     &Options::tls_certificate},
    {{"tls-key", '\0', OptionType::kText, "path", "", 0, 0, "", "TCSYNC_TLS_KEY",
      "PEM file with the private key of the certificate. Reloaded on SIGHUP."},
     &Options::tls_key},
    {{"metrics-listen", '\0', OptionType::kTextList, "addresses", "", 0, 0, "", "TCSYNC_METRICS_LISTEN",
      "Addresses, in the form of listen, that serve /metrics for Prometheus, apart from clients. They serve /health as well, as the clients' addresses always do. Without this option, metrics are not served."},
     &Options::metrics_listen},
    {{"admin-socket", '\0', OptionType::kBool, "boolean", "true", 0, 0, "", "TCSYNC_ADMIN_SOCKET",
      "While serving, accept administration requests on admin.sock in the data directory, from its owner only."},
     &Options::admin_socket},
    {{"log-level", '\0', OptionType::kChoice, "choice", "info", 0, 0, "debug|info|warning|error", "TCSYNC_LOG_LEVEL",
      "The least severe messages to log."},
     &Options::log_level},
    {{"log-format", '\0', OptionType::kChoice, "choice", "text", 0, 0, "text|json", "TCSYNC_LOG_FORMAT",
      "Log lines as text for people, or as one JSON object per line for programs."},
     &Options::log_format},
    {{"log-client-ids", '\0', OptionType::kChoice, "choice", "pseudonym", 0, 0, "pseudonym|full", "TCSYNC_LOG_CLIENT_IDS",
      "Form of client IDs in the log. A pseudonym stays the same for a client in this data directory, and does not reveal its ID."},
     &Options::log_client_ids},
};
// clang-format on

absl::Status Invalid(const OptionInfo& info, absl::string_view value, absl::string_view expected) {
  return absl::InvalidArgumentError(
      absl::StrCat("option ", info.name, ": '", base::ShowForeign(value), "' is not ", expected));
}

std::vector<absl::string_view> SplitList(absl::string_view value) {
  std::vector<absl::string_view> items;
  for (absl::string_view item : absl::StrSplit(value, ',')) {
    item = absl::StripAsciiWhitespace(item);
    if (!item.empty()) items.push_back(item);
  }
  return items;
}

std::optional<bool> ParseBool(absl::string_view value) {
  bool result = false;
  if (absl::EqualsIgnoreCase(value, "on")) return true;
  if (absl::EqualsIgnoreCase(value, "off")) return false;
  if (absl::SimpleAtob(value, &result)) return result;
  return std::nullopt;
}

// A whole number, for kBytes with an optional suffix. nullopt when it is malformed or does not fit.
std::optional<int64_t> ParseNumber(OptionType type, absl::string_view value) {
  int64_t unit = 1;
  if (type == OptionType::kBytes && !value.empty() && !absl::ascii_isdigit(value.back())) {
    std::string upper = absl::AsciiStrToUpper(value);
    absl::string_view digits = upper;
    if (!absl::ConsumeSuffix(&digits, "IB")) absl::ConsumeSuffix(&digits, "B");
    if (absl::ConsumeSuffix(&digits, "K")) {
      unit = int64_t{1} << 10;
    } else if (absl::ConsumeSuffix(&digits, "M")) {
      unit = int64_t{1} << 20;
    } else if (absl::ConsumeSuffix(&digits, "G")) {
      unit = int64_t{1} << 30;
    }
    value = value.substr(0, digits.size());
  }
  int64_t number = 0;
  if (!absl::SimpleAtoi(value, &number)) return std::nullopt;
  if (number < 0 || number > kNoLimit / unit) return std::nullopt;
  return number * unit;
}

std::string NumberExpectation(const OptionInfo& info) {
  const absl::string_view unit = info.type == OptionType::kCount ? "" : info.type_name;
  std::string expected = absl::StrCat("a whole number", unit.empty() ? "" : " of ", unit,
                                      " of at least ", info.minimum);
  if (info.maximum != kNoLimit) absl::StrAppend(&expected, " and at most ", info.maximum);
  return expected;
}

absl::Status SetRow(const Row& row, absl::string_view value, Options& options) {
  const OptionInfo& info = row.info;
  switch (info.type) {
    case OptionType::kText:
      options.*std::get<std::string Options::*>(row.field) = std::string(value);
      return absl::OkStatus();
    case OptionType::kTextList: {
      std::vector<std::string> list;
      for (const absl::string_view item : SplitList(value)) list.emplace_back(item);
      options.*std::get<std::vector<std::string> Options::*>(row.field) = std::move(list);
      return absl::OkStatus();
    }
    case OptionType::kUuidList: {
      std::vector<Uuid> list;
      for (const absl::string_view item : SplitList(value)) {
        const std::optional<Uuid> uuid = Uuid::Parse(item);
        if (!uuid) {
          return Invalid(info, item,
                         absl::StrCat("a UUID like 123e4567-e89b-42d3-a456-426614174000 (number ",
                                      list.size() + 1, " of the list)"));
        }
        list.push_back(*uuid);
      }
      options.*std::get<std::vector<Uuid> Options::*>(row.field) = std::move(list);
      return absl::OkStatus();
    }
    case OptionType::kBool: {
      const std::optional<bool> flag = ParseBool(value);
      if (!flag) return Invalid(info, value, "true or false");
      options.*std::get<bool Options::*>(row.field) = *flag;
      return absl::OkStatus();
    }
    case OptionType::kCount:
    case OptionType::kBytes:
    case OptionType::kMilliseconds:
    case OptionType::kDays: {
      const std::optional<int64_t> number = ParseNumber(info.type, value);
      if (!number || *number < info.minimum || *number > info.maximum) {
        return Invalid(info, value, NumberExpectation(info));
      }
      options.*std::get<int64_t Options::*>(row.field) = *number;
      return absl::OkStatus();
    }
    case OptionType::kChoice:
      for (const absl::string_view choice : absl::StrSplit(info.choices, '|')) {
        if (choice != value) continue;
        options.*std::get<std::string Options::*>(row.field) = std::string(value);
        return absl::OkStatus();
      }
      return Invalid(info, value, absl::StrCat("one of ", info.choices));
  }
  return absl::InternalError("an option type without a parser");
}

// The value in the form in which SetRow takes it.
std::string TextOf(const Row& row, const Options& options) {
  if (const auto* text = std::get_if<std::string Options::*>(&row.field)) return options.**text;
  if (const auto* list = std::get_if<std::vector<std::string> Options::*>(&row.field)) {
    return absl::StrJoin(options.**list, ",");
  }
  if (const auto* ids = std::get_if<std::vector<Uuid> Options::*>(&row.field)) {
    return absl::StrJoin(options.**ids, ",",
                         [](std::string* out, const Uuid& id) { out->append(id.ToString()); });
  }
  if (const auto* flag = std::get_if<bool Options::*>(&row.field)) {
    return options.**flag ? "true" : "false";
  }
  return absl::StrCat(options.*std::get<int64_t Options::*>(row.field));
}

}  // namespace

Options::Options() {
  for (const Row& row : kRows) {
    // A default that its own row refuses is a mistake in the table; a test sets every one of them.
    SetRow(row, row.info.default_text, *this).IgnoreError();
  }
}

absl::Span<const OptionInfo> AllOptions() {
  static const std::vector<OptionInfo>* const infos = [] {
    auto* list = new std::vector<OptionInfo>;
    for (const Row& row : kRows) list->push_back(row.info);
    return list;
  }();
  return *infos;
}

absl::Status SetOption(absl::string_view name, absl::string_view value, Options& options) {
  for (const Row& row : kRows) {
    if (name != row.info.name) continue;
    absl::Status status = SetRow(row, value, options);
    if (status.ok()) options.sources[row.info.name] = "";
    return status;
  }
  const std::string known = absl::StrJoin(
      AllOptions(), ", ", [](std::string* out, const OptionInfo& info) { out->append(info.name); });
  return absl::InvalidArgumentError(
      absl::StrCat("there is no option '", name, "'; the options are ", known));
}

std::optional<LogLevel> LogLevelNamed(absl::string_view name) {
  if (name == "debug") return LogLevel::kDebug;
  if (name == "info") return LogLevel::kInfo;
  if (name == "warning") return LogLevel::kWarning;
  if (name == "error") return LogLevel::kError;
  return std::nullopt;
}

const char* NameOf(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarning:
      return "warning";
    case LogLevel::kError:
      break;
  }
  return "error";
}

LogLevel LogLevelOf(const Options& options) {
  return LogLevelNamed(options.log_level).value_or(LogLevel::kInfo);
}

std::vector<EffectiveOption> EffectiveOptions(const Options& options) {
  const base::Limits limits(options);
  const std::pair<int64_t Options::*, int64_t> derived[] = {
      {&Options::body_bytes_max, static_cast<int64_t>(limits.body_bytes_max)},
      {&Options::bodies_in_flight_bytes_max,
       static_cast<int64_t>(limits.bodies_in_flight_bytes_max)},
      {&Options::memtable_bytes, static_cast<int64_t>(limits.memtable_bytes)},
      {&Options::block_cache_bytes, static_cast<int64_t>(limits.block_cache_bytes)},
      {&Options::head_cache_bytes, static_cast<int64_t>(limits.head_cache_bytes)},
      {&Options::connections_max, limits.connections_max},
      {&Options::connection_bytes_max, limits.connection_bytes_max},
      {&Options::event_loops, limits.event_loops},
      {&Options::reader_threads, limits.reader_threads},
  };
  std::vector<EffectiveOption> list;
  for (const Row& row : kRows) {
    EffectiveOption option;
    option.name = row.info.name;
    option.value = TextOf(row, options);
    if (row.field == Field(&Options::postgres_url)) {
      option.value = base::WithoutPassword(option.value);
    }
    if (const auto source = options.sources.find(option.name); source != options.sources.end()) {
      option.variable = source->second;
      option.source = option.variable.empty() ? EffectiveOption::Source::kSet
                                              : EffectiveOption::Source::kEnvironment;
    }
    if (const auto* field = std::get_if<int64_t Options::*>(&row.field)) {
      for (const auto& [derived_field, value] : derived) {
        if (derived_field != *field || options.**field != 0) continue;
        option.value = absl::StrCat(value);
        option.source = EffectiveOption::Source::kDerived;
        option.variable.clear();
      }
    }
    list.push_back(std::move(option));
  }
  return list;
}

absl::Status SetOptionsFromEnvironment(Options& options) {
  for (const Row& row : kRows) {
    const char* const value = std::getenv(row.info.environment);
    // Container tools often set a variable to nothing instead of not setting it.
    if (value == nullptr || *value == '\0') continue;
    absl::Status status = SetRow(row, value, options);
    if (!status.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("environment variable ", row.info.environment, ": ", status.message()));
    }
    options.sources[row.info.name] = row.info.environment;
  }
  return absl::OkStatus();
}

}  // namespace tcsync
