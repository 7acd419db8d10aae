// The registry's text. tests/e2e lets Prometheus and promtool read it.
#include "metrics/registry.h"

#include <atomic>
#include <limits>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tcsync::metrics {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// If this fails, Prometheus refuses every scrape.
TEST(RegistryTest, WritesACounterInThePrometheusFormat) {
  Registry registry;
  registry.AddCounter("tcsync_things_total", "Things.").Add(3);
  EXPECT_EQ(registry.Render(),
            "# HELP tcsync_things_total Things.\n"
            "# TYPE tcsync_things_total counter\n"
            "tcsync_things_total 3\n");
}

// If this fails, a scrape is refused as a whole: a family's lines must follow its one header.
TEST(RegistryTest, SeriesOfOneFamilyAreWrittenTogether) {
  Registry registry;
  registry.AddGauge("tcsync_b", "B.", {{"x", "1"}}).Set(-7);
  registry.AddGauge("tcsync_a", "A.").Set(1);
  registry.AddGauge("tcsync_b", "B.", {{"x", "0"}}).Set(2);
  EXPECT_EQ(registry.Render(),
            "# HELP tcsync_a A.\n"
            "# TYPE tcsync_a gauge\n"
            "tcsync_a 1\n"
            "# HELP tcsync_b B.\n"
            "# TYPE tcsync_b gauge\n"
            "tcsync_b{x=\"0\"} 2\n"
            "tcsync_b{x=\"1\"} -7\n");
}

// If this fails, a quotation mark in a label or a help text makes Prometheus refuse the whole
// scrape.
TEST(RegistryTest, EscapesHelpAndLabelValues) {
  Registry registry;
  registry.AddGauge("tcsync_a", "back\\slash\nline \"quoted\"", {{"x", "a\\b\"c\nd"}}).Set(1);
  EXPECT_EQ(registry.Render(),
            "# HELP tcsync_a back\\\\slash\\nline \"quoted\"\n"
            "# TYPE tcsync_a gauge\n"
            "tcsync_a{x=\"a\\\\b\\\"c\\nd\"} 1\n");
}

// If this fails, Prometheus computes wrong quantiles: buckets are cumulative, and +Inf is the
// count.
TEST(RegistryTest, HistogramBucketsAreCumulative) {
  Registry registry;
  Histogram& histogram = registry.AddHistogram(
      "tcsync_time_seconds", "Time.",
      {.bounds = {1'000'000, 2'500'000}, .units_per_base = 1'000'000'000}, {{"route", "r"}});
  histogram.Observe(1'000'000);  // bounds are inclusive
  histogram.Observe(1'000'001);
  histogram.Observe(3'000'000'000);
  EXPECT_EQ(registry.Render(),
            "# HELP tcsync_time_seconds Time.\n"
            "# TYPE tcsync_time_seconds histogram\n"
            "tcsync_time_seconds_bucket{route=\"r\",le=\"0.001\"} 1\n"
            "tcsync_time_seconds_bucket{route=\"r\",le=\"0.0025\"} 2\n"
            "tcsync_time_seconds_bucket{route=\"r\",le=\"+Inf\"} 3\n"
            "tcsync_time_seconds_sum{route=\"r\"} 3.002000001\n"
            "tcsync_time_seconds_count{route=\"r\"} 3\n");
}

// If this fails, Prometheus refuses a scrape for a comma that no label follows.
TEST(RegistryTest, AHistogramWithoutLabelsHasTheBoundAsItsOnlyLabel) {
  Registry registry;
  registry.AddHistogram("tcsync_bytes", "Bytes.", {.bounds = {1'048'576}}).Observe(7);
  EXPECT_THAT(registry.Render(), HasSubstr("tcsync_bytes_bucket{le=\"1048576\"} 1\n"
                                           "tcsync_bytes_bucket{le=\"+Inf\"} 1\n"
                                           "tcsync_bytes_sum 7\n"
                                           "tcsync_bytes_count 1\n"));
}

// If this fails, a scrape has one series twice, and Prometheus refuses it.
TEST(RegistryTest, TheSameNameAndLabelsAreTheSameInstrument) {
  Registry registry;
  Counter& one = registry.AddCounter("tcsync_a_total", "A.", {{"x", "1"}});
  EXPECT_EQ(&one, &registry.AddCounter("tcsync_a_total", "A.", {{"x", "1"}}));
  EXPECT_NE(&one, &registry.AddCounter("tcsync_a_total", "A.", {{"x", "2"}}));
}

// If this fails, graphs show rounded figures, or a scrape with an infinite one is refused.
TEST(RegistryTest, NumbersAreWrittenExactly) {
  Registry registry;
  const std::vector<std::pair<double, std::string>> numbers = {
      {0, "0"},
      {0.1, "0.1"},
      {1e6, "1000000"},
      {123456789012.0, "123456789012"},
      {1.0 / 3, "0.333333333333333315"},
      {std::numeric_limits<double>::infinity(), "+Inf"},
      {-std::numeric_limits<double>::infinity(), "-Inf"},
      {std::numeric_limits<double>::quiet_NaN(), "NaN"}};
  for (const auto& [number, text] : numbers) {
    const Registry::Registration registration =
        registry.AddCallback(Type::kGauge, "tcsync_a", "A.", [number = number] { return number; });
    const std::string page = registry.Render();
    const std::string written = page.substr(page.find("\ntcsync_a ") + 10);
    if (number == number) {
      EXPECT_EQ(std::stod(written), number) << written;
    }
    if (number * 3 != 1) {
      EXPECT_EQ(written, text + "\n");
    }
  }
}

// If this fails, a storage that is gone is read at the next scrape.
TEST(RegistryTest, ACallbackEndsWithItsRegistration) {
  Registry registry;
  {
    const Registry::Registration registration =
        registry.AddCallback(Type::kGauge, "tcsync_a", "A.", [] { return 1.5; }, {{"x", "y"}});
    EXPECT_THAT(registry.Render(), HasSubstr("tcsync_a{x=\"y\"} 1.5\n"));
  }
  EXPECT_EQ(registry.Render(), "");
}

// If this fails, figures of a running listener vanish from the page, or those of a closed one stay.
TEST(RegistryTest, AMovedRegistrationStaysInForce) {
  Registry registry;
  Registry::Registration kept;
  {
    Registry::Registration first =
        registry.AddCallback(Type::kGauge, "tcsync_a", "A.", [] { return 1.0; });
    kept = std::move(first);
  }
  EXPECT_THAT(registry.Render(), HasSubstr("tcsync_a 1\n"));
  kept = {};
  EXPECT_EQ(registry.Render(), "");
}

// If this fails, an engine with two listeners shows the connections of only one of them.
TEST(RegistryTest, CallbacksOfOneSeriesAreAddedUp) {
  Registry registry;
  const auto one = registry.AddCallback(Type::kGauge, "tcsync_a", "A.", [] { return 2.0; });
  const auto two = registry.AddCallback(Type::kGauge, "tcsync_a", "A.", [] { return 3.0; });
  EXPECT_THAT(registry.Render(), HasSubstr("\ntcsync_a 5\n"));
}

// If this fails, one odd name of a backend's makes every scrape fail.
TEST(RegistryTest, InvalidNamesAreMadeValid) {
  Registry registry;
  const auto registration = registry.AddCollector([](Registry::Sink& sink) {
    sink.Add(Type::kGauge, "rocksdb.num-files at\nlevel0", "", {{"l-1", "v"}}, 1);
    sink.Add(Type::kGauge, "0", "", {}, 1);
  });
  const std::string page = registry.Render();
  EXPECT_THAT(page, HasSubstr("\nrocksdb_num_files_at_level0{l_1=\"v\"} 1\n"));
  EXPECT_THAT(page, HasSubstr("\n_0 1\n"));
}

// If this fails, counts that threads make at the same time get lost.
TEST(RegistryTest, ThreadsCountTogether) {
  constexpr int kThreads = 12;  // more than there are shards
  constexpr int kTimes = 10'000;
  Registry registry;
  Counter& counter = registry.AddCounter("tcsync_a_total", "A.");
  Histogram& histogram = registry.AddHistogram("tcsync_b", "B.", {.bounds = {1, 10}});
  Gauge& gauge = registry.AddGauge("tcsync_c", "C.");
  std::atomic<bool> done = false;
  std::thread reader([&] {
    while (!done) EXPECT_THAT(registry.Render(), HasSubstr("tcsync_a_total "));
  });
  std::vector<std::thread> writers;
  for (int i = 0; i < kThreads; ++i) {
    writers.emplace_back([&] {
      for (int time = 0; time < kTimes; ++time) {
        counter.Add(2);
        histogram.Observe(uint64_t{7});
        gauge.Add(time % 2 == 0 ? 3 : -2);
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  done = true;
  reader.join();
  EXPECT_EQ(counter.Value(), uint64_t{2} * kThreads * kTimes);
  EXPECT_EQ(histogram.Read().sum, uint64_t{7} * kThreads * kTimes);
  EXPECT_EQ(histogram.Read().counts[1], uint64_t{kThreads} * kTimes);
  EXPECT_EQ(gauge.Value(), kThreads * kTimes / 2);
}

// If this fails, Prometheus computes wrong quantiles, or large bodies have no bucket.
TEST(BucketsTest, BoundsIncrease) {
  for (const Buckets& buckets : {RequestSeconds(), DiskSeconds(), Counts(), Bytes()}) {
    for (size_t i = 1; i < buckets.bounds.size(); ++i) {
      EXPECT_LT(buckets.bounds[i - 1], buckets.bounds[i]);
    }
  }
  EXPECT_EQ(Bytes().bounds.back(), uint64_t{64} << 20);
  EXPECT_EQ(Counts().bounds.back(), 2048u);
}

// If this fails, a clock that is set back adds centuries to the sum of a histogram.
TEST(HistogramTest, ANegativeTimeCountsAsZero) {
  Histogram histogram(DiskSeconds());
  histogram.Observe(std::chrono::nanoseconds(-5));
  EXPECT_EQ(histogram.Read().counts[0], 1u);
  EXPECT_EQ(histogram.Read().sum, 0u);
}

}  // namespace
}  // namespace tcsync::metrics
