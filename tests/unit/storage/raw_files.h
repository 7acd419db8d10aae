// Reads files as a thief of the disk would.
#ifndef TCSYNC_TESTS_UNIT_STORAGE_RAW_FILES_H_
#define TCSYNC_TESTS_UNIT_STORAGE_RAW_FILES_H_

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <ios>
#include <string>
#include <system_error>
#include <vector>

namespace tcsync {

inline std::string ReadWholeFile(const std::filesystem::path& path) {
  std::error_code error;
  const uintmax_t size = std::filesystem::file_size(path, error);
  std::string bytes(error ? 0 : size, '\0');
  std::ifstream(path, std::ios::binary)
      .read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  return bytes;
}

// The files below the directory that have one of the markers in them, with the marker's index.
inline std::vector<std::string> FilesWith(const std::string& directory,
                                          const std::vector<std::string>& markers) {
  std::vector<std::string> found;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    if (!entry.is_regular_file()) continue;
    const std::string bytes = ReadWholeFile(entry.path());
    for (size_t i = 0; i < markers.size(); ++i) {
      if (bytes.find(markers[i]) != std::string::npos) {
        found.push_back(entry.path().string() + " has marker " + std::to_string(i));
      }
    }
  }
  return found;
}

// The total size of the files in the directory.
inline uint64_t BytesIn(const std::string& directory) {
  uint64_t bytes = 0;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    std::error_code error;  // a file may be removed at any moment
    const uint64_t size = std::filesystem::file_size(entry.path(), error);
    if (!error) bytes += size;
  }
  return bytes;
}

}  // namespace tcsync

#endif  // TCSYNC_TESTS_UNIT_STORAGE_RAW_FILES_H_
