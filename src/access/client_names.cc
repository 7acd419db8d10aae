#include "access/client_names.h"

#include "absl/strings/str_cat.h"
#include "access/sodium.h"

namespace tcsync::access {
namespace {

// 48 bits, as 12 digits: among a million clients, the odds of two equal names are one in 500.
constexpr size_t kPseudonymBytes = 6;

std::string PseudonymWithKey(const Uuid& client_id, const std::array<unsigned char, 32>& key) {
  unsigned char hash[crypto_generichash_BYTES_MIN];
  crypto_generichash(hash, sizeof(hash), client_id.bytes().data(), Uuid::kBytes, key.data(),
                     key.size());
  char text[2 * kPseudonymBytes + 1];
  sodium_bin2hex(text, sizeof(text), hash, kPseudonymBytes);
  return absl::StrCat("client-", text);
}

}  // namespace

ClientNames::ClientNames(Style style) : style_(style) {
  EnsureSodium();
  randombytes_buf(key_.data(), key_.size());
}

absl::Status ClientNames::SetKey(absl::string_view key) {
  if (key.size() < crypto_generichash_KEYBYTES_MIN ||
      key.size() > crypto_generichash_KEYBYTES_MAX) {
    return absl::DataLossError(absl::StrCat("the key of the log's pseudonyms has ", key.size(),
                                            " bytes, which no key of tcsync's has"));
  }
  // The key of the hash has a fixed length; storage's key may have another.
  const std::lock_guard lock(mutex_);
  crypto_generichash(key_.data(), key_.size(), reinterpret_cast<const unsigned char*>(key.data()),
                     key.size(), nullptr, 0);
  return absl::OkStatus();
}

std::string ClientNames::NameOf(const Uuid& client_id) const {
  return style_ == Style::kFull ? client_id.ToString() : PseudonymOf(client_id);
}

std::string ClientNames::PseudonymOf(const Uuid& client_id) const {
  const std::lock_guard lock(mutex_);
  return PseudonymWithKey(client_id, key_);
}

}  // namespace tcsync::access
