// tcsync-load: puts a whole sync server under load over loopback, and checks every answer.
//
// It speaks only the HTTP protocol, so it measures any server that does. Exit status: 0 when every
// answer was right, 1 when any was wrong or none came, 2 for a wrong command line.
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "load/loads.h"
#include "load/race_check.h"
#include "load/report.h"
#include "load/results.h"
#include "load/segments.h"
#include "load/target.h"
#include "load/worker.h"

namespace tcsync::load {
namespace {

constexpr int kExitFaults = 1;
constexpr int kExitUsage = 2;

constexpr double kSecondsMax = 120;
constexpr double kWarmupSecondsMax = 30;
constexpr double kRateMax = 1'000'000;
// One address has some 28,000 ports for connections to one server.
constexpr size_t kConnectionsMax = 10'000;
constexpr size_t kThreadsMax = 64;
constexpr size_t kClientsMax = 1'000'000;
constexpr size_t kChainMax = 100'000;
constexpr size_t kSegmentBytesMax = size_t{64} << 20;
// catch-up remembers 48 bytes per version that it wrote.
constexpr size_t kVersionsMax = 10'000'000;
// populate ends by itself; a server that takes longer than this would not end at all.
constexpr double kPopulateSecondsMax = 600;
// The default number of clients of a population in a load: some 130 bytes each, and more than a
// server's caches hold.
constexpr size_t kPopulationClientsUsed = 200'000;
// A right answer's body is a segment, or an error's sentence.
constexpr size_t kErrorBodyBytesMax = size_t{64} << 10;

struct Options {
  std::string url;
  std::string load;
  size_t connections = 1;
  size_t clients = 0;  // 0: not given
  size_t population = 0;
  uint64_t population_seed = 1;
  size_t threads = 1;
  size_t prepare_connections = 8;
  size_t segment_bytes = 1024;
  size_t chain = 0;  // 0: not given
  double rate = 0;
  double seconds = 5;
  double warmup_seconds = 1;
  bool connection_per_request = false;
  bool json = false;
};

void DefineOptions(CLI::App* app, Options* options) {
  app->add_option("--url", options->url,
                  "The server: http://127.0.0.1:PORT, with its base path if it has one; loopback "
                  "addresses only")
      ->required();
  app->add_option("--load", options->load, "The load")
      ->required()
      ->check(CLI::IsMember(LoadNames()));
  app->add_option("--connections", options->connections,
                  "Connections at a time; they are kept open between requests")
      ->required()
      ->check(CLI::Range(size_t{1}, kConnectionsMax));
  app->add_option("--seconds", options->seconds, "How long to measure")
      ->capture_default_str()
      ->check(CLI::Range(0.1, kSecondsMax));
  app->add_option("--warmup-seconds", options->warmup_seconds, "Load before it, not counted")
      ->capture_default_str()
      ->check(CLI::Range(0.0, kWarmupSecondsMax));
  app->add_option("--segment-bytes", options->segment_bytes, "Size of each history segment")
      ->capture_default_str()
      ->check(CLI::Range(size_t{1}, kSegmentBytesMax));
  app->add_option("--rate", options->rate,
                  "Open loop: requests per second in all, at fixed times; latency counts from the "
                  "scheduled time. Without it each connection asks again once it is answered")
      ->check(CLI::Range(0.1, kRateMax));
  app->add_flag("--connection-per-request", options->connection_per_request,
                "Every request opens a connection of its own, as each of very many users does. One "
                "that the server closes without an answer, or does not take, is counted as lost, "
                "which is no fault: a server may do that beyond its capacity to refuse");
  app->add_option("--clients", options->clients,
                  "Clients (chains) in all, shared out over the connections; default: one each. "
                  "For add-version, get-child-404 and catch-up")
      ->check(CLI::Range(size_t{1}, kClientsMax));
  app->add_option(
         "--population", options->population,
         "populate: clients to write. add-version and get-child-404: use clients that a "
         "population of this size has, evenly spread, by default all or 200000 of them. Each "
         "is used once before any is used again, so clients beyond a cache's size are cold")
      ->check(CLI::Range(size_t{1}, kClientsMax));
  app->add_option("--population-seed", options->population_seed,
                  "The population's seed: the same for populate and for the loads that use it")
      ->capture_default_str();
  app->add_option("--chain", options->chain,
                  "Versions per client: for catch-up, default 200, and for populate, default 1")
      ->check(CLI::Range(size_t{1}, kChainMax));
  app->add_option("--prepare-connections", options->prepare_connections,
                  "Connections that prepare at a time before anything is measured, and check at a "
                  "time after it; with few, a server that fails under many writers can still have "
                  "its reads measured")
      ->capture_default_str()
      ->check(CLI::Range(size_t{1}, kConnectionsMax));
  app->add_option("--threads", options->threads, "Threads of this program")
      ->capture_default_str()
      ->check(CLI::Range(size_t{1}, kThreadsMax));
  app->add_flag("--json", options->json, "Report as one JSON object");
}

// The clients of all connections that have clients of their own.
size_t ClientsUsed(const Options& options) {
  if (options.clients > 0) return options.clients;
  return std::max(options.connections, std::min(options.population, kPopulationClientsUsed));
}

size_t ChainLength(const Options& options, LoadKind kind) {
  if (options.chain > 0) return options.chain;
  return kind == LoadKind::kPopulate ? 1 : 200;
}

// Checks beyond the options' own ranges.
absl::Status CheckTogether(const Options& options, LoadKind kind) {
  if (options.clients > 0 && !HasOwnClients(kind)) {
    return absl::InvalidArgumentError(absl::StrCat("--clients has no meaning for ", options.load));
  }
  if (options.clients > 0 && options.clients < options.connections) {
    return absl::InvalidArgumentError(
        "--clients must be at least --connections: a client belongs to one connection");
  }
  if (kind == LoadKind::kPopulate) {
    if (options.population == 0) {
      return absl::InvalidArgumentError("populate needs --population, the number of clients");
    }
    if (options.rate > 0) {
      return absl::InvalidArgumentError("--rate has no meaning for populate");
    }
  } else if (options.population > 0) {
    if (!CanUsePopulation(kind)) {
      return absl::InvalidArgumentError(
          absl::StrCat("--population has no meaning for ", options.load));
    }
    if (std::max(options.clients, options.connections) > options.population) {
      return absl::InvalidArgumentError(
          "--population must be at least --clients and --connections");
    }
  }
  if (options.connection_per_request &&
      (kind == LoadKind::kPopulate || kind == LoadKind::kAddVersionRace)) {
    return absl::InvalidArgumentError(
        absl::StrCat("--connection-per-request has no meaning for ", options.load));
  }
  if (options.threads > options.connections) {
    return absl::InvalidArgumentError("--threads must not exceed --connections");
  }
  if (kind == LoadKind::kCatchUp &&
      ClientsUsed(options) * ChainLength(options, kind) > kVersionsMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("clients times --chain must not exceed ", kVersionsMax));
  }
  return absl::OkStatus();
}

// The default limit on open files is often 1024 (256 on macOS), and a higher one is available on
// request.
absl::Status AllowConnections(size_t connections) {
  constexpr rlim_t kOtherFiles = 64;
  const rlim_t wanted = connections + kOtherFiles;
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted) return absl::OkStatus();
  limit.rlim_cur = wanted;
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(connections, " connections exceed this system's limit on open files"));
  }
  return absl::OkStatus();
}

double ProcessorSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

uint64_t RandomSeed() {
  std::random_device device;
  return (uint64_t{device()} << 32) | device();
}

// Divides `total` as evenly as possible: part `index` of `parts`.
size_t Share(size_t total, size_t parts, size_t index) {
  return total / parts + (index < total % parts ? 1 : 0);
}

using Workers = std::vector<std::unique_ptr<Worker>>;

Workers MakeWorkers(const Options& options, LoadKind kind, const Target& target,
                    const Segments& segments) {
  std::mt19937_64 seeds(RandomSeed());
  const UuidText race_client = RandomUuid(seeds);
  std::vector<std::vector<std::unique_ptr<Load>>> loads(options.threads);
  for (size_t i = 0; i < options.connections; ++i) {
    loads[i % options.threads].push_back(MakeLoad(LoadConfig{
        .kind = kind,
        .target = &target,
        .segments = &segments,
        .connection = i,
        .connections = options.connections,
        .clients = ClientsUsed(options),
        .chain = ChainLength(options, kind),
        .population = {.clients = options.population, .seed = options.population_seed},
        .race_client = race_client,
        .seed = seeds(),
    }));
  }
  Workers workers;
  for (size_t i = 0; i < options.threads; ++i) {
    Schedule schedule;
    if (options.rate > 0) {
      // The threads take turns: thread i has the requests i, i + threads, i + 2 * threads, …
      schedule.interval_ns = 1e9 / options.rate * static_cast<double>(options.threads);
      schedule.phase_ns = 1e9 / options.rate * static_cast<double>(i);
    }
    workers.push_back(std::make_unique<Worker>(
        target, options.connection_per_request ? ConnectionUse::kPerRequest : ConnectionUse::kKept,
        std::max(options.segment_bytes, kErrorBodyBytesMax), schedule,
        std::max<size_t>(1, Share(options.prepare_connections, options.threads, i)),
        std::move(loads[i])));
  }
  return workers;
}

// Runs one part on every worker, each in its own thread, and waits for all.
template <typename Part>
void OnEach(const Workers& workers, const Part& part) {
  std::vector<std::thread> threads;
  for (size_t i = 1; i < workers.size(); ++i) {
    threads.emplace_back([&part, &worker = *workers[i]] { part(worker); });
  }
  part(*workers[0]);
  for (std::thread& thread : threads) thread.join();
}

bool AnyFault(const Workers& workers) {
  return std::any_of(workers.begin(), workers.end(),
                     [](const auto& worker) { return worker->any_fault(); });
}

void CheckRace(const Workers& workers, Results* results) {
  std::vector<Link> links;
  for (const auto& worker : workers) worker->CollectLinks(&links);
  const bool answers_lost = results->reconnects() > 0 || results->fault_count() > 0;
  for (const std::string& fault : CheckOneChain(std::move(links), answers_lost)) {
    results->AddFault(fault);
  }
}

int Run(const Options& options, LoadKind kind, const Target& target) {
  const bool populates = kind == LoadKind::kPopulate;
  const Segments segments(options.segment_bytes, RandomSeed());
  const Workers workers = MakeWorkers(options, kind, target, segments);

  RunDescription run{
      .load = options.load,
      .url = options.url,
      .connections = options.connections,
      .connection_per_request = options.connection_per_request,
      .clients = HasOwnClients(kind)                 ? ClientsUsed(options)
                 : kind == LoadKind::kAddVersionRace ? 1
                                                     : 0,
      .population = options.population,
      .threads = options.threads,
      .segment_bytes = options.segment_bytes,
      .chain = kind == LoadKind::kCatchUp || populates ? ChainLength(options, kind) : 0,
      .rate = options.rate,
      .seconds = options.seconds,
      .warmup_seconds = populates ? 0 : options.warmup_seconds,
  };

  if (!options.connection_per_request) {
    OnEach(workers, [](Worker& worker) { worker.Connect(); });
  }
  if (!AnyFault(workers)) OnEach(workers, [](Worker& worker) { worker.Prepare(); });
  if (!AnyFault(workers)) {
    const auto duration = [](double seconds) {
      return std::chrono::duration_cast<std::chrono::steady_clock::duration>(
          std::chrono::duration<double>(seconds));
    };
    Window window;
    window.start = std::chrono::steady_clock::now();
    window.begin = window.start + duration(run.warmup_seconds);
    window.end = window.begin + duration(populates ? kPopulateSecondsMax : options.seconds);
    const double processor_seconds = ProcessorSeconds();
    OnEach(workers, [&window](Worker& worker) { worker.Measure(window); });
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - window.start;
    run.own_cores = (ProcessorSeconds() - processor_seconds) / took.count();
    if (populates) run.seconds = took.count();
    OnEach(workers, [](Worker& worker) { worker.Check(); });
  }

  Results results;
  for (const auto& worker : workers) results.Merge(worker->CollectResults());
  if (kind == LoadKind::kAddVersionRace) CheckRace(workers, &results);
  if (populates && run.seconds >= kPopulateSecondsMax) {
    results.AddFault(absl::StrCat("not populated within ", kPopulateSecondsMax, " s"));
  }
  const bool answered =
      std::any_of(kOutcomes.begin(), kOutcomes.end(), [&results](Outcome outcome) {
        return outcome != Outcome::kLost && results.Count(outcome) > 0;
      });
  if (!answered && results.fault_count() == 0) {
    results.AddFault("no answer came in the measured time");
  }
  const std::string report = options.json ? JsonReport(run, results) : HumanReport(run, results);
  std::fputs(report.c_str(), stdout);
  return results.fault_count() == 0 ? 0 : kExitFaults;
}

int Usage(const absl::Status& status) {
  std::fprintf(stderr, "tcsync-load: %s\n", std::string(status.message()).c_str());
  return kExitUsage;
}

int Main(int argc, char** argv) {
  CLI::App app("Puts a TaskChampion sync server under load over loopback, and checks every answer.",
               "tcsync-load");
  Options options;
  DefineOptions(&app, &options);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {  // CLI11 reports even --help this way.
    return app.exit(error) == 0 ? 0 : kExitUsage;
  }
  const LoadKind kind = *LoadKindFromName(options.load);  // IsMember has checked it
  const auto target = ParseTarget(options.url);
  if (!target.ok()) return Usage(target.status());
  if (const auto status = CheckTogether(options, kind); !status.ok()) return Usage(status);
  if (const auto status = AllowConnections(options.connections); !status.ok()) return Usage(status);
  return Run(options, kind, *target);
}

}  // namespace
}  // namespace tcsync::load

int main(int argc, char** argv) {
  try {
    return tcsync::load::Main(argc, argv);
  } catch (const std::exception& error) {  // Out of memory, or of threads.
    std::fprintf(stderr, "tcsync-load: %s\n", error.what());
    return 1;
  }
}
