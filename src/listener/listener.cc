#include "tcsync/listener.h"

#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <mutex>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "access/proxy_networks.h"
#include "base/limits.h"
#include "listener/address.h"
#include "listener/engine_implementation.h"
#include "listener/service.h"
#include "listener/tls_credentials.h"
#include "metrics/registry.h"

namespace tcsync {
namespace {

listener::ConnectionTimeouts TimeoutsOf(const Options& options) {
  return {.idle = std::chrono::milliseconds(options.idle_timeout_ms),
          .header = std::chrono::milliseconds(options.header_timeout_ms),
          .body = std::chrono::milliseconds(options.body_timeout_ms),
          .request = std::chrono::milliseconds(options.request_timeout_ms),
          .bytes_per_second_min = options.transfer_bytes_per_second_min};
}

listener::Service::Settings SyncSettings(const Options& options,
                                         access::ProxyNetworks trusted_proxies) {
  const base::Limits limits(options);
  const int64_t refused_max =
      options.tls_certificate.empty()
          ? limits.refused_connections_max
          : std::min(limits.refused_connections_max, base::kRefusedTlsConnectionsMax);
  return {.timeouts = TimeoutsOf(options),
          .connections_max = limits.connections_max,
          .refused_connections_max = refused_max,
          .connection_bytes_max = limits.connection_bytes_max,
          .event_loops = limits.event_loops,
          .thread_name = "tcsync-loop",
          .trusted_proxies = std::move(trusted_proxies)};
}

listener::Service::Settings OperatorSettings(const Options& options, const char* thread_name) {
  return {.timeouts = TimeoutsOf(options),
          .connections_max = base::kOperatorConnectionsMax,
          .refused_connections_max = base::kRefusedOperatorConnectionsMax,
          .connection_bytes_max = std::numeric_limits<int64_t>::max(),
          .event_loops = 1,
          .thread_name = thread_name};
}

listener::Service::Settings AdministrationSettings(const Options& options) {
  listener::Service::Settings settings = OperatorSettings(options, "tcsync-admin");
  settings.timeouts.bounds_answers = false;
  return settings;
}

class BeastListener final : public Listener {
 public:
  BeastListener(const Options& options, access::ProxyNetworks trusted_proxies, base::Logger logger,
                std::shared_ptr<base::LogThreshold> log_threshold);
  ~BeastListener() override;

  // Loads the certificate and binds the addresses.
  absl::Status Bind();

  std::vector<std::string> addresses() const override;

  absl::Status Serve(Engine& engine) override {
    return Serve(engine.handler(), static_cast<Engine::Implementation*>(&engine));
  }
  absl::Status Serve(http::Handler& sync) override { return Serve(sync, nullptr); }

  void Stop() override;

 private:
  enum class Phase { kBound, kServing, kStopped };

  absl::Status BindAddresses(const std::vector<std::string>& addresses, absl::string_view option,
                             const listener::TlsCredentials* tls, listener::Service& service) const;
  void BindAdministration();
  // `engine` is nullptr for a handler without one.
  absl::Status Serve(http::Handler& sync, Engine::Implementation* engine);
  absl::Status StartServices(http::Handler& sync, Engine* engine);
  absl::Status Reload() const;
  void LogAddresses() const;
  void Collect(metrics::Registry::Sink& sink) const;
  std::vector<listener::Service*> Services();
  void End(std::chrono::milliseconds timeout);

  const Options options_;
  const std::shared_ptr<base::LogThreshold> log_threshold_;
  const base::Logger logger_;
  std::unique_ptr<listener::TlsCredentials> tls_;  // nullptr without TLS
  listener::Service sync_;
  std::optional<listener::Service> metrics_;         // if it has an address
  std::optional<listener::Service> administration_;  // the same; from Serve on
  std::mutex mutex_;  // guards the members below; held during Stop, so that a second one waits
  Phase phase_ = Phase::kBound;
  base::ReloadHooks::Registration reload_registration_;
  metrics::Registry::Registration metrics_registration_;
};

BeastListener::BeastListener(const Options& options, access::ProxyNetworks trusted_proxies,
                             base::Logger logger, std::shared_ptr<base::LogThreshold> log_threshold)
    : options_(options),
      log_threshold_(std::move(log_threshold)),
      logger_(std::move(logger)),
      sync_(SyncSettings(options, std::move(trusted_proxies)), logger_) {}

BeastListener::~BeastListener() {
  const std::lock_guard lock(mutex_);
  if (phase_ == Phase::kServing) End(std::chrono::milliseconds(0));
}

absl::Status BeastListener::Bind() {
  if (options_.listen.empty()) {
    return absl::InvalidArgumentError("option listen: there is no address to listen on");
  }
  if (options_.tls_certificate.empty() != options_.tls_key.empty()) {
    const bool has_key = options_.tls_certificate.empty();
    return absl::FailedPreconditionError(absl::StrCat(
        "option ", has_key ? "tls-key" : "tls-cert", " is given without ",
        has_key ? "tls-cert" : "tls-key", ": TLS needs the certificate and its private key"));
  }
  if (!options_.tls_certificate.empty()) {
    auto loaded = listener::TlsCredentials::Load(options_.tls_certificate, options_.tls_key);
    if (!loaded.ok()) return loaded.status();
    tls_ = *std::move(loaded);
  }
  if (const absl::Status status = BindAddresses(options_.listen, "listen", tls_.get(), sync_);
      !status.ok()) {
    return status;
  }
  if (options_.metrics_listen.empty()) return absl::OkStatus();
  metrics_.emplace(OperatorSettings(options_, "tcsync-metrics"), logger_);
  return BindAddresses(options_.metrics_listen, "metrics-listen", nullptr, *metrics_);
}

absl::Status BeastListener::BindAddresses(const std::vector<std::string>& addresses,
                                          absl::string_view option,
                                          const listener::TlsCredentials* tls,
                                          listener::Service& service) const {
  // All are parsed before the first is bound.
  std::vector<listener::ListenAddress> parsed;
  for (const std::string& text : addresses) {
    absl::StatusOr<listener::ListenAddress> address = listener::ParseListenAddress(text, option);
    if (!address.ok()) return address.status();
    parsed.push_back(std::move(*address));
  }
  for (size_t i = 0; i < addresses.size(); ++i) {
    const absl::Status status = service.Bind(parsed[i], addresses[i], tls);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

void BeastListener::BindAdministration() {
  if (!options_.admin_socket || options_.storage == "memory") return;
  // A storage with another place for its data has not made the directory. A failure shows at once.
  mkdir(options_.data_dir.c_str(), S_IRWXU);
  const std::string text = absl::StrCat("unix:", options_.data_dir, "/admin.sock");
  absl::StatusOr<listener::ListenAddress> address = listener::ParseListenAddress(text, "data-dir");
  absl::Status status = address.status();
  if (status.ok()) {
    std::get<listener::UnixAddress>(*address).owner_only = true;
    administration_.emplace(AdministrationSettings(options_), logger_);
    status = administration_->Bind(*address, text, nullptr);
  }
  if (status.ok()) return;
  administration_.reset();
  logger_.Log(LogLevel::kWarning,
              "administration commands cannot reach this server while it runs: ", status.message(),
              ". Clients are served all the same. If the path is too long, a shorter data-dir "
              "helps, such as a symbolic link; admin-socket=off disables the socket");
}

std::vector<std::string> BeastListener::addresses() const {
  std::vector<std::string> urls = sync_.urls();
  if (metrics_) {
    for (std::string& url : metrics_->urls()) urls.push_back(std::move(url));
  }
  return urls;
}

std::vector<listener::Service*> BeastListener::Services() {
  std::vector<listener::Service*> services = {&sync_};
  if (metrics_) services.push_back(&*metrics_);
  if (administration_) services.push_back(&*administration_);
  return services;
}

absl::Status BeastListener::Serve(http::Handler& sync, Engine::Implementation* engine) {
  const std::lock_guard lock(mutex_);
  if (phase_ != Phase::kBound) {
    return absl::FailedPreconditionError(
        phase_ == Phase::kServing
            ? "the listener serves already; a listener serves one engine, once"
            : "the listener was stopped; bind a new one to serve again");
  }
  if (engine != nullptr) BindAdministration();
  if (const absl::Status status = StartServices(sync, engine); !status.ok()) {
    for (listener::Service* const service : Services()) {
      service->StopAccepting();
      service->StopNow();
    }
    phase_ = Phase::kStopped;
    return status;
  }
  phase_ = Phase::kServing;
  if (engine != nullptr) {
    engine->log_levels().Add(log_threshold_);
    reload_registration_ = engine->reload_hooks().Register([this] { return Reload(); });
    metrics_registration_ =
        engine->registry().AddCollector([this](metrics::Registry::Sink& sink) { Collect(sink); });
  }
  LogAddresses();
  return absl::OkStatus();
}

absl::Status BeastListener::StartServices(http::Handler& sync, Engine* engine) {
  if (metrics_) {
    if (engine == nullptr) {
      return absl::InvalidArgumentError(
          "option metrics-listen is given, but this program has no metrics to serve");
    }
    if (const absl::Status status = metrics_->Start(engine->metrics()); !status.ok()) return status;
  }
  if (administration_) {
    const absl::Status status = administration_->Start(engine->administration());
    if (!status.ok()) return status;
  }
  return sync_.Start(sync);
}

void BeastListener::Collect(metrics::Registry::Sink& sink) const {
  sync_.Collect(sink);
  if (tls_ == nullptr) return;
  sink.Add(metrics::Type::kGauge, "tcsync_tls_certificate_expiry_timestamp_seconds",
           "When the TLS certificate expires, in seconds since 1970.", {},
           static_cast<double>(absl::ToUnixSeconds(tls_->expiry())));
}

absl::Status BeastListener::Reload() const {
  if (tls_ == nullptr) {
    logger_.Log(LogLevel::kInfo,
                "there is nothing to read again: the server has no TLS certificate");
    return absl::OkStatus();
  }
  if (const absl::Status status = tls_->Reload(); !status.ok()) {
    logger_.Log(LogLevel::kError, "the TLS certificate stays as it was: ", status.message());
    return status;
  }
  logger_.Log(LogLevel::kInfo, "new connections use the TLS certificate in ",
              tls_->certificate_path(), ", which is valid until ",
              absl::FormatTime("%Y-%m-%d", tls_->expiry(), absl::UTCTimeZone()));
  return absl::OkStatus();
}

void BeastListener::LogAddresses() const {
  const auto log = [this](const char* what, const listener::Service& service) {
    for (const std::string& url : service.urls()) logger_.Log(LogLevel::kInfo, what, " on ", url);
  };
  log("listening", sync_);
  if (metrics_) log("metrics", *metrics_);
  if (administration_) log("administration", *administration_);
}

void BeastListener::Stop() {
  const std::lock_guard lock(mutex_);
  if (phase_ == Phase::kServing) End(std::chrono::milliseconds(options_.shutdown_timeout_ms));
  if (phase_ == Phase::kBound) {
    for (listener::Service* const service : Services()) service->StopAccepting();
  }
  phase_ = Phase::kStopped;
}

void BeastListener::End(std::chrono::milliseconds timeout) {
  reload_registration_ = {};
  metrics_registration_ = {};
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  const std::vector<listener::Service*> services = Services();
  for (listener::Service* const service : services) service->StopAccepting();
  for (listener::Service* const service : services) service->EndConnections();
  for (const listener::Service* const service : services) service->AwaitConnections(deadline);
  for (listener::Service* const service : services) service->StopNow();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Listener>> Listener::Bind(const Options& options, LogFunction log) {
  absl::StatusOr<access::ProxyNetworks> trusted_proxies =
      access::ProxyNetworks::Parse(options.trusted_proxies);
  if (!trusted_proxies.ok()) return trusted_proxies.status();
  auto log_threshold = std::make_shared<base::LogThreshold>(LogLevelOf(options));
  auto listener =
      std::make_unique<BeastListener>(options, *std::move(trusted_proxies),
                                      base::Logger(std::move(log), log_threshold), log_threshold);
  const absl::Status status = listener->Bind();
  if (!status.ok()) return status;
  return listener;
}

}  // namespace tcsync
