#include "metrics/process_metrics.h"

#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"

namespace tcsync::metrics {
namespace {

double Seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

std::string ReadFile(const char* path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::optional<double> OpenFiles() {
  DIR* const directory = opendir("/proc/self/fd");
  if (directory == nullptr) return std::nullopt;
  int64_t count = 0;
  while (readdir(directory) != nullptr) ++count;
  closedir(directory);
  return static_cast<double>(count - 3);  // ".", ".." and the directory itself, while it is open
}

// The content of /proc/self/stat (proc(5)): the fields after the command's name, which may have
// spaces.
struct ProcessStat {
  double virtual_bytes;
  double resident_bytes;
  double start_ticks;  // after the machine's start
};
std::optional<ProcessStat> ReadProcessStat() {
  constexpr size_t kStartTime = 22 - 3;
  constexpr size_t kVirtualSize = 23 - 3;
  constexpr size_t kResidentPages = 24 - 3;
  const std::string text = ReadFile("/proc/self/stat");
  const size_t name_end = text.rfind(')');
  if (name_end == std::string::npos || name_end + 2 > text.size()) return std::nullopt;
  const std::vector<std::string> fields = absl::StrSplit(text.substr(name_end + 2), ' ');
  ProcessStat stat{};
  double pages = 0;
  if (fields.size() <= kResidentPages || !absl::SimpleAtod(fields[kStartTime], &stat.start_ticks) ||
      !absl::SimpleAtod(fields[kVirtualSize], &stat.virtual_bytes) ||
      !absl::SimpleAtod(fields[kResidentPages], &pages)) {
    return std::nullopt;
  }
  stat.resident_bytes = pages * static_cast<double>(sysconf(_SC_PAGESIZE));
  return stat;
}

// The time at which the machine was started, in seconds since 1970.
std::optional<double> BootSeconds() {
  std::istringstream lines(ReadFile("/proc/stat"));
  std::string word;
  double seconds = 0;
  while (lines >> word) {
    if (word == "btime" && lines >> seconds) return seconds;
  }
  return std::nullopt;
}

}  // namespace

void CollectProcess(Registry::Sink& sink) {
  rusage usage{};
  if (getrusage(RUSAGE_SELF, &usage) == 0) {
    sink.Add(Type::kCounter, "process_cpu_seconds_total",
             "CPU time of the process, in user and system mode.", {},
             Seconds(usage.ru_utime) + Seconds(usage.ru_stime));
  }
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    sink.Add(Type::kGauge, "process_max_fds", "Files that the process may have open.", {},
             static_cast<double>(limit.rlim_cur));
  }
  if (const std::optional<double> open_files = OpenFiles()) {
    sink.Add(Type::kGauge, "process_open_fds", "Files that the process has open.", {}, *open_files);
  }
  const std::optional<ProcessStat> stat = ReadProcessStat();
  if (!stat) return;
  sink.Add(Type::kGauge, "process_resident_memory_bytes", "Memory of the process that is in RAM.",
           {}, stat->resident_bytes);
  sink.Add(Type::kGauge, "process_virtual_memory_bytes", "Address space of the process.", {},
           stat->virtual_bytes);
  if (const std::optional<double> boot = BootSeconds()) {
    sink.Add(Type::kGauge, "process_start_time_seconds",
             "When the process was started, in seconds since 1970.", {},
             *boot + stat->start_ticks / static_cast<double>(sysconf(_SC_CLK_TCK)));
  }
}

}  // namespace tcsync::metrics
