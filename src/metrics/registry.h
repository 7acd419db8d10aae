// All metrics of one engine, and their text for Prometheus: the text-based exposition format 0.0.4.
//
//   # HELP tcsync_http_requests_total Requests that were answered.
//   # TYPE tcsync_http_requests_total counter
//   tcsync_http_requests_total{route="index",status="200"} 12
//
// A name is tcsync_ and words joined by underscores, its unit a base unit at the end (_seconds,
// _bytes), and then _total for a counter. Label values are few and known in advance: none comes
// from a request.
#ifndef TCSYNC_SRC_METRICS_REGISTRY_H_
#define TCSYNC_SRC_METRICS_REGISTRY_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "metrics/instruments.h"

namespace tcsync::metrics {

enum class Type { kCounter, kGauge };

struct Label {
  std::string name;
  std::string value;
};
using Labels = std::vector<Label>;

// Thread-safe. Metrics stay as long as the registry, collectors as long as their registration.
// Adding a metric with the name and labels of an existing one returns that one.
class Registry {
 public:
  // Receives the values of a collector.
  class Sink {
   public:
    virtual ~Sink() = default;
    virtual void Add(Type type, absl::string_view name, absl::string_view help,
                     const Labels& labels, double value) = 0;
  };
  // Called while the metrics are written, on that thread: it must not block, nor call the registry.
  // Values with the same name and labels are added up, for example those of two listeners of one
  // engine.
  using Collector = std::function<void(Sink&)>;

  // Keeps a collector in use. Move-only. Destroying it waits until the collector does not run.
  class Registration {
   public:
    Registration() = default;
    Registration(Registration&& other) noexcept
        : registry_(std::exchange(other.registry_, nullptr)), id_(other.id_) {}
    Registration& operator=(Registration&& other) noexcept {
      std::swap(registry_, other.registry_);
      std::swap(id_, other.id_);
      return *this;
    }
    ~Registration();

   private:
    friend class Registry;
    Registration(Registry* registry, uint64_t id) : registry_(registry), id_(id) {}

    Registry* registry_ = nullptr;
    uint64_t id_ = 0;
  };

  Registry() = default;
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  Counter& AddCounter(absl::string_view name, absl::string_view help, const Labels& labels = {});
  Gauge& AddGauge(absl::string_view name, absl::string_view help, const Labels& labels = {});
  Histogram& AddHistogram(absl::string_view name, absl::string_view help, const Buckets& buckets,
                          const Labels& labels = {});

  // The registry must outlive the registration.
  [[nodiscard]] Registration AddCollector(Collector collector);
  // A collector of one value.
  [[nodiscard]] Registration AddCallback(Type type, absl::string_view name, absl::string_view help,
                                         std::function<double()> read, const Labels& labels = {});

  // Every metric as text, families and series in the order of their names.
  std::string Render() const;

 private:
  template <typename Instrument>
  struct Family {
    std::string help;
    std::map<std::string, std::unique_ptr<Instrument>> series;  // by their labels as text
  };
  template <typename Instrument>
  using Families = std::map<std::string, Family<Instrument>>;

  template <typename Instrument, typename... Arguments>
  Instrument& Add(Families<Instrument>& families, absl::string_view name, absl::string_view help,
                  const Labels& labels, const Arguments&... arguments);

  mutable std::mutex mutex_;  // guards the members below
  Families<Counter> counters_;
  Families<Gauge> gauges_;
  Families<Histogram> histograms_;
  uint64_t next_collector_id_ = 1;
  std::map<uint64_t, Collector> collectors_;
};

}  // namespace tcsync::metrics

#endif  // TCSYNC_SRC_METRICS_REGISTRY_H_
