// The files of a data directory, for tests that damage them.
#ifndef TCSYNC_TESTS_UNIT_STORAGE_DATA_FILES_H_
#define TCSYNC_TESTS_UNIT_STORAGE_DATA_FILES_H_

#include <filesystem>
#include <fstream>
#include <map>
#include <string>

#include "gtest/gtest.h"

namespace tcsync {

inline std::string BytesOf(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file) << path;
  if (!file) return "";
  std::string bytes(std::filesystem::file_size(path), '\0');
  file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  EXPECT_TRUE(file) << path;
  return bytes;
}

inline void SetBytesOf(const std::filesystem::path& path, const std::string& bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << bytes;
  ASSERT_TRUE(file.flush()) << path;
}

inline void FlipByteOf(const std::filesystem::path& path, size_t position) {
  std::string bytes = BytesOf(path);
  ASSERT_LT(position, bytes.size()) << path;
  bytes[position] = static_cast<char>(bytes[position] ^ 0x10);
  SetBytesOf(path, bytes);
}

// Every file below a directory with its bytes; "/" for a directory. For the reserve, which is many
// zeros, only its length.
inline std::map<std::string, std::string> EverythingIn(const std::filesystem::path& directory) {
  std::map<std::string, std::string> everything;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    std::string& content = everything[entry.path().string()];
    if (entry.is_directory()) {
      content = "/";
    } else if (entry.path().filename() == "reserve") {
      content = std::to_string(entry.file_size());
    } else {
      content = BytesOf(entry.path());
    }
  }
  return everything;
}

// The first or last file of the database with that ending.
inline std::filesystem::path DatabaseFileWith(const std::filesystem::path& data_dir,
                                              const std::string& ending, bool last = false) {
  std::map<std::string, std::filesystem::path> found;
  for (const auto& entry : std::filesystem::directory_iterator(data_dir / "rocksdb")) {
    if (entry.path().extension() == ending) found[entry.path().filename().string()] = entry.path();
  }
  EXPECT_FALSE(found.empty()) << "no file with " << ending;
  if (found.empty()) return data_dir / "none";
  return last ? found.rbegin()->second : found.begin()->second;
}

inline void CopyDirectory(const std::filesystem::path& from, const std::filesystem::path& to) {
  std::filesystem::remove_all(to);
  std::filesystem::copy(from, to, std::filesystem::copy_options::recursive);
}

}  // namespace tcsync

#endif  // TCSYNC_TESTS_UNIT_STORAGE_DATA_FILES_H_
