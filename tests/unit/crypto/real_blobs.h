// Bodies that Taskwarrior really sent (testdata/README.md), and the derived keys. Deriving takes a
// good part of a second, more under a sanitizer, so each key is derived once per test program.
#ifndef TCSYNC_TESTS_UNIT_CRYPTO_REAL_BLOBS_H_
#define TCSYNC_TESTS_UNIT_CRYPTO_REAL_BLOBS_H_

#include <fstream>
#include <iterator>
#include <map>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "tcsync/envelope.h"
#include "tcsync/uuid.h"

namespace tcsync {

struct RealBlob {
  std::string name;
  bool is_snapshot = false;
  Uuid client_id;
  std::string secret;
  std::string key_hex;
  Uuid version_id;  // the one that is authenticated with the blob
  std::string sealed;
  std::string plain;
};

inline std::string ReadTestFile(const std::string& name) {
  const std::string path = absl::StrCat(TCSYNC_TESTDATA_DIR, "/taskwarrior-3.5.0/", name);
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot read " + path);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

inline std::vector<RealBlob> ReadRealBlobs() {
  std::vector<RealBlob> blobs;
  for (const auto& entry : nlohmann::json::parse(ReadTestFile("index.json"))) {
    RealBlob blob;
    blob.name = entry.at("file").get<std::string>();
    blob.is_snapshot = entry.at("kind").get<std::string>() == "snapshot";
    blob.client_id = Uuid::Parse(entry.at("client_id").get<std::string>()).value();
    blob.secret = entry.at("secret").get<std::string>();
    blob.key_hex = entry.at("key_hex").get<std::string>();
    blob.version_id = Uuid::Parse(entry.at("aad_version_id").get<std::string>()).value();
    blob.sealed = ReadTestFile(blob.name + ".sealed");
    blob.plain = ReadTestFile(blob.name + ".plain");
    blobs.push_back(std::move(blob));
  }
  if (blobs.empty()) throw std::runtime_error("index.json names no blobs");
  return blobs;
}

inline const std::vector<RealBlob>& RealBlobs() {
  static const std::vector<RealBlob> blobs = ReadRealBlobs();
  return blobs;
}

// A version (not a snapshot) that Taskwarrior sent.
inline const RealBlob& RealVersion() {
  for (const RealBlob& blob : RealBlobs()) {
    if (!blob.is_snapshot) return blob;
  }
  throw std::runtime_error("index.json names no version");
}

// Not thread-safe.
inline const SealingKey& KeyFor(const Uuid& client_id, const std::string& secret) {
  static std::map<std::pair<Uuid, std::string>, SealingKey> keys;
  const std::pair<Uuid, std::string> id(client_id, secret);
  auto found = keys.find(id);
  if (found == keys.end()) {
    found = keys.emplace(id, SealingKey::Derive(client_id, secret).value()).first;
  }
  return found->second;
}

inline const SealingKey& KeyFor(const RealBlob& blob) {
  return KeyFor(blob.client_id, blob.secret);
}

}  // namespace tcsync

#endif  // TCSYNC_TESTS_UNIT_CRYPTO_REAL_BLOBS_H_
