// Runs a fuzz target without libFuzzer: over each file of the corpus as it is, and as a bad network
// or a bad disk would leave it: cut at each place, one byte changed, given twice.
//
//   PROGRAM DIRECTORY_OR_FILE...
//
// Ends with status 0 when every promise held. When one did not, the last line names the
// file and its change.
#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/fuzz/target.h"

namespace {

// For each file this many places are cut or changed, spread over it, so that a test takes seconds.
constexpr size_t kPlacesMax = 64;

std::string running;  // the name of a failure

void Run(const std::string& input, const std::string& name, uint64_t& count) {
  running = name;
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(input.data()), input.size());
  ++count;
}

void RunVariants(const std::filesystem::path& path, uint64_t& count) {
  std::ifstream file(path, std::ios::binary);
  const std::string input(std::istreambuf_iterator<char>(file), {});
  Run(input, path.string(), count);
  Run(input + input, absl::StrCat(path.string(), ", twice"), count);
  const size_t step = input.size() / kPlacesMax + 1;
  for (size_t place = 0; place < input.size(); place += step) {
    Run(input.substr(0, place), absl::StrCat(path.string(), ", cut after ", place), count);
    std::string changed = input;
    for (const int mask : {0x01, 0x80, 0xff}) {
      changed[place] = static_cast<char>(input[place] ^ mask);
      Run(changed, absl::StrCat(path.string(), ", byte ", place, " changed by ", mask), count);
    }
  }
}

}  // namespace

int main(int argument_count, char** arguments) {
  std::vector<std::filesystem::path> paths;
  for (int i = 1; i < argument_count; ++i) {
    if (!std::filesystem::is_directory(arguments[i])) {
      paths.emplace_back(arguments[i]);
      continue;
    }
    for (const auto& entry : std::filesystem::directory_iterator(arguments[i])) {
      if (entry.is_regular_file()) paths.push_back(entry.path());
    }
  }
  if (paths.empty()) {
    std::cerr << "there is nothing to replay: name files, or a directory that has some\n";
    return 2;
  }
  std::sort(paths.begin(), paths.end());
  std::signal(SIGABRT, [](int) {
    std::cerr << "with " << running << '\n';
    std::signal(SIGABRT, SIG_DFL);
    std::abort();
  });
  uint64_t count = 0;
  for (const std::filesystem::path& path : paths) RunVariants(path, count);
  std::cout << paths.size() << " files, " << count << " inputs\n";
  return 0;
}
