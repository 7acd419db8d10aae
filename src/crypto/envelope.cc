// The sealed envelope, format version 1:
//
//    offset   bytes
//         0       1   format version, 0x01
//         1      12   nonce, random
//        13       n   ciphertext of the n bytes of plaintext
//    13 + n      16   Poly1305 tag
//
// Ciphertext and tag are ChaCha20-Poly1305 as of RFC 8439, with these 17 bytes of additional data,
// which are authenticated but not stored:
//
//         0       1   format version, 0x01
//         1      16   version ID: the parent's for a version, the snapshot's own for a snapshot
#include "tcsync/envelope.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <utility>
#include <variant>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "crypto/sodium.h"

namespace tcsync {
namespace {

constexpr char kFormatVersion = 1;
constexpr size_t kNonceOffset = 1;
constexpr size_t kNonceBytes = crypto_aead_chacha20poly1305_ietf_NPUBBYTES;
constexpr size_t kCiphertextOffset = kNonceOffset + kNonceBytes;
constexpr size_t kTagBytes = crypto_aead_chacha20poly1305_ietf_ABYTES;
static_assert(kCiphertextOffset + kTagBytes == kSealedOverheadBytes);
static_assert(crypto_aead_chacha20poly1305_ietf_MESSAGEBYTES_MAX == kPlaintextBytesMax ||
              std::numeric_limits<size_t>::max() < kPlaintextBytesMax);

using AdditionalData = std::array<unsigned char, 1 + Uuid::kBytes>;

AdditionalData MakeAdditionalData(const Uuid& version_id) {
  AdditionalData data;
  data[0] = kFormatVersion;
  std::memcpy(data.data() + 1, version_id.bytes().data(), Uuid::kBytes);
  return data;
}

const unsigned char* Bytes(const char* text) {
  return reinterpret_cast<const unsigned char*>(text);
}

unsigned char* Bytes(char* text) { return reinterpret_cast<unsigned char*>(text); }

// The beginnings and ends of TaskChampion's plaintexts; for the diagnosis only.
//
// A version is serde_json's output for a struct of one list, without any white space.
constexpr absl::string_view kVersionStart = "{\"operations\":";
constexpr absl::string_view kVersionEnd = "]}";
// A snapshot is a zlib stream (RFC 1950). Its first byte means deflate with a window of 32 KiB, the
// default of every compressor. With that first byte and without a preset dictionary, its second
// byte has only four possible values.
constexpr char kZlibFirst = '\x78';
constexpr absl::string_view kZlibSeconds = "\x01\x5e\x9c\xda";

// The bytes after the nonce are at least as long as the tag, so the compared bytes always exist. In
// truncated bytes, the place of the tag holds ciphertext.
static_assert(kVersionStart.size() <= kTagBytes);

// Decrypts bytes that have already failed to authenticate.
class Diagnosis {
 public:
  // Borrows all three. `sealed` is at least kSealedOverheadBytes long.
  Diagnosis(const unsigned char* key, absl::string_view sealed)
      : key_(key),
        nonce_(Bytes(sealed.data() + kNonceOffset)),
        stream_(sealed.substr(kCiphertextOffset)),
        plaintext_size_(sealed.size() - kSealedOverheadBytes) {}

  UnsealFault Fault() const {
    if (StartsLikeVersion()) {
      return EndsLikeVersion() ? UnsealFault::kNotAuthentic : UnsealFault::kTruncated;
    }
    return StartsLikeSnapshot() ? UnsealFault::kNotAuthentic : UnsealFault::kWrongKey;
  }

 private:
  // Most bytes right, not all, because one of these may have been altered. With a wrong key, half
  // of them are right less than once in 10^13.
  bool StartsLikeVersion() const {
    size_t matches = 0;
    for (size_t i = 0; i < kVersionStart.size(); ++i) {
      if (PlainByte(i) == kVersionStart[i]) ++matches;
    }
    return matches > kVersionStart.size() / 2;
  }

  bool EndsLikeVersion() const {
    return plaintext_size_ >= kVersionStart.size() + kVersionEnd.size() &&
           PlainByte(plaintext_size_ - 2) == kVersionEnd[0] &&
           PlainByte(plaintext_size_ - 1) == kVersionEnd[1];
  }

  bool StartsLikeSnapshot() const {
    return PlainByte(0) == kZlibFirst && kZlibSeconds.find(PlainByte(1)) != absl::string_view::npos;
  }

  // Decrypts the byte at `offset` after the nonce. Derives the whole block of key stream each time,
  // because this runs only a few times, after a failure.
  char PlainByte(size_t offset) const {
    constexpr size_t kBlockBytes = 64;
    // The AEAD uses block 0 for the tag's key and encrypts from block 1 on (RFC 8439, section 2.8).
    const auto block_number = static_cast<uint32_t>(1 + offset / kBlockBytes);
    crypto::Wiped<std::array<unsigned char, kBlockBytes>> block;
    crypto_stream_chacha20_ietf_xor_ic(block.value.data(), block.value.data(), kBlockBytes, nonce_,
                                       block_number, key_);
    return static_cast<char>(stream_[offset] ^ block.value[offset % kBlockBytes]);
  }

  const unsigned char* key_;
  const unsigned char* nonce_;
  absl::string_view stream_;  // ciphertext and tag
  size_t plaintext_size_;
};

}  // namespace

absl::StatusOr<std::string> Seal(const SealingKey& key, const Uuid& version_id,
                                 absl::string_view plaintext) {
  if (plaintext.size() > kPlaintextBytesMax) {
    return absl::InvalidArgumentError(absl::StrCat("The plaintext has ", plaintext.size(),
                                                   " bytes; at most ", kPlaintextBytesMax,
                                                   " bytes can be sealed together"));
  }
  const AdditionalData additional_data = MakeAdditionalData(version_id);
  std::string sealed(kSealedOverheadBytes + plaintext.size(), '\0');
  sealed[0] = kFormatVersion;
  unsigned char* const nonce = Bytes(sealed.data() + kNonceOffset);
  randombytes_buf(nonce, kNonceBytes);
  crypto_aead_chacha20poly1305_ietf_encrypt(
      Bytes(sealed.data() + kCiphertextOffset), nullptr, Bytes(plaintext.data()), plaintext.size(),
      additional_data.data(), additional_data.size(), nullptr, nonce, key.bytes_.data());
  return sealed;
}

std::variant<SecretString, UnsealFault> Unseal(const SealingKey& key, const Uuid& version_id,
                                               absl::string_view sealed) {
  if (sealed.size() < kSealedOverheadBytes) return UnsealFault::kTruncated;
  if (sealed[0] != kFormatVersion) return UnsealFault::kUnknownFormat;
  const size_t plaintext_size = sealed.size() - kSealedOverheadBytes;
  // No sealed bytes can be so long, because the cipher's counter ends here.
  if (plaintext_size > kPlaintextBytesMax) return UnsealFault::kNotAuthentic;

  const AdditionalData additional_data = MakeAdditionalData(version_id);
  SecretString plaintext = SecretString::WithSize(plaintext_size);
  // data() is null for an empty plaintext; libsodium then only checks the tag.
  if (crypto_aead_chacha20poly1305_ietf_decrypt(
          Bytes(plaintext.data()), nullptr, nullptr, Bytes(sealed.data() + kCiphertextOffset),
          sealed.size() - kCiphertextOffset, additional_data.data(), additional_data.size(),
          Bytes(sealed.data() + kNonceOffset), key.bytes_.data()) != 0) {
    return Diagnosis(key.bytes_.data(), sealed).Fault();
  }
  return plaintext;
}

absl::string_view UnsealFaultMessage(UnsealFault fault) {
  switch (fault) {
    case UnsealFault::kTruncated:
      return "The end of the sealed bytes is missing or damaged: fetch or copy them again, whole.";
    case UnsealFault::kUnknownFormat:
      return "The sealed bytes begin with a format version other than 1, the only one known here: "
             "check that these are the bytes that the sync server stores, and, if a newer client "
             "sealed them, use a newer tcsync.";
    case UnsealFault::kWrongKey:
      return "The encryption secret or the client ID is wrong (which one is unknown): compare "
             "both, character by character, with those of the computer that sent these bytes.";
    case UnsealFault::kNotAuthentic:
      return "The encryption secret and the client ID are right, but the sealed bytes were changed "
             "or cut short, or belong to another version ID: fetch them again, and give the "
             "parent's version ID for a version, the snapshot's own for a snapshot.";
  }
  return "The sealed bytes cannot be opened.";
}

}  // namespace tcsync
