// Sealing: how a replica encrypts and authenticates its data for a sync server, byte for byte as
// TaskChampion does it; and the credentials that a user's replicas share. The sync server itself
// never needs any of this: it has no key.
//
// Source of every rule here: TaskChampion's protocol, "Encryption" (docs/protocol.md, "Sealed
// bytes"). src/crypto/envelope.cc draws the format.
#ifndef TCSYNC_ENVELOPE_H_
#define TCSYNC_ENVELOPE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <variant>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "tcsync/uuid.h"

namespace tcsync {

// Bytes that must not stay behind in memory: a secret, or an opened plaintext. Owns them, and
// overwrites them with zeros before it gives the memory back: when destroyed, and when something
// else is assigned. Moving hands the memory over without copying it and leaves the source empty.
// Cannot be copied by accident and has no operator<<; to copy, construct one from AsStringView().
//
// The bytes are on the heap, not locked against swapping: a plaintext can be many megabytes.
// Thread-compatible. Running out of memory throws std::bad_alloc.
class SecretString {
 public:
  SecretString() = default;

  // A copy of `bytes`; the caller wipes the original.
  explicit SecretString(absl::string_view bytes);

  // `size` zero bytes, to be filled in through data().
  static SecretString WithSize(size_t size);

  SecretString(SecretString&& other) noexcept;
  SecretString& operator=(SecretString&& other) noexcept;
  SecretString(const SecretString&) = delete;
  SecretString& operator=(const SecretString&) = delete;
  ~SecretString();

  // Valid until this object is destroyed, moved from or assigned to. Null when size() is 0. No
  // terminating zero byte.
  const char* data() const { return bytes_.get(); }
  char* data() { return bytes_.get(); }

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  // The bytes, borrowed from this object for as long as data() is valid.
  absl::string_view AsStringView() const { return absl::string_view(data(), size_); }

 private:
  void WipeAndFree();

  std::unique_ptr<char[]> bytes_;
  size_t size_ = 0;
};

// The configuration of a new user's replicas.
struct Credentials {
  Uuid client_id;       // Taskwarrior's sync.server.client_id
  SecretString secret;  // Taskwarrior's sync.encryption_secret
};

// New credentials from the operating system's random source: a version 4 UUID, and 32 random bytes
// written as 64 lower-case hexadecimal digits, a form that survives every configuration file and
// terminal. Internal error if that source cannot be opened. Thread-safe.
absl::StatusOr<Credentials> GenerateCredentials();

// Why sealed bytes did not open.
enum class UnsealFault {
  // The end is missing: shorter than any sealed bytes, or a version whose JSON is not closed.
  kTruncated,
  // The first byte is not 1.
  kUnknownFormat,
  // The secret or the client ID is not the one that these bytes were sealed with. The two enter
  // sealing only together, through the derived key, so nothing can tell which of them is wrong.
  kWrongKey,
  // The key is right; the bytes were changed or cut short, or belong to another version ID.
  kNotAuthentic,
};

// The key that seals one client's data, 32 bytes. Wiped when destroyed or moved from; a key that
// has been moved from must not be used for anything but assignment and destruction. Cannot be
// copied. Any number of threads may seal and unseal with one const key.
class SealingKey {
 public:
  static constexpr size_t kBytes = 32;

  // Derives the key of the client `client_id` from `secret`, the UTF-8 bytes that its replicas have
  // configured, without trimming or normalizing them: PBKDF2-HMAC-SHA256, salt the 16 bytes of the
  // client ID, 600,000 iterations. That keeps the processor busy for a good part of a second, on
  // purpose: each guess at a weak secret costs as much. So derive once per client, keep the key,
  // and do not derive on a thread that others wait for.
  //
  // InvalidArgument if `secret` is empty; internal error if the operating system's random source
  // cannot be opened. The bytes of `secret` are borrowed for the call. Thread-safe.
  static absl::StatusOr<SealingKey> Derive(const Uuid& client_id, absl::string_view secret);

  SealingKey(SealingKey&& other) noexcept;
  SealingKey& operator=(SealingKey&& other) noexcept;
  SealingKey(const SealingKey&) = delete;
  SealingKey& operator=(const SealingKey&) = delete;
  ~SealingKey();

 private:
  friend absl::StatusOr<std::string> Seal(const SealingKey& key, const Uuid& version_id,
                                          absl::string_view plaintext);
  friend std::variant<SecretString, UnsealFault> Unseal(const SealingKey& key,
                                                        const Uuid& version_id,
                                                        absl::string_view sealed);
  friend class SealingKeyTestPeer;  // compares with known keys

  // Only Derive makes keys, so the existence of one means that libsodium has been initialized.
  SealingKey() = default;

  std::array<uint8_t, kBytes> bytes_{};
};

// The number of bytes that sealing adds to a plaintext.
inline constexpr size_t kSealedOverheadBytes = 29;

// The longest plaintext that ChaCha20-Poly1305 can seal under one nonce, 256 GiB - 64 bytes: its
// block counter has 32 bits (RFC 8439, section 2.8).
inline constexpr uint64_t kPlaintextBytesMax = (uint64_t{1} << 38) - 64;

// Seals `plaintext`: a history segment of JSON, or a snapshot of zlib-compressed JSON. A random
// nonce is drawn every time, so the same plaintext never gives the same bytes twice.
//
// `version_id` is authenticated with the plaintext, so that a server cannot pass off one version as
// another. It is the PARENT's version ID for a version (its own is chosen by the server later), and
// the snapshot's own version ID for a snapshot.
//
// InvalidArgument if `plaintext` is longer than kPlaintextBytesMax. Thread-safe.
absl::StatusOr<std::string> Seal(const SealingKey& key, const Uuid& version_id,
                                 absl::string_view plaintext);

// One English sentence for the person who holds the secret: the fault and its remedy. Static text.
// Thread-safe.
absl::string_view UnsealFaultMessage(UnsealFault fault);

// Opens what Seal, or any TaskChampion replica, has sealed. `version_id` is as for Seal. Gives the
// plaintext, in memory that will be wiped, only if every byte is authentic. Thread-safe.
//
// The authenticity is certain; the fault of inauthentic bytes is a diagnosis. The cipher answers a
// wrong key and a changed byte alike, so after it has refused, a few bytes are decrypted without
// authentication, compared with the beginnings and ends of TaskChampion's plaintexts, and wiped.
// The diagnosis is wrong in these cases:
//  - a change to the nonce, or to the two bytes with which a snapshot begins, looks like kWrongKey;
//  - so does any change to a plaintext which is not a TaskChampion version or snapshot;
//  - changing the last two bytes of a version's plaintext, or appending bytes, gives kTruncated;
//  - a snapshot that was cut short gives kNotAuthentic, because compressed bytes have no known end;
//  - one wrong key in 16,384 decrypts to something that looks like a snapshot: kNotAuthentic.
//
// Show the fault to the person who holds the secret, but do not let a program report it to the
// source of the bytes: many diagnosed forgeries could reveal plaintext.
std::variant<SecretString, UnsealFault> Unseal(const SealingKey& key, const Uuid& version_id,
                                               absl::string_view sealed);

}  // namespace tcsync

#endif  // TCSYNC_ENVELOPE_H_
