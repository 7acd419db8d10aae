// The value of every option as text, by the option's name, so that tests can walk the table.
#ifndef TCSYNC_TESTS_UNIT_BASE_OPTION_VALUES_H_
#define TCSYNC_TESTS_UNIT_BASE_OPTION_VALUES_H_

#include <map>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tcsync/options.h"

namespace tcsync {

inline std::map<std::string, std::string> OptionValues(const Options& options) {
  const auto uuid_text = [](std::string* out, const Uuid& uuid) { out->append(uuid.ToString()); };
  return {
      {"listen", absl::StrJoin(options.listen, ",")},
      {"data-dir", options.data_dir},
      {"allow-client-id", absl::StrJoin(options.allow_client_ids, ",", uuid_text)},
      {"create-clients", options.create_clients ? "true" : "false"},
      {"invite-only", options.invite_only ? "true" : "false"},
      {"trusted-proxy", absl::StrJoin(options.trusted_proxies, ",")},
      {"client-requests-per-second", absl::StrCat(options.client_requests_per_second)},
      {"client-requests-burst", absl::StrCat(options.client_requests_burst)},
      {"address-requests-per-second", absl::StrCat(options.address_requests_per_second)},
      {"address-requests-burst", absl::StrCat(options.address_requests_burst)},
      {"new-clients-per-address-day", absl::StrCat(options.new_clients_per_address_day)},
      {"client-bytes-max", absl::StrCat(options.client_bytes_max)},
      {"client-versions-max", absl::StrCat(options.client_versions_max)},
      {"total-bytes-max", absl::StrCat(options.total_bytes_max)},
      {"disk-free-bytes-min", absl::StrCat(options.disk_free_bytes_min)},
      {"retention-days", absl::StrCat(options.retention_days)},
      {"retention-versions", absl::StrCat(options.retention_versions)},
      {"replica-seen-days", absl::StrCat(options.replica_seen_days)},
      {"idle-client-days", absl::StrCat(options.idle_client_days)},
      {"snapshot-versions", absl::StrCat(options.snapshot_versions)},
      {"snapshot-days", absl::StrCat(options.snapshot_days)},
      {"base-path", options.base_path},
      {"storage", options.storage},
      {"postgres-url", options.postgres_url},
      {"public-url", options.public_url},
      {"operator-name", options.operator_name},
      {"operator-contact", options.operator_contact},
      {"terms-url", options.terms_url},
      {"memory-budget", absl::StrCat(options.memory_budget_bytes)},
      {"body-bytes-max", absl::StrCat(options.body_bytes_max)},
      {"bodies-in-flight-bytes-max", absl::StrCat(options.bodies_in_flight_bytes_max)},
      {"memtable-bytes", absl::StrCat(options.memtable_bytes)},
      {"block-cache-bytes", absl::StrCat(options.block_cache_bytes)},
      {"head-cache-bytes", absl::StrCat(options.head_cache_bytes)},
      {"connections-max", absl::StrCat(options.connections_max)},
      {"connection-bytes-max", absl::StrCat(options.connection_bytes_max)},
      {"event-loops", absl::StrCat(options.event_loops)},
      {"reader-threads", absl::StrCat(options.reader_threads)},
      {"idle-timeout", absl::StrCat(options.idle_timeout_ms)},
      {"header-timeout", absl::StrCat(options.header_timeout_ms)},
      {"body-timeout", absl::StrCat(options.body_timeout_ms)},
      {"request-timeout", absl::StrCat(options.request_timeout_ms)},
      {"transfer-bytes-per-second-min", absl::StrCat(options.transfer_bytes_per_second_min)},
      {"version-wait-max", absl::StrCat(options.version_wait_max_ms)},
      {"disk-wait-max", absl::StrCat(options.disk_wait_max_ms)},
      {"database-wait-max", absl::StrCat(options.database_wait_max_ms)},
      {"shutdown-timeout", absl::StrCat(options.shutdown_timeout_ms)},
      {"tls-cert", options.tls_certificate},
      {"tls-key", options.tls_key},
      {"metrics-listen", absl::StrJoin(options.metrics_listen, ",")},
      {"admin-socket", options.admin_socket ? "true" : "false"},
      {"log-level", options.log_level},
      {"log-format", options.log_format},
      {"log-client-ids", options.log_client_ids},
  };
}

// A text that the option takes and that is not its default, as OptionValues gives it.
inline std::string OtherValue(const OptionInfo& info) {
  switch (info.type) {
    case OptionType::kText:
      return "/somewhere/else";
    case OptionType::kTextList:
      return "127.0.0.1:1,unix:/run/tcsync.sock";
    case OptionType::kUuidList:
      return "b2f16405-0000-4000-8000-000000000001,b2f16405-0000-4000-8000-000000000002";
    case OptionType::kBool:
      return absl::string_view(info.default_text) == "true" ? "false" : "true";
    case OptionType::kCount:
    case OptionType::kMilliseconds:
    case OptionType::kDays:
      return absl::StrCat(info.minimum + 1);
    case OptionType::kBytes:
      return absl::StrCat(info.minimum + 1'000'000);
    case OptionType::kChoice: {
      const absl::string_view choices = info.choices;
      const std::string first(choices.substr(0, choices.find('|')));
      const std::string last(choices.substr(choices.rfind('|') + 1));
      return first == info.default_text ? last : first;
    }
  }
  return "";
}

}  // namespace tcsync

#endif  // TCSYNC_TESTS_UNIT_BASE_OPTION_VALUES_H_
