#include "metrics/registry.h"

#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"

namespace tcsync::metrics {
namespace {

// Up to here every whole number has an exact double.
constexpr double kWholeNumberMax = 9007199254740992.0;

// A short decimal that reads back as `value`.
std::string NumberText(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  if (std::trunc(value) == value && std::abs(value) <= kWholeNumberMax) {
    return absl::StrCat(static_cast<int64_t>(value));
  }
  std::array<char, 32> text;
  for (const int digits : {6, 15, 17}) {
    std::snprintf(text.data(), text.size(), "%.*g", digits, value);
    if (std::strtod(text.data(), nullptr) == value) break;
  }
  return text.data();
}

// A backend's figures have foreign names; an invalid one must not spoil the whole page.
std::string ValidName(absl::string_view name) {
  std::string valid(name);
  for (char& character : valid) {
    if (!absl::ascii_isalnum(static_cast<unsigned char>(character))) character = '_';
  }
  if (valid.empty() || absl::ascii_isdigit(static_cast<unsigned char>(valid.front()))) {
    valid.insert(valid.begin(), '_');
  }
  return valid;
}

// `route="index",status="200"`, or nothing.
std::string LabelsText(const Labels& labels) {
  return absl::StrJoin(labels, ",", [](std::string* out, const Label& label) {
    absl::StrAppend(
        out, ValidName(label.name), "=\"",
        absl::StrReplaceAll(label.value, {{"\\", "\\\\"}, {"\"", "\\\""}, {"\n", "\\n"}}), "\"");
  });
}

std::string Braced(absl::string_view labels) {
  return labels.empty() ? "" : absl::StrCat("{", labels, "}");
}

absl::string_view TypeText(Type type) { return type == Type::kCounter ? "counter" : "gauge"; }

// One family while its text is being built.
struct FamilyText {
  std::string type;
  std::string help;
  std::map<std::string, double> values;  // by labels; of counters and gauges
  std::string histograms;
};

class Page final : public Registry::Sink {
 public:
  void Add(Type type, absl::string_view name, absl::string_view help, const Labels& labels,
           double value) override {
    Family(TypeText(type), ValidName(name), help).values[LabelsText(labels)] += value;
  }

  FamilyText& Family(absl::string_view type, const std::string& name, absl::string_view help) {
    FamilyText& family = families_[name];
    if (family.type.empty()) {
      family.type = std::string(type);
      family.help = std::string(help);
    }
    return family;
  }

  static void AppendHistogram(const std::string& name, const std::string& labels,
                              const Histogram& histogram, std::string& out) {
    const Histogram::Snapshot snapshot = histogram.Read();
    const Buckets& buckets = histogram.buckets();
    const auto in_base = [&](uint64_t value) {
      return NumberText(static_cast<double>(value) / static_cast<double>(buckets.units_per_base));
    };
    const absl::string_view comma = labels.empty() ? "" : ",";
    uint64_t count = 0;
    for (size_t i = 0; i < snapshot.counts.size(); ++i) {
      count += snapshot.counts[i];
      const std::string bound = i < buckets.bounds.size() ? in_base(buckets.bounds[i]) : "+Inf";
      absl::StrAppend(&out, name, "_bucket{", labels, comma, "le=\"", bound, "\"} ", count, "\n");
    }
    absl::StrAppend(&out, name, "_sum", Braced(labels), " ", in_base(snapshot.sum), "\n");
    absl::StrAppend(&out, name, "_count", Braced(labels), " ", count, "\n");
  }

  std::string Text() const {
    std::string text;
    for (const auto& [name, family] : families_) {
      absl::StrAppend(&text, "# HELP ", name, " ",
                      absl::StrReplaceAll(family.help, {{"\\", "\\\\"}, {"\n", "\\n"}}), "\n");
      absl::StrAppend(&text, "# TYPE ", name, " ", family.type, "\n");
      for (const auto& [labels, value] : family.values) {
        absl::StrAppend(&text, name, Braced(labels), " ", NumberText(value), "\n");
      }
      absl::StrAppend(&text, family.histograms);
    }
    return text;
  }

 private:
  std::map<std::string, FamilyText> families_;
};

}  // namespace

Registry::Registration::~Registration() {
  if (registry_ == nullptr) return;
  const std::lock_guard lock(registry_->mutex_);
  registry_->collectors_.erase(id_);
}

template <typename Instrument, typename... Arguments>
Instrument& Registry::Add(Families<Instrument>& families, absl::string_view name,
                          absl::string_view help, const Labels& labels,
                          const Arguments&... arguments) {
  const std::lock_guard lock(mutex_);
  Family<Instrument>& family = families[ValidName(name)];
  if (family.help.empty()) family.help = std::string(help);
  std::unique_ptr<Instrument>& instrument = family.series[LabelsText(labels)];
  if (instrument == nullptr) instrument = std::make_unique<Instrument>(arguments...);
  return *instrument;
}

Counter& Registry::AddCounter(absl::string_view name, absl::string_view help,
                              const Labels& labels) {
  return Add(counters_, name, help, labels);
}

Gauge& Registry::AddGauge(absl::string_view name, absl::string_view help, const Labels& labels) {
  return Add(gauges_, name, help, labels);
}

Histogram& Registry::AddHistogram(absl::string_view name, absl::string_view help,
                                  const Buckets& buckets, const Labels& labels) {
  return Add(histograms_, name, help, labels, buckets);
}

Registry::Registration Registry::AddCollector(Collector collector) {
  const std::lock_guard lock(mutex_);
  const uint64_t id = next_collector_id_++;
  collectors_.emplace(id, std::move(collector));
  return Registration(this, id);
}

Registry::Registration Registry::AddCallback(Type type, absl::string_view name,
                                             absl::string_view help, std::function<double()> read,
                                             const Labels& labels) {
  return AddCollector([type, name = std::string(name), help = std::string(help),
                       read = std::move(read),
                       labels](Sink& sink) { sink.Add(type, name, help, labels, read()); });
}

std::string Registry::Render() const {
  Page page;
  const std::lock_guard lock(mutex_);
  for (const auto& [name, family] : counters_) {
    auto& values = page.Family("counter", name, family.help).values;
    for (const auto& [labels, counter] : family.series) {
      values[labels] = static_cast<double>(counter->Value());
    }
  }
  for (const auto& [name, family] : gauges_) {
    auto& values = page.Family("gauge", name, family.help).values;
    for (const auto& [labels, gauge] : family.series) {
      values[labels] = static_cast<double>(gauge->Value());
    }
  }
  for (const auto& [name, family] : histograms_) {
    std::string& text = page.Family("histogram", name, family.help).histograms;
    for (const auto& [labels, histogram] : family.series) {
      Page::AppendHistogram(name, labels, *histogram, text);
    }
  }
  for (const auto& [id, collector] : collectors_) collector(page);
  return page.Text();
}

}  // namespace tcsync::metrics
